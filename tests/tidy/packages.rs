//! Dependencies: licences, bans and sources as `deny.toml` says, and a reason for each.

use std::collections::BTreeMap;

use serde_json::Value;

use super::source::Source;

/// The rules of `deny.toml` that are applied here.
pub struct Rules {
    pub allowed: Vec<String>,
    pub bans: Vec<Ban>,
}

pub struct Ban {
    pub name: String,
    /// The only packages that may depend on it.
    pub wrappers: Vec<String>,
}

impl Rules {
    /// Reads `deny.toml`. A rule in a shape that is not known here is an error, not a pass.
    pub fn parse(text: &str) -> Rules {
        let table: toml::Table = text.parse().unwrap();
        let texts = |value: &toml::Value| -> Vec<String> {
            let items = value.as_array().unwrap().iter();
            items.map(|item| item.as_str().unwrap().to_owned()).collect()
        };
        let bans = table["bans"]["deny"].as_array().unwrap().iter().map(|ban| Ban {
            name: ban["crate"].as_str().unwrap().to_owned(),
            wrappers: ban.get("wrappers").map(texts).unwrap_or_default(),
        });
        Rules { allowed: texts(&table["licenses"]["allow"]), bans: bans.collect() }
    }
}

/// Everything in `cargo metadata` that the rules refuse.
pub fn check(metadata: &Value, rules: &Rules) -> Vec<String> {
    let mut found = Vec::new();
    let packages = metadata["packages"].as_array().unwrap();
    let mut names: BTreeMap<&str, &str> = BTreeMap::new();
    for package in packages {
        let name = package["name"].as_str().unwrap();
        names.insert(package["id"].as_str().unwrap(), name);
        match package["license"].as_str() {
            None => found.push(format!("{name}: no licence")),
            Some(licence) if satisfied(licence, &rules.allowed) => {}
            Some(licence) => found.push(format!("{name}: licence {licence} is not allowed")),
        }
        match package["source"].as_str() {
            None | Some(REGISTRY) => {}
            Some(source) => found.push(format!("{name}: unknown source {source}")),
        }
    }
    for node in metadata["resolve"]["nodes"].as_array().unwrap() {
        let from = names[node["id"].as_str().unwrap()];
        for dependency in node["deps"].as_array().unwrap() {
            let to = names[dependency["pkg"].as_str().unwrap()];
            let ban = rules.bans.iter().find(|ban| ban.name == to);
            if ban.is_some_and(|ban| !ban.wrappers.iter().any(|wrapper| wrapper == from)) {
                found.push(format!("{from} depends on {to}, which is banned"));
            }
        }
    }
    found
}

const REGISTRY: &str = concat!("registry+https://github.com/rust-lang/", "crates", ".io-index");

/// Whether a licence expression can be met by what is allowed.
pub fn satisfied(expression: &str, allowed: &[String]) -> bool {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let tokens: Vec<&str> = spaced.split_whitespace().collect();
    let mut reader = Expression { tokens: &tokens, at: 0, allowed };
    let met = reader.alternatives();
    met && reader.at == tokens.len()
}

struct Expression<'a> {
    tokens: &'a [&'a str],
    at: usize,
    allowed: &'a [String],
}

impl Expression<'_> {
    fn take(&mut self, word: &str) -> bool {
        let here = self.tokens.get(self.at) == Some(&word);
        self.at += usize::from(here);
        here
    }

    fn alternatives(&mut self) -> bool {
        let mut met = self.all();
        while self.take("OR") {
            met |= self.all();
        }
        met
    }

    fn all(&mut self) -> bool {
        let mut met = self.one();
        while self.take("AND") {
            met &= self.one();
        }
        met
    }

    fn one(&mut self) -> bool {
        if self.take("(") {
            let met = self.alternatives();
            return self.take(")") && met;
        }
        let mut name = self.tokens.get(self.at).copied().unwrap_or_default().to_owned();
        self.at += 1;
        if self.take("WITH") {
            let exception = self.tokens.get(self.at).copied().unwrap_or_default();
            name = format!("{name} WITH {exception}");
            self.at += 1;
        }
        self.allowed.contains(&name)
    }
}

