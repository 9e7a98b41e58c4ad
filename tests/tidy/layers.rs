//! Reads imports out of code and compares them with the table.

use std::collections::{BTreeMap, BTreeSet};

use super::source::{Source, find_word};
use super::table::{CRATE_DEBTS, CRATES, EFFECTS, Layer, PURE};

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
    use crate::table::layer;

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
