//! What a record contributes to joins, and what it needs from them.
//!
//! A payment between two own accounts is a transfer. To see it, identifiers of own accounts and
//! of payments' other sides are brought into one normal form and compared as texts:
//! `IBAN:DE89370400440532013000`, or `<type>:<market>:<number>` for numbers that mean something in
//! one country only. Upper case, no spaces; types that v2 renamed have their v2 name.

use crate::domain::{Account, Generation};
use crate::json::Json;

use super::{party, payment};

/// The third party whose name an account needs: none if the account names its bank itself.
pub fn third_party_of<'a>(account: &'a Json<'_>) -> Option<&'a str> {
    if account.at(&["bank", "name"]).text().is_some() {
        return None;
    }
    account.get("thirdPartyId").text()
}

/// Id and name of an entry of the third parties' list.
pub fn third_party<'a>(entry: &'a Json<'_>) -> Option<(&'a str, &'a str)> {
    Some((entry.get("id").text()?, entry.get("name").text()?))
}

/// The normal forms of an own account's identifiers, sorted, each once. A national number without
/// a market has none: it would match any country's.
pub fn own_identifiers(account: &Json<'_>, _generation: Generation) -> Vec<String> {
    let market = account.get("market").text();
    let items = account.get("identifiers").items();
    sorted(items.iter().filter_map(|item| structured(item, market)).collect())
}

/// [`own_identifiers`] of an account as it was published.
pub fn published_identifiers(account: &Account) -> Vec<String> {
    let market = account.market.as_deref();
    let normal = account.identifiers.iter().filter_map(|identifier| {
        let market = identifier.market.as_deref().or(market);
        normal_form(identifier.kind.as_deref(), market, identifier.number.as_deref()?)
    });
    sorted(normal.collect())
}

/// The normal forms of the other side of a payment, sorted, each once. The raw identifier, which
/// has no type, is tried as an IBAN and, where a market is known, as a national number.
pub fn counterparty_identifiers(payment: &Json<'_>, generation: Generation) -> Vec<String> {
    let mut found = Vec::new();
    for side in payment::COUNTERPARTY.values(payment, generation) {
        let account = party::account(side);
        let market = account.get("market").text();
        found.extend(party::account_identifiers(side).filter_map(|item| structured(item, market)));
        if let Some(raw) = account.get("rawIdentifier").text().and_then(normal) {
            if let Some(market) = market.and_then(normal) {
                found.push(format!("NUMBER:{market}:{raw}"));
            }
            found.push(format!("IBAN:{raw}"));
        }
    }
    sorted(found)
}

fn structured(identifier: &Json<'_>, market: Option<&str>) -> Option<String> {
    let market = identifier.get("market").text().or(market);
    normal_form(identifier.get("type").text(), market, identifier.get("number").text()?)
}

fn normal_form(kind: Option<&str>, market: Option<&str>, number: &str) -> Option<String> {
    let number = normal(number)?;
    let kind = match kind {
        Some("IBAN") => return Some(format!("IBAN:{number}")),
        Some("BBAN" | "ACCOUNT_NUMBER" | "NUMBER") | None => "NUMBER",
        Some("SE_BG") => "SE_BANKGIRO",
        Some("SE_PG") => "SE_PLUSGIRO",
        Some(other) => other,
    };
    let market = normal(market?)?;
    Some(format!("{kind}:{market}:{number}"))
}

fn normal(text: &str) -> Option<String> {
    let normal: String =
        text.chars().filter(|c| !c.is_whitespace()).map(|c| c.to_ascii_uppercase()).collect();
    (!normal.is_empty()).then_some(normal)
}

fn sorted(mut keys: Vec<String>) -> Vec<String> {
    keys.sort_unstable();
    keys.dedup();
    keys
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own(text: &str) -> Vec<String> {
        own_identifiers(&Json::parse(text.as_bytes()).unwrap(), Generation::V1)
    }

    fn other(text: &str, generation: Generation) -> Vec<String> {
        counterparty_identifiers(&Json::parse(text.as_bytes()).unwrap(), generation)
    }

    #[test]
    fn numbers_are_compared_upper_case_without_spaces_and_with_their_market() {
        assert_eq!(
            own(r#"{"market":"SE","identifiers":[
                {"type":"IBAN","market":"DE","number":"de89 3704 0044 0532 0130 00"},
                {"type":"BBAN","market":"NO","number":"8601 1117947"},
                {"type":"SE_BG","number":"991-2346"},
                {"type":"IBAN","number":""}, {"number":null}, null, 5]}"#),
            ["IBAN:DE89370400440532013000", "NUMBER:NO:86011117947", "SE_BANKGIRO:SE:991-2346"]
        );
        assert!(own(r#"{"identifiers":[{"type":"BBAN","number":"123"}]}"#).is_empty());
    }

    #[test]
    fn the_other_side_is_read_in_both_generations() {
        assert_eq!(
            other(
                r#"{"counterpartyDetails":{"externalAccount":{"market":"NO",
                    "rawIdentifier":"8601 1117947",
                    "identifier":{"type":"ACCOUNT_NUMBER","market":"NO","number":"86011117947"}}}}"#,
                Generation::V1,
            ),
            ["IBAN:86011117947", "NUMBER:NO:86011117947"]
        );
        assert_eq!(
            other(
                r#"{"counterparty":{"account":{"market":"DE","rawIdentifier":"DE89 3704",
                    "identifiers":[{"type":"IBAN","market":"DE","number":"DE893704"}]}}}"#,
                Generation::V2,
            ),
            ["IBAN:DE893704", "NUMBER:DE:DE893704"]
        );
        for nothing in ["{}", r#"{"counterpartyDetails":null}"#, "null", r#"{"counterparty":7}"#] {
            assert!(other(nothing, Generation::V1).is_empty(), "{nothing}");
        }
    }

    #[test]
    fn a_bank_that_is_named_needs_no_third_party() {
        let check = |text: &str, want| {
            assert_eq!(third_party_of(&Json::parse(text.as_bytes()).unwrap()), want, "{text}");
        };
        check(r#"{"thirdPartyId":"t","bank":{"name":""}}"#, Some("t"));
        check(r#"{"thirdPartyId":"t"}"#, Some("t"));
        check(r#"{"thirdPartyId":"t","bank":{"name":"B"}}"#, None);
        check(r#"{"thirdPartyId":null}"#, None);
    }

    #[test]
    fn a_third_party_has_an_id_and_a_name() {
        let check = |text: &str, want| {
            assert_eq!(third_party(&Json::parse(text.as_bytes()).unwrap()), want, "{text}");
        };
        check(r#"{"id":"t","name":"Commerzbank"}"#, Some(("t", "Commerzbank")));
        check(r#"{"id":"t","name":""}"#, None);
        check(r#"{"name":"Commerzbank"}"#, None);
    }
}
