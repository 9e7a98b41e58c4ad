//! The whole job as a table: which lists are read, in which order, and what comes of them.
//!
//! ```text
//! third-parties                reference list: the names of banks
//! └── accounts                 judged once the names are known
//!     ├── payments/<account>   one list per account, judged once all own accounts are known
//!     └── balances             v1: inside each account; v2: a list of its own
//! external-accounts            v2 only, reference list: the accounts of counterparties
//! └── counterparties           (v1 embeds them)
//! external-payments/<source>   one of four lists, by configuration
//! ```
//!
//! A child waits for its parent's first complete listing in the life of the workspace, not for each
//! one: what a record joins must be known before it is judged the first time, and after that a
//! failed reference list leaves the last known facts. At its start a process lets the parent be
//! read first, if that does not take long.
//!
//! Each list may be offered by both generations of the API, in one spelling each. Which one a
//! stream is read in is decided once and kept in the state topic ([`super::generation`]).

use crate::domain::{Entity, Generation};

/// How one generation of the API offers a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Route {
    pub path: &'static str,
    /// Sent with every request, beside filters that depend on account and configuration.
    pub query: &'static [(&'static str, &'static str)],
    /// The reference list that its records join.
    pub after: Option<&'static str>,
}

/// A list in each generation; `None`: that generation has no such list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Routes {
    pub v1: Option<Route>,
    pub v2: Option<Route>,
}

/// One line of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Branch {
    /// Name of the stream; of the family of streams where there is one per account or source.
    pub name: &'static str,
    /// What its records are; none for a reference list, whose records are only joined.
    pub entity: Option<Entity>,
    /// Empty for external payments, whose routes are those of their source.
    pub routes: Routes,
    /// One list per account, filtered by this query parameter.
    pub per_account: Option<&'static str>,
    /// Where a generation has no list of its own, its records come inside those of this stream.
    pub inside: Option<&'static str>,
    /// Read only while this stream is read in v2.
    pub serves: Option<&'static str>,
}

pub const THIRD_PARTIES: &str = "third-parties";
pub const ACCOUNTS: &str = "accounts";
pub const PAYMENTS: &str = "payments";
pub const BALANCES: &str = "balances";
pub const EXTERNAL_ACCOUNTS: &str = "external-accounts";
pub const COUNTERPARTIES: &str = "counterparties";
pub const EXTERNAL_PAYMENTS: &str = "external-payments";

/// Types of balances that the documentation names.
pub const BALANCE_TYPES: &[&str] = &["BOOKED", "AVAILABLE", "BOOKED_ADJUSTED"];

const fn route(path: &'static str, after: Option<&'static str>) -> Option<Route> {
    Some(Route { path, query: &[], after })
}

const NO_ROUTES: Routes = Routes { v1: None, v2: None };

/// The table. Read it first.
pub const TREE: &[Branch] = &[
    Branch {
        name: THIRD_PARTIES,
        entity: None,
        routes: Routes {
            v1: route("/v1beta/third-parties", None),
            v2: route("/v1beta/third-parties", None),
        },
        per_account: None,
        inside: None,
        serves: None,
    },
    Branch {
        name: ACCOUNTS,
        entity: Some(Entity::Account),
        routes: Routes {
            v1: route("/v1/accounts", Some(THIRD_PARTIES)),
            v2: route("/financial-data/v2/accounts", Some(THIRD_PARTIES)),
        },
        per_account: None,
        inside: None,
        serves: None,
    },
    Branch {
        name: PAYMENTS,
        entity: Some(Entity::Payment),
        routes: Routes {
            v1: route("/v1/transactions", Some(ACCOUNTS)),
            v2: route("/financial-data/v2/transactions", Some(ACCOUNTS)),
        },
        per_account: Some("accountId"),
        inside: None,
        serves: None,
    },
    Branch {
        name: BALANCES,
        entity: Some(Entity::Balance),
        routes: Routes {
            v1: None,
            v2: Some(Route {
                path: "/financial-data/v2/accounts/-/balances",
                query: &[("mostRecent", "true")],
                after: Some(ACCOUNTS),
            }),
        },
        per_account: None,
        inside: Some(ACCOUNTS),
        serves: None,
    },
    Branch {
        name: EXTERNAL_ACCOUNTS,
        entity: None,
        routes: Routes { v1: None, v2: route("/payments/v2/external-accounts", None) },
        per_account: None,
        inside: None,
        serves: Some(COUNTERPARTIES),
    },
    Branch {
        name: COUNTERPARTIES,
        entity: Some(Entity::Counterparty),
        routes: Routes {
            v1: route("/v1/counterparties", None),
            v2: route("/payments/v2/counterparties", Some(EXTERNAL_ACCOUNTS)),
        },
        per_account: None,
        inside: None,
        serves: None,
    },
    Branch {
        name: EXTERNAL_PAYMENTS,
        entity: Some(Entity::ExternalPayment),
        routes: NO_ROUTES,
        per_account: None,
        inside: None,
        serves: None,
    },
];

