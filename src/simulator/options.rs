//! What kind of bank is simulated, and which habits of the real API it has.

use super::auth::Schemes;
use super::dice::Dice;
use super::fault::Faults;

/// How long a bearer token lives, as Atlar documents it.
const TOKEN_LIFE_MS: u64 = 300_000;

/// What kind of bank to simulate. Start from [`Options::new`].
#[derive(Clone)]
pub struct Options {
    /// Names the world.
    pub seed: u64,
    pub accounts: usize,
    pub counterparties: usize,
    /// At the beginning; a transfer counts on both its accounts.
    pub transactions_per_account: usize,
    pub external_payments: usize,
    pub direct_debits: usize,
    /// At the beginning; none without the trap `pending`.
    pub pending_transactions: usize,
    /// The first entries are spread over so many days.
    pub history_days: u32,
    /// Steps of life per second; 0 keeps the bank still.
    pub rate_per_second: f64,
    /// Taken from the seed if absent.
    pub organization_id: Option<String>,
    pub access_key: String,
    pub secret: String,
    pub schemes: Schemes,
    /// How long a bearer token lives; less than a second is announced as one second.
    pub token_life_ms: u64,
    pub generations: Generations,
    /// Lists that answer 404 from the start: paths, or beginnings that end in `*`.
    pub not_offered: Vec<String>,
    /// Some entries have amounts at the edges of 64 bits.
    pub extreme_amounts: bool,
    pub faults: Faults,
    pub traps: Traps,
    /// Answers kept for `/_simulator/served`.
    pub served_log_max: usize,
}

impl Options {
    /// A small still bank with every trap and no faults.
    pub fn new(access_key: impl Into<String>, secret: impl Into<String>) -> Options {
        Options {
            seed: 1,
            accounts: 20,
            counterparties: 40,
            transactions_per_account: 50,
            external_payments: 30,
            direct_debits: 12,
            pending_transactions: 10,
            history_days: 120,
            rate_per_second: 0.0,
            organization_id: None,
            access_key: access_key.into(),
            secret: secret.into(),
            schemes: Schemes::Any,
            token_life_ms: TOKEN_LIFE_MS,
            generations: Generations::Both,
            not_offered: Vec::new(),
            extreme_amounts: false,
            faults: Faults::default(),
            traps: Traps::all(),
            served_log_max: 200_000,
        }
    }
}

/// A generation of the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Generation {
    V1,
    V2,
}

/// Which generations are served. Third parties and expected transactions, which v2 does not have,
/// stay in every case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Generations {
    Both,
    V1Only,
    V2Only,
}

/// Writes [`Traps`] with all on and all off, so that no list of them can be incomplete.
macro_rules! traps {
    ($($(#[$doc:meta])+ $name:ident,)+) => {
        /// The habits of the real API that mislead a naive reader.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct Traps {
            $($(#[$doc])+ pub $name: bool,)+
        }

        impl Traps {
            /// Everything on, as in real life.
            pub fn all() -> Traps {
                Traps { $($name: true,)+ }
            }

            /// Everything off: full pages, tidy records.
            pub fn none() -> Traps {
                Traps { $($name: false,)+ }
            }
        }
    };
}

traps! {
    /// Bearer tokens die at the end of their life, also in the middle of a walk.
    token_expiry,
    /// A `limit` out of bounds is brought to the nearest bound; otherwise it is refused with 400.
    coerced_limit,
    /// Pages of dated lists end with the month.
    month_pages,
    /// Pages without items in mid-list, and an empty last page.
    empty_pages,
    /// Pages shorter than `limit` in mid-list.
    short_pages,
    /// A position counts from the newest entry of its month: arrivals push entries on to the next
    /// page, where they are seen twice. Otherwise a position is the entry last seen.
    shifting_pages,
    /// Lists whose order is not documented are in none; otherwise newest first.
    unordered,
    /// v1 transactions and direct debits have no `updated`.
    no_updated,
    /// v1 external accounts have no `version`.
    no_version,
    /// Matches are undone by life.
    unreconcile,
    /// Life deletes a record now and then.
    deletions,
    /// Some accounts have no balance in v1.
    missing_balance,
    /// `bank.id` and `bank.name` are empty strings on newer accounts.
    empty_bank,
    /// null, `{}`, `""` and absence used side by side; otherwise always absence.
    mixed_nothing,
    /// Members that are not documented.
    unknown_fields,
    /// Now and then a value outside the documented enums, and a currency outside ISO 4217.
    unknown_values,
    /// Accounts in currencies with 0, 3 and 4 decimals and in one that is no more; otherwise all
    /// have two decimals.
    currencies,
    /// Transfers between currencies, with `exchangeRate` as text.
    exchange,
    /// `stringValue` has, now and then, another scale than the currency.
    odd_decimals,
    /// Instants have nanoseconds mostly, milliseconds sometimes; otherwise always milliseconds.
    odd_instants,
    /// Days are those of the bank's place; otherwise UTC's.
    local_days,
    /// Entries the bank has not booked yet are objects of their own (v2 only).
    pending,
    /// Accounts inside payments show the name they had then.
    frozen_snapshots,
    /// Some entries arrive with a booking date in the past.
    back_dated,
    /// Executed direct debits may still come back.
    returns,
    /// In v2 a matched payment stays EXECUTED; otherwise it is RECONCILED as in v1.
    no_reconciled_in_v2,
    /// Some v2 counterparties leave their accounts to the list of external accounts.
    accounts_left_out,
    /// v2 tells what v1 has no place for: end-to-end ids, national routing numbers.
    more_in_v2,
    /// v1 answers 404 by id with a bare JSON string.
    bare_404,
}

/// What the bank itself needs of the options.
pub(super) struct Settings {
    pub(super) seed: u64,
    pub(super) accounts: usize,
    pub(super) counterparties: usize,
    pub(super) transactions_per_account: usize,
    pub(super) external_payments: usize,
    pub(super) direct_debits: usize,
    pub(super) pending_transactions: usize,
    pub(super) history_days: u32,
    pub(super) organization_id: String,
    pub(super) extreme_amounts: bool,
    pub(super) traps: Traps,
}

impl Settings {
    pub(super) fn new(options: &Options) -> Settings {
        let named = options.organization_id.clone();
        Settings {
            seed: options.seed,
            accounts: options.accounts,
            counterparties: options.counterparties,
            transactions_per_account: options.transactions_per_account,
            external_payments: options.external_payments,
            direct_debits: options.direct_debits,
            pending_transactions: options.pending_transactions,
            history_days: options.history_days,
            organization_id: named.unwrap_or_else(|| Dice::new(options.seed, 0).uuid()),
            extreme_amounts: options.extreme_amounts,
            traps: options.traps.clone(),
        }
    }
}
