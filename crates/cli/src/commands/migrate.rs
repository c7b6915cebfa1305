//! `ream migrate`.

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Result;
use crate::output::text;
use clap::Args;

/// Bring the database's schema up to date
///
/// Safe to run at any time and from several machines at once; a schema that is newer than this program is left alone.
/// SQLite files and empty PostgreSQL databases are brought up to date by every command that writes to them; a PostgreSQL
/// schema of an older version only by this one. Prints what was applied.
#[derive(Args)]
#[command(after_help = "\
Examples:
  ream migrate --database postgres://ream@db.example/ream
  ream migrate --dry-run --show-sql")]
pub(crate) struct MigrateArgs {
    /// Change nothing, print what would be applied
    #[arg(long)]
    dry_run: bool,
    /// Print the statements too
    #[arg(long)]
    show_sql: bool,
}

pub(crate) async fn run(args: MigrateArgs, cx: &Context<'_>) -> Result<Exit> {
    cx.check_no_server()?;
    let url = &cx.settings.database.url.value;
    let changes = url.migrate(args.dry_run).await?;
    for change in &changes {
        if cx.out.is_json() {
            cx.out.document(change)?;
        } else {
            cx.out.line(&change.name)?;
            if args.show_sql {
                cx.out.line(format_args!("\n{}", change.sql))?;
            }
        }
    }
    if !cx.out.is_json() {
        let told = text::count(changes.len() as u64, "change");
        cx.out.note(match (changes.is_empty(), args.dry_run) {
            (true, _) => "the schema is up to date".to_owned(),
            (false, true) => format!("{told} would be applied to {url}"),
            (false, false) => format!("{told} applied to {url}"),
        });
    }
    Ok(Exit::Success)
}
