//! The kinds of records and what the world keeps of each.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use jiff::civil::Date;

/// A kind of record of the workspace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    Account,
    ThirdParty,
    Counterparty,
    Transaction,
    ExternalPayment,
    /// Also embedded in its counterparty; both copies are kept the same.
    ExternalAccount,
    DirectDebit,
    /// v2 only.
    PendingTransaction,
    /// v2 only; v1 embeds the latest booked one in its account, and both are kept the same.
    Balance,
}

impl Kind {
    /// All kinds, in the order in which `/_simulator/truth` shows them.
    pub const ALL: [Kind; 9] = [
        Kind::Account,
        Kind::ThirdParty,
        Kind::Counterparty,
        Kind::Transaction,
        Kind::ExternalPayment,
        Kind::ExternalAccount,
        Kind::DirectDebit,
        Kind::PendingTransaction,
        Kind::Balance,
    ];

    /// The name in routes: `accounts`, `third-parties`, …
    pub fn slug(self) -> &'static str {
        match self {
            Kind::Account => "accounts",
            Kind::ThirdParty => "third-parties",
            Kind::Counterparty => "counterparties",
            Kind::Transaction => "transactions",
            Kind::ExternalPayment => "external-payments",
            Kind::ExternalAccount => "external-accounts",
            Kind::DirectDebit => "direct-debits",
            Kind::PendingTransaction => "pending-transactions",
            Kind::Balance => "balances",
        }
    }

    /// The kind of this name.
    pub fn from_slug(slug: &str) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| kind.slug() == slug)
    }

    /// Lists of these go by `date` and may be asked per account.
    pub(super) fn dated(self) -> bool {
        matches!(
            self,
            Kind::Transaction
                | Kind::ExternalPayment
                | Kind::DirectDebit
                | Kind::PendingTransaction
                | Kind::Balance
        )
    }

    /// v2 alone has them: their text is v2's own.
    pub(super) fn is_v2_only(self) -> bool {
        matches!(self, Kind::PendingTransaction | Kind::Balance)
    }

    /// Third parties show no version and no times, v1 external accounts no version.
    pub(super) fn shows_version(self) -> bool {
        !matches!(self, Kind::ThirdParty | Kind::ExternalAccount)
    }

    /// v1 transactions and direct debits have no `updated`, balances only a `timestamp`.
    pub(super) fn shows_updated(self) -> bool {
        !matches!(self, Kind::ThirdParty | Kind::Transaction | Kind::DirectDebit | Kind::Balance)
    }
}

/// How a deleted record is answered by id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gone {
    /// 404, as if it had never been.
    NotFound,
    /// 410: it was and is no more.
    Deleted,
}

impl Gone {
    pub(super) fn status(self) -> u16 {
        match self {
            Gone::NotFound => 404,
            Gone::Deleted => 410,
        }
    }
}

/// One record: the bytes that are served, and what lists need to know about it.
pub(super) struct Record {
    pub(super) id: Arc<str>,
    pub(super) version: u32,
    pub(super) gone: Option<Gone>,
    pub(super) facts: Facts,
    /// The record as v1 serves it (as v2 does, for kinds that v1 does not have). It is the truth;
    /// other forms are made from it.
    pub(super) v1: Bytes,
    /// When it was last changed; absent if never. Not every v1 record shows it.
    pub(super) touched: Option<Box<str>>,
    /// The bank's revision when it was made, and when it last changed.
    pub(super) born: u64,
    pub(super) since: u64,
    /// The record before its last change: what a replica that lags still shows.
    pub(super) before: Option<Box<Record>>,
    /// Forms other than v1's own list, made when first asked for.
    pub(super) others: OnceLock<Box<Others>>,
}

/// Which versions of which records are in an answer.
#[derive(Clone)]
pub(super) struct Items {
    pub(super) kind: Kind,
    pub(super) versions: Vec<(Arc<str>, u32)>,
}

/// What filters and the order of lists look at.
#[derive(Clone, Debug, Default)]
pub(super) struct Facts {
    pub(super) date: Option<Date>,
    /// Whose it is: the account, or the counterparty of an external account.
    pub(super) owner_id: Option<Arc<str>>,
    /// `reconciliation.status` of a transaction, `type` of a balance, `status` of a payment.
    pub(super) status: Option<Arc<str>>,
}

#[derive(Default)]
pub(super) struct Others {
    /// Without what expected transactions do not have.
    pub(super) expected: OnceLock<Bytes>,
    pub(super) v2: OnceLock<Bytes>,
}

impl Record {
    pub(super) fn new(id: &str, version: u32, facts: Facts, mut v1: String) -> Record {
        v1.shrink_to_fit();
        Record {
            id: Arc::from(id),
            version,
            gone: None,
            facts,
            v1: Bytes::from(v1),
            touched: None,
            born: 0,
            since: 0,
            before: None,
            others: OnceLock::new(),
        }
    }

    pub(super) fn touched(self, at: &str) -> Record {
        Record { touched: Some(at.into()), ..self }
    }

    /// The record as `/v1/expected-transactions` serves it.
    pub(super) fn expected(&self) -> Bytes {
        let others = self.others.get_or_init(Box::default);
        others.expected.get_or_init(|| without_extension(&self.v1)).clone()
    }

    /// The record as v2 serves it, made by `derive` when first asked for.
    pub(super) fn v2(&self, derive: impl FnOnce() -> Bytes) -> Bytes {
        self.others.get_or_init(Box::default).v2.get_or_init(derive).clone()
    }

    /// The record as it was at an earlier revision of the bank; no further back than one change.
    pub(super) fn as_of(&self, revision: u64) -> Option<&Record> {
        if self.since <= revision {
            return Some(self);
        }
        (self.born <= revision).then(|| self.before.as_deref().unwrap_or(self))
    }
}

/// Expected transactions carry no scheme, counterparty or mandate: those are our extension.
fn without_extension(v1: &Bytes) -> Bytes {
    let Ok(serde_json::Value::Object(mut members)) = serde_json::from_slice(v1) else {
        return v1.clone();
    };
    for extension in ["scheme", "counterparty", "mandateReference"] {
        members.remove(extension);
    }
    Bytes::from(serde_json::Value::Object(members).to_string())
}
