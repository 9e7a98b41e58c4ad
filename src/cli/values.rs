//! Values of flags that are more than a text or a number.

use crate::config::{self, Override};
use std::net::SocketAddr;
use std::time::Duration;

/// How often something happens.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate {
    /// Times per second; 0 = never.
    pub per_second: f64,
}

/// How many answers of the simulator are spoiled, and how.
#[derive(Clone, Debug, PartialEq)]
pub struct FaultShare {
    /// Which fault, as the simulator names it: `429`, `cut`, …
    pub fault: String,
    /// Share of the answers, 0 to 1.
    pub share: f64,
}

/// Where reading a topic begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum From {
    /// With the oldest event.
    Beginning,
    /// With the next event.
    End,
    /// With so many events before the end.
    Last(u64),
}

/// `key=value`.
pub fn key_value(text: &str) -> Result<Override, String> {
    match text.split_once('=') {
        Some((path, value)) if !path.trim().is_empty() => {
            Ok(Override { path: path.trim().to_owned(), text: value.to_owned() })
        }
        _ => Err("expected KEY=VALUE".to_owned()),
    }
}

/// `30s`, `2h 15m`.
pub fn duration(text: &str) -> Result<Duration, String> {
    config::duration(text).ok_or_else(|| "expected a duration like 30s or \"2h 15m\"".to_owned())
}

/// `127.0.0.1:8090`, `localhost:8090`.
pub fn address(text: &str) -> Result<SocketAddr, String> {
    config::address(text).ok_or_else(|| "expected an address and port like 127.0.0.1:8090".into())
}

/// The host of `https://api.atlar.com`.
pub fn host(text: &str) -> Result<String, String> {
    config::host(text).ok_or_else(|| "expected an address like https://api.atlar.com".to_owned())
}

/// A group's name, as the key `kafka.groupId` takes it.
pub fn group(text: &str) -> Result<String, String> {
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned()).ok_or_else(|| "expected a name".to_owned())
}

/// `5/s`, `90/m`, `0.5/s`, `0`.
pub fn rate(text: &str) -> Result<Rate, String> {
    let expected = || "expected a rate like 5/s, 90/m or 0".to_owned();
    let (number, seconds) = match text.split_once('/') {
        Some((number, "s")) => (number, 1.0),
        Some((number, "m")) => (number, 60.0),
        Some((number, "h")) => (number, 3600.0),
        None if text == "0" => (text, 1.0),
        _ => return Err(expected()),
    };
    let number: f64 = number.parse().map_err(|_| expected())?;
    let fits = (0.0..=1_000_000.0).contains(&number);
    fits.then_some(Rate { per_second: number / seconds }).ok_or_else(expected)
}

/// `429=5%`.
pub fn fault(text: &str) -> Result<FaultShare, String> {
    let expected = || "expected FAULT=SHARE like 429=5%".to_owned();
    let (fault, share) = text.split_once('=').ok_or_else(expected)?;
    let percent: f64 = share.strip_suffix('%').and_then(|n| n.parse().ok()).ok_or_else(expected)?;
    let fits = !fault.is_empty() && (0.0..=100.0).contains(&percent);
    fits.then(|| FaultShare { fault: fault.to_owned(), share: percent / 100.0 })
        .ok_or_else(expected)
}

/// `beginning`, `end`, `-20`.
pub fn from(text: &str) -> Result<From, String> {
    match text {
        "beginning" => Ok(From::Beginning),
        "end" => Ok(From::End),
        _ => text
            .strip_prefix('-')
            .and_then(|count| count.parse().ok())
            .map(From::Last)
            .ok_or_else(|| "expected beginning, end, or -20 for the last 20 events".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_documents() {
        assert_eq!(rate("90/m"), Ok(Rate { per_second: 1.5 }));
        assert_eq!(rate("0"), Ok(Rate { per_second: 0.0 }));
        assert_eq!(fault("429=5%"), Ok(FaultShare { fault: "429".into(), share: 0.05 }));
        assert_eq!(from("-20"), Ok(From::Last(20)));
        assert_eq!(key_value("a=b=c"), Ok(Override { path: "a".into(), text: "b=c".into() }));
        assert_eq!(duration("2h 15m"), Ok(Duration::from_secs(8100)));
        assert_eq!(host("https://api.atlar.com/x"), Ok("api.atlar.com".into()));
        assert_eq!(group(" ledger "), Ok("ledger".into()));
        assert_eq!(address("localhost:1").map(|a| a.to_string()), Ok("127.0.0.1:1".into()));
    }

    #[test]
    fn refuses_the_rest() {
        for text in ["5", "x/s", "5/d", "-1/s", "NaN/s", "1e9/s"] {
            assert!(rate(text).is_err(), "{text}");
        }
        for text in ["429", "429=5", "=5%", "429=101%", "429=x%"] {
            assert!(fault(text).is_err(), "{text}");
        }
        for text in ["20", "-", "middle", ""] {
            assert!(from(text).is_err(), "{text}");
        }
        assert!(key_value("pageSize").is_err() && key_value("=5").is_err());
        assert!(host("api.atlar.com").is_err() && host("https://a:b@c").is_err());
        assert!(group(" ").is_err());
        assert!(duration("30").is_err() && duration("-5s").is_err());
    }
}
