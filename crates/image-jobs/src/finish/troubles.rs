//! What is remembered of jobs that could not be finished: so that they are looked at less and less often, and each trouble is
//! told once.

use ream::{ChunkId, CrawlJob, JobId, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The first and the longest wait until a job is looked at again.
const PAUSES: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(300));

#[derive(Default)]
pub(super) struct Troubles {
    jobs: Mutex<BTreeMap<JobId, Trouble>>,
    /// Jobs that are looked at just now.
    begun: Mutex<BTreeSet<JobId>>,
}

/// A look at a job, until it is dropped.
pub(super) struct Begun {
    pub(super) job_id: JobId,
    troubles: Arc<Troubles>,
}

impl Drop for Begun {
    fn drop(&mut self) {
        self.troubles.begun().remove(&self.job_id);
    }
}

#[derive(Default)]
struct Trouble {
    /// Looks in vain, one after the other.
    looks: u32,
    /// When to look again; at once if `None`.
    again_at: Option<Instant>,
    /// Whether it was told: it may be that another machine has the folder.
    told: bool,
    /// The chunks of which it was told that they cannot be published.
    chunks: BTreeSet<ChunkId>,
    /// What the summary tells of.
    summary: Option<Told>,
}

/// What a summary tells of.
#[derive(PartialEq, Eq)]
pub(super) struct Told {
    ended_at: Option<Timestamp>,
    completed: i64,
    unpublished: u64,
}

impl Told {
    pub(super) fn of(job: &CrawlJob, unpublished: u64) -> Self {
        Self { ended_at: job.ended_at, completed: job.counters.completed_chunks, unpublished }
    }
}

impl Trouble {
    fn look_later(&mut self) {
        let (first, longest) = PAUSES;
        let pause = first.saturating_mul(1 << self.looks.min(16)).min(longest);
        self.looks = self.looks.saturating_add(1);
        self.again_at = Some(Instant::now() + pause);
    }
}

impl Troubles {
    fn all(&self) -> MutexGuard<'_, BTreeMap<JobId, Trouble>> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begun(&self) -> MutexGuard<'_, BTreeSet<JobId>> {
        self.begun.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins to look at a job, unless it is looked at already or it is not its turn yet.
    pub(super) fn begin(self: &Arc<Self>, job_id: JobId) -> Option<Begun> {
        let begun = self.is_due(job_id) && self.begun().insert(job_id);
        begun.then(|| Begun { job_id, troubles: Arc::clone(self) })
    }

    fn is_due(&self, job_id: JobId) -> bool {
        let again_at = self.all().get(&job_id).and_then(|trouble| trouble.again_at);
        again_at.is_none_or(|again_at| Instant::now() >= again_at)
    }

    pub(super) fn look_later(&self, job_id: JobId) {
        self.all().entry(job_id).or_default().look_later();
    }

    pub(super) fn tell(&self, job_id: JobId, error: &dyn Display) {
        let mut all = self.all();
        let trouble = all.entry(job_id).or_default();
        trouble.look_later();
        if std::mem::replace(&mut trouble.told, true) {
            tracing::debug!(%job_id, %error, "cannot finish a dataset, will go on trying");
        } else {
            tracing::warn!(%job_id, %error, "cannot finish a dataset, will go on trying");
        }
    }

    pub(super) fn tell_of_chunk(&self, job_id: JobId, chunk_id: ChunkId, error: &dyn Display) {
        if self.all().entry(job_id).or_default().chunks.insert(chunk_id) {
            tracing::warn!(%job_id, %chunk_id, %error, "the output of a completed chunk cannot be published");
        } else {
            tracing::debug!(%job_id, %chunk_id, %error, "the output of a completed chunk cannot be published");
        }
    }

    /// Whether this process has written such a summary already.
    pub(super) fn were_told(&self, job_id: JobId, told: &Told) -> bool {
        self.all().get(&job_id).is_some_and(|trouble| trouble.summary.as_ref() == Some(told))
    }

    pub(super) fn note_told(&self, job_id: JobId, told: Told) {
        self.all().entry(job_id).or_default().summary = Some(told);
    }

    pub(super) fn are_over(&self, job_id: JobId) {
        self.all().remove(&job_id);
    }

    /// Forgets jobs that need nothing any more.
    pub(super) fn keep_only(&self, jobs: &BTreeSet<JobId>) {
        self.all().retain(|job_id, _| jobs.contains(job_id));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_in_trouble_is_looked_at_less_and_less_often_until_it_is_over() {
        let troubles = Arc::new(Troubles::default());
        let job_id = JobId::new(7);
        let begun = troubles.begin(job_id);
        assert!(
            begun.is_some() && troubles.begin(job_id).is_none() && troubles.begin(JobId::new(8)).is_some()
        );
        drop(begun);
        assert!(troubles.is_due(job_id));
        for pause in [10, 20, 40, 80, 160, 300, 300] {
            troubles.tell(job_id, &"full");
            let again_in = troubles.all()[&job_id].again_at.unwrap() - Instant::now();
            let pause = Duration::from_secs(pause);
            assert!(again_in <= pause && again_in > pause / 2, "{again_in:?} for {pause:?}");
            assert!(!troubles.is_due(job_id) && troubles.is_due(JobId::new(8)));
        }
        troubles.are_over(job_id);
        assert!(troubles.is_due(job_id));
    }
}
