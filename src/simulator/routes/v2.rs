//! v2: the paths, and the filters of each list.

use super::list::{Asking, Narrowed};
use super::{Form, Route};
use crate::simulator::options::Generation;
use crate::simulator::record::Kind;
use crate::simulator::respond::Detail;

const fn route(path: &'static str, kind: Kind) -> Route {
    Route { path, kind, form: Form::V2, generation: Generation::V2, lasting: false }
}

/// `external-payments` is an extension of ours.
pub(super) const ROUTES: &[Route] = &[
    route("/financial-data/v2/accounts", Kind::Account),
    route("/financial-data/v2/accounts/{id}/balances", Kind::Balance),
    route("/financial-data/v2/transactions", Kind::Transaction),
    route("/financial-data/v2/pending-transactions", Kind::PendingTransaction),
    route("/payments/v2/counterparties", Kind::Counterparty),
    route("/payments/v2/external-accounts", Kind::ExternalAccount),
    route("/payments/v2/direct-debits", Kind::DirectDebit),
    route("/payments/v2/external-payments", Kind::ExternalPayment),
];

/// Longest text that `query` accepts.
const QUERY_MAX: usize = 255;

/// What a list is narrowed to.
pub(super) fn narrow(route: &Route, asking: &Asking) -> Result<Narrowed, Detail> {
    let mut narrowed = Narrowed::default();
    match route.kind {
        Kind::Balance => {
            narrowed.filter.statuses.extend(asking.text("type"));
            narrowed.filter.most_recent = asking.flag("mostRecent")?;
        }
        Kind::Transaction => {
            dated(asking, &mut narrowed)?;
            let status = asking.text("reconciliationStatus");
            narrowed.filter.statuses.extend(match status.as_deref() {
                Some("NOT_RECONCILED") => Some("BOOKED".to_owned()),
                Some("RECONCILED" | "PARTIALLY_RECONCILED") | None => status,
                Some(_) => {
                    let error = "Must be a reconciliation status";
                    return Err(Detail { field: "reconciliationStatus", error });
                }
            });
        }
        Kind::PendingTransaction => dated(asking, &mut narrowed)?,
        Kind::ExternalPayment => {
            dated(asking, &mut narrowed)?;
            narrowed.filter.statuses.extend(asking.text("status"));
        }
        Kind::DirectDebit => {
            dated(asking, &mut narrowed)?;
            let status = asking.text("status");
            // v2 has no status of its own for what is matched.
            let matched = status.as_deref() == Some("EXECUTED");
            narrowed.filter.statuses.extend(status);
            narrowed.filter.statuses.extend(matched.then(|| "RECONCILED".to_owned()));
            asking.member("scheme", "directDebitSchemeType", &mut narrowed);
        }
        Kind::Counterparty => narrowed.filter.query = asking.query(QUERY_MAX)?,
        Kind::ExternalAccount => {
            narrowed.owner_id = asking.text("counterpartyId");
            narrowed.filter.query = asking.query(QUERY_MAX)?;
        }
        Kind::Account | Kind::ThirdParty => {}
    }
    Ok(narrowed)
}

/// `accountId`, and `date` as a day or as bounds.
fn dated(asking: &Asking, narrowed: &mut Narrowed) -> Result<(), Detail> {
    narrowed.owner_id = asking.text("accountId");
    let day = match asking.day("date", "date")? {
        None => asking.day("date[eq]", "date")?,
        day => day,
    };
    narrowed.filter.from = day.or(asking.day("date[gte]", "date")?);
    narrowed.filter.to = day.or(asking.day("date[lte]", "date")?);
    Ok(())
}
