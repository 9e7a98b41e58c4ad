//! v2 beside v1: the definition's shape, and the same record through both.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use super::*;

/// What v2's definition requires, per list.
const REQUIRED: [(&str, &str); 8] = [
    (
        "/financial-data/v2/accounts",
        "id organizationId thirdPartyId affiliationId entityId market currency name identifiers \
         routing fictive version etag created updated",
    ),
    (
        "/financial-data/v2/accounts/-/balances",
        "id accountId organizationId type reportedType amount localDate timestamp version",
    ),
    (
        "/financial-data/v2/transactions",
        "id organizationId accountId date amount reconciliationStatus description returned \
         attachedTransactables created updated version",
    ),
    (
        "/financial-data/v2/pending-transactions",
        "id organizationId accountId date amount description returned created updated version etag",
    ),
    ("/payments/v2/counterparties", "id organizationId legalName created updated version etag"),
    (
        "/payments/v2/external-accounts",
        "id organizationId counterpartyId market name identifiers created updated version etag",
    ),
    (
        "/payments/v2/direct-debits",
        "id organizationId amount scheme date status source sourceHolder destination \
         destinationHolder approvalSteps attachedTransactions reference etag version created \
         updated mandate",
    ),
    (
        "/payments/v2/external-payments",
        "id organizationId accountId amount date status reconciliationStatus attachedTransactions \
         reference etag version created updated",
    ),
];

/// Lists that show the same records in both generations.
const PAIRS: [(&str, &str); 6] = [
    ("/v1/accounts", "/financial-data/v2/accounts"),
    ("/v1/transactions", "/financial-data/v2/transactions"),
    ("/v1/counterparties", "/payments/v2/counterparties"),
    ("/v1/external-accounts", "/payments/v2/external-accounts"),
    ("/v1/direct-debits", "/payments/v2/direct-debits"),
    ("/v1/external-payments", "/payments/v2/external-payments"),
];

async fn items(bench: &Bench, path: &str) -> BTreeMap<String, Value> {
    let mark = if path.contains('?') { '&' } else { '?' };
    let pages = bench.pages(&format!("{path}{mark}limit=500")).await;
    let items = pages.iter().flat_map(|page| page["items"].as_array().unwrap().clone());
    items.map(|item| (item["id"].as_str().unwrap().to_owned(), item)).collect()
}

fn members(item: &Value) -> BTreeSet<&str> {
    item.as_object().unwrap().keys().map(String::as_str).collect()
}

#[tokio::test]
async fn every_answer_has_the_shape_of_the_definition() {
    let bench = bench(options(7)).await;
    bench.world().live(100);
    for (path, required) in REQUIRED {
        let pages = bench.pages(&format!("{path}?limit=9")).await;
        for (index, page) in pages.iter().enumerate() {
            assert_eq!(members(page), BTreeSet::from(["items", "limit", "nextToken", "token"]));
            assert_eq!((page["token"] == "", page["limit"] == 9), (index == 0, true), "{path}");
            let last = index + 1 == pages.len();
            assert_eq!(page["nextToken"] == "", last, "{path} {index}");
        }
        let items: Vec<_> =
            pages.iter().flat_map(|page| page["items"].as_array().unwrap()).collect();
        assert!(items.len() > 3, "{path}");
        for item in items {
            for name in required.split_whitespace() {
                assert!(item.get(name).is_some_and(|found| !found.is_null()), "{name} {item}");
            }
            if let Some(etag) = item.get("etag") {
                assert_eq!(etag, &json!(format!("version:{}", item["version"])));
            }
        }
    }
}

