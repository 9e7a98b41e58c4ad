use super::*;

/// Walks to the end. Gives what each step was, and how it ended.
async fn walk(mut listing: Listing) -> (Vec<usize>, Result<Totals, Stop>) {
    let mut sizes = Vec::new();
    loop {
        assert!(sizes.len() < 50, "walks in circles");
        match listing.next_page(&go()).await {
            Ok(Step::Page(page)) => sizes.push(page.items.len()),
            Ok(Step::Restarted) => sizes.push(99),
            Ok(Step::Complete(totals)) => {
                assert_eq!(totals, listing.totals());
                assert!(matches!(listing.next_page(&go()).await, Err(Stop::Void(Void::Over))));
                return (sizes, Ok(totals));
            }
            Err(stop) => {
                assert!(matches!(listing.next_page(&go()).await, Err(Stop::Void(Void::Over))));
                return (sizes, Err(stop));
            }
        }
    }
}

/// A server whose pages are found by the token that leads to them: (token, page's answer).
async fn pages(table: &'static [(&'static str, &'static str)]) -> Server {
    Server::start(move |_, seen| {
        let token = seen.parameter("token").unwrap_or_default();
        match table.iter().find(|(key, _)| *key == token) {
            Some((_, "400")) => refusal(400),
            Some((_, "404")) => refusal(404),
            Some((_, body)) => json(body),
            None => refusal(500),
        }
    })
    .await
}

