//! One entity of any kind.

use serde::{Serialize, Serializer};

use super::{Account, Balance, Counterparty, Entity, ExternalPayment, Payment};

/// One mapped record. Serialises as the record inside.
#[derive(Debug, Clone, PartialEq)]
pub enum Record {
    Account(Box<Account>),
    Counterparty(Box<Counterparty>),
    Payment(Box<Payment>),
    ExternalPayment(Box<ExternalPayment>),
    Balance(Box<Balance>),
}

impl Record {
    pub fn entity(&self) -> Entity {
        match self {
            Record::Account(_) => Entity::Account,
            Record::Counterparty(_) => Entity::Counterparty,
            Record::Payment(_) => Entity::Payment,
            Record::ExternalPayment(_) => Entity::ExternalPayment,
            Record::Balance(_) => Entity::Balance,
        }
    }

    /// The entity's id: the key of its events.
    pub fn id(&self) -> &str {
        match self {
            Record::Account(account) => &account.id,
            Record::Counterparty(counterparty) => &counterparty.id,
            Record::Payment(payment) => &payment.id,
            Record::ExternalPayment(payment) => &payment.id,
            Record::Balance(balance) => &balance.id,
        }
    }

    pub fn organization_id(&self) -> Option<&str> {
        match self {
            Record::Account(account) => account.organization_id.as_deref(),
            Record::Counterparty(counterparty) => counterparty.organization_id.as_deref(),
            Record::Payment(payment) => payment.organization_id.as_deref(),
            Record::ExternalPayment(payment) => payment.organization_id.as_deref(),
            Record::Balance(balance) => balance.organization_id.as_deref(),
        }
    }

    /// Atlar's version of the record.
    pub fn version(&self) -> Option<i64> {
        match self {
            Record::Account(account) => account.version,
            Record::Counterparty(counterparty) => counterparty.version,
            Record::Payment(payment) => payment.version,
            Record::ExternalPayment(payment) => payment.version,
            Record::Balance(balance) => balance.version,
        }
    }

    /// The JSON as received, where it was kept.
    pub fn raw(&self) -> Option<&str> {
        match self {
            Record::Account(account) => account.raw.as_deref(),
            Record::Counterparty(counterparty) => counterparty.raw.as_deref(),
            Record::Payment(payment) => payment.raw.as_deref(),
            Record::ExternalPayment(payment) => payment.raw.as_deref(),
            Record::Balance(balance) => balance.raw.as_deref(),
        }
    }

    /// The same record without the JSON it came from, for comparing what was mapped.
    #[must_use]
    pub fn without_raw(mut self) -> Record {
        let raw = match &mut self {
            Record::Account(account) => &mut account.raw,
            Record::Counterparty(counterparty) => &mut counterparty.raw,
            Record::Payment(payment) => &mut payment.raw,
            Record::ExternalPayment(payment) => &mut payment.raw,
            Record::Balance(balance) => &mut balance.raw,
        };
        *raw = None;
        self
    }
}

impl Serialize for Record {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Record::Account(account) => account.serialize(serializer),
            Record::Counterparty(counterparty) => counterparty.serialize(serializer),
            Record::Payment(payment) => payment.serialize(serializer),
            Record::ExternalPayment(payment) => payment.serialize(serializer),
            Record::Balance(balance) => balance.serialize(serializer),
        }
    }
}

impl From<Account> for Record {
    fn from(account: Account) -> Record {
        Record::Account(Box::new(account))
    }
}

impl From<Counterparty> for Record {
    fn from(counterparty: Counterparty) -> Record {
        Record::Counterparty(Box::new(counterparty))
    }
}

impl From<Payment> for Record {
    fn from(payment: Payment) -> Record {
        Record::Payment(Box::new(payment))
    }
}

impl From<ExternalPayment> for Record {
    fn from(payment: ExternalPayment) -> Record {
        Record::ExternalPayment(Box::new(payment))
    }
}

impl From<Balance> for Record {
    fn from(balance: Balance) -> Record {
        Record::Balance(Box::new(balance))
    }
}
