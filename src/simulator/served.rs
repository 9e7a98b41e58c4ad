//! The log of what was served: which versions of which records went out in which answer.
//!
//! A checker reads it to know what a client can have seen. It is bounded; what was dropped is
//! counted, so that a checker never takes a gap for silence.

use std::collections::{BTreeMap, VecDeque};

use super::record::Items;

/// So many records are kept in the log at most, over all answers: about 300 MB.
const RECORDS_MAX: usize = 20_000_000;

/// One answer.
#[derive(Clone, Default)]
pub(super) struct Served {
    /// Number of the request in the order of arrival; `request-id` names it.
    pub(super) request: u64,
    pub(super) received_ms: i64,
    pub(super) answered_ms: i64,
    pub(super) method: String,
    pub(super) path: String,
    pub(super) query: String,
    pub(super) status: u16,
    /// The accepted scheme, or why it was refused.
    pub(super) auth: &'static str,
    pub(super) fault: Option<String>,
    pub(super) token: Option<String>,
    pub(super) next_token: Option<String>,
    pub(super) items: Option<Items>,
}

impl Served {
    /// The line of JSON that stands for this answer.
    pub(super) fn line(&self, number: u64) -> String {
        let (kind, items) = match &self.items {
            Some(items) => (Some(items.kind.slug()), items.versions.as_slice()),
            None => (None, &[][..]),
        };
        let items: Vec<_> = items.iter().map(|(id, version)| (&**id, *version)).collect();
        serde_json::json!({
            "line": number, "request": self.request, "received_ms": self.received_ms,
            "answered_ms": self.answered_ms, "method": self.method, "path": self.path,
            "query": self.query, "status": self.status, "auth": self.auth, "fault": self.fault,
            "token": self.token, "next_token": self.next_token, "kind": kind, "items": items,
        })
        .to_string()
    }
}

/// The bounded log and the counts per route, which are never dropped.
pub(super) struct Log {
    answers: VecDeque<Served>,
    answers_max: usize,
    records: usize,
    /// Number of the first answer that is still here.
    first: u64,
    counts: BTreeMap<(String, u16), u64>,
}

impl Log {
    pub(super) fn new(answers_max: usize) -> Log {
        Log { answers: VecDeque::new(), answers_max, records: 0, first: 0, counts: BTreeMap::new() }
    }

    pub(super) fn push(&mut self, route: &str, served: Served) {
        *self.counts.entry((route.to_owned(), served.status)).or_default() += 1;
        self.records += records_of(&served);
        self.answers.push_back(served);
        while self.answers.len() > self.answers_max || self.records > RECORDS_MAX {
            let Some(oldest) = self.answers.pop_front() else { break };
            self.records = self.records.saturating_sub(records_of(&oldest));
            self.first += 1;
        }
    }

    /// The first line of the log: the first number kept, the next one to come, and how many were
    /// dropped (all before `first`).
    pub(super) fn head(&self) -> String {
        serde_json::json!({
            "log": { "first": self.first, "next": self.next(), "dropped": self.first }
        })
        .to_string()
    }

    pub(super) fn next(&self) -> u64 {
        self.first + u64::try_from(self.answers.len()).unwrap_or(u64::MAX)
    }

    /// Answers from number `from` on, at most `max`, with their numbers.
    pub(super) fn slice(&self, from: u64, max: usize) -> Vec<(u64, Served)> {
        let skip = usize::try_from(from.saturating_sub(self.first)).unwrap_or(usize::MAX);
        let numbered = (self.first..).zip(&self.answers).skip(skip).take(max);
        numbered.map(|(number, served)| (number, served.clone())).collect()
    }

    /// Last pages of a list among the answers that are kept.
    pub(super) fn ends(&self, path: &str) -> usize {
        let is_end = |served: &&Served| {
            served.path == path && served.items.is_some() && served.next_token.is_none()
        };
        self.answers.iter().filter(is_end).count()
    }

    pub(super) fn counts(&self) -> &BTreeMap<(String, u16), u64> {
        &self.counts
    }
}

fn records_of(served: &Served) -> usize {
    served.items.as_ref().map_or(0, |items| items.versions.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_dropped_is_counted_and_numbers_go_on() {
        let mut log = Log::new(3);
        for request in 0..5 {
            log.push("/v1/accounts", Served { request, status: 200, ..Served::default() });
        }
        assert_eq!(log.head(), r#"{"log":{"dropped":2,"first":2,"next":5}}"#);
        let numbers: Vec<_> =
            log.slice(3, 10).iter().map(|(n, served)| (*n, served.request)).collect();
        assert_eq!(numbers, [(3, 3), (4, 4)]);
        assert_eq!(log.slice(0, 1).first().map(|(number, _)| *number), Some(2));
        assert_eq!(log.ends("/v1/accounts"), 0, "no page of them is the last one of a list");
        assert_eq!(log.counts().get(&("/v1/accounts".to_owned(), 200)), Some(&5));
    }
}