/// A list that external payments may be read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Source {
    /// As in `externalPayments.source`, in the stream's name and in `source_resource`.
    pub name: &'static str,
    pub routes: Routes,
    /// Whether `auto` may choose it.
    pub automatic: bool,
}

/// The sources, in the order that `auto` asks for them.
pub const SOURCES: &[Source] = &[
    Source {
        name: "external-payments",
        routes: Routes {
            v1: route("/v1/external-payments", None),
            v2: route("/payments/v2/external-payments", None),
        },
        automatic: true,
    },
    Source {
        name: "expected-transactions",
        routes: Routes { v1: route("/v1/expected-transactions", None), v2: None },
        automatic: true,
    },
    Source {
        name: "direct-debits",
        routes: Routes {
            v1: route("/v1/direct-debits", None),
            v2: route("/payments/v2/direct-debits", None),
        },
        automatic: false,
    },
    Source {
        name: "pending-transactions",
        routes: Routes { v1: None, v2: route("/financial-data/v2/pending-transactions", None) },
        automatic: false,
    },
];

impl Routes {
    pub fn of(&self, generation: Generation) -> Option<&Route> {
        match generation {
            Generation::V1 => self.v1.as_ref(),
            Generation::V2 => self.v2.as_ref(),
        }
    }
}

/// The source of this name.
pub fn source(name: &str) -> Option<&'static Source> {
    SOURCES.iter().find(|source| source.name == name)
}

/// The line of this name.
pub fn branch(name: &str) -> Option<&'static Branch> {
    TREE.iter().find(|branch| branch.name == name)
}

/// One stream: a list that is walked as a whole, the unit of ordering and scheduling.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stream {
    /// As in `source.stream` and in state records: `accounts`, `payments/<account id>`,
    /// `external-payments/<source>`.
    pub name: String,
    pub branch: &'static Branch,
    pub routes: &'static Routes,
    /// The generation of the API it is read in.
    pub generation: Generation,
    pub account_id: Option<String>,
}

impl Stream {
    /// The stream of a branch that has only one; in the generation that v1 comes first in.
    pub fn single(branch: &'static Branch) -> Stream {
        Stream {
            name: branch.name.to_owned(),
            branch,
            routes: &branch.routes,
            generation: Generation::V1,
            account_id: None,
        }
    }

    /// The stream of one account.
    pub fn of_account(branch: &'static Branch, account_id: &str) -> Stream {
        Stream {
            name: format!("{}/{account_id}", branch.name),
            account_id: Some(account_id.to_owned()),
            ..Stream::single(branch)
        }
    }

    /// The stream of one source of external payments.
    pub fn of_source(branch: &'static Branch, source: &'static Source) -> Stream {
        Stream {
            name: format!("{}/{}", branch.name, source.name),
            routes: &source.routes,
            ..Stream::single(branch)
        }
    }

    /// The same list in this generation.
    #[must_use]
    pub fn in_generation(&self, generation: Generation) -> Stream {
        Stream { generation, ..self.clone() }
    }

    /// The list that it joins in its generation.
    pub fn after(&self) -> Option<&'static str> {
        self.routes.of(self.generation).and_then(|route| route.after)
    }

    /// The list's path and filters; none where the generation has no such list.
    pub fn request(&self, narrowing: &Narrowing) -> Option<(String, Vec<(String, String)>)> {
        let route = self.routes.of(self.generation)?;
        let fixed = route.query.iter().map(|(name, value)| (*name, (*value).to_owned()));
        let account = self.branch.per_account.zip(self.account_id.clone());
        let since = narrowing.payments_since.clone().filter(|_| self.branch.name == PAYMENTS);
        let since = since.map(|day| match self.generation {
            Generation::V1 => ("fromDate", day),
            Generation::V2 => ("date[gte]", day),
        });
        let query = fixed.chain(account).chain(since);
        let query = query.map(|(name, value)| (name.to_owned(), value)).collect();
        Some((route.path.to_owned(), query))
    }
}

/// What is left out on purpose. Narrowed-out records are frozen: neither published nor deleted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Narrowing {
    /// `yyyy-mm-dd`: payments booked earlier are not asked for.
    pub payments_since: Option<String>,
    /// The only accounts that count, if any are named.
    pub include: Vec<String>,
    pub exclude: Vec<String>,
}

impl Narrowing {
    /// Whether records of this account are judged.
    pub fn admits(&self, account_id: &str) -> bool {
        let named = |ids: &[String]| ids.iter().any(|id| id == account_id);
        (self.include.is_empty() || named(&self.include)) && !named(&self.exclude)
    }
}

