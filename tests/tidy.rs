//! Rules that a tool can check: who imports whom, sizes, words, dependencies, documents, schemas.
//!
//! Each check is a function over given text, with a test of its own that shows it can fail; here
//! they meet the repository. All findings of a check are shown at once.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking, in its helpers too"
)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use source::Source;

#[path = "tidy/documents.rs"]
mod documents;
#[path = "tidy/habits.rs"]
mod habits;
#[path = "tidy/layers.rs"]
mod layers;
#[path = "tidy/packages.rs"]
mod packages;
#[path = "tidy/source.rs"]
mod source;
#[path = "tidy/table.rs"]
mod table;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn output(command: &mut Command) -> String {
    let output = command.current_dir(root()).output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Every file of the repository, those not yet committed included.
fn files() -> Vec<String> {
    let mut git = Command::new("git");
    let listed = output(git.args(["ls-files", "--cached", "--others", "--exclude-standard"]));
    let mut files: Vec<String> = listed.lines().map(str::to_owned).collect();
    files.retain(|path| root().join(path).is_file());
    files.sort();
    files.dedup();
    assert!(files.iter().any(|path| path == "src/lib.rs"), "git lists no files");
    files
}

fn files_ending(ending: &str) -> Vec<String> {
    files().into_iter().filter(|path| path.ends_with(ending)).collect()
}

/// Texts of every kind, by path. What is not UTF-8 is no text.
fn texts() -> Vec<(String, String)> {
    let text =
        |path: String| Some((path.clone(), std::fs::read_to_string(root().join(path)).ok()?));
    files().into_iter().filter_map(text).collect()
}

/// The Rust files below a folder.
fn sources(folder: &str) -> Vec<Source> {
    let paths = files_ending(".rs").into_iter().filter(|path| path.starts_with(folder));
    paths.map(|path| Source::new(&path, &read(&path))).collect()
}

#[track_caller]
fn nothing(found: Vec<String>) {
    assert!(found.is_empty(), "{} finding(s):\n{}", found.len(), found.join("\n"));
}

#[test]
fn modules_import_what_the_table_allows() {
    nothing(layers::check(&sources("src/"), table::LAYERS));
}

#[test]
fn no_new_cycle_arises() {
    let known: BTreeSet<(String, String)> =
        table::KNOTS.iter().map(|(a, b, _)| ((*a).to_owned(), (*b).to_owned())).collect();
    assert_eq!(layers::knots(table::LAYERS), known);
}

#[test]
fn crates_stay_where_they_belong() {
    let sources = sources("src/");
    nothing(layers::check_crates(&sources));
    nothing(layers::paid_debts(&sources));
}

#[test]
fn the_architecture_shows_the_table() {
    let text = read("ARCHITECTURE.md");
    nothing(documents::check_table("ARCHITECTURE.md", &text, "layers", &table::lines()));
}

#[test]
fn files_are_short_and_lines_narrow() {
    nothing(sources("src/").iter().flat_map(habits::check_size).collect());
}

#[test]
fn the_product_does_not_panic() {
    nothing(sources("src/").iter().flat_map(habits::check_fatal).collect());
}

#[test]
fn nothing_is_left_undone() {
    let texts = texts();
    let mut found: Vec<String> =
        texts.iter().flat_map(|(path, text)| habits::check_undone(path, text)).collect();
    found.extend(sources("").iter().flat_map(habits::check_rust_marks));
    nothing(found);
}

#[test]
fn tests_do_not_sleep() {
    let mut found: Vec<String> = sources("").iter().flat_map(habits::check_sleeps).collect();
    for path in files_ending(".py").iter().filter(|path| path.starts_with("tests/")) {
        found.extend(habits::check_python_sleeps(path, &read(path)));
    }
    nothing(found);
}

#[test]
fn dependencies_keep_to_the_rules() {
    // Packages for other systems are neither built nor shipped, and need not be at hand.
    let version = output(Command::new(env!("CARGO")).arg("-vV"));
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["metadata", "--locked", "--offline", "--format-version", "1"]);
    let metadata = output(cargo.args(["--filter-platform", host]));
    let metadata: Value = serde_json::from_str(&metadata).unwrap();
    nothing(packages::check(&metadata, &packages::Rules::parse(&read("deny.toml"))));
}

#[test]
fn each_dependency_is_used_and_has_a_reason() {
    nothing(packages::check_direct(&read("Cargo.toml"), &sources("")));
}

#[test]
fn schemas_explain_themselves() {
    let program = read("src/avro/schema.rs");
    let paths = files_ending(".avsc");
    assert!(!paths.is_empty());
    let found = |path: &String| documents::check_schema(path, &read(path), &program);
    nothing(paths.iter().flat_map(found).collect());
    let schemas: Vec<Value> =
        paths.iter().map(|path| serde_json::from_str(&read(path)).unwrap()).collect();
    let path = "docs/events.md";
    nothing(documents::check_fields(path, &read(path), &schemas));
}

#[test]
fn no_release_holds_crash_points() {
    let mut compiler = Command::new(Path::new(env!("CARGO")).with_file_name("rustc"));
    compiler.args(["--edition", "2024", "--crate-type", "lib", "--emit", "metadata", "-o", "-"]);
    compiler.args(["--cfg", "feature=\"crash-points\"", "-C", "debug-assertions=off"]);
    let said = compiler.arg(root().join("src/crash.rs")).output().unwrap();
    let said = String::from_utf8_lossy(&said.stderr);
    assert!(said.contains("error: the feature crash-points is for tests"), "{said}");
}

#[test]
fn documents_lead_somewhere() {
    let exists = |path: &Path| root().join(path).exists();
    let found = |path: &String| documents::check_links(path, &read(path), exists);
    nothing(files_ending(".md").iter().flat_map(found).collect());
}

#[test]
fn tests_that_pages_name_exist() {
    let mut names = BTreeSet::new();
    for source in sources("tests/") {
        let file = Path::new(&source.path).file_stem().unwrap().to_str().unwrap();
        let words = source.code.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        names.extend(words.map(|word| (file.to_owned(), word.to_owned())));
    }
    let path = "docs/guarantees.md";
    nothing(documents::check_tests(path, &read(path), &names));
}

#[test]
fn the_readme_shows_what_a_newcomer_types() {
    let text = read("README.md");
    let commands = ["cargo run --release -- demo", "./scripts/test"];
    nothing(documents::check_shows("README.md", &text, &commands));
    let help = read("tests/fixtures/config/help/atlar-ingestor_--help.txt");
    nothing(documents::check_help("README.md", &text, &help));
}

#[test]
fn texts_name_no_machine_and_no_package_registry() {
    let texts = texts();
    let checked = texts.iter().filter(|(path, _)| path != "Cargo.lock");
    nothing(checked.flat_map(|(path, text)| documents::check_names(path, text)).collect());
}
