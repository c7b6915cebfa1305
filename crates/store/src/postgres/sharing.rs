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

impl Kind for Claims {
    type Key = Wanted;
    type Call = ClaimRequest;
    type Answer = Vec<ClaimedChunk>;

    fn run(
        &self,
        wanted: Wanted,
        requests: Vec<ClaimRequest>,
        asked_at: Instant,
    ) -> BoxFuture<'static, Result<Vec<Option<Vec<ClaimedChunk>>>>> {
        let database = self.0.clone();
        async move {
            let database = database.asked_at(asked_at);
            let claimed = transact!(database, Begin::Write, |tx| claim::claim(&tx, wanted, &requests))?;
            Ok(claimed.into_iter().map(Some).collect())
        }
        .boxed()
    }

    /// Nobody would work on them until their leases are over.
    fn undo(&self, claims: Vec<Vec<ClaimedChunk>>) -> BoxFuture<'static, ()> {
        let database = self.0.clone();
        async move {
            let calls: Vec<Call> = claims.iter().filter_map(|claimed| release(claimed)).collect();
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
