//! Things that go wrong: which, how often, on which routes.
//!
//! Faults come as text (`429=5%, cut=1%`) when the simulator starts and as JSON at run time. Each
//! request is judged by itself: the nth request of a route meets the same faults in every world
//! of the same seed, in whatever order requests arrive.

use std::collections::HashMap;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::dice::mix;

/// Status codes that can be served on purpose.
const STATUSES: &[u16] = &[400, 401, 403, 404, 405, 410, 425, 429, 500, 503];

/// What goes wrong with an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// An error answer with this status.
    Status(u16),
    /// A page of HTML with status 200.
    Html,
    /// The JSON stops in the middle, the HTTP answer is complete.
    Truncate,
    /// The connection is cut in the middle of the body.
    Cut,
    /// The body comes in drops.
    Slow,
    /// `nextToken` is a token that leads to this very page, for as long as the fault lasts.
    RepeatToken,
    /// The next page serves the records of this page once more.
    DuplicatePage,
    /// The list answer has no `items`.
    ItemsMissing,
    /// `items` is an object.
    ItemsNotList,
    /// The answer comes from a replica that lags: records as they were before their last change,
    /// new ones not at all.
    Stale,
}

const NAMES: &[(&str, FaultKind)] = &[
    ("html", FaultKind::Html),
    ("truncate", FaultKind::Truncate),
    ("cut", FaultKind::Cut),
    ("slow", FaultKind::Slow),
    ("repeat-token", FaultKind::RepeatToken),
    ("duplicate-page", FaultKind::DuplicatePage),
    ("items-missing", FaultKind::ItemsMissing),
    ("items-not-list", FaultKind::ItemsNotList),
    ("stale", FaultKind::Stale),
];

impl FaultKind {
    /// The name in texts and JSON: `429`, `html`, `repeat-token`, …
    pub fn name(self) -> String {
        match self {
            FaultKind::Status(status) => status.to_string(),
            named => NAMES
                .iter()
                .find(|(_, kind)| *kind == named)
                .map_or_else(String::new, |(name, _)| (*name).to_owned()),
        }
    }
}

impl FromStr for FaultKind {
    type Err = Error;

    fn from_str(text: &str) -> Result<FaultKind, Error> {
        if let Some((_, kind)) = NAMES.iter().find(|(name, _)| *name == text) {
            return Ok(*kind);
        }
        let status = text.parse::<u16>().ok().filter(|status| STATUSES.contains(status));
        status.map(FaultKind::Status).ok_or_else(|| Error::Kind(text.to_owned()))
    }
}

/// A rule: this fault, on these requests, so often.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Fault {
    /// A path, a route (`/v1/accounts/{id}`) or a beginning that ends in `*`; absent means all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route: Option<String>,
    /// Text that must occur in the query as sent: `accountId=…`, `token=`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub query: Option<String>,
    #[serde(with = "kind_text")]
    pub fault: FaultKind,
    /// How often, from 0 to 1.
    #[serde(default = "always")]
    pub chance: f64,
    /// It ends after so many requests; absent means never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<u64>,
    /// It spares the first requests that match.
    #[serde(default)]
    pub after: u64,
    /// `Retry-After` as it is to be sent: seconds or an HTTP date.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<String>,
    /// How long a slow body takes.
    #[serde(default = "slow_ms")]
    pub slow_ms: u64,
    /// How many changes of the bank a stale answer is behind.
    #[serde(default = "lag")]
    pub lag: u64,
}

fn always() -> f64 {
    1.0
}

fn slow_ms() -> u64 {
    2000
}

fn lag() -> u64 {
    20
}

impl Fault {
    /// The fault on every request, for good.
    pub fn always(fault: FaultKind) -> Fault {
        Fault {
            route: None,
            query: None,
            fault,
            chance: always(),
            times: None,
            after: 0,
            retry_after: None,
            slow_ms: slow_ms(),
            lag: lag(),
        }
    }
}

mod kind_text {
    use serde::{Deserialize, Deserializer, Serializer, de};

    use super::FaultKind;

    pub(super) fn serialize<S: Serializer>(kind: &FaultKind, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&kind.name())
    }

    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Spelling {
        Number(u16),
        Text(String),
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<FaultKind, D::Error> {
        let text = match Spelling::deserialize(from)? {
            Spelling::Number(status) => status.to_string(),
            Spelling::Text(text) => text,
        };
        text.parse().map_err(de::Error::custom)
    }
}

/// A list of faults: `429=5%, 500=1%, slow=2%`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Faults(pub Vec<Fault>);

/// Why a text is not a list of faults.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("unknown fault '{0}': one of {names}", names = known())]
    Kind(String),
    #[error("'{0}' is not fault=share, for example 429=5%")]
    Shape(String),
    #[error("'{0}' is not a share from 0% to 100%")]
    Share(String),
}

fn known() -> String {
    let statuses = STATUSES.iter().map(u16::to_string);
    statuses.chain(NAMES.iter().map(|(name, _)| (*name).to_owned())).collect::<Vec<_>>().join(", ")
}

impl FromStr for Faults {
    type Err = Error;

