//! `ream completions`.

use crate::args::Cli;
use crate::exit::Exit;
use crate::failure::Result;
use crate::output::Output;
use clap::{Args, CommandFactory};

/// Print the completions of a shell
#[derive(Args)]
#[command(after_help = "\
Examples:
  ream completions bash > ~/.local/share/bash-completion/completions/ream
  ream completions zsh > \"${fpath[1]}/_ream\"
  ream completions fish > ~/.config/fish/completions/ream.fish")]
pub(crate) struct CompletionsArgs {
    /// Which shell
    shell: clap_complete::Shell,
}

pub(crate) fn run(args: &CompletionsArgs, out: &Output) -> Result<Exit> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "ream", &mut script);
    out.raw(&script)?;
    out.flush()?;
    Ok(Exit::Success)
}
