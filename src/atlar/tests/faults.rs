use axum::body::Body;
use axum::http::StatusCode;
use axum::response::IntoResponse;

use super::*;

fn kind(error: &PageError) -> &'static str {
    match error {
        PageError::Unavailable { .. } => "unavailable",
        PageError::Unauthorized { .. } => "unauthorized",
        PageError::NoToken { .. } => "no token",
        PageError::Forbidden { .. } => "forbidden",
        PageError::NotOffered { .. } => "not offered",
        PageError::BadToken { .. } => "bad token",
        PageError::Malformed { .. } => "malformed",
        PageError::Rejected { .. } => "rejected",
        PageError::Unbuildable(_) => "unbuildable",
        PageError::Cancelled(_) => "cancelled",
    }
}

#[tokio::test]
async fn each_status_ends_in_its_class_after_the_right_number_of_requests() {
    let table = [
        (400, None, "rejected", 1),
        (400, Some("secret-token"), "bad token", 1),
        (401, None, "unauthorized", 1),
        (403, None, "forbidden", 1),
        (404, None, "not offered", 1),
        (405, None, "not offered", 1),
        (408, None, "unavailable", 4),
        (409, None, "rejected", 1),
        (410, Some("secret-token"), "not offered", 1),
        (425, None, "unavailable", 4),
        (429, None, "unavailable", 4),
        (500, None, "unavailable", 4),
        (503, Some("secret-token"), "unavailable", 4),
    ];
    for (status, token, expected, requests) in table {
        let server = Server::start(move |_, _| refusal(status)).await;
        let list = ListRequest {
            path: "/v1/transactions".into(),
            query: vec![("accountId".into(), "account-9".into())],
        };
        let error = server.client().page(&list, token, &go()).await.unwrap_err();
        assert_eq!(kind(&error), expected, "{status}");
        assert_eq!(server.seen().len(), requests, "{status}");
        let text = chain(&error);
        assert!(text.contains(&format!("status {status}, request-id req-7")), "{text}");
        for secret in [SECRET, ACCESS_KEY, "secret-token", "account-9", "127.0.0.1"] {
            assert!(!text.contains(secret), "{text}");
        }
        assert!(!error.hint().is_empty());
    }
}

