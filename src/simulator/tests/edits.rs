//! Changes of the world and what checkers are told of them.

use serde_json::json;

use super::*;

#[tokio::test]
async fn an_edit_raises_the_version_in_the_list_and_in_the_truth() {
    let bench = bench(options(7)).await;
    for kind in Kind::ALL {
        let id = bench.world().ids(kind).remove(0);
        let before = bench.world().get(kind, &id).unwrap();
        let path = format!("/_simulator/{}/{id}", kind.slug());
        let patch = json!({ "note": { "by": "hand" }, "externalMetadata": null }).to_string();
        let (status, shown) = bench.send("PATCH", &path, &patch).await;
        assert_eq!((status, &shown["version"]), (200, &(before.version + 1).into()), "{path}");
        assert_eq!(shown["payload"]["note"]["by"], "hand");
        assert!(shown["payload"].get("externalMetadata").is_none(), "null removes");

        let (_, truth) = bench.send("GET", "/_simulator/truth", "").await;
        let known = &truth["entities"][kind.slug()][&id];
        assert_eq!((&known["version"], &known["deleted"]), (&shown["version"], &json!(false)));
        assert_eq!(known["payload"], shown["payload"]);
        let after = bench.world().get(kind, &id).unwrap().payload;
        if matches!(kind, Kind::ThirdParty | Kind::ExternalAccount) {
            assert!(after.get("version").is_none());
        } else {
            assert_eq!(after["version"], shown["version"]);
        }
        let updated = after.get("updated").map(|at| at != &before.payload["updated"]);
        let without =
            [Kind::ThirdParty, Kind::Transaction, Kind::DirectDebit, Kind::Balance].contains(&kind);
        let expected = (!without).then_some(true);
        assert_eq!(updated, expected, "{path}");
    }
}

#[tokio::test]
async fn a_booked_entry_is_listed_first_and_moves_the_balance() {
    let bench = bench(options(7)).await;
    let world = bench.world();
    let with_balance =
        |id: &String| world.get(Kind::Account, id).unwrap().payload.get("balance").is_some();
    let account = world.ids(Kind::Account).into_iter().find(with_balance).unwrap();
    let before = world.get(Kind::Account, &account).unwrap();
    let body = json!({ "accountId": account, "amount": -1234 }).to_string();
    let (status, made) = bench.send("POST", "/_simulator/transactions", &body).await;
    assert_eq!((status, &made["payload"]["amount"]["value"]), (200, &json!(-1234)));
    let (_, entry) =
        bench.json(&format!("/v1/transactions/{}", made["id"].as_str().unwrap())).await;
    assert_eq!(entry["version"], 1);

    let after = world.get(Kind::Account, &account).unwrap();
    assert_eq!(after.version, before.version + 1);
    let value = |payload: &Value| payload["balance"]["amount"]["value"].as_i64().unwrap();
    assert_eq!(value(&after.payload), value(&before.payload) - 1234);
    assert_eq!(after.payload["balance"]["version"], 2);
    let served = ids(&bench.pages(&format!("/v1/transactions?accountId={account}")).await);
    assert_eq!(served[0], made["id"].as_str().unwrap());
    assert_eq!(served.len(), 51);
}

#[tokio::test]
async fn matching_goes_both_ways() {
    let bench = bench(options(7)).await;
    let world = bench.world();
    let id = world.create_transaction(None, Some(500)).unwrap();
    let act = async |verb: &str| {
        bench.send("POST", &format!("/_simulator/transactions/{id}:{verb}"), "").await.1
    };
    let matched = act("reconcile").await;
    assert_eq!(matched["version"], 2);
    assert_eq!(matched["payload"]["reconciliation"]["status"], "RECONCILED");
    assert!(matched["payload"]["reconciliation"]["transactableId"].is_string());
    let undone = act("unreconcile").await;
    assert_eq!(undone["version"], 3);
    assert_eq!(
        undone["payload"]["reconciliation"],
        json!({ "status": "BOOKED", "bookedTransactionId": id })
    );
    assert_eq!(act("explode").await["status"], 404);
}

#[tokio::test]
async fn deletions_show_in_the_truth_and_come_back() {
    let bench = bench(options(7)).await;
    let id = bench.world().ids(Kind::Counterparty).remove(0);
    let path = format!("/_simulator/counterparties/{id}");
    let (_, gone) = bench.send("DELETE", &format!("{path}?as=404"), "").await;
    assert_eq!(gone["deleted"], 404);
    let (_, truth) =
        bench.send("GET", "/_simulator/truth?kind=counterparties&payload=false", "").await;
    assert_eq!(truth["entities"]["counterparties"][&id]["deleted"], 404);
    assert_eq!(truth["entities"].as_object().unwrap().len(), 1);
    assert!(truth["entities"]["counterparties"][&id].get("payload").is_none());
    assert_eq!(bench.send("PATCH", &path, "{}").await.0, 410);
    assert_eq!(bench.send("POST", &format!("{path}:restore"), "").await.1["deleted"], false);
    assert!(ids(&bench.pages("/v1/counterparties").await).contains(&id));
    assert_eq!(bench.send("DELETE", &format!("{path}?as=500"), "").await.0, 400);
    assert_eq!(bench.send("DELETE", "/_simulator/accounts/nobody", "").await.0, 404);
    assert_eq!(bench.send("GET", "/_simulator/nothing/nobody", "").await.0, 404);
}

