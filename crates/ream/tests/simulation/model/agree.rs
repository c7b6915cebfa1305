//! Compares what the store says with what the model knows, field by field.

use super::{Chunk, Job, Model, Retry, Row};
use ream::{Activity, ChunkState, CrawlJob, JobChunk, JobChunkStatus, TaskId};
use std::fmt::Debug;

/// Collects differences.
struct Differences(Vec<String>);

impl Differences {
    fn see<T: PartialEq + Debug>(&mut self, field: &str, found: &T, wanted: &T) {
        if found != wanted {
            self.0.push(format!("{field} is {found:?}, wanted {wanted:?}"));
        }
    }

    fn check(&mut self, fits: bool, field: &str, found: impl Debug, wanted: impl Debug) {
        if !fits {
            self.0.push(format!("{field} is {found:?}, wanted {wanted:?}"));
        }
    }

    fn finish(self, what: impl Debug) -> Result<(), String> {
        if self.0.is_empty() { Ok(()) } else { Err(format!("{what:?}: {}", self.0.join("; "))) }
    }
}

fn name(task: Option<&TaskId>) -> Option<String> {
    task.map(|task| task.as_str().to_owned())
}

pub(super) fn chunk(wanted: &Chunk, found: &JobChunk) -> Result<(), String> {
    let mut d = Differences(Vec::new());
    d.see("id", &found.id.get(), &wanted.id);
    d.see("job", &found.job_id.get(), &wanted.job);
    d.see("index", &found.chunk_index, &wanted.index);
    let range = (found.image_range.start(), found.image_range.end());
    d.see("range", &range, &(wanted.first, wanted.last));
    d.see("priority", &found.priority.get(), &wanted.priority);
    d.see("status", &found.status(), &wanted.status);
    d.see("attempt", &found.attempt.get(), &wanted.attempt);
    let counts = |chunk: &JobChunk| (chunk.retry_count, chunk.policy_retries, chunk.expiry_count);
    d.see("retries", &counts(found), &(wanted.retries, wanted.policy_retries, wanted.expiries));
    d.see("task", &name(found.task_id.as_ref()), &wanted.task);
    d.check(wanted.error.fit(found.error_message.as_deref()), "error", &found.error_message, &wanted.error);
    d.see("outcome", &found.outcome, &wanted.outcome);
    d.see("split_from", &found.split_from.map(ream::ChunkId::get), &wanted.split_from);
    let lease = found.lease().map(|lease| (lease.expires_at.unix_ms(), lease.timeout_at.unix_ms()));
    d.see("lease", &lease, &wanted.lease);
    let (mut dispatch, mut progress, mut unpublished, mut retry) = (None, None, false, None);
    match &found.state {
        ChunkState::Pending { dispatch: at } => {
            dispatch = at.map(|at| (at.dispatched_at.unix_ms(), at.redispatch_at.unix_ms()));
        }
        ChunkState::Processing { progress: at, .. } => progress = at.map(|at| at.images_done),
        ChunkState::Completed { unpublished: waits } => unpublished = *waits,
        ChunkState::Failed { retry_at } => retry = retry_at.map(ream::Timestamp::unix_ms),
    }
    d.see("dispatch", &dispatch, &wanted.dispatch);
    d.see("progress", &progress, &wanted.progress);
    d.see("unpublished", &unpublished, &wanted.unpublished);
    let fits = match wanted.retry {
        Retry::Never => retry.is_none(),
        Retry::At(at) => retry == Some(at),
        Retry::Within(from, to) => retry.is_some_and(|at| (from..=to).contains(&at)),
    };
    d.check(fits, "retry_at", retry, wanted.retry);
    d.see("created_at", &found.created_at.unix_ms(), &wanted.created_at);
    d.see("updated_at", &found.updated_at.unix_ms(), &wanted.updated_at);
    d.see("started_at", &found.started_at.map(ream::Timestamp::unix_ms), &wanted.started_at);
    d.see("finished_at", &found.finished_at.map(ream::Timestamp::unix_ms), &wanted.finished_at);
    d.finish(("chunk", wanted.id))
}

