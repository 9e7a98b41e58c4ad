//! The program as a child process: what it says, how it ends.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::watch;

/// Whoever waits longer for anything has found a defect.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// A line of stderr: of the log, or of the error that ends the process.
#[derive(Debug, Clone)]
pub struct Line {
    /// As written.
    pub raw: String,
    /// The message of a log line; else the line.
    pub text: String,
    pub hint: Option<String>,
}

impl Line {
    fn of(raw: String) -> Line {
        let parsed: Value = serde_json::from_str(&raw).unwrap_or_default();
        let field = |name: &str| parsed[name].as_str().map(str::to_owned);
        Line { text: field("message").unwrap_or_else(|| raw.clone()), hint: field("hint"), raw }
    }
}

/// A running process. Dropped, it is killed.
pub struct Running {
    child: Child,
    said: watch::Receiver<Vec<Line>>,
    listening: Vec<JoinHandle<()>>,
}

/// A process that has ended.
pub struct Ended {
    pub code: Option<i32>,
    pub said: Vec<Line>,
}

/// Starts the program in `folder` with nothing in its environment.
pub fn start(folder: &Path, arguments: &[String], shell: Option<&str>) -> Running {
    let program = env!("CARGO_BIN_EXE_atlar-ingestor");
    let mut command = match shell {
        None => Command::new(program),
        Some(script) => {
            let mut shell = Command::new("/bin/bash");
            shell.args(["-c", script, program, program]);
            shell
        }
    };
    let mut child = command
        .args(arguments)
        .current_dir(folder)
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let (teller, said) = watch::channel(Vec::new());
    let (stdout, stderr) =
        (child.stdout.take().expect("piped"), child.stderr.take().expect("piped"));
    let listening = vec![listen(stdout, teller.clone()), listen(stderr, teller)];
    Running { child, said, listening }
}

fn listen(stream: impl Read + Send + 'static, teller: watch::Sender<Vec<Line>>) -> JoinHandle<()> {
    std::thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            teller.send_modify(|said| said.push(Line::of(line)));
        }
    })
}

impl Drop for Running {
    fn drop(&mut self) {
        // One that has ended is not an error worth hearing of.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Running {
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn said(&self) -> Vec<Line> {
        self.said.borrow().clone()
    }

    /// Waits for a line that fits.
    pub async fn says(&mut self, what: &str, fits: impl Fn(&Line) -> bool) -> Line {
        let heard = self.said.wait_for(|said| said.iter().any(&fits));
        let heard = tokio::time::timeout(PATIENCE, heard).await.ok().and_then(Result::ok);
        match heard.as_ref().and_then(|said| said.iter().find(|line| fits(line)).cloned()) {
            Some(line) => line,
            None => {
                drop(heard);
                panic!("it never said {what}; it said\n{}", text(&self.said()))
            }
        }
    }

    /// Waits for the end.
    pub async fn ended(mut self) -> Ended {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        let mut ticks = tokio::time::interval(Duration::from_millis(20));
        let status = loop {
            ticks.tick().await;
            if let Some(status) = self.child.try_wait().expect("it is our child") {
                break status;
            }
            let late = tokio::time::Instant::now() >= deadline;
            assert!(!late, "it did not end; it said\n{}", text(&self.said()));
        };
        for listening in self.listening.drain(..) {
            listening.join().expect("listening goes on to the end");
        }
        Ended { code: status.code(), said: self.said() }
    }

    /// Asks it to stop, and waits.
    pub async fn stop(self) -> Ended {
        let pid = self.pid().to_string();
        let sent = Command::new("kill").args(["-TERM", &pid]).status();
        assert!(sent.expect("there is a kill").success(), "it had ended before");
        self.ended().await
    }
}

/// Everything said, for a failing test.
pub fn text(said: &[Line]) -> String {
    said.iter().map(|line| format!("    {}\n", line.raw)).collect()
}
