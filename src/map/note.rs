//! What was odd about a record that was published all the same.

use std::fmt;

/// One oddity. Holds names of fields and members, currency codes and enum words: never a person's
/// name, a number or an amount.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Note {
    /// ISO 4217 knows no decimals for the code; those of `stringValue` were taken.
    UnknownCurrency { code: String },
    /// `value` and `stringValue` are different numbers under the currency's ISO 4217 decimals;
    /// the decimals of `stringValue` were taken.
    AmountDisagrees { field: &'static str, currency: String },
    /// An enum value that no documentation we know of names; it was published as sent.
    UnknownValue { field: &'static str, value: String },
    /// A member, by its dotted path, that no documentation we know of names; `raw` has it.
    UnknownField { field: String },
    /// A member of another JSON type, or a text of another form, than documented; it was read as
    /// nothing.
    Unreadable { field: &'static str },
}

impl Note {
    /// A word per kind, for counters.
    pub fn kind(&self) -> &'static str {
        match self {
            Note::UnknownCurrency { .. } => "unknown-currency",
            Note::AmountDisagrees { .. } => "amount-disagrees",
            Note::UnknownValue { .. } => "unknown-value",
            Note::UnknownField { .. } => "unknown-field",
            Note::Unreadable { .. } => "unreadable",
        }
    }

    pub(super) fn unknown_currency(code: &str) -> Note {
        Note::UnknownCurrency { code: word(code) }
    }

    pub(super) fn amount_disagrees(field: &'static str, currency: &str) -> Note {
        Note::AmountDisagrees { field, currency: word(currency) }
    }

    pub(super) fn unknown_value(field: &'static str, value: &str) -> Note {
        Note::UnknownValue { field, value: word(value) }
    }

    pub(super) fn unknown_field(path: &[String]) -> Note {
        let words: Vec<String> = path.iter().map(|name| word(name)).collect();
        Note::UnknownField { field: words.join(".") }
    }
}

/// The text if it looks like a word of an enum, else a placeholder: a bank may put anything
/// anywhere, and notes are logged.
fn word(text: &str) -> String {
    let letters = |byte: u8| byte.is_ascii_alphabetic() || matches!(byte, b'_' | b'-');
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    let wordlike = text.len() <= 40 && digits <= 3;
    if wordlike && text.bytes().all(|byte| letters(byte) || byte.is_ascii_digit()) {
        text.to_owned()
    } else {
        "(not a word)".to_owned()
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Note::UnknownCurrency { code } => {
                write!(f, "currency {code:?} has no decimals in ISO 4217")
            }
            Note::AmountDisagrees { field, currency } => {
                write!(
                    f,
                    "{field}: value and stringValue disagree under the decimals of {currency}"
                )
            }
            Note::UnknownValue { field, value } => write!(f, "{field}: unknown value {value:?}"),
            Note::UnknownField { field } => write!(f, "{field}: not documented, kept in raw only"),
            Note::Unreadable { field } => write!(f, "{field}: not of the documented form"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_hold_words_only() {
        assert_eq!(word("SE_BANKGIRO"), "SE_BANKGIRO");
        assert_eq!(word("SDD_B2B"), "SDD_B2B");
        for text in ["DE89370400440532013000", "Jane Doe", "jane@x.example", &"A".repeat(41)] {
            assert_eq!(word(text), "(not a word)", "{text}");
        }
    }
}
