//! Who may import whom. The table is what `ARCHITECTURE.md` shows.

use std::collections::{BTreeMap, BTreeSet};

use super::source::{Source, find_word};

/// A module, and the modules that it may import.
pub struct Layer {
    /// A file or folder of `src`, or one file of a folder where it has a rule of its own.
    pub module: &'static str,
    pub imports: &'static [&'static str],
    pub why: &'static str,
}

const fn layer(module: &'static str, imports: &'static [&'static str], why: &'static str) -> Layer {
    Layer { module, imports, why }
}

/// The table, from the ground up.
pub const LAYERS: &[Layer] = &[
    layer("clock", &[], "the wall clock as a value; the only reader of it"),
    layer("entropy", &[], "the only place where randomness enters"),
    layer("retry", &[], "when to try again; the only sleep"),
    layer("secret", &[], "what must not be printed cannot be printed by accident"),
    layer("failure", &[], "what ends a command: message, exit code, hint"),
    layer("json", &[], "pure: bytes to a tree"),
    layer("domain", &[], "pure: what is published; knows nothing of Atlar's JSON, Avro or Kafka"),
    layer("map", &["json", "domain"], "pure: Atlar's JSON to what is published"),
    layer("change", &["json"], "pure: fingerprints and verdicts"),
    layer("state", &["change"], "pure: records of the state topic and their fold"),
    layer("poll::tree", &["domain"], "pure: the lists that are read, as a table"),
    layer("atlar", &["clock", "json", "retry", "secret"], "adapter; knows nothing of Kafka"),
    layer("avro", &["domain"], "adapter; knows nothing of Kafka"),
    layer("kafka", &["retry"], "adapter; knows nothing of what a record means"),
    layer("store", &["change", "entropy", "state"], "adapter; a cache of the fold"),
    layer(
        "publish",
        &["change", "domain", "kafka", "recover", "state", "store"],
        "the delivery promise; its thread also calls the acquisition",
    ),
    layer("recover", &["kafka", "publish", "state", "store"], "the only way to become the writer"),
    layer(
        "ingest",
        &[
            "avro",
            "change",
            "clock",
            "domain",
            "entropy",
            "json",
            "kafka",
            "map",
            "poll::tree",
            "publish",
            "recover",
            "retry",
            "state",
            "status",
            "store",
        ],
        "the one writer: from observation to batch",
    ),
    layer(
        "poll",
        &[
            "atlar",
            "clock",
            "entropy",
            "failure",
            "ingest",
            "json",
            "poll::tree",
            "retry",
            "status",
            "supervise",
        ],
        "the tasks that walk the tree; they see the owner's handle, not Kafka",
    ),
    layer("supervise", &["failure"], "every task has an owner"),
    layer(
        "status",
        &["clock", "domain", "ingest", "publish", "recover"],
        "one value that says what the process does",
    ),
    layer("http", &["secret", "status"], "shows the status; asks neither Kafka nor Atlar"),
    layer("config", &["failure", "secret"], "read once, in one place, into checked types"),
    layer("telemetry", &["config", "failure"], "log lines; takes its options as they are"),
    layer("simulator", &["clock"], "shares no code with what it is used to test"),
    layer(
        "app",
        &[
            "atlar",
            "avro",
            "clock",
            "config",
            "domain",
            "entropy",
            "failure",
            "ingest",
            "kafka",
            "poll",
            "poll::tree",
            "publish",
            "recover",
            "retry",
            "secret",
            "state",
            "status",
            "store",
            "supervise",
        ],
        "the only place where the parts are joined",
    ),
    layer(
        "cli",
        &[
            "app",
            "atlar",
            "avro",
            "clock",
            "config",
            "failure",
            "http",
            "kafka",
            "poll::tree",
            "publish",
            "recover",
            "secret",
            "simulator",
            "status",
            "supervise",
            "telemetry",
        ],
        "arguments to calls, and printing; `demo` joins a simulator, a broker and a registry",
    ),
    layer("main", &["cli", "config", "failure"], "reads the command line, maps the outcome"),
];

/// Modules that import each other. No other cycle may arise; these wait to be cut.
pub const KNOTS: &[(&str, &str, &str)] = &[
    ("ingest", "status", "the status shows tallies, and the owner writes it"),
    ("publish", "recover", "the acquisition is made by the writer's thread and fills the writer"),
];

/// Crates that only some modules may touch, so that a change of crate stays in one place.
pub const CRATES: &[(&str, &[&str], &str)] = &[
    ("rdkafka", &["kafka", "publish", "recover", "app"], "headers are librdkafka's type"),
    ("sled", &["store"], "the store is replaceable"),
    ("apache_avro", &["avro"], "the encoding is replaceable"),
    ("schema_registry_converter", &["avro"], "the registry client is replaceable"),
    ("reqwest", &["atlar", "avro", "app", "config"], "config and app take its URL type"),
    ("axum", &["avro", "http", "simulator"], "the servers: registry of the demo, status, bank"),
    ("governor", &["atlar"], "the request budget"),
    ("iso_currency", &["map"], "decimals of currencies"),
    ("clap", &["cli", "main"], "the command line"),
    ("rand", &["simulator"], "elsewhere: entropy"),
    ("hmac", &["atlar", "simulator"], "each side signs by itself"),
];

/// Modules without input, output, time and chance: bytes and values in, values out.
pub const PURE: &[&str] = &["json", "domain", "map", "change", "state", "poll::tree"];

/// What a pure module never names.
const EFFECTS: &[&str] = &[
    "std::fs",
    "std::net",
    "std::env",
    "std::io",
    "std::process",
    "std::thread",
    "SystemTime",
    "tokio::",
    "tracing::",
    "rdkafka::",
    "reqwest::",
    "sled::",
    "axum::",
    "rand::",
];

/// Known exceptions: file, and the crate it should not touch.
pub const CRATE_DEBTS: &[(&str, &str)] = &[("src/atlar/client.rs", "rand")];

/// Every line of `ARCHITECTURE.md`'s table.
pub fn table() -> Vec<String> {
    let mut lines =
        vec!["| module | may import | because |".to_owned(), "|---|---|---|".to_owned()];
    for layer in LAYERS {
        let imports: Vec<String> = layer.imports.iter().map(|name| format!("`{name}`")).collect();
        let imports = if imports.is_empty() { "nothing".to_owned() } else { imports.join(", ") };
        lines.push(format!("| `{}` | {imports} | {} |", layer.module, layer.why));
    }
    lines
}

/// Every import that the table does not allow, and every line of the table that nothing needs.
pub fn check(sources: &[Source], layers: &[Layer]) -> Vec<String> {
    let mut found = Vec::new();
    let mut used: BTreeSet<(&str, String)> = BTreeSet::new();
    let known: BTreeMap<&str, &Layer> = layers.iter().map(|layer| (layer.module, layer)).collect();
    for source in sources {
        let Some(module) = source.module().filter(|module| *module != "lib") else { continue };
        let from = node(&file_path(source), &known);
        let Some(layer) = known.get(from.as_str()) else {
            found.push(format!("{}: `{module}` is not in the table of layers", source.path));
            continue;
        };
        for (line, path) in imports(source) {
            let to = node(&path, &known);
            if path.first().map(String::as_str) == Some(module)
                && !layer.imports.contains(&to.as_str())
            {
                continue;
            }
            if layer.imports.contains(&to.as_str()) {
                used.insert((layer.module, to));
            } else {
                found.push(format!("{}:{line}: {from} may not import {to}", source.path));
            }
        }
        found.extend(super_to_root(source));
    }
    for layer in layers {
        for import in layer.imports {
            // Inside a folder the import is by `super`, which is not looked at.
            let inner = import.split("::").next() == Some(layer.module);
            if !inner && !used.contains(&(layer.module, (*import).to_owned())) {
                found.push(format!("the table lets {} import {import}: it does not", layer.module));
            }
        }
    }
    found
}

/// The pairs of modules that reach each other by allowed imports.
pub fn knots(layers: &[Layer]) -> BTreeSet<(String, String)> {
    let reach = |from: &str| {
        let mut seen = BTreeSet::new();
        let mut todo = vec![from.to_owned()];
        while let Some(next) = todo.pop() {
            let imports = layers.iter().filter(|layer| layer.module == next);
            for import in imports.flat_map(|layer| layer.imports) {
                if seen.insert((*import).to_owned()) {
                    todo.push((*import).to_owned());
                }
            }
        }
        seen
    };
    let reached: BTreeMap<&str, BTreeSet<String>> =
        layers.iter().map(|layer| (layer.module, reach(layer.module))).collect();
    let mut pairs = BTreeSet::new();
    for (left, from_left) in &reached {
        for right in from_left.iter().filter(|right| left < &right.as_str()) {
            if reached.get(right.as_str()).is_some_and(|back| back.contains(*left)) {
                pairs.insert(((*left).to_owned(), right.clone()));
            }
        }
    }
    pairs
}

/// Crates outside the modules that may touch them, and effects in pure modules.
pub fn check_crates(sources: &[Source]) -> Vec<String> {
    let mut found = Vec::new();
    for source in sources {
        let Some(module) = source.module() else { continue };
        let path = file_path(source);
        let pure = PURE.iter().any(|pure| {
            let parts: Vec<&str> = pure.split("::").collect();
            path.len() >= parts.len() && parts.iter().zip(&path).all(|(part, name)| part == name)
        });
        for (line, code) in source.product_lines() {
            for (name, modules, _) in CRATES {
                let debt = CRATE_DEBTS.contains(&(source.path.as_str(), *name));
                if !modules.contains(&module) && !debt && names_crate(code, name) {
                    found.push(format!("{}:{line}: {module} may not use {name}", source.path));
                }
            }
            for effect in EFFECTS.iter().filter(|effect| pure && find_word(code, effect).is_some())
            {
                found.push(format!("{}:{line}: {module} is pure, but names {effect}", source.path));
            }
        }
    }
    found
}

/// Debts that have been paid and can leave the list.
pub fn paid_debts(sources: &[Source]) -> Vec<String> {
    let owed = |path: &str, name: &str| {
        let source = sources.iter().find(|source| source.path == path);
        source.is_some_and(|source| source.product_lines().any(|(_, code)| names_crate(code, name)))
    };
    let paid = CRATE_DEBTS.iter().filter(|(path, name)| !owed(path, name));
    paid.map(|(path, name)| format!("{path} no longer uses {name}: take it off CRATE_DEBTS"))
        .collect()
}

fn names_crate(code: &str, name: &str) -> bool {
    let path = format!("{name}::");
    code.match_indices(&path).any(|(at, _)| {
        let before = code[..at].chars().next_back();
        !before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':')
    })
}

