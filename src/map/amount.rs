//! Amounts. Atlar sends minor units already: they are never scaled and never a floating number.
//!
//! How many decimals a currency has comes from ISO 4217 and is cross-checked with `stringValue`:
//! the two agree if ISO's decimals turn `value` into the number that `stringValue` says. Where
//! they disagree, or ISO 4217 knows no decimals for the code, the decimals of `stringValue` win,
//! a [`Note`] says so, and the record is published. With neither, the minor units are published
//! without a decimal value.

use crate::domain::Money;
use crate::json::Json;

use super::field::is_integer;
use super::{Error, Note};

/// The decimals of a currency by ISO 4217; none for unknown codes and for those without a minor
/// unit (gold, special drawing rights).
pub fn iso_exponent(code: &str) -> Option<u32> {
    let currency = iso_currency::Currency::from_code(&code.to_ascii_uppercase())?;
    currency.exponent().map(u32::from)
}

/// Maps an amount object `{currency, value, stringValue}`.
///
/// Without a `value`, `stringValue` alone says the amount. `field` names it in notes and errors.
pub(super) fn money(
    amount: &Json<'_>,
    field: &'static str,
    notes: &mut Vec<Note>,
) -> Result<Money, Error> {
    let value = amount.get("value");
    if is_integer(value) && value.int().is_none() {
        return Err(Error::OutOfRange { field });
    }
    let written = amount.get("stringValue").text().and_then(Written::parse);
    if (!value.is_nothing() && value.int().is_none())
        || (!amount.get("stringValue").is_nothing() && written.is_none())
    {
        notes.push(Note::Unreadable { field });
    }

    let currency = amount.get("currency").text().map(str::to_ascii_uppercase);
    let code = currency.as_deref().unwrap_or("");
    let iso = iso_exponent(code);
    if iso.is_none() {
        notes.push(Note::unknown_currency(code));
    }
    let exponent = match (iso, &written) {
        (iso, None) => iso,
        (Some(iso), Some(written)) if written.agrees(value.int(), iso) => Some(iso),
        (_, Some(written)) => {
            if iso.is_some() || !written.agrees(value.int(), written.decimals) {
                notes.push(Note::amount_disagrees(field, code));
            }
            Some(written.decimals)
        }
    };
    let minor_units = match (value.int(), written, exponent) {
        (Some(minor_units), _, _) => Some(minor_units),
        (None, Some(written), Some(exponent)) => {
            let units = written.minor_units(exponent);
            Some(
                units
                    .and_then(|units| i64::try_from(units).ok())
                    .ok_or(Error::OutOfRange { field })?,
            )
        }
        _ => None,
    };
    Ok(Money::new(currency.as_deref(), minor_units, exponent))
}

/// A number as written: `-125.50` is -12550 with two decimals.
struct Written {
    digits: i128,
    decimals: u32,
}