pub(super) fn chunks(wanted: &[&Chunk], found: &[JobChunk]) -> Result<(), String> {
    let ids: Vec<i64> = found.iter().map(|chunk| chunk.id.get()).collect();
    let wanted_ids: Vec<i64> = wanted.iter().map(|chunk| chunk.id).collect();
    if ids != wanted_ids {
        return Err(format!("chunks {ids:?} came, wanted {wanted_ids:?}"));
    }
    wanted.iter().zip(found).try_for_each(|(wanted, found)| chunk(wanted, found))
}

/// `listed`: as in lists of jobs, without task ids.
pub(super) fn job(model: &Model, wanted: &Job, found: &CrawlJob, listed: bool) -> Result<(), String> {
    let mut d = Differences(Vec::new());
    let time = |at: Option<ream::Timestamp>| at.map(ream::Timestamp::unix_ms);
    d.see("id", &found.id.get(), &wanted.id);
    d.see("gate", &found.gate, &wanted.gate);
    d.see("status", &found.status(), &model.status(wanted));
    d.see("priority", &found.priority.get(), &wanted.priority);
    d.see("images", &found.max_images, &wanted.images);
    d.see("list", &found.image_list.is_some(), &wanted.list);
    d.see("executor", &found.executor, &wanted.executor);
    d.see("policy", &found.policy, &wanted.rules.policy());
    let count = model.count(wanted.id);
    let c = found.counters;
    d.see("total_chunks", &c.total_chunks, &count.total);
    d.see("pending_chunks", &c.pending_chunks(), &count.pending);
    d.see("active_chunks", &c.active_chunks, &count.processing);
    d.see("completed_chunks", &c.completed_chunks, &count.completed);
    d.see("failed_chunks", &c.failed_chunks, &count.failed);
    d.see("awaiting_retry_chunks", &c.awaiting_retry_chunks, &count.awaiting);
    d.see("completed_images", &c.completed_images, &count.images);
    let at_work = |chunk: &&Chunk| chunk.status == JobChunkStatus::Processing;
    let tasks: Vec<String> = match listed {
        true => Vec::new(),
        false => {
            model.chunks_of(wanted.id).into_iter().filter(at_work).filter_map(|c| c.task.clone()).collect()
        }
    };
    d.see("task_ids", &found.task_ids.iter().map(|id| id.as_str().to_owned()).collect(), &tasks);
    d.see("created_at", &found.created_at.unix_ms(), &wanted.created_at);
    d.see("started_at", &time(found.started_at), &wanted.started_at);
    d.see("ended_at", &time(found.ended_at), &wanted.ended_at);
    d.see("deadline_at", &time(found.deadline_at), &wanted.deadline_at);
    d.finish(("job", wanted.id))
}

pub(super) fn row(wanted: &Row, found: &Activity) -> Result<(), String> {
    let mut d = Differences(Vec::new());
    d.see("action", &found.action.as_str(), &wanted.action);
    d.see("at", &found.created_at.unix_ms(), &wanted.at);
    d.see("actor", &found.actor, &wanted.actor);
    d.see("job", &found.job_id.get(), &wanted.job);
    d.see("chunk", &found.chunk_id.map(ream::ChunkId::get), &wanted.chunk);
    d.see("statuses", &found.from_status.zip(found.to_status), &wanted.from_to);
    d.see("attempt", &found.attempt.map(ream::Attempt::get), &wanted.attempt);
    d.see("task", &name(found.task_id.as_ref()), &wanted.task);
    d.see("unfenced", &found.unfenced, &wanted.unfenced);
    d.check(wanted.message.fit(found.message.as_deref()), "message", &found.message, &wanted.message);
    d.finish(("row of the log", found.id, found.action.as_str(), wanted.chunk))
}
