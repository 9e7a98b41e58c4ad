//! `docs/mapping.md` says what the program does: its tables are written by this test and compared.
//!
//! What stands between `<!-- name -->` and `<!-- /name -->` is made from the mapping's tables, the
//! schemas, the golden cases, and the lists beside this file. After a change of any of them,
//! `MAPPING_REWRITE=1 cargo test --release --test golden` writes the page anew: read the diff.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::{env, fs};

use atlar_ingestor::avro::{self, Subject};
use atlar_ingestor::domain::{Entity, Generation};
use atlar_ingestor::map::{self, Field};
use serde_json::Value;

use super::cases::cases;

#[path = "page/lines.rs"]
mod lines;
#[path = "page/rules.rs"]
mod rules;

const PAGE: &str = "docs/mapping.md";
const PREFIX: &str = "com.atlar.spec/";

/// An entity, and the member below which a record lies in it in each generation.
type Place = (Entity, [&'static str; 2]);

/// Records in the order of the page, the entity whose schema has them, and where they lie.
const RECORDS: &[(&str, Entity, &[Place])] = &[
    ("Account", Entity::Account, &[(Entity::Account, ["", ""])]),
    ("Counterparty", Entity::Counterparty, &[(Entity::Counterparty, ["", ""])]),
    (
        "ExternalAccount",
        Entity::Counterparty,
        &[(Entity::Counterparty, ["externalAccounts.", "accounts."])],
    ),
    ("Payment", Entity::Payment, &[(Entity::Payment, ["", ""])]),
    ("ExternalPayment", Entity::ExternalPayment, &[(Entity::ExternalPayment, ["", ""])]),
    (
        "Party",
        Entity::Payment,
        &[
            (Entity::Payment, ["counterpartyDetails.", "counterparty."]),
            (Entity::Payment, ["counterparty.", "counterparty."]),
            (Entity::ExternalPayment, ["sourceExternalAccount.", "source."]),
        ],
    ),
    ("Balance", Entity::Balance, &[(Entity::Balance, ["", ""])]),
    ("Money", Entity::Payment, &[]),
    ("Identifier", Entity::Account, &[]),
    ("Routing", Entity::Account, &[]),
];

/// The schema of a record anywhere in an entity's schema.
fn record_schema(node: &Value, name: &str) -> Option<Value> {
    match node {
        Value::Object(members) if members.get("name").is_some_and(|found| found == name) => {
            Some(node.clone())
        }
        Value::Object(members) => members.values().find_map(|inner| record_schema(inner, name)),
        Value::Array(items) => items.iter().find_map(|inner| record_schema(inner, name)),
        _ => None,
    }
}

fn table_of(record: &str, entity: Entity) -> BTreeMap<&'static str, Field> {
    let inside = map::fields_inside().into_iter().find(|(name, _)| *name == record);
    let fields = inside.map_or_else(|| map::fields(entity), |(_, fields)| fields);
    let name = |field: &Field| field.name.rsplit_once('.').map_or(field.name, |(_, name)| name);
    fields.iter().map(|field| (name(field), *field)).collect()
}

/// The members a field is read from, in order; a mark on those that Atlar does not document.
fn sources(field: Option<&Field>, generation: Generation, places: &[Place]) -> String {
    let paths = field.map_or(&[][..], |field| field.paths(generation));
    let at = usize::from(generation == Generation::V2);
    let source = |path: &&str| {
        let documented = places.iter().any(|(entity, below)| {
            map::is_documented(*entity, generation, &format!("{}{path}", below[at]))
        });
        format!("`{path}`{}", if documented { "" } else { "†" })
    };
    if paths.is_empty() {
        return "—".to_owned();
    }
    paths.iter().map(source).collect::<Vec<_>>().join(", else ")
}

/// What is done with a value of this type unless a rule says more.
fn usual(kind: &Value) -> &'static str {
    let text = kind.to_string();
    match () {
        () if text.contains("timestamp-millis") => "instant, cut to milliseconds",
        () if text.contains("\"date\"") => "day, as sent",
        () if text.contains("\"long\"") => "integer of 64 bits, as sent",
        () => "as sent",
    }
}

