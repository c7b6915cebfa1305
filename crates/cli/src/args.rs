//! The shape of the command line.

use crate::commands::{
    activity, chunks, completions, crawl, demo, failed, jobs, migrate, plan, serve, tokens, verify, watch,
    work,
};
use crate::settings::{ColorWhen, LogFormat};
use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};
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
  4 conflict · 5 database or server out of reach · 130 interrupted · 141 nobody reads the output"
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
    Crawl(Box<crawl::CrawlArgs>),
    Work(Box<work::WorkArgs>),
    Failed(failed::FailedArgs),
    Plan(plan::PlanArgs),
    #[command(subcommand)]
    Jobs(jobs::JobsCommand),
    #[command(subcommand)]
    Chunks(chunks::ChunksCommand),
    Serve(serve::ServeArgs),
    #[command(subcommand)]
    Tokens(tokens::TokensCommand),
    Watch(watch::WatchArgs),
    Verify(verify::VerifyArgs),
    Activity(activity::ActivityArgs),
    Migrate(migrate::MigrateArgs),
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
    /// Where state lives: `sqlite:PATH` or `postgres://…` [default: sqlite:ream.db]
    #[arg(long, global = true, value_name = "URL")]
    pub(crate) database: Option<String>,
    /// A server to ask instead, `http://HOST:PORT`; several of one database with commas. Its token: REAM_TOKEN
    #[arg(long, global = true, value_name = "URL", conflicts_with = "database")]
    pub(crate) server: Option<String>,
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
    /// The form of the log: text, or json for machines [default: text]
    #[arg(long, global = true, value_name = "FORMAT", hide_possible_values = true)]
    pub(crate) log_format: Option<LogFormat>,
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
