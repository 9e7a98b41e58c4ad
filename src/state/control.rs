//! Control records: what the state topic says about the workspace itself.
//!
//! Keys begin with `\0`, so that they never meet an entity's key, and none is four bytes long:
//! brokers older than the fix of KAFKA-14055 lose transaction markers beside such keys. A value is
//! the format number, one byte, then JSON as that format has it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Error;
use super::format::{self, Format, Formats, formats};

/// Written once by `setup`: the identity of the workspace's topics.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Genesis {
    pub id: Uuid,
    pub created_ms: i64,
    /// Partitions of each event topic, by topic. Pinned: the partition of an event depends on it.
    pub partitions: BTreeMap<String, i32>,
    pub group_id: String,
    /// Host of the API's base URL: the same topics never take another bank's data.
    pub base_url_host: String,
}

/// Written at each acquisition: the barrier up to which the state topic is read back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    pub id: Uuid,
    /// Host and process, for operators.
    pub instance: String,
    pub started_ms: i64,
    pub program: String,
}

/// Last record of every batch. Without it nothing of the batch counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    pub session: Uuid,
    /// 1, 2, 3 … without a gap over the workspace's life.
    pub batch_no: u64,
    /// Records before the manifest in the state topic.
    pub state_records: u32,
    pub events: u32,
    /// What went to each partition of the event topics.
    pub partitions: Vec<PartitionTotal>,
    /// XOR of the first eight bytes of each event's `ce_id`, 16 hex digits.
    pub change_xor: String,
    /// Next offset of the inbox to apply; absent while nothing was ever applied.
    pub inbox_offset: Option<i64>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartitionTotal {
    pub topic: String,
    pub partition: i32,
    pub count: u32,
    pub last_offset: i64,
}

/// The last complete listing of a stream that had something to say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cycle {
    pub stream: String,
    /// Complete listings recorded.
    pub listings: u64,
    /// Records in that listing.
    pub listed: u64,
    pub finished_ms: i64,
    /// Entities that are served with a lower version than the published one, by hex of their index
    /// key: survives restarts, so that `run --once` from cron comes to believe them too.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub stale: BTreeMap<String, Persistence>,
}

/// For how long something has been served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Persistence {
    pub listings: u32,
    pub since_ms: i64,
}

/// A record that could not become an event, and for which a dead letter was published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Letter {
    /// Hash of the record as received, 32 hex digits: one letter for each content.
    pub content: String,
    /// Letters published for this record so far.
    pub change_no: u64,
    /// Whether the record was still unusable when its list was last read to the end.
    pub live: bool,
}

/// Join fact: an account of a counterparty, from a list of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExternalAccount {
    pub counterparty_id: String,
    /// The account as it is published inside its counterparty.
    pub account: serde_json::Value,
}

/// A move to another generation of the API that an operator must let go on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// Where the stream would go.
    pub generation: u8,
    /// Live entities of the stream, and those of them that its listing there lacked.
    pub live: u64,
    pub missing: u64,
}

/// The last order to publish everything once more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resync {
    /// 1, 2, 3 …; each entity's record carries the last one applied to it.
    pub number: u32,
    pub ordered_ms: i64,
}

/// The workspace's state was lost, and is being taken from its events, or was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rebuild {
    pub started_ms: i64,
    /// None: not all of it is there, so nobody may publish from it.
    pub finished_ms: Option<i64>,
    /// Entities taken from the events.
    pub entities: u64,
}

/// A reference list that joins need was completed once, or is not offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ListStatus {
    Complete,
    NotOffered,
}

/// One control record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Control {
    Genesis(Genesis),
    Session(Session),
    Manifest(Manifest),
    Cycle(Cycle),
    /// Whose data these topics hold; committed before the first event.
    Organization(String),
    /// Join fact: name of a third party, by its id.
    ThirdParty {
        id: String,
        name: String,
    },
    /// Join fact: an own account has the identifier with this keyed hash. Never taken back, so that
    /// a transfer does not turn into a payment when the account is closed.
    OwnIdentifier {
        hash: [u8; 16],
        account_id: String,
    },
    /// State of a reference list, by stream.
    JoinList {
        list: String,
        status: ListStatus,
    },
    /// Join fact: an account of a counterparty; none: the list has it no more.
    ExternalAccount {
        id: String,
        fact: Option<ExternalAccount>,
    },
    /// Generation of the API that a stream is read in: 1, 2.
    Generation {
        stream: String,
        generation: u8,
    },
    /// The list that external payments are read from, where it was chosen by itself.
    Source(String),
    /// A dead letter, by stream and the record's id; records without id by `#` and a hash.
    /// None: cleared, and nothing to remember of it.
    DeadLetter {
        stream: String,
        id: String,
        letter: Option<Letter>,
    },
    /// Host of the API's base URL, where it is another than genesis says.
    BaseUrlHost(String),
    /// Group of the deployment, where it is another than genesis says.
    GroupId(String),
    Resync(Resync),
    /// Written with genesis, and again in the last batch of a rebuild.
    Rebuild(Rebuild),
    /// None: the stream is held no more.
    Hold {
        stream: String,
        hold: Option<Hold>,
    },
}

