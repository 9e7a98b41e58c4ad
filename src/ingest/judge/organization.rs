//! Whose data this is. Credentials of another workspace, put in by mistake, must not pour one
//! company's data into another's topics.
//!
//! The organisation is a control record, committed no later than the first event. A record that
//! names another one stops the workspace. A record that names none counts only once another record
//! of the same session has named the right one, or was known by its bytes: the answers come from
//! the same account at Atlar.

use bytes::Bytes;

use super::Judge;
use crate::json::Json;
use crate::state::Control;

/// What must stop the workspace before anything of the record is published.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("Atlar answers for another organisation than the one these topics hold")]
    ForeignOrganization,
}

impl Refusal {
    pub fn hint(&self) -> &'static str {
        "check accessKey and secret; another company's data needs its own kafka.topicPrefix"
    }
}

impl Judge {
    /// Lets the first record of a page that names an organisation speak for those around it.
    pub(super) fn ask_for_organization(&mut self, items: &[Bytes]) -> Result<(), Refusal> {
        for item in items {
            if let Ok(json) = Json::parse(item)
                && let Some(organization_id) = json.get("organizationId").text()
            {
                return self.check_organization(Some(organization_id)).map(drop);
            }
        }
        Ok(())
    }

    /// `false`: whether the record is ours is not known yet.
    pub(super) fn check_organization(
        &mut self,
        organization_id: Option<&str>,
    ) -> Result<bool, Refusal> {
        match (&self.organization, organization_id) {
            (_, None) => {
                if !self.confirmed && self.reported.insert("unconfirmed".to_owned()) {
                    tracing::info!(
                        "records that name no organisation wait until another record has named it"
                    );
                }
                Ok(self.confirmed)
            }
            (Some(known), Some(found)) if known == found => {
                self.confirmed = true;
                Ok(true)
            }
            (Some(_), Some(_)) => Err(Refusal::ForeignOrganization),
            (None, Some(found)) => {
                self.organization = Some(found.to_owned());
                self.confirmed = true;
                self.building.push_control(Control::Organization(found.to_owned()));
                Ok(true)
            }
        }
    }
}
