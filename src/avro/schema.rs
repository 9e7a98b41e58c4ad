//! The schemas that are part of this program.

use std::fmt;
use std::sync::OnceLock;

use apache_avro::Schema;

use crate::domain::Entity;

use super::{Error, detail};

/// What has a topic with a registered value schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Subject {
    /// Change events of an entity.
    Entity(Entity),
    /// Scan markers.
    Scan,
    /// Records that could not become events.
    DeadLetter,
}

impl Subject {
    /// Every subject: entities first, in their order.
    pub const ALL: [Subject; 7] = [
        Subject::Entity(Entity::Account),
        Subject::Entity(Entity::Counterparty),
        Subject::Entity(Entity::Payment),
        Subject::Entity(Entity::ExternalPayment),
        Subject::Entity(Entity::Balance),
        Subject::Scan,
        Subject::DeadLetter,
    ];

    /// The topic's name after the prefix and its dot.
    pub const fn topic_suffix(self) -> &'static str {
        match self {
            Subject::Entity(entity) => entity.as_str(),
            Subject::Scan => "scan",
            Subject::DeadLetter => "dead-letter",
        }
    }

    /// The subject in the registry, by the topic-name strategy: `<prefix>.<suffix>-value`.
    pub fn name(self, prefix: &str) -> String {
        format!("{prefix}.{}-value", self.topic_suffix())
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.topic_suffix())
    }
}

/// The text to register: the `.avsc` file, with its docs and tags.
pub const fn schema_text(subject: Subject) -> &'static str {
    match subject {
        Subject::Entity(Entity::Account) => include_str!("../../schemas/account-value.avsc"),
        Subject::Entity(Entity::Counterparty) => {
            include_str!("../../schemas/counterparty-value.avsc")
        }
        Subject::Entity(Entity::Payment) => include_str!("../../schemas/payment-value.avsc"),
        Subject::Entity(Entity::ExternalPayment) => {
            include_str!("../../schemas/external-payment-value.avsc")
        }
        Subject::Entity(Entity::Balance) => include_str!("../../schemas/balance-value.avsc"),
        Subject::Scan => include_str!("../../schemas/scan-value.avsc"),
        Subject::DeadLetter => include_str!("../../schemas/dead-letter-value.avsc"),
    }
}

/// The parsed schema, parsed once per process.
pub fn schema(subject: Subject) -> Result<&'static Schema, Error> {
    static PARSED: [OnceLock<Schema>; 7] = [const { OnceLock::new() }; 7];
    let slot = Subject::ALL.iter().zip(&PARSED).find(|(known, _)| **known == subject);
    let Some((_, slot)) = slot else {
        return Err(Error::Schema { detail: format!("no schema for {subject}") });
    };
    if let Some(parsed) = slot.get() {
        return Ok(parsed);
    }
    let parsed = parse(schema_text(subject))?;
    Ok(slot.get_or_init(|| parsed))
}

