//! The status as server-sent events.

use std::convert::Infallible;
use std::time::Duration;

use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::{Stream, stream};
use tokio_util::sync::CancellationToken;

use super::view::View;
use crate::retry;
use crate::status::Board;

/// The status is looked at this often.
const PERIOD: Duration = Duration::from_secs(1);

/// After this long without news the event `alive` says that the connection still works.
/// `status.js` waits for three of them.
const ALIVE_PERIOD: Duration = Duration::from_secs(15);

/// The events `status`, each with a whole [`View`]: one at once, then one a second where anything
/// but the time of day has changed. Ends with `stop`.
pub(super) fn stream(board: Board, stop: CancellationToken) -> Response {
    let alive =
        KeepAlive::new().interval(ALIVE_PERIOD).event(Event::default().event("alive").data("1"));
    Sse::new(changes(board, stop)).keep_alive(alive).into_response()
}

struct Watch {
    board: Board,
    stop: CancellationToken,
    /// What was sent last, as of no time.
    sent: Option<String>,
}

fn changes(board: Board, stop: CancellationToken) -> impl Stream<Item = Result<Event, Infallible>> {
    let watch = Watch { board, stop, sent: None };
    stream::unfold(watch, async |mut watch| {
        loop {
            if watch.sent.is_some() && retry::sleep(PERIOD, &watch.stop).await.is_err() {
                return None;
            }
            // What cannot be written now cannot be written in a second either: end.
            match watch.change() {
                Ok(Some(event)) => return Some((Ok(event), watch)),
                Ok(None) => {}
                Err(_) => return None,
            }
        }
    })
}

impl Watch {
    fn change(&mut self) -> Result<Option<Event>, axum::Error> {
        let overview = self.board.look();
        let timeless = View::of(overview.clone()).without_time();
        let timeless = serde_json::to_string(&timeless).map_err(axum::Error::new)?;
        if self.sent.as_ref() == Some(&timeless) {
            return Ok(None);
        }
        let view = View::of(overview);
        let event = Event::default().event("status").json_data(&view)?;
        self.sent = Some(timeless);
        Ok(Some(event))
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use futures::StreamExt as _;
    use tokio::sync::watch;

    use super::*;
    use crate::clock::Clock;
    use crate::status::Status;

    /// A workspace whose time moves on with every look at it, and the number of looks.
    fn status() -> (Board, Status, watch::Receiver<i64>) {
        let looks = watch::Sender::new(0);
        let seen = looks.subscribe();
        let clock = Clock::from_fn(move || {
            looks.send_modify(|count| *count += 1);
            *looks.borrow()
        });
        let board = Board::new(Clock::from_fn(|| 0));
        let status = Status::new(clock, "bank");
        board.put(None, status.clone());
        (board, status, seen)
    }

    #[tokio::test(start_paused = true)]
    async fn time_alone_is_no_news() {
        let (board, status, mut looks) = status();
        let mut events = pin!(changes(board, CancellationToken::new()));
        assert!(events.next().await.is_some());
        let started = tokio::time::Instant::now();
        let change = async {
            looks.wait_for(|count| *count >= 10).await.unwrap();
            status.phase("ready");
        };
        let both = async { tokio::join!(events.next(), change) };
        let (event, ()) = tokio::time::timeout(Duration::from_secs(60), both).await.unwrap();
        let text = format!("{event:?}");
        assert!(text.contains("ready") && !text.contains("starting"), "{text}");
        // Made at look 1, sent first at look 2, changed after look 10: nine looks, a second apart.
        assert_eq!(started.elapsed().as_secs(), 9);
    }

    #[tokio::test(start_paused = true)]
    async fn ends_with_the_process() {
        let stop = CancellationToken::new();
        let mut events = pin!(changes(status().0, stop.clone()));
        assert!(events.next().await.is_some());
        let (event, ()) = tokio::join!(events.next(), async { stop.cancel() });
        assert!(event.is_none());
    }
}
