//! The payloads of `tests/golden`, and how one is mapped.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use atlar_ingestor::domain::{Entity, ExternalAccount, Generation};
use atlar_ingestor::json::Json;
use atlar_ingestor::map::{self, Joined, Mapped};
use serde::Deserialize;

pub struct Case {
    pub name: String,
    pub generation: Generation,
    pub entity: Entity,
    pub payload: String,
    pub surroundings: Surroundings,
    pub expected: PathBuf,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Surroundings {
    pub bank_name: Option<String>,
    pub own_counterparty: bool,
    /// As `map::external_account` makes them.
    pub external_accounts: Vec<ExternalAccount>,
    pub source_resource: Option<String>,
    pub account_id: Option<String>,
    pub organization_id: Option<String>,
    /// Publish the payload in `raw`.
    pub raw: bool,
}

impl Case {
    pub fn map_text(&self, text: &str) -> Result<Mapped, map::Error> {
        self.map_parsed(&parse(text), Some(text))
    }

    /// Maps a record of which the text is not at hand.
    pub fn map_json(&self, record: &Json<'_>) -> Result<Mapped, map::Error> {
        self.map_parsed(record, None)
    }

    fn map_parsed(&self, record: &Json<'_>, raw: Option<&str>) -> Result<Mapped, map::Error> {
        let joined = Joined {
            bank_name: self.surroundings.bank_name.as_deref(),
            own_counterparty: self.surroundings.own_counterparty,
            external_accounts: &self.surroundings.external_accounts,
            source_resource: self.surroundings.source_resource.as_deref(),
            account_id: self.surroundings.account_id.as_deref(),
            organization_id: self.surroundings.organization_id.as_deref(),
        };
        let raw = raw.filter(|_| self.surroundings.raw);
        map::map(self.entity, self.generation, record, raw, &joined)
    }

    pub fn map(&self) -> Result<Mapped, map::Error> {
        self.map_text(&self.payload)
    }
}

pub fn parse(text: &str) -> Json<'_> {
    Json::parse(text.as_bytes()).expect("a case is JSON")
}

pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

/// Every case there is, and every file that belongs to none.
pub fn cases() -> (Vec<Case>, Vec<PathBuf>) {
    let (mut cases, mut orphans) = (Vec::new(), Vec::new());
    for generation in Generation::ALL {
        for entity in Entity::ALL {
            let folder = folder().join(generation.as_str()).join(entity.as_str());
            let mut files: BTreeSet<PathBuf> =
                fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
            let payloads: Vec<PathBuf> = files
                .iter()
                .filter(|path| !path.to_string_lossy().ends_with(".joined.json"))
                .filter(|path| !path.to_string_lossy().ends_with(".expected.json"))
                .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
                .cloned()
                .collect();
            for path in payloads {
                let joined = path.with_extension("joined.json");
                let expected = path.with_extension("expected.json");
                let surroundings = files.contains(&joined).then(|| {
                    serde_json::from_str(&fs::read_to_string(&joined).unwrap()).expect("joined")
                });
                for file in [&path, &joined, &expected] {
                    files.remove(file);
                }
                let stem = path.file_stem().unwrap().to_string_lossy().into_owned();
                cases.push(Case {
                    name: format!("{generation}/{entity}/{stem}"),
                    generation: *generation,
                    entity: *entity,
                    payload: fs::read_to_string(&path).unwrap().trim_end().to_owned(),
                    surroundings: surroundings.unwrap_or_default(),
                    expected,
                });
            }
            orphans.extend(files);
        }
    }
    (cases, orphans)
}
