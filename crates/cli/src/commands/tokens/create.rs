//! `ream tokens create`.

use crate::context::{Context, actor};
use crate::exit::Exit;
use crate::failure::{Failure, Result};
use crate::output::text;
use clap::Args;
use ream::Role;
use serde::Serialize;

/// Make a token, and show it once
///
/// A viewer looks. A worker looks, claims chunks, and speaks of those that it holds. An operator does everything to jobs and chunks. An
/// admin makes tokens, too. The token's name is the actor of what is done with it.
#[derive(Args)]
#[command(after_help = "\
Examples:
  ream tokens create --name anna --role admin
  ream tokens create --name crawlers-eu --role worker --expires-days 90
  REAM_TOKEN=$(ream tokens create --name me --role operator) ream jobs list --server http://localhost:8080

JSON: the token with its secret, in `token`.")]
pub(crate) struct CreateArgs {
    /// Letters, digits, `.`, `_` and `-`; no other token may have it, or have had it
    #[arg(long)]
    name: String,
    /// viewer, worker, operator or admin
    #[arg(long, value_parser = crate::values::role())]
    role: Role,
    /// Days until it is good no longer [default: for ever]
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u64).range(1..=36_500))]
    expires_days: Option<u64>,
}

#[derive(Serialize)]
struct Document<'a> {
    #[serde(flatten)]
    stored: &'a ream::Token,
    token: &'a str,
}

pub(super) async fn run(args: CreateArgs, cx: &Context<'_>) -> Result<Exit> {
    let store = cx.create_store().await?;
    let expires_in_s = args.expires_days.map(|days| days * 86_400);
    let made = ream::create_token(&*store, args.name, args.role, expires_in_s, &actor()).await;
    let (stored, token) = made.map_err(|error| {
        Failure::from(error).rename_fields(|field| (field == "name").then(|| "--name".to_owned()))
    })?;
    if cx.out.is_json() {
        cx.out.document(&Document { stored: &stored, token: &token })?;
        return Ok(Exit::Success);
    }
    cx.out.line(&token)?;
    let until = stored.expires_at.map_or_else(String::new, |at| format!(", good until {}", text::time(at)));
    cx.out.note(format_args!(
        "token {} `{}`, {}{until}; it is not shown again",
        stored.id, stored.name, stored.role
    ));
    cx.out.hint("commands and workers take it from the variable `REAM_TOKEN`");
    Ok(Exit::Success)
}
