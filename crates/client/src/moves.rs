//! Events of chunks as requests. Heartbeats and completions go together, the others one by one.

use crate::http::{Ask, Servers};
use futures::StreamExt as _;
use ream_core::event::Event;
use ream_core::{ChunkId, DatabaseFault, Error, JobChunk, JobGate, Result};
use ream_store::MovedChunk;
use ream_wire::chunks::{ChunkPatch, Failed, OfAttempt, Processing};
use ream_wire::claims::{CompletionAnswer, CompletionItem, HeartbeatAnswerItem, HeartbeatItem};
use ream_wire::page::Items;
use ream_wire::problem::Problem;
use std::collections::HashSet;

/// Requests at once.
const AT_ONCE: usize = 16;

/// Which request an event is part of.
#[derive(PartialEq)]
enum Kind {
    Heartbeats,
    Completions,
    Alone,
}

fn kind(event: &Event) -> Kind {
    match event {
        Event::Heartbeat { .. } => Kind::Heartbeats,
        Event::Complete { .. } => Kind::Completions,
        _ => Kind::Alone,
    }
}

/// Carries events out in their order: what comes after something else about the same chunk is asked after it.
pub(crate) async fn apply(
    servers: &Servers,
    events: Vec<(ChunkId, Event)>,
) -> Result<Vec<Result<MovedChunk>>> {
    let mut answers = Vec::with_capacity(events.len());
    for run in runs(events) {
        match run.first().map(|(_, event)| kind(event)) {
            Some(Kind::Heartbeats) => answers.extend(heartbeats(servers, run).await?),
            Some(Kind::Completions) => answers.extend(completions(servers, run).await?),
            Some(Kind::Alone) => {
                let asked = run.into_iter().map(|(chunk_id, event)| alone(servers, chunk_id, event));
                answers.extend(futures::stream::iter(asked).buffered(AT_ONCE).collect::<Vec<_>>().await);
            }
            None => {}
        }
    }
    Ok(answers)
}

/// Events that can be asked together: of one kind, about different chunks.
fn runs(events: Vec<(ChunkId, Event)>) -> Vec<Vec<(ChunkId, Event)>> {
    let mut runs: Vec<Vec<(ChunkId, Event)>> = Vec::new();
    let mut seen = HashSet::new();
    for (chunk_id, event) in events {
        let fits =
            runs.last().and_then(|run| run.first()).is_some_and(|(_, first)| kind(first) == kind(&event));
        if !fits || seen.contains(&chunk_id) {
            runs.push(Vec::new());
            seen.clear();
        }
        seen.insert(chunk_id);
        if let Some(run) = runs.last_mut() {
            run.push((chunk_id, event));
        }
    }
    runs
}

async fn heartbeats(servers: &Servers, run: Vec<(ChunkId, Event)>) -> Result<Vec<Result<MovedChunk>>> {
    let count = run.len();
    let items = run.into_iter().filter_map(|(chunk_id, event)| match event {
        Event::Heartbeat { attempt, progress } => Some(HeartbeatItem { chunk_id, attempt, progress }),
        _ => None,
    });
    let ask = Ask::post("/v1/heartbeats").json(&Items { items: items.collect() })?;
    let answer: Items<HeartbeatAnswerItem> = servers.read(ask).await?;
    let moved = |item: HeartbeatAnswerItem| match item.answer {
        Some(answer) => Ok(MovedChunk { chunk: answer.chunk.try_into()?, gate: answer.gate }),
        None => Err(refusal(item.error)),
    };
    complete(count, answer.items.into_iter().map(moved).collect())
}

async fn completions(servers: &Servers, run: Vec<(ChunkId, Event)>) -> Result<Vec<Result<MovedChunk>>> {
    let count = run.len();
    let items = run.into_iter().filter_map(|(chunk_id, event)| match event {
        Event::Complete { attempt, outcome } => Some(CompletionItem { chunk_id, attempt, outcome }),
        _ => None,
    });
    let ask = Ask::post("/v1/completions").json(&Items { items: items.collect() })?;
    let answer: Items<CompletionAnswer> = servers.read(ask).await?;
    let moved = |item: CompletionAnswer| match item.chunk {
        Some(chunk) => Ok(of(chunk.try_into()?)),
        None => Err(refusal(item.error)),
    };
    complete(count, answer.items.into_iter().map(moved).collect())
}

fn refusal(error: Option<Problem>) -> Error {
    error.map_or_else(no_answer, Problem::into_error)
}

fn no_answer() -> Error {
    Error::Database {
        fault: DatabaseFault::Constraint,
        message: "the server gave no answer for a chunk".to_owned(),
    }
}

fn complete<T>(count: usize, answers: Vec<Result<T>>) -> Result<Vec<Result<T>>> {
    if answers.len() == count { Ok(answers) } else { Err(no_answer()) }
}

/// Whether chunks of the job may start is told with heartbeats, where alone it is asked for.
const fn of(chunk: JobChunk) -> MovedChunk {
    MovedChunk { chunk, gate: JobGate::Open }
}

async fn alone(servers: &Servers, chunk_id: ChunkId, event: Event) -> Result<MovedChunk> {
    let at = |verb: &str| format!("/v1/chunks/{chunk_id}/{verb}");
    let patch = |patch: ChunkPatch| Ask::patch_once(format!("/v1/chunks/{chunk_id}")).json(&patch);
    let ask = match event {
        Event::Start { task_id } => {
            let body = Processing { task_id: task_id.map(String::from) };
            Ask::post_once(at("processing")).json(&body)?
        }
        Event::Fail { attempt, message } => {
            // Said again without an attempt it could end the work of somebody who has begun meanwhile.
            let ask = if attempt.is_some() { Ask::post(at("failed")) } else { Ask::post_once(at("failed")) };
            ask.json(&Failed { attempt, error_message: message })?
        }
        Event::Release { attempt } => Ask::post(at("release")).json(&OfAttempt { attempt })?,
        Event::Retry => Ask::post_once(at("retry")),
        Event::PutBack => patch(ChunkPatch { status: Some("pending".to_owned()), ..ChunkPatch::default() })?,
        Event::SetPriority(priority) => {
            let body = ChunkPatch { priority: Some(priority.get()), ..ChunkPatch::default() };
            Ask::patch(format!("/v1/chunks/{chunk_id}")).json(&body)?
        }
        Event::Claim { .. }
        | Event::Heartbeat { .. }
        | Event::Complete { .. }
        | Event::Dispatch { .. }
        | Event::RetryByPolicy
        | Event::Expire => {
            let message = format!("chunk {chunk_id}: only a process on the database itself does this");
            return Err(Error::Database { fault: DatabaseFault::Constraint, message });
        }
    };
    servers.read::<JobChunk>(ask).await.map(of)
}
