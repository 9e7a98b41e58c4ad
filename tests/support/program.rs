//! The real binary as a child process with an environment of its own.

use std::fmt;
use std::fs::{self, File};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use serde_json::Value;

use super::services;
use super::waiting::wait_for;

/// A process under way. Dropped, it is killed.
pub struct Running {
    child: Child,
    stdout: PathBuf,
    stderr: PathBuf,
}

/// A process that has ended, or what one has said so far.
pub struct Done {
    /// Exit code; minus the number of the signal that ended it.
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

/// Starts a program. Its output goes to files in `folder` that are named after `name`; of the
/// environment it gets `variables` alone.
pub fn start(
    program: &str,
    arguments: &[&str],
    variables: &[(&str, &str)],
    folder: &Path,
    name: &str,
) -> Running {
    let [stdout, stderr] = ["out", "err"].map(|ending| folder.join(format!("{name}.{ending}")));
    let mut command = Command::new(program);
    command.args(arguments).current_dir(folder).env_clear().envs(services::mark());
    command.envs(variables.iter().copied());
    command.stdin(Stdio::null());
    command.stdout(File::create(&stdout).unwrap()).stderr(File::create(&stderr).unwrap());
    let child = command.spawn().unwrap_or_else(|error| panic!("{program}: {error}"));
    Running { child, stdout, stderr }
}

impl Running {
    /// Waits until it ends by itself.
    pub async fn ended(self) -> Done {
        self.ended_meanwhile(|| ()).await
    }

    /// The same, and does something at each look.
    pub async fn ended_meanwhile(mut self, mut deed: impl FnMut()) -> Done {
        let (stdout, stderr) = (self.stdout.clone(), self.stderr.clone());
        let seen = || read(&stderr);
        let look = || {
            deed();
            self.child.try_wait().unwrap()
        };
        let status = wait_for("a process to end", look, seen).await;
        Done { code: code(status), stdout: read(&stdout), stderr: read(&stderr) }
    }

    /// Asks it to stop, as a service manager does, and waits until it has ended in order.
    pub async fn stop(self) {
        self.signal("TERM");
        self.ended().await.ended_with(0);
    }

    /// `kill -9`, and what it had said until then.
    pub fn kill(mut self) -> Done {
        self.child.kill().unwrap();
        let status = self.child.wait().unwrap();
        Done { code: code(status), stdout: read(&self.stdout), stderr: read(&self.stderr) }
    }

    /// Process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal by its name without SIG.
    pub fn signal(&self, name: &str) {
        let id = self.id().to_string();
        let sent = Command::new("sh").args(["-c", "kill -s \"$0\" \"$1\"", name, &id]).status();
        assert!(sent.unwrap().success(), "signal {name}");
    }

    /// What it has said so far. The code is 0.
    pub fn so_far(&self) -> Done {
        Done { code: 0, stdout: read(&self.stdout), stderr: read(&self.stderr) }
    }

    /// Waits for the nth log line (1 is the first) with this message.
    pub async fn says(&mut self, message: &str, nth: usize) -> Value {
        let (child, stdout, stderr) = (&mut self.child, &self.stdout, &self.stderr);
        let seen = || Done { code: 0, stdout: read(stdout), stderr: read(stderr) };
        let look = || {
            let line = seen().log(message).into_iter().nth(nth - 1);
            let ended = child.try_wait().unwrap();
            assert!(ended.is_none() || line.is_some(), "ended without it: {}", seen());
            line
        };
        wait_for(message, look, seen).await
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail for a process that has ended, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Done {
    /// Fails the test unless it ended with this code.
    #[track_caller]
    pub fn ended_with(self, code: i32) -> Done {
        assert_eq!(self.code, code, "{self}");
        self
    }

    /// Fails the test unless what it said for people holds all of these texts.
    #[track_caller]
    pub fn saying(self, texts: &[&str]) -> Done {
        for text in texts {
            assert!(self.stderr.contains(text), "`{text}` is missing: {self}");
        }
        self
    }

    /// The log lines with this message.
    pub fn log(&self, message: &str) -> Vec<Value> {
        let lines = self.stderr.lines().filter_map(|line| serde_json::from_str(line).ok());
        let says = |line: &Value| {
            let said = line["message"].as_str();
            said.is_some_and(|said| said.starts_with(message))
        };
        lines.filter(says).collect()
    }

    /// Events that a `run --once` says it published.
    #[track_caller]
    pub fn published(&self) -> u64 {
        let lines = self.log("every stream was listed once");
        assert_eq!(lines.len(), 1, "{self}");
        lines[0]["events"].as_u64().unwrap()
    }

    /// How the first acquisition went: `used` or `rebuilt`, and records read.
    #[track_caller]
    pub fn acquired(&self) -> (String, u64) {
        let lines = self.log("workspace acquired");
        assert!(!lines.is_empty(), "never acquired: {self}");
        let text = |name: &str| lines[0][name].as_str().unwrap().to_owned();
        (text("store"), lines[0]["records_read"].as_u64().unwrap())
    }
}

impl fmt::Display for Done {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\ncode {}\n--- stdout\n{}\n--- stderr\n{}", self.code, self.stdout, self.stderr)
    }
}

fn code(status: ExitStatus) -> i32 {
    status.code().unwrap_or_else(|| -status.signal().unwrap_or(0))
}

fn read(path: &Path) -> String {
    String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned()
}
