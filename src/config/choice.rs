//! Keys that take one of a few words, as enums.

/// Declares an enum whose variants are words of the configuration.
macro_rules! choices {
    ($(
        $(#[$doc:meta])* $name:ident {
            $($(#[$variant_doc:meta])* $variant:ident = $word:literal,)+
        }
    )+) => { $(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name { $($(#[$variant_doc])* $variant,)+ }

        impl $name {
            /// The words, in the order of the documentation.
            pub const NAMES: &'static [&'static str] = &[$($word,)+];

            /// The word of this choice.
            pub fn name(self) -> &'static str {
                match self { $($name::$variant => $word,)+ }
            }

            /// The choice that a word stands for.
            pub fn from_name(word: &str) -> Option<$name> {
                match word { $($word => Some($name::$variant),)+ _ => None }
            }
        }
    )+ };
}

choices! {
    /// How requests to Atlar are authenticated (`auth`).
    Auth {
        /// Signed requests, and basic if Atlar refuses them.
        Auto = "auto",
        /// Each request is signed with HMAC-SHA256.
        Hmac = "hmac",
        /// Access key and secret in the header `Authorization`.
        Basic = "basic",
        /// Client credentials exchanged for short-lived tokens.
        OAuth2 = "oauth2",
    }

    /// Generation of Atlar's API (`apiVersion`).
    ApiVersion {
        /// Decided per stream by what Atlar serves.
        Auto = "auto",
        /// Routes under `/v1`.
        V1 = "v1",
        /// Routes under `/financial-data/v2` and `/payments/v2`.
        V2 = "v2",
    }

    /// The list that external payments come from (`externalPayments.source`).
    ExternalPaymentsSource {
        /// The first of `external-payments`, `expected-transactions` that is served, else off.
        Auto = "auto",
        /// `/v1/external-payments`.
        ExternalPayments = "external-payments",
        /// `/v1/expected-transactions`.
        ExpectedTransactions = "expected-transactions",
        /// Direct debits.
        DirectDebits = "direct-debits",
        /// Pending transactions of v2.
        PendingTransactions = "pending-transactions",
        /// No external payments at all.
        Off = "off",
    }

    /// Keys of events (`kafka.keyFormat`).
    KeyFormat {
        /// The entity's id as UTF-8.
        Text = "string",
        /// An Avro record `Key{id}`.
        Avro = "avro",
    }

    /// How brokers are spoken to (`kafka.security.protocol`).
    Protocol {
        /// Neither encrypted nor authenticated.
        Plaintext = "plaintext",
        /// TLS.
        Ssl = "ssl",
        /// SASL without TLS.
        SaslPlaintext = "sasl_plaintext",
        /// SASL over TLS.
        SaslSsl = "sasl_ssl",
    }

    /// How we prove to brokers who we are (`kafka.security.mechanism`).
    Mechanism {
        /// Salted challenge and response, SHA-256.
        ScramSha256 = "SCRAM-SHA-256",
        /// Salted challenge and response, SHA-512.
        ScramSha512 = "SCRAM-SHA-512",
        /// User and password as they are.
        Plain = "PLAIN",
        /// A token of an identity provider.
        OAuthBearer = "OAUTHBEARER",
    }

    /// Shape of log lines (`log.format`).
    LogFormat {
        /// Text on a terminal, else JSON.
        Auto = "auto",
        /// One readable line per event.
        Text = "text",
        /// One JSON object per line.
        Json = "json",
    }

    /// The least important events that are logged (`log.level`).
    LogLevel {
        /// Only what needs an operator.
        Error = "error",
        /// Also what may need one.
        Warn = "warn",
        /// Also what happens.
        Info = "info",
        /// Also why.
        Debug = "debug",
        /// Everything.
        Trace = "trace",
    }
}

impl Protocol {
    /// True when brokers ask for user and password or a token.
    pub fn uses_sasl(self) -> bool {
        matches!(self, Protocol::SaslPlaintext | Protocol::SaslSsl)
    }

    /// True when the connection is encrypted.
    pub fn uses_tls(self) -> bool {
        matches!(self, Protocol::Ssl | Protocol::SaslSsl)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_choices_are_inverse() {
        for word in ExternalPaymentsSource::NAMES {
            assert_eq!(ExternalPaymentsSource::from_name(word).map(|c| c.name()), Some(*word));
        }
        assert_eq!(Auth::from_name("HMAC"), None);
    }
}
