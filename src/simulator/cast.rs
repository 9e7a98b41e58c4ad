//! Who lives in the simulated world: invented names, texts and codes.

use super::dice::Dice;
use super::market::{MARKETS, Market, Number};

/// An account of the organisation.
pub(super) struct Own {
    pub(super) id: String,
    pub(super) name: String,
    /// Some were called otherwise when their older entries were made.
    pub(super) former_name: Option<String>,
    pub(super) entity_id: String,
    pub(super) owner: String,
    pub(super) third_party_id: String,
    pub(super) market: &'static Market,
    pub(super) numbers: Vec<Number>,
    /// Old accounts still carry their bank's id and name, newer ones carry empty strings.
    pub(super) bank_named: bool,
}

/// A customer or supplier, with one account number per bank account.
pub(super) struct Party {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) company: bool,
    pub(super) market: &'static Market,
    pub(super) national_number: Option<String>,
    pub(super) accounts: Vec<PartyAccount>,
}

/// A counterparty's bank account.
pub(super) struct PartyAccount {
    pub(super) id: String,
    pub(super) numbers: Vec<Number>,
}

pub(super) const OWNER: &str = "Nordwind GmbH";
pub(super) const ALIASES: &[&str] =
    &["Main operating", "Payroll", "Reserve", "Card settlement", "Taxes", "Collections \"A\""];

const FIRST: &[&str] = &[
    "Atelier", "Brandt", "Cordoba", "Delphin", "Eiche", "Fjord", "Glas", "Hansen", "Iris", "Juno",
    "Kestrel", "Lumen", "Møller", "Nova", "Orkan", "Pérez", "Quarz", "Rosso", "Sato", "Tanaka",
];
const SECOND: &[&str] = &[
    "Logistics",
    "Papier",
    "Werke",
    "Trading",
    "& Söhne",
    "Foods",
    "Textil",
    "Énergie",
    "Studio",
    "Medical",
    "Holz",
    "Marine",
    "Optik",
    "Print",
];
const GIVEN: &[&str] = &["Ada", "Björn", "Chiara", "Dilek", "Émile", "Freya", "Goro", "Hannah"];
const FORMS: &[&str] = &["GmbH", "AB", "Ltd", "SARL", "Inc", "A/S", "B.V.", "S.A."];
const STREETS: &[&str] = &["Hafenstraße", "Rue des Tanneurs", "Storgatan", "Mill Lane", "Calle 9"];

pub(super) fn company_name(dice: &mut Dice) -> String {
    format!("{} {} {}", dice.word(FIRST), dice.word(SECOND), dice.word(FORMS))
}

pub(super) fn person_name(dice: &mut Dice) -> String {
    format!("{} {}", dice.word(GIVEN), dice.word(FIRST))
}

pub(super) fn street(dice: &mut Dice) -> &'static str {
    dice.word(STREETS)
}

/// A new customer or supplier somewhere in the world.
pub(super) fn party(dice: &mut Dice) -> Party {
    let market = dice.pick(MARKETS).unwrap_or(&super::market::UNLISTED);
    let company = dice.chance(750);
    let name = if company { company_name(dice) } else { person_name(dice) };
    let count = match dice.below(10) {
        0 => 0,
        1..=7 => 1,
        _ => 2,
    };
    let mut accounts: Vec<PartyAccount> = (0..count)
        .map(|_| {
            let twice = dice.chance(60);
            PartyAccount { id: dice.uuid(), numbers: market.numbers(dice, twice) }
        })
        .collect();
    let national_number = dice.chance(300).then(|| dice.digits(10));
    // They are as old as each other: both generations tell them in this order.
    accounts.sort_by(|one, other| one.id.cmp(&other.id));
    Party { id: dice.uuid(), name, company, market, national_number, accounts }
}

/// What a bank's statement says about one kind of movement.
pub(super) struct Movement {
    pub(super) domain: &'static str,
    pub(super) family: &'static str,
    pub(super) subfamily: &'static str,
    pub(super) description: &'static str,
    /// Some banks send only codes of their own: code and issuer.
    pub(super) proprietary: Option<(&'static str, &'static str)>,
    /// Money comes in.
    pub(super) incoming: bool,
    /// The bank itself is the other side: there is no counterparty.
    pub(super) of_bank: bool,
    pub(super) mandate: bool,
    /// Out of a hundred.
    pub(super) share: u64,
}

const fn movement(
    code: (&'static str, &'static str, &'static str),
    description: &'static str,
    incoming: bool,
    share: u64,
) -> Movement {
    Movement {
        domain: code.0,
        family: code.1,
        subfamily: code.2,
        description,
        proprietary: None,
        incoming,
        of_bank: false,
        mandate: false,
        share,
    }
}

pub(super) const MOVEMENTS: &[Movement] = &[
    movement(("PMNT", "RCDT", "ESCT"), "SEPA Credit Transfer", true, 38),
    movement(("PMNT", "ICDT", "ESCT"), "SEPA Credit Transfer", false, 26),
    Movement { mandate: true, ..movement(("PMNT", "RDDT", "ESDD"), "SEPA Direct Debit", false, 8) },
    Movement {
        mandate: true,
        ..movement(("PMNT", "IDDT", "ESDD"), "SEPA Direct Debit collection", true, 6)
    },
    movement(("PMNT", "RCDT", "XBCT"), "Cross-border credit transfer", true, 6),
    Movement { of_bank: true, ..movement(("ACMT", "MDOP", "CHRG"), "Account fee", false, 6) },
    Movement { proprietary: Some(("166+9310", "DK")), ..movement(("PMNT", "", ""), "", true, 5) },
    Movement { proprietary: Some(("NBG", "BJRK")), ..movement(("", "", ""), "", false, 5) },
];

/// A movement by its share.
pub(super) fn movement_of(dice: &mut Dice) -> Option<&'static Movement> {
    let mut ticket = dice.below(MOVEMENTS.iter().map(|movement| movement.share).sum());
    MOVEMENTS.iter().find(|movement| {
        let mine = ticket < movement.share;
        ticket = ticket.saturating_sub(movement.share);
        mine
    })
}

/// ISO 20022 codes of returned payments.
pub(super) const RETURNS: &[(&str, &str)] = &[
    ("AC04", "Closed account number"),
    ("AM04", "Insufficient funds"),
    ("MD06", "Refund requested by end customer"),
    ("MS03", "Reason not specified"),
];
