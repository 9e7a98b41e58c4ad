//! What `state inspect` says, for people: the document, a line for each member, and tables where
//! members are alike.

use serde_json::{Map, Value};

/// Width of the first column.
const NAME: usize = 18;

/// The document as text.
pub fn text(document: &Value) -> String {
    let mut out = String::new();
    for (name, value) in document.as_object().into_iter().flatten() {
        match value {
            Value::Object(members) if members.values().all(is_table_row) => {
                table(&mut out, name, members);
            }
            Value::Object(members) => {
                let told: Vec<String> =
                    members.iter().map(|(n, v)| format!("{n} {}", word(v))).collect();
                line(&mut out, name, &told.join(", "));
            }
            value => line(&mut out, name, &word(value)),
        }
    }
    out
}

fn is_table_row(value: &Value) -> bool {
    value.as_object().is_some_and(|row| row.len() > 2)
}

fn line(out: &mut String, name: &str, told: &str) {
    let told = if told.is_empty() { "none" } else { told };
    out.push_str(&format!("{name:<NAME$} {told}\n"));
}

fn table(out: &mut String, name: &str, rows: &Map<String, Value>) {
    let columns: Vec<&String> =
        rows.values().find_map(Value::as_object).into_iter().flat_map(Map::keys).collect();
    let head = std::iter::once(name.to_owned()).chain(columns.iter().map(|name| (*name).clone()));
    let mut lines: Vec<Vec<String>> = vec![head.collect()];
    for (row, members) in rows {
        let cell = |column: &&String| members.get(column.as_str()).map(word).unwrap_or_default();
        let cells = columns.iter().map(cell);
        lines.push(std::iter::once(format!("  {row}")).chain(cells).collect());
    }
    let count = columns.len() + 1;
    let widths: Vec<usize> = (0..count)
        .map(|at| lines.iter().filter_map(|line| line.get(at)).map(String::len).max().unwrap_or(0))
        .collect();
    for line in lines {
        let cells = line.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        out.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        out.push('\n');
    }
}

fn word(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        Value::Object(members) => {
            let told: Vec<String> =
                members.iter().map(|(name, value)| format!("{name} {}", word(value))).collect();
            told.join(" ")
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn members_are_lines_and_alike_ones_a_table() {
        let document = json!({
            "topic": "atlar.state",
            "source": null,
            "facts": {"own": 3, "banks": 1},
            "entities": {
                "account": {"live": 3, "deleted": 0, "generations": {"v1": 3}},
                "payment": {"live": 60, "deleted": 1, "generations": {"v1": 50, "v2": 10}},
            },
        });
        let expected = "\
entities   deleted  generations  live
  account  0        v1 3         3
  payment  1        v1 50 v2 10  60
facts              banks 1, own 3
source             -
topic              atlar.state
";
        assert_eq!(text(&document), expected);
    }
}
