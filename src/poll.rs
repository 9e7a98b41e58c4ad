//! Reading: the workflow as a table ([`tree`]), and the tasks that walk it ([`driver`]).

pub mod driver;
pub mod tree;
