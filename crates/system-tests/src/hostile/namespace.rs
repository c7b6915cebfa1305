//! A network of the test's own: every address is this machine, and nothing leads out of it.

use crate::checker;
use crate::process::{output, run, tethered};
use crate::ream;
use ream_test_servers::{Fault, Result, cannot};
use std::process::Command;

const INSIDE: &str = "SYSTEM_TESTS_INSIDE";
const HINT: &str = "this test needs a network namespace (util-linux, iproute2; as root, or where the kernel lets users \
                    make namespaces: `sysctl kernel.unprivileged_userns_clone=1`)";

/// Runs a test again by itself within a network namespace; within it, does what the test is there for.
///
/// # Errors
/// There can be no namespace, or the test fails within it.
pub fn inside(test: &str, work: impl FnOnce() -> Result<()>) -> Result<()> {
    if std::env::var_os(INSIDE).is_some() {
        set_up()?;
        return work();
    }
    let test_binary = std::env::current_exe().map_err(cannot("find the running test"))?;
    let mut command = tethered("unshare");
    command.arg(way_in()?).arg("--").arg(test_binary).args(["--exact", test, "--nocapture"]);
    // Made out here: in there is no registry to ask.
    checker::python()?;
    command.env(INSIDE, "1").env(ream::BINARY_VARIABLE, ream::binary()?);
    let output = output(&mut command)?;
    let said =
        [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned()).concat();
    if output.status.success() && said.contains("1 passed") {
        return Ok(());
    }
    Err(Fault::new(format!("within its network namespace:\n{said}")))
}

/// As root a network is enough; others need to be root in a user namespace first.
fn way_in() -> Result<&'static str> {
    let mut why = String::new();
    for flags in ["-n", "-rn"] {
        match run(Command::new("unshare").args([flags, "ip", "link", "set", "lo", "up"])) {
            Ok(_) => return Ok(flags),
            Err(fault) => why.push_str(&format!("{fault}\n")),
        }
    }
    Err(Fault::new(format!("{HINT}:\n{why}")))
}

fn set_up() -> Result<()> {
    let ip = |args: &str| run(Command::new("ip").args(args.split(' ')));
    ip("link set lo up")?;
    let up = ip("-o link show up")?;
    let up = String::from_utf8_lossy(&up.stdout).into_owned();
    if up.lines().count() != 1 || !up.contains(": lo:") {
        return Err(Fault::new(format!("this is no network of its own, there is more than loopback:\n{up}")));
    }
    // Every address is here: who dials it is seen, and does not get anywhere.
    ip("route add local 0.0.0.0/0 dev lo")?;
    // Where there is no IPv6, nobody can be reached by it either.
    let _ = ip("-6 route add local ::/0 dev lo");
    Ok(())
}
