//! A broker of one's own, for scenarios that take it down.

use std::process::{Command, Output};

/// A running instance of scripts/services. Dropped, it is stopped, also when a test panics.
pub struct Own {
    name: String,
    bootstrap: String,
    stopped: bool,
}

impl Own {
    pub async fn start() -> Own {
        let name = format!("faults-{}", std::process::id());
        let mut own = Own { name, bootstrap: String::new(), stopped: false };
        own.script(&["start"]).await;
        let printed = own.script(&["env"]).await;
        let printed = String::from_utf8(printed.stdout).unwrap();
        let value = printed.split("KAFKA__BOOTSTRAP_SERVERS='").nth(1).unwrap();
        own.bootstrap = value.split('\'').next().unwrap().to_owned();
        own
    }

    pub fn bootstrap(&self) -> &str {
        &self.bootstrap
    }

    /// `kill`, `stop` or `start` of the only broker.
    pub async fn broker(&self, action: &str) {
        self.script(&["broker", action, "1"]).await;
    }

    pub async fn stop(mut self) {
        self.script(&["stop"]).await;
        self.stopped = true;
    }

    async fn script(&self, words: &[&str]) -> Output {
        let mut command = Command::new(SCRIPT);
        command.args(words).args(["--name", &self.name]);
        let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap();
        let output = output.expect("scripts/services can be started");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "scripts/services {words:?} failed: {said}");
        output
    }
}

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/services");

impl Drop for Own {
    fn drop(&mut self) {
        if !self.stopped {
            let stop = ["stop", "--name", &self.name];
            let _ = Command::new(SCRIPT).args(stop).output();
        }
    }
}
