//! One call of the store beside one of the model.

use super::jobs::Created;
use super::{Chunk, Model, Said, agree};
use crate::answer::Answer;
use crate::ops::Op;
use ream::{Advice, CrawlJob, JobChunk, JobGate};

pub(super) fn differ<T>(answer: &Answer, wanted: &str) -> Result<T, String> {
    Err(format!("answered {}, wanted {wanted}", answer.brief()))
}

/// A refusal that both agree on, or the value to look at.
pub(super) fn both<T>(said: Said<T>, answer: &Answer) -> Result<Option<T>, String> {
    match (said, answer) {
        (Err(code), Answer::Refused(found, _)) if code == *found => Ok(None),
        (Err(code), answer) => differ(answer, code),
        (Ok(_), Answer::Refused(..)) => differ(answer, "no refusal"),
        (Ok(value), _) => Ok(Some(value)),
    }
}

fn equal<T: PartialEq + std::fmt::Debug>(
    said: Said<T>,
    answer: &Answer,
    found: Option<&T>,
) -> Result<(), String> {
    match both(said, answer)? {
        Some(wanted) if found != Some(&wanted) => differ(answer, &format!("{wanted:?}")),
        _ => Ok(()),
    }
}

impl Answer {
    const fn count(&self) -> Option<&u64> {
        if let Self::Count(count) = self { Some(count) } else { None }
    }

    const fn flag(&self) -> Option<&bool> {
        if let Self::Flag(flag) = self { Some(flag) } else { None }
    }

    fn all_chunks(&self) -> Result<&[JobChunk], String> {
        if let Self::Chunks(chunks) = self { Ok(chunks) } else { differ(self, "chunks") }
    }

    fn one_job(&self) -> Result<&CrawlJob, String> {
        if let Self::Job(job) = self { Ok(job) } else { differ(self, "a job") }
    }
}

impl Model {
    pub(super) fn judge_call(&mut self, op: &Op, answer: &Answer) -> Result<(), String> {
        match op {
            Op::CreateJob(new) => {
                let said = self.new_job(new);
                let Some(job) = both(said, answer)? else { return Ok(()) };
                let found = answer.one_job()?;
                self.add_job(job, found.id.get())?;
                self.agree_job(found.id.get(), answer)
            }
            Op::CreateChunks { job, images, priority } => {
                self.judge_creation(*job, self.create_chunks(*job, *images, *priority), answer)
            }
            Op::BulkCreate { job, sizes, but } => {
                self.judge_creation(*job, self.bulk_create(*job, sizes, *but), answer)
            }
            Op::StartJob(job) => self.judge_creation(*job, self.start_job(*job), answer),
            Op::UpdateJob { job, images, priority, rules } => {
                let said = self.update_job(*job, *images, *priority, *rules);
                if both(said, answer)?.is_none() {
                    return Ok(());
                }
                while priority.is_some() && self.propagate_priority() {}
                self.agree_job(*job, answer)
            }
            Op::SetJobPriorityAndDie { job, priority } => {
                let said = self.update_job(*job, None, Some(*priority), None);
                self.judge_job(*job, said, answer)
            }
            Op::TakeList { job, images } => {
                let said = self.take_list(*job, *images);
                match both(said, answer)? {
                    Some(()) => self.agree_job(*job, answer),
                    None => Ok(()),
                }
            }
            Op::Pause(job) => self.judge_gate(*job, JobGate::Paused, answer),
            Op::Resume(job) => self.judge_gate(*job, JobGate::Open, answer),
            Op::Cancel(job) => self.judge_gate(*job, JobGate::Cancelled, answer),
            Op::Delete(job) => {
                let said = self.delete(*job);
                while said.is_ok() && self.purge() {}
                both(said, answer).map(|_| ())
            }
            Op::DeleteAndDie(job) => both(self.delete(*job), answer).map(|_| ()),
            Op::RetryJob(job) => equal(self.retry_job(*job), answer, answer.count()),
            Op::Claim { worker, job, executor, limit } => {
                let said = self.in_transaction(|model| model.claim(*worker, *job, *executor, *limit));
                self.judge_claim(said, answer)
            }
            Op::HeartbeatMany(items) => self.judge_many(items, answer, |(chunk, attempt)| Op::Heartbeat {
                chunk: *chunk,
                attempt: *attempt,
                progress: None,
            }),
            Op::CompleteMany(items) => self.judge_many(items, answer, |(chunk, attempt)| Op::Complete {
                chunk: *chunk,
                attempt: *attempt,
                report: None,
            }),
            Op::Split { chunk, parts } => self.judge_split(*chunk, *parts, answer),
            Op::Publish { chunk, attempt } => {
                let known = self.chunk(*chunk).map(|known| known.attempt == *attempt && known.unpublished);
                if both(known, answer)? == Some(true) {
                    let now = self.now;
                    let chunk = self.chunk_mut(*chunk);
                    (chunk.unpublished, chunk.updated_at) = (false, now);
                }
                Ok(())
            }
            Op::Duties => {
                let found = if let Answer::Duties(done) = answer { Some(done) } else { None };
                equal(self.all_duties(), answer, found)
            }
            Op::Expire(limit) => equal(Ok(self.expire(*limit as usize)), answer, answer.count()),
            Op::RetryDue(limit) => equal(Ok(self.retry_due(*limit as usize)), answer, answer.count()),
            Op::Deadlines => equal(Ok(self.cancel_overdue()), answer, answer.count()),
            Op::Ends => {
                let Answer::Ids(found) = answer else { return differ(answer, "ids of jobs") };
                let mut found: Vec<i64> = found.iter().map(|id| id.get()).collect();
                found.sort_unstable();
                equal(Ok(self.announce_ends()), answer, Some(&found))
            }
            Op::Priorities => equal(Ok(self.propagate_priority()), answer, answer.flag()),
            Op::Purge => equal(Ok(self.purge()), answer, answer.flag()),
            Op::Verify(_)
            | Op::Repair(_)
            | Op::GetChunk(_)
            | Op::GetJob(_)
            | Op::Next(_)
            | Op::Numbers(_)
            | Op::List { .. }
            | Op::Jobs { .. }
            | Op::Unpublished { .. } => self.judge_look(op, answer),
            verb => {
                let said = self.chunk_verb(verb);
                self.judge_chunk(said, answer)
            }
        }
    }

