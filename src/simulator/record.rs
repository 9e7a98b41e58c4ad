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
}

impl Kind {
    /// All kinds, in the order in which `/_simulator/truth` shows them.
    pub const ALL: [Kind; 5] = [
        Kind::Account,
        Kind::ThirdParty,
        Kind::Counterparty,
        Kind::Transaction,
        Kind::ExternalPayment,
    ];

    /// The name in routes: `accounts`, `third-parties`, …
    pub fn slug(self) -> &'static str {
        match self {
            Kind::Account => "accounts",
            Kind::ThirdParty => "third-parties",
            Kind::Counterparty => "counterparties",
            Kind::Transaction => "transactions",
            Kind::ExternalPayment => "external-payments",
        }
    }

    /// The kind of this name.
    pub fn from_slug(slug: &str) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| kind.slug() == slug)
    }

    /// Lists of these are newest first by `date` and may be asked per account.
    pub(super) fn dated(self) -> bool {
        matches!(self, Kind::Transaction | Kind::ExternalPayment)
    }

    /// Third parties show no version and no times.
    pub(super) fn shows_version(self) -> bool {
        self != Kind::ThirdParty
    }

    /// v1 transactions have no `updated`.
    pub(super) fn shows_updated(self) -> bool {
        !matches!(self, Kind::ThirdParty | Kind::Transaction)
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
    /// The record as v1 serves it. It is the truth; other forms are made from it.
    pub(super) v1: Bytes,
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
    pub(super) account_id: Option<Arc<str>>,
    /// `reconciliation.status` of a transaction, `status` of an external payment.
    pub(super) status: Option<Arc<str>>,
}

#[derive(Default)]
pub(super) struct Others {
    /// Without what expected transactions do not have.
    pub(super) expected: OnceLock<Bytes>,
}

impl Record {
    pub(super) fn new(id: &str, version: u32, facts: Facts, v1: Bytes) -> Record {
        Record { id: Arc::from(id), version, gone: None, facts, v1, others: OnceLock::new() }
    }

    /// The record as `/v1/expected-transactions` serves it.
    pub(super) fn expected(&self) -> Bytes {
        let others = self.others.get_or_init(Box::default);
        others.expected.get_or_init(|| without_extension(&self.v1)).clone()
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