#[tokio::test]
async fn one_record_is_the_same_through_both_generations() {
    let bench = bench(options(7)).await;
    bench.world().live(300);
    for (v1, v2) in PAIRS {
        let (old, new) = (items(&bench, v1).await, items(&bench, v2).await);
        assert_eq!(old.keys().collect::<Vec<_>>(), new.keys().collect::<Vec<_>>(), "{v2}");
        for (id, old) in &old {
            let new = &new[id];
            for name in ["organizationId", "amount", "date", "version", "created", "updated"] {
                if let Some(value) = old.get(name) {
                    assert_eq!(&new[name], value, "{name} of {old}");
                }
            }
            let known = bench.world().get_v2(kind_of(v1), id).unwrap();
            assert_eq!(
                (&known.payload, new["version"].as_u64()),
                (new, Some(known.version.into()))
            );
            let number = |of: &Value, list: &str| of[list][0]["number"].as_str().map(str::to_owned);
            match kind_of(v1) {
                Kind::Account => {
                    assert_eq!(number(old, "identifiers"), number(new, "identifiers"));
                    assert_eq!(new["routing"][0], json!({ "type": "BIC", "number": old["bic"] }));
                }
                Kind::Counterparty => assert_eq!(new["legalName"], old["name"]),
                Kind::ExternalAccount => {
                    assert_eq!(new["counterpartyId"], old["counterpartyId"]);
                    assert_eq!(new["name"], old["identifiers"][0]["number"]);
                }
                Kind::DirectDebit => {
                    assert_eq!(new["scheme"], old["directDebitSchemeType"]);
                    assert_eq!(new["destination"]["id"], old["destinationAccount"]["id"]);
                    assert_eq!(new["source"]["id"], old["sourceExternalAccount"]["id"]);
                    let of_mandate = "mandateReference";
                    assert_eq!(new["mandate"][of_mandate], old["mandate"][of_mandate]);
                }
                Kind::ExternalPayment => {
                    assert_eq!(new["status"], old["status"]);
                    assert_eq!(new["accountId"], old["account"]["id"]);
                    assert_eq!(new["reconciliationStatus"], old["reconciliation"]["status"]);
                    let booked = &old["reconciliation"]["bookedTransactionId"];
                    assert_eq!(&new["attachedTransactions"][0]["id"], booked);
                }
                _ => same_entry(old, new),
            }
        }
    }
}

fn kind_of(v1: &str) -> Kind {
    LISTS.iter().find(|(path, _)| *path == v1).unwrap().1
}

fn same_entry(old: &Value, new: &Value) {
    assert_eq!(new["accountId"], old["account"]["id"]);
    assert_eq!(new["reference"], old["remittanceInformation"]["value"]);
    let matched = &old["reconciliation"];
    match matched["status"].as_str().unwrap() {
        "BOOKED" => assert_eq!(new["reconciliationStatus"], "NOT_RECONCILED"),
        other => assert_eq!(new["reconciliationStatus"], other),
    }
    assert_eq!(new["attachedTransactables"][0]["id"], matched["transactableId"]);
    let (old_side, new_side) = (&old["counterpartyDetails"], &new["counterparty"]);
    let texts = |of: &Value, path| of.pointer(path).and_then(Value::as_str).map(str::to_owned);
    assert_eq!(texts(new_side, "/name"), texts(old_side, "/name"));
    assert_eq!(
        texts(new_side, "/account/identifiers/0/number"),
        texts(old_side, "/externalAccount/identifier/number")
    );
    let mandate = "/mandateReference";
    assert_eq!(texts(&new["references"], mandate), texts(old_side, mandate));
    assert_eq!(new["returned"], old["characteristics"]["returned"]);
    let exchange = "/currencyExchange/exchangeRate";
    assert_eq!(texts(new, exchange), texts(&old["characteristics"], exchange));
    let code = "/bankTransactionCode/subfamily";
    assert_eq!(texts(new, code), texts(&old["characteristics"], code));
}