/// The module path of a file: `src/poll/tree.rs` is `poll`, `tree`.
fn file_path(source: &Source) -> Vec<String> {
    let path = source.path.trim_start_matches("src/").trim_end_matches(".rs");
    path.split('/').map(str::to_owned).collect()
}

/// The line of the table that a path belongs to: the most particular one.
fn node(path: &[String], known: &BTreeMap<&str, &Layer>) -> String {
    let first = path.first().cloned().unwrap_or_default();
    let particular = path.get(1).map(|second| format!("{first}::{second}"));
    particular.filter(|name| known.contains_key(name.as_str())).unwrap_or(first)
}

/// Paths below `crate` (in `main.rs`: below the library) that the product's code names, by line.
fn imports(source: &Source) -> Vec<(usize, Vec<String>)> {
    let root = if source.path == "src/main.rs" { "atlar_ingestor" } else { "crate" };
    let chars: Vec<char> = source.code.chars().collect();
    let mut found = Vec::new();
    let mut offset = 0;
    let mut rest = source.code.as_str();
    while let Some(at) = find_word(rest, root) {
        let end = at + root.len();
        offset += rest[..end].chars().count();
        rest = &rest[end..];
        let mut reader = Tree { chars: &chars, at: offset, found: Vec::new() };
        if reader.separator() {
            reader.read(&[]);
        }
        found.extend(reader.found);
    }
    found.retain(|(line, path): &(usize, Vec<String>)| !source.is_test(*line) && !path.is_empty());
    found
}

