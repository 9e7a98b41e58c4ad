use axum::http::StatusCode;
use axum::response::IntoResponse;

use super::*;

#[tokio::test]
async fn reads_a_page_and_says_where_it_goes_on() {
    let server = Server::start(|_, _| {
        json(r#"{"items":[{"id":"a"},{"id":"b"}],"nextToken":"t/2=","token":"","limit":500}"#)
    })
    .await;
    let client = server.client();
    let page = client.page(&accounts(), None, &go()).await.unwrap();
    assert_eq!(page.items, [r#"{"id":"a"}"#, r#"{"id":"b"}"#]);
    assert_eq!(page.next_token.as_deref(), Some("t/2="));
    assert_eq!(page.limit, Some(500));
    assert_eq!(page.request_id.as_deref(), Some("req-7"));
    assert_eq!(page.requested_at_ms, NOW_MS);
    assert_eq!(page.requests, 1);

    client.page(&accounts(), page.next_token.as_deref(), &go()).await.unwrap();
    let seen = server.seen();
    assert_eq!((seen[0].method.as_str(), seen[0].path.as_str()), ("GET", "/v1/accounts"));
    assert_eq!(seen[0].query, "limit=25");
    assert_eq!(seen[1].query, "limit=25&token=t%2F2%3D");
    assert_eq!(seen[0].header("user-agent"), "atlar-ingestor/test");
    assert!(seen[0].header("accept-encoding").contains("gzip"));
}

#[tokio::test]
async fn three_hundred_records_share_the_memory_of_their_body() {
    let records: Vec<_> = (0..300).map(|n| format!("{{\"id\":\"{n:03}\"}}")).collect();
    let body = format!("{{\"items\":[{}]}}", records.join(","));
    let bytes = body.len();
    let server = Server::start(move |_, _| json(&body)).await;
    let page = server.client().page(&accounts(), None, &go()).await.unwrap();
    assert_eq!((page.items.len(), page.bytes), (300, bytes));
    let (first, last) = (page.items[0].as_ptr() as usize, page.items[299].as_ptr() as usize);
    assert_eq!(last - first, 299 * (records[0].len() + 1));
    assert_eq!(page.items[299], records[299]);
}

#[tokio::test]
async fn reads_compressed_answers() {
    // gzip of {"items":[{"id":"a"},{"id":"b"}],"nextToken":"t2","limit":2}
    const GZIP: &str = "1f8b0800000000000203ab56ca2c49cd2d56b28aae56ca4c51b2524a54aad5813293946a637594f2522b4a42f2b353f3802225464a3a4a3999b999254a5646b5003787a32e3c000000";
    let server = Server::start(|_, _| {
        ([("content-encoding", "gzip")], hex::decode(GZIP).unwrap()).into_response()
    })
    .await;
    let page = server.client().page(&accounts(), None, &go()).await.unwrap();
    assert_eq!((page.items.len(), page.bytes), (2, 60));
    assert_eq!(page.next_token.as_deref(), Some("t2"));
}

#[tokio::test]
async fn the_base_url_may_have_a_path() {
    let server = Server::start(|_, _| json(r#"{"items":[]}"#)).await;
    let client = Client::new(options(&format!("{}/atlar/", server.base_url))).unwrap();
    client.page(&accounts(), None, &go()).await.unwrap();
    assert_eq!(server.seen()[0].path, "/atlar/v1/accounts");
}

#[test]
fn plain_http_to_another_machine_is_refused() {
    let refused = Client::new(options("http://api.atlar.example"));
    assert!(matches!(refused.err(), Some(Error::PlainHttp)));
    let allowed = Options { allow_plain_http: true, ..options("http://api.atlar.example") };
    assert!(Client::new(allowed).is_ok());
}

#[test]
fn an_https_client_can_be_built() {
    assert!(Client::new(options("https://api.atlar.example")).is_ok());
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let server =
        Server::start(|_, _| (StatusCode::FOUND, [("location", "/v1/elsewhere")]).into_response())
            .await;
    let error = server.client().page(&accounts(), None, &go()).await.unwrap_err();
    assert!(matches!(&error, PageError::Rejected { answer } if answer.status == 302));
    assert!(error.hint().contains("redirects"));
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn no_more_requests_are_under_way_than_allowed() {
    let server = Server::start_raw(vec![Vec::new(); 9]).await;
    let client = server.client();
    let cancel = go();
    let mut tasks = JoinSet::new();
    for _ in 0..9 {
        let (client, cancel) = (client.clone(), cancel.clone());
        tasks.spawn(async move { client.page(&accounts(), None, &cancel).await });
    }
    server.wait_for_requests(4).await;
    let numbers = client.budget();
    assert_eq!((numbers.in_flight, numbers.waiting, numbers.started), (4, 5, 4));
    cancel.cancel();
    for ended in tasks.join_all().await {
        assert!(matches!(ended, Err(PageError::Cancelled(_))));
    }
    assert_eq!((client.budget().in_flight, client.budget().waiting), (0, 0));
}
