//! `state accept-generation`: an operator lets a stream move to another generation of the API
//! although its listing there lacks records.
//!
//! The command acquires the workspace as every writer does, by a fresh epoch, a barrier and the
//! compare-and-set, and commits one batch. An instance that runs meanwhile loses its session,
//! acquires the workspace again and finds the decision on record. Only a hold that is on record can
//! be accepted, so that a misspelt stream moves nothing.

use super::Settings;
use super::setup::writer_failure;
use crate::failure::Failure;
use crate::publish::{Batch, Write};
use crate::recover;
use crate::state::control::Hold;
use crate::state::{Control, View};

/// What was accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    pub stream: String,
    /// `v1` or `v2`.
    pub generation: String,
    /// Live records of the stream, and those of them that the listing there lacked.
    pub live: u64,
    pub missing: u64,
}

/// Lets the stream go where it is held from. Blocks for a few answers of the brokers.
pub fn accept_generation(settings: &Settings, stream: &str) -> Result<Accepted, Failure> {
    let mut writer = settings.writer()?;
    let session = settings.session();
    let held = |view: &View| view.holds.get(stream).cloned().ok_or_else(|| not_held(view, stream));
    // Looked at first, so that a command that has nothing to do pushes nobody out.
    held(&recover::read_view(&writer).map_err(writer_failure)?)?;
    let mut view = View::default();
    recover::acquire(&mut writer, &mut view, None, &settings.pinned, &session)
        .map_err(writer_failure)?;
    let Hold { generation, live, missing } = held(&view)?;
    let controls = [
        Control::Generation { stream: stream.to_owned(), generation },
        Control::Hold { stream: stream.to_owned(), hold: None },
    ];
    let writes = controls.into_iter().map(Write::Control).collect();
    let batch = Batch { batch_no: view.batch_no() + 1, events: Vec::new(), writes };
    writer.commit(batch).map_err(writer_failure)?;
    let generation = format!("v{generation}");
    Ok(Accepted { stream: stream.to_owned(), generation, live, missing })
}

fn not_held(view: &View, stream: &str) -> Failure {
    let what = format!("the stream {stream} is not held");
    let held: Vec<&str> = view.holds.keys().map(String::as_str).collect();
    let hint = match held.is_empty() {
        true => "no stream of this workspace is held: there is nothing to accept".to_owned(),
        false => format!("held are: {}", held.join(", ")),
    };
    Failure::dependency(what, hint)
}
