//! A simulated bank inside the test, and what must be on the topics when all of it was published.

use std::collections::BTreeMap;

use atlar_ingestor::clock::Clock;
use atlar_ingestor::domain::Entity;
use atlar_ingestor::simulator::{Kind, Options, Simulator, World};
use tokio::net::TcpListener;

pub const ACCESS_KEY: &str = "key-of-the-tests";
pub const SECRET: &str = "secret-of-the-tests";

/// The entity that a kind of record is published as.
pub const PUBLISHED: [(Kind, Entity); 4] = [
    (Kind::Account, Entity::Account),
    (Kind::Counterparty, Entity::Counterparty),
    (Kind::Transaction, Entity::Payment),
    (Kind::ExternalPayment, Entity::ExternalPayment),
];

pub struct Bank {
    simulator: Simulator,
}

impl Bank {
    /// A still bank with some 80 records and every habit that misleads a naive reader.
    pub async fn small() -> Bank {
        Bank::start(small()).await
    }

    pub async fn start(options: Options) -> Bank {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Bank { simulator: Simulator::start(listener, options, Clock::system()).await.unwrap() }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.simulator.addr())
    }

    pub fn world(&self) -> World {
        self.simulator.world()
    }

    /// Every record that must be published: entity and id, with its present version.
    pub fn truth(&self) -> BTreeMap<(Entity, String), u32> {
        let world = self.world();
        let mut truth = BTreeMap::new();
        for (kind, entity) in PUBLISHED {
            for id in world.ids(kind) {
                let version = world.get(kind, &id).unwrap().version;
                truth.insert((entity, id), version);
            }
        }
        truth.extend(self.balances());
        truth
    }

    /// The balances that v1 embeds in its accounts.
    pub fn balances(&self) -> BTreeMap<(Entity, String), u32> {
        let world = self.world();
        let embedded = |id: String| {
            let payload = world.get(Kind::Account, &id)?.payload;
            let balance = payload.get("balance").filter(|balance| balance.is_object())?;
            let version = u32::try_from(balance["version"].as_u64()?).ok()?;
            let kind = balance["type"].as_str()?;
            Some(((Entity::Balance, format!("{id}/{kind}")), version))
        };
        world.ids(Kind::Account).into_iter().filter_map(embedded).collect()
    }

    /// Some id of a kind; another number, another id.
    pub fn some(&self, kind: Kind, number: usize) -> String {
        self.world().ids(kind)[number].clone()
    }
}

pub fn small() -> Options {
    Options {
        accounts: 3,
        counterparties: 8,
        transactions_per_account: 20,
        external_payments: 6,
        ..Options::new(ACCESS_KEY, SECRET)
    }
}
