//! Answers of lists and of single records, in both generations.

use std::collections::HashSet;

use axum::extract::Query;
use axum::http::Uri;

use super::{Form, Route, v1, v2};
use crate::simulator::bank::Bank;
use crate::simulator::dice::mix;
use crate::simulator::options::Generation;
use crate::simulator::page::{self, Filter, Page, Position, Walk};
use crate::simulator::record::{Items, Kind, Record};
use crate::simulator::respond::{Answer, Detail};

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
    /// The state as it was so many changes ago.
    Stale(u64),
}

impl Twist {
    /// The revision of the bank that is shown.
    fn revision(self, bank: &Bank) -> u64 {
        match self {
            Twist::Stale(lag) => bank.revision.saturating_sub(lag),
            _ => u64::MAX,
        }
    }
}

/// The parameters of a request.
pub(super) struct Asking(Vec<(String, String)>);

impl Asking {
    /// A parameter; an empty one is none.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        let found = self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
        found.filter(|value| !value.is_empty())
    }

    pub(super) fn day(
        &self,
        name: &str,
        field: &'static str,
    ) -> Result<Option<jiff::civil::Date>, Detail> {
        let wrong = Detail { field, error: "Must be a date" };
        self.text(name).map(|text| text.parse().map_err(|_| wrong)).transpose()
    }

    pub(super) fn flag(&self, field: &'static str) -> Result<bool, Detail> {
        match self.text(field).as_deref() {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(_) => Err(Detail { field, error: "Must be true or false" }),
        }
    }

    /// Free text, for comparison without case.
    pub(super) fn query(&self, longest: usize) -> Result<Option<String>, Detail> {
        let query = self.text("query").map(|query| query.to_lowercase());
        match query.as_ref().map(|query| query.chars().count()) {
            Some(length) if length < QUERY_MIN => {
                Err(Detail { field: "query", error: "Must have at least 3 characters" })
            }
            Some(length) if length > longest => {
                Err(Detail { field: "query", error: "Must have at most 255 characters" })
            }
            _ => Ok(query),
        }
    }

    /// The parameter `name` is compared with a member of the record.
    pub(super) fn member(&self, name: &str, member: &'static str, narrowed: &mut Narrowed) {
        narrowed.filter.members.extend(self.text(name).map(|value| (member, value)));
    }
}

/// What a list is narrowed to.
#[derive(Default)]
pub(super) struct Narrowed {
    pub(super) owner_id: Option<String>,
    pub(super) filter: Filter,
}

/// What a list request asks for, checked.
struct Asked {
    narrowed: Narrowed,
    limit: usize,
    token: Option<String>,
    /// Names the list and its filters: tokens and traps are bound to it.
    print: String,
}

/// One page of a list; of one owner where the path names it.
pub(in crate::simulator) fn list(
    bank: &Bank,
    route: &Route,
    owner_id: Option<&str>,
    uri: &Uri,
    twist: Twist,
) -> Answer {
    let asked = match ask(bank, route, owner_id, uri) {
        Ok(asked) => asked,
        Err(detail) => return Answer::invalid(detail),
    };
    if owner_id.is_some_and(|id| bank.table(Kind::Account).find(id).is_none()) {
        return Answer::error(404, "Not found.");
    }
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
    let v2 = route.generation == Generation::V2;
    let walk = Walk {
        table,
        list: table.list(asked.narrowed.owner_id.as_deref()),
        filter: &asked.narrowed.filter,
        traps: &bank.settings.traps,
        seed: bank.settings.seed,
        print: &asked.print,
        // Of v2's dated lists only those of payments have a documented order.
        unordered: bank.settings.traps.unordered && v2 && route.kind != Kind::DirectDebit,
        hidden: hidden(bank, route),
    };
    let page = walk.page(position, asked.limit);
    answer(bank, route, &asked, &page, next_token(&asked, &page, print, twist), twist)
}

fn hidden<'a>(bank: &'a Bank, route: &Route) -> Option<&'a HashSet<String>> {
    let hidden = bank.hidden_in_v2.get(&route.kind);
    hidden.filter(|_| route.generation == Generation::V2)
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
    let revision = twist.revision(bank);
    let records: Vec<_> = page
        .rows
        .iter()
        .filter_map(|row| table.row(*row))
        .filter_map(|record| record.as_of(revision))
        .collect();
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
                body.extend_from_slice(&route.form.of(bank, route.kind, record));
            }
        }
        body.push(close);
        body.push(b',');
    }
    // v1 leaves empty tokens out, v2 shows them as empty texts.
    for (key, token) in [("nextToken", &next_token), ("token", &asked.token)] {
        if token.is_some() || route.generation == Generation::V2 {
            let token = serde_json::json!(token.as_deref().unwrap_or(""));
            body.extend_from_slice(format!("\"{key}\":{token},").as_bytes());
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

/// One record by its id. A v1 404 is a bare JSON string, as v1's own definition types it.
pub(in crate::simulator) fn one(bank: &Bank, route: &Route, id: &str, twist: Twist) -> Answer {
    let shown = |record: &&Record| hidden(bank, route).is_none_or(|ids| !ids.contains(&*record.id));
    let record = bank.table(route.kind).find(id).filter(shown);
    match record.and_then(|record| record.as_of(twist.revision(bank))) {
        Some(record) if record.gone.is_none() => Answer {
            items: Some(Items {
                kind: route.kind,
                versions: vec![(record.id.clone(), record.version)],
            }),
            ..Answer::json(200, route.form.of(bank, route.kind, record))
        },
        Some(record) if record.gone.is_some_and(|gone| gone.status() == 410) => {
            Answer::error(410, "The resource has been deleted.")
        }
        _ if route.form != Form::V2 && bank.settings.traps.bare_404 => {
            Answer::json(404, "\"not found\"")
        }
        _ => Answer::error(404, "Not found."),
    }
}

fn ask(bank: &Bank, route: &Route, owner_id: Option<&str>, uri: &Uri) -> Result<Asked, Detail> {
    let Query(pairs) = Query::<Vec<(String, String)>>::try_from_uri(uri)
        .map_err(|_| Detail { field: "query", error: "Must be form encoded" })?;
    let asking = Asking(pairs);
    let mut narrowed = match route.generation {
        Generation::V1 => v1::narrow(route, &asking)?,
        Generation::V2 => v2::narrow(route, &asking)?,
    };
    if let Some(owner_id) = owner_id {
        narrowed.owner_id = Some(owner_id.to_owned());
    }
    let print = format!("{} {:?} {:?}", route.path, narrowed.owner_id, narrowed.filter);
    let coerced = bank.settings.traps.coerced_limit;
    let limit = page::effective_limit(asking.text("limit").as_deref(), coerced)
        .ok_or(Detail { field: "limit", error: "Must be from 1 to 500" })?;
    Ok(Asked { narrowed, limit, token: asking.text("token"), print })
}
