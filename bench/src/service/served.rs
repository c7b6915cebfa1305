//! A database that a server process serves.

use super::Stage;
use crate::postgres::cluster::Database;
use crate::postgres::{cpu, work};
use crate::{Result, machine};
use ream::{Actor, Role};
use ream_client::{AccessToken, ClientOptions, RemoteRepository};
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

/// `ream serve` on a database, with tokens, as where others reach it. Killed when dropped.
#[derive(Debug)]
pub(super) struct Served<'s> {
    process: Child,
    pub(super) url: String,
    /// For what a worker asks.
    pub(super) worker: String,
    /// For everything else.
    pub(super) operator: String,
    pub(super) database: Database<'s>,
}

impl<'s> Served<'s> {
    pub(super) fn start(stage: &'s Stage, database: Database<'s>) -> Result<Self> {
        Self::start_with(stage, database, &[])
    }

    /// With further arguments.
    pub(super) fn start_with(stage: &'s Stage, database: Database<'s>, args: &[&str]) -> Result<Self> {
        let runtime = &stage.scene.runtime;
        let store = work::open(runtime, &database.url(), 1)?;
        let create = |name, role| -> Result<String> {
            let actor = Actor::operator();
            Ok(runtime.block_on(ream::create_token(&*store, name, role, None, &actor))?.1)
        };
        let worker = create("workers", Role::Worker)?;
        let operator = create("bench", Role::Operator)?;
        drop(store);
        let mut process = Command::new(&stage.ream)
            .args(["serve", "--quiet", "--listen", "127.0.0.1:0", "--database", &database.url()])
            .args(args)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("{}: {error}", stage.ream.display()))?;
        let mut url = String::new();
        let told = process.stdout.take().ok_or("the server's output is not there")?;
        let read = BufReader::new(told).read_line(&mut url);
        let served = Self { process, url: url.trim().to_owned(), worker, operator, database };
        if read? == 0 {
            return Err("the server ended instead of telling its address".into());
        }
        Ok(served)
    }

    pub(super) fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Processor time of the server process so far, in seconds.
    pub(super) fn cpu_s(&self) -> Result<f64> {
        cpu::family_s(self.pid())
    }

    /// Its memory at this moment.
    pub(super) fn resident_mib(&self) -> Result<f64> {
        machine::resident_mib(self.pid())
    }

    /// A client with connections of its own.
    pub(super) fn client(&self, token: &str) -> Result<Arc<RemoteRepository>> {
        let mut options = ClientOptions::new(self.url.parse()?);
        options.token = Some(AccessToken::new(token)?);
        Ok(Arc::new(RemoteRepository::connect(&options)?))
    }
}

impl Drop for Served<'_> {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
