//! What a client tells while it waits, for status pages.

use std::time::Duration;

use super::error::Cause;
use super::page::ListRequest;

/// A request failed in passing and is tried again after `delay`.
#[derive(Debug)]
pub struct Waiting<'a> {
    pub list: &'a ListRequest,
    /// What it waits for to go away.
    pub cause: &'a Cause,
    pub delay: Duration,
    /// The attempt that failed, from 1.
    pub attempt: u32,
    pub attempts: u32,
}

/// Is told of waits. Called from the reading task: must not block.
pub trait Observer: Send + Sync {
    fn waiting(&self, waiting: &Waiting<'_>);

    /// The list that waited answers again, or was given up.
    fn settled(&self, list: &ListRequest);
}

/// Listens to nothing.
#[derive(Debug, Clone, Copy)]
pub struct Silent;

impl Observer for Silent {
    fn waiting(&self, _: &Waiting<'_>) {}

    fn settled(&self, _: &ListRequest) {}
}
