//! What the routes of connectors ask for, answered by the host.

use futures::FutureExt as _;
use futures::future::BoxFuture;
use serde_json::Value;
use uuid::Uuid;

use crate::app::host::{self, Host};
use crate::http::connectors::{Connector, Connectors, Refusal};

/// What a connector without a name is listed as.
const UNNAMED: &str = "atlar";

/// The host as the routes see it.
pub struct Hosted(pub Host);

impl Connectors for Hosted {
    fn install(&self, config: String) -> BoxFuture<'_, Result<String, Refusal>> {
        async move { self.0.install(config).await.map(|id| id.to_string()).map_err(refusal) }
            .boxed()
    }

    fn list(&self) -> Vec<Connector> {
        let connector = |listed: host::Listed| Connector {
            id: listed.id.to_string(),
            name: listed.name.unwrap_or_else(|| UNNAMED.to_owned()),
            provider: Connector::PROVIDER,
            reference: listed.prefix,
            created_at: listed.created_at.to_string(),
            status: Connector::status_of(&listed.phase).to_owned(),
            installed: listed.installed,
        };
        self.0.list().into_iter().map(connector).collect()
    }

    fn config(&self, id: &str) -> Result<Value, Refusal> {
        let workspace = self.0.workspace(parsed(id)?);
        workspace.map(|workspace| workspace.shown()).ok_or_else(|| refusal(host::Refusal::Unknown))
    }

    fn reset(&self, id: &str) -> BoxFuture<'_, Result<(), Refusal>> {
        let id = parsed(id);
        async move { self.0.reset(id?).await.map_err(refusal) }.boxed()
    }

    fn uninstall(&self, id: &str) -> BoxFuture<'_, Result<(), Refusal>> {
        let id = parsed(id);
        async move { self.0.uninstall(id?).await.map_err(refusal) }.boxed()
    }
}

fn parsed(id: &str) -> Result<Uuid, Refusal> {
    id.parse().map_err(|_| refusal(host::Refusal::Unknown))
}

fn refusal(refusal: host::Refusal) -> Refusal {
    let text = refusal.to_string();
    match refusal {
        host::Refusal::Faults(_) => Refusal::Validation(text),
        host::Refusal::Exists(_) | host::Refusal::Configured => Refusal::Conflict(text),
        host::Refusal::Unknown => Refusal::NotFound(text),
        host::Refusal::Stopping | host::Refusal::Busy(_) => Refusal::Unavailable(text),
        host::Refusal::Unwritable(_) => Refusal::Internal(text),
    }
}
