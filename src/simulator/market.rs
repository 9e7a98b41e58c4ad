//! The countries, currencies and account numbers of the simulated world.
//!
//! Exponents are written down here, not taken from the crate that the ingestor uses, so that one
//! mistake cannot sit on both sides of a test.

use super::dice::Dice;

/// A kind of account number, as v1 names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NumberKind {
    Iban,
    Bban,
    AccountNumber,
    SeBg,
    SePg,
}

impl NumberKind {
    pub(super) fn v1(self) -> &'static str {
        match self {
            NumberKind::Iban => "IBAN",
            NumberKind::Bban => "BBAN",
            NumberKind::AccountNumber => "ACCOUNT_NUMBER",
            NumberKind::SeBg => "SE_BG",
            NumberKind::SePg => "SE_PG",
        }
    }
}

/// One account number.
#[derive(Clone, Debug)]
pub(super) struct Number {
    pub(super) kind: NumberKind,
    pub(super) market: &'static str,
    pub(super) number: String,
}

/// A country with its bank and the currency of accounts held there.
#[derive(Debug)]
pub(super) struct Market {
    pub(super) country: &'static str,
    pub(super) currency: &'static str,
    pub(super) exponent: u32,
    /// The shape of the national part of an IBAN: `B` a letter of the bank, `9` a digit. Empty
    /// where the country has none.
    iban: &'static str,
    /// Numbers an account has beside the IBAN.
    others: &'static [NumberKind],
    pub(super) bank: &'static str,
    pub(super) bic: &'static str,
    pub(super) city: &'static str,
}