#[tokio::test]
async fn v2_has_its_own_words_and_none_of_v1_s() {
    let bench = bench(options(7)).await;
    let mut types = BTreeSet::new();
    for path in ["/financial-data/v2/accounts", "/payments/v2/external-accounts"] {
        for account in items(&bench, path).await.values() {
            for gone in ["balance", "bank", "bic", "owner", "externalMetadata"] {
                assert!(account.get(gone).is_none(), "{gone} {account}");
            }
            for number in account["identifiers"].as_array().unwrap() {
                assert_eq!(members(number), BTreeSet::from(["market", "number", "type"]));
                types.insert(number["type"].as_str().unwrap().to_owned());
            }
        }
    }
    let expected = ["IBAN", "NUMBER", "SE_BANKGIRO", "SE_PLUSGIRO"].map(str::to_owned);
    assert_eq!(types, BTreeSet::from(expected));
    let entries = items(&bench, "/financial-data/v2/transactions").await;
    for entry in entries.values() {
        for gone in ["account", "reconciliation", "remittanceInformation", "characteristics"] {
            assert!(entry.get(gone).is_none(), "{gone} {entry}");
        }
        assert!(entry["updated"].as_str() >= entry["created"].as_str(), "{entry}");
    }
    let has = |path: &str| entries.values().any(|entry| entry.pointer(path).is_some());
    for path in [
        "/references/endToEndId",
        "/references/mandateReference",
        "/returnReason/code",
        "/virtualAccount/rawIdentifier",
        "/counterparty/nationalIdentifier/number",
        "/bankTransactionCode/proprietary/code",
    ] {
        assert!(has(path), "{path}");
    }
    let kinds: BTreeSet<_> = entries
        .values()
        .filter_map(|entry| entry.pointer("/attachedTransactables/0/type")?.as_str())
        .collect();
    let expected = ["CREDIT_TRANSFER", "DIRECT_DEBIT", "EXPECTED_TRANSACTION"];
    assert_eq!(kinds, BTreeSet::from(expected));
}

