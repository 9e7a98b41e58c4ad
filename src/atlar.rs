//! Atlar's API as a reader needs it: complete listings of its lists, and nothing else.
//!
//! ```text
//! Listing -- page by page --> Client -- one request --> budget (rate, slots) -> proof -> HTTP
//!    |                          | classify: read it, try again, or give up with a reason
//!    |                          +-- page: records cut out of the body, not copied
//!    +-- Complete, or the reason why nothing may be concluded from what is missing
//! ```
//!
//! Knows nothing of what a record means, of Kafka, or of what was read before. Never writes to
//! Atlar, never follows a redirect, never asks for a single record.

mod answer;
mod auth;
mod base;
pub mod budget;
pub mod classify;
mod client;
mod error;
mod grant;
mod listing;
mod observe;
mod page;
pub mod sign;
#[cfg(test)]
mod tests;
mod token;
mod wire;

pub use auth::{Auth, Scheme};
pub use client::{Client, Options, RETRY};
pub use error::{
    Answer, Cause, Error, ErrorBody, NetworkFault, PageError, TokenCause, TokenFault, Unbuildable,
};
pub use listing::{Listing, PAGES_MAX, Step, Stop, Totals, Void};
pub use observe::{Observer, Silent, Waiting};
pub use page::{BodyFault, ListRequest, Page, Split, split};

/// A body larger than this, in bytes after decompression, is no page: 500 records are far below.
pub const BODY_BYTES_MAX: usize = 64_000_000;
