//! Taking chunks, and telling of several at once.

use super::problems::Problems;
use crate::access::Caller;
use crate::answer::{Answer, Refusal};
use crate::app::App;
use crate::extract::{Asked, Json};
use axum::extract::State;
use futures::future::try_join_all;
use ream::{
    Attempt, ChunkId, ChunkRef, ClaimRequest, Completion, Executor, Heartbeat, JobId, MAX_CALL_ITEMS, Result,
    TaskId, Validation,
};
use ream_core::event::Event;
use ream_wire::Problem;
use ream_wire::claims::{
    Claim, ClaimedChunk, CompletionAnswer, CompletionItem, HeartbeatAnswer, HeartbeatAnswerForm,
    HeartbeatAnswerItem, HeartbeatItem,
};
use ream_wire::page::Items;
use std::collections::HashMap;
use std::time::Duration;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(claim)).routes(routes!(complete)).routes(routes!(heartbeat))
}

fn request(asked: Claim) -> Result<ClaimRequest> {
    let mut v = Validation::default();
    let worker = v.take(TaskId::new(asked.worker)).map(|worker| ClaimRequest::new(worker, 1));
    let most = ClaimRequest::MAX_LIMIT;
    v.check((1..=i64::from(most)).contains(&asked.limit), "limit", asked.limit, format!("1 to {most}"));
    let executor = asked.executor.and_then(|word| v.take(word.parse::<Executor>()));
    let waits = (0.0..=Claim::MAX_WAIT_S).contains(&asked.wait_s);
    v.check(waits, "wait_s", asked.wait_s, format!("0 to {}", Claim::MAX_WAIT_S));
    v.finish()?;
    let mut request = worker.ok_or_else(|| ream::Error::invalid("worker", "missing", "a name"))?;
    request.limit = u32::try_from(asked.limit).unwrap_or(most);
    request.job_id = asked.job_id.map(JobId::new);
    request.executor = executor;
    request.wait = Duration::from_secs_f64(asked.wait_s);
    Ok(request)
}

/// Take chunks
///
/// The next due chunks, each under a lease. Where there is none it waits as long as `wait_s` says; empty when there is none
/// then, either. Answers at once when the server is about to stop.
#[utoipa::path(post, operation_id = "claim", path = "/v1/claims", tag = "work", request_body = Claim,
    params(("Idempotency-Key" = Option<String>, Header, description = "The same key again gets the same chunks, as long as their leases hold", min_length = 1, max_length = 255, pattern = "^[!-~]+$")),
    responses((status = 200, description = "The chunks, which the caller holds now", body = Items<ClaimedChunk>), Problems))]
async fn claim(
    State(app): State<App>,
    caller: Caller,
    asked: Asked<Claim>,
) -> Answer<axum::Json<Items<ClaimedChunk>>> {
    let mut request = request(asked.body)?;
    request.actor = caller.token().map(|_| caller.actor());
    request.once = asked.once;
    if app.stopping.is_cancelled() {
        return Err(Refusal::new("unavailable", "the server is about to stop; ask another one"));
    }
    let claimed = app.chunks.claim_until(request, app.stopping.cancelled()).await?;
    app.metrics.chunks("claimed", claimed.len());
    let shown = |claimed: ream::ClaimedChunk| {
        let chunk = claimed.chunk;
        app.holders.note(&caller, chunk.id, chunk.attempt);
        ClaimedChunk {
            images: format!("/v1/chunks/{}/images", chunk.id),
            chunk: chunk.into(),
            lease_duration_ms: claimed.lease_duration_ms,
            heartbeat_interval_ms: claimed.heartbeat_interval_ms,
            chunk_timeout_ms: claimed.chunk_timeout_ms,
        }
    };
    Ok(axum::Json(Items { items: claimed.into_iter().map(shown).collect() }))
}

/// Those of several that the caller may not speak of, with what is told instead.
async fn refused(
    app: &App,
    caller: &Caller,
    items: impl Iterator<Item = (ChunkId, Option<Attempt>)>,
) -> Answer<HashMap<usize, Problem>> {
    if caller.worker_token().is_none() {
        return Ok(HashMap::new());
    }
    let check = async |at: usize, chunk_id: ChunkId, attempt: Option<Attempt>| {
        let checked = match (caller.check_fenced(attempt), attempt) {
            (Ok(()), Some(attempt)) => app.holders.check(caller, chunk_id, attempt).await,
            (checked, _) => checked,
        };
        match checked {
            Ok(()) => Ok(None),
            Err(Refusal(problem)) if problem.status < 500 => Ok(Some((at, *problem))),
            Err(refusal) => Err(refusal),
        }
    };
    let checks = items.enumerate().map(|(at, (chunk_id, attempt))| check(at, chunk_id, attempt));
    Ok(try_join_all(checks).await?.into_iter().flatten().collect())
}

fn check_count(items: usize) -> Result<()> {
    if items > MAX_CALL_ITEMS {
        return Err(ream::Error::invalid(
            "items",
            format!("{items} items"),
            format!("at most {MAX_CALL_ITEMS} items"),
        ));
    }
    Ok(())
}

