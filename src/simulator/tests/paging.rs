//! Walks over lists: nothing is missed, and every trap is really there.

use std::collections::BTreeSet;

use super::*;

fn unique(ids: &[String]) -> BTreeSet<String> {
    ids.iter().cloned().collect()
}

#[tokio::test]
async fn walks_yield_every_id_once_where_nothing_moves() {
    let bench = bench(options(7)).await;
    for (path, kind) in LISTS {
        let served = ids(&bench.pages(&format!("{path}?limit=7")).await);
        assert_eq!(sorted(served), sorted(bench.world().ids(kind)), "{path}");
    }
    let mut by_account = Vec::new();
    for account in bench.world().ids(Kind::Account) {
        let pages = bench.pages(&format!("/v1/transactions?accountId={account}&limit=7")).await;
        let items = pages.iter().flat_map(|page| page["items"].as_array().unwrap());
        items.for_each(|item| assert_eq!(item["account"]["id"], account.as_str()));
        assert_eq!(ids(&pages).len(), 50, "entries of one account");
        by_account.extend(ids(&pages));
    }
    assert_eq!(sorted(by_account), sorted(bench.world().ids(Kind::Transaction)));
    let expected = bench.pages("/v1/expected-transactions").await;
    assert_eq!(sorted(ids(&expected)), sorted(bench.world().ids(Kind::ExternalPayment)));
    let items = expected.iter().flat_map(|page| page["items"].as_array().unwrap());
    for item in items {
        for extension in ["scheme", "counterparty", "mandateReference"] {
            assert!(item.get(extension).is_none(), "{item}");
        }
    }
}

#[tokio::test]
async fn transactions_are_newest_first_and_pages_end_with_the_month() {
    let bench = bench(options(7)).await;
    let pages = bench.pages("/v1/transactions?limit=400").await;
    let items = pages.iter().flat_map(|page| page["items"].as_array().unwrap());
    let dates: Vec<_> = items.map(|item| item["date"].as_str().unwrap()).collect();
    assert!(dates.is_sorted_by(|one, next| one >= next), "descending on date");
    for page in &pages {
        let items = page["items"].as_array().unwrap();
        let months: BTreeSet<_> =
            items.iter().map(|item| &item["date"].as_str().unwrap()[..7]).collect();
        assert!(months.len() <= 1, "{months:?} on one page");
    }
}

#[tokio::test]
async fn pages_may_be_short_or_empty_in_mid_list_and_tokens_are_opaque() {
    let bench = bench(options(7)).await;
    let (mut empty, mut short, mut empty_last) = (0, 0, 0);
    for account in bench.world().ids(Kind::Account) {
        let pages = bench.pages(&format!("/v1/transactions?accountId={account}&limit=5")).await;
        for (index, page) in pages.iter().enumerate() {
            assert_eq!(page["limit"], 5);
            assert_eq!(page.get("token").is_none(), index == 0, "empty token is left out");
            let count = page["items"].as_array().unwrap().len();
            let Some(next) = page.get("nextToken") else {
                empty_last += u32::from(count == 0);
                continue;
            };
            assert!(!next.as_str().unwrap().contains(account.as_str()));
            empty += u32::from(count == 0);
            short += u32::from(count > 0 && count < 5);
        }
    }
    assert!(empty > 0 && short > 0 && empty_last > 0, "{empty} {short} {empty_last}");
}

#[tokio::test]
async fn without_traps_pages_are_full() {
    let bench = bench(Options { traps: Traps::none(), ..options(7) }).await;
    let pages = bench.pages("/v1/transactions?limit=300").await;
    let sizes: Vec<_> = pages.iter().map(|page| page["items"].as_array().unwrap().len()).collect();
    assert_eq!(sizes, [300, 300, 300, 100]);
    assert_eq!(bench.pages("/v1/accounts?limit=20").await.len(), 1);
}

#[tokio::test]
async fn a_token_is_bound_to_its_list_and_filters() {
    let bench = bench(options(7)).await;
    let (_, page) = bench.json("/v1/transactions?limit=3&status=BOOKED").await;
    let token = encoded(page["nextToken"].as_str().unwrap());
    let (status, _) =
        bench.json(&format!("/v1/transactions?limit=9&status=BOOKED&token={token}")).await;
    assert_eq!(status, 200, "the limit may change");
    for other in [
        format!("/v1/transactions?token={token}"),
        format!("/v1/transactions?status=RECONCILED&token={token}"),
        format!("/v1/external-payments?status=BOOKED&token={token}"),
        "/v1/transactions?token=abc".to_owned(),
        format!("/v1/transactions?status=BOOKED&token={}", &token[..token.len() - 8]),
    ] {
        let (status, body) = bench.json(&other).await;
        assert_eq!((status, &body["details"][0]["field"]), (400, &"token".into()), "{other}");
    }
}

