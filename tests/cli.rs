//! The program from outside: help texts, exit codes, streams, and that nothing shows a secret.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test they help")]

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

const PROGRAM: &str = env!("CARGO_BIN_EXE_atlar-ingestor");
const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/config");

/// The program in an empty folder with an empty environment.
fn program(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(PROGRAM);
    command.args(arguments).env_clear().current_dir(folder).stdin(Stdio::null());
    command
}

fn run(arguments: &[&str]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    program(folder.path(), arguments).output().unwrap()
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn fixture(name: &str) -> String {
    format!("{FIXTURES}/{name}")
}

#[test]
fn help_texts_are_those_beside_the_test() {
    let mut wrong = Vec::new();
    let commands: &[&[&str]] = &[
        &["--help"],
        &["-h"],
        &["run", "--help"],
        &["setup", "-h"],
        &["tail", "--help"],
        &["demo", "-h"],
        &["simulate", "-h"],
        &["state", "-h"],
        &["state", "inspect", "-h"],
        &["state", "export", "-h"],
        &["state", "rebuild", "--help"],
        &["state", "accept-generation", "--help"],
        &["config", "-h"],
        &["config", "print", "-h"],
        &["config", "validate", "-h"],
    ];
    for arguments in commands {
        let output = run(arguments);
        assert_eq!((code(&output), stderr(&output).as_str()), (0, ""), "{arguments:?}");
        let name = format!("atlar-ingestor_{}.txt", arguments.join("_"));
        let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        std::fs::write(&kept, stdout(&output)).unwrap();
        let expected = PathBuf::from(fixture("help")).join(kept.file_name().unwrap());
        if std::fs::read_to_string(&expected).unwrap_or_default() != stdout(&output) {
            wrong.push(format!("cp {} {}", kept.display(), expected.display()));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn the_version_is_the_package_s() {
    let output = run(&["--version"]);
    assert_eq!(stdout(&output), format!("atlar-ingestor {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn a_command_line_that_is_wrong_ends_in_2() {
    let check = |arguments: &[&str], expected: &str| {
        let output = run(arguments);
        let shown = stderr(&output);
        assert_eq!((code(&output), stdout(&output).as_str()), (2, ""), "{arguments:?} {shown}");
        assert!(shown.contains(expected), "{arguments:?}: {shown}");
    };
    check(&[], "Usage: atlar-ingestor");
    check(&["simulat"], "a similar subcommand exists: 'simulate'");
    check(&["run", "--onec"], "'--once'");
    check(&["run", "--set", "pageSize"], "expected KEY=VALUE");
    check(&["run", "--drain-timeout", "30"], "30s");
    check(&["tail", "--last", "3", "--from", "end"], "cannot be used with");
    check(&["tail", "--from", "middle"], "expected beginning, end, or -20");
    check(&["simulate", "--rate", "5"], "expected a rate like 5/s");
    check(&["simulate", "--accounts", "0"], "1..=100000");
    check(&["simulate", "--secret-file", "x"], "--access-key-file");
    check(&["config", "print", "-o", "yaml"], "text, json");
}

#[test]
fn faults_end_in_3_with_nothing_on_stdout() {
    let output = run(&["config", "validate", "--config", &fixture("faults/many.toml")]);
    assert_eq!((code(&output), stdout(&output).as_str()), (3, ""));
    let shown = stderr(&output);
    assert!(shown.contains("many.toml:2:1") && shown.contains("14 faults"), "{shown}");
    assert!(shown.lines().last().unwrap().starts_with("hint: "), "{shown}");

    let faulty = fixture("faults/many.toml");
    let output = run(&["-o", "json", "config", "validate", "--config", &faulty]);
    assert_eq!(code(&output), 3);
    let json: serde_json::Value = serde_json::from_str(&stderr(&output)).unwrap();
    assert_eq!(json["code"], 3);
    assert_eq!(json["message"], "the configuration has 14 faults");
    assert_eq!(json["details"].as_array().unwrap().len(), 14);
    assert!(json["hint"].is_string());
}

#[test]
fn validate_says_that_there_are_no_faults() {
    let valid = fixture("valid/connector-page.json");
    let output = run(&["config", "validate", "--config", &valid]);
    assert_eq!((code(&output), stderr(&output).as_str()), (0, ""));
    assert_eq!(stdout(&output), format!("{valid}: no faults\n"));
    let output = run(&["config", "validate", "--config", &valid, "-o", "json"]);
    let json: serde_json::Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!(json, serde_json::json!({"faults": 0, "file": valid}));
}

#[test]
fn the_file_is_found_by_flag_then_variable_then_name() {
    let folder = tempfile::tempdir().unwrap();
    let origin = |command: &mut Command| {
        let output = command.output().unwrap();
        assert_eq!(code(&output), 0, "{}", stderr(&output));
        let printed = stdout(&output);
        printed.lines().find(|line| line.starts_with("pageSize")).unwrap().to_owned()
    };
    let write = |name: &str, size: u32| {
        std::fs::write(folder.path().join(name), format!("pageSize = {size}\n")).unwrap();
    };
    let print = ["config", "print"];
    let line = origin(&mut program(folder.path(), &print));
    assert!(line.starts_with("pageSize = 25") && line.ends_with("# default"), "{line}");
    write("atlar-ingestor.toml", 31);
    let line = origin(&mut program(folder.path(), &print));
    assert!(line.ends_with("# ./atlar-ingestor.toml:1") && line.contains(" 31 "), "{line}");
    write("b.toml", 32);
    let line = origin(program(folder.path(), &print).env("ATLAR_INGESTOR_CONFIG", "b.toml"));
    assert!(line.ends_with("# b.toml:1"), "{line}");
    write("c.toml", 33);
    let named = ["config", "print", "--config", "c.toml"];
    let line = origin(program(folder.path(), &named).env("ATLAR_INGESTOR_CONFIG", "b.toml"));
    assert!(line.ends_with("# c.toml:1"), "{line}");
    let line = origin(program(folder.path(), &named).env("ATLAR_INGESTOR_PAGE_SIZE", "34"));
    assert!(line.ends_with("# ATLAR_INGESTOR_PAGE_SIZE"), "{line}");
    let flag = ["config", "print", "--set", "pageSize=35"];
    let line = origin(program(folder.path(), &flag).env("ATLAR_INGESTOR_PAGE_SIZE", "34"));
    assert!(line.ends_with("# --set pageSize") && line.contains(" 35 "), "{line}");
}

#[test]
fn print_hides_secrets_and_can_be_read_back() {
    let file = fixture("valid/full.toml");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let output = program(folder, &["config", "print", "--config", &file]).output().unwrap();
    assert_eq!((code(&output), stderr(&output).as_str()), (0, ""));
    let printed = stdout(&output);
    assert!(!printed.contains("hunter") && !printed.contains("pässwörd"), "{printed}");
    assert!(printed.contains("# secret = *** ") && printed.contains("full.toml:2"), "{printed}");

    // The secrets are commented out; the rest says the same as the file did.
    let scratch = tempfile::tempdir().unwrap();
    let again = scratch.path().join("again.toml");
    std::fs::write(&again, &printed).unwrap();
    let values = |path: &str| {
        let arguments = ["config", "print", "-o", "json", "--config", path];
        let output = program(folder, &arguments)
            .env("ATLAR_INGESTOR_REGISTRY__PASSWORD", "hunter5")
            .env("ATLAR_INGESTOR_HTTP__ADMIN_TOKEN", "hunter6")
            .output()
            .unwrap();
        assert_eq!(code(&output), 0, "{}", stderr(&output));
        let json: serde_json::Value = serde_json::from_str(&stdout(&output)).unwrap();
        let keys = json["keys"].as_array().unwrap().clone();
        keys.into_iter()
            .filter(|key| key["value"] != "***")
            .map(|key| format!("{} {}", key["key"], key["value"]))
            .collect::<Vec<_>>()
    };
    let unset = |line: &String| !line.contains("eyPassword\"") && !line.starts_with("\"secret\"");
    let (first, second) = (values(&file), values(again.to_str().unwrap()));
    assert!(first.len() > 60, "{first:?}");
    assert_eq!(first, second.into_iter().filter(unset).collect::<Vec<_>>());
}

#[test]
fn print_shows_what_is_in_force_also_when_there_are_faults() {
    let output = run(&["config", "print", "--set", "pagesize=9", "--set", "log.level=debug"]);
    assert_eq!(code(&output), 3);
    assert!(stdout(&output).contains("log.level = \"debug\""));
    assert!(stderr(&output).contains("did you mean `pageSize`?"));
}

#[test]
fn kubernetes_service_links_do_no_harm() {
    let folder = tempfile::tempdir().unwrap();
    let output = program(folder.path(), &["config", "print"])
        .env("ATLAR_INGESTOR_SERVICE_HOST", "10.0.0.1")
        .env("ATLAR_INGESTOR_PORT_8080_TCP_ADDR", "10.0.0.1")
        .output()
        .unwrap();
    assert_eq!(code(&output), 0, "{}", stderr(&output));
}

#[test]
fn colours_only_when_wanted() {
    let check = |arguments: &[&str], colored: bool| {
        let shown = stderr(&run(arguments));
        assert_eq!(shown.contains("\u{1b}["), colored, "{arguments:?}: {shown:?}");
    };
    check(&["config", "validate"], false);
    check(&["config", "validate", "--color", "always"], true);
    check(&["config", "validate", "--color", "never"], false);
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = program(folder.path(), &["config", "print"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((code(&output), stderr(&output).as_str()), (0, ""));
}

#[test]
fn a_full_disk_is_an_error() {
    let Ok(full) = std::fs::OpenOptions::new().write(true).open("/dev/full") else { return };
    let folder = tempfile::tempdir().unwrap();
    let mut command = program(folder.path(), &["config", "print"]);
    let output = command.stdout(full).stderr(Stdio::piped()).output().unwrap();
    assert_eq!(code(&output), 4);
    assert!(stderr(&output).contains("cannot write to standard output"));
}

#[test]
fn a_secret_file_may_be_a_pipe() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["config", "validate", "--set", "secretFile=/dev/stdin"];
    let mut child = program(folder.path(), &arguments)
        .env("ATLAR_INGESTOR_ACCESS_KEY", "AK")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"hunter2\n").unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(code(&output), 0, "{}", stderr(&output));
}
