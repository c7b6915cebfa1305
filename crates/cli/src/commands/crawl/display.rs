//! The progress bar of a crawl, and warnings while it runs.

use super::collapse::Watcher;
use crate::failure::Result;
use crate::output::{Output, text};
use indicatif::ProgressBar;
use ream_worker::crawl::CrawlSession;
use std::time::{Duration, Instant};

/// How often the progress bar looks.
pub(super) const TICK: Duration = Duration::from_millis(200);

/// How often a line tells of the progress where no bar can be seen.
const LINE_EVERY: Duration = Duration::from_secs(30);

/// How often it is looked whether the job is paused.
const PAUSE_LOOK_EVERY: Duration = Duration::from_secs(1);

/// The bar over a crawl's chunks, or lines from time to time where standard error is no terminal.
pub(super) struct Display<'a> {
    session: &'a CrawlSession,
    out: &'a Output,
    bar: ProgressBar,
    watcher: Watcher,
    started: Instant,
    last_line: Instant,
    last_look: Instant,
    /// What the crawl waits for, when it was last looked.
    paused: Option<String>,
}

impl<'a> Display<'a> {
    pub(super) async fn new(session: &'a CrawlSession, out: &'a Output) -> Result<Self> {
        let progress = session.progress().await?;
        let bar = out.bar(progress.total_chunks.unsigned_abs());
        bar.set_position(progress.completed_chunks.unsigned_abs());
        let now = Instant::now();
        Ok(Self {
            session,
            out,
            bar,
            watcher: Watcher::default(),
            started: now,
            last_line: now,
            last_look: now,
            paused: None,
        })
    }

    pub(super) fn say(&self, words: &str) {
        self.bar.suspend(|| self.out.note(words));
    }

    /// A job that is paused is told once, or the crawl would seem to hang.
    async fn look_for_pause(&mut self) {
        if self.last_look.elapsed() < PAUSE_LOOK_EVERY {
            return;
        }
        self.last_look = Instant::now();
        let Ok(paused) = self.session.paused().await else { return };
        let told = match &paused {
            Some(words) if self.paused.is_none() => text::printable(words),
            None if self.paused.is_some() => format!("job {} goes on", self.session.job_id()),
            _ => return,
        };
        self.paused = paused;
        if !self.out.is_json() {
            self.say(&told);
        }
    }

    /// A look that fails shows nothing new; what is wrong is told where the work is done.
    pub(super) async fn refresh(&mut self) {
        self.look_for_pause().await;
        let Ok(progress) = self.session.progress().await else { return };
        let tally = self.session.tally().snapshot();
        if let Some(warning) = self.watcher.look(&tally) {
            self.bar.suspend(|| self.out.warning(warning));
        }
        let seconds = self.started.elapsed().as_secs_f64().max(0.001);
        let mut message = format!(
            "{} images, {:.0}/s, {:.1} MB/s",
            tally.images(),
            tally.images() as f64 / seconds,
            tally.bytes as f64 / 1e6 / seconds
        );
        if let Some(eta) = progress.eta {
            message.push_str(&format!(", {} left", text::duration(eta.ms_since(progress.timestamp))));
        }
        for (class, count) in &tally.failed {
            message.push_str(&format!("  {class} {count}"));
        }
        if self.bar.is_hidden() && !self.out.is_json() && self.last_line.elapsed() >= LINE_EVERY {
            self.last_line = Instant::now();
            let chunks = format!("{}/{} chunks", progress.completed_chunks, progress.total_chunks);
            self.out.note(format_args!("{chunks}  {message}"));
        }
        self.bar.set_position(progress.completed_chunks.unsigned_abs());
        self.bar.set_message(message);
    }
}