/// Parses a schema text.
pub(super) fn parse(text: &str) -> Result<Schema, Error> {
    Schema::parse_str(text).map_err(|error| Error::Schema { detail: detail(error) })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use apache_avro::schema_compatibility::{Compatibility, SchemaCompatibility};
    use serde_json::Value;

    use super::*;

    /// Calls `visit` with every record of a schema text.
    fn records(node: &Value, visit: &mut impl FnMut(&Value)) {
        match node {
            Value::Object(members) => {
                if members.get("type").is_some_and(|kind| kind == "record") {
                    visit(node);
                }
                members.values().for_each(|value| records(value, visit));
            }
            Value::Array(items) => items.iter().for_each(|item| records(item, visit)),
            _ => {}
        }
    }

    fn text(subject: Subject) -> Value {
        serde_json::from_str(schema_text(subject)).unwrap()
    }

    #[test]
    fn every_subject_parses_and_reads_itself() {
        for subject in Subject::ALL {
            let schema = schema(subject).unwrap();
            let own = SchemaCompatibility::mutual_read(schema, schema);
            assert_eq!(own, Ok(Compatibility::Full), "{subject}");
        }
    }

    #[test]
    fn every_record_and_field_says_what_it_is() {
        for subject in Subject::ALL {
            records(&text(subject), &mut |record| {
                let name = record["name"].as_str().unwrap();
                assert!(record["doc"].as_str().is_some_and(|doc| doc.len() > 10), "{name}");
                for field in record["fields"].as_array().unwrap() {
                    let doc = field["doc"].as_str().unwrap_or_default();
                    assert!(doc.len() > 10 && doc.ends_with('.'), "{name}.{}", field["name"]);
                }
            });
        }
    }

    #[test]
    fn everything_but_an_id_is_nullable_with_null_first() {
        let not_nullable = ["Envelope", "Source", "ScanCompleted", "DeadLetter"];
        for subject in Subject::ALL {
            records(&text(subject), &mut |record| {
                let name = record["name"].as_str().unwrap();
                for field in record["fields"].as_array().unwrap() {
                    let kind = &field["type"];
                    if let Some(first) = kind.as_array().map(|union| &union[0]) {
                        assert_eq!(first, "null", "{name}.{}", field["name"]);
                        assert_eq!(field.get("default"), Some(&Value::Null), "{name}");
                    } else if !not_nullable.contains(&name) {
                        assert!(field["name"] == "id" && name != "ExternalAccount", "{field}");
                    }
                }
            });
        }
    }

    #[test]
    fn namespaces_follow_the_entity() {
        for subject in Subject::ALL {
            records(&text(subject), &mut |record| {
                let want = match (record["name"].as_str(), subject) {
                    (Some("Envelope"), Subject::Entity(entity)) => {
                        format!("atlar.v1.{}", entity.as_str().replace('-', "_"))
                    }
                    _ => "atlar.v1".to_owned(),
                };
                assert_eq!(record["namespace"], want.as_str());
            });
        }
    }

    /// One record name is one record, in whichever subject it stands.
    #[test]
    fn shared_records_are_the_same_everywhere() {
        let mut seen: BTreeMap<String, Value> = BTreeMap::new();
        for subject in Subject::ALL {
            records(&text(subject), &mut |record| {
                let name = record["name"].as_str().unwrap().to_owned();
                if name != "Envelope" {
                    let flat = flatten(record);
                    assert_eq!(seen.entry(name.clone()).or_insert_with(|| flat.clone()), &flat);
                }
            });
        }
        assert_eq!(seen.len(), 13);
    }

    /// A nested record is defined where it is first used and named after that: names only.
    fn flatten(node: &Value) -> Value {
        match node {
            Value::Object(members) => {
                let fields = members.iter().map(|(key, value)| {
                    let record = value.get("type").is_some_and(|kind| kind == "record");
                    let value = if record { name_of(value) } else { flatten(value) };
                    (key.clone(), value)
                });
                Value::Object(fields.collect())
            }
            Value::Array(items) => items
                .iter()
                .map(|item| {
                    let record = item.get("type").is_some_and(|kind| kind == "record");
                    if record { name_of(item) } else { flatten(item) }
                })
                .collect(),
            other => other.clone(),
        }
    }

    fn name_of(record: &Value) -> Value {
        let part = |key: &str| record[key].as_str().unwrap().to_owned();
        Value::String(format!("{}.{}", part("namespace"), part("name")))
    }

    #[test]
    fn personal_data_is_tagged() {
        let personal = [
            "Identifier.number",
            "Identifier.holder_name",
            "Account.name",
            "Account.alias",
            "Account.owner_name",
            "Account.metadata",
            "Account.external_metadata",
            "Account.raw",
            "ExternalAccount.external_metadata",
            "Counterparty.name",
            "Counterparty.alias",
            "Counterparty.email",
            "Counterparty.phone",
            "Counterparty.street_name",
            "Counterparty.street_number",
            "Counterparty.postal_code",
            "Counterparty.city",
            "Counterparty.address_lines",
            "Counterparty.national_id_number",
            "Counterparty.metadata",
            "Counterparty.external_metadata",
            "Counterparty.raw",
            "Party.name",
            "Party.raw_identifier",
            "Party.national_id_number",
            "Payment.description",
            "Payment.remittance_information",
            "Payment.virtual_account",
            "Payment.metadata",
            "Payment.external_metadata",
            "Payment.raw",
            "ExternalPayment.remittance_information",
            "ExternalPayment.metadata",
            "ExternalPayment.external_metadata",
            "ExternalPayment.raw",
            "Balance.raw",
            "DeadLetter.raw",
        ];
        let mut tagged = std::collections::BTreeSet::new();
        for subject in Subject::ALL {
            records(&text(subject), &mut |record| {
                for field in record["fields"].as_array().unwrap() {
                    if let Some(tags) = field.get("confluent:tags") {
                        assert_eq!(tags, &serde_json::json!(["PII"]));
                        let parts = (record["name"].as_str(), field["name"].as_str());
                        tagged.insert(format!("{}.{}", parts.0.unwrap(), parts.1.unwrap()));
                    }
                }
            });
        }
        assert_eq!(tagged, personal.into_iter().map(str::to_owned).collect());
    }

    #[test]
    fn subjects_are_named_after_topics() {
        assert_eq!(
            Subject::Entity(Entity::ExternalPayment).name("acme.live"),
            "acme.live.external-payment-value"
        );
        assert_eq!(Subject::Scan.name("atlar"), "atlar.scan-value");
    }
}
