//! The calls that share transactions: claims that want the same chunks, and words of holders about any.

use super::chunks::{self, Call};
use super::claim::{self, Wanted};
use super::database::Database;
use super::groups::Kind;
use super::transaction::Begin;
use super::tries::transact;
use crate::repository::{Actor, ClaimRequest, ClaimedChunk, MovedChunk};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use ream_core::Result;
use ream_core::event::Event;
use std::sync::Arc;
use tokio::time::Instant;

/// Claims.
pub(super) struct Claims(pub(super) Arc<Database>);

/// What a claim is given.
pub(super) struct Given {
    pub(super) claimed: Vec<ClaimedChunk>,
    /// Whether it is kept with a key, for a caller that asks again.
    is_kept: bool,
}

impl Kind for Claims {
    type Key = Wanted;
    type Call = ClaimRequest;
    type Answer = Given;

    fn run(
        &self,
        wanted: Wanted,
        requests: Vec<ClaimRequest>,
        asked_at: Instant,
    ) -> BoxFuture<'static, Result<Vec<Option<Given>>>> {
        let database = self.0.clone();
        async move {
            let database = database.asked_at(asked_at);
            let claimed = transact!(database, Begin::Write, |tx| claim::claim(&tx, wanted, &requests))?;
            let given = |(claimed, request): (Option<_>, &ClaimRequest)| {
                claimed.map(|claimed| Given { claimed, is_kept: request.once.is_some() })
            };
            Ok(claimed.into_iter().zip(&requests).map(given).collect())
        }
        .boxed()
    }

    /// Nobody would work on them until their leases are over. Whoever gave a key may ask for them again.
    fn undo(&self, claims: Vec<Given>) -> BoxFuture<'static, ()> {
        let database = self.0.clone();
        async move {
            let gone = claims.iter().filter(|given| !given.is_kept);
            let calls: Vec<Call> = gone.filter_map(|given| release(&given.claimed)).collect();
            if calls.is_empty() {
                return;
            }
            let released: Result<_> =
                transact!(database, Begin::Write, |tx| chunks::apply_group(&tx, &calls));
            if let Err(error) = released {
                tracing::debug!(%error, "chunks of claimers that have gone wait for the end of their leases");
            }
        }
        .boxed()
    }
}

/// Gives a claim back in its claimer's name.
fn release(claimed: &[ClaimedChunk]) -> Option<Call> {
    let actor = claimed.iter().find_map(|claimed| claimed.chunk.task_id.as_ref())?;
    let release =
        |claimed: &ClaimedChunk| (claimed.chunk.id, Event::Release { attempt: claimed.chunk.attempt });
    Some(Call { actor: Actor::from(actor), events: claimed.iter().map(release).collect() })
}

/// Words of holders.
pub(super) struct Words(pub(super) Arc<Database>);

impl Kind for Words {
    type Key = ();
    type Call = Call;
    type Answer = Vec<Result<MovedChunk>>;

    fn run(
        &self,
        (): (),
        calls: Vec<Call>,
        asked_at: Instant,
    ) -> BoxFuture<'static, Result<Vec<Option<Vec<Result<MovedChunk>>>>>> {
        let database = self.0.clone();
        async move {
            let database = database.asked_at(asked_at);
            transact!(database, Begin::Write, |tx| chunks::apply_group(&tx, &calls))
        }
        .boxed()
    }

    /// What a holder said holds, whether or not it heard so.
    fn undo(&self, _: Vec<Vec<Result<MovedChunk>>>) -> BoxFuture<'static, ()> {
        std::future::ready(()).boxed()
    }
}