const fn market(
    place: (&'static str, &'static str),
    money: (&'static str, u32),
    iban: &'static str,
    others: &'static [NumberKind],
    bank: (&'static str, &'static str),
) -> Market {
    Market {
        country: place.0,
        city: place.1,
        currency: money.0,
        exponent: money.1,
        iban,
        others,
        bank: bank.0,
        bic: bank.1,
    }
}

use NumberKind::{AccountNumber, Bban, SeBg, SePg};

/// Decimals 0, 2, 3 and 4, and every kind of identifier.
pub(super) const MARKETS: &[Market] = &[
    market(
        ("DE", "Hamburg"),
        ("EUR", 2),
        "999999999999999999",
        &[],
        ("Nordhafen Bank", "NHAFDEFFXXX"),
    ),
    market(
        ("SE", "Malmö"),
        ("SEK", 2),
        "99999999999999999999",
        &[Bban, SeBg, SePg],
        ("Björkbanken", "BJRKSESSXXX"),
    ),
    market(("US", "Toledo"), ("USD", 2), "", &[AccountNumber], ("First Lakeside", "FLKSUS33XXX")),
    market(
        ("GB", "Leeds"),
        ("GBP", 2),
        "BBBB99999999999999",
        &[Bban],
        ("Aire & Co", "AIRCGB2LXXX"),
    ),
    market(("JP", "Nagoya"), ("JPY", 0), "", &[AccountNumber], ("Tokiwa Ginko", "TKWAJPJTXXX")),
    market(
        ("KW", "Hawalli"),
        ("KWD", 3),
        "BBBB9999999999999999999999",
        &[],
        ("Jahra Bank", "JAHRKWKWXXX"),
    ),
    market(("CL", "Valdivia"), ("CLF", 4), "", &[AccountNumber], ("Banco Austral", "AUSTCLRMXXX")),
    market(
        ("FR", "Lyon"),
        ("EUR", 2),
        "99999999999999999999999",
        &[],
        ("Banque du Rhône", "RHONFRPPXXX"),
    ),
    market(("BH", "Riffa"), ("BHD", 3), "BBBB99999999999999", &[], ("Riffa Trust", "RFATBHBMXXX")),
    market(("UY", "Salto"), ("UYW", 4), "", &[AccountNumber], ("Banco Oriental", "ORIEUYMMXXX")),
    market(("DK", "Odense"), ("DKK", 2), "99999999999999", &[Bban], ("Fynbanken", "FYNBDKKKXXX")),
    market(
        ("NO", "Bergen"),
        ("NOK", 2),
        "99999999999",
        &[Bban],
        ("Vestlandsbanken", "VSTLNOKKXXX"),
    ),
    market(("CH", "Basel"), ("CHF", 2), "99999999999999999", &[], ("Rheinkontor", "RHKOCHZZXXX")),
    market(("NL", "Utrecht"), ("EUR", 2), "BBBB9999999999", &[], ("Domtoren Bank", "DOMTNL2AXXX")),
    market(
        ("PL", "Gdynia"),
        ("PLN", 2),
        "999999999999999999999999",
        &[],
        ("Bank Zatoki", "ZATOPLPWXXX"),
    ),
    market(
        ("HU", "Szeged"),
        ("HUF", 2),
        "999999999999999999999999",
        &[],
        ("Tisza Bank", "TISZHUHBXXX"),
    ),
    market(
        ("IS", "Akureyri"),
        ("ISK", 0),
        "9999999999999999999999",
        &[],
        ("Norðurbanki", "NRDRISREXXX"),
    ),
    market(
        ("TN", "Sfax"),
        ("TND", 3),
        "99999999999999999999",
        &[],
        ("Banque de Sfax", "SFAXTNTTXXX"),
    ),
];

/// A currency that ISO 4217 does not know: only the decimals of `stringValue` tell its scale.
pub(super) const UNLISTED: Market = market(
    ("US", "Reno"),
    ("USDC", 6),
    "",
    &[AccountNumber],
    ("Silver State Trust", "SLVSUS66XXX"),
);

/// A currency that is no more.
pub(super) const RETIRED: Market = market(
    ("DE", "Bonn"),
    ("DEM", 2),
    "999999999999999999",
    &[],
    ("Altrheinische Bank", "ALTRDE3KXXX"),
);

impl Market {
    /// What clocks here are ahead of UTC, in hours (daylight saving left aside).
    pub(super) fn hours_ahead(&self) -> i64 {
        match self.country {
            "GB" | "IS" => 0,
            "JP" => 9,
            "KW" | "BH" => 3,
            "US" => -5,
            "CL" => -4,
            "UY" => -3,
            _ => 1,
        }
    }

    /// The account numbers of one account here. `twice` gives a second one of the first kind.
    pub(super) fn numbers(&self, dice: &mut Dice, twice: bool) -> Vec<Number> {
        let mut numbers = Vec::with_capacity(3);
        if !self.iban.is_empty() {
            numbers.push(self.number(NumberKind::Iban, dice));
        }
        for kind in self.others {
            numbers.push(self.number(*kind, dice));
        }
        if twice && let Some(first) = numbers.first() {
            let second = self.number(first.kind, dice);
            numbers.push(second);
        }
        numbers
    }

    fn number(&self, kind: NumberKind, dice: &mut Dice) -> Number {
        let number = match kind {
            NumberKind::Iban => {
                let mut letters = self.bic.chars();
                let mut national = String::with_capacity(self.iban.len());
                for place in self.iban.chars() {
                    match place {
                        'B' => national.push(letters.next().unwrap_or('X')),
                        _ => national.push_str(&dice.digits(1)),
                    }
                }
                iban(self.country, &national)
            }
            NumberKind::Bban => dice.digits(14),
            NumberKind::AccountNumber => dice.digits(10),
            NumberKind::SeBg => dice.digits(8),
            NumberKind::SePg => dice.digits(7),
        };
        Number { kind, market: self.country, number }
    }
}

/// An IBAN with its check digits (ISO 13616: 98 minus the remainder by 97 of the national part
/// followed by country and 00, letters read as 10 to 35).
pub(super) fn iban(country: &str, national: &str) -> String {
    let mut remainder: u32 = 0;
    for character in national.chars().chain(country.chars()).chain("00".chars()) {
        let value = character.to_digit(36).unwrap_or(0);
        remainder = (remainder * if value > 9 { 100 } else { 10 } + value) % 97;
    }
    format!("{country}{:02}{national}", 98 - remainder)
}

/// Minor units with the decimal point where the currency has it.
pub(super) fn decimal(minor_units: i64, exponent: u32) -> String {
    let sign = if minor_units < 0 { "-" } else { "" };
    let width = usize::try_from(exponent).unwrap_or(0);
    let digits = format!("{:0>1$}", minor_units.unsigned_abs(), width + 1);
    let (whole, part) = digits.split_at(digits.len().saturating_sub(width));
    if width == 0 { format!("{sign}{whole}") } else { format!("{sign}{whole}.{part}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn check_digits_of_published_examples() {
        assert_eq!(iban("DE", "370400440532013000"), "DE89370400440532013000");
        assert_eq!(iban("GB", "WEST12345698765432"), "GB82WEST12345698765432");
        assert_eq!(iban("FR", "30006000011234567890189"), "FR7630006000011234567890189");
    }

    #[test]
    fn decimals_follow_the_exponent() {
        let check = |units, exponent, text| assert_eq!(decimal(units, exponent), text);
        check(-12550, 2, "-125.50");
        check(5, 2, "0.05");
        check(-5, 3, "-0.005");
        check(0, 4, "0.0000");
        check(1234, 0, "1234");
        check(i64::MIN, 2, "-92233720368547758.08");
    }
}
