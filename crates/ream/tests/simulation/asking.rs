//! How each operation is asked of the services.

use crate::answer::Answer;
use crate::ops::{Bulk, Op, Report, fault, task, task_name};
use crate::world::{Process, World};
use ream::{
    Actor, Attempt, ChunkId, ChunkProgress, ChunkRef, ClaimRequest, Completion, CrawlJob, Duties, Error,
    Heartbeat, ImageRange, JobChanges, JobChunk, JobChunkProgress, JobChunkStatistics, JobFilter, JobId,
    NewChunk, NewCrawlJob, Page, PageRequest, Priority, Result,
};
use ream_core::job_event::JobEvent;

/// Where the one list lies that any job may have.
const LIST: &str = "list/";

impl World {
    pub(crate) async fn call(&self, op: &Op) -> Answer {
        match op {
            Op::CreateJob(_)
            | Op::CreateChunks { .. }
            | Op::BulkCreate { .. }
            | Op::StartJob(_)
            | Op::UpdateJob { .. }
            | Op::TakeList { .. }
            | Op::SetJobPriorityAndDie { .. }
            | Op::Pause(_)
            | Op::Resume(_)
            | Op::Cancel(_)
            | Op::Delete(_)
            | Op::DeleteAndDie(_)
            | Op::RetryJob(_) => self.job_call(op).await,
            Op::Duties
            | Op::Expire(_)
            | Op::RetryDue(_)
            | Op::Deadlines
            | Op::Ends
            | Op::Priorities
            | Op::Purge => self.duty(op).await,
            Op::Verify(_)
            | Op::Repair(_)
            | Op::GetChunk(_)
            | Op::GetJob(_)
            | Op::Next(_)
            | Op::Numbers(_)
            | Op::List { .. }
            | Op::Jobs { .. }
            | Op::Unpublished { .. } => self.look(op).await,
            _ => self.chunk_call(op).await,
        }
    }

    async fn job_call(&self, op: &Op) -> Answer {
        let Process { service, jobs, repository, .. } = self.process();
        match op {
            Op::CreateJob(new) => {
                let new = NewCrawlJob {
                    max_images: new.images,
                    priority: Priority::new(new.priority).unwrap(),
                    chunk_size: new.size,
                    executor: new.executor,
                    image_list: new.list.then(|| LIST.to_owned()),
                    policy: new.rules.policy(),
                    ..NewCrawlJob::named("simulated")
                };
                Answer::job(jobs.create_crawl_job(new).await)
            }
            Op::CreateChunks { job, images, priority } => {
                match service.create_chunks_for_job(JobId::new(*job), *images, *priority).await {
                    Ok(list) => Answer::of(list.to_vec().await, Answer::Chunks),
                    Err(error) => Answer::of(Err::<(), _>(error), |()| Answer::Nothing),
                }
            }
            Op::BulkCreate { job, sizes, but } => {
                match service.bulk_create(JobId::new(*job), bulk(sizes, *but)).await {
                    Ok(list) => Answer::of(list.to_vec().await, Answer::Chunks),
                    Err(error) => Answer::of(Err::<(), _>(error), |()| Answer::Nothing),
                }
            }
            Op::StartJob(job) => match jobs.start(JobId::new(*job)).await {
                Ok(list) => Answer::of(list.to_vec().await, Answer::Chunks),
                Err(error) => Answer::of(Err::<(), _>(error), |()| Answer::Nothing),
            },
            Op::UpdateJob { job, images, priority, rules } => {
                let changes = JobChanges {
                    name: None,
                    max_images: *images,
                    priority: priority.map(|priority| Priority::new(priority).unwrap()),
                    policy: rules.map(|rules| rules.policy().into()),
                };
                Answer::job(jobs.update(JobId::new(*job), changes).await)
            }
            Op::TakeList { job, images } => {
                Answer::job(jobs.take_image_list(JobId::new(*job), LIST.to_owned(), *images).await)
            }
            Op::SetJobPriorityAndDie { job, priority } => {
                let priority = Some(Priority::new(*priority).unwrap());
                let event = JobEvent::Update(JobChanges { priority, ..JobChanges::default() });
                Answer::job(repository.apply_to_job(JobId::new(*job), event, &Actor::operator()).await)
            }
            Op::Pause(job) => Answer::job(jobs.pause(JobId::new(*job)).await),
            Op::Resume(job) => Answer::job(jobs.resume(JobId::new(*job)).await),
            Op::Cancel(job) => Answer::job(jobs.cancel(JobId::new(*job)).await),
            Op::Delete(job) => Answer::of(jobs.delete(JobId::new(*job)).await, |()| Answer::Nothing),
            Op::DeleteAndDie(job) => {
                let done = repository.delete_job(JobId::new(*job), &Actor::operator()).await;
                Answer::of(done, |()| Answer::Nothing)
            }
            Op::RetryJob(job) => Answer::of(jobs.retry(JobId::new(*job)).await, Answer::Count),
            other => panic!("{other:?} is no call about a job"),
        }
    }

