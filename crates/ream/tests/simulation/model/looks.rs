//! Reading: nothing changes, and everything is as the model has it.

use super::calls::{both, differ};
use super::{Chunk, Model, agree};
use crate::answer::Answer;
use crate::ops::Op;
use ream::{JobChunkStatus, JobVerdict};

impl Model {
    pub(super) fn judge_look(&self, op: &Op, answer: &Answer) -> Result<(), String> {
        match op {
            Op::GetChunk(chunk) => {
                let Some(wanted) = both(self.chunk(*chunk), answer)? else { return Ok(()) };
                let Answer::Chunk(found) = answer else { return differ(answer, "a chunk") };
                agree::chunk(wanted, found)
            }
            // A sound job has nothing to repair, so this is a look, too.
            Op::GetJob(job) | Op::Repair(job) => {
                let Some(wanted) = both(self.job(*job), answer)? else { return Ok(()) };
                let Answer::Job(found) = answer else { return differ(answer, "a job") };
                agree::job(self, wanted, found, false)
            }
            Op::Next(job) => {
                let Some(wanted) = both(self.next(*job), answer)? else { return Ok(()) };
                match (wanted, answer) {
                    (None, Answer::MaybeChunk(None)) => Ok(()),
                    (Some(id), Answer::MaybeChunk(Some(found))) => agree::chunk(&self.chunks[&id], found),
                    _ => differ(answer, &format!("{wanted:?}")),
                }
            }
            Op::Verify(job) => {
                let Some(job) = both(self.job(*job), answer)? else { return Ok(()) };
                let Answer::Verdict(found) = answer else { return differ(answer, "a verdict") };
                let chunks = self.count(job.id).total as u64;
                let JobVerdict { creation_unfinished, .. } = **found;
                if found.is_sound() && found.chunks == chunks && !creation_unfinished {
                    Ok(())
                } else {
                    Err(format!("a verdict is {found:?}"))
                }
            }
            Op::Numbers(job) => self.judge_numbers(*job, answer),
            Op::List { job, status, .. } => {
                let Some(job) = both(self.job(*job), answer)? else { return Ok(()) };
                let fits = |chunk: &&Chunk| status.is_none_or(|status| status == chunk.status);
                let wanted: Vec<&Chunk> = self.chunks_of(job.id).into_iter().filter(fits).collect();
                let Answer::Chunks(found) = answer else { return differ(answer, "chunks") };
                agree::chunks(&wanted, found)
            }
            Op::Jobs { status, .. } => {
                let Answer::Jobs(found) = answer else { return differ(answer, "jobs") };
                let wanted: Vec<_> = (self.jobs.values().rev())
                    .filter(|job| !job.deleted)
                    .filter(|job| status.is_none_or(|status| status == self.status(job)))
                    .collect();
                let ids: Vec<i64> = found.iter().map(|job| job.id.get()).collect();
                let wanted_ids: Vec<i64> = wanted.iter().map(|job| job.id).collect();
                if ids != wanted_ids {
                    return Err(format!("jobs {ids:?} came, wanted {wanted_ids:?}"));
                }
                wanted.iter().zip(found).try_for_each(|(wanted, found)| agree::job(self, wanted, found, true))
            }
            Op::Unpublished { job, limit } => {
                let Some(job) = both(self.job(*job), answer)? else { return Ok(()) };
                let waits = |chunk: &&Chunk| chunk.unpublished;
                let wanted: Vec<&Chunk> =
                    self.chunks_of(job.id).into_iter().filter(waits).take(*limit as usize).collect();
                let Answer::Chunks(found) = answer else { return differ(answer, "chunks") };
                agree::chunks(&wanted, found)
            }
            other => panic!("{other:?} is no look"),
        }
    }

    fn judge_numbers(&self, job: i64, answer: &Answer) -> Result<(), String> {
        let Some(job) = both(self.job(job), answer)? else { return Ok(()) };
        let Answer::Numbers(found) = answer else { return differ(answer, "numbers") };
        let (statistics, progress, is_complete, tracked) = found.as_ref();
        let c = self.count(job.id);
        let share = |part: i64, whole: i64| if whole == 0 { 0.0 } else { part as f64 * 100.0 / whole as f64 };
        let wanted = [c.total, c.pending, c.processing, c.completed, c.failed];
        let s = statistics;
        let p = progress;
        let told = [
            [s.total, s.pending, s.processing, s.completed, s.failed],
            [p.total_chunks, p.pending_chunks, p.processing_chunks, p.completed_chunks, p.failed_chunks],
        ];
        let shares = (share(c.completed, c.total), share(c.completed, c.completed + c.failed));
        let complete = self.is_completed(job.id);
        let fits = told == [wanted, wanted]
            && (s.completion_percentage, s.success_rate) == shares
            && (p.completion_percentage, p.success_rate) == shares
            && (p.is_complete, *is_complete) == (complete, complete)
            && p.timestamp.unix_ms() == self.now;
        if !fits {
            return Err(format!("job {} is told as {found:?}, wanted {c:?}", job.id));
        }
        agree::job(self, job, tracked, false)
    }

    /// All that can be looked at, as operations.
    pub(crate) fn every_look(&self) -> Vec<Op> {
        let mut looks = vec![Op::Jobs { status: None, page: 1000 }];
        for job in self.jobs.keys() {
            looks.extend([
                Op::List { job: *job, status: None, page: 1000 },
                Op::GetJob(*job),
                Op::Next(*job),
            ]);
        }
        looks
    }

    /// Looks that only differ in what is asked for.
    pub(crate) fn thorough_looks(&self) -> Vec<Op> {
        let mut looks = Vec::new();
        for job in self.jobs.keys() {
            let of_status = |status| Op::List { job: *job, status: Some(status), page: 3 };
            looks.extend(JobChunkStatus::ALL.map(of_status));
            looks.extend([Op::Verify(*job), Op::Numbers(*job), Op::Unpublished { job: *job, limit: 1000 }]);
        }
        looks.extend(
            ream::CrawlJobStatus::ALL.iter().map(|status| Op::Jobs { status: Some(*status), page: 2 }),
        );
        looks
    }
}
