//! What a simulated world can do. Numbers only, so that a printed trace is a script that can be run again.

use ream::{
    CrawlJobStatus, Executor, JobChunkStatus, Outcome, Policy, PolicyFields, Result, RobotsPolicy, TaskId,
};

/// A job's limits, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rules {
    pub(crate) lease: u32,
    pub(crate) timeout: u32,
    pub(crate) deadline: Option<u32>,
    pub(crate) retries: u32,
    pub(crate) backoff: u32,
    pub(crate) backoff_max: u32,
    pub(crate) redispatch: u32,
}

impl Rules {
    /// Limits that a script has where it says nothing.
    pub(crate) const USUAL: Self = Self {
        lease: 5,
        timeout: 60,
        deadline: None,
        retries: 3,
        backoff: 4,
        backoff_max: 100,
        redispatch: 10,
    };

    pub(crate) fn policy(self) -> Policy {
        Policy::new(PolicyFields {
            heartbeat_interval_s: 1,
            lease_duration_s: self.lease,
            chunk_timeout_s: self.timeout,
            job_deadline_s: self.deadline,
            max_retries: self.retries,
            backoff_initial_s: self.backoff,
            backoff_max_s: self.backoff_max,
            redispatch_after_s: self.redispatch,
            robots: RobotsPolicy::Respect,
        })
        .unwrap()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NewJob {
    pub(crate) images: Option<u64>,
    pub(crate) size: u64,
    pub(crate) priority: i64,
    pub(crate) executor: Option<Executor>,
    pub(crate) list: bool,
    pub(crate) rules: Rules,
}

impl NewJob {
    pub(crate) const USUAL: Self =
        Self { images: None, size: 5, priority: 5, executor: None, list: false, rules: Rules::USUAL };
}

/// What is wrong with the chunks of a bulk creation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bulk {
    Exact,
    Gap,
    Overlap,
    IndexTwice,
}

/// An outcome: images that are fine, and how many output names; [`Self::CLIMBS`] is one that may not be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Report {
    pub(crate) ok: u64,
    pub(crate) outputs: u8,
}

impl Report {
    pub(crate) const CLIMBS: u8 = u8::MAX;

    pub(crate) const fn is_valid(self) -> bool {
        self.outputs != Self::CLIMBS
    }

    pub(crate) fn outcome(self) -> Outcome {
        let outputs = match self.outputs {
            Self::CLIMBS => vec!["../out".to_owned()],
            n => (0..n).map(|n| format!("_staging/{n}.tar")).collect(),
        };
        Outcome { images_ok: self.ok, outputs, ..Outcome::default() }
    }
}

/// Progress that no column can hold.
pub(crate) const TOO_FAR: u64 = u64::MAX;

/// Whether a report of progress is refused.
pub(crate) const fn is_valid_progress(progress: Option<u64>) -> bool {
    !matches!(progress, Some(TOO_FAR))
}

/// A task's name; number 0 has a name that is refused.
pub(crate) fn task_name(number: u16) -> String {
    if number == 0 { String::new() } else { format!("w{number}") }
}

pub(crate) fn task(number: u16) -> Result<TaskId> {
    TaskId::new(task_name(number))
}

pub(crate) fn fault(number: u8) -> String {
    format!("fault {number}")
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Op {
    CreateJob(NewJob),
    CreateChunks {
        job: i64,
        images: i64,
        priority: Option<i64>,
    },
    /// Chunks of these many images each.
    BulkCreate {
        job: i64,
        sizes: Vec<u64>,
        but: Bulk,
    },
    StartJob(i64),
    UpdateJob {
        job: i64,
        images: Option<u64>,
        priority: Option<i64>,
        rules: Option<Rules>,
    },
    TakeList {
        job: i64,
        images: u64,
    },
    /// The caller dies before the chunks have followed.
    SetJobPriorityAndDie {
        job: i64,
        priority: i64,
    },
    Pause(i64),
    Resume(i64),
    Cancel(i64),
    Delete(i64),
    /// The caller dies before any chunk is removed.
    DeleteAndDie(i64),
    RetryJob(i64),

    Claim {
        worker: u16,
        job: Option<i64>,
        executor: Option<Executor>,
        limit: u32,
    },
    Heartbeat {
        chunk: i64,
        attempt: i64,
        progress: Option<u64>,
    },
    HeartbeatMany(Vec<(i64, i64)>),
    Complete {
        chunk: i64,
        attempt: Option<i64>,
        report: Option<Report>,
    },
    CompleteMany(Vec<(i64, Option<i64>)>),
    Fail {
        chunk: i64,
        attempt: Option<i64>,
        why: Option<u8>,
    },
    Release {
        chunk: i64,
        attempt: i64,
    },
    Start {
        chunk: i64,
        task: Option<u16>,
    },
    Dispatch {
        chunk: i64,
        task: u16,
    },
    Retry(i64),
    SetStatus {
        chunk: i64,
        status: &'static str,
        why: Option<u8>,
        task: Option<u16>,
    },
    Split {
        chunk: i64,
        parts: u64,
    },
    SetPriority {
        chunk: i64,
        priority: i64,
    },
    Publish {
        chunk: i64,
        attempt: i64,
    },

    Duties,
    Expire(u32),
    RetryDue(u32),
    Deadlines,
    Ends,
    Priorities,
    Purge,

    Verify(i64),
    Repair(i64),
    GetChunk(i64),
    GetJob(i64),
    Next(i64),
    Numbers(i64),
    List {
        job: i64,
        status: Option<JobChunkStatus>,
        page: i64,
    },
    Jobs {
        status: Option<CrawlJobStatus>,
        page: i64,
    },
    Unpublished {
        job: i64,
        limit: u32,
    },

    /// Milliseconds pass for the database.
    Advance(i64),
    /// The process ends as it should, and another begins.
    Reopen,
    /// The process is killed, and another begins on what it left.
    Kill,
    /// Somebody else holds the database's write lock for longer than the call waits.
    Locked(Box<Op>),
    /// Calls that wait for the database at the same time.
    Together(Vec<Op>),
}