/// The streams that exist from the start; external payments join them when their source is known.
pub fn roots() -> impl Iterator<Item = Stream> {
    TREE.iter()
        .filter(|branch| branch.per_account.is_none() && branch.routes != NO_ROUTES)
        .map(Stream::single)
}

/// The streams that an account brings with it.
pub fn of_account(account_id: &str) -> impl Iterator<Item = Stream> {
    TREE.iter()
        .filter(|branch| branch.per_account.is_some())
        .map(move |branch| Stream::of_account(branch, account_id))
}

/// The stream of external payments from a source.
pub fn of_source(name: &str) -> Option<Stream> {
    Some(Stream::of_source(branch(EXTERNAL_PAYMENTS)?, source(name)?))
}

/// Whose records come inside those of `name` while that is read in `generation`.
pub fn inside(name: &str, generation: Generation) -> impl Iterator<Item = Stream> {
    TREE.iter()
        .filter(move |branch| branch.inside == Some(name))
        .filter(move |branch| branch.routes.of(generation).is_none())
        .map(move |branch| Stream::single(branch).in_generation(generation))
}

/// The name of the stream that a request belongs to.
pub fn stream_of_request(path: &str, query: &[(String, String)]) -> Option<String> {
    let has = |routes: &Routes| {
        [routes.v1, routes.v2].into_iter().flatten().any(|route| route.path == path)
    };
    if let Some(source) = SOURCES.iter().find(|source| has(&source.routes)) {
        return of_source(source.name).map(|stream| stream.name);
    }
    let branch = TREE.iter().find(|branch| has(&branch.routes))?;
    let account = branch.per_account.and_then(|filter| {
        query.iter().find(|(name, _)| name == filter).map(|(_, value)| value.as_str())
    });
    Some(match account {
        Some(id) => Stream::of_account(branch, id).name,
        None => branch.name.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_branch_waits_for_one_above_it() {
        for (at, branch) in TREE.iter().enumerate() {
            let routes = [branch.routes.v1, branch.routes.v2].into_iter().flatten();
            let parents = routes.filter_map(|route| route.after).chain(branch.inside);
            for parent in parents {
                assert!(TREE[..at].iter().any(|above| above.name == parent), "{}", branch.name);
            }
        }
    }

    #[test]
    fn streams_are_named_as_published() {
        let names: Vec<String> =
            roots().chain(of_account("a1")).map(|stream| stream.name).collect();
        assert_eq!(
            names,
            [
                "third-parties",
                "accounts",
                "balances",
                "external-accounts",
                "counterparties",
                "payments/a1"
            ]
        );
        let stream = of_source("direct-debits").unwrap();
        assert_eq!(stream.name, "external-payments/direct-debits");
    }

    #[test]
    fn requests_name_account_and_filters_and_are_found_again() {
        let narrowing =
            Narrowing { payments_since: Some("2026-01-31".into()), ..Narrowing::default() };
        let check = |stream: Stream, generation, path: &str, expected: &[(&str, &str)]| {
            let stream = stream.in_generation(generation);
            let (found, query) = stream.request(&narrowing).unwrap();
            let pairs: Vec<_> = query.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
            assert_eq!((found.as_str(), pairs.as_slice()), (path, expected));
            assert_eq!(stream_of_request(&found, &query), Some(stream.name));
        };
        let payments = of_account("a1").next().unwrap();
        let (v1, v2) = (Generation::V1, Generation::V2);
        let day = "2026-01-31";
        check(payments.clone(), v1, "/v1/transactions", &[("accountId", "a1"), ("fromDate", day)]);
        let query = [("accountId", "a1"), ("date[gte]", day)];
        check(payments, v2, "/financial-data/v2/transactions", &query);
        let balances = Stream::single(branch(BALANCES).unwrap());
        assert_eq!(balances.request(&narrowing), None);
        let query = [("mostRecent", "true")];
        check(balances, v2, "/financial-data/v2/accounts/-/balances", &query);
        check(of_source("direct-debits").unwrap(), v2, "/payments/v2/direct-debits", &[]);
        assert_eq!(stream_of_request("/elsewhere", &[]), None);
    }

    #[test]
    fn narrowing_names_accounts() {
        let admits = |include: &[&str], exclude: &[&str], id| {
            let owned = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect();
            let (include, exclude) = (owned(include), owned(exclude));
            Narrowing { include, exclude, ..Narrowing::default() }.admits(id)
        };
        assert!(admits(&[], &[], "a") && admits(&["a"], &[], "a") && admits(&[], &["b"], "a"));
        assert!(!admits(&["b"], &[], "a") && !admits(&["a"], &["a"], "a"));
    }
}
