//! Which paths are served, as data: one table per generation of the API.

pub(super) mod v1;

use super::record::{Kind, Record};
use bytes::Bytes;

/// One collection: its list at `path`, its records at `path/{id}`.
pub(super) struct Route {
    pub(super) path: &'static str,
    pub(super) kind: Kind,
    pub(super) form: Form,
}

/// The form in which a route serves its records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    V1,
    /// v1, without what expected transactions do not have.
    Expected,
}

impl Form {
    pub(super) fn of(self, record: &Record) -> Bytes {
        match self {
            Form::V1 => record.v1.clone(),
            Form::Expected => record.expected(),
        }
    }
}

/// What a path asks for.
pub(super) enum Asked<'a> {
    List(&'static Route),
    One(&'static Route, &'a str),
}

impl Asked<'_> {
    /// The route as counts and faults name it.
    pub(super) fn route(&self) -> String {
        match self {
            Asked::List(route) => route.path.to_owned(),
            Asked::One(route, _) => format!("{}/{{id}}", route.path),
        }
    }
}

/// The collection a path belongs to.
pub(super) fn find(path: &str) -> Option<Asked<'_>> {
    v1::ROUTES.iter().find_map(|route| {
        let rest = path.strip_prefix(route.path)?;
        match rest.strip_prefix('/') {
            None if rest.is_empty() => Some(Asked::List(route)),
            Some(id) if !id.is_empty() && !id.contains('/') => Some(Asked::One(route, id)),
            _ => None,
        }
    })
}
