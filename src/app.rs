//! The only place where the parts are constructed and joined.
//!
//! [`settings`] turns the configuration into what each part takes; [`preflight`] asks the
//! dependencies whether a start makes sense; [`setup`] makes them so; [`workspace`] runs one
//! workspace from its first listing to its last flush; [`host`] runs any number of them, and
//! [`connectors`] keeps those that are installed while it does.

pub mod accept;
pub mod connectors;
pub mod host;
pub mod inspect;
pub mod preflight;
pub mod rebuild;
pub mod settings;
pub mod setup;
pub mod workspace;

pub use crate::ingest::Commands;
pub use settings::Settings;
pub use workspace::Mode;
