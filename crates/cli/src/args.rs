//! The shape of the command line, and readers of values that several commands share.

use crate::commands::{activity, chunks, completions, crawl, demo, jobs, plan, verify, watch};
use crate::settings::ColorWhen;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};
use ream::{Action, ChunkId, CrawlJobStatus, Cursor, Error, JobChunkStatus, JobId, PageRequest};
use std::ffi::OsString;
use std::path::PathBuf;

/// Splits large image crawls into chunks, and always knows what is done, what runs and what is stuck
#[derive(Parser)]
#[command(
    name = "ream",
    version,
    max_term_width = 100,
    after_help = "\
Examples:
  ream demo
  ream crawl urls.txt --out photos/
  ream plan --images 2500
  ream jobs create --name photos --images 2500 --start
  ream watch 1

Exit codes:
  0 done · 1 ended but not complete, or a check found a fault · 2 bad usage or input · 3 not found
  4 conflict · 5 database out of reach · 130 interrupted"
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: GlobalArgs,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// One per command; each has a file of its own in `commands/`.
#[derive(Subcommand)]
pub(crate) enum Command {
    Demo(demo::DemoArgs),
    Crawl(crawl::CrawlArgs),
    Plan(plan::PlanArgs),
    #[command(subcommand)]
    Jobs(jobs::JobsCommand),
    #[command(subcommand)]
    Chunks(chunks::ChunksCommand),
    Watch(watch::WatchArgs),
    Verify(verify::VerifyArgs),
    Activity(activity::ActivityArgs),
    /// Show the settings in force and where each came from
    ///
    /// Flags come before REAM_* variables, these before `ream.toml` in the current folder, that before defaults.
    #[command(after_help = "\
Examples:
  ream config
  REAM_DATABASE=sqlite:other.db ream config --json")]
    Config,
    Completions(completions::CompletionsArgs),
}

#[derive(Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct GlobalArgs {
    /// Where state lives: `sqlite:PATH` [default: sqlite:ream.db]
    #[arg(long, global = true, value_name = "URL")]
    pub(crate) database: Option<String>,
    /// The settings file [default: ream.toml]
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Print JSON: one document, or one per line for lists
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Print data and errors only
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub(crate) quiet: bool,
    /// Log to standard error; twice for more
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
    /// When to use colours: auto, always or never [default: auto]
    #[arg(long, global = true, value_name = "WHEN", hide_possible_values = true)]
    pub(crate) color: Option<ColorWhen>,
}

impl GlobalArgs {
    /// What `-q` and `-v` make of the log.
    pub(crate) const fn log(&self) -> Option<&'static str> {
        match (self.quiet, self.verbose) {
            (true, _) => Some("error"),
            (false, 0) => None,
            (false, 1) => Some("info"),
            (false, 2) => Some("debug"),
            (false, _) => Some("trace"),
        }
    }
}

/// What has to be known before the command line is parsed, so that complaints about it come in the right form.
pub(crate) struct Early {
    pub(crate) json: bool,
    pub(crate) quiet: bool,
    pub(crate) color: ColorWhen,
}

impl Early {
    pub(crate) fn look(words: &[OsString]) -> Self {
        let mut early = Self { json: false, quiet: false, color: ColorWhen::Auto };
        let mut words = words.iter().map(|word| word.to_string_lossy()).take_while(|word| word != "--");
        while let Some(word) = words.next() {
            match word.as_ref() {
                "--json" => early.json = true,
                "--quiet" | "-q" => early.quiet = true,
                "--color" => early.color = words.next().and_then(|w| w.parse().ok()).unwrap_or(early.color),
                other => {
                    let color = other.strip_prefix("--color=").and_then(|when| when.parse().ok());
                    early.color = color.unwrap_or(early.color);
                }
            }
        }
        early
    }
}

/// Parses the command line; help and version come as errors, too.
pub(crate) fn parse(words: &[OsString], color: ColorWhen) -> Result<Cli, clap::Error> {
    let color = match color {
        ColorWhen::Auto => clap::ColorChoice::Auto,
        ColorWhen::Always => clap::ColorChoice::Always,
        ColorWhen::Never => clap::ColorChoice::Never,
    };
    let matches = Cli::command().color(color).try_get_matches_from(words)?;
    Cli::from_arg_matches(&matches)
}

