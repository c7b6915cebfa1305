//! One history: operations, one after the other, on the world and on the model, and what to tell when they part.

use crate::answer::Answer;
use crate::draw::Draw;
use crate::model::Model;
use crate::ops::Op;
use crate::watch::Watch;
use crate::world::World;
use ream::{ActivityFilter, PageRequest};
use std::collections::BTreeSet;
use std::fmt::Write;

/// Replays that may go into making a failing history short.
const MAX_REPLAYS: usize = 600;

/// A world beside its model.
pub(crate) struct Run {
    world: World,
    pub(crate) model: Model,
    watch: Watch,
    /// What was done and answered so far.
    trace: Vec<(Op, String)>,
}

impl Run {
    pub(crate) fn new() -> Self {
        Self { world: World::new(), model: Model::new(), watch: Watch::default(), trace: Vec::new() }
    }

    /// Does one operation and judges its answer.
    pub(crate) async fn step(&mut self, op: &Op) -> Result<Answer, String> {
        let answer = self.world.apply(op).await;
        self.trace.push((op.clone(), answer.brief()));
        self.model.judge(op, &answer)?;
        self.watch.see(&answer)?;
        for (chunk, from, to) in self.model.unsettled() {
            let drawn = self.world.retry_at(chunk);
            if !drawn.is_some_and(|at| (from..=to).contains(&at)) {
                return Err(format!("chunk {chunk} is retried at {drawn:?}, allowed is {from} to {to}"));
            }
            let settled = from + chunk.wrapping_mul(7919).wrapping_add(to) % (to - from + 1);
            self.world.settle_retry(chunk, settled);
            self.model.settle(chunk, settled);
        }
        Ok(answer)
    }

    /// Compares everything that is stored.
    pub(crate) async fn look(&mut self, thorough: bool) -> Result<(), String> {
        let mut looks = self.model.every_look();
        if thorough {
            looks.extend(self.model.thorough_looks());
        }
        let mut chunks = Vec::new();
        for op in &looks {
            let answer = self.world.apply(op).await;
            self.model.judge(op, &answer).map_err(|fault| format!("{op:?}: {fault}"))?;
            self.watch.see(&answer)?;
            match answer {
                Answer::Chunks(found) => chunks = found,
                // Comes right after the chunks of the same job.
                Answer::Job(job) => Watch::see_job(&job, &chunks)?,
                _ => {}
            }
        }
        let now = self.world.process().repository.now().await.map_err(|error| error.to_string())?;
        if now.unix_ms() != self.model.now {
            return Err(format!("the clock says {now}, wanted {}", self.model.now));
        }
        self.look_at_log().await
    }

    async fn look_at_log(&mut self) -> Result<(), String> {
        let (mut new, mut at) = (Vec::new(), PageRequest::new(50, None).unwrap());
        'pages: loop {
            let page = self.world.process().jobs.list_activity(ActivityFilter::default(), at).await;
            let page = page.map_err(|error| error.to_string())?;
            for row in page.items {
                if row.id <= self.watch.last_row() {
                    break 'pages;
                }
                new.push(row);
            }
            if page.next.is_none() {
                break;
            }
            at = at.at(page.next);
        }
        new.reverse();
        new.iter().try_for_each(|row| self.watch.see_row(row))?;
        self.model.judge_log(new)
    }
}

/// Runs to the end; a panic on the way is a fault like others, so that it is told with its seed.
fn block_on<T>(future: impl Future<Output = Result<T, String>>) -> Result<T, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let run = std::panic::AssertUnwindSafe(|| runtime.block_on(future));
    std::panic::catch_unwind(run).unwrap_or_else(|panic| {
        let told = panic.downcast_ref::<String>().cloned();
        let told = told.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        Err(format!("panicked: {}", told.unwrap_or_default()))
    })
}

/// What a history did: how many operations, and which answers came to which of them.
#[derive(Default)]
pub(crate) struct Done {
    pub(crate) operations: usize,
    pub(crate) answers: BTreeSet<String>,
}

impl Done {
    pub(crate) fn add(&mut self, other: Self) {
        self.operations += other.operations;
        self.answers.extend(other.answers);
    }

    fn of(trace: &[(Op, String)]) -> Self {
        let mut done = Self { operations: trace.len(), ..Self::default() };
        for (op, answer) in trace {
            let op = format!("{op:?}");
            let name = op.split(|letter: char| !letter.is_alphanumeric()).next().unwrap_or_default();
            let refusal =
                answer.split_once(": ").map(|(code, _)| code).filter(|code| REFUSALS.contains(code));
            done.answers.insert(format!("{name} {}", refusal.unwrap_or("done")));
        }
        done
    }
}

const REFUSALS: [&str; 7] = [
    "not_found",
    "validation",
    "wrong_status",
    "lease_lost",
    "already_chunked",
    "job_not_running",
    "unavailable",
];

