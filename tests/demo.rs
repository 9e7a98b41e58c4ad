//! The demo as a newcomer meets it: one command, events on the screen, a clean end.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests may fail")]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::Value;

/// For the next line, not for the whole: a slow machine only makes the test slower.
const LINE_TIMEOUT: Duration = Duration::from_secs(60);

struct Demo {
    child: Child,
    lines: Receiver<String>,
    stderr: Option<JoinHandle<String>>,
}

impl Demo {
    fn start(arguments: &[&str]) -> Demo {
        let mut child = Command::new(env!("CARGO_BIN_EXE_atlar-ingestor"))
            .args(["demo", "--listen", "127.0.0.1:0"])
            .args(arguments)
            .env_clear()
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = sync_channel(1000);
        std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                // The test has seen enough: let the program go on writing.
                let _ = sender.send(line);
            }
        });
        let mut stderr = child.stderr.take().unwrap();
        let stderr = std::thread::spawn(move || {
            let mut text = String::new();
            stderr.read_to_string(&mut text).unwrap();
            text
        });
        Demo { child, lines, stderr: Some(stderr) }
    }

    fn line(&self) -> String {
        self.lines.recv_timeout(LINE_TIMEOUT).expect("the demo says nothing more")
    }

    fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([name, &pid]).status().unwrap().success());
    }

    /// What is left of stdout, the exit code and stderr.
    fn end(mut self) -> (Vec<String>, Option<i32>, String) {
        let mut rest = Vec::new();
        loop {
            match self.lines.recv_timeout(LINE_TIMEOUT) {
                Ok(line) => rest.push(line),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => panic!("the demo does not end"),
            }
        }
        let code = self.child.wait().unwrap().code();
        let stderr = self.stderr.take().map(|thread| thread.join().unwrap());
        (rest, code, stderr.unwrap_or_default())
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        // Only after a failed test is it still there.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn shows_the_life_of_a_bank_as_events_that_come_once() {
    let demo = Demo::start(&["--rate", "10/s", "-o", "json"]);
    let mut lines = Vec::new();
    let mut changes = 0;
    // The first load is all `r`; what the bank does after it arrives as `c` and `u`.
    while changes < 10 {
        let line = demo.line();
        let event: Value = serde_json::from_str(&line).unwrap();
        changes += usize::from(matches!(event["value"]["op"].as_str(), Some("c" | "u")));
        lines.push(line);
    }
    demo.signal("-INT");
    let (rest, code, stderr) = demo.end();
    lines.extend(rest);
    assert_eq!(code, Some(0), "{stderr}");
    assert!(stderr.contains("status page: http://127.0.0.1:"), "{stderr}");
    assert!(stderr.trim_end().ends_with("stopped"), "{stderr}");
    assert!(!stderr.contains("panicked"), "{stderr}");

    let mut last: BTreeMap<(String, String), i64> = BTreeMap::new();
    for line in &lines {
        let event: Value = serde_json::from_str(line).unwrap();
        let value = &event["value"];
        let key = (event["topic"].as_str().unwrap(), event["key"].as_str().unwrap());
        let change_no = value["source"]["change_no"].as_i64().unwrap();
        let before = last.insert((key.0.into(), key.1.into()), change_no).unwrap_or(0);
        assert_eq!(change_no, before + 1, "{key:?}");
        assert_eq!(event["headers"]["ce_specversion"], "1.0");
    }
    for entity in ["account", "counterparty", "payment", "external-payment"] {
        let topic = format!("atlar.{entity}");
        assert!(last.keys().any(|(name, _)| *name == topic), "nothing on {topic}");
    }
}

#[test]
fn tells_people_what_happens_and_ends_by_itself() {
    let demo = Demo::start(&["--rate", "20/s", "--for", "6s"]);
    let (lines, code, stderr) = demo.end();
    assert_eq!(code, Some(0), "{stderr}");
    assert!(lines.iter().any(|line| line.contains("  bank  ")), "nothing of the bank");
    assert!(lines.iter().any(|line| line.contains("  r  payment  ")), "no event");
}

#[test]
fn a_port_in_use_is_one_error_with_a_hint() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = Command::new(env!("CARGO_BIN_EXE_atlar-ingestor"))
        .args(["demo", "--listen", &address])
        .env_clear()
        .output()
        .unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(4), "{stderr}");
    assert!(stderr.contains(&format!("cannot listen on {address}")), "{stderr}");
    assert!(stderr.contains("hint: "), "{stderr}");
}