fn fields() -> Vec<String> {
    let mut lines = Vec::new();
    let mut used = BTreeSet::new();
    for (record, entity, places) in RECORDS {
        let text = avro::schema_text(Subject::Entity(*entity));
        let schema = record_schema(&serde_json::from_str(text).unwrap(), record).unwrap();
        let table = if places.is_empty() { BTreeMap::new() } else { table_of(record, *entity) };
        lines.push(format!("### {record}"));
        lines.push(String::new());
        lines.push("| field | v1 | v2 | rule |".to_owned());
        lines.push("|---|---|---|---|".to_owned());
        for field in schema["fields"].as_array().unwrap() {
            let name = field["name"].as_str().unwrap();
            let rule = rules::RULES.iter().find(|rule| (rule.0, rule.1) == (record, name));
            used.extend(rule.map(|rule| (rule.0, rule.1)));
            let found = table.get(name);
            let read: [String; 2] =
                match rules::PARTS.iter().find(|part| (part.0, part.1) == (record, name)) {
                    Some(part) => [part.2, part.3].map(str::to_owned),
                    None => [Generation::V1, Generation::V2]
                        .map(|generation| sources(found, generation, places)),
                };
            let read_from_nowhere = read.iter().all(|members| members == "—");
            assert!(rule.is_some() || !read_from_nowhere, "{record}.{name} needs a rule");
            let rule = rule.map_or_else(|| usual(&field["type"]), |rule| rule.2);
            lines.push(format!("| `{name}` | {} | {} | {rule} |", read[0], read[1]));
        }
        lines.push(String::new());
    }
    let rules: BTreeSet<_> = rules::RULES.iter().map(|rule| (rule.0, rule.1)).collect();
    assert_eq!(rules.len(), rules::RULES.len(), "a field has two rules");
    assert_eq!(rules, used, "a rule of no field");
    lines.pop();
    lines
}

fn words() -> Vec<String> {
    let mut lines = vec!["| v1 | v2 |".to_owned(), "|---|---|".to_owned()];
    lines.extend(map::WORDS.iter().map(|(v1, v2)| format!("| `{v1}` | `{v2}` |")));
    lines
}

fn left_out() -> Vec<String> {
    let mut lines = vec!["| of | field | why |".to_owned(), "|---|---|---|".to_owned()];
    for (entity, field, why) in map::LEFT_OUT {
        let entity = entity.map_or("all", Entity::as_str);
        lines.push(format!("| {entity} | `{field}` | {why} |"));
    }
    for (field, why) in map::LEFT_OUT_OF_DIRECT_DEBITS {
        lines.push(format!("| external-payment from `direct-debits` | `{field}` | {why} |"));
    }
    lines
}

/// The documented form of a key.
fn form(key: &str) -> String {
    let key = key.strip_prefix(PREFIX).unwrap();
    let Some(rest) = key.strip_prefix("identifier") else { return key.to_owned() };
    let mut parts: Vec<&str> = rest.split('/').collect();
    let numbered = parts.last().is_some_and(|last| last.parse().is_ok_and(|count: u32| count > 1));
    if numbered {
        parts.pop();
    }
    match parts.as_slice() {
        // A number without a market, a type, or both.
        [""] | ["", _] | ["", _, _] => {
            format!("identifier/<market>/<type>{}", if numbered { "/2" } else { "" })
        }
        _ => key.to_owned(),
    }
}

/// Which keys the golden cases produce, by entity and generation.
fn keys_of_cases() -> BTreeSet<(Entity, Generation, String)> {
    let mut found = BTreeSet::new();
    for case in cases().0 {
        let Ok(mapped) = case.map() else { continue };
        let record = serde_json::to_value(&mapped.record).unwrap();
        for key in record["metadata"].as_object().into_iter().flat_map(|keys| keys.keys()) {
            found.insert((case.entity, case.generation, form(key)));
        }
    }
    found
}

fn metadata_keys() -> Vec<String> {
    let mut lines =
        vec!["| of | key | value | v1 | v2 |".to_owned(), "|---|---|---|---|---|".to_owned()];
    let found = keys_of_cases();
    for (entity, key, value) in rules::KEYS {
        let in_generation = |generation: Generation| {
            let found = found.contains(&(*entity, generation, (*key).to_owned()));
            if found { "yes" } else { "—" }
        };
        let [v1, v2] = [Generation::V1, Generation::V2].map(in_generation);
        lines.push(format!("| {entity} | `{key}` | {value} | {v1} | {v2} |"));
    }
    lines
}

fn connector_page() -> Vec<String> {
    let mut lines =
        vec!["| the page says | where | shown by |".to_owned(), "|---|---|---|".to_owned()];
    for line in lines::LINES {
        let file = |path: &&str| format!("[{path}](../{path})");
        let files: Vec<String> = line.files.iter().map(file).collect();
        let tests: Vec<String> = line.tests.iter().map(|test| format!("`{test}`")).collect();
        lines.push(format!("| {} | {} | {} |", line.says, files.join(", "), tests.join(", ")));
    }
    lines
}

