//! What `/status.json` and the page show: the status, and in one sentence whether it is fine.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::status::{Overview, Snapshot, StreamState, StreamStatus};

/// A sentence names at most so many streams.
const NAMED_MAX: usize = 3;

/// The JSON of `/status.json` and of the page's events: `summary` over all workspaces, the fields
/// of the first one's [`Snapshot`], and all of them by topic prefix. Fields may be added; none is
/// renamed or removed.
#[derive(Debug, Serialize)]
pub struct View {
    pub summary: Summary,
    #[serde(flatten)]
    pub status: Snapshot,
    pub workspaces: BTreeMap<String, WorkspaceView>,
}

/// One workspace.
#[derive(Debug, Serialize)]
pub struct WorkspaceView {
    /// None for that of the top-level keys.
    pub name: Option<String>,
    pub summary: Summary,
    #[serde(flatten)]
    pub status: Snapshot,
}

/// Whether it is fine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Summary {
    pub level: Level,
    /// The level in a word of the situation.
    pub word: &'static str,
    pub sentence: String,
    /// As `/readyz` says.
    pub ready: bool,
}

/// How fine it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    Green,
    /// On the way, or getting well by itself.
    Amber,
    /// Somebody has to look, or nothing is published.
    Red,
}

/// What kind of phase the process is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    Starting,
    Acquiring,
    Ready,
    Standby,
    Waiting,
    Stopped,
    Failed,
}

impl Phase {
    pub(super) const ALL: [Phase; 7] = [
        Phase::Starting,
        Phase::Acquiring,
        Phase::Ready,
        Phase::Standby,
        Phase::Waiting,
        Phase::Stopped,
        Phase::Failed,
    ];

    /// A phase that is none of the words is what the process waits for.
    pub(super) fn of(text: &str) -> Phase {
        if text.starts_with("failed: ") {
            return Phase::Failed;
        }
        let known = Phase::ALL.into_iter().find(|phase| phase.as_str() == text);
        known.unwrap_or(Phase::Waiting)
    }

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Phase::Starting => "starting",
            Phase::Acquiring => "acquiring",
            Phase::Ready => "ready",
            Phase::Standby => "standby",
            Phase::Waiting => "waiting",
            Phase::Stopped => "stopped",
            Phase::Failed => "failed",
        }
    }

    /// Why a process in this phase is not ready, without naming anything.
    pub(super) const fn reason(self) -> &'static str {
        match self {
            Phase::Ready => "the credentials were refused",
            other => other.as_str(),
        }
    }
}

impl View {
    pub fn of(overview: Overview) -> View {
        let first = overview.workspaces.first().map(|(_, status)| status.clone());
        let workspaces: Vec<WorkspaceView> =
            overview.workspaces.into_iter().map(|(name, of)| WorkspaceView::of(name, of)).collect();
        View {
            summary: Summary::over(&workspaces),
            status: first.unwrap_or(overview.process),
            workspaces: workspaces
                .into_iter()
                .map(|of| (of.status.topic_prefix.clone(), of))
                .collect(),
        }
    }

    /// The same as of no time.
    pub(super) fn without_time(mut self) -> View {
        self.status.now_ms = 0;
        self.workspaces.values_mut().for_each(|of| of.status.now_ms = 0);
        self
    }
}

impl WorkspaceView {
    fn of(name: Option<String>, status: Snapshot) -> WorkspaceView {
        WorkspaceView { name, summary: Summary::of(&status), status }
    }
}

impl Summary {
    /// Over all workspaces: the worst one is named.
    fn over(workspaces: &[WorkspaceView]) -> Summary {
        let worst = match workspaces {
            [] => {
                let sentence = "No connector is installed: nothing is read or published".to_owned();
                return Summary { level: Level::Amber, word: "Waiting", sentence, ready: true };
            }
            [only] => return only.summary.clone(),
            // The first one of the worst level.
            [first, others @ ..] => others.iter().fold(first, |worst, of| {
                let rank = |of: &WorkspaceView| (of.summary.level, !of.status.is_standby());
                if rank(of) > rank(worst) { of } else { worst }
            }),
        };
        let Summary { level, word, sentence, .. } = worst.summary.clone();
        let not_good = workspaces.iter().filter(|of| of.summary.level != Level::Green).count();
        let standby = workspaces.iter().filter(|of| of.status.is_standby()).count();
        let sentence = match not_good {
            0 if standby == workspaces.len() => {
                format!("Another instance owns each of the {standby} workspaces")
            }
            0 if standby > 0 => {
                format!("{} workspaces are fresh, {standby} on standby", workspaces.len() - standby)
            }
            0 => format!("All {} workspaces are fresh", workspaces.len()),
            1 => format!("{}: {sentence}", worst.status.topic_prefix),
            _ => format!("{}: {sentence}; {} more", worst.status.topic_prefix, not_good - 1),
        };
        Summary { level, word, sentence, ready: workspaces.iter().all(|of| of.summary.ready) }
    }

