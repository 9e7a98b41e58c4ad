//! A configuration file as a tree whose every name and value knows where it was written.
//!
//! TOML and JSON become the same tree, so that everything after it works for both alike.

mod json;
mod toml;

use std::ops::Range;

/// A value with its place.
#[derive(Debug)]
pub(crate) struct Node {
    /// Bytes of the file that it was written in.
    pub span: Range<usize>,
    pub raw: Raw,
}

/// A name with its value.
#[derive(Debug)]
pub(crate) struct Entry {
    pub name: String,
    /// Bytes of the file that the name was written in.
    pub span: Range<usize>,
    pub node: Node,
}

/// A value as it was written.
#[derive(Debug)]
pub(crate) enum Raw {
    Text(String),
    Integer(i64),
    /// A number that is not whole, or too large.
    Number(String),
    Boolean(bool),
    /// A date or time of TOML.
    Date(String),
    Null,
    List(Vec<Node>),
    Table(Vec<Entry>),
    /// A text from environment or flag, which has no type of its own.
    Loose(String),
}

/// A place where a file is not valid TOML or JSON.
#[derive(Debug)]
pub(crate) struct SyntaxError {
    pub span: Range<usize>,
    pub message: String,
}

/// How a file is spelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Toml,
    Json,
}

impl Format {
    /// By the file's ending.
    pub(crate) fn of(path: &std::path::Path) -> Option<Format> {
        match path.extension()?.to_str()? {
            "toml" => Some(Format::Toml),
            "json" => Some(Format::Json),
            _ => None,
        }
    }
}

/// Reads a file's text; all syntax errors that can be found in one go.
pub(crate) fn parse(text: &str, format: Format) -> Result<Node, Vec<SyntaxError>> {
    match format {
        Format::Toml => toml::parse(text),
        Format::Json => json::parse(text),
    }
}

impl Raw {
    pub(crate) fn text(&self) -> Option<&str> {
        match self {
            Raw::Text(text) | Raw::Loose(text) => Some(text),
            _ => None,
        }
    }

    pub(crate) fn is(&self, word: &str) -> bool {
        self.text() == Some(word)
    }

    /// A list of texts, or one text with commas; neither it nor any of them empty.
    pub(crate) fn texts(&self) -> Option<Vec<String>> {
        let texts: Vec<String> = match self {
            Raw::List(nodes) => nodes
                .iter()
                .map(|node| node.raw.text().map(|text| text.trim().to_owned()))
                .collect::<Option<_>>()?,
            _ => self.text()?.split(',').map(|text| text.trim().to_owned()).collect(),
        };
        (!texts.is_empty() && texts.iter().all(|text| !text.is_empty())).then_some(texts)
    }

    pub(crate) fn integer(&self) -> Option<i64> {
        match self {
            Raw::Integer(number) => Some(*number),
            Raw::Loose(text) => text.trim().parse().ok(),
            _ => None,
        }
    }

    pub(crate) fn number(&self) -> Option<f64> {
        let text = match self {
            Raw::Integer(number) => return i32::try_from(*number).ok().map(f64::from),
            Raw::Number(text) => text,
            Raw::Loose(text) => text.trim(),
            _ => return None,
        };
        text.parse().ok().filter(|number: &f64| number.is_finite())
    }

    pub(crate) fn boolean(&self) -> Option<bool> {
        match self {
            Raw::Boolean(truth) => Some(*truth),
            Raw::Loose(text) => text.trim().parse().ok(),
            _ => None,
        }
    }

    pub(crate) fn date(&self) -> Option<&str> {
        match self {
            Raw::Date(text) => Some(text),
            _ => self.text(),
        }
    }

    /// As librdkafka takes it.
    pub(crate) fn property(&self) -> Option<String> {
        match self {
            Raw::Text(text) | Raw::Loose(text) | Raw::Number(text) => Some(text.clone()),
            Raw::Integer(number) => Some(number.to_string()),
            Raw::Boolean(truth) => Some(truth.to_string()),
            _ => None,
        }
    }

    /// What it is, without saying it.
    pub(crate) fn type_name(&self) -> &'static str {
        match self {
            Raw::Text(text) | Raw::Loose(text) if text.trim().is_empty() => "an empty text",
            Raw::Text(_) | Raw::Loose(_) => "a text",
            Raw::Integer(_) | Raw::Number(_) => "a number",
            Raw::Boolean(_) => "true or false",
            Raw::Date(_) => "a date",
            Raw::Null => "null",
            Raw::List(_) => "a list",
            Raw::Table(_) => "a table",
        }
    }

    /// What it is and says, short enough for one line.
    pub(crate) fn describe(&self) -> String {
        match self {
            Raw::Text(text) => format!("the text {}", quoted(text)),
            Raw::Loose(text) => quoted(text),
            Raw::Integer(number) => number.to_string(),
            Raw::Number(text) => text.chars().take(40).collect(),
            Raw::Boolean(truth) => truth.to_string(),
            _ => self.type_name().to_owned(),
        }
    }
}

/// In quotes, without control characters, cut after 60 characters.
pub(crate) fn quoted(text: &str) -> String {
    let mut short: String = text.chars().take(60).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    format!("{short:?}")
}
