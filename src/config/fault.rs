//! One thing that is wrong with the configuration, where it was written, and what to do.

use super::source::Source;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

/// Where a value came from.
#[derive(Clone, Debug)]
pub(crate) enum Place {
    /// Nobody set it.
    Default,
    /// A part of the file.
    File(Arc<Source>, Range<usize>),
    /// The file as such, for what it lacks.
    Whole(Arc<Source>),
    /// A variable of the environment.
    Variable(String),
    /// `--set` with this key.
    Flag(String),
}

impl Place {
    /// The layer's precedence: default, file, environment, flag.
    pub(crate) fn layer(&self) -> u8 {
        match self {
            Place::Default => 0,
            Place::File(..) | Place::Whole(_) => 1,
            Place::Variable(_) => 2,
            Place::Flag(_) => 3,
        }
    }
}

/// What `config print` says about a value's origin.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Default => f.write_str("default"),
            Place::File(source, span) => {
                write!(f, "{}:{}", source.path, source.position(span.start).0)
            }
            Place::Whole(source) => f.write_str(&source.path),
            Place::Variable(name) => f.write_str(name),
            Place::Flag(path) => write!(f, "--set {path}"),
        }
    }
}

/// One fault.
#[derive(Clone, Debug)]
pub(crate) struct Fault {
    pub place: Place,
    /// The key, if the fault is about the value of one.
    pub path: Option<String>,
    pub message: String,
    pub advice: Option<String>,
}

impl Fault {
    /// A fault in the value of a key.
    pub(crate) fn of_value(place: &Place, path: &str, message: impl Into<String>) -> Fault {
        let (place, path) = (place.clone(), Some(path.to_owned()));
        Fault { place, path, message: message.into(), advice: None }
    }

    /// A fault that is not about the value of a key.
    pub(crate) fn new(place: &Place, message: impl Into<String>) -> Fault {
        Fault { place: place.clone(), path: None, message: message.into(), advice: None }
    }

    /// Says what to do.
    pub(crate) fn advise(mut self, advice: impl Into<String>) -> Fault {
        self.advice = Some(advice.into());
        self
    }

    /// In one line and without its place, for whoever wrote it a moment ago.
    pub(crate) fn line(&self) -> String {
        let path = self.path.as_ref().map(|path| format!("`{path}`: ")).unwrap_or_default();
        let advice = self.advice.as_ref().map(|advice| format!(" ({advice})")).unwrap_or_default();
        format!("{path}{}{advice}", self.message)
    }

    /// For sorting: what is in the file by place in it, what the file lacks, variables, flags.
    pub(crate) fn order(&self) -> (u8, usize) {
        match &self.place {
            Place::File(_, span) => (0, span.start),
            Place::Whole(_) => (1, 0),
            Place::Variable(_) => (2, 0),
            Place::Flag(_) => (3, 0),
            Place::Default => (4, 0),
        }
    }
}

/// Several lines that begin with `error:`.
impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("error: ")?;
        match (&self.place, &self.path) {
            (Place::Variable(name), _) => write!(f, "{name}: ")?,
            (Place::Flag(path), _) => write!(f, "--set {path}: ")?,
            (_, Some(path)) => write!(f, "`{path}`: ")?,
            (_, None) => {}
        }
        f.write_str(&self.message)?;
        let advice = self.advice.as_deref().unwrap_or_default();
        match &self.place {
            Place::File(source, span) => write!(f, "\n{}", source.excerpt(span, advice)),
            Place::Whole(source) => write!(f, "\n --> {}\n  {advice}", source.path),
            _ if advice.is_empty() => Ok(()),
            _ => write!(f, "\n  {advice}"),
        }
    }
}
