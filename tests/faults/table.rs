//! The table of docs/faults.md, read as it is written.
//!
//! A cell is `<a id="…"></a>**outcome** prose<br>`message`<br>hint: text`; message and hint may be
//! absent where nothing is said.

use std::collections::BTreeSet;
use std::fmt;

/// When the fault is met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    Start,
    Later,
    Once,
}

impl When {
    const ALL: [When; 3] = [When::Start, When::Later, When::Once];

    fn suffix(self) -> &'static str {
        match self {
            When::Start => "-start",
            When::Later => "-later",
            When::Once => "-once",
        }
    }
}

/// What the program does about a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The process ends with this code.
    Exit(i32),
    /// Nothing is published until the fault is gone; the process says what it waits for.
    Waits,
    /// What the fault does not concern goes on; the rest is tried again.
    GoesOn,
    /// As if there were no fault.
    NoEffect,
}

impl Outcome {
    fn parse(text: &str) -> Option<Outcome> {
        Some(match text {
            "waits" => Outcome::Waits,
            "goes on" => Outcome::GoesOn,
            "no effect" => Outcome::NoEffect,
            other => Outcome::Exit(other.strip_prefix("exit ")?.parse().ok()?),
        })
    }
}

/// One cell: a fault, when it is met, and what is promised then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cell {
    pub id: String,
    pub when: When,
    pub outcome: Outcome,
    /// The beginning of what is said.
    pub message: Option<String>,
    pub hint: Option<String>,
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({:?})", self.id, self.outcome)
    }
}

/// Every cell of every table whose first column is headed `fault`.
pub fn parse(text: &str) -> Result<Vec<Cell>, String> {
    let mut cells = Vec::new();
    let mut inside = false;
    for (number, line) in (1..).zip(text.lines()) {
        let Some(row) = line.strip_prefix("| ").and_then(|row| row.strip_suffix(" |")) else {
            inside &= line.starts_with("|--");
            continue;
        };
        let columns: Vec<&str> = row.split(" | ").map(str::trim).collect();
        if columns.first() == Some(&"fault") {
            inside = true;
            continue;
        }
        if !inside {
            continue;
        }
        let [fault, faces @ ..] = columns.as_slice() else { continue };
        if faces.len() != When::ALL.len() {
            return Err(format!("line {number}: {fault}: {} cells", faces.len()));
        }
        for (when, face) in When::ALL.into_iter().zip(faces) {
            let cell = cell(when, face).map_err(|error| format!("line {number}: {error}"))?;
            cells.push(cell);
        }
    }
    let unique: BTreeSet<&str> = cells.iter().map(|cell| cell.id.as_str()).collect();
    match unique.len() == cells.len() && !cells.is_empty() {
        true => Ok(cells),
        false => Err("the table is empty, or two cells have the same id".to_owned()),
    }
}

fn cell(when: When, text: &str) -> Result<Cell, String> {
    let wrong = |what: &str| format!("{what} in the cell {text:?}");
    let rest = text.strip_prefix("<a id=\"").ok_or_else(|| wrong("no id"))?;
    let (id, rest) = rest.split_once("\"></a>**").ok_or_else(|| wrong("no outcome"))?;
    if !id.ends_with(when.suffix()) {
        return Err(wrong("an id of another column"));
    }
    let (outcome, rest) = rest.split_once("**").ok_or_else(|| wrong("an open outcome"))?;
    let outcome = Outcome::parse(outcome).ok_or_else(|| wrong("an unknown outcome"))?;
    let mut parts = rest.split("<br>").skip(1);
    let message = parts.next().map(|part| part.trim_matches('`').to_owned());
    let hint = match parts.next() {
        None => None,
        Some(part) => Some(part.strip_prefix("hint: ").ok_or_else(|| wrong("no hint"))?.to_owned()),
    };
    let loud = matches!(outcome, Outcome::Exit(1..) | Outcome::Waits);
    if loud && hint.is_none() {
        return Err(wrong("no message or no hint"));
    }
    Ok(Cell { id: id.to_owned(), when, outcome, message, hint })
}
