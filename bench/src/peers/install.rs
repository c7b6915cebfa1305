//! Installing peers from their registries, into the target folder.

use super::Peer;
use crate::Result;
use crate::report::say;
use ream_system_tests::paths::target_and_profile;
use ream_system_tests::process::run;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A peer that is ready to run.
#[derive(Debug)]
pub(super) struct Installed {
    pub(super) peer: Peer,
    /// The program and its first arguments; what to do follows.
    pub(super) command: Vec<OsString>,
    pub(super) versions: String,
}

impl Installed {
    /// Installs it on first use.
    pub(super) fn ready(peer: Peer) -> Result<Self> {
        match peer {
            Peer::GraphileWorker => node(peer, "graphile-worker"),
            Peer::PgBoss => node(peer, "pg-boss"),
            Peer::Procrastinate => python(peer, "procrastinate_peer.py", &["procrastinate", "psycopg"], ""),
            Peer::Celery => {
                let redis = run(Command::new("redis-server").arg("--version"))
                    .map_err(|error| format!("{error} (Debian package `redis-server`)"))?;
                let said = String::from_utf8_lossy(&redis.stdout).into_owned();
                let version =
                    said.split("v=").nth(1).and_then(|rest| rest.split(' ').next()).unwrap_or("unknown");
                python(peer, "celery_peer.py", &["celery", "redis"], &format!(", Redis {version}"))
            }
            Peer::Apalis => apalis(peer),
        }
    }
}

fn source(folder: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("peers").join(folder)
}

fn target(folder: &str) -> Result<PathBuf> {
    let target = target_and_profile()?.0.join("bench-peers").join(folder);
    std::fs::create_dir_all(&target)?;
    Ok(target)
}

/// Calls `install` unless that was done for this very list of packages.
fn once(list: &Path, folder: &Path, install: impl FnOnce() -> Result<()>) -> Result<()> {
    let (wanted, ready) = (std::fs::read(list)?, folder.join("ready"));
    if std::fs::read(&ready).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    say(&format!("installing what {} names (once)", list.display()));
    install()?;
    Ok(std::fs::write(ready, wanted)?)
}

/// The scripts run where their packages are: Node.js looks for these beside the script.
fn node(peer: Peer, package: &str) -> Result<Installed> {
    let (source, target) = (source("node"), target("node")?);
    for entry in std::fs::read_dir(&source)? {
        let entry = entry?;
        std::fs::copy(entry.path(), target.join(entry.file_name()))?;
    }
    once(&source.join("package.json"), &target, || {
        let mut npm = Command::new("npm");
        run(npm.args(["install", "--no-fund", "--no-audit", "--no-package-lock"]).current_dir(&target))?;
        Ok(())
    })?;
    // The newest peers want a newer Node.js than some systems have; the registry has one.
    let own = target.join("node_modules/.bin/node");
    let node = if own.exists() { own } else { PathBuf::from("node") };
    let version = |package: &str| -> Result<String> {
        let file = target.join("node_modules").join(package).join("package.json");
        let read: serde_json::Value = serde_json::from_slice(&std::fs::read(file)?)?;
        Ok(read["version"].as_str().unwrap_or("unknown").to_owned())
    };
    let runtime = run(Command::new(&node).arg("--version"))?;
    let versions = format!(
        "{package} {}, pg {}, Node.js {}",
        version(package)?,
        version("pg")?,
        String::from_utf8_lossy(&runtime.stdout).trim()
    );
    let script = target.join(format!("{package}.mjs"));
    Ok(Installed { peer, command: vec![node.into(), script.into()], versions })
}

fn python(peer: Peer, script: &str, packages: &[&str], more: &str) -> Result<Installed> {
    let (source, target) = (source("python"), target("python")?);
    let python = target.join("bin/python");
    let list = source.join("requirements.txt");
    once(&list, &target, || {
        run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&target))?;
        run(Command::new(&python).args(["-m", "pip", "install", "--quiet", "--requirement"]).arg(&list))?;
        Ok(())
    })?;
    let code = "import sys, importlib.metadata as m\n\
        print(', '.join(f'{x} {m.version(x)}' for x in sys.argv[1:]) + f', Python {sys.version.split()[0]}')";
    let output = run(Command::new(&python).args(["-c", code]).args(packages))?;
    let versions = format!("{}{more}", String::from_utf8_lossy(&output.stdout).trim());
    // Without leaving compiled files beside the sources.
    let command = vec![python.into(), "-B".into(), source.join(script).into()];
    Ok(Installed { peer, command, versions })
}

fn apalis(peer: Peer) -> Result<Installed> {
    let (source, target) = (source("apalis"), target("apalis")?);
    say("building apalis (the first time takes minutes)");
    let mut cargo = Command::new(env!("CARGO"));
    cargo
        .args(["build", "--quiet", "--release", "--locked", "--manifest-path"])
        .arg(source.join("Cargo.toml"));
    run(cargo.arg("--target-dir").arg(&target))?;
    let lock = std::fs::read_to_string(source.join("Cargo.lock"))?;
    let version = |package: &str| {
        let mut lines = lock.lines().skip_while(|line| *line != format!("name = \"{package}\""));
        lines.nth(1).and_then(|line| line.split('"').nth(1)).unwrap_or("unknown").to_owned()
    };
    let versions =
        ["apalis", "apalis-postgres", "sqlx"].map(|name| format!("{name} {}", version(name))).join(", ");
    Ok(Installed { peer, command: vec![target.join("release/peer-apalis").into()], versions })
}
