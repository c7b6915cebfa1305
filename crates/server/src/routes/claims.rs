//! Taking chunks, and telling of several at once.

use super::problems::Problems;
use crate::access::Caller;
use crate::answer::{Answer, Refusal};
use crate::app::App;
use crate::extract::{Asked, Json};
use axum::extract::State;
use futures::future::try_join_all;
use ream::{
    ChunkId, ChunkRef, ClaimRequest, Completion, Executor, Heartbeat, JobId, MAX_CALL_ITEMS, Result, TaskId,
    Validation,
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
    items: impl Iterator<Item = ChunkRef>,
) -> Answer<HashMap<usize, Problem>> {
    if caller.worker_token().is_none() {
        return Ok(HashMap::new());
    }
    let check = async |at: usize, chunk: ChunkRef| match app
        .holders
        .check(caller, chunk.chunk_id, chunk.attempt)
        .await
    {
        Ok(()) => Ok(None),
        Err(Refusal(problem)) if problem.status < 500 => Ok(Some((at, *problem))),
        Err(refusal) => Err(refusal),
    };
    let checks = items.enumerate().map(|(at, chunk)| check(at, chunk));
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

/// An item's chunk, and its answer or what is told instead.
type Judged<T> = (ChunkId, std::result::Result<T, Problem>);

/// Asks for those items that the caller may speak of, all at once, and puts the refusals of the others between the answers.
#[allow(clippy::result_large_err, reason = "a problem is what an item gets instead of its answer")]
async fn each<I, T>(
    app: &App,
    caller: &Caller,
    items: Vec<I>,
    chunk: impl Fn(&I) -> ChunkRef,
    ask: impl AsyncFnOnce(Vec<I>) -> Result<Vec<Result<T>>>,
) -> Answer<Vec<Judged<T>>> {
    check_count(items.len())?;
    let ids: Vec<ChunkId> = items.iter().map(|item| chunk(item).chunk_id).collect();
    let mut refused = refused(app, caller, items.iter().map(chunk)).await?;
    let allowed = items.into_iter().enumerate().filter(|(at, _)| !refused.contains_key(at));
    let mut answers = ask(allowed.map(|(_, item)| item).collect()).await?.into_iter();
    let none = || Err(Problem::new("internal", "the database gave no answer"));
    let judged = |(at, chunk_id)| match refused.remove(&at) {
        Some(problem) => (chunk_id, Err(problem)),
        None => (chunk_id, answers.next().map_or_else(none, |answer| answer.map_err(Problem::from))),
    };
    Ok(ids.into_iter().enumerate().map(judged).collect())
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
    let completions = items.into_iter().map(|CompletionItem { chunk_id, attempt, outcome }| Completion {
        chunk: ChunkRef { chunk_id, attempt },
        outcome,
    });
    let service = app.chunks.acting_as(caller.actor());
    let ask = async |allowed| service.complete_many(allowed).await;
    let judged = each(&app, &caller, completions.collect(), |completion| completion.chunk, ask).await?;
    app.metrics.chunks("completed", judged.iter().filter(|(_, answer)| answer.is_ok()).count());
    let items = judged.into_iter().map(|(chunk_id, answer)| match answer {
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
    let beats = items.into_iter().map(|HeartbeatItem { chunk_id, attempt, progress }| Heartbeat {
        chunk_id,
        attempt,
        progress,
    });
    let chunk = |beat: &Heartbeat| ChunkRef { chunk_id: beat.chunk_id, attempt: Some(beat.attempt) };
    let ask = async |allowed| beat(&app, &caller, allowed).await;
    let judged = each(&app, &caller, beats.collect(), chunk, ask).await?;
    let items = judged.into_iter().map(|(chunk_id, answer)| match answer {
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