const GENESIS: &str = "\0G";
const SESSION: &str = "\0S";
const MANIFEST: &str = "\0M";
const ORGANIZATION: &str = "\0O";
const CYCLE: &str = "\0C/";
const THIRD_PARTY: &str = "\0J/third-party/";
const OWN_IDENTIFIER: &str = "\0J/own-identifier/";
const EXTERNAL_ACCOUNT: &str = "\0J/external-account/";
const JOIN_LIST: &str = "\0L/";
const GENERATION: &str = "\0V/";
const SOURCE: &str = "\0E";
const DEAD_LETTER: &str = "\0D/";
const BASE_URL_HOST: &str = "\0B";
const GROUP_ID: &str = "\0U";
const RESYNC: &str = "\0R";
const HOLD: &str = "\0H/";
const REBUILD: &str = "\0W";

/// Every kind by the name that operators see, and its key or the beginning of its keys.
pub const NAMES: &[(&str, &str)] = &[
    ("genesis", GENESIS),
    ("session", SESSION),
    ("manifest", MANIFEST),
    ("organization", ORGANIZATION),
    ("cycle", CYCLE),
    ("third-party", THIRD_PARTY),
    ("own-identifier", OWN_IDENTIFIER),
    ("external-account", EXTERNAL_ACCOUNT),
    ("list", JOIN_LIST),
    ("generation", GENERATION),
    ("source", SOURCE),
    ("dead-letter", DEAD_LETTER),
    ("host", BASE_URL_HOST),
    ("group", GROUP_ID),
    ("resync", RESYNC),
    ("hold", HOLD),
    ("rebuild", REBUILD),
];

/// Whether a key of the state topic is that of a control record.
pub fn is_control(key: &[u8]) -> bool {
    key.first() == Some(&0)
}

impl Control {
    pub fn key(&self) -> Vec<u8> {
        let key = match self {
            Control::Genesis(_) => GENESIS.to_owned(),
            Control::Session(_) => SESSION.to_owned(),
            Control::Manifest(_) => MANIFEST.to_owned(),
            Control::Organization(_) => ORGANIZATION.to_owned(),
            Control::Cycle(cycle) => format!("{CYCLE}{}", cycle.stream),
            Control::ThirdParty { id, .. } => format!("{THIRD_PARTY}{id}"),
            Control::OwnIdentifier { hash, account_id } => {
                // Several accounts may share an identifier: each pair is a fact of its own.
                format!("{OWN_IDENTIFIER}{}/{account_id}", hex::encode(hash))
            }
            Control::JoinList { list, .. } => format!("{JOIN_LIST}{list}"),
            Control::ExternalAccount { id, .. } => format!("{EXTERNAL_ACCOUNT}{id}"),
            Control::Generation { stream, .. } => format!("{GENERATION}{stream}"),
            Control::Source(_) => SOURCE.to_owned(),
            // A stream's name has slashes of its own, and no zero byte.
            Control::DeadLetter { stream, id, .. } => format!("{DEAD_LETTER}{stream}\0{id}"),
            Control::BaseUrlHost(_) => BASE_URL_HOST.to_owned(),
            Control::GroupId(_) => GROUP_ID.to_owned(),
            Control::Resync(_) => RESYNC.to_owned(),
            Control::Rebuild(_) => REBUILD.to_owned(),
            Control::Hold { stream, .. } => format!("{HOLD}{stream}"),
        };
        key.into_bytes()
    }

    /// Its value in the format that this release writes.
    pub fn value(&self) -> Vec<u8> {
        self.value_in(formats().writes)
    }