#[tokio::test]
async fn what_passes_is_tried_again_and_the_observer_is_told() {
    let server = Server::start(|number, _| match number {
        0 => refusal(503),
        1 => (StatusCode::TOO_MANY_REQUESTS, [("retry-after", "0")]).into_response(),
        2 => json(r#"{"items":[{"id":"#),
        _ => json(r#"{"items":[1]}"#),
    })
    .await;
    let recorder = Recorder::new();
    let client =
        Client::new(Options { observer: recorder.clone(), ..options(&server.base_url) }).unwrap();
    let page = client.page(&accounts(), None, &go()).await.unwrap();
    assert_eq!((page.items.len(), page.requests), (1, 4));
    let waits = recorder.waits.borrow().clone();
    let told: Vec<_> = waits.iter().map(|wait| (wait.attempt, wait.cause.as_str())).collect();
    assert_eq!(
        told,
        [
            (1, "status 503, request-id req-7"),
            (2, "status 429"),
            (3, "status 200, request-id req-7: the JSON ends too early"),
        ]
    );
    assert_eq!(waits[1].delay, Duration::ZERO);
    assert_eq!(*recorder.settled.lock().unwrap(), ["/v1/accounts"]);
    assert_eq!(client.budget().too_many, 1);
}

#[tokio::test]
async fn retry_after_is_a_pause_for_everybody_and_can_be_left() {
    // 3,600 seconds as a date: the client's clock stands still.
    let server = Server::start(|number, _| match number {
        0 => {
            let headers = [("retry-after", "Tue, 03 Feb 2026 09:45:27 GMT")];
            (StatusCode::SERVICE_UNAVAILABLE, headers).into_response()
        }
        _ => json(r#"{"items":[]}"#),
    })
    .await;
    let recorder = Recorder::new();
    let client =
        Client::new(Options { observer: recorder.clone(), ..options(&server.base_url) }).unwrap();
    let cancel = go();
    let mut tasks = JoinSet::new();
    let spawn = |tasks: &mut JoinSet<_>| {
        let (client, cancel) = (client.clone(), cancel.clone());
        tasks.spawn(async move { client.page(&accounts(), None, &cancel).await });
    };
    spawn(&mut tasks);
    recorder.waits.subscribe().wait_for(|waits| waits.len() == 1).await.unwrap();
    let delay = recorder.waits.borrow()[0].delay;
    assert_eq!(delay, Duration::from_millis(1_799_896));
    assert!(client.budget().pause.unwrap() > Duration::from_secs(1_700));
    spawn(&mut tasks);
    while client.budget().waiting == 0 {
        tokio::task::yield_now().await;
    }
    cancel.cancel();
    for ended in tasks.join_all().await {
        assert!(matches!(ended, Err(PageError::Cancelled(_))));
    }
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn a_body_cut_off_half_way_is_read_again() {
    let cut = b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"items\":[".to_vec();
    let whole = b"HTTP/1.1 200 OK\r\ncontent-length: 12\r\n\r\n{\"items\":[]}".to_vec();
    let server = Server::start_raw(vec![cut.clone(), b"garbage\r\n".to_vec(), whole]).await;
    let page = server.client().page(&accounts(), None, &go()).await.unwrap();
    assert_eq!(page.requests, 3);

    let server = Server::start_raw(vec![cut; 4]).await;
    let error = server.client().page(&accounts(), None, &go()).await.unwrap_err();
    let PageError::Unavailable { attempts: 4, last } = &error else { panic!("{error:?}") };
    assert!(matches!(**last, Cause::Network(NetworkFault::Broken, _)), "{last:?}");
}

#[tokio::test]
async fn a_compressed_body_cut_off_half_way_is_read_again() {
    let server = Server::start(|number, _| match number {
        0 => {
            ([("content-encoding", "gzip")], Body::from(vec![0x1f, 0x8b, 8, 0, 0])).into_response()
        }
        _ => json(r#"{"items":[]}"#),
    })
    .await;
    let page = server.client().page(&accounts(), None, &go()).await.unwrap();
    assert_eq!(page.requests, 2);
}

#[tokio::test]
async fn what_is_not_a_page_is_told_apart_and_not_asked_for_again() {
    let table = [
        (r"<html></html>", BodyFault::Html),
        ("it works", BodyFault::NotJson),
        ("[]", BodyFault::NotAnObject),
        (r#"{"data":[]}"#, BodyFault::ItemsMissing),
        (r#"{"items":{"a":1}}"#, BodyFault::ItemsNotAList),
    ];
    for (body, expected) in table {
        let server = Server::start(move |_, _| json(body)).await;
        let error = server.client().page(&accounts(), None, &go()).await.unwrap_err();
        let PageError::Malformed { fault, .. } = &error else { panic!("{error:?}") };
        assert_eq!(*fault, expected);
        assert_eq!(server.seen().len(), 1);
    }
}

#[tokio::test]
async fn a_web_page_gives_the_hint_to_check_the_base_url() {
    for (status, expected) in [(200, "malformed"), (404, "not offered")] {
        let server = Server::start(move |_, _| html(status)).await;
        let error = server.client().page(&accounts(), None, &go()).await.unwrap_err();
        assert_eq!(kind(&error), expected);
        assert_eq!(error.hint(), "baseUrl seems to point to a web page: check it");
    }
}

#[tokio::test]
async fn the_body_of_a_refused_list_is_told_apart() {
    let table = [
        (r#"{"status":410,"message":"x","details":null}"#, ErrorBody::Documented),
        (r#"{"status":404,"message":"x"}"#, ErrorBody::Other),
        (r#"{"status":410}"#, ErrorBody::Other),
        (r#"{"message":"x"}"#, ErrorBody::Other),
        (r#"[{"status":410,"message":"x"}]"#, ErrorBody::Other),
        (r#""not found""#, ErrorBody::Other),
        ("", ErrorBody::Other),
        (" <html>", ErrorBody::Html),
    ];
    for (text, expected) in table {
        let server = Server::start(move |_, _| (StatusCode::GONE, text).into_response()).await;
        let error = server.client().page(&accounts(), None, &go()).await.unwrap_err();
        let PageError::NotOffered { body, .. } = error else { panic!("{error:?}") };
        assert_eq!(body, expected, "{text}");
    }
}

#[tokio::test]
async fn only_atlar_itself_says_that_a_list_is_gone() {
    let table = [
        (404, r#"{"status":404,"message":"no"}"#, true),
        (410, r#" {"message":"no","status":410,"later":[]}"#, true),
        (405, r#"{"status":405,"message":"no"}"#, false),
        (403, r#"{"status":403,"message":"no"}"#, false),
        (404, "<!doctype html><html></html>", false),
        (404, "", false),
        (404, r#""not found""#, false),
        (404, r#"{"message":"no Route matched with those values"}"#, false),
        (404, r#"{"timestamp":1,"status":404,"error":"Not Found"}"#, false),
        (404, r#"{"status":200,"message":"no"}"#, false),
    ];
    for (status, text, expected) in table {
        let status = StatusCode::from_u16(status).unwrap();
        let server = Server::start(move |_, _| (status, text).into_response()).await;
        let error = server.client().page(&accounts(), None, &go()).await.unwrap_err();
        assert_eq!(error.is_gone_by_atlar(), expected, "{status} {text}");
        let stop = Listing::start(server.client(), accounts()).next_page(&go()).await.unwrap_err();
        assert_eq!(stop.is_gone_by_atlar(), expected, "{status} {text}");
    }
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_given_up() {
    let server = Server::start(|_, _| Body::from(vec![b' '; BODY_BYTES_MAX + 1]).into_response());
    let error = server.await.client().page(&accounts(), None, &go()).await.unwrap_err();
    assert!(matches!(error, PageError::Malformed { fault: BodyFault::TooLarge, .. }), "{error:?}");
}

#[tokio::test]
async fn nobody_listening_and_nobody_answering_are_told_apart() {
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base_url = format!("http://{}", closed.local_addr().unwrap());
    drop(closed);
    let silent = Server::start_raw(vec![Vec::new(); 4]).await;
    let table =
        [(&base_url, NetworkFault::Connect, 20_000), (&silent.base_url, NetworkFault::Timeout, 20)];
    for (base_url, expected, timeout_ms) in table {
        let timeout = Duration::from_millis(timeout_ms);
        let client = Client::new(Options { timeout, ..options(base_url) }).unwrap();
        let error = client.page(&accounts(), None, &go()).await.unwrap_err();
        let PageError::Unavailable { last, .. } = &error else { panic!("{error:?}") };
        assert!(matches!(**last, Cause::Network(fault, _) if fault == expected), "{last:?}");
        assert!(!chain(&error).contains("/v1/accounts"), "{}", chain(&error));
    }
}

#[tokio::test]
async fn a_request_under_way_can_be_left() {
    let server = Server::start_raw(vec![Vec::new()]).await;
    let cancel = go();
    let (client, list) = (server.client(), accounts());
    let page = client.page(&list, None, &cancel);
    let stop = async {
        server.wait_for_requests(1).await;
        cancel.cancel();
    };
    let (page, ()) = tokio::join!(page, stop);
    assert!(matches!(page, Err(PageError::Cancelled(_))));
}

#[tokio::test]
async fn a_request_id_cannot_forge_a_log_line() {
    let server = Server::start(|_, _| {
        let id = format!("a b\tc{}", "d".repeat(300));
        (StatusCode::FORBIDDEN, [("request-id", id)]).into_response()
    })
    .await;
    let error = server.client().page(&accounts(), None, &go()).await.unwrap_err();
    let id = error.answer().unwrap().request_id.clone().unwrap();
    assert_eq!(id, format!("abc{}", "d".repeat(97)));
}
