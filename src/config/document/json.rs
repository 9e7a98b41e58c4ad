//! Strict JSON as a tree with places.

use super::{Entry, Node, Raw, SyntaxError};
use jsonc_parser::ast::{Object, Value};
use jsonc_parser::common::Ranged;
use jsonc_parser::{CollectOptions, ParseOptions, parse_to_ast};
use std::collections::BTreeSet;

/// JSON as every other program reads it: what a file gets away with here must work elsewhere.
const STRICT: ParseOptions = ParseOptions {
    allow_comments: false,
    allow_loose_object_property_names: false,
    allow_trailing_commas: false,
    allow_missing_commas: false,
    allow_single_quoted_strings: false,
    allow_hexadecimal_numbers: false,
    allow_unary_plus_numbers: false,
    allow_bare_decimal_point_numbers: false,
    allow_non_finite_numbers: false,
    allow_extended_string_escapes: false,
};

pub(super) fn parse(text: &str) -> Result<Node, Vec<SyntaxError>> {
    let parsed = parse_to_ast(text, &CollectOptions::default(), &STRICT).map_err(|error| {
        let (span, message) = (error.range(), lower_first(&error.kind().to_string()));
        vec![SyntaxError { span: span.start..span.end, message }]
    })?;
    let Some(value) = parsed.value else {
        let message = "expected an object, got an empty file".to_owned();
        return Err(vec![SyntaxError { span: 0..0, message }]);
    };
    let mut duplicates = Vec::new();
    let root = node(value, &mut duplicates);
    match root.raw {
        _ if !duplicates.is_empty() => Err(duplicates),
        Raw::Table(_) => Ok(root),
        _ => {
            let message = format!("expected an object, got {}", root.raw.type_name());
            Err(vec![SyntaxError { span: root.span, message }])
        }
    }
}

fn node(value: Value<'_>, duplicates: &mut Vec<SyntaxError>) -> Node {
    let range = value.range();
    let raw = match value {
        Value::StringLit(text) => Raw::Text(text.value.into_owned()),
        Value::NumberLit(number) => {
            number.value.parse().map_or_else(|_| Raw::Number(number.value.to_owned()), Raw::Integer)
        }
        Value::BooleanLit(truth) => Raw::Boolean(truth.value),
        Value::NullKeyword(_) => Raw::Null,
        Value::Array(array) => {
            Raw::List(array.elements.into_iter().map(|v| node(v, duplicates)).collect())
        }
        Value::Object(object) => table(object, duplicates),
    };
    Node { span: range.start..range.end, raw }
}

fn table(object: Object<'_>, duplicates: &mut Vec<SyntaxError>) -> Raw {
    let mut seen = BTreeSet::new();
    let mut entries = Vec::with_capacity(object.properties.len());
    for property in object.properties {
        let range = property.name.range();
        let span = range.start..range.end;
        let name = property.name.into_string();
        if !seen.insert(name.clone()) {
            let message = "duplicate key".to_owned();
            duplicates.push(SyntaxError { span: span.clone(), message });
        }
        entries.push(Entry { name, span, node: node(property.value, duplicates) });
    }
    Raw::Table(entries)
}

fn lower_first(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |c| c.to_lowercase().chain(chars).collect())
}