#[tokio::test]
async fn short_and_empty_pages_go_on_until_there_is_no_token() {
    let server = pages(&[
        ("", r#"{"items":[],"nextToken":"a","limit":25}"#),
        ("a", r#"{"items":[1],"nextToken":"b","limit":25}"#),
        ("b", r#"{"items":[],"nextToken":"c"}"#),
        ("c", r#"{"items":[1,2,3],"nextToken":"d"}"#),
        ("d", r#"{"items":[4],"nextToken":""}"#),
    ])
    .await;
    let (sizes, end) = walk(Listing::start(server.client(), accounts())).await;
    assert_eq!(sizes, [0, 1, 0, 3, 1]);
    assert_eq!(end.unwrap(), Totals { pages: 5, items: 5, requests: 5 });
}

#[tokio::test]
async fn an_empty_list_is_complete_after_one_page() {
    let server = pages(&[("", r#"{"items":[]}"#)]).await;
    let (sizes, end) = walk(Listing::start(server.client(), accounts())).await;
    assert_eq!(sizes, [0]);
    assert_eq!(end.unwrap(), Totals { pages: 1, items: 0, requests: 1 });
}

#[tokio::test]
async fn a_token_that_comes_again_voids_the_walk() {
    let circle = pages(&[
        ("", r#"{"items":[1],"nextToken":"a"}"#),
        ("a", r#"{"items":[2],"nextToken":"b"}"#),
        ("b", r#"{"items":[3],"nextToken":"a"}"#),
    ])
    .await;
    let (sizes, end) = walk(Listing::start(circle.client(), accounts())).await;
    assert_eq!(sizes, [1, 1, 1]);
    assert!(matches!(end, Err(Stop::Void(Void::RepeatedToken { page: 3 }))), "{end:?}");
    assert_eq!(circle.seen().len(), 3);

    let stuck = pages(&[
        ("", r#"{"items":[1],"nextToken":"a"}"#),
        ("a", r#"{"items":[1],"nextToken":"a"}"#),
    ]);
    let stuck = stuck.await;
    let (_, end) = walk(Listing::start(stuck.client(), accounts())).await;
    assert!(matches!(end, Err(Stop::Void(Void::RepeatedToken { page: 2 }))), "{end:?}");
}

#[tokio::test]
async fn a_walk_without_end_is_void_at_the_page_cap() {
    let server = Server::start(|number, _| {
        json(&format!(r#"{{"items":[{number}],"nextToken":"t{number}"}}"#))
    })
    .await;
    let listing = Listing::start(server.client(), accounts()).with_pages_max(7);
    let (sizes, end) = walk(listing).await;
    assert_eq!(sizes.len(), 7);
    assert!(matches!(end, Err(Stop::Void(Void::TooManyPages(7)))), "{end:?}");
}

#[tokio::test]
async fn a_refused_token_restarts_the_walk_once() {
    let server = Server::start(|number, _| match number {
        0 => json(r#"{"items":[1],"nextToken":"a"}"#),
        1 => json(r#"{"items":[2],"nextToken":"b"}"#),
        2 => refusal(400),
        3 => json(r#"{"items":[1,1],"nextToken":"a"}"#),
        _ => json(r#"{"items":[2]}"#),
    })
    .await;
    let (sizes, end) = walk(Listing::start(server.client(), accounts())).await;
    assert_eq!(sizes, [1, 1, 99, 2, 1]);
    assert_eq!(end.unwrap(), Totals { pages: 2, items: 3, requests: 5 });
    assert_eq!(server.seen()[3].parameter("token"), None);
}

#[tokio::test]
async fn tokens_refused_in_two_walks_void_it() {
    let server = pages(&[("", r#"{"items":[1],"nextToken":"a"}"#), ("a", "400")]).await;
    let (sizes, end) = walk(Listing::start(server.client(), accounts())).await;
    assert_eq!(sizes, [1, 99, 1]);
    assert!(matches!(end, Err(Stop::Void(Void::TokensRefused { .. }))), "{end:?}");
    assert_eq!(server.seen().len(), 4);
}

#[tokio::test]
async fn a_list_is_not_offered_on_its_first_page_only() {
    let absent = pages(&[("", "404")]).await;
    let (sizes, end) = walk(Listing::start(absent.client(), accounts())).await;
    assert!(sizes.is_empty());
    assert!(matches!(end, Err(Stop::NotOffered { body: ErrorBody::Documented, .. })), "{end:?}");

    let vanished = pages(&[("", r#"{"items":[1],"nextToken":"a"}"#), ("a", "404")]).await;
    let (_, end) = walk(Listing::start(vanished.client(), accounts())).await;
    assert!(matches!(end, Err(Stop::Void(Void::Vanished { page: 2, .. }))), "{end:?}");
}

#[tokio::test]
async fn a_page_that_is_none_voids_the_walk() {
    let server = pages(&[("", r#"{"items":[1],"nextToken":"a"}"#), ("a", "<html>")]).await;
    let (sizes, end) = walk(Listing::start(server.client(), accounts())).await;
    assert_eq!(sizes, [1]);
    let Err(stop) = end else { panic!() };
    let html = Void::Malformed {
        page: 2,
        answer: Answer { status: 200, request_id: Some("req-7".into()) },
        fault: BodyFault::Html,
    };
    assert_eq!(chain(&stop), chain(&Stop::Void(html)));
    assert!(stop.hint().contains("web page"));
}

#[tokio::test]
async fn each_other_end_has_a_name_of_its_own() {
    for (status, expected) in [(401, 'u'), (403, 'f'), (500, 'a'), (409, 'r')] {
        let server = Server::start(move |_, _| refusal(status)).await;
        let mut listing = Listing::start(server.client(), accounts());
        let stop = listing.next_page(&go()).await.unwrap_err();
        let found = match &stop {
            Stop::Unauthorized(_) => 'u',
            Stop::Forbidden(_) => 'f',
            Stop::Unavailable { attempts: 4, .. } => 'a',
            Stop::Void(Void::Rejected { page: 1, .. }) => 'r',
            _ => '?',
        };
        assert_eq!(found, expected, "{stop:?}");
        assert!(!stop.hint().is_empty());
        let requests = if status == 500 { 4 } else { 1 };
        assert_eq!(listing.totals().requests, requests);
    }
}

#[tokio::test]
async fn a_walk_that_is_told_to_stop_stops() {
    let server = pages(&[("", r#"{"items":[]}"#)]).await;
    let cancel = go();
    cancel.cancel();
    let stop = Listing::start(server.client(), accounts()).next_page(&cancel).await;
    assert!(matches!(stop, Err(Stop::Cancelled(_))), "{stop:?}");
    assert_eq!(server.seen().len(), 0);
}