/// Direct dependencies that nothing uses, that say no reason, or that take any version.
pub fn check_direct(manifest: &str, sources: &[Source]) -> Vec<String> {
    let table: toml::Table = manifest.parse().unwrap();
    let mut found = Vec::new();
    for section in ["dependencies", "dev-dependencies"] {
        let Some(dependencies) = table.get(section).and_then(toml::Value::as_table) else {
            continue;
        };
        for (name, value) in dependencies {
            let version =
                value.as_str().or_else(|| value.get("version").and_then(toml::Value::as_str));
            if version.is_none_or(|version| version.contains('*')) {
                found.push(format!("{name}: which version?"));
            }
            if !has_reason(manifest, section, name) {
                found.push(format!("{name}: {section} without a reason beside it"));
            }
            let path = name.replace('-', "_");
            if !sources.iter().any(|source| uses(&source.code, &path)) {
                found.push(format!("{name}: nothing uses it"));
            }
        }
    }
    found
}

/// Whether the line of a dependency ends in a comment, or the line before it is one.
fn has_reason(manifest: &str, section: &str, name: &str) -> bool {
    let header = format!("[{section}]");
    let lines = manifest.lines().skip_while(|line| *line != header).skip(1);
    let mut before = "";
    for line in lines.take_while(|line| !line.starts_with('[')) {
        if line.split([' ', '=']).next() == Some(name) {
            // A `#` inside a text, as in a version, is no comment.
            let mut hashes = line.match_indices(" # ").map(|(at, _)| at);
            let beside = hashes.any(|at| line[..at].matches('"').count() % 2 == 0);
            return beside || before.starts_with("# ");
        }
        before = line;
    }
    false
}

fn uses(code: &str, path: &str) -> bool {
    code.match_indices(path).any(|(at, _)| {
        let before = code[..at].chars().next_back();
        let after = &code[at + path.len()..];
        let whole = !before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':');
        let named = after.starts_with("::") || after.starts_with('!');
        whole && (named || (after.starts_with([';', ' ', ',']) && code[..at].ends_with("use ")))
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn rules() -> Rules {
        Rules::parse(
            r#"
            [licenses]
            allow = ["MIT", "ISC", "Apache-2.0 WITH LLVM-exception"]
            [bans]
            deny = [{ crate = "bad" }, { crate = "wrapped", wrappers = ["wrapper"] }]
            "#,
        )
    }

    #[test]
    fn licence_expressions() {
        let allowed = rules().allowed;
        for good in [
            "MIT",
            "GPL-3.0 OR MIT",
            "GPL-3.0/MIT",
            "MIT AND ISC",
            "(MIT OR GPL-3.0) AND ISC",
            "Apache-2.0 WITH LLVM-exception OR GPL-3.0",
        ] {
            assert!(satisfied(good, &allowed), "{good}");
        }
        for bad in [
            "GPL-3.0",
            "MIT AND GPL-3.0",
            "GPL-3.0 OR MIT AND LGPL-3.0",
            "Apache-2.0",
            "Apache-2.0 WITH GCC-exception",
            "MIT MIT",
            "(MIT",
            "",
        ] {
            assert!(!satisfied(bad, &allowed), "{bad}");
        }
    }

    #[test]
    fn refused_packages_are_found() {
        let package = |name: &str, license: Value, source: Value| json!({"id": name, "name": name, "license": license, "source": source});
        let metadata = json!({
            "packages": [
                package("ours", json!("MIT"), json!(null)),
                package("bad", json!("MIT"), json!(REGISTRY)),
                package("wrapped", json!("MIT"), json!(REGISTRY)),
                package("wrapper", json!("GPL-3.0"), json!(REGISTRY)),
                package("bare", json!(null), json!("git+https://example.org/bare")),
            ],
            "resolve": {"nodes": [
                {"id": "ours", "deps": [{"pkg": "bad"}, {"pkg": "wrapped"}, {"pkg": "wrapper"}]},
                {"id": "wrapper", "deps": [{"pkg": "wrapped"}]},
            ]},
        });
        assert_eq!(
            check(&metadata, &rules()),
            [
                "wrapper: licence GPL-3.0 is not allowed",
                "bare: no licence",
                "bare: unknown source git+https://example.org/bare",
                "ours depends on bad, which is banned",
                "ours depends on wrapped, which is banned",
            ]
        );
    }

    #[test]
    fn dependencies_without_use_or_reason_are_found() {
        let manifest = "[dependencies]\na-b = \"1\" # \"why\"\n# why\nc = { version = \"1\" }\nd = \"*\"\n\
                        [dev-dependencies]\ne = \"1 # 2\"\n";
        let sources = [Source::new("src/x.rs", "use a_b::B; // d::\nc!(); e::f()")];
        assert_eq!(
            check_direct(manifest, &sources),
            [
                "d: which version?",
                "d: dependencies without a reason beside it",
                "d: nothing uses it",
                "e: dev-dependencies without a reason beside it"
            ]
        );
    }
}