impl Written {
    /// Reads an optional minus, digits, and a point with digits; nothing else. Numbers beyond 38
    /// digits are no amounts.
    fn parse(text: &str) -> Option<Written> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let unsigned = whole.strip_prefix('-').unwrap_or(whole);
        let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if unsigned.is_empty() || !digits(unsigned) || !digits(fraction) {
            return None;
        }
        Some(Written {
            digits: format!("{whole}{fraction}").parse().ok()?,
            decimals: u32::try_from(fraction.len()).ok()?,
        })
    }

    /// The number in units of 10^-`exponent`, if it is a whole number of them.
    fn minor_units(&self, exponent: u32) -> Option<i128> {
        match exponent.checked_sub(self.decimals) {
            Some(missing) => self.digits.checked_mul(10_i128.checked_pow(missing)?),
            None => {
                let surplus = 10_i128.checked_pow(self.decimals - exponent)?;
                (self.digits % surplus == 0).then(|| self.digits / surplus)
            }
        }
    }

    /// True if `value` in units of 10^-`exponent` is this number; without a value, if this number
    /// can be said in such units.
    fn agrees(&self, value: Option<i64>, exponent: u32) -> bool {
        match (self.minor_units(exponent), value) {
            (Some(units), Some(value)) => units == i128::from(value),
            (units, None) => units.is_some(),
            (None, Some(_)) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, want: (Option<&str>, Option<i64>, Option<&str>), kinds: &[&str]) {
        let mut notes = Vec::new();
        let json = Json::parse(text.as_bytes()).unwrap();
        let money = money(&json, "amount", &mut notes).unwrap();
        let value = money.value.map(|value| value.to_string());
        let got = (money.asset.as_deref(), money.minor_units, value.as_deref());
        assert_eq!(got, want, "{text}");
        assert_eq!(notes.iter().map(Note::kind).collect::<Vec<_>>(), kinds, "{text}");
    }

    #[test]
    fn the_currency_and_the_text_agree() {
        check(
            r#"{"currency":"EUR","value":-12550,"stringValue":"-125.50"}"#,
            (Some("EUR/2"), Some(-12550), Some("-125.5")),
            &[],
        );
        check(
            r#"{"currency":"JPY","value":500,"stringValue":"500"}"#,
            (Some("JPY"), Some(500), Some("500")),
            &[],
        );
        check(
            r#"{"currency":"KWD","value":1005,"stringValue":"1.005"}"#,
            (Some("KWD/3"), Some(1005), Some("1.005")),
            &[],
        );
        check(
            r#"{"currency":"EUR","value":184900,"stringValue":"1849"}"#,
            (Some("EUR/2"), Some(184_900), Some("1849")),
            &[],
        );
        check(r#"{"currency":"EUR","value":7}"#, (Some("EUR/2"), Some(7), Some("0.07")), &[]);
    }

    #[test]
    fn the_text_wins_over_the_table() {
        check(
            r#"{"currency":"KWD","value":12345,"stringValue":"123.45"}"#,
            (Some("KWD/2"), Some(12345), Some("123.45")),
            &["amount-disagrees"],
        );
        check(
            r#"{"currency":"XBT","value":150000000,"stringValue":"1.50000000"}"#,
            (Some("XBT/8"), Some(150_000_000), Some("1.5")),
            &["unknown-currency"],
        );
        check(
            r#"{"currency":"ETH","value":1,"stringValue":"0.000000000000000001"}"#,
            (Some("ETH/18"), Some(1), None),
            &["unknown-currency"],
        );
    }

    #[test]
    fn half_an_amount_is_still_an_amount() {
        check(
            r#"{"currency":"EUR","stringValue":"-3.5"}"#,
            (Some("EUR/2"), Some(-350), Some("-3.5")),
            &[],
        );
        check(r#"{"currency":"ZZZ","value":5}"#, (None, Some(5), None), &["unknown-currency"]);
        check(r#"{"currency":"EUR"}"#, (Some("EUR/2"), None, None), &[]);
        check(
            r#"{"currency":"EUR","value":"12","stringValue":"1,2"}"#,
            (Some("EUR/2"), None, None),
            &["unreadable"],
        );
        check(r#"{"value":5}"#, (None, Some(5), None), &["unknown-currency"]);
    }

    #[test]
    fn what_64_bits_cannot_hold_is_refused() {
        for text in [
            r#"{"currency":"EUR","value":9223372036854775808}"#,
            r#"{"currency":"EUR","value":-9223372036854775809}"#,
            r#"{"currency":"EUR","stringValue":"92233720368547758.08"}"#,
        ] {
            let json = Json::parse(text.as_bytes()).unwrap();
            let refused = Err(Error::OutOfRange { field: "amount" });
            assert_eq!(money(&json, "amount", &mut Vec::new()), refused, "{text}");
        }
    }

    #[test]
    fn iso_4217_decimals() {
        let table = [
            ("EUR", Some(2)),
            ("USD", Some(2)),
            ("GBP", Some(2)),
            ("SEK", Some(2)),
            ("HUF", Some(2)),
            ("MGA", Some(2)),
            ("MRU", Some(2)),
            ("JPY", Some(0)),
            ("KRW", Some(0)),
            ("ISK", Some(0)),
            ("VND", Some(0)),
            ("UGX", Some(0)),
            ("KWD", Some(3)),
            ("BHD", Some(3)),
            ("TND", Some(3)),
            ("IQD", Some(3)),
            ("CLF", Some(4)),
            ("UYW", Some(4)),
            ("XAU", None),
            ("XXX", None),
            ("CNH", None),
            ("eur", Some(2)),
            ("", None),
            ("EURO", None),
        ];
        for (code, want) in table {
            assert_eq!(iso_exponent(code), want, "{code}");
        }
    }
}
