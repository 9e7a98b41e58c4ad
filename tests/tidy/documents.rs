//! Documents and schemas: what they point to exists, and what they list is what there is.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

use serde_json::Value;

/// Links of a page that lead nowhere. `exists` is asked for paths from the repository's root.
pub fn check_links(path: &str, text: &str, exists: impl Fn(&Path) -> bool) -> Vec<String> {
    let folder = Path::new(path).parent().unwrap_or(Path::new(""));
    let mut found = Vec::new();
    for (line, target) in links(text) {
        let file = target.split('#').next().unwrap_or_default();
        let outside = target.contains("://") || target.starts_with("mailto:");
        if outside || file.is_empty() {
            continue;
        }
        match inside(&folder.join(file)) {
            Some(found) if exists(&found) => {}
            _ => found.push(format!("{path}:{line}: {target} leads nowhere")),
        }
    }
    found
}

/// A path without `..`; `None` where it leaves the repository.
fn inside(path: &Path) -> Option<PathBuf> {
    let mut clean = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                if !clean.pop() {
                    return None;
                }
            }
            part => clean.push(part),
        }
    }
    Some(clean)
}

/// Targets of `[text](target)` outside code, by line.
fn links(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (line, prose) in prose(text) {
        for (at, _) in prose.match_indices("](") {
            if let Some(end) = prose[at + 2..].find(')') {
                found.push((line, prose[at + 2..at + 2 + end].to_owned()));
            }
        }
    }
    found
}

/// Lines outside fenced code, without the code inside them.
fn prose(text: &str) -> Vec<(usize, String)> {
    let mut fenced = false;
    let mut lines = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        } else if !fenced {
            lines.push((number, line.split('`').step_by(2).collect::<Vec<_>>().join(" ")));
        }
    }
    lines
}

/// Tests that a page names, as `file::function` or `a_long_name_of_a_function`, and that do not
/// exist. `functions` are those of all tests, by file and name.
pub fn check_tests(path: &str, text: &str, functions: &BTreeSet<(String, String)>) -> Vec<String> {
    let is_name = |word: &str| {
        let words = word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
        words && word.matches('_').count() > 1
    };
    let mut found = Vec::new();
    for (line, text) in (1..).zip(text.lines()) {
        for word in text.split('`').skip(1).step_by(2) {
            let (file, name) = word.rsplit_once("::").map_or((None, word), |(f, n)| (Some(f), n));
            if !is_name(name) {
                continue;
            }
            let exists = functions
                .iter()
                .any(|(place, function)| function == name && file.is_none_or(|f| f == place));
            if !exists {
                found.push(format!("{path}:{line}: there is no test `{word}`"));
            }
        }
    }
    found
}

/// Commands that a page must show in a block of code, and does not.
pub fn check_shows(path: &str, text: &str, commands: &[&str]) -> Vec<String> {
    let shown = |command: &&&str| text.lines().any(|line| line.trim() == **command);
    let missing = commands.iter().filter(|command| !shown(command));
    missing.map(|command| format!("{path}: does not show `{command}`")).collect()
}

/// Commands and exit codes of the program's long help that a page does not list.
pub fn check_help(path: &str, text: &str, help: &str) -> Vec<String> {
    let mut found = Vec::new();
    let block = |title: &str| -> Vec<(String, String)> {
        let lines = help.lines().skip_while(|line| *line != title).skip(1);
        let lines = lines.take_while(|line| line.starts_with("  "));
        let pairs = lines.filter_map(|line| line.trim().split_once("  "));
        pairs.map(|(word, rest)| (word.to_owned(), rest.trim().to_owned())).collect()
    };
    let (commands, codes) = (block("Commands:"), block("Exit codes:"));
    if commands.is_empty() || codes.is_empty() {
        found.push("the help lists no commands or no exit codes".to_owned());
    }
    for (command, _) in commands.iter().filter(|(command, _)| command != "help") {
        if !text.lines().any(|line| line.starts_with(&format!("| `{command}"))) {
            found.push(format!("{path}: no row for the command `{command}`"));
        }
    }
    for (code, meaning) in codes {
        if !text.lines().any(|line| line.starts_with(&format!("| {code} | {meaning}"))) {
            found.push(format!("{path}: no row `| {code} | {meaning}`"));
        }
    }
    found
}

