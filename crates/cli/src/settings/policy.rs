//! The policy of new jobs.

use super::{Layers, Row, Setting, whole};
use crate::failure::{Failure, Result};
use crate::values::flag;
use ream::{Policy, PolicyFields, RobotsPolicy};
use std::str::FromStr as _;

/// The policy of a new job, as far as the command line says it.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Policy")]
pub(crate) struct PolicyFlags {
    /// How often a worker should report, in seconds [default: 5]
    #[arg(long, value_name = "SECONDS", value_parser = flag(whole::<u32>))]
    pub(crate) heartbeat_s: Option<u32>,
    /// How long a chunk is held without a heartbeat, in seconds [default: 15]
    #[arg(long, value_name = "SECONDS", value_parser = flag(whole::<u32>))]
    pub(crate) lease_s: Option<u32>,
    /// How long one attempt at a chunk may take, in seconds [default: 3600]
    #[arg(long, value_name = "SECONDS", value_parser = flag(whole::<u32>))]
    pub(crate) chunk_timeout_s: Option<u32>,
    /// After how many seconds the job is cancelled if it has not ended [default: never]
    #[arg(long, value_name = "SECONDS", value_parser = flag(whole::<u32>))]
    pub(crate) deadline_s: Option<u32>,
    /// How often a failed chunk is put back without asking anybody [default: 3]
    #[arg(long, value_name = "COUNT", value_parser = flag(whole::<u32>))]
    pub(crate) max_retries: Option<u32>,
    /// The wait before the first retry, in seconds; each further one is four times as long [default: 30]
    #[arg(long, value_name = "SECONDS", value_parser = flag(whole::<u32>))]
    pub(crate) backoff_s: Option<u32>,
    /// The longest wait before a retry, in seconds [default: 3600]
    #[arg(long, value_name = "SECONDS", value_parser = flag(whole::<u32>))]
    pub(crate) backoff_max_s: Option<u32>,
    /// How long a dispatched chunk is left to its Celery task, in seconds [default: 600]
    #[arg(long, value_name = "SECONDS", value_parser = flag(whole::<u32>))]
    pub(crate) redispatch_after_s: Option<u32>,
    /// Whether sites may refuse: respect or ignore robots.txt and X-Robots-Tag [default: respect]
    #[arg(long, value_name = "POLICY", value_parser = flag(RobotsPolicy::from_str))]
    pub(crate) robots: Option<RobotsPolicy>,
}

/// The policy of a new job. Ranges and defaults are those of [`PolicyFields`].
pub(crate) struct PolicySettings {
    heartbeat_interval_s: Setting<u32>,
    lease_duration_s: Setting<u32>,
    chunk_timeout_s: Setting<u32>,
    job_deadline_s: Setting<Option<u32>>,
    max_retries: Setting<u32>,
    backoff_initial_s: Setting<u32>,
    backoff_max_s: Setting<u32>,
    redispatch_after_s: Setting<u32>,
    robots: Setting<RobotsPolicy>,
}

impl PolicySettings {
    pub(crate) fn load(layers: &Layers, flags: &PolicyFlags, defaults: PolicyFields) -> Result<Self> {
        let d = defaults;
        let deadline = flags.deadline_s.map(Some);
        Ok(Self {
            heartbeat_interval_s: layers.pick(
                "policy.heartbeat_interval_s",
                flags.heartbeat_s,
                whole,
                d.heartbeat_interval_s,
            )?,
            lease_duration_s: layers.pick(
                "policy.lease_duration_s",
                flags.lease_s,
                whole,
                d.lease_duration_s,
            )?,
            chunk_timeout_s: layers.pick(
                "policy.chunk_timeout_s",
                flags.chunk_timeout_s,
                whole,
                d.chunk_timeout_s,
            )?,
            job_deadline_s: layers.pick(
                "policy.job_deadline_s",
                deadline,
                |text| whole(text).map(Some),
                d.job_deadline_s,
            )?,
            max_retries: layers.pick("policy.max_retries", flags.max_retries, whole, d.max_retries)?,
            backoff_initial_s: layers.pick(
                "policy.backoff_initial_s",
                flags.backoff_s,
                whole,
                d.backoff_initial_s,
            )?,
            backoff_max_s: layers.pick(
                "policy.backoff_max_s",
                flags.backoff_max_s,
                whole,
                d.backoff_max_s,
            )?,
            redispatch_after_s: layers.pick(
                "policy.redispatch_after_s",
                flags.redispatch_after_s,
                whole,
                d.redispatch_after_s,
            )?,
            robots: layers.pick("policy.robots", flags.robots, RobotsPolicy::from_str, d.robots)?,
        })
    }

    /// The policy.
    ///
    /// # Errors
    /// Validation: a number out of its range, by the name and place where the user gave it.
    pub(crate) fn policy(&self) -> Result<Policy> {
        let fields = PolicyFields {
            heartbeat_interval_s: self.heartbeat_interval_s.value,
            lease_duration_s: self.lease_duration_s.value,
            chunk_timeout_s: self.chunk_timeout_s.value,
            job_deadline_s: self.job_deadline_s.value,
            max_retries: self.max_retries.value,
            backoff_initial_s: self.backoff_initial_s.value,
            backoff_max_s: self.backoff_max_s.value,
            redispatch_after_s: self.redispatch_after_s.value,
            robots: self.robots.value,
        };
        Policy::new(fields).map_err(|error| {
            let rows = self.rows();
            let mut failure = Failure::from(error);
            for fault in &mut failure.errors {
                // One limit is another setting, which the user knows by its own name.
                fault.allowed =
                    fault.allowed.replace("lease_duration_s", &format!("`{}`", self.lease_duration_s.name()));
            }
            failure.rename_fields(|field| {
                rows.iter().find(|row| row.key == field).map(|row| row.source.names(row.key))
            })
        })
    }

    pub(super) fn rows(&self) -> Vec<Row> {
        let deadline = self.job_deadline_s.value.map_or_else(|| "none".to_owned(), |s| s.to_string());
        vec![
            self.heartbeat_interval_s.row(self.heartbeat_interval_s.value),
            self.lease_duration_s.row(self.lease_duration_s.value),
            self.chunk_timeout_s.row(self.chunk_timeout_s.value),
            self.job_deadline_s.row(deadline),
            self.max_retries.row(self.max_retries.value),
            self.backoff_initial_s.row(self.backoff_initial_s.value),
            self.backoff_max_s.row(self.backoff_max_s.value),
            self.redispatch_after_s.row(self.redispatch_after_s.value),
            self.robots.row(self.robots.value),
        ]
    }
}
