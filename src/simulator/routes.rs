//! Which paths are served, as data: one table per generation of the API.

pub(super) mod list;
mod v1;
mod v2;

use bytes::Bytes;

use super::bank::Bank;
use super::options::Generation;
use super::record::{Kind, Record};

/// One collection: its list at `path`, its records at `path/{id}`.
pub(super) struct Route {
    /// `{id}` in it stands for the owner of the records; `-` means all owners.
    pub(super) path: &'static str,
    pub(super) kind: Kind,
    pub(super) form: Form,
    pub(super) generation: Generation,
    /// It stays when its generation goes: the other one has nothing in its place.
    pub(super) lasting: bool,
}

/// The form in which a route serves its records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    V1,
    /// v1, without what expected transactions do not have.
    Expected,
    V2,
}

impl Form {
    pub(super) fn of(self, bank: &Bank, kind: Kind, record: &Record) -> Bytes {
        match self {
            Form::V1 => record.v1.clone(),
            Form::Expected => record.expected(),
            Form::V2 => super::v2::form(bank, kind, record),
        }
    }
}

/// What a path asks for.
pub(super) enum Asked<'a> {
    /// A list; of one owner where the path names it.
    List(&'static Route, Option<&'a str>),
    One(&'static Route, &'a str),
    /// The OAuth2 token endpoint.
    Token,
}

/// Where tokens are given; the second path is the older one.
pub(super) const TOKEN_PATHS: [&str; 2] = ["/iam/v2/oauth2/token", "/iam/v2beta/oauth2/token"];

impl Asked<'_> {
    /// The route as counts and faults name it.
    pub(super) fn route(&self) -> String {
        match self {
            Asked::List(route, _) => route.path.to_owned(),
            Asked::One(route, _) => format!("{}/{{id}}", route.path),
            Asked::Token => TOKEN_PATHS[0].to_owned(),
        }
    }
}

/// All collections.
pub(super) fn all() -> impl Iterator<Item = &'static Route> {
    v1::ROUTES.iter().chain(v2::ROUTES)
}

/// The collection a path belongs to.
pub(super) fn find(path: &str) -> Option<Asked<'_>> {
    if TOKEN_PATHS.contains(&path) {
        return Some(Asked::Token);
    }
    all().find_map(|route| match route.path.split_once("{id}") {
        Some((before, after)) => {
            let owner = path.strip_prefix(before)?.strip_suffix(after)?;
            let owner = Some(owner).filter(|owner| is_id(owner))?;
            Some(Asked::List(route, Some(owner).filter(|owner| *owner != "-")))
        }
        None => {
            let rest = path.strip_prefix(route.path)?;
            match rest.strip_prefix('/') {
                None if rest.is_empty() => Some(Asked::List(route, None)),
                Some(id) if is_id(id) => Some(Asked::One(route, id)),
                _ => None,
            }
        }
    })
}

fn is_id(text: &str) -> bool {
    !text.is_empty() && !text.contains('/')
}
