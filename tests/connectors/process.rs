//! The program as a child process without a broker: what the API of connectors does needs none.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde_json::Value;
use tempfile::TempDir;

/// Generous: a test that waits so long has failed.
const PATIENCE: Duration = Duration::from_secs(60);

pub const BASE: &str = "/api/payments/v3/connectors";
pub const INSTALL: &str = "/api/payments/v3/connectors/install/atlar";

/// The configuration of the processes: nothing listens at the broker's port.
const CONFIG: &str = r#"
[kafka]
bootstrapServers = "127.0.0.1:1"
[http]
listen = "127.0.0.1:0"
[log]
format = "json"
level = "debug"
"#;

pub fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("config.toml"), CONFIG).unwrap();
    folder
}

fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_atlar-ingestor"));
    command.args(["run", "--config", "config.toml"]).args(arguments);
    command.current_dir(folder).env_clear().stdin(Stdio::null());
    command
}

/// Runs it until it ends by itself: exit code and stderr.
pub fn ends(folder: &Path, arguments: &[&str]) -> (i32, String) {
    let output = command(folder, arguments).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    (output.status.code().unwrap(), said)
}

/// A process that serves. Dropped, it is killed.
pub struct Process {
    child: Child,
    said: Arc<Mutex<String>>,
    listening: Option<JoinHandle<()>>,
    address: String,
    pub token: Option<&'static str>,
    client: reqwest::Client,
    /// Every answer's headers and body, to be searched for secrets.
    answers: Mutex<String>,
}

impl Process {
    pub fn start(folder: &Path, arguments: &[&str]) -> Process {
        let mut child = command(folder, arguments)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let said = Arc::new(Mutex::new(String::new()));
        let (found, address): (_, Receiver<String>) = sync_channel(1);
        let listening = std::thread::spawn({
            let said = Arc::clone(&said);
            move || {
                for line in stderr.lines().map_while(Result::ok) {
                    if let Some((_, rest)) = line.split_once("status page at ") {
                        let address = rest.split('/').take(3).collect::<Vec<_>>().join("/");
                        // The address is told once.
                        let _ = found.try_send(address);
                    }
                    let mut said = said.lock().unwrap();
                    said.push_str(&line);
                    said.push('\n');
                }
            }
        });
        let found = address.recv_timeout(PATIENCE);
        let address = found.unwrap_or_else(|_| panic!("no address: {}", said.lock().unwrap()));
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build().unwrap();
        let (listening, answers) = (Some(listening), Mutex::default());
        Process { child, said, listening, address, token: None, client, answers }
    }

    pub fn ask(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.client.request(method, format!("{}{path}", self.address));
        match self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    /// Sends a request, and keeps what was answered.
    pub async fn answer(&self, request: RequestBuilder) -> (StatusCode, Value) {
        let response: Response = request.send().await.unwrap();
        let (status, headers) = (response.status(), format!("{:?}", response.headers()));
        let body = response.text().await.unwrap();
        self.answers.lock().unwrap().push_str(&format!("{headers}\n{body}\n"));
        (status, serde_json::from_str(&body).unwrap_or(Value::String(body)))
    }

    pub async fn get(&self, path: &str) -> (StatusCode, Value) {
        self.answer(self.ask(Method::GET, path)).await
    }

    /// As `curl -H "Content-Type: application/json" -d @config.json` does.
    pub async fn install(&self, body: &Value) -> (StatusCode, Value) {
        let request = self.ask(Method::POST, INSTALL).header("content-type", "application/json");
        self.answer(request.body(body.to_string())).await
    }

    pub async fn delete(&self, id: &str) -> (StatusCode, Value) {
        self.answer(self.ask(Method::DELETE, &format!("{BASE}/{id}"))).await
    }

    pub async fn reset(&self, id: &str) -> (StatusCode, Value) {
        self.answer(self.ask(Method::POST, &format!("{BASE}/{id}/reset"))).await
    }

    pub async fn connectors(&self) -> Vec<Value> {
        let (status, list) = self.get(BASE).await;
        assert_eq!((status, &list["cursor"]["hasMore"]), (StatusCode::OK, &Value::Bool(false)));
        list["cursor"]["data"].as_array().unwrap().clone()
    }

    /// Everything that it has answered and said.
    pub fn shown(&self) -> String {
        self.answers.lock().unwrap().clone() + &self.said.lock().unwrap()
    }

    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks it to stop: exit code, and everything that it said.
    pub fn stop(mut self) -> (i32, String) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        let code = self.child.wait().unwrap().code().unwrap();
        self.listening.take().unwrap().join().unwrap();
        (code, self.shown())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail for a process that has ended, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn read(path: &Path) -> String {
    let mut text = String::new();
    std::fs::File::open(path).unwrap().read_to_string(&mut text).unwrap();
    text
}