/// One history as the seed draws it. An error tells all about it.
pub(crate) fn seed(seed: u64, whole_trace: bool) -> Result<Done, String> {
    let mut run = Run::new();
    let Err(fault) = block_on(history(&mut run, seed)) else { return Ok(Done::of(&run.trace)) };
    let mut told = format!("seed {seed}, operation {}: {fault}\n\n", run.trace.len());
    let ops: Vec<Op> = run.trace.iter().map(|(op, _)| op.clone()).collect();
    let (short, short_fault) = shorten(ops, fault);
    let _ = writeln!(told, "{} operations are enough, and end with: {short_fault}", short.len());
    for op in &short {
        let _ = writeln!(told, "    {op:?},");
    }
    let shown = if whole_trace { run.trace.len() } else { run.trace.len().min(15) };
    let _ = writeln!(told, "\nThe last {shown} of {} operations, all with", run.trace.len());
    let _ = writeln!(told, "REAM_SIMULATION_SEED={seed} cargo test -p ream-crawl --test simulation");
    for (n, (op, answer)) in run.trace.iter().enumerate().skip(run.trace.len() - shown) {
        let _ = writeln!(told, "{n:5} {op:?} -> {answer}");
    }
    Err(told)
}

/// Everything that a seed's history did and heard.
pub(crate) fn whole_trace(seed: u64) -> Vec<(Op, String)> {
    let mut run = Run::new();
    block_on(history(&mut run, seed)).unwrap();
    run.trace
}

async fn history(run: &mut Run, seed: u64) -> Result<(), String> {
    let mut draw = Draw::new(seed);
    while let Some((op, hears)) = draw.next(&run.model) {
        let answer = run.step(&op).await?;
        draw.hear(&op, hears, &answer);
        if draw.looks_now() {
            run.look(false).await?;
        }
    }
    run.look(true).await?;
    end(run).await
}

/// Rule 6: with workers that do their work, everything ends.
async fn end(run: &mut Run) -> Result<(), String> {
    let there = |job: &i64| run.model.job(*job).is_ok();
    let jobs: Vec<i64> = run.model.jobs.keys().copied().filter(there).collect();
    for job in jobs {
        run.step(&Op::Resume(job)).await?;
    }
    for _ in 0..4 {
        run.step(&Op::Advance(1_000_000)).await?;
        run.step(&Op::Duties).await?;
        let claim = Op::Claim { worker: 999, job: None, executor: None, limit: 1000 };
        if let Answer::Claimed(claimed) = run.step(&claim).await? {
            let held = claimed.iter().map(|c| (c.chunk.id.get(), Some(c.chunk.attempt.get())));
            run.step(&Op::CompleteMany(held.collect())).await?;
        }
    }
    while run.model.jobs.values().any(|job| job.deleted) {
        run.step(&Op::Purge).await?;
    }
    run.step(&Op::Duties).await?;
    run.look(true).await?;
    match run.model.jobs.values().find(|job| job.chunked.is_some() && !run.model.has_ended(job)) {
        Some(job) => Err(format!("job {} does not end: {:?}", job.id, run.model.count(job.id))),
        None => Ok(()),
    }
}

/// These operations in this order, with a look at everything after each; answers what was answered.
pub(crate) fn script(ops: &[Op]) -> Result<Vec<Answer>, String> {
    block_on(async {
        let mut run = Run::new();
        let mut answers = Vec::new();
        for (n, op) in ops.iter().enumerate() {
            let told = |fault| format!("operation {n}, {op:?}: {fault}");
            answers.push(run.step(op).await.map_err(told)?);
            run.look(n + 1 == ops.len()).await.map_err(told)?;
        }
        Ok(answers)
    })
}

/// What goes wrong, whatever the numbers and whatever showed it.
fn kind(fault: &str) -> String {
    let last = fault.rsplit(": ").next().unwrap_or(fault);
    last.chars().filter(|letter| !letter.is_ascii_digit()).collect()
}

/// Leaves out what the failure does not need.
fn shorten(mut ops: Vec<Op>, mut fault: String) -> (Vec<Op>, String) {
    let mut replays = 0;
    let mut size = ops.len().div_ceil(2);
    while size > 0 && replays < MAX_REPLAYS {
        let mut start = 0;
        while start < ops.len() && replays < MAX_REPLAYS {
            let mut fewer = ops.clone();
            fewer.drain(start..(start + size).min(ops.len()));
            replays += 1;
            match script(&fewer) {
                Err(same) if kind(&same) == kind(&fault) => (ops, fault) = (fewer, same),
                _ => start += size,
            }
        }
        size = if size == 1 { 0 } else { size.div_ceil(2) };
    }
    (ops, fault)
}
