//! The command line of Ream: data on standard output, talk on standard error, exit codes as in `exit.rs`.

mod allocator;
mod args;
mod commands;
mod context;
mod exit;
mod failure;
mod log;
mod output;
mod pages;
mod settings;
mod signals;
#[cfg(feature = "otel")]
mod traces;
mod values;

use args::Cli;
use context::Context;
use exit::Exit;
use failure::{Failure, Result};
use output::Output;
use settings::{DatabaseSettings, Layers, OutputSettings, ServerSettings, Settings};
use std::process::ExitCode;

fn main() -> ExitCode {
    allocator::return_memory();
    report_only_own_panics();
    let words: Vec<_> = std::env::args_os().collect();
    let early = args::Early::look(&words);
    let mut out = Output::new(early.json, early.quiet, early.color);
    let exit = match args::parse(&words, early.color) {
        Ok(cli) => start(cli, &mut out).unwrap_or_else(|failure| {
            out.failure(&failure);
            failure.exit
        }),
        Err(error) => {
            out.parser_says(&error);
            if error.use_stderr() { Exit::Usage } else { Exit::Success }
        }
    };
    exit.into()
}

fn start(cli: Cli, out: &mut Output) -> Result<Exit> {
    if let Some(exit) = commands::without_settings(&cli.command, out)? {
        return Ok(exit);
    }
    let layers = Layers::read(cli.global.config.clone())?;
    let settings = Settings {
        output: OutputSettings::load(&layers, cli.global.color, cli.global.log(), cli.global.log_format)?,
        database: DatabaseSettings::load(&layers, cli.global.database.as_deref())?,
        server: ServerSettings::load(&layers, cli.global.server.as_deref())?,
        layers,
    };
    settings.rows()?;
    for (name, meant) in settings::mistyped_variables(std::env::vars_os().map(|(name, _)| name)) {
        out.warning(format_args!("the variable `{name}` sets nothing; did you mean `{meant}`?"));
    }
    out.set_color(settings.output.color.value);
    let _log = log::start(&settings.output, out.stderr_color())?;
    // A hostile server can keep a thread busy for as long as its time limit lasts: the system then shares the
    // processors between more threads than there are processors.
    let threads = std::thread::available_parallelism().map_or(1, usize::from).max(4);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build();
    let runtime = runtime.map_err(|error| Failure::internal(format!("cannot start threads: {error}")))?;
    let context = Context::new(out, &settings);
    let ends_itself = commands::ends_itself(&cli.command);
    let ended = runtime.block_on(async {
        tokio::select! {
            // In this order: Ctrl-C is listened for before the command does anything.
            biased;
            // Whatever the command was in the middle of, the database holds either all of it or nothing.
            Ok(()) = tokio::signal::ctrl_c(), if !ends_itself => Err(Failure::interrupted()),
            ended = Box::pin(commands::run(cli.command, &context)) => ended,
        }
    });
    // A thread may still wait for an answer on the terminal; it ends with the process.
    runtime.shutdown_background();
    let exit = ended?;
    out.flush()?;
    Ok(exit)
}

/// A decoder that panics costs one image, which says so in its ledger row: no news on the terminal.
fn report_only_own_panics() {
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if ream_transform::catches_panics() {
            tracing::debug!(%panic, "a decoder panicked");
        } else {
            report(panic);
        }
    }));
}
