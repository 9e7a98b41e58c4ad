//! The simulator over real sockets, as a client and a checker see it.

mod answers;
mod early;
mod edits;
mod faults;
mod generations;
mod oauth;
mod paging;
mod switches;

use reqwest::{Client, Response};
use serde_json::Value;
use tokio::net::TcpListener;

use super::*;

const KEY: &str = "key-1";
const SECRET: &str = "s3cret-Å";
/// 3 February 2026, 09:15:27.104 UTC.
const NOW_MS: i64 = 1_770_110_127_104;

/// Every list that needs no id in its path.
const LISTS: [(&str, Kind); 16] = [
    ("/v1/accounts", Kind::Account),
    ("/v1beta/third-parties", Kind::ThirdParty),
    ("/v1/counterparties", Kind::Counterparty),
    ("/v1/external-accounts", Kind::ExternalAccount),
    ("/v1/transactions", Kind::Transaction),
    ("/v1/direct-debits", Kind::DirectDebit),
    ("/v1/external-payments", Kind::ExternalPayment),
    ("/v1/expected-transactions", Kind::ExternalPayment),
    ("/financial-data/v2/accounts", Kind::Account),
    ("/financial-data/v2/accounts/-/balances", Kind::Balance),
    ("/financial-data/v2/transactions", Kind::Transaction),
    ("/financial-data/v2/pending-transactions", Kind::PendingTransaction),
    ("/payments/v2/counterparties", Kind::Counterparty),
    ("/payments/v2/external-accounts", Kind::ExternalAccount),
    ("/payments/v2/direct-debits", Kind::DirectDebit),
    ("/payments/v2/external-payments", Kind::ExternalPayment),
];

struct Bench {
    simulator: Simulator,
    base: String,
    client: Client,
}

fn options(seed: u64) -> Options {
    Options { seed, ..Options::new(KEY, SECRET) }
}

fn fixed_clock() -> Clock {
    Clock::from_fn(|| NOW_MS)
}

async fn bench(options: Options) -> Bench {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let simulator = Simulator::start(listener, options, fixed_clock()).await.unwrap();
    // The provider may have been chosen by another test of this process.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = Client::builder().timeout(Duration::from_secs(20)).build().unwrap();
    Bench { base: format!("http://{}", simulator.addr()), simulator, client }
}

impl Bench {
    fn world(&self) -> World {
        self.simulator.world()
    }

    async fn get(&self, path: &str) -> Response {
        let url = format!("{}{path}", self.base);
        self.client.get(url).basic_auth(KEY, Some(SECRET)).send().await.unwrap()
    }

    async fn json(&self, path: &str) -> (u16, Value) {
        let answer = self.get(path).await;
        let status = answer.status().as_u16();
        (status, serde_json::from_str(&answer.text().await.unwrap()).unwrap())
    }

    async fn send(&self, method: &str, path: &str, body: &str) -> (u16, Value) {
        let url = format!("{}{path}", self.base);
        let request = self.client.request(method.parse().unwrap(), url);
        let request = request.header("content-type", "application/json").body(body.to_owned());
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        (status, serde_json::from_str(&answer.text().await.unwrap()).unwrap())
    }

    /// All pages of a list, until no next token is given.
    async fn pages(&self, path: &str) -> Vec<Value> {
        let mut pages = Vec::new();
        let mut token = String::new();
        loop {
            let mark = if path.contains('?') { '&' } else { '?' };
            let token_text = encoded(&token);
            let (status, page) = self.json(&format!("{path}{mark}token={token_text}")).await;
            assert_eq!(status, 200, "{page}");
            token = page["nextToken"].as_str().unwrap_or("").to_owned();
            pages.push(page);
            assert!(pages.len() < 5000, "{path} does not end");
            if token.is_empty() {
                return pages;
            }
        }
    }
}

fn encoded(token: &str) -> String {
    token.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D")
}

/// Ids in the order in which they were served.
fn ids(pages: &[Value]) -> Vec<String> {
    let items = pages.iter().flat_map(|page| page["items"].as_array().unwrap());
    items.map(|item| item["id"].as_str().unwrap().to_owned()).collect()
}

fn sorted(mut ids: Vec<String>) -> Vec<String> {
    ids.sort();
    ids
}