/// Reads what follows `crate::`, groups included.
struct Tree<'a> {
    chars: &'a [char],
    at: usize,
    found: Vec<(usize, Vec<String>)>,
}

impl Tree<'_> {
    fn peek(&mut self) -> Option<char> {
        while self.chars.get(self.at).is_some_and(|c| c.is_whitespace()) {
            self.at += 1;
        }
        self.chars.get(self.at).copied()
    }

    fn separator(&mut self) -> bool {
        let here = self.peek() == Some(':') && self.chars.get(self.at + 1) == Some(&':');
        self.at += if here { 2 } else { 0 };
        here
    }

    fn name(&mut self) -> Option<String> {
        self.peek()?;
        let rest = self.chars.iter().skip(self.at);
        let name: String = rest.take_while(|c| c.is_alphanumeric() || **c == '_').collect();
        self.at += name.chars().count();
        (!name.is_empty()).then_some(name)
    }

    fn read(&mut self, prefix: &[String]) {
        if self.peek() == Some('{') {
            self.at += 1;
            loop {
                match self.peek() {
                    None => return,
                    Some('}') => {
                        self.at += 1;
                        return;
                    }
                    Some(',') => self.at += 1,
                    Some(_) => {
                        let before = self.at;
                        self.read(prefix);
                        // `as name`, or something that is no import tree.
                        while self.peek().is_some_and(|c| c != ',' && c != '}') {
                            self.at += 1;
                        }
                        if self.at == before {
                            return;
                        }
                    }
                }
            }
        }
        let mut path = prefix.to_vec();
        let line = self.chars.iter().take(self.at).filter(|c| **c == '\n').count() + 1;
        match self.name() {
            Some(name) if name == "self" => {}
            Some(name) => path.push(name),
            None => self.at += usize::from(self.peek() == Some('*')),
        }
        if self.separator() && self.peek() != Some('<') {
            self.read(&path);
        } else {
            self.found.push((line, path));
        }
    }
}