    fn agree_job(&self, job: i64, answer: &Answer) -> Result<(), String> {
        agree::job(self, &self.jobs[&job], answer.one_job()?, false)
    }

    fn judge_job(&self, job: i64, said: Said<()>, answer: &Answer) -> Result<(), String> {
        match both(said, answer)? {
            Some(()) => self.agree_job(job, answer),
            None => Ok(()),
        }
    }

    fn judge_gate(&mut self, job: i64, gate: JobGate, answer: &Answer) -> Result<(), String> {
        let said = self.set_gate(job, gate);
        self.judge_job(job, said, answer)
    }

    fn judge_creation(&mut self, job: i64, said: Said<Created>, answer: &Answer) -> Result<(), String> {
        let Some(created) = both(said, answer)? else { return Ok(()) };
        let found = answer.all_chunks()?;
        if let Created::Now(chunks, priority) = created {
            let ids: Vec<i64> = found.iter().map(|chunk| chunk.id.get()).collect();
            self.add_created(job, &chunks, priority, &ids)?;
        }
        agree::chunks(&self.chunks_of(job), found)
    }

    fn judge_chunk(&self, said: Said<i64>, answer: &Answer) -> Result<(), String> {
        let Some(id) = both(said, answer)? else { return Ok(()) };
        match answer {
            Answer::Chunk(found) => agree::chunk(&self.chunks[&id], found),
            Answer::Beat(found) => {
                let chunk = &self.chunks[&id];
                let until = chunk.lease.map(|(until, _)| until);
                let (action, reason) = match self.jobs[&chunk.job].gate {
                    JobGate::Open => (Advice::Continue, None),
                    JobGate::Paused => (Advice::Continue, Some("the job is paused")),
                    JobGate::Cancelled => (Advice::Stop, Some("the job is cancelled")),
                };
                let told = (Some(found.lease_expires_at.unix_ms()), found.action, found.reason);
                if told == (until, action, reason) {
                    Ok(())
                } else {
                    differ(answer, &format!("{until:?}, {action:?}, {reason:?}"))
                }
            }
            other => differ(other, "a chunk"),
        }
    }

    fn judge_many<T>(&mut self, items: &[T], answer: &Answer, each: impl Fn(&T) -> Op) -> Result<(), String> {
        let Answer::Many(answers) = answer else { return differ(answer, "an answer for each") };
        if answers.len() != items.len() {
            return differ(answer, "an answer for each");
        }
        for (item, answer) in items.iter().zip(answers) {
            let said = self.chunk_verb(&each(item));
            // Answers come at the end, each as its event left the chunk.
            self.judge_chunk(said, answer)?;
        }
        Ok(())
    }

    fn judge_claim(&self, said: Said<Vec<i64>>, answer: &Answer) -> Result<(), String> {
        let Some(wanted) = both(said, answer)? else { return Ok(()) };
        let Answer::Claimed(found) = answer else { return differ(answer, "claimed chunks") };
        let ids: Vec<i64> = found.iter().map(|claimed| claimed.chunk.id.get()).collect();
        if ids != wanted {
            return differ(answer, &format!("chunks {wanted:?}"));
        }
        for claimed in found {
            let chunk = &self.chunks[&claimed.chunk.id.get()];
            agree::chunk(chunk, &claimed.chunk)?;
            let rules = self.jobs[&chunk.job].rules;
            let told = (claimed.lease_duration_ms, claimed.heartbeat_interval_ms, claimed.chunk_timeout_ms);
            if told != (i64::from(rules.lease) * 1000, 1000, i64::from(rules.timeout) * 1000) {
                return Err(format!("the holder of chunk {} was told {told:?}", chunk.id));
            }
        }
        Ok(())
    }

    fn judge_split(&mut self, id: i64, parts: u64, answer: &Answer) -> Result<(), String> {
        // The new parts reopen the job in the transaction that cuts the chunk.
        let mut fault = Ok(());
        let said = self.in_transaction(|model| {
            let ranges = model.split(id, parts)?;
            fault = model.add_parts(id, &ranges, answer);
            Ok(ranges.len())
        });
        fault?;
        if both(said, answer)?.is_none() {
            return Ok(());
        }
        let found = answer.all_chunks()?;
        let wanted: Vec<&Chunk> = found.iter().map(|chunk| &self.chunks[&chunk.id.get()]).collect();
        agree::chunks(&wanted, found)
    }

    fn add_parts(&mut self, id: i64, ranges: &[(u64, u64)], answer: &Answer) -> Result<(), String> {
        let found = answer.all_chunks()?;
        if found.len() != ranges.len() || found[0].id.get() != id {
            return differ(answer, &format!("chunk {id} and {} new ones", ranges.len() - 1));
        }
        let job = self.chunks[&id].job;
        for ((first, last), part) in ranges.iter().zip(found).skip(1) {
            let (priority, index) = (self.jobs[&job].priority, self.jobs[&job].next_index);
            self.add_chunk(job, part.id.get(), (index, *first, *last), priority, Some(id))?;
            self.job_mut(job).next_index += 1;
        }
        Ok(())
    }
}