/// Names that lead to somebody's machine or to a registry of packages.
pub fn check_names(path: &str, text: &str) -> Vec<String> {
    let hosts = [
        concat!("crates", ".io"),
        concat!("pypi", ".org"),
        concat!("registry.", "npmjs.org"),
        concat!("repo.maven.", "apache.org"),
        concat!("repo1.", "maven.org"),
        concat!("proxy.", "golang.org"),
        concat!("ruby", "gems.org"),
    ];
    let folders = [concat!("/wo", "rk"), concat!("/tm", "p"), concat!("/ro", "ot")];
    let mut found = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        for host in hosts.iter().filter(|host| line.contains(**host)) {
            found.push(format!("{path}:{number}: {host}"));
        }
        for folder in folders.iter().filter(|folder| names_folder(line, folder)) {
            found.push(format!("{path}:{number}: {folder}"));
        }
    }
    found
}

/// Whether a path of this machine begins here: `/x` alone or `/x/…`, not the end of `a/x`.
fn names_folder(line: &str, folder: &str) -> bool {
    line.match_indices(folder).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + folder.len()..].chars().next();
        let part = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '/' | '}');
        !before.is_some_and(part) && !after.is_some_and(|c| c != '/' && part(c))
    })
}

/// A schema that cannot be read, is not part of the program, or leaves something unexplained.
pub fn check_schema(path: &str, text: &str, program: &str) -> Vec<String> {
    let Ok(schema) = serde_json::from_str::<Value>(text) else {
        return vec![format!("{path}: not JSON")];
    };
    let mut found = Vec::new();
    if !program.contains(&format!("include_str!(\"../../{path}\")")) {
        found.push(format!("{path}: not part of src/avro/schema.rs"));
    }
    let undocumented = |node: &Value| node["doc"].as_str().is_none_or(|doc| doc.trim().is_empty());
    for record in records(&schema) {
        let name = record["name"].as_str().unwrap_or("?");
        if undocumented(record) {
            found.push(format!("{path}: {name} has no doc"));
        }
        for field in record["fields"].as_array().into_iter().flatten() {
            if undocumented(field) {
                let field = field["name"].as_str().unwrap_or("?");
                found.push(format!("{path}: {name}.{field} has no doc"));
            }
        }
    }
    found
}

/// Every record that a schema defines.
fn records(node: &Value) -> Vec<&Value> {
    let mut found = Vec::new();
    match node {
        Value::Object(members) => {
            if members.get("type").is_some_and(|kind| kind == "record") {
                found.push(node);
            }
            found.extend(members.values().flat_map(records));
        }
        Value::Array(items) => found.extend(items.iter().flat_map(records)),
        _ => {}
    }
    found
}

/// Records of the schemas whose row in a page, `` | `Name` | `field`, … | ``, is missing or says
/// something else.
pub fn check_fields(path: &str, text: &str, schemas: &[Value]) -> Vec<String> {
    let mut rows: BTreeMap<String, String> = BTreeMap::new();
    for schema in schemas {
        for record in records(schema) {
            let names = record["fields"].as_array().into_iter().flatten();
            let names: Vec<String> =
                names.filter_map(|field| Some(format!("`{}`", field["name"].as_str()?))).collect();
            let name = record["name"].as_str().unwrap_or("?");
            rows.insert(name.to_owned(), format!("| `{name}` | {} |", names.join(", ")));
        }
    }
    let missing = rows.values().filter(|row| !text.lines().any(|line| line == **row));
    missing.map(|row| format!("{path}: no row {row}")).collect()
}

