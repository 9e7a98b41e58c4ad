use super::*;
use crate::map::{fields, fields_inside, sent_fields};

fn notes(entity: Entity, generation: Generation, list: Option<&str>, text: &str) -> Vec<String> {
    let json = Json::parse(text.as_bytes()).unwrap();
    let notes = oddities(&json, entity, generation, list);
    notes
        .into_iter()
        .map(|note| match note {
            Note::UnknownField { field } => field,
            Note::Unreadable { field } => format!("{field}!"),
            other => panic!("{other}"),
        })
        .collect()
}

#[test]
fn undocumented_members_are_named_by_their_path_once() {
    let payment = |text: &str| notes(Entity::Payment, Generation::V1, None, text);
    assert_eq!(
        payment(
            r#"{"id":"p","fee":{"amount":1},"account":{"id":"a","bank":{"lei":"L"}},
                "counterpartyDetails":{"externalAccount":{"identifier":{"check":1}}},
                "counterparty":{"identifiers":[{"check":1},{"check":2},7,{"other":1}]}}"#
        ),
        [
            "fee",
            "account.bank.lei",
            "counterpartyDetails.externalAccount.identifier.check",
            "identifiers!",
            "counterparty.identifiers.check",
            "counterparty.identifiers.other",
        ]
    );
    // Nothing is sent side by side with a missing member; metadata is the user's; a name that the
    // connector page uses is known; an object in place of a text is odd, but not unknown.
    assert!(
        payment(
            r#"{"fee":null,"charge":{},"x":"","externalMetadata":{"fee":"1"},"direction":"CREDIT",
                "description":{"a":1},"amount":7}"#
        )
        .is_empty()
    );
}

#[test]
fn what_should_be_an_object_and_is_none_is_noted() {
    let text =
        r#"{"contactDetails":"none","externalAccounts":7,"identifiers":[{"type":"IBAN"},"x"]}"#;
    let found = notes(Entity::Counterparty, Generation::V1, None, text);
    assert_eq!(found, ["contactDetails!", "identifiers!"]);
}

#[test]
fn names_that_are_not_words_are_not_repeated() {
    let account = |text: &str| notes(Entity::Account, Generation::V2, None, text);
    assert_eq!(
        account(r#"{"DE89370400440532013000":1,"Jane Doe":2,"routing":[{"a b":1}],"":4}"#),
        ["(not a word)", "routing.(not a word)", ""]
    );
}

#[test]
fn a_record_reports_so_many_and_no_more() {
    let members: Vec<String> = ('a'..='z').map(|letter| format!(r#""new{letter}":1"#)).collect();
    let text = format!("{{{}}}", members.join(","));
    assert_eq!(notes(Entity::Balance, Generation::V1, None, &text).len(), REPORTED_MAX);
}

#[test]
fn the_list_decides_which_members_an_external_payment_has() {
    let of = |generation, list: &str, text: &str| {
        notes(Entity::ExternalPayment, generation, Some(list), text)
    };
    let debit = r#"{"mandate":{"id":"m"},"directDebitSchemeType":"SDD_CORE"}"#;
    assert!(of(Generation::V1, "direct-debits", debit).is_empty());
    for list in ["expected-transactions", "external-payments"] {
        assert_eq!(of(Generation::V1, list, debit), ["mandate", "directDebitSchemeType"]);
    }
    let scheme = r#"{"scheme":"SCT","counterparty":{"name":"A"}}"#;
    assert!(of(Generation::V1, "external-payments", scheme).is_empty());
    assert_eq!(of(Generation::V1, "expected-transactions", scheme), ["scheme", "counterparty"]);
    let pending = r#"{"bankTransactionCode":{"domain":"PMNT"}}"#;
    assert!(of(Generation::V2, "pending-transactions", pending).is_empty());
    assert_eq!(of(Generation::V2, "direct-debits", pending), ["bankTransactionCode"]);
}

impl Known {
    /// Whether a path leads to a member that would not be noted.
    fn allows(&self, path: &str) -> bool {
        let (name, rest) =
            path.split_once('.').map_or((path, None), |(name, rest)| (name, Some(rest)));
        let name = name.split('[').next().unwrap();
        self.ours.contains(&name)
            || match (self.object(name), rest) {
                (Some((_, known)), Some(rest)) => known.allows(rest),
                (found, _) => found.is_some() || self.leaves.contains(&name),
            }
    }
}

/// What the mapping reads is known in some list, documented or as ours.
#[test]
fn the_mapping_reads_known_members_only() {
    for entity in Entity::ALL {
        for generation in Generation::ALL {
            let lists = lists(*entity, *generation);
            for field in fields(*entity).iter().chain(sent_fields(*entity)) {
                for path in field.paths(*generation) {
                    let known = lists.iter().any(|(_, known)| known.allows(path));
                    assert!(known, "{entity} {generation} {}: {path}", field.name);
                }
            }
        }
    }
    for (record, fields) in fields_inside() {
        for generation in Generation::ALL {
            let (entity, inside) = match record {
                "ExternalAccount" => (Entity::Counterparty, ["externalAccounts", "accounts"]),
                _ => (Entity::Payment, ["counterpartyDetails", "counterparty"]),
            };
            let debits = [
                (Entity::ExternalPayment, "sourceExternalAccount"),
                (Entity::ExternalPayment, "source"),
            ];
            for field in fields {
                for path in field.paths(*generation) {
                    let places = inside.iter().map(|inside| (entity, *inside)).chain(debits);
                    let known = places.clone().any(|(entity, inside)| {
                        let path = format!("{inside}.{path}");
                        lists(entity, *generation).iter().any(|(_, known)| known.allows(&path))
                    });
                    assert!(
                        known || (record == "Party" && *path == "bic"),
                        "{generation} {}: {path}",
                        field.name
                    );
                }
            }
        }
    }
}
