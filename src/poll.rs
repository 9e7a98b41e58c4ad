//! Reading: the workflow as a table, and the tasks that walk it.

pub mod tree;