/// Puts the answers of those that were asked for between the refusals, in the order of the items.
#[allow(clippy::result_large_err, reason = "a problem is what an item gets instead of its answer")]
fn merged<T>(
    count: usize,
    mut refused: HashMap<usize, Problem>,
    answers: Vec<Result<T>>,
) -> Vec<std::result::Result<T, Problem>> {
    let mut answers = answers.into_iter();
    let none = || Err(Problem::new("internal", "the database gave no answer"));
    let answer = |at| match refused.remove(&at) {
        Some(problem) => Err(problem),
        None => answers.next().map_or_else(none, |answer| answer.map_err(Problem::from)),
    };
    (0..count).map(answer).collect()
}

/// Complete chunks
///
/// Each is judged alone; the answers come in the order of the items.
#[utoipa::path(post, operation_id = "complete_many", path = "/v1/completions", tag = "work", request_body = Items<CompletionItem>,
    responses((status = 200, description = "An answer for each item", body = Items<CompletionAnswer>), Problems))]
async fn complete(
    State(app): State<App>,
    caller: Caller,
    Json(Items { items }): Json<Items<CompletionItem>>,
) -> Answer<axum::Json<Items<CompletionAnswer>>> {
    check_count(items.len())?;
    let refused = refused(&app, &caller, items.iter().map(|item| (item.chunk_id, item.attempt))).await?;
    let ids: Vec<ChunkId> = items.iter().map(|item| item.chunk_id).collect();
    let allowed = items.into_iter().enumerate().filter(|(at, _)| !refused.contains_key(at));
    let completions: Vec<_> = allowed
        .map(|(_, CompletionItem { chunk_id, attempt, outcome })| Completion {
            chunk: ChunkRef { chunk_id, attempt },
            outcome,
        })
        .collect();
    let service = app.chunks.acting_as(caller.actor());
    let answers = merged(ids.len(), refused, service.complete_many(completions).await?);
    app.metrics.chunks("completed", answers.iter().filter(|answer| answer.is_ok()).count());
    let items = ids.into_iter().zip(answers).map(|(chunk_id, answer)| match answer {
        Ok(chunk) => CompletionAnswer { chunk_id, chunk: Some(chunk.into()), error: None },
        Err(error) => CompletionAnswer { chunk_id, chunk: None, error: Some(error) },
    });
    Ok(axum::Json(Items { items: items.collect() }))
}

/// Keep leases
///
/// Each is judged alone; the answers come in the order of the items.
#[utoipa::path(post, operation_id = "heartbeat_many", path = "/v1/heartbeats", tag = "work", request_body = Items<HeartbeatItem>,
    responses((status = 200, description = "An answer for each item", body = Items<HeartbeatAnswerForm>), Problems))]
async fn heartbeat(
    State(app): State<App>,
    caller: Caller,
    Json(Items { items }): Json<Items<HeartbeatItem>>,
) -> Answer<axum::Json<Items<HeartbeatAnswerItem>>> {
    check_count(items.len())?;
    let refused =
        refused(&app, &caller, items.iter().map(|item| (item.chunk_id, Some(item.attempt)))).await?;
    let ids: Vec<ChunkId> = items.iter().map(|item| item.chunk_id).collect();
    let allowed = items.into_iter().enumerate().filter(|(at, _)| !refused.contains_key(at));
    let beats = allowed
        .map(|(_, HeartbeatItem { chunk_id, attempt, progress })| Heartbeat { chunk_id, attempt, progress })
        .collect();
    let answers = merged(ids.len(), refused, beat(&app, &caller, beats).await?);
    let items = ids.into_iter().zip(answers).map(|(chunk_id, answer)| match answer {
        Ok(answer) => HeartbeatAnswerItem { chunk_id, answer: Some(answer), error: None },
        Err(error) => HeartbeatAnswerItem { chunk_id, answer: None, error: Some(error) },
    });
    Ok(axum::Json(Items { items: items.collect() }))
}

/// Heartbeats with the chunk as it stands, which the service's own answer does not have.
pub(super) async fn beat(
    app: &App,
    caller: &Caller,
    beats: Vec<Heartbeat>,
) -> Result<Vec<Result<HeartbeatAnswer>>> {
    let events = beats
        .into_iter()
        .map(|Heartbeat { chunk_id, attempt, progress }| (chunk_id, Event::Heartbeat { attempt, progress }));
    let moved = app.repository.apply(events.collect(), &caller.actor()).await?;
    let told = |moved: ream::MovedChunk| {
        let answer = ream::HeartbeatAnswer::new(&moved.chunk, moved.gate);
        HeartbeatAnswer {
            lease_expires_at: answer.lease_expires_at,
            action: answer.action,
            reason: answer.reason.map(str::to_owned),
            stop_before: None,
            gate: moved.gate,
            chunk: moved.chunk.into(),
        }
    };
    Ok(moved.into_iter().map(|answer| answer.map(told)).collect())
}