#[tokio::test]
async fn a_patch_shows_in_both_generations_and_odd_records_as_they_are() {
    let bench = bench(options(7)).await;
    let world = bench.world();
    let id = world.ids(Kind::Transaction).remove(3);
    bench.json(&format!("/financial-data/v2/transactions/{id}")).await;
    world.patch(Kind::Transaction, &id, &json!({ "note": 1, "description": "new" })).unwrap();
    let (status, entry) = bench.json(&format!("/financial-data/v2/transactions/{id}")).await;
    assert_eq!((status, &entry["note"], &entry["description"]), (200, &json!(1), &json!("new")));
    assert_eq!(entry["version"], world.get(Kind::Transaction, &id).unwrap().payload["version"]);
    assert!(entry["updated"].as_str() > entry["created"].as_str());

    world.put(Kind::Account, "odd", r#"{"id":7,"account":"text","balance":[]}"#).unwrap();
    world.put(Kind::Account, "text", r#""not an object""#).unwrap();
    let pages = bench.pages("/financial-data/v2/accounts?limit=500").await;
    let items: Vec<_> = pages.iter().flat_map(|page| page["items"].as_array().unwrap()).collect();
    assert!(items.contains(&&json!("not an object")));
    let odd = items.iter().find(|item| item["id"] == 7).unwrap();
    assert_eq!(odd["account"], "text", "kept as it is");

    world.reconcile(&id).unwrap_or_else(|error| panic!("{error}"));
    let (_, matched) = bench.json(&format!("/financial-data/v2/transactions/{id}")).await;
    assert_eq!(matched["reconciliationStatus"], "RECONCILED");
    assert_eq!(matched["attachedTransactables"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn external_accounts_are_the_same_in_their_list_and_in_their_counterparty() {
    let bench = bench(options(7)).await;
    let world = bench.world();
    world.live(400);
    for (parties, list, member) in [
        ("/v1/counterparties", "/v1/external-accounts", "externalAccounts"),
        ("/payments/v2/counterparties", "/payments/v2/external-accounts", "accounts"),
    ] {
        let (mut without, mut with) = (0, 0);
        for (id, party) in items(&bench, parties).await {
            let listed = items(&bench, &format!("{list}?counterpartyId={id}")).await;
            match party.get(member).and_then(Value::as_array) {
                None if !listed.is_empty() => without += 1,
                None => {}
                Some(embedded) => {
                    with += usize::from(!embedded.is_empty());
                    assert_eq!(embedded.len(), listed.len(), "{party}");
                    embedded.iter().for_each(|one| {
                        assert_eq!(one, &listed[one["id"].as_str().unwrap()]);
                    });
                }
            }
        }
        assert_eq!((with > 5, without > 2), (true, member == "accounts"), "{with} {without}");
    }
    let id = world.ids(Kind::ExternalAccount).remove(0);
    let owner = world.get(Kind::ExternalAccount, &id).unwrap().payload["counterpartyId"].clone();
    let owner = owner.as_str().unwrap();
    let before = world.get(Kind::Counterparty, owner).unwrap().version;
    world.patch(Kind::ExternalAccount, &id, &json!({ "alias": "Till" })).unwrap();
    let party = world.get(Kind::Counterparty, owner).unwrap();
    assert_eq!(party.version, before + 1);
    let embedded = party.payload["externalAccounts"].as_array().unwrap().clone();
    assert_eq!(embedded.iter().find(|one| one["id"] == *id).unwrap()["alias"], "Till");
    assert_eq!(world.get_v2(Kind::ExternalAccount, &id).unwrap().payload["name"], "Till");
    let fewer: Vec<_> = embedded.into_iter().filter(|one| one["id"] != *id).collect();
    world.patch(Kind::Counterparty, owner, &json!({ "externalAccounts": fewer })).unwrap();
    assert_eq!(bench.json(&format!("/payments/v2/external-accounts/{id}")).await.0, 410);
    world.restore(Kind::ExternalAccount, &id).unwrap();
    let party = world.get(Kind::Counterparty, owner).unwrap().payload;
    assert_eq!(party["externalAccounts"].as_array().unwrap().len(), fewer.len() + 1);
    world.delete(Kind::Counterparty, owner, Gone::Deleted).unwrap();
    assert!(world.get(Kind::ExternalAccount, &id).unwrap().deleted.is_some());
}

#[tokio::test]
async fn v2_filters_narrow_lists() {
    let bench = bench(Options { direct_debits: 60, ..options(7) }).await;
    let world = bench.world();
    let entries = "/financial-data/v2/transactions";
    let all = items(&bench, entries).await;
    let dates = |found: &BTreeMap<String, Value>| {
        found.values().map(|one| one["date"].as_str().unwrap().to_owned()).collect::<BTreeSet<_>>()
    };
    let (from, to) = ("2026-01-05", "2026-01-20");
    let inside = items(&bench, &format!("{entries}?date[gte]={from}&date[lte]={to}")).await;
    let expected = all.values().filter(|one| (from..=to).contains(&one["date"].as_str().unwrap()));
    assert_eq!(inside.len(), expected.count());
    assert!(inside.len() > 50 && dates(&inside).len() > 5);
    let day = dates(&inside).pop_first().unwrap();
    for one_day in [format!("{entries}?date={day}"), format!("{entries}?date%5Beq%5D={day}")] {
        assert_eq!(dates(&items(&bench, &one_day).await), BTreeSet::from([day.clone()]));
    }
    for status in ["NOT_RECONCILED", "RECONCILED"] {
        let found = items(&bench, &format!("{entries}?reconciliationStatus={status}")).await;
        assert!(found.len() > 100, "{status}");
        assert!(found.values().all(|one| one["reconciliationStatus"] == status));
    }
    let account = world.ids(Kind::Account).remove(2);
    let of_account = items(&bench, &format!("{entries}?accountId={account}")).await;
    assert_eq!(of_account.len(), 50);
    assert!(of_account.values().all(|one| one["accountId"] == *account));
    for (wrong, field) in
        [("date=today", "date"), ("reconciliationStatus=BOOKED", "reconciliationStatus")]
    {
        let (status, body) = bench.json(&format!("{entries}?{wrong}")).await;
        assert_eq!((status, &body["details"][0]["field"]), (400, &field.into()));
    }
    let debits = "/payments/v2/direct-debits";
    let executed = items(&bench, &format!("{debits}?status=EXECUTED")).await;
    let matched = executed.values().filter(|one| one["attachedTransactions"] != json!([])).count();
    assert!(matched > 0 && executed.values().all(|one| one["status"] == "EXECUTED"));
    assert!(items(&bench, &format!("{debits}?status=RECONCILED")).await.len() == matched);
    let core = items(&bench, &format!("{debits}?scheme=SDD_CORE")).await;
    assert!(!core.is_empty() && core.values().all(|one| one["scheme"] == "SDD_CORE"));
    assert_eq!(bench.json("/payments/v2/counterparties?query=ab").await.0, 400);
}

#[tokio::test]
async fn errors_by_id_are_objects_in_v2_and_texts_in_v1() {
    let bench = bench(options(7)).await;
    for (path, kind) in LISTS.into_iter().filter(|(_, kind)| *kind != Kind::Balance) {
        let (status, body) = bench.json(&format!("{path}/nobody")).await;
        let expected = match path.starts_with("/v1") {
            true => json!("not found"),
            false => json!({ "status": 404, "message": "Not found." }),
        };
        assert_eq!((status, body), (404, expected), "{path}");
        let id = bench.world().ids(kind).remove(0);
        assert_eq!(bench.json(&format!("{path}/{id}")).await.0, 200, "{path}");
        bench.world().delete(kind, &id, Gone::Deleted).unwrap();
        let (status, body) = bench.json(&format!("{path}/{id}")).await;
        assert_eq!((status, &body["status"]), (410, &json!(410)), "{path}");
    }
}

#[tokio::test]
async fn one_seed_is_one_world_in_v2_too() {
    let everything = async |seed| {
        let bench = bench(options(seed)).await;
        bench.world().live(200);
        let mut bytes = String::new();
        for (path, _) in LISTS.iter().filter(|(path, _)| path.contains("/v2/")) {
            bytes += &bench.get(path).await.text().await.unwrap();
        }
        let url = format!("{}/_simulator/truth?generation=v2", bench.base);
        bytes + &bench.client.get(url).send().await.unwrap().text().await.unwrap()
    };
    let (one, same, other) = (everything(7).await, everything(7).await, everything(8).await);
    assert!(one == same, "the same seed gave other bytes");
    assert!(one != other, "another seed gave the same bytes");
}

#[tokio::test]
async fn the_truth_tells_either_generation() {
    let bench = bench(options(7)).await;
    let (_, v1) = bench.send("GET", "/_simulator/truth", "").await;
    let (_, v2) = bench.send("GET", "/_simulator/truth?generation=v2", "").await;
    assert_eq!(v1["entities"].as_object().unwrap().len(), Kind::ALL.len());
    for kind in Kind::ALL {
        let id = bench.world().ids(kind).remove(0);
        let (old, new) = (&v1["entities"][kind.slug()][&id], &v2["entities"][kind.slug()][&id]);
        assert_eq!(old["version"], new["version"]);
        assert_eq!(old["payload"], bench.world().get(kind, &id).unwrap().payload);
        assert_eq!(new["payload"], bench.world().get_v2(kind, &id).unwrap().payload);
        let same = matches!(kind, Kind::ThirdParty | Kind::PendingTransaction | Kind::Balance);
        assert_eq!(old["payload"] == new["payload"], same, "{kind:?}");
    }
    assert_eq!(bench.send("GET", "/_simulator/truth?generation=v3", "").await.0, 400);
}