/// A table between two marks of a page, which must be exactly this.
pub fn check_table(path: &str, text: &str, mark: &str, expected: &[String]) -> Vec<String> {
    let (open, close) = (format!("<!-- {mark} -->"), format!("<!-- /{mark} -->"));
    let lines = text.lines().skip_while(|line| *line != open).skip(1);
    let actual: Vec<&str> =
        lines.take_while(|line| *line != close).filter(|line| !line.is_empty()).collect();
    if actual == expected {
        return Vec::new();
    }
    vec![format!("{path}: between {open} and {close} must stand\n{}", expected.join("\n"))]
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn dead_links_are_found() {
        let text = "[a](b.md) [c](../README.md#x) [d](https://example.org) [e](#here) `[f](no.md)`\n\
                    ```\n[g](no.md)\n```\n[h](gone.md) [i](../../out.md)";
        let exists = |path: &Path| ["docs/b.md", "README.md"].map(Path::new).contains(&path);
        assert_eq!(
            check_links("docs/a.md", text, exists),
            ["docs/a.md:5: gone.md leads nowhere", "docs/a.md:5: ../../out.md leads nowhere"]
        );
    }

    #[test]
    fn tests_that_do_not_exist_are_found() {
        let there = BTreeSet::from([("group".to_owned(), "a_leave_is_noticed".to_owned())]);
        let text = "`group::a_leave_is_noticed`, `a_leave_is_noticed`, `change_no`, `V1`\n\
                    `store::a_leave_is_noticed` and `a_leave_is_not_noticed`";
        let found = check_tests("a.md", text, &there);
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found.iter().all(|line| line.starts_with("a.md:2: ")), "{found:?}");
    }

    #[test]
    fn missing_commands_are_found() {
        assert!(check_shows("a.md", "```\n  x --y\n```", &["x --y"]).is_empty());
        assert_eq!(check_shows("a.md", "run `x --y` now", &["x --y"]).len(), 1);
        let help = "Commands:\n  run   Runs\n  help  Print\n\nExit codes:\n    0  done\n";
        assert!(check_help("a.md", "| `run` | x |\n| 0 | done |", help).is_empty());
        assert_eq!(check_help("a.md", "| `run` | x |\n| 0 | ok |", help).len(), 1);
        assert_eq!(check_help("a.md", "| 0 | done |", help).len(), 1);
        assert_eq!(check_help("a.md", "", "").len(), 1);
    }

    #[test]
    fn hosts_and_folders_are_found() {
        let folder = concat!("/tm", "p");
        for bad in
            [folder.to_owned(), format!("in {folder}/x"), concat!("https://crates", ".io/a").into()]
        {
            assert_eq!(check_names("a", &bad).len(), 1, "{bad}");
        }
        for good in [format!("a{folder}"), format!("{folder}late"), format!("./target{folder}")] {
            assert!(check_names("a", &good).is_empty(), "{good}");
        }
    }

    #[test]
    fn poor_schemas_are_found() {
        let program = "include_str!(\"../../schemas/a.avsc\")";
        let schema = |doc: &str| {
            json!({"type": "record", "name": "A", "doc": "x", "fields": [
                {"name": "b", "doc": "x", "type": {"type": "record", "name": "C", "doc": doc, "fields": [
                    {"name": "d", "type": "string", "doc": doc}]}}]})
        };
        let good = schema("x").to_string();
        assert!(check_schema("schemas/a.avsc", &good, program).is_empty());
        assert_eq!(
            check_schema("schemas/a.avsc", &schema(" ").to_string(), program),
            ["schemas/a.avsc: C has no doc", "schemas/a.avsc: C.d has no doc"]
        );
        assert_eq!(check_schema("schemas/b.avsc", &good, program).len(), 1);
        assert_eq!(check_schema("schemas/a.avsc", "{", program), ["schemas/a.avsc: not JSON"]);
        let rows = "| `A` | `b` |\n| `C` | `d` |";
        assert!(check_fields("a.md", rows, &[schema("x")]).is_empty());
        assert_eq!(
            check_fields("a.md", "| `A` | `b`, `x` |\n| `C` | `d` |", &[schema("x")]).len(),
            1
        );
    }

    #[test]
    fn a_table_that_differs_is_found() {
        let expected = ["| a |".to_owned()];
        assert!(
            check_table("a.md", "<!-- t -->\n\n| a |\n\n<!-- /t -->", "t", &expected).is_empty()
        );
        for bad in
            ["| a |", "<!-- t -->\n| b |\n<!-- /t -->", "<!-- t -->\n| a |\n| b |\n<!-- /t -->"]
        {
            assert_eq!(check_table("a.md", bad, "t", &expected).len(), 1, "{bad}");
        }
    }
}
