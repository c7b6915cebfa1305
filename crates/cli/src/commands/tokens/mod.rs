//! `ream tokens`: who may ask a server for what.

mod create;
mod list;
mod revoke;

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Result;
use clap::Subcommand;
use ream::TokenId;

/// Make, list and revoke the tokens of servers
///
/// On the database itself: whoever reaches that needs no token.
#[derive(Subcommand)]
#[command(after_help = "\
Examples:
  ream tokens create --name anna --role admin
  ream tokens list
  ream tokens revoke 3")]
pub(crate) enum TokensCommand {
    Create(create::CreateArgs),
    List(list::ListArgs),
    /// Revoke a token; servers notice within a second
    #[command(after_help = "\
Example:
  ream tokens revoke 3

JSON: the token, without its secret.")]
    Revoke {
        /// The token's id
        #[arg(value_name = "TOKEN", value_parser = crate::values::token_id)]
        token: TokenId,
    },
}

pub(crate) async fn run(command: TokensCommand, cx: &Context<'_>) -> Result<Exit> {
    match command {
        TokensCommand::Create(args) => create::run(args, cx).await,
        TokensCommand::List(args) => list::run(args, cx).await,
        TokensCommand::Revoke { token } => revoke::run(token, cx).await,
    }
}
