//! v1 and v1beta: the paths, and the filters of each list.

use super::list::{Asking, Narrowed};
use super::{Form, Route};
use crate::simulator::options::Generation;
use crate::simulator::record::Kind;
use crate::simulator::respond::Detail;

const fn route(path: &'static str, kind: Kind) -> Route {
    Route { path, kind, form: Form::V1, generation: Generation::V1, lasting: false }
}

/// `external-payments` is an extension of ours; expected transactions show the same records
/// without what the real resource does not have.
pub(super) const ROUTES: &[Route] = &[
    route("/v1/accounts", Kind::Account),
    Route { lasting: true, ..route("/v1beta/third-parties", Kind::ThirdParty) },
    route("/v1/counterparties", Kind::Counterparty),
    route("/v1/external-accounts", Kind::ExternalAccount),
    route("/v1/transactions", Kind::Transaction),
    route("/v1/direct-debits", Kind::DirectDebit),
    route("/v1/external-payments", Kind::ExternalPayment),
    Route {
        form: Form::Expected,
        lasting: true,
        ..route("/v1/expected-transactions", Kind::ExternalPayment)
    },
];

/// What a list is narrowed to.
pub(super) fn narrow(route: &Route, asking: &Asking) -> Result<Narrowed, Detail> {
    let mut narrowed = Narrowed::default();
    match route.kind {
        Kind::Transaction | Kind::ExternalPayment | Kind::DirectDebit => {
            narrowed.owner_id = asking.text("accountId");
            narrowed.filter.from = asking.day("fromDate", "fromDate")?;
            narrowed.filter.to = asking.day("toDate", "toDate")?;
            narrowed.filter.statuses.extend(asking.text("status"));
            if route.kind == Kind::DirectDebit {
                asking.member("directDebitSchemeType", "directDebitSchemeType", &mut narrowed);
            }
        }
        Kind::Counterparty => narrowed.filter.query = asking.query(usize::MAX)?,
        Kind::ExternalAccount => {
            narrowed.owner_id = asking.text("counterpartyId");
            narrowed.filter.query = asking.query(usize::MAX)?;
        }
        Kind::ThirdParty => {
            for name in ["type", "vendorId"] {
                asking.member(name, name, &mut narrowed);
            }
        }
        Kind::Account | Kind::PendingTransaction | Kind::Balance => {}
    }
    Ok(narrowed)
}
