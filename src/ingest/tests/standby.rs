//! Whose turn it is: the owner and what the group says.

use std::sync::mpsc::sync_channel;
use std::time::Duration;

use super::bench::{Bench, SharedLog};
use super::{change, counterparty, stream};
use crate::ingest::Dropped;
use crate::ingest::owner::End;
use crate::kafka::group::{Seat, Share};

/// Lets the owner's task go on until its status is in this phase.
async fn in_phase(bench: &Bench, phase: &str) {
    while bench.status.snapshot().phase != phase {
        tokio::task::yield_now().await;
    }
}

fn acquisitions(log: &SharedLog) -> usize {
    log.0.lock().unwrap().acquisitions
}

#[tokio::test(start_paused = true)]
async fn a_standby_follows_and_takes_over_when_it_is_its_turn() {
    let log = SharedLog::default();
    let owner = Bench::start(&log);
    let list = stream("counterparties");
    owner.list(&list, &[counterparty("a", 1, "A")]).await.unwrap();

    let (share, seat) = Seat::new();
    let standby = Bench::seated(&log, seat.clone(), true);
    share.send_replace(Share::Elsewhere);
    in_phase(&standby, "standby").await;
    assert_eq!((standby.status.snapshot().entities, acquisitions(&log)), (1, 1));
    assert!(standby.status.not_ready().is_none() && !seat.is_taken());
    // What the owner commits meanwhile reaches the standby.
    owner.list(&list, &[counterparty("a", 1, "A"), counterparty("b", 1, "B")]).await.unwrap();
    while standby.status.snapshot().entities < 2 {
        tokio::task::yield_now().await;
    }
    owner.end().await.unwrap();

    share.send_replace(Share::Ours);
    let records = [counterparty("a", 1, "A"), counterparty("b", 2, "B2")];
    standby.list(&list, &records).await.unwrap();
    assert!(seat.is_taken());
    assert_eq!(acquisitions(&log), 2);
    assert_eq!(log.changes(), [change("a", 1, "r"), change("b", 1, "c"), change("b", 2, "u")]);
    standby.end().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_workspace_that_is_taken_away_is_left_after_the_commit_under_way() {
    let log = SharedLog::default();
    let (share, seat) = Seat::new();
    share.send_replace(Share::Ours);
    let bench = Bench::seated(&log, seat.clone(), true);
    let list = stream("counterparties");
    let session = bench.session().await;
    let (open, gate) = sync_channel(1);
    log.0.lock().unwrap().gate = Some(gate);
    let records = [counterparty("a", 1, "A")];
    let listing = bench.list(&list, &records);
    let revoked = async {
        while log.0.lock().unwrap().gate.is_some() {
            tokio::task::yield_now().await;
        }
        // Handed over while the commit is under way: it is dropped.
        bench.page(session, &list, &[counterparty("b", 1, "B")]).await;
        bench.seen(&list, 2).await;
        share.send_replace(Share::Leaving);
        assert!(seat.is_taken(), "given back with a commit under way");
        open.send(()).unwrap();
        in_phase(&bench, "standby").await;
    };
    let (listed, ()) = tokio::join!(listing, revoked);
    assert!(listed.is_ok(), "{listed:?}");
    assert!(!seat.is_taken());
    assert_eq!(log.changes(), [change("a", 1, "r")]);
    assert_eq!(acquisitions(&log), 1);
    let shown = bench.status.snapshot();
    assert_eq!(shown.sessions_ended, [("group", 1)].into());
    assert_eq!(shown.last_session_end.unwrap().error, None);

    share.send_replace(Share::Ours);
    bench.session_after(session).await;
    // A listing of before is not taken for one of now.
    let finished = bench.handle.finished(session, list.clone(), 1).await;
    assert_eq!(finished, Err(Dropped));
    assert_eq!(acquisitions(&log), 2);
    bench.end().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn whoever_lists_once_does_not_stand_by() {
    let log = SharedLog::default();
    let (share, seat) = Seat::new();
    let bench = Bench::seated(&log, seat, false);
    share.send_replace(Share::Elsewhere);
    while !bench.task.is_finished() {
        tokio::time::advance(Duration::from_secs(1)).await;
    }
    let ended = bench.task.await.unwrap();
    assert!(matches!(ended, Err(End::Owned)), "{ended:?}");
    assert_eq!(acquisitions(&log), 0);
}