    fn value_in(&self, format: Format) -> Vec<u8> {
        let json = match self {
            Control::Genesis(genesis) => serde_json::to_vec(genesis),
            Control::Session(session) => serde_json::to_vec(session),
            Control::Manifest(manifest) => serde_json::to_vec(manifest),
            Control::Cycle(cycle) => serde_json::to_vec(cycle),
            Control::Organization(id) => serde_json::to_vec(id),
            Control::ThirdParty { name, .. } => serde_json::to_vec(name),
            Control::OwnIdentifier { .. } => serde_json::to_vec(&true),
            Control::JoinList { status, .. } => serde_json::to_vec(status),
            Control::ExternalAccount { fact, .. } => serde_json::to_vec(fact),
            Control::Generation { generation, .. } => serde_json::to_vec(generation),
            Control::Source(name) => serde_json::to_vec(name),
            Control::DeadLetter { letter, .. } => serde_json::to_vec(letter),
            Control::BaseUrlHost(host) => serde_json::to_vec(host),
            Control::GroupId(group) => serde_json::to_vec(group),
            Control::Resync(resync) => serde_json::to_vec(resync),
            Control::Rebuild(rebuild) => serde_json::to_vec(rebuild),
            Control::Hold { hold, .. } => serde_json::to_vec(hold),
        };
        // These types hold strings and numbers only: serialising them cannot fail.
        format::control(format, &json.unwrap_or_default())
    }

    /// Reads the record found at `offset` (for the error only). `None`: a kind that a later release
    /// of the same format added, which readers pass over.
    pub fn decode(key: &[u8], value: &[u8], offset: i64) -> Result<Option<Control>, Error> {
        Control::decode_by(formats(), key, value, offset)
    }

