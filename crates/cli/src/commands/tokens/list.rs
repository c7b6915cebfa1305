//! `ream tokens list`.

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Result;
use crate::output::{Align, Table, text};
use crate::pages;
use crate::values::PageArgs;
use clap::Args;
use ream::Token;

/// List tokens, newest first, revoked ones too
#[derive(Args)]
#[command(after_help = "\
Examples:
  ream tokens list
  ream tokens list --all --json

JSON: one token per line, without its secret, which nobody knows.")]
pub(crate) struct ListArgs {
    #[command(flatten)]
    page: PageArgs,
}

pub(super) async fn run(args: ListArgs, cx: &Context<'_>) -> Result<Exit> {
    let store = cx.open_store().await?;
    let table = Table::new(&[
        ("ID", Align::Right),
        ("NAME", Align::Left),
        ("ROLE", Align::Left),
        ("CREATED", Align::Left),
        ("BY", Align::Left),
        ("EXPIRES", Align::Left),
        ("REVOKED", Align::Left),
    ]);
    let read = |request| store.list_tokens(request);
    let tokens = pages::show(cx, &args.page, table, read, add).await?;
    if tokens == 0 && !cx.out.is_json() {
        cx.out.note(
            "no tokens: servers listen on their own machine only, and trust whoever reaches them there",
        );
    }
    Ok(Exit::Success)
}

fn add(table: &mut Table, token: &Token) {
    table.row([
        token.id.to_string().into(),
        text::printable(&token.name).into(),
        token.role.to_string().into(),
        text::time(token.created_at).into(),
        text::printable(&token.created_by).into(),
        text::maybe_time(token.expires_at).into(),
        text::maybe_time(token.revoked_at).into(),
    ]);
}
