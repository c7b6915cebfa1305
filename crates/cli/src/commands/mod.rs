//! One file per command: its arguments, and what it does.

pub(crate) mod activity;
pub(crate) mod chunks;
pub(crate) mod completions;
mod config;
pub(crate) mod crawl;
pub(crate) mod demo;
pub(crate) mod failed;
pub(crate) mod jobs;
pub(crate) mod migrate;
pub(crate) mod plan;
pub(crate) mod verify;
pub(crate) mod watch;
pub(crate) mod work;

use crate::args::Command;
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Result;
use crate::output::Output;

/// Commands that must work whatever the settings are: a shell asks for completions at every start.
pub(crate) fn without_settings(command: &Command, out: &Output) -> Result<Option<Exit>> {
    match command {
        Command::Completions(args) => completions::run(args, out).map(Some),
        _ => Ok(None),
    }
}

/// Commands that hear Ctrl-C themselves, because they hold leases to give back.
pub(crate) const fn ends_itself(command: &Command) -> bool {
    matches!(command, Command::Demo(_) | Command::Crawl(_) | Command::Work(_))
}

/// Runs a command.
pub(crate) async fn run(command: Command, cx: &Context<'_>) -> Result<Exit> {
    match command {
        Command::Demo(args) => demo::run(args, cx).await,
        Command::Crawl(args) => crawl::run(*args, cx).await,
        Command::Work(args) => work::run(*args, cx).await,
        Command::Failed(args) => failed::run(args, cx).await,
        Command::Plan(args) => plan::run(args, cx).await,
        Command::Jobs(command) => jobs::run(command, cx).await,
        Command::Chunks(command) => chunks::run(command, cx).await,
        Command::Watch(args) => watch::run(args, cx).await,
        Command::Verify(args) => verify::run(args, cx).await,
        Command::Activity(args) => activity::run(args, cx).await,
        Command::Migrate(args) => migrate::run(args, cx).await,
        Command::Config => config::run(cx),
        Command::Completions(args) => completions::run(&args, cx.out),
    }
}