#[tokio::test]
async fn limits_are_coerced_and_echoed() {
    let bench = bench(options(7)).await;
    for (asked, effective) in
        [("0", 1), ("-4", 1), ("25", 25), ("501", 500), ("9999", 500), ("x", 100), ("", 100)]
    {
        let (_, page) = bench.json(&format!("/v1/transactions?limit={asked}")).await;
        assert_eq!(page["limit"], effective, "limit={asked}");
    }
    let (_, page) = bench.json("/v1/transactions").await;
    assert_eq!(page["limit"], 100);
}

#[tokio::test]
async fn filters_narrow_lists() {
    let bench = bench(options(7)).await;
    let pages = bench.pages("/v1/transactions?fromDate=2026-01-05&toDate=2026-01-20").await;
    let dates = pages.iter().flat_map(|page| page["items"].as_array().unwrap());
    let dates: Vec<_> = dates.map(|item| item["date"].as_str().unwrap()).collect();
    assert!(dates.iter().all(|date| ("2026-01-05"..="2026-01-20").contains(date)));
    let inside = |id: &String| {
        let found = bench.world().get(Kind::Transaction, id).unwrap().payload;
        ("2026-01-05"..="2026-01-20").contains(&found["date"].as_str().unwrap())
    };
    let expected = bench.world().ids(Kind::Transaction).iter().filter(|id| inside(id)).count();
    assert!(expected > 50);
    assert_eq!(dates.len(), expected);

    let pages = bench.pages("/v1/transactions?status=RECONCILED").await;
    let items: Vec<_> = pages.iter().flat_map(|page| page["items"].as_array().unwrap()).collect();
    assert!(items.len() > 100);
    assert!(items.iter().all(|item| item["reconciliation"]["status"] == "RECONCILED"));

    let (status, body) = bench.json("/v1/transactions?fromDate=5.1.2026").await;
    assert_eq!((status, &body["details"][0]["field"]), (400, &"fromDate".into()));
    assert_eq!(bench.json("/v1/counterparties?query=ab").await.0, 400);
    assert_eq!(ids(&bench.pages("/v1beta/third-parties?vendorId=NHAF").await).len(), 1);
    assert_eq!(ids(&bench.pages("/v1/transactions?accountId=nobody").await).len(), 0);
}

#[tokio::test]
async fn an_arrival_in_mid_walk_pushes_an_entry_onto_the_next_page() {
    let traps = Traps { empty_pages: false, short_pages: false, ..Traps::all() };
    let bench = bench(Options { traps, ..options(7) }).await;
    let account = bench.world().ids(Kind::Account).remove(0);
    let before = unique(&bench.world().ids(Kind::Transaction));
    let (_, first) = bench.json("/v1/transactions?limit=5").await;
    bench.world().create_transaction(Some(&account), Some(-100)).unwrap();
    let token = encoded(first["nextToken"].as_str().unwrap());
    let (_, second) = bench.json(&format!("/v1/transactions?limit=5&token={token}")).await;
    assert_eq!(first["items"][4]["id"], second["items"][0]["id"], "served twice");

    let mut served = ids(&[first, second.clone()]);
    let mut token = second["nextToken"].as_str().unwrap_or("").to_owned();
    while !token.is_empty() {
        let (_, page) =
            bench.json(&format!("/v1/transactions?limit=500&token={}", encoded(&token))).await;
        token = page["nextToken"].as_str().unwrap_or("").to_owned();
        served.extend(ids(&[page]));
    }
    assert_eq!(unique(&served), before, "nothing old is missed, the new one comes next time");
}

#[tokio::test]
async fn without_shifting_pages_an_arrival_moves_nothing() {
    let traps = Traps { shifting_pages: false, ..Traps::none() };
    let bench = bench(Options { traps, ..options(7) }).await;
    let (_, first) = bench.json("/v1/transactions?limit=5").await;
    bench.world().create_transaction(None, None).unwrap();
    let token = encoded(first["nextToken"].as_str().unwrap());
    let (_, second) = bench.json(&format!("/v1/transactions?limit=5&token={token}")).await;
    let served = ids(&[first, second]);
    assert_eq!(unique(&served).len(), 10, "no repeat");
}
