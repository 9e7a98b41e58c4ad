//! Bank accounts of counterparties: embedded in the counterparty, or, in v2 where it carries none,
//! entries of `/payments/v2/external-accounts`.

use crate::domain::{ExternalAccount, Generation};
use crate::json::Json;

use super::field::{Field, Reader};
use super::{Joined, counterparty, party};

fields! {
    ID = "external_accounts.id" ["id"];
    MARKET = "external_accounts.market" v1 ["identifiers[0].market"] v2 ["market", "identifiers[0].market"];
    BANK_ID = "external_accounts.bank_id" v1 ["bank.id"] v2 [];
    BANK_NAME = "external_accounts.bank_name" v1 ["bank.name"] v2 [];
    BANK_BIC = "external_accounts.bank_bic" v1 ["bank.bic"] v2 ["routing[BIC].number"];
    IDENTIFIERS = "external_accounts.identifiers" ["identifiers"];
    ROUTING = "external_accounts.routing" v1 [] v2 ["routing"];
    EXTERNAL_ID = "external_accounts.external_id" ["externalId"];
    EXTERNAL_METADATA = "external_accounts.external_metadata" v1 ["externalMetadata"] v2 ["metadata"];
    CREATED_AT = "external_accounts.created_at" ["created"];
    UPDATED_AT = "external_accounts.updated_at" ["updated"];
}

/// An entry of the list of external accounts, with the id of the counterparty that holds it. None
/// if it does not say whose it is or has no id of its own.
pub fn external_account(
    entry: &Json<'_>,
    generation: Generation,
) -> Option<(String, ExternalAccount)> {
    let counterparty_id = entry.get("counterpartyId").text()?.to_owned();
    let account = read(&mut Reader::new(entry, generation));
    account.id.is_some().then_some((counterparty_id, account))
}

/// Whether a counterparty's accounts are to be joined from their own list: v2 may leave them out.
pub fn needs_external_accounts(record: &Json<'_>, generation: Generation) -> bool {
    generation == Generation::V2
        && !counterparty::EXTERNAL_ACCOUNTS
            .values(record, generation)
            .any(|accounts| accounts.items().iter().any(says_something))
}

/// The accounts of a counterparty: `items`, which it carries itself, else the joined ones, oldest
/// first, as their list is in no stated order.
pub(super) fn all<'r, 'j>(
    reader: &mut Reader<'r, 'j>,
    items: &'r [Json<'j>],
    joined: &Joined<'_>,
) -> Vec<ExternalAccount> {
    if needs_external_accounts(reader.record, reader.generation) {
        let mut accounts = joined.external_accounts.to_vec();
        accounts.sort_by(|a, b| (a.created_at, &a.id).cmp(&(b.created_at, &b.id)));
        return accounts;
    }
    let items = items.iter().filter(|item| says_something(item));
    items.map(|item| reader.inside(item, read)).collect()
}

fn says_something(item: &Json<'_>) -> bool {
    item.is_object() && !item.is_nothing()
}

fn read(reader: &mut Reader<'_, '_>) -> ExternalAccount {
    let identifiers = reader.items(&IDENTIFIERS);
    ExternalAccount {
        id: reader.text(&ID),
        market: reader.text(&MARKET),
        bank_id: reader.text(&BANK_ID),
        bank_name: reader.text(&BANK_NAME),
        bank_bic: reader.text(&BANK_BIC),
        identifiers: party::identifiers(identifiers, reader.notes()),
        routing: party::routing(reader.items(&ROUTING)),
        external_id: reader.text(&EXTERNAL_ID),
        external_metadata: reader.map(&EXTERNAL_METADATA),
        created_at: reader.timestamp(&CREATED_AT),
        updated_at: reader.timestamp(&UPDATED_AT),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Entity, Record};
    use crate::map::map;

    fn entry(text: &str) -> Option<(String, ExternalAccount)> {
        external_account(&Json::parse(text.as_bytes()).unwrap(), Generation::V2)
    }

    #[test]
    fn an_entry_says_whose_it_is() {
        let (counterparty_id, account) = entry(
            r#"{"id":"e","organizationId":"o","counterpartyId":"c","market":"GB","name":"main",
                "identifiers":[{"type":"NUMBER","market":"GB","number":"31926819"}],
                "routing":[{"type":"GB_DSC","number":"601613"},{"type":"BIC","number":"NWBKGB2L"}],
                "metadata":{"k":"v"},"version":2}"#,
        )
        .unwrap();
        assert_eq!(counterparty_id, "c");
        assert_eq!(account.id.as_deref(), Some("e"));
        assert_eq!(account.market.as_deref(), Some("GB"));
        assert_eq!(account.bank_bic.as_deref(), Some("NWBKGB2L"));
        assert_eq!((account.identifiers.len(), account.routing.len()), (1, 2));
        assert_eq!(account.external_metadata["k"], "v");
        for odd in [r#"{"id":"e"}"#, r#"{"id":"","counterpartyId":"c"}"#, "null", "7", "[]"] {
            assert_eq!(entry(odd), None, "{odd}");
        }
    }

    /// The ids of a counterparty's accounts, and its account number, once joined with two.
    fn joined(counterparty: &str, generation: Generation) -> (Vec<String>, Option<String>) {
        let account = |id: &str, number: &str, created: &str| {
            let text = format!(
                r#"{{"id":"{id}","counterpartyId":"c","created":"{created}",
                    "identifiers":[{{"type":"IBAN","number":"{number}"}}]}}"#
            );
            entry(&text).unwrap().1
        };
        let accounts = [
            account("late", "FR2", "2026-02-03T00:00:00Z"),
            account("b", "FR1", "2026-01-03T00:00:00Z"),
            account("a", "FR0", "2026-01-03T00:00:00Z"),
        ];
        let facts = Joined { external_accounts: &accounts, ..Joined::default() };
        let json = Json::parse(counterparty.as_bytes()).unwrap();
        let mapped = map(Entity::Counterparty, generation, &json, None, &facts).unwrap();
        let Record::Counterparty(found) = mapped.record else { panic!("not a counterparty") };
        let ids = found.external_accounts.iter().filter_map(|account| account.id.clone());
        (ids.collect(), found.metadata.get("com.atlar.spec/account_number").cloned())
    }

    #[test]
    fn accounts_are_joined_where_the_record_carries_none() {
        for none in
            [r#"{"id":"c"}"#, r#"{"id":"c","accounts":null}"#, r#"{"id":"c","accounts":[{}]}"#]
        {
            let (ids, number) = joined(none, Generation::V2);
            assert_eq!((ids.join(" ").as_str(), number.as_deref()), ("a b late", Some("FR0")));
            // v1 embeds them.
            assert_eq!(joined(none, Generation::V1), (Vec::new(), None));
        }
        let own = r#"{"id":"c","accounts":[{"id":"own"}]}"#;
        assert_eq!(joined(own, Generation::V2), (vec!["own".to_owned()], None));
    }
}
