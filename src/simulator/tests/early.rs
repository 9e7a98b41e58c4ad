//! What only v2 tells: balances with a list of their own, entries before they are booked. And
//! direct debits.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use super::*;

const BALANCES: &str = "/financial-data/v2/accounts/-/balances";

async fn balances(bench: &Bench, path: &str) -> Vec<Value> {
    let pages = bench.pages(path).await;
    pages.iter().flat_map(|page| page["items"].as_array().unwrap().clone()).collect()
}

fn text<'a>(of: &'a Value, name: &str) -> &'a str {
    of[name].as_str().unwrap()
}

#[tokio::test]
async fn the_most_recent_balance_is_one_per_account_and_type() {
    let bench = bench(options(7)).await;
    bench.world().live(200);
    let accounts = bench.world().ids(Kind::Account);
    let recent = balances(&bench, &format!("{BALANCES}?mostRecent=true&limit=6")).await;
    let of: BTreeSet<_> =
        recent.iter().map(|one| (text(one, "accountId"), text(one, "type"))).collect();
    assert_eq!((recent.len(), of.len()), (2 * accounts.len(), 2 * accounts.len()));
    let all = balances(&bench, BALANCES).await;
    assert_eq!(all.len(), 8 * accounts.len(), "older ones too");
    for one in &recent {
        let same =
            |other: &&Value| ["accountId", "type"].iter().all(|name| other[*name] == one[*name]);
        let newest = all.iter().filter(same).map(|other| text(other, "localDate")).max();
        assert_eq!(newest, Some(text(one, "localDate")));
    }
    let booked = balances(&bench, &format!("{BALANCES}?mostRecent=true&type=BOOKED")).await;
    assert_eq!(booked.len(), accounts.len());
    assert!(booked.iter().all(|one| one["type"] == "BOOKED"));
    let path = format!("/financial-data/v2/accounts/{}/balances", accounts[3]);
    let own = balances(&bench, &path).await;
    assert!(own.len() == 8 && own.iter().all(|one| text(one, "accountId") == accounts[3]));
    assert_eq!(bench.json("/financial-data/v2/accounts/nobody/balances").await.0, 404);
    assert_eq!(bench.json(&format!("{BALANCES}?mostRecent=perhaps")).await.0, 400);
}

#[tokio::test]
async fn the_balance_inside_an_account_is_the_booked_one() {
    let bench = bench(options(7)).await;
    let world = bench.world();
    let check = async || {
        let recent = balances(&bench, &format!("{BALANCES}?mostRecent=true&type=BOOKED")).await;
        let recent: BTreeMap<_, _> =
            recent.into_iter().map(|one| (text(&one, "accountId").to_owned(), one)).collect();
        let mut without = 0;
        for account in balances(&bench, "/v1/accounts?limit=500").await {
            match account.get("balance") {
                Some(embedded) => assert_eq!(embedded, &recent[text(&account, "id")]),
                None => without += 1,
            }
        }
        assert!(without > 0 && without < recent.len(), "{without}");
    };
    check().await;
    world.live(300);
    check().await;
    let has = |id: &&String| world.get(Kind::Account, id).unwrap().payload.get("balance").is_some();
    let ids = world.ids(Kind::Account);
    let id = ids.iter().find(has).unwrap();
    let patch = json!({ "balance": { "amount": { "value": 5 }, "version": 90 } });
    world.patch(Kind::Account, id, &patch).unwrap();
    let booked = world.balance(id, "BOOKED").unwrap();
    assert_eq!((booked.version, &booked.payload["amount"]["value"]), (90, &json!(5)));
    world.patch(Kind::Balance, &booked.id, &json!({ "reportedType": "OPEN" })).unwrap();
    let account = world.get(Kind::Account, id).unwrap().payload;
    assert_eq!(account["balance"]["reportedType"], "OPEN");
    assert_eq!(account["balance"]["version"], 91);
    check().await;

    let id = ids.iter().find(|id| !has(id)).unwrap();
    let version = |kind| world.balance(id, kind).unwrap().version;
    let account = world.get(Kind::Account, id).unwrap().version;
    let (booked, available) = (version("BOOKED"), version("AVAILABLE"));
    world.move_balance(id, -700).unwrap();
    assert_eq!((version("BOOKED"), version("AVAILABLE")), (booked + 1, available + 1));
    assert_eq!(world.get(Kind::Account, id).unwrap().version, account, "it embeds none");
    world.delete(Kind::Account, id, Gone::Deleted).unwrap();
    let of_account = balances(&bench, BALANCES).await;
    assert!(of_account.iter().all(|one| text(one, "accountId") != id), "gone with the account");
}

