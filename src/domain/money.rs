//! Amounts: an integer of minor units, and the exact decimal beside it.

use std::fmt;
use std::str::FromStr;

use serde::de::{Deserializer, Error as _, Visitor};
use serde::{Deserialize, Serialize, Serializer};

/// Digits after the point of every published decimal: `decimal(38,9)`.
pub const SCALE: u32 = 9;

/// An exact decimal with nine digits after the point, kept as a whole number of 10⁻⁹. As text
/// without needless zeros (`-125.5`), in Avro as the bytes of `decimal(38,9)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Decimal(i128);

/// An amount. `minor_units` is exact in every consumer; `value` is the same number for SQL sinks.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Money {
    pub currency: Option<String>,
    /// The currency with its decimals: `EUR/2`, `KWD/3`, bare `JPY` for none. Null while the
    /// decimals are unknown.
    pub asset: Option<String>,
    pub exponent: Option<i32>,
    pub minor_units: Option<i64>,
    pub value: Option<Decimal>,
}

impl Money {
    /// The amount of `minor_units` of `currency`, whose minor unit is 10^-`exponent`.
    ///
    /// `value` is null where the decimals are unknown, and where the number needs more than nine
    /// digits after the point: it is never rounded.
    pub fn new(currency: Option<&str>, minor_units: Option<i64>, exponent: Option<u32>) -> Money {
        Money {
            currency: currency.map(str::to_owned),
            asset: currency.zip(exponent).map(|(code, exponent)| asset(code, exponent)),
            exponent: exponent.and_then(|exponent| i32::try_from(exponent).ok()),
            minor_units,
            value: minor_units
                .zip(exponent)
                .and_then(|(minor_units, exponent)| Decimal::of(minor_units, exponent)),
        }
    }
}

/// The asset name of a currency with `exponent` decimals.
pub fn asset(currency: &str, exponent: u32) -> String {
    match exponent {
        0 => currency.to_owned(),
        exponent => format!("{currency}/{exponent}"),
    }
}

impl Decimal {
    /// `minor_units` × 10^-`exponent`, if nine digits after the point hold it exactly.
    pub fn of(minor_units: i64, exponent: u32) -> Option<Decimal> {
        let minor_units = i128::from(minor_units);
        if let Some(missing) = SCALE.checked_sub(exponent) {
            return minor_units.checked_mul(10_i128.checked_pow(missing)?).map(Decimal);
        }
        if minor_units == 0 {
            return Some(Decimal(0));
        }
        let surplus = 10_i128.checked_pow(exponent - SCALE)?;
        (minor_units % surplus == 0).then(|| Decimal(minor_units / surplus))
    }

    /// The number as a count of 10⁻⁹.
    pub fn unscaled(self) -> i128 {
        self.0
    }

    /// The number of `unscaled` × 10⁻⁹.
    pub fn from_unscaled(unscaled: i128) -> Decimal {
        Decimal(unscaled)
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = format!("{:010}", self.0.unsigned_abs());
        let (whole, fraction) = digits.split_at(digits.len() - SCALE as usize);
        let sign = if self.0 < 0 { "-" } else { "" };
        match fraction.trim_end_matches('0') {
            "" => write!(f, "{sign}{whole}"),
            fraction => write!(f, "{sign}{whole}.{fraction}"),
        }
    }
}

/// The text is not a decimal of at most nine digits after the point.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a decimal number with at most nine digits after the point")]
pub struct NotDecimal;

impl FromStr for Decimal {
    type Err = NotDecimal;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        let unsigned = whole.strip_prefix('-').unwrap_or(whole);
        if unsigned.is_empty() || !digits(unsigned) || !digits(fraction) || fraction.len() > 9 {
            return Err(NotDecimal);
        }
        format!("{whole}{fraction:0<9}").parse().map(Decimal).map_err(|_| NotDecimal)
    }
}

impl Serialize for Decimal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            return serializer.collect_str(self);
        }
        let bytes = self.0.to_be_bytes();
        serializer.serialize_bytes(significant(&bytes))
    }
}