    fn from_str(text: &str) -> Result<Faults, Error> {
        let mut faults = Vec::new();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let (name, share) =
                part.split_once('=').ok_or_else(|| Error::Shape(part.to_owned()))?;
            let fault = name.trim().parse()?;
            let percent =
                share.trim().strip_suffix('%').and_then(|share| share.parse::<f64>().ok());
            let percent = percent
                .filter(|percent| (0.0..=100.0).contains(percent))
                .ok_or_else(|| Error::Share(share.trim().to_owned()))?;
            faults.push(Fault { chance: percent / 100.0, ..Fault::always(fault) });
        }
        Ok(Faults(faults))
    }
}

/// The faults in force, with what they have done so far.
pub(super) struct Board {
    seed: u64,
    rules: Vec<Rule>,
    next_rule: u64,
    /// Requests seen per route.
    seen: HashMap<String, u64>,
}

struct Rule {
    number: u64,
    fault: Fault,
    matched: u64,
    done: u64,
}

impl Board {
    pub(super) fn new(seed: u64, faults: Faults) -> Board {
        let mut board = Board { seed, rules: Vec::new(), next_rule: 0, seen: HashMap::new() };
        board.add(faults.0);
        board
    }

    pub(super) fn add(&mut self, faults: Vec<Fault>) {
        for fault in faults {
            self.rules.push(Rule { number: self.next_rule, fault, matched: 0, done: 0 });
            self.next_rule += 1;
        }
    }

    pub(super) fn clear(&mut self) {
        self.rules.clear();
    }

    /// Each rule and how often it has struck.
    pub(super) fn list(&self) -> Vec<(Fault, u64)> {
        self.rules.iter().map(|rule| (rule.fault.clone(), rule.done)).collect()
    }

    /// The fault this request meets, if any: the first rule that strikes.
    pub(super) fn judge(&mut self, route: &str, path: &str, query: &str) -> Option<Fault> {
        let count = self.seen.entry(route.to_owned()).or_default();
        *count += 1;
        let nth = *count;
        for rule in &mut self.rules {
            let Fault { times, chance, after, .. } = rule.fault;
            if times.is_some_and(|times| rule.done >= times)
                || !matches(&rule.fault, route, path, query)
            {
                continue;
            }
            rule.matched += 1;
            if rule.matched <= after {
                continue;
            }
            let drawn =
                mix(self.seed, &[route.as_bytes(), &rule.number.to_be_bytes(), &nth.to_be_bytes()]);
            if unit(drawn) < chance {
                rule.done += 1;
                return Some(rule.fault.clone());
            }
        }
        None
    }
}

fn matches(fault: &Fault, route: &str, path: &str, query: &str) -> bool {
    let on_route = fault.route.as_deref().is_none_or(|wanted| match wanted.strip_suffix('*') {
        Some(beginning) => path.starts_with(beginning),
        None => wanted == path || wanted == route,
    });
    on_route && fault.query.as_deref().is_none_or(|wanted| query.contains(wanted))
}

/// A number from 0 up to and without 1.
fn unit(drawn: u64) -> f64 {
    let top = u32::try_from(drawn >> 32).unwrap_or(0);
    f64::from(top) / (f64::from(u32::MAX) + 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_read_or_refused_by_name() {
        let faults: Faults = "429=5%, repeat-token=0.5%,".parse().unwrap();
        let kinds: Vec<_> = faults.0.iter().map(|fault| (fault.fault, fault.chance)).collect();
        assert_eq!(kinds, [(FaultKind::Status(429), 0.05), (FaultKind::RepeatToken, 0.005)]);
        let refused = |text: &str| text.parse::<Faults>().unwrap_err().to_string();
        assert!(refused("418=5%").starts_with("unknown fault '418': one of 400, 401"));
        assert_eq!(refused("429"), "'429' is not fault=share, for example 429=5%");
        assert_eq!(refused("429=500%"), "'500%' is not a share from 0% to 100%");
        assert_eq!(refused("429=5"), "'5' is not a share from 0% to 100%");
    }

    #[test]
    fn the_same_seed_strikes_the_same_requests() {
        let strikes = |seed| {
            let mut board = Board::new(seed, "500=20%".parse().unwrap());
            (0..500).map(|_| board.judge("/a", "/a", "").is_some()).collect::<Vec<_>>()
        };
        assert_eq!(strikes(1), strikes(1));
        assert_ne!(strikes(1), strikes(2));
        let struck = strikes(3).iter().filter(|struck| **struck).count();
        assert!((60..140).contains(&struck), "{struck} of 500 at 20 %");
    }

    #[test]
    fn a_rule_keeps_to_its_route_its_query_and_its_times() {
        let fault: Fault = serde_json::from_str(
            r#"{"route":"/v1/a*","query":"token=","fault":429,"times":2,"after":1}"#,
        )
        .unwrap();
        let mut board = Board::new(1, Faults(vec![fault]));
        assert!(board.judge("/v1/b", "/v1/b", "token=1").is_none());
        assert!(board.judge("/v1/a", "/v1/a", "").is_none());
        let struck: Vec<_> =
            (0..5).map(|_| board.judge("/v1/ab", "/v1/ab", "token=1").is_some()).collect();
        assert_eq!(struck, [false, true, true, false, false]);
    }
}
