//! The records of a simulated bank in both generations: what was written by other hands than the
//! mapping's must be understood in each, and mean the same.

use std::collections::BTreeMap;
use std::time::Duration;

use atlar_ingestor::clock::Clock;
use atlar_ingestor::domain::{Entity, ExternalAccount, Generation, Record};
use atlar_ingestor::map::{self, Joined, Mapped};
use atlar_ingestor::simulator::{Options, Simulator, Traps};
use serde_json::Value;
use tokio::net::TcpListener;

use super::cases::parse;

/// Entity, its list in each generation, and the list's name among external payments.
type Lists = (Entity, [&'static str; 2], Option<&'static str>);

const LISTS: [Lists; 5] = [
    (Entity::Account, ["/v1/accounts", "/financial-data/v2/accounts"], None),
    (Entity::Counterparty, ["/v1/counterparties", "/payments/v2/counterparties"], None),
    (Entity::Payment, ["/v1/transactions", "/financial-data/v2/transactions"], None),
    (
        Entity::ExternalPayment,
        ["/v1/external-payments", "/payments/v2/external-payments"],
        Some("external-payments"),
    ),
    (
        Entity::ExternalPayment,
        ["/v1/direct-debits", "/payments/v2/direct-debits"],
        Some("direct-debits"),
    ),
];

struct Bank {
    simulator: Simulator,
    client: reqwest::Client,
    accounts: BTreeMap<String, Vec<ExternalAccount>>,
    third_parties: BTreeMap<String, String>,
}

impl Bank {
    async fn start(traps: Traps) -> Bank {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let options = Options { traps, seed: 7, ..Options::new("key", "secret") };
        let simulator = Simulator::start(listener, options, Clock::system()).await.unwrap();
        // The provider may have been chosen by another test of this process.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut bank = Bank {
            simulator,
            client: reqwest::Client::builder().timeout(Duration::from_secs(20)).build().unwrap(),
            accounts: BTreeMap::new(),
            third_parties: BTreeMap::new(),
        };
        for entry in bank.list("/v1beta/third-parties").await {
            let text = entry.to_string();
            let json = parse(&text);
            let (id, name) = map::third_party(&json).unwrap();
            bank.third_parties.insert(id.to_owned(), name.to_owned());
        }
        for entry in bank.list("/payments/v2/external-accounts").await {
            let text = entry.to_string();
            let (id, account) = map::external_account(&parse(&text), Generation::V2).unwrap();
            bank.accounts.entry(id).or_default().push(account);
        }
        bank
    }

    /// Every record of a list, by id.
    async fn list(&self, path: &str) -> Vec<Value> {
        let (mut found, mut token) = (BTreeMap::new(), String::new());
        loop {
            let url = format!("http://{}{path}?limit=200&token={token}", self.simulator.addr());
            let request = self.client.get(url).basic_auth("key", Some("secret"));
            let page = request.send().await.unwrap().error_for_status().unwrap();
            let page: Value = serde_json::from_slice(&page.bytes().await.unwrap()).unwrap();
            for item in page["items"].as_array().unwrap() {
                found.insert(item["id"].as_str().unwrap().to_owned(), item.clone());
            }
            match page["nextToken"].as_str().filter(|next| !next.is_empty()) {
                Some(next) => token = next.to_owned(),
                None => return found.into_values().collect(),
            }
        }
    }

    fn map(&self, list: &Lists, generation: Generation, item: &Value) -> Mapped {
        let text = item.to_string();
        let json = parse(&text);
        let joined = Joined {
            bank_name: map::third_party_of(&json)
                .and_then(|id| self.third_parties.get(id))
                .map(String::as_str),
            source_resource: list.2,
            external_accounts: self
                .accounts
                .get(item["id"].as_str().unwrap())
                .map_or(&[], Vec::as_slice),
            ..Joined::default()
        };
        map::map(list.0, generation, &json, None, &joined).unwrap()
    }

    /// Every record in both generations.
    async fn pairs(&self) -> Vec<[Mapped; 2]> {
        let mut pairs = Vec::new();
        for list in &LISTS {
            let [v1, v2] = [self.list(list.1[0]).await, self.list(list.1[1]).await];
            assert_eq!(v1.len(), v2.len(), "{list:?}");
            assert!(!v1.is_empty(), "{list:?}");
            for (v1, v2) in v1.iter().zip(&v2) {
                pairs
                    .push([self.map(list, Generation::V1, v1), self.map(list, Generation::V2, v2)]);
            }
        }
        pairs
    }
}

/// What v1 has one word for and v2 several.
fn is_renamed_beyond_the_table(v1: &Record) -> bool {
    match v1 {
        Record::Payment(payment) => payment.reconciled_with_type.as_deref() == Some("PAYMENT"),
        Record::ExternalPayment(debit) => {
            let debits = debit.source_resource.as_deref() == Some("direct-debits");
            debits && debit.raw_status.as_deref() == Some("RECONCILED")
        }
        _ => false,
    }
}

/// The fields in which two records differ.
fn differences(left: &Record, right: &Record) -> Vec<String> {
    let [left, right] = [left, right].map(|record| serde_json::to_value(record).unwrap());
    let left = left.as_object().unwrap().clone().into_iter();
    left.filter(|(name, value)| right[name] != *value)
        .map(|(name, value)| format!("{name}: {value} {}", right[&name]))
        .collect()
}

#[tokio::test]
async fn a_simulated_bank_means_the_same_in_both_generations() {
    let bank = Bank::start(Traps { unknown_values: false, ..Traps::all() }).await;
    let (mut same, mut renamed) = (0, 0);
    for [v1, v2] in bank.pairs().await {
        let verdict = map::same_meaning(&v1.record, &v2.record);
        assert_eq!(verdict, map::same_meaning(&v2.record, &v1.record));
        match is_renamed_beyond_the_table(&v1.record) {
            true => renamed += usize::from(!verdict),
            false => {
                assert!(verdict, "{:#?}", differences(&v1.record, &v2.record));
                same += 1;
            }
        }
    }
    assert!(same > 500 && renamed > 0, "{same} {renamed}");
}

#[tokio::test]
async fn a_tidy_bank_sends_nothing_that_is_not_documented() {
    // Without these two the bank is tidier than Atlar, which leaves members out in v1.
    let traps = Traps { no_version: true, no_updated: true, ..Traps::none() };
    let bank = Bank::start(traps).await;
    for mapped in bank.pairs().await.iter().flatten() {
        assert_eq!(mapped.notes, [], "{:?} {}", mapped.record.entity(), mapped.id);
    }
}