    fn of(status: &Snapshot) -> Summary {
        let (level, word, sentence) = match Phase::of(&status.phase) {
            Phase::Starting => (Level::Amber, "Starting", "The process is starting".to_owned()),
            Phase::Acquiring => {
                let sentence = "Acquiring the workspace: its state is read back from Kafka";
                (Level::Amber, "Starting", sentence.to_owned())
            }
            Phase::Ready => of_streams(status),
            Phase::Standby => {
                let sentence =
                    "Another instance owns the workspace; this one is ready to take over";
                (Level::Green, "Standby", sentence.to_owned())
            }
            Phase::Waiting => {
                let reason = status.phase.strip_prefix("waiting: ").unwrap_or(&status.phase);
                (Level::Red, "Waiting", format!("Nothing is published: {reason}"))
            }
            Phase::Stopped => {
                (Level::Red, "Stopped", "Nothing is read or published any more".to_owned())
            }
            Phase::Failed => {
                let reason = status.phase.strip_prefix("failed: ").unwrap_or(&status.phase);
                (Level::Red, "Failed", format!("Nothing is read or published: {reason}"))
            }
        };
        Summary { level, word, sentence, ready: status.not_ready().is_none() }
    }
}

fn of_streams(status: &Snapshot) -> (Level, &'static str, String) {
    let with = |holds: &dyn Fn(&StreamStatus) -> bool| -> Vec<&str> {
        status.streams.iter().filter(|(_, s)| holds(s)).map(|(name, _)| name.as_str()).collect()
    };
    let refused = with(&|s| s.state == StreamState::Refused);
    let failed = with(&|s| s.state == StreamState::Failed);
    let waiting = with(&|s| s.state == StreamState::Listing && s.waits_for.is_some());
    let asked = with(&|s| s.state != StreamState::Off).len();
    let complete = with(&|s| s.state != StreamState::Off && s.fresh_ms.is_some()).len();
    let streams = if asked == 1 { "stream" } else { "streams" };

    if !refused.is_empty() {
        let sentence = format!("Atlar refused the credentials for {}", names(&refused));
        return (Level::Red, "Refused", sentence);
    }
    if !failed.is_empty() && failed.len() == asked {
        return (Level::Red, "Failing", "No stream could be read".to_owned());
    }
    if !failed.is_empty() {
        let (failed_count, names) = (failed.len(), names(&failed));
        let sentence =
            format!("{failed_count} of {asked} {streams} failed and will be read again: {names}");
        return (Level::Amber, "Attention", sentence);
    }
    if asked == 0 && !status.streams.is_empty() {
        return (Level::Red, "Nothing to read", "Atlar offers none of the lists".to_owned());
    }
    if asked == 0 {
        return (Level::Amber, "Starting", "No stream has begun".to_owned());
    }
    if complete < asked {
        let sentence = format!("First listing: {complete} of {asked} {streams} complete");
        return (Level::Amber, "Loading", sentence);
    }
    if !waiting.is_empty() {
        let sentence = format!("Waiting for Atlar: {}", names(&waiting));
        return (Level::Amber, "Attention", sentence);
    }
    let sentence = match asked {
        1 => "The stream is fresh".to_owned(),
        _ => format!("All {asked} streams are fresh"),
    };
    (Level::Green, "Good", sentence)
}