    async fn chunk_call(&self, op: &Op) -> Answer {
        let Process { service, repository, .. } = self.process();
        match op {
            Op::Claim { worker, job, executor, limit } => {
                let mut request = ClaimRequest::new(task(*worker).unwrap(), *limit);
                request.job_id = job.map(JobId::new);
                request.executor = *executor;
                Answer::of(service.claim(request).await, Answer::Claimed)
            }
            Op::Heartbeat { chunk, attempt, progress } => {
                let progress = progress.map(|images_done| ChunkProgress { images_done, bytes: 0 });
                let beat = Heartbeat { progress, ..beat(*chunk, *attempt) };
                Answer::of(service.heartbeat(beat).await, Answer::Beat)
            }
            Op::HeartbeatMany(items) => {
                let beats = items.iter().map(|(chunk, attempt)| beat(*chunk, *attempt)).collect();
                let each = |answer| Answer::of(answer, Answer::Beat);
                let told = |answers: Vec<_>| Answer::Many(answers.into_iter().map(each).collect());
                Answer::of(service.heartbeat_many(beats).await, told)
            }
            Op::Complete { chunk, attempt, report } => {
                let outcome = report.map(Report::outcome);
                let completion = Completion { chunk: said(*chunk, *attempt), outcome };
                Answer::chunk(service.mark_chunk_completed(completion).await)
            }
            Op::CompleteMany(items) => {
                let all = items.iter().map(|(chunk, attempt)| said(*chunk, *attempt).into()).collect();
                let told = |answers: Vec<_>| Answer::Many(answers.into_iter().map(Answer::chunk).collect());
                Answer::of(service.complete_many(all).await, told)
            }
            Op::Fail { chunk, attempt, why } => {
                let why = why.map(fault);
                Answer::chunk(service.mark_chunk_failed(said(*chunk, *attempt), why.as_deref()).await)
            }
            Op::Release { chunk, attempt } => {
                Answer::chunk(service.release(ChunkId::new(*chunk), Attempt::new(*attempt)).await)
            }
            Op::Start { chunk, task } => {
                let task = task.map(task_name);
                Answer::chunk(service.mark_chunk_processing(ChunkId::new(*chunk), task.as_deref()).await)
            }
            Op::Dispatch { chunk, task } => {
                Answer::chunk(service.dispatch(ChunkId::new(*chunk), &task_name(*task)).await)
            }
            Op::Retry(chunk) => Answer::chunk(service.retry_chunk(ChunkId::new(*chunk)).await),
            Op::SetStatus { chunk, status, why, task } => {
                let (why, task) = (why.map(fault), task.map(task_name));
                let chunk = ChunkId::new(*chunk);
                let done = service.update_chunk_status(chunk, status, why.as_deref(), task.as_deref());
                Answer::chunk(done.await)
            }
            Op::Split { chunk, parts } => {
                Answer::of(service.split_chunk(ChunkId::new(*chunk), *parts).await, Answer::Chunks)
            }
            Op::SetPriority { chunk, priority } => {
                Answer::chunk(service.set_priority(ChunkId::new(*chunk), *priority).await)
            }
            Op::Publish { chunk, attempt } => {
                // As who publishes knows it: possibly long ago.
                let known = match service.get_chunk_by_id(ChunkId::new(*chunk)).await {
                    Ok(now) => JobChunk { attempt: Attempt::new(*attempt), ..now },
                    Err(error) => return Answer::chunk(Err(error)),
                };
                Answer::of(repository.mark_published(&known).await, |()| Answer::Nothing)
            }
            other => panic!("{other:?} is no call about a chunk"),
        }
    }

