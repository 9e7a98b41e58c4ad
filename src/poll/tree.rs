//! The whole job as a table: which lists are read, in which order, and what comes of them.
//!
//! ```text
//! third-parties                reference list: the names of banks
//! └── accounts                 judged once the names are known
//!     └── payments/<account>   one list per account, judged once all own accounts are known
//! counterparties
//! external-payments
//! ```
//!
//! A child waits for its parent's first complete listing in the life of the workspace, not for each
//! one: what a record joins must be known before it is judged the first time, and after that a
//! failed reference list leaves the last known facts.

use crate::domain::{Entity, Generation};

/// One line of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Branch {
    /// Name of the stream; of the family of streams where there is one per account.
    pub name: &'static str,
    /// What its records are; none for a reference list, whose records are only joined.
    pub entity: Option<Entity>,
    /// Path of the list in each generation of the API.
    pub path_v1: &'static str,
    /// One list per account, filtered by this query parameter.
    pub per_account: Option<&'static str>,
    /// The reference list that its records join.
    pub after: Option<&'static str>,
}

pub const THIRD_PARTIES: &str = "third-parties";
pub const ACCOUNTS: &str = "accounts";

/// The table. Read it first.
pub const TREE: &[Branch] = &[
    Branch {
        name: THIRD_PARTIES,
        entity: None,
        path_v1: "/v1beta/third-parties",
        per_account: None,
        after: None,
    },
    Branch {
        name: ACCOUNTS,
        entity: Some(Entity::Account),
        path_v1: "/v1/accounts",
        per_account: None,
        after: Some(THIRD_PARTIES),
    },
    Branch {
        name: "payments",
        entity: Some(Entity::Payment),
        path_v1: "/v1/transactions",
        per_account: Some("accountId"),
        after: Some(ACCOUNTS),
    },
    Branch {
        name: "counterparties",
        entity: Some(Entity::Counterparty),
        path_v1: "/v1/counterparties",
        per_account: None,
        after: None,
    },
    Branch {
        name: "external-payments",
        entity: Some(Entity::ExternalPayment),
        path_v1: "/v1/external-payments",
        per_account: None,
        after: None,
    },
];

/// One stream: a list that is walked as a whole, the unit of ordering and scheduling.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stream {
    /// As in `source.stream` and in state records: `accounts`, `payments/<account id>`,
    /// `external-payments/<source>`.
    pub name: String,
    pub branch: &'static Branch,
    pub generation: Generation,
    pub account_id: Option<String>,
}

impl Stream {
    /// The stream of a branch that has only one.
    pub fn single(branch: &'static Branch) -> Stream {
        let name = match branch.entity {
            Some(Entity::ExternalPayment) => format!("{}/external-payments", branch.name),
            _ => branch.name.to_owned(),
        };
        Stream { name, branch, generation: Generation::V1, account_id: None }
    }

    /// The stream of one account.
    pub fn of_account(branch: &'static Branch, account_id: &str) -> Stream {
        Stream {
            name: format!("{}/{account_id}", branch.name),
            branch,
            generation: Generation::V1,
            account_id: Some(account_id.to_owned()),
        }
    }

    /// The list's path and filters.
    pub fn request(&self) -> (String, Vec<(String, String)>) {
        let filter = self.branch.per_account.zip(self.account_id.as_ref());
        let query = filter.map(|(name, id)| (name.to_owned(), id.clone())).into_iter().collect();
        (self.branch.path_v1.to_owned(), query)
    }
}

/// The streams that exist from the start.
pub fn roots() -> impl Iterator<Item = Stream> {
    TREE.iter().filter(|branch| branch.per_account.is_none()).map(Stream::single)
}

/// The streams that an account brings with it.
pub fn of_account(account_id: &str) -> impl Iterator<Item = Stream> {
    TREE.iter()
        .filter(|branch| branch.per_account.is_some())
        .map(move |branch| Stream::of_account(branch, account_id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_branch_waits_for_one_above_it() {
        for (at, branch) in TREE.iter().enumerate() {
            if let Some(parent) = branch.after {
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
                "counterparties",
                "external-payments/external-payments",
                "payments/a1"
            ]
        );
        let (path, query) = of_account("a1").next().unwrap().request();
        assert_eq!((path.as_str(), query.len()), ("/v1/transactions", 1));
    }
}
