//! `ream verify`: rules 1 to 3 on a live database.

use crate::context::{Context, Session};
use crate::exit::Exit;
use crate::failure::Result;
use crate::output::{Output, Paint, text};
use crate::values;
use clap::Args;
use ream::{JobFilter, JobId, JobVerdict, PageRequest};
use serde::Serialize;

/// Check that a job's chunks cover its images exactly, that leases fit and that counts are true
///
/// Reads every chunk in the database, in constant memory, while work goes on; files of a dataset are not looked at: the
/// same `ream crawl` again names those that are gone. Ends with 1 when a fault is found.
#[derive(Args)]
#[command(
    override_usage = "ream verify [OPTIONS] <JOB>\n       ream verify [OPTIONS] --all",
    after_help = "\
Examples:
  ream verify 1
  ream verify --all
  ream verify 1 --repair

JSON: one document per job: sound, job_id, chunks, cover_faults, lease_faults, counters, counted,
creation_unfinished, schema_faults, repaired (the counters before, or null)."
)]
pub(crate) struct VerifyArgs {
    /// The job's number
    #[arg(value_name = "JOB", value_parser = values::job_id, required_unless_present = "all")]
    job: Option<JobId>,
    /// Every job
    #[arg(long, conflicts_with = "job")]
    all: bool,
    /// Set counters that are wrong to a fresh count, then check again
    #[arg(long)]
    repair: bool,
}

#[derive(Serialize)]
struct Document<'a> {
    sound: bool,
    #[serde(flatten)]
    verdict: &'a JobVerdict,
    schema_faults: &'a [String],
    repaired: Option<serde_json::Value>,
}

struct Checker<'a> {
    session: Session,
    schema_faults: Vec<String>,
    repair: bool,
    out: &'a Output,
}

pub(crate) async fn run(args: VerifyArgs, cx: &Context<'_>) -> Result<Exit> {
    let session = cx.open().await?;
    let schema_faults = session.chunks.repository().verify_schema().await?;
    let checker = Checker { session, schema_faults, repair: args.repair, out: cx.out };
    let mut faulty = 0u64;
    let mut checked = 0u64;
    if let Some(job_id) = args.job {
        checked += 1;
        faulty += u64::from(!checker.check(job_id).await?);
    } else {
        let mut request = PageRequest::default();
        loop {
            let page = checker.session.jobs.list_crawl_jobs(JobFilter::default(), request).await?;
            for job in &page.items {
                match checker.check(job.id).await {
                    // Deleted since the page was read.
                    Err(failure) if failure.exit == Exit::NotFound => continue,
                    sound => faulty += u64::from(!sound?),
                }
                checked += 1;
            }
            let Some(next) = page.next else { break };
            request = request.at(Some(next));
        }
    }
    checker.schema(args.all.then_some((checked, faulty)))?;
    let sound = faulty == 0 && checker.schema_faults.is_empty();
    Ok(if sound { Exit::Success } else { Exit::Incomplete })
}

impl Checker<'_> {
    /// Checks one job and reports; answers whether it is sound.
    async fn check(&self, job_id: JobId) -> Result<bool> {
        let mut verdict = self.verdict(job_id).await?;
        let mut before = None;
        if self.repair && verdict.counters != verdict.counted {
            self.session.jobs.repair(job_id).await?;
            before = Some(verdict.counters);
            verdict = self.verdict(job_id).await?;
        }
        if self.out.is_json() {
            self.out.document(&Document {
                sound: verdict.is_sound() && self.schema_faults.is_empty(),
                verdict: &verdict,
                schema_faults: &self.schema_faults,
                repaired: before.map(|counters| serde_json::json!(counters)),
            })?;
            return Ok(verdict.is_sound());
        }
        self.report(&verdict)?;
        if let Some(before) = before {
            for ((name, before), (_, after)) in before.named().into_iter().zip(verdict.counters.named()) {
                if before != after {
                    self.out.line(format_args!("  repaired     {name}: {before} → {after}"))?;
                }
            }
        }
        Ok(verdict.is_sound())
    }

    async fn verdict(&self, job_id: JobId) -> Result<JobVerdict> {
        let spinner = self.out.spinner(format!("checking job {job_id}"));
        let verdict = self.session.jobs.verify(job_id).await;
        spinner.finish_and_clear();
        Ok(verdict?)
    }

    fn report(&self, verdict: &JobVerdict) -> Result<()> {
        let out = self.out;
        let chunks = text::count(verdict.chunks, "chunk");
        let sound = self.word(verdict.is_sound());
        out.line(format_args!("job {}: {sound}, {chunks} checked", verdict.job_id))?;
        if verdict.creation_unfinished {
            out.line(format_args!(
                "  note         its chunks are being created, or that was cut off; `ream jobs start {}` goes on",
                verdict.job_id
            ))?;
        }
        for fault in &verdict.cover_faults {
            out.line(format_args!("  exact cover  {fault}"))?;
        }
        for fault in &verdict.lease_faults {
            out.line(format_args!("  one holder   {}", text::printable(fault)))?;
        }
        let (said, counted) = (&verdict.counters, &verdict.counted);
        for ((name, said), (_, counted)) in said.named().into_iter().zip(counted.named()) {
            if said != counted {
                out.line(format_args!("  true counts  {name} says {said}, a count says {counted}"))?;
            }
        }
        if said != counted && !self.repair {
            out.hint(format_args!("`ream verify {} --repair` sets the counters right", verdict.job_id));
        }
        Ok(())
    }

    /// Reports on what concerns all jobs; `totals`: jobs checked, and with faults.
    fn schema(&self, totals: Option<(u64, u64)>) -> Result<()> {
        if self.out.is_json() {
            return Ok(());
        }
        self.out.line(format_args!("schema: {}", self.word(self.schema_faults.is_empty())))?;
        for fault in &self.schema_faults {
            self.out.line(format_args!("  {}", text::printable(fault)))?;
        }
        if let Some((checked, faulty)) = totals {
            self.out.note(format_args!("{} checked, {faulty} with faults", text::count(checked, "job")));
        }
        Ok(())
    }

    fn word(&self, sound: bool) -> String {
        if sound { self.out.paint(Paint::Green, "sound") } else { self.out.paint(Paint::Red, "FAULTY") }
    }
}