#[tokio::test]
async fn a_pending_entry_is_gone_once_it_is_booked() {
    let bench = bench(options(7)).await;
    let world = bench.world();
    let list = "/financial-data/v2/pending-transactions";
    let id = world.create_pending_transaction(4, Some(-1234)).unwrap();
    let account = world.ids(Kind::Account).remove(4);
    let listed = balances(&bench, &format!("{list}?accountId={account}")).await;
    let entry = listed.iter().find(|one| one["id"] == *id).unwrap();
    assert_eq!((&entry["amount"]["value"], &entry["etag"]), (&json!(-1234), &json!("version:1")));
    for booked_only in ["reconciliationStatus", "attachedTransactables"] {
        assert!(entry.get(booked_only).is_none(), "{entry}");
    }
    world.patch(Kind::PendingTransaction, &id, &json!({ "description": "x" })).unwrap();
    let (_, changed) = bench.json(&format!("{list}/{id}")).await;
    assert_eq!((&changed["etag"], &changed["version"]), (&json!("version:2"), &json!(2)));

    let booked = world.book_pending_transaction(&id).unwrap();
    assert_ne!(booked, id, "an id of its own");
    assert_eq!(bench.json(&format!("{list}/{id}")).await.0, 404);
    assert!(!ids(&bench.pages(list).await).contains(&id));
    let payload = world.get_v2(Kind::Transaction, &booked).unwrap().payload;
    assert_eq!(
        (&payload["accountId"], &payload["amount"]["value"]),
        (&json!(account), &json!(-1234))
    );
    assert_eq!(payload["reference"], entry["reference"]);
    assert!(world.book_pending_transaction(&id).is_err(), "only once");
}

#[tokio::test]
async fn a_direct_debit_goes_its_way_to_the_entry_it_is_matched_with() {
    let bench = bench(options(7)).await;
    let world = bench.world();
    let id = world.create_direct_debit(0).unwrap();
    let v2 = || world.get_v2(Kind::DirectDebit, &id).unwrap().payload;
    let mut seen = vec![v2()["status"].clone()];
    while world.advance_direct_debit(&id).unwrap() != "RECONCILED" {
        seen.push(v2()["status"].clone());
    }
    let way = ["CREATED", "APPROVED", "PENDING_SUBMISSION", "SENT", "ACCEPTED", "EXECUTED"];
    assert_eq!(seen, way);
    let (old, new) = (world.get(Kind::DirectDebit, &id).unwrap().payload, v2());
    assert_eq!((&old["status"], &new["status"]), (&json!("RECONCILED"), &json!("EXECUTED")));
    assert_eq!((&old["version"], &old["etag"]), (&json!(7), &json!("version:7")));
    let entry = text(&old["attachedTransactions"][0], "transactionId");
    assert_eq!(new["attachedTransactions"], json!([{ "type": "TRANSACTION", "id": entry }]));
    let entry = world.get_v2(Kind::Transaction, entry).unwrap().payload;
    let with = json!([{ "type": "DIRECT_DEBIT", "id": id }]);
    assert_eq!((&entry["attachedTransactables"], &entry["amount"]), (&with, &new["amount"]));
    assert_eq!(world.advance_direct_debit(&id).unwrap(), "RECONCILED", "nothing follows");
    assert_eq!(world.get(Kind::DirectDebit, &id).unwrap().version, 7);
    assert_eq!(new["destinationHolder"]["type"], "ENTITY");
    assert!(new["updated"].is_string() && old.get("updated").is_none());
}

#[test]
fn life_touches_every_kind() {
    let mut bank = bank::Bank::begin(Settings::new(&options(7)), fixed_clock());
    let mut told = BTreeSet::new();
    let mut ends = BTreeSet::new();
    for _ in 0..4000 {
        for event in bank.step() {
            told.insert((event.kind, event.what == What::Deleted));
        }
    }
    for kind in Kind::ALL {
        assert!(told.contains(&(kind, false)), "{kind:?}");
    }
    for kind in [Kind::PendingTransaction, Kind::Transaction, Kind::Counterparty] {
        assert!(told.contains(&(kind, true)), "{kind:?} deleted");
    }
    for record in bank.table(Kind::DirectDebit).rows() {
        ends.insert(record.facts.status.as_deref().unwrap().to_owned());
    }
    for end in ["RECONCILED", "FAILED", "REJECTED", "RETURNED"] {
        assert!(ends.contains(end), "{end} {ends:?}");
    }
}

#[test]
fn without_traps_nothing_is_undone_or_taken_away() {
    let options = Options { traps: Traps::none(), ..options(7) };
    let mut bank = bank::Bank::begin(Settings::new(&options), fixed_clock());
    for _ in 0..3000 {
        for event in bank.step() {
            assert!(!matches!(event.what, What::Deleted | What::Unreconciled), "{event:?}");
            assert_ne!(event.kind, Kind::PendingTransaction);
        }
    }
    // Those of the beginning stay as they are.
    let returned =
        bank.table(Kind::DirectDebit).rows().iter().filter(|record| {
            record.facts.status.as_deref() == Some("RETURNED") && record.since > 0
        });
    assert_eq!(returned.count(), 0);
}
