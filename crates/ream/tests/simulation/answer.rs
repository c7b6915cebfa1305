//! What a call answered.

use ream::{
    ClaimedChunk, CrawlJob, HeartbeatAnswer, JobChunk, JobChunkProgress, JobChunkStatistics, JobId,
    JobVerdict, Result,
};

#[derive(Debug, Clone)]
pub(crate) enum Answer {
    Refused(&'static str, String),
    Nothing,
    Count(u64),
    Flag(bool),
    Job(Box<CrawlJob>),
    Jobs(Vec<CrawlJob>),
    Ids(Vec<JobId>),
    Chunk(Box<JobChunk>),
    Chunks(Vec<JobChunk>),
    MaybeChunk(Option<Box<JobChunk>>),
    Claimed(Vec<ClaimedChunk>),
    Beat(HeartbeatAnswer),
    Duties(Vec<(&'static str, u64)>),
    Verdict(Box<JobVerdict>),
    Numbers(Box<(JobChunkStatistics, JobChunkProgress, bool, CrawlJob)>),
    Many(Vec<Answer>),
}

impl Answer {
    pub(crate) fn of<T>(result: Result<T>, told: impl FnOnce(T) -> Self) -> Self {
        match result {
            Ok(value) => told(value),
            Err(error) => Self::Refused(error.code(), error.to_string()),
        }
    }

    pub(crate) fn chunk(result: Result<JobChunk>) -> Self {
        Self::of(result, |chunk| Self::Chunk(Box::new(chunk)))
    }

    pub(crate) fn job(result: Result<CrawlJob>) -> Self {
        Self::of(result, |job| Self::Job(Box::new(job)))
    }

    /// For a trace.
    pub(crate) fn brief(&self) -> String {
        let chunk = |c: &JobChunk| format!("{}@{} {}", c.id, c.attempt, c.status());
        match self {
            Self::Refused(code, message) => format!("{code}: {message}"),
            Self::Job(job) => format!("job {} {}", job.id, job.status()),
            Self::Jobs(jobs) => format!("{} jobs", jobs.len()),
            Self::Chunk(c) => chunk(c),
            Self::MaybeChunk(c) => c.as_deref().map_or("none".to_owned(), chunk),
            Self::Chunks(chunks) => chunks.iter().map(chunk).collect::<Vec<_>>().join(", "),
            Self::Claimed(claimed) => claimed.iter().map(|c| chunk(&c.chunk)).collect::<Vec<_>>().join(", "),
            Self::Verdict(verdict) => format!("sound: {}", verdict.is_sound()),
            Self::Numbers(numbers) => format!("{:?}", numbers.0),
            Self::Many(answers) => answers.iter().map(Self::brief).collect::<Vec<_>>().join(" | "),
            other => format!("{other:?}"),
        }
    }
}
