//! `ream serve`.

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::{Failure, Result};
use crate::output::text;
use crate::settings::{ServeFlags, ServeSettings};
use crate::signals::Signals;
use clap::Args;
use ream_server::{Server, ServerError};

/// Serve jobs and chunks over HTTP
///
/// Any number of servers may share one PostgreSQL. Each does the maintenance, too: leases that run out, retries,
/// deadlines. Without any token a server listens on this machine only, and trusts whoever reaches it; `ream tokens create` makes the
/// first. `/docs` shows what can be asked. On SIGTERM or Ctrl-C requests in flight may end; a second one ends at once.
#[derive(Args)]
#[command(after_help = "\
Examples:
  ream serve
  ream serve --database postgres://ream@db.example/ream --listen 0.0.0.0:8080 --storage s3://crawls
  ream serve --listen 0.0.0.0:8443 --tls-cert chain.pem --tls-key key.pem")]
pub(crate) struct ServeArgs {
    #[command(flatten)]
    serving: ServeFlags,
}

pub(crate) async fn run(args: ServeArgs, cx: &Context<'_>) -> Result<Exit> {
    let config = ServeSettings::load(&cx.settings.layers, &args.serving)?.config()?;
    let mut signals = Signals::listen()?;
    let drain_s = config.limits.drain_timeout.as_secs();
    let store = cx.create_store().await?;
    let server = Server::bind(store, config).await?;
    let scheme = if server.speaks_tls() { "https" } else { "http" };
    let url = format!("{scheme}://{}", server.address());
    // For scripts: the address that was taken.
    cx.out.line(&url)?;
    cx.out.flush()?;
    cx.out.note(format_args!("serving {}; how it is used: {url}/docs", cx.settings.database.url.value));
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let mut running = std::pin::pin!(server.run(async {
        // An end of the sender says stop, too.
        let _ = stopped.await;
    }));
    tokio::select! {
        _ = &mut running => return Err(Failure::internal("the server ended by itself")),
        () = signals.next() => {}
    }
    cx.out.note(format_args!("stopping: requests in flight have {drain_s} s (again to end at once)"));
    drop(stop);
    tokio::select! {
        cut_off = &mut running => {
            if cut_off > 0 {
                cx.out.warning(format_args!("{} cut off", text::count(cut_off as u64, "connection")));
            }
            Ok(Exit::Success)
        }
        () = signals.next() => Err(Failure::interrupted_with("ended at once")),
    }
}

impl From<ServerError> for Failure {
    fn from(error: ServerError) -> Self {
        let told = error.to_string();
        match error {
            ServerError::Database(error) => Self::from(error),
            ServerError::NoTokens(_) | ServerError::Tls { .. } => Self::usage(told),
            _ => Self::io(told),
        }
    }
}