fn names(streams: &[&str]) -> String {
    let named = streams.iter().take(NAMED_MAX).copied().collect::<Vec<_>>().join(", ");
    match streams.len().saturating_sub(NAMED_MAX) {
        0 => named,
        more => format!("{named} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use std::slice;

    use super::*;
    use crate::clock::Clock;
    use crate::status::Board;

    fn stream(state: StreamState, fresh: bool) -> StreamStatus {
        StreamStatus { state, fresh_ms: fresh.then_some(1), ..StreamStatus::default() }
    }

    fn check(phase: &str, streams: &[StreamStatus], level: Level, sentence: &str, ready: bool) {
        let mut status = Snapshot::default();
        status.phase = phase.to_owned();
        status.streams = (1..).map(|n| format!("s{n}")).zip(streams.iter().cloned()).collect();
        let summary = Summary::of(&status);
        assert_eq!((summary.sentence.as_str(), summary.level), (sentence, level));
        assert_eq!(summary.ready, ready, "{sentence}");
        assert!(!summary.word.is_empty());
    }

    #[test]
    fn says_in_one_sentence_whether_it_is_fine() {
        use StreamState::*;
        let fresh = stream(Fresh, true);
        let (failed, refused, off) =
            (stream(Failed, true), stream(Refused, true), stream(Off, false));
        let waits = StreamStatus { waits_for: Some("a page".into()), ..stream(Listing, true) };

        let acquiring = "Acquiring the workspace: its state is read back from Kafka";
        check("starting", &[], Level::Amber, "The process is starting", false);
        check("acquiring", slice::from_ref(&fresh), Level::Amber, acquiring, false);
        check("stopped", &[], Level::Red, "Nothing is read or published any more", false);
        let given_up = "Nothing is read or published: no topics";
        check("failed: no topics", slice::from_ref(&fresh), Level::Red, given_up, false);
        let waiting = "Nothing is published: no broker";
        check("waiting: no broker", slice::from_ref(&fresh), Level::Red, waiting, false);

        let owned = "Another instance owns the workspace; this one is ready to take over";
        check("standby", &[], Level::Green, owned, true);

        check("ready", &[], Level::Amber, "No stream has begun", true);
        check("ready", slice::from_ref(&fresh), Level::Green, "The stream is fresh", true);
        let all = [fresh.clone(), stream(Listing, true), off.clone()];
        check("ready", &all, Level::Green, "All 2 streams are fresh", true);
        let first = [fresh.clone(), stream(Listing, false), stream(Waiting, false)];
        let loading = "First listing: 1 of 3 streams complete";
        check("ready", &first, Level::Amber, loading, true);
        let last = [fresh.clone(), stream(Failed, false), off.clone()];
        let one = "1 of 2 streams failed and will be read again: s2";
        check("ready", &last, Level::Amber, one, true);
        let last = [fresh.clone(), stream(Listing, false)];
        let loading = "First listing: 1 of 2 streams complete";
        check("ready", &last, Level::Amber, loading, true);
        let slow = [fresh.clone(), waits];
        check("ready", &slow, Level::Amber, "Waiting for Atlar: s2", true);
        let one = "1 of 2 streams failed and will be read again: s1";
        check("ready", &[failed.clone(), fresh.clone()], Level::Amber, one, true);
        let two = [failed.clone(), failed.clone(), off.clone()];
        check("ready", &two, Level::Red, "No stream could be read", true);
        check("ready", &[off], Level::Red, "Atlar offers none of the lists", true);
        let many = [fresh, failed, refused.clone(), refused.clone(), refused.clone(), refused];
        let named = "Atlar refused the credentials for s3, s4, s5 and 1 more";
        check("ready", &many, Level::Red, named, false);
    }

    fn over(phases: &[&str]) -> Summary {
        let board = Board::new(Clock::from_fn(|| 0));
        for (number, phase) in phases.iter().enumerate() {
            let name = format!("w{number}");
            let status = board.add(Some(&name), &format!("bank.{name}"));
            status.phase(phase);
            status.stream("accounts", |of| *of = stream(StreamState::Fresh, true));
        }
        View::of(board.look()).summary
    }

    #[test]
    fn the_worst_of_several_workspaces_is_named() {
        let good = over(&["ready", "ready"]);
        assert_eq!((good.sentence.as_str(), good.ready), ("All 2 workspaces are fresh", true));
        let one = over(&["ready", "acquiring", "ready"]);
        assert_eq!((one.level, one.ready), (Level::Amber, false));
        assert!(one.sentence.starts_with("bank.w1: Acquiring the workspace"), "{}", one.sentence);
        let two = over(&["acquiring", "ready", "failed: no topics"]);
        assert_eq!((two.level, two.word), (Level::Red, "Failed"));
        assert_eq!(two.sentence, "bank.w2: Nothing is read or published: no topics; 1 more");
        assert_eq!(over(&["ready"]).sentence, "The stream is fresh");
        let shared = over(&["standby", "ready", "ready"]);
        assert_eq!((shared.word, shared.ready), ("Good", true));
        assert_eq!(shared.sentence, "2 workspaces are fresh, 1 on standby");
        let others = over(&["standby", "standby"]);
        assert_eq!(others.sentence, "Another instance owns each of the 2 workspaces");
        let none = over(&[]);
        assert_eq!((none.level, none.ready), (Level::Amber, true));
    }
}