/// Which page of a list.
#[derive(Debug, Clone, Args)]
pub(crate) struct PageArgs {
    /// Rows per page, 1 to 1000 [default: 100]
    #[arg(long, value_name = "ROWS", value_parser = limit, allow_negative_numbers = true)]
    limit: Option<i64>,
    /// Where the page begins: the cursor that the page before told
    #[arg(long, value_name = "CURSOR", value_parser = cursor)]
    cursor: Option<Cursor>,
    /// Every page
    #[arg(long, conflicts_with = "limit")]
    pub(crate) all: bool,
}

impl PageArgs {
    /// The first page to read.
    pub(crate) fn request(&self) -> ream::Result<PageRequest> {
        if self.all {
            return Ok(PageRequest::largest().at(self.cursor));
        }
        PageRequest::new(self.limit.unwrap_or_else(|| PageRequest::DEFAULT_LIMIT.into()), self.cursor)
    }
}

/// For the parser: what the library allows.
fn allowed<T>(read: ream::Result<T>) -> Result<T, String> {
    read.map_err(|error| match error {
        Error::Validation { errors } if !errors.is_empty() => format!("allowed is {}", errors[0].allowed),
        other => other.to_string(),
    })
}

fn whole<T: std::str::FromStr>(text: &str, allowed: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("allowed is {allowed}"))
}

fn limit(text: &str) -> Result<i64, String> {
    let limit = whole(text, &format!("1 to {}", PageRequest::MAX_LIMIT))?;
    allowed(PageRequest::new(limit, None)).map(|_| limit)
}

fn cursor(text: &str) -> Result<Cursor, String> {
    allowed(text.parse())
}

pub(crate) fn job_id(text: &str) -> Result<JobId, String> {
    whole(text, "a job's number").map(JobId::new)
}

pub(crate) fn chunk_id(text: &str) -> Result<ChunkId, String> {
    whole(text, "a chunk's number, as in the column ID of `ream chunks list`").map(ChunkId::new)
}

pub(crate) fn images(text: &str) -> Result<u64, String> {
    let range = format!("1 to {}", ream::plan::MAX_IMAGES);
    let images = whole(text, &range)?;
    allowed(ream::ChunkPlan::new(images, 1)).map(|_| images)
}

pub(crate) fn rows(text: &str) -> Result<u64, String> {
    let rows: std::num::NonZeroU64 = whole(text, "1 or more")?;
    Ok(rows.get())
}

pub(crate) fn priority(text: &str) -> Result<ream::Priority, String> {
    allowed(crate::settings::JobSettings::parse_priority(text))
}

pub(crate) fn chunk_size(text: &str) -> Result<u64, String> {
    allowed(crate::settings::JobSettings::parse_chunk_size(text))
}

pub(crate) fn interval_ms(text: &str) -> Result<u64, String> {
    allowed(crate::settings::WatchSettings::parse_interval_ms(text))
}

pub(crate) fn chunk_status() -> impl TypedValueParser<Value = JobChunkStatus> {
    let words = JobChunkStatus::ALL.map(JobChunkStatus::as_str);
    PossibleValuesParser::new(words).try_map(|word| word.parse::<JobChunkStatus>())
}

pub(crate) fn job_status() -> impl TypedValueParser<Value = CrawlJobStatus> {
    let words = CrawlJobStatus::ALL.iter().map(|status| status.as_str());
    PossibleValuesParser::new(words).try_map(|word| word.parse::<CrawlJobStatus>())
}

pub(crate) fn action() -> impl TypedValueParser<Value = Action> {
    let words = Action::ALL.iter().map(|action| action.as_str());
    PossibleValuesParser::new(words).try_map(|word| word.parse::<Action>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_has_examples() {
        fn check(command: &clap::Command) {
            for sub in command.get_subcommands() {
                let help = sub.get_after_help().map(ToString::to_string).unwrap_or_default();
                assert!(help.starts_with("Example"), "`{}` has no examples", sub.get_name());
                check(sub);
            }
        }
        check(&Cli::command());
    }

    #[test]
    fn early_looks_stop_at_the_end_of_options() {
        let look = |words: &[&str]| Early::look(&words.iter().map(OsString::from).collect::<Vec<_>>());
        assert!(look(&["ream", "--json"]).json && !look(&["ream", "--", "--json"]).json);
        assert_eq!(look(&["ream", "--color", "never"]).color, ColorWhen::Never);
        assert_eq!(look(&["ream", "--color=always"]).color, ColorWhen::Always);
        assert_eq!(look(&["ream", "--color"]).color, ColorWhen::Auto);
    }
}
