//! Records whose state was written by rules of the fingerprint that this release does not know.

use serde_json::{Value, json};

use super::bench::{Bench, SharedLog};
use super::{change, stream};
use crate::state::control;

/// Where an entity record of format 1 has the number of its rules.
const RULES: usize = 2;

/// The holder's name is published of v1 only: a comparison across generations leaves it out.
fn party(id: &str, version: i64, holder: &str) -> Value {
    json!({"id": id, "organizationId": "o", "name": "N", "version": version,
        "created": "2026-01-01T00:00:00Z", "updated": format!("2026-01-02T00:00:0{version}Z"),
        "externalAccounts": [{"id": format!("e-{id}"), "version": version,
            "updated": format!("2026-01-02T00:00:0{version}Z"),
            "identifiers": [{"type": "BBAN", "market": "SE", "number": "123",
                "holderName": holder}]}]})
}

/// Lets the state say that it was written by other rules.
fn written_by_others(log: &SharedLog) {
    for read in &mut log.0.lock().unwrap().state {
        if let Some(value) = read.value.as_mut().filter(|_| !control::is_control(&read.key)) {
            value[RULES] = 9;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn unknown_rules_publish_differences_and_nothing_else() {
    let log = SharedLog::default();
    let list = stream("counterparties");
    let bench = Bench::start(&log);
    let first = ["a", "b", "c", "d"].map(|id| party(id, 5, "H"));
    bench.list(&list, &first).await.unwrap();
    bench.end().await.unwrap();
    written_by_others(&log);
    let before = log.changes().len();

    let bench = Bench::start(&log);
    // As it was; another version only; another content; a lower version of another content.
    let then = [party("a", 5, "H"), party("b", 6, "H"), party("c", 6, "I"), party("d", 4, "G")];
    let tally = bench.list(&list, &then).await.unwrap().tally;
    let counted = (tally.seen, tally.rebased, tally.changed, tally.stale);
    assert_eq!(counted, (4, 2, 1, 1), "{tally:?}");
    assert_eq!(log.changes()[before..], [change("c", 2, "u")]);
    // From now on they are compared by the rules of this release.
    let tally = bench.list(&list, &then).await.unwrap().tally;
    assert_eq!((tally.same, tally.stale, tally.events()), (3, 1, 0), "{tally:?}");
    // A lower version of the same content is what was published, and leaves the higher one there.
    let older = [party("d", 4, "H")];
    let tally = bench.list(&list, &older).await.unwrap().tally;
    assert_eq!((tally.rebased, tally.events()), (1, 0), "{tally:?}");
    let tally = bench.list(&list, &[party("d", 5, "H")]).await.unwrap().tally;
    assert_eq!((tally.rebased, tally.events()), (1, 0), "{tally:?}");
    assert_eq!(log.changes().len(), before + 1);
    bench.end().await.unwrap();
}