/// Two's complement without the leading bytes that only repeat the sign.
fn significant(bytes: &[u8]) -> &[u8] {
    let mut rest = bytes;
    while let [first, second, ..] = rest {
        let repeats = matches!((first, second >> 7), (0x00, 0) | (0xff, 1));
        match rest.split_first() {
            Some((_, shorter)) if repeats => rest = shorter,
            _ => break,
        }
    }
    rest
}

impl<'de> Deserialize<'de> for Decimal {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            let text = String::deserialize(deserializer)?;
            return text.parse().map_err(D::Error::custom);
        }
        deserializer.deserialize_byte_buf(Bytes)
    }
}

struct Bytes;

impl Visitor<'_> for Bytes {
    type Value = Decimal;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("the bytes of a decimal")
    }

    fn visit_bytes<E: serde::de::Error>(self, bytes: &[u8]) -> Result<Decimal, E> {
        if bytes.len() > 16 {
            return Err(E::custom("a decimal of more than 38 digits"));
        }
        let start: i128 = if bytes.first().is_some_and(|first| first >> 7 == 1) { -1 } else { 0 };
        Ok(Decimal(bytes.iter().fold(start, |sum, byte| (sum << 8) | i128::from(*byte))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_64_bit_amount_is_exact_with_up_to_nine_decimals() {
        for minor in [i64::MIN, i64::MIN + 1, -1, 0, 1, 12_345, i64::MAX] {
            for exponent in 0..=9 {
                let decimal = Decimal::of(minor, exponent).unwrap();
                assert_eq!(decimal.unscaled(), i128::from(minor) * 10_i128.pow(9 - exponent));
                assert_eq!(decimal.to_string().parse(), Ok(decimal), "{minor} {exponent}");
            }
        }
    }

    #[test]
    fn more_than_nine_decimals_are_published_only_when_exact() {
        assert_eq!(Decimal::of(1, 10), None);
        assert_eq!(Decimal::of(1_230, 10), Some(Decimal(123)));
        assert_eq!(Decimal::of(0, 4_000_000), Some(Decimal(0)));
        assert_eq!(Decimal::of(1, u32::MAX), None);
    }

    #[test]
    fn texts_have_no_needless_zeros() {
        let check = |minor, exponent, want: &str| {
            assert_eq!(Decimal::of(minor, exponent).unwrap().to_string(), want);
        };
        check(-12_550, 2, "-125.5");
        check(184_900, 2, "1849");
        check(5, 3, "0.005");
        check(-1, 9, "-0.000000001");
        check(0, 2, "0");
        check(i64::MIN, 0, "-9223372036854775808");
        for bad in ["", "-", "1e3", "+1", "1.0000000001", ".5", "1,5", " 1", "0x1", "--1"] {
            assert_eq!(bad.parse::<Decimal>(), Err(NotDecimal), "{bad}");
        }
    }

    #[test]
    fn bytes_are_the_shortest_twos_complement() {
        assert_eq!(significant(&0_i128.to_be_bytes()), [0]);
        assert_eq!(significant(&127_i128.to_be_bytes()), [0x7f]);
        assert_eq!(significant(&128_i128.to_be_bytes()), [0, 0x80]);
        assert_eq!(significant(&(-1_i128).to_be_bytes()), [0xff]);
        assert_eq!(significant(&(-128_i128).to_be_bytes()), [0x80]);
        assert_eq!(significant(&(-129_i128).to_be_bytes()), [0xff, 0x7f]);
        for number in [0, 1, -1, 127, 128, -128, -129, i128::from(i64::MIN) * 1_000_000_000] {
            let back = Bytes
                .visit_bytes::<serde::de::value::Error>(significant(&i128::to_be_bytes(number)));
            assert_eq!(back, Ok(Decimal(number)));
        }
        assert!(Bytes.visit_bytes::<serde::de::value::Error>(&[1; 17]).is_err());
    }

    #[test]
    fn assets_are_named_by_currency_and_decimals() {
        let check = |currency, exponent, want: Option<&str>| {
            let money = Money::new(Some(currency), Some(1), exponent);
            assert_eq!(money.asset.as_deref(), want);
        };
        check("EUR", Some(2), Some("EUR/2"));
        check("KWD", Some(3), Some("KWD/3"));
        check("JPY", Some(0), Some("JPY"));
        check("ZZZ", None, None);
    }
}