    fn decode_by(
        formats: Formats,
        key: &[u8],
        value: &[u8],
        offset: i64,
    ) -> Result<Option<Control>, Error> {
        let damaged = || Error::Damaged { offset };
        let json = format::control_json(formats, value, offset)?;
        let key = std::str::from_utf8(key).map_err(|_| damaged())?;
        let control = if key == GENESIS {
            serde_json::from_slice(json).map(Control::Genesis)
        } else if key == SESSION {
            serde_json::from_slice(json).map(Control::Session)
        } else if key == MANIFEST {
            serde_json::from_slice(json).map(Control::Manifest)
        } else if key == ORGANIZATION {
            serde_json::from_slice(json).map(Control::Organization)
        } else if key.starts_with(CYCLE) {
            serde_json::from_slice(json).map(Control::Cycle)
        } else if let Some(id) = key.strip_prefix(THIRD_PARTY) {
            let id = id.to_owned();
            serde_json::from_slice(json).map(|name| Control::ThirdParty { id, name })
        } else if let Some(pair) = key.strip_prefix(OWN_IDENTIFIER) {
            let (hex, account_id) = pair.split_once('/').ok_or_else(damaged)?;
            let mut hash = [0; 16];
            hex::decode_to_slice(hex, &mut hash).map_err(|_| damaged())?;
            Ok(Control::OwnIdentifier { hash, account_id: account_id.to_owned() })
        } else if let Some(list) = key.strip_prefix(JOIN_LIST) {
            let list = list.to_owned();
            serde_json::from_slice(json).map(|status| Control::JoinList { list, status })
        } else if let Some(id) = key.strip_prefix(EXTERNAL_ACCOUNT) {
            let id = id.to_owned();
            serde_json::from_slice(json).map(|fact| Control::ExternalAccount { id, fact })
        } else if let Some(stream) = key.strip_prefix(GENERATION) {
            let stream = stream.to_owned();
            let generation = serde_json::from_slice(json);
            generation.map(|generation| Control::Generation { stream, generation })
        } else if let Some(place) = key.strip_prefix(DEAD_LETTER) {
            let (stream, id) = place.split_once('\0').ok_or_else(damaged)?;
            let (stream, id) = (stream.to_owned(), id.to_owned());
            serde_json::from_slice(json).map(|letter| Control::DeadLetter { stream, id, letter })
        } else if let Some(stream) = key.strip_prefix(HOLD) {
            let stream = stream.to_owned();
            serde_json::from_slice(json).map(|hold| Control::Hold { stream, hold })
        } else if key == SOURCE {
            serde_json::from_slice(json).map(Control::Source)
        } else if key == BASE_URL_HOST {
            serde_json::from_slice(json).map(Control::BaseUrlHost)
        } else if key == GROUP_ID {
            serde_json::from_slice(json).map(Control::GroupId)
        } else if key == RESYNC {
            serde_json::from_slice(json).map(Control::Resync)
        } else if key == REBUILD {
            serde_json::from_slice(json).map(Control::Rebuild)
        } else {
            return Ok(None);
        };
        control.map(Some).map_err(|_| damaged())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one_of_each() -> Vec<Control> {
        let session = Uuid::from_u128(7);
        let total = PartitionTotal {
            topic: "atlar.payment".into(),
            partition: 1,
            count: 2,
            last_offset: 9,
        };
        vec![
            Control::Genesis(Genesis {
                id: Uuid::from_u128(1),
                created_ms: 5,
                partitions: BTreeMap::from([("atlar.payment".into(), 6)]),
                group_id: "g".into(),
                base_url_host: "api.atlar.com".into(),
            }),
            Control::Session(Session {
                id: session,
                instance: "host/1".into(),
                started_ms: 1,
                program: "0.1.0".into(),
            }),
            Control::Manifest(Manifest {
                session,
                batch_no: 3,
                state_records: 2,
                events: 2,
                partitions: vec![total],
                change_xor: "00ff".into(),
                inbox_offset: None,
            }),
            Control::Cycle(Cycle {
                stream: "accounts".into(),
                listings: 1,
                listed: 2,
                finished_ms: 3,
                stale: BTreeMap::from([("aa".into(), Persistence { listings: 1, since_ms: 2 })]),
            }),
            Control::Organization("org".into()),
            Control::ThirdParty { id: "t".into(), name: "Bank".into() },
            Control::OwnIdentifier { hash: [5; 16], account_id: "a/b".into() },
            Control::JoinList { list: "third-parties".into(), status: ListStatus::NotOffered },
            Control::ExternalAccount {
                id: "e/1".into(),
                fact: Some(ExternalAccount {
                    counterparty_id: "c".into(),
                    account: serde_json::json!({"id": "e/1"}),
                }),
            },
            Control::ExternalAccount { id: "e".into(), fact: None },
            Control::Generation { stream: "payments/a".into(), generation: 2 },
            Control::Source("expected-transactions".into()),
            Control::DeadLetter {
                stream: "payments/a".into(),
                id: "p/1\0x".into(),
                letter: Some(Letter { content: "00".into(), change_no: 2, live: false }),
            },
            Control::DeadLetter { stream: "s".into(), id: "#00".into(), letter: None },
            Control::BaseUrlHost("api.example".into()),
            Control::GroupId("another".into()),
            Control::Resync(Resync { number: 3, ordered_ms: 4 }),
            Control::Rebuild(Rebuild { started_ms: 1, finished_ms: None, entities: 0 }),
            Control::Hold {
                stream: "accounts".into(),
                hold: Some(Hold { generation: 2, live: 10, missing: 3 }),
            },
            Control::Hold { stream: "accounts".into(), hold: None },
        ]
    }

    #[test]
    fn what_is_written_is_read_and_no_key_has_four_bytes() {
        for control in one_of_each() {
            let (key, value) = (control.key(), control.value());
            assert!(is_control(&key) && key.len() != 4, "{control:?}");
            assert_eq!(Control::decode(&key, &value, 0), Ok(Some(control)));
        }
    }

    #[cfg(feature = "crash-points")]
    #[test]
    fn the_release_that_introduces_a_format_reads_both() {
        let newest = Format::Next;
        let next = Formats { newest, ..format::RELEASED };
        for control in one_of_each() {
            let (key, value) = (control.key(), control.value_in(newest));
            let refused = Control::decode_by(format::RELEASED, &key, &value, 0);
            assert_eq!(refused, Err(Error::NewerFormat { found: 2 }));
            for at in 1..value.len() {
                let mut damaged = value.clone();
                damaged[at] ^= 1;
                let read = Control::decode_by(next, &key, &damaged, 4);
                assert_eq!(read, Err(Error::Damaged { offset: 4 }), "{at}");
            }
            for format in [Format::One, newest] {
                let read = Control::decode_by(next, &key, &control.value_in(format), 0);
                assert_eq!(read, Ok(Some(control.clone())));
            }
        }
    }

    #[test]
    fn unknown_kinds_are_passed_over_and_newer_formats_refused() {
        assert_eq!(Control::decode(b"\0Z/new", b"\x01{}", 0), Ok(None));
        assert_eq!(Control::decode(b"\0G", b"\x02{}", 0), Err(Error::NewerFormat { found: 2 }));
        assert_eq!(Control::decode(b"\0G", b"\x01{}", 4), Err(Error::Damaged { offset: 4 }));
        assert_eq!(Control::decode(b"\0G", b"", 4), Err(Error::Damaged { offset: 4 }));
    }
}
