//! TOML 1.1 as a tree with places.

use super::{Entry, Node, Raw, SyntaxError};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

pub(super) fn parse(text: &str) -> Result<Node, Vec<SyntaxError>> {
    let (table, errors) = DeTable::parse_recoverable(text);
    if errors.is_empty() {
        let span = table.span();
        return Ok(Node { span, raw: self::table(table.into_inner()) });
    }
    let end = text.len();
    Err(errors
        .into_iter()
        .map(|error| SyntaxError {
            span: error.span().unwrap_or(end..end),
            message: error.message().replace('\n', ", "),
        })
        .collect())
}

/// The crate sorts names; we put them back in the order of the file, which faults follow.
fn table(table: DeTable<'_>) -> Raw {
    let mut entries: Vec<Entry> = table
        .into_iter()
        .map(|(name, value)| Entry {
            span: name.span(),
            name: name.into_inner().into_owned(),
            node: node(value),
        })
        .collect();
    entries.sort_by_key(|entry| entry.span.start);
    Raw::Table(entries)
}

fn node(value: Spanned<DeValue<'_>>) -> Node {
    let span = value.span();
    let raw = match value.into_inner() {
        DeValue::String(text) => Raw::Text(text.into_owned()),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .map_or_else(|_| Raw::Number(number.to_string()), Raw::Integer),
        DeValue::Float(number) => Raw::Number(number.to_string()),
        DeValue::Boolean(truth) => Raw::Boolean(truth),
        DeValue::Datetime(date) => Raw::Date(date.to_string()),
        DeValue::Array(nodes) => Raw::List(nodes.into_iter().map(node).collect()),
        DeValue::Table(inner) => table(inner),
    };
    Node { span, raw }
}
