//! v1 and v1beta: the paths, the filters of each list, and the shape of answers.

use axum::extract::Query;
use axum::http::Uri;

use crate::simulator::bank::Bank;
use crate::simulator::dice::mix;
use crate::simulator::page::{self, Filter, Page, Position, Walk};
use crate::simulator::record::{Items, Kind};
use crate::simulator::respond::{Answer, Detail};
use crate::simulator::routes::{Form, Route};

/// `external-payments` is an extension of ours; expected transactions show the same records
/// without what the real resource does not have.
pub(in crate::simulator) const ROUTES: &[Route] = &[
    Route { path: "/v1/accounts", kind: Kind::Account, form: Form::V1 },
    Route { path: "/v1beta/third-parties", kind: Kind::ThirdParty, form: Form::V1 },
    Route { path: "/v1/counterparties", kind: Kind::Counterparty, form: Form::V1 },
    Route { path: "/v1/transactions", kind: Kind::Transaction, form: Form::V1 },
    Route { path: "/v1/external-payments", kind: Kind::ExternalPayment, form: Form::V1 },
    Route { path: "/v1/expected-transactions", kind: Kind::ExternalPayment, form: Form::Expected },
];

/// Shortest text that `query` accepts.
const QUERY_MIN: usize = 3;

/// What a fault does to a list answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::simulator) enum Twist {
    None,
    RepeatToken,
    /// The number makes the token differ from the one that led here.
    DuplicatePage(u64),
    ItemsMissing,
    ItemsNotList,
}

/// What a list request asks for, checked.
struct Asked {
    account_id: Option<String>,
    filter: Filter,
    limit: usize,
    token: Option<String>,
    /// Names the list and its filters: tokens and traps are bound to it.
    print: String,
}

/// One page of a list.
pub(in crate::simulator) fn list(bank: &Bank, route: &Route, uri: &Uri, twist: Twist) -> Answer {
    let asked = match ask(route, uri) {
        Ok(asked) => asked,
        Err(detail) => return Answer::invalid(detail),
    };
    let print = mix(bank.settings.seed, &[asked.print.as_bytes()]);
    let position = match asked.token.as_deref().map(|token| page::position(token, print)) {
        None => None,
        Some(Some(position)) => Some(position),
        Some(None) => {
            return Answer::invalid(Detail {
                field: "token",
                error: "Not a token of this list with these filters",
            });
        }
    };
    let table = bank.table(route.kind);
    let walk = Walk {
        table,
        list: table.list(asked.account_id.as_deref()),
        filter: &asked.filter,
        traps: &bank.settings.traps,
        seed: bank.settings.seed,
        print: &asked.print,
    };
    let page = walk.page(position, asked.limit);
    answer(bank, route, &asked, &page, next_token(&asked, &page, print, twist), twist)
}

fn next_token(asked: &Asked, page: &Page, print: u64, twist: Twist) -> Option<String> {
    match twist {
        Twist::RepeatToken => {
            Some(asked.token.clone().unwrap_or_else(|| page::token(page.began, print, 0)))
        }
        Twist::DuplicatePage(nonce) if page.began != Position::End => {
            Some(page::token(page.began, print, nonce))
        }
        _ => page.next.map(|next| page::token(next, print, 0)),
    }
}

fn answer(
    bank: &Bank,
    route: &Route,
    asked: &Asked,
    page: &Page,
    next_token: Option<String>,
    twist: Twist,
) -> Answer {
    let table = bank.table(route.kind);
    let records: Vec<_> = page.rows.iter().filter_map(|row| table.row(*row)).collect();
    let mut body =
        Vec::with_capacity(records.iter().map(|record| record.v1.len() + 1).sum::<usize>() + 512);
    body.push(b'{');
    if twist != Twist::ItemsMissing {
        let (open, close) = if twist == Twist::ItemsNotList { (b'{', b'}') } else { (b'[', b']') };
        body.extend_from_slice(b"\"items\":");
        body.push(open);
        if twist != Twist::ItemsNotList {
            for (index, record) in records.iter().enumerate() {
                if index > 0 {
                    body.push(b',');
                }
                body.extend_from_slice(&route.form.of(record));
            }
        }
        body.push(close);
        body.push(b',');
    }
    // v1 leaves empty tokens out.
    for (key, token) in [("nextToken", &next_token), ("token", &asked.token)] {
        if let Some(token) = token {
            body.extend_from_slice(format!("\"{key}\":{},", serde_json::json!(token)).as_bytes());
        }
    }
    body.extend_from_slice(format!("\"limit\":{}}}", asked.limit).as_bytes());
    let lists_items = !matches!(twist, Twist::ItemsMissing | Twist::ItemsNotList);
    let versions = records
        .iter()
        .filter(|_| lists_items)
        .map(|record| (record.id.clone(), record.version))
        .collect();
    Answer {
        token: asked.token.clone(),
        next_token,
        items: Some(Items { kind: route.kind, versions }),
        ..Answer::json(200, body)
    }
}

/// One record by its id. A 404 is a bare JSON string, as v1's own definition types it.
pub(in crate::simulator) fn one(bank: &Bank, route: &Route, id: &str) -> Answer {
    match bank.table(route.kind).find(id) {
        Some(record) => match record.gone {
            None => Answer {
                items: Some(Items {
                    kind: route.kind,
                    versions: vec![(record.id.clone(), record.version)],
                }),
                ..Answer::json(200, route.form.of(record))
            },
            Some(gone) if gone.status() == 410 => {
                Answer::error(410, "The resource has been deleted.")
            }
            Some(_) => Answer::json(404, "\"not found\""),
        },
        None => Answer::json(404, "\"not found\""),
    }
}

fn ask(route: &Route, uri: &Uri) -> Result<Asked, Detail> {
    let Query(pairs) = Query::<Vec<(String, String)>>::try_from_uri(uri)
        .map_err(|_| Detail { field: "query", error: "Must be form encoded" })?;
    let value = |name: &str| {
        let found = pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
        found.filter(|value| !value.is_empty())
    };
    let mut filter = Filter::default();
    let mut account_id = None;
    match route.kind {
        Kind::Transaction | Kind::ExternalPayment => {
            account_id = value("accountId");
            filter.from = day("fromDate", value("fromDate"))?;
            filter.to = day("toDate", value("toDate"))?;
            filter.status = value("status");
        }
        Kind::Counterparty => {
            filter.query = value("query").map(|query| query.to_lowercase());
            if filter.query.as_ref().is_some_and(|query| query.chars().count() < QUERY_MIN) {
                return Err(Detail { field: "query", error: "Must have at least 3 characters" });
            }
        }
        Kind::ThirdParty => {
            for name in ["type", "vendorId"] {
                filter.members.extend(value(name).map(|value| (name, value)));
            }
        }
        Kind::Account => {}
    }
    let print = format!("{} {account_id:?} {filter:?}", route.path);
    let limit = page::effective_limit(value("limit").as_deref());
    Ok(Asked { account_id, filter, limit, token: value("token"), print })
}

fn day(field: &'static str, given: Option<String>) -> Result<Option<jiff::civil::Date>, Detail> {
    let wrong = Detail { field, error: "Must be a date" };
    given.map(|text| text.parse().map_err(|_| wrong)).transpose()
}
