//! Lists that are switched off: a generation that was retired, or what a workspace never had.

use std::collections::BTreeMap;

use super::bank::EditError;
use super::options::{Generation, Generations};
use super::routes::{self, Route};

/// The lists that are off, and what they answer.
#[derive(Default)]
pub(super) struct Offered {
    off: BTreeMap<&'static str, u16>,
}

impl Offered {
    pub(super) fn new(generations: Generations, without: &[String]) -> Result<Offered, EditError> {
        let mut offered = Offered::default();
        match generations {
            Generations::Both => {}
            Generations::V1Only => offered.retire_generation(Generation::V2, 404)?,
            Generations::V2Only => offered.retire_generation(Generation::V1, 404)?,
        }
        for lists in without {
            offered.retire(lists, 404)?;
        }
        Ok(offered)
    }

    /// Switches lists off: a path, or a beginning that ends in `*`.
    pub(super) fn retire(&mut self, lists: &str, status: u16) -> Result<(), EditError> {
        let status = checked(status)?;
        for route in named(lists)? {
            self.off.insert(route.path, status);
        }
        Ok(())
    }

    pub(super) fn retire_generation(
        &mut self,
        generation: Generation,
        status: u16,
    ) -> Result<(), EditError> {
        let status = checked(status)?;
        let routes = routes::all().filter(|route| route.generation == generation && !route.lasting);
        self.off.extend(routes.map(|route| (route.path, status)));
        Ok(())
    }

    pub(super) fn bring_back(&mut self, lists: &str) -> Result<(), EditError> {
        for route in named(lists)? {
            self.off.remove(route.path);
        }
        Ok(())
    }

    /// What the list answers instead of its records.
    pub(super) fn status(&self, route: &Route) -> Option<u16> {
        self.off.get(route.path).copied()
    }

    /// Every list and what it answers: 200 if it is offered.
    pub(super) fn all(&self) -> BTreeMap<&'static str, u16> {
        routes::all().map(|route| (route.path, self.status(route).unwrap_or(200))).collect()
    }
}

fn checked(status: u16) -> Result<u16, EditError> {
    if matches!(status, 404 | 410) { Ok(status) } else { Err(EditError::Status) }
}

/// The lists of this name. Balances may be named for all accounts, as a client asks for them.
fn named(lists: &str) -> Result<Vec<&'static Route>, EditError> {
    let wanted = lists.replace("/-/", "/{id}/");
    let is_meant = |route: &&Route| match wanted.strip_suffix('*') {
        Some(beginning) => route.path.starts_with(beginning),
        None => route.path == wanted,
    };
    let found: Vec<_> = routes::all().filter(is_meant).collect();
    if found.is_empty() { Err(EditError::Unknown("list", lists.to_owned())) } else { Ok(found) }
}
