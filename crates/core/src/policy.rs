//! How long things may take and how often they are tried again.

use crate::error::{Result, Validation};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::ops::Deref;
use std::str::FromStr;

/// The numbers of a [`Policy`], not yet checked. Missing ones take their default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PolicyFields {
    /// How often a worker should report, in seconds. 1 to 3,600, shorter than the lease. Default 5.
    #[cfg_attr(feature = "openapi", schema(minimum = 1, maximum = 3600))]
    pub heartbeat_interval_s: u32,
    /// How long a chunk is held without a heartbeat, in seconds. 2 to 86,400. Default 15.
    #[cfg_attr(feature = "openapi", schema(minimum = 2, maximum = 86400))]
    pub lease_duration_s: u32,
    /// How long one attempt may take, in seconds. 1 to 2,592,000 (30 days). Default 3,600.
    #[cfg_attr(feature = "openapi", schema(minimum = 1, maximum = 2592000))]
    pub chunk_timeout_s: u32,
    /// How long the job may take from the creation of its chunks, in seconds; then it is cancelled.
    /// 1 to 315,360,000 (ten years). Default none.
    #[cfg_attr(feature = "openapi", schema(minimum = 1, maximum = 315360000))]
    pub job_deadline_s: Option<u32>,
    /// How often a failed chunk is put back by the service itself. 0 to 1,000. Default 3.
    #[cfg_attr(feature = "openapi", schema(minimum = 0, maximum = 1000))]
    pub max_retries: u32,
    /// The wait before the first retry, in seconds; each further one is four times as long. 0 to 86,400. Default 30.
    #[cfg_attr(feature = "openapi", schema(minimum = 0, maximum = 86400))]
    pub backoff_initial_s: u32,
    /// The longest wait before a retry, in seconds. 0 to 86,400. Default 3,600.
    #[cfg_attr(feature = "openapi", schema(minimum = 0, maximum = 86400))]
    pub backoff_max_s: u32,
    /// How long a dispatched chunk is left to its Celery task before others may start it, in seconds.
    /// 1 to 2,592,000. Default 600.
    #[cfg_attr(feature = "openapi", schema(minimum = 1, maximum = 2592000))]
    pub redispatch_after_s: u32,
    /// Whether sites may refuse the job's images. Default respect.
    pub robots: RobotsPolicy,
}

/// Whether robots.txt (RFC 9309) and the `X-Robots-Tag` of an answer are obeyed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum RobotsPolicy {
    /// What a site refuses is not fetched or not kept.
    #[default]
    Respect,
    /// Nobody is asked: for sites of one's own, or with their owners' consent.
    Ignore,
}

impl RobotsPolicy {
    /// Both.
    pub const ALL: &[Self] = &[Self::Respect, Self::Ignore];

    /// The name in policies, settings and on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Respect => "respect",
            Self::Ignore => "ignore",
        }
    }
}

impl fmt::Display for RobotsPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for RobotsPolicy {
    type Err = crate::Error;

    fn from_str(name: &str) -> Result<Self> {
        let found = Self::ALL.iter().copied().find(|policy| policy.as_str() == name);
        found.ok_or_else(|| crate::Error::invalid("robots", format!("{name:?}"), "respect or ignore"))
    }
}

impl Default for PolicyFields {
    fn default() -> Self {
        Self {
            heartbeat_interval_s: 5,
            lease_duration_s: 15,
            chunk_timeout_s: 3600,
            job_deadline_s: None,
            max_retries: 3,
            backoff_initial_s: 30,
            backoff_max_s: 3600,
            redispatch_after_s: 600,
            robots: RobotsPolicy::Respect,
        }
    }
}

/// A job's policy: [`PolicyFields`] within their ranges. Reads like the fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "PolicyFields", into = "PolicyFields")]
pub struct Policy(PolicyFields);

impl PolicyFields {
    /// # Errors
    /// Validation: a number outside the range its field documents.
    pub fn check_ranges(&self) -> Result<()> {
        const DAY_S: u32 = 86_400;
        let fields = self;
        let mut v = Validation::default();
        let mut within = |field: &str, value: u32, least: u32, most: u32| {
            v.check(
                (least..=most).contains(&value),
                &format!("policy.{field}"),
                value,
                format!("{least} to {most}"),
            );
        };
        within("heartbeat_interval_s", fields.heartbeat_interval_s, 1, 3600);
        within("lease_duration_s", fields.lease_duration_s, 2, DAY_S);
        within("chunk_timeout_s", fields.chunk_timeout_s, 1, 30 * DAY_S);
        if let Some(deadline_s) = fields.job_deadline_s {
            within("job_deadline_s", deadline_s, 1, 3650 * DAY_S);
        }
        within("max_retries", fields.max_retries, 0, 1000);
        within("backoff_initial_s", fields.backoff_initial_s, 0, DAY_S);
        within("backoff_max_s", fields.backoff_max_s, 0, DAY_S);
        within("redispatch_after_s", fields.redispatch_after_s, 1, 30 * DAY_S);
        v.finish()
    }
}

impl Policy {
    /// # Errors
    /// Validation: a number outside the range its field documents, a heartbeat not shorter than the lease.
    pub fn new(fields: PolicyFields) -> Result<Self> {
        let mut v = Validation::default();
        v.take(fields.check_ranges());
        v.check(
            fields.heartbeat_interval_s < fields.lease_duration_s,
            "policy.heartbeat_interval_s",
            fields.heartbeat_interval_s,
            format!("less than lease_duration_s, {}", fields.lease_duration_s),
        );
        v.finish()?;
        Ok(Self(fields))
    }
}

impl Deref for Policy {
    type Target = PolicyFields;

    fn deref(&self) -> &PolicyFields {
        &self.0
    }
}

impl TryFrom<PolicyFields> for Policy {
    type Error = crate::Error;

    fn try_from(fields: PolicyFields) -> Result<Self> {
        Self::new(fields)
    }
}

impl From<Policy> for PolicyFields {
    fn from(policy: Policy) -> Self {
        policy.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_within_their_own_ranges() {
        Policy::new(PolicyFields::default()).unwrap();
    }

    #[test]
    fn a_heartbeat_slower_than_the_lease_is_refused() {
        let fields = PolicyFields { heartbeat_interval_s: 15, ..PolicyFields::default() };
        assert!(Policy::new(fields).unwrap_err().to_string().contains("less than lease_duration_s"));
    }
}