    async fn duty(&self, op: &Op) -> Answer {
        let repository = self.process().repository.as_ref();
        match op {
            Op::Duties => Answer::of(Duties::run_once(repository).await, Answer::Duties),
            Op::Expire(limit) => Answer::of(repository.expire_due(*limit).await, Answer::Count),
            Op::RetryDue(limit) => Answer::of(repository.retry_due(*limit).await, Answer::Count),
            Op::Deadlines => Answer::of(repository.cancel_overdue_jobs().await, Answer::Count),
            Op::Ends => Answer::of(repository.announce_ends().await, Answer::Ids),
            Op::Priorities => Answer::of(repository.propagate_priority_step().await, Answer::Flag),
            Op::Purge => Answer::of(repository.purge_step().await, Answer::Flag),
            other => panic!("{other:?} is no duty"),
        }
    }

    async fn look(&self, op: &Op) -> Answer {
        let Process { service, jobs, repository, .. } = self.process();
        match op {
            Op::Verify(job) => {
                Answer::of(jobs.verify(JobId::new(*job)).await, |verdict| Answer::Verdict(Box::new(verdict)))
            }
            Op::Repair(job) => Answer::job(jobs.repair(JobId::new(*job)).await),
            Op::GetChunk(chunk) => Answer::chunk(service.get_chunk_by_id(ChunkId::new(*chunk)).await),
            Op::GetJob(job) => Answer::job(jobs.get_crawl_job(JobId::new(*job)).await),
            Op::Next(job) => Answer::of(service.get_next_pending_chunk(JobId::new(*job)).await, |next| {
                Answer::MaybeChunk(next.map(Box::new))
            }),
            Op::Numbers(job) => {
                let numbers = self.numbers(JobId::new(*job)).await;
                Answer::of(numbers, |numbers| Answer::Numbers(Box::new(numbers)))
            }
            Op::List { job, status, page } => {
                let read = async |at| repository.list_chunks(JobId::new(*job), *status, at).await;
                Answer::of(all_pages(*page, read).await, Answer::Chunks)
            }
            Op::Jobs { status, page } => {
                let read = async |at| jobs.list_crawl_jobs(JobFilter { status: *status }, at).await;
                Answer::of(all_pages(*page, read).await, Answer::Jobs)
            }
            Op::Unpublished { job, limit } => {
                let found = repository.list_unpublished(JobId::new(*job), *limit).await;
                Answer::of(found, Answer::Chunks)
            }
            other => panic!("{other:?} is no look"),
        }
    }

    async fn numbers(&self, job: JobId) -> Result<(JobChunkStatistics, JobChunkProgress, bool, CrawlJob)> {
        let service = &self.process().service;
        Ok((
            service.get_chunk_statistics(job).await?,
            service.get_job_chunk_progress(job).await?,
            service.check_job_completion(job).await?,
            service.update_job_chunk_tracking(job, -1, 1, 0).await?,
        ))
    }
}

fn beat(chunk: i64, attempt: i64) -> Heartbeat {
    Heartbeat { chunk_id: ChunkId::new(chunk), attempt: Attempt::new(attempt), progress: None }
}

fn said(chunk: i64, attempt: Option<i64>) -> ChunkRef {
    ChunkRef { chunk_id: ChunkId::new(chunk), attempt: attempt.map(Attempt::new) }
}

/// Chunks whose indexes go down while their images go up.
fn bulk(sizes: &[u64], but: Bulk) -> Vec<NewChunk> {
    let mut start = u64::from(but == Bulk::Gap);
    let mut chunks: Vec<NewChunk> = Vec::new();
    for (n, size) in sizes.iter().enumerate() {
        let image_range = ImageRange::new(start, start + size - 1).unwrap();
        start = image_range.end() + u64::from(but != Bulk::Overlap);
        let chunk_index = (sizes.len() - n) as u64;
        chunks.push(NewChunk { chunk_index, image_range, priority: None });
    }
    if let (Bulk::IndexTwice, Some(first)) = (but, chunks.first_mut()) {
        first.chunk_index = 1;
    }
    chunks
}

/// Everything, page by page.
pub(crate) async fn all_pages<T>(
    limit: i64,
    read: impl AsyncFn(PageRequest) -> Result<Page<T>, Error>,
) -> Result<Vec<T>> {
    let mut all = Vec::new();
    let mut at = PageRequest::new(limit, None)?;
    loop {
        let page = read(at).await?;
        assert!(page.items.len() <= limit as usize, "a page is longer than asked for");
        all.extend(page.items);
        match page.next {
            Some(cursor) => at = at.at(Some(cursor)),
            None => return Ok(all),
        }
    }
}