/// Chains of `super` that leave the top-level module: they hide an import from the table.
fn super_to_root(source: &Source) -> Vec<String> {
    let depth = file_path(source).len();
    let chain = "super::".repeat(depth);
    let leaving = source.product_lines().filter(|(_, code)| find_word(code, &chain).is_some());
    leaving.map(|(line, _)| format!("{}:{line}: write crate:: for this", source.path)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO: &[Layer] = &[
        layer("kafka", &["retry"], ""),
        layer("poll", &["retry"], ""),
        layer("poll::tree", &[], ""),
        layer("retry", &[], ""),
    ];

    fn found(path: &str, text: &str) -> Vec<String> {
        let mut found = check(&[Source::new(path, text)], TWO);
        found.retain(|line| !line.starts_with("the table"));
        found
    }

    #[test]
    fn an_import_that_is_not_allowed_is_found_wherever_it_stands() {
        assert!(found("src/kafka/reader.rs", "use crate::retry;\n// crate::poll\n").is_empty());
        for text in [
            "\nuse crate::poll::driver;",
            "\nfn f() { crate::poll::go() }",
            "\nuse crate::{retry, poll};",
            "\nuse crate::{retry::{self, Schedule}, poll::{driver, tree::{A, B}}};",
        ] {
            let found = found("src/kafka/reader.rs", text);
            assert!(
                found.iter().any(|line| line == "src/kafka/reader.rs:2: kafka may not import poll"),
                "{text} {found:?}"
            );
        }
        let test = "#[cfg(test)]\nmod tests {\n use crate::poll;\n}";
        assert!(found("src/kafka.rs", test).is_empty());
        assert_eq!(
            found("src/kafka.rs", "use super::poll;"),
            ["src/kafka.rs:1: write crate:: for this"]
        );
        assert!(found("src/new.rs", "").first().unwrap().contains("not in the table"));
    }

    #[test]
    fn one_file_of_a_folder_can_have_a_rule_of_its_own() {
        assert_eq!(
            found("src/kafka.rs", "use crate::poll::tree::TREE;"),
            ["src/kafka.rs:1: kafka may not import poll::tree"]
        );
        assert_eq!(
            found("src/poll/tree.rs", "use crate::retry;"),
            ["src/poll/tree.rs:1: poll::tree may not import retry"]
        );
        assert!(found("src/poll/driver.rs", "use crate::retry;").is_empty());
    }

    #[test]
    fn a_line_of_the_table_that_nothing_needs_is_found() {
        let found = check(&[Source::new("src/kafka.rs", "use crate::retry;")], TWO);
        assert_eq!(found, ["the table lets poll import retry: it does not"]);
    }

    #[test]
    fn cycles_are_found() {
        let ring = &[layer("a", &["b"], ""), layer("b", &["c"], ""), layer("c", &["b"], "")];
        assert_eq!(knots(ring), BTreeSet::from([("b".to_owned(), "c".to_owned())]));
    }

    #[test]
    fn crates_and_effects_in_the_wrong_place_are_found() {
        let check = |path, text| check_crates(&[Source::new(path, text)]);
        assert_eq!(check("src/poll.rs", "use sled::Db;"), ["src/poll.rs:1: poll may not use sled"]);
        assert!(check("src/store/disk.rs", "use sled::Db;").is_empty());
        assert!(check("src/poll.rs", "use our::sled::Db;").is_empty());
        assert_eq!(
            check("src/map/amount.rs", "\nuse std::fs::File;"),
            ["src/map/amount.rs:2: map is pure, but names std::fs"]
        );
        assert_eq!(check("src/poll/tree.rs", "tracing::info!()").len(), 1);
        assert!(check("src/poll/driver.rs", "tracing::info!()").is_empty());
    }
}