#[tokio::test]
async fn anything_can_be_put_and_an_entry_can_move_between_accounts() {
    let bench = bench(options(7)).await;
    let world = bench.world();
    world.put(Kind::Account, "odd", r#"{"id":7,"name":null}"#).unwrap();
    world.put(Kind::Account, "text", r#""not an object""#).unwrap();
    assert_eq!(world.put(Kind::Account, "x", "{").unwrap_err(), EditError::NotJson);
    let pages = bench.pages("/v1/accounts?limit=500").await;
    let items: Vec<_> = pages.iter().flat_map(|page| page["items"].as_array().unwrap()).collect();
    assert!(items.contains(&&json!({ "id": 7, "name": null })));
    assert!(items.contains(&&json!("not an object")));

    let id = world.ids(Kind::Transaction).remove(0);
    let accounts = world.ids(Kind::Account);
    let patch = json!({ "account": { "id": accounts[5] }, "date": "2025-01-02" });
    world.patch(Kind::Transaction, &id, &patch).unwrap();
    let listed = async |account: &str| {
        ids(&bench.pages(&format!("/v1/transactions?accountId={account}")).await)
    };
    assert!(!listed(&accounts[0]).await.contains(&id));
    assert_eq!(listed(&accounts[5]).await.last(), Some(&id), "the oldest of all");
    assert_eq!(
        world.patch(Kind::Transaction, &id, &json!({ "id": "other" })),
        Err(EditError::IdChanged)
    );
}

#[tokio::test]
async fn the_served_log_says_which_versions_went_out() {
    let bench = bench(Options { served_log_max: 3, ..options(7) }).await;
    let id = bench.world().ids(Kind::Transaction).remove(0);
    let path = format!("/v1/transactions/{id}");
    bench.json("/v1/accounts?limit=2").await;
    bench.json(&path).await;
    bench.world().reconcile(&id).unwrap();
    bench.json(&path).await;
    bench.client.get(format!("{}/v1/accounts", bench.base)).send().await.unwrap();

    let url = format!("{}/_simulator/served", bench.base);
    let text = bench.client.get(&url).send().await.unwrap().text().await.unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines[0], json!({ "log": { "first": 1, "next": 4, "dropped": 1 } }));
    assert_eq!(lines.len(), 4);
    let version = lines[1]["items"][0][1].as_i64().unwrap();
    assert_eq!(lines[1]["items"], json!([[id, version]]));
    assert_eq!(lines[2]["items"], json!([[id, version + 1]]));
    assert_eq!((&lines[2]["path"], &lines[2]["kind"]), (&json!(path), &json!("transactions")));
    assert_eq!((&lines[3]["status"], &lines[3]["auth"]), (&json!(401), &json!("no credentials")));
    assert_eq!((&lines[3]["line"], &lines[3]["request"]), (&json!(3), &json!(3)));

    let text = bench.client.get(format!("{url}?from=2&max=1")).send().await.unwrap();
    let text = text.text().await.unwrap();
    assert_eq!(text.lines().count(), 2, "{text}");
    let (_, counts) = bench.send("GET", "/_simulator/requests", "").await;
    assert_eq!(counts["/v1/accounts"], json!({ "200": 1, "401": 1 }));
    assert_eq!(counts["/v1/transactions/{id}"], json!({ "200": 2 }));
}

#[test]
fn a_long_life_keeps_lists_and_records_in_step() {
    let mut bank = bank::Bank::begin(Settings::new(&options(7)), fixed_clock());
    let mut told = 0;
    for _ in 0..3000 {
        told += bank.step().len();
    }
    assert!(told > 3000, "{told} events of 3000 steps");
    for kind in Kind::ALL {
        let table = bank.table(kind);
        let listed: usize = table.list(None).unwrap().values().map(Vec::len).sum();
        let gone = table.rows().iter().filter(|record| record.gone.is_some()).count();
        assert_eq!(listed + gone, table.rows().len(), "{kind:?}");
        for record in table.rows() {
            let payload = bank.payload(kind, &record.id).unwrap();
            assert_eq!(payload["id"], &*record.id);
            if kind.shows_version() {
                assert_eq!(payload["version"], record.version);
            }
        }
    }
}