/// The page with a block replaced; none if the page has no such block.
fn with_block(page: &str, name: &str, lines: &[String]) -> Option<String> {
    let (open, close) = (format!("<!-- {name} -->\n"), format!("<!-- /{name} -->"));
    let (before, rest) = page.split_once(&open)?;
    let (_, after) = rest.split_once(&close)?;
    Some(format!("{before}{open}\n{}\n\n{close}{after}", lines.join("\n")))
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[expect(clippy::disallowed_methods, reason = "a switch of this test alone")]
fn rewriting() -> bool {
    env::var_os("MAPPING_REWRITE").is_some()
}

#[test]
fn the_page_says_what_the_tables_say() {
    let path = root().join(PAGE);
    let page = fs::read_to_string(&path).unwrap();
    let blocks = [
        ("fields", fields()),
        ("words", words()),
        ("left out", left_out()),
        ("metadata keys", metadata_keys()),
        ("connector page", connector_page()),
    ];
    let mut expected = page.clone();
    for (name, lines) in &blocks {
        expected = with_block(&expected, name, lines).unwrap_or_else(|| panic!("no block {name}"));
    }
    if rewriting() {
        fs::write(&path, &expected).unwrap();
        return;
    }
    let differs = page.lines().zip(expected.lines()).find(|(page, expected)| page != expected);
    assert!(page == expected, "run with MAPPING_REWRITE=1; the page differs from {differs:?} on");
}

/// Every key of the design is produced by some case, and nothing else is.
#[test]
fn every_metadata_key_is_documented_and_shown() {
    let found: BTreeSet<(Entity, String)> =
        keys_of_cases().into_iter().map(|(entity, _, key)| (entity, key)).collect();
    let documented: BTreeSet<(Entity, String)> =
        rules::KEYS.iter().map(|(entity, key, _)| (*entity, (*key).to_owned())).collect();
    assert_eq!(documented.len(), rules::KEYS.len(), "a key is listed twice");
    assert_eq!(found, documented);
}

/// Rust files of the product and its tests, and the tests in Python, as one text each.
fn sources_of(folder: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let code = path.extension().is_some_and(|ending| ending == "rs" || ending == "py");
        if path.is_dir() {
            sources_of(&path, found);
        } else if code {
            found.push(fs::read_to_string(&path).unwrap());
        }
    }
}

/// The only request that is no reading asks for a bearer token.
#[test]
fn the_client_never_writes_to_atlar() {
    let mut methods = BTreeMap::new();
    for entry in fs::read_dir(root().join("src/atlar")).unwrap() {
        let path = entry.unwrap().path();
        let Ok(text) = fs::read_to_string(&path) else { continue };
        let code = text.split("#[cfg(test)]").next().unwrap();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        for call in ["Method::", ".post(", ".put(", ".patch(", ".delete("] {
            for (at, _) in code.match_indices(call) {
                let rest = &code[at + call.len()..];
                let word: String = rest.chars().take_while(char::is_ascii_uppercase).collect();
                *methods.entry((name.clone(), format!("{call}{word}"))).or_insert(0) += 1;
            }
        }
    }
    let found: Vec<String> =
        methods.iter().map(|((file, call), count)| format!("{file} {call} {count}")).collect();
    assert_eq!(found, ["client.rs Method::GET 1", "grant.rs Method::POST 1"]);
}

/// Tests and files that the page names and that are not there.
fn missing(lines: &[lines::Line], sources: &[String], pending: &[&str]) -> Vec<String> {
    let mut missing = Vec::new();
    for line in lines {
        let exists = |path: &&&str| root().join(path).exists();
        missing
            .extend(line.files.iter().filter(|path| !exists(path)).map(|path| (*path).to_owned()));
        let is_test = |name: &&&str| {
            let defined = [format!("fn {name}("), format!("def {name}(")];
            pending.contains(name)
                || sources.iter().any(|text| defined.iter().any(|words| text.contains(words)))
        };
        missing
            .extend(line.tests.iter().filter(|name| !is_test(name)).map(|name| (*name).to_owned()));
    }
    missing
}

#[test]
fn every_line_of_the_connector_page_names_files_and_tests_that_exist() {
    let mut sources = Vec::new();
    for folder in ["src", "tests"] {
        sources_of(&root().join(folder), &mut sources);
    }
    assert_eq!(missing(lines::LINES, &sources, lines::PENDING), Vec::<String>::new());
    assert!(lines::LINES.len() > 30, "{}", lines::LINES.len());
    let bare = lines::LINES.iter().find(|line| line.tests.is_empty() || line.files.is_empty());
    assert!(bare.is_none(), "{:?} shows nothing", bare.map(|line| line.says));
    let named: Vec<&str> = lines::LINES.iter().flat_map(|line| line.tests).copied().collect();
    for pending in lines::PENDING {
        assert!(named.contains(pending), "{pending} waits for nothing");
    }
}

#[test]
fn what_the_page_names_wrongly_is_found() {
    let line = lines::Line {
        says: "",
        files: &["src/map.rs", "src/gone.rs"],
        tests: &["is_there", "is_gone", "comes_later", "in_python"],
    };
    let sources = ["fn is_there() {}".to_owned(), "def in_python(self):".to_owned()];
    assert_eq!(missing(&[line], &sources, &["comes_later"]), ["src/gone.rs", "is_gone"]);
    assert_eq!(
        with_block("<!-- a -->\nold\n<!-- /a -->\n", "a", &["new".to_owned()]).unwrap(),
        "<!-- a -->\n\nnew\n\n<!-- /a -->\n"
    );
    assert_eq!(with_block("<!-- a -->\nold", "a", &[]), None);
}
