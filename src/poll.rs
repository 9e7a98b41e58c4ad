//! Reading: the workflow as a table ([`tree`]), and the tasks that walk it ([`driver`], [`task`]).

pub mod driver;
pub mod generation;
mod moving;
pub mod sources;
pub mod task;
#[cfg(test)]
mod tests;
pub mod tree;
