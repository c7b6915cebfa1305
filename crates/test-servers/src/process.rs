//! Starting, signalling and awaiting processes.

use crate::account::Account;
use crate::fault::{Fault, Result, cannot};
use std::io;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::{Sender, channel};
use std::time::{Duration, Instant};

/// How often something is looked at while it is waited for.
const LOOK_EVERY: Duration = Duration::from_millis(1);
/// How long a killed process may take to be gone: it may have memory to give back on a busy machine.
const GONE_LIMIT: Duration = Duration::from_secs(30);

/// A command for [`spawn`]: the system sends its process the signal, such as `KILL`, when this process ends. Its
/// process id is that of the program itself.
pub(crate) fn tethered(program: &Path, signal_at_end: &str, account: Account) -> Command {
    let mut command = Command::new("setpriv");
    // Last, because a change of user takes the signal back.
    command.args(account.setpriv_args()).args(["--pdeathsig", signal_at_end]);
    command.arg(program).stdin(Stdio::null());
    without_settings(&mut command);
    command
}

/// Takes away what the environment would tell a program of PostgreSQL, language included.
pub(crate) fn without_settings(command: &mut Command) {
    let names = std::env::vars_os().map(|(name, _)| name);
    for name in names.filter(|name| name.as_encoded_bytes().starts_with(b"PG")) {
        command.env_remove(name);
    }
    command.env("LC_ALL", "C");
}

/// Starts a process on a thread that never ends. The signal of [`tethered`] comes when the *thread* that started the
/// process ends, and a test's thread, or one of a pool, may end long before whoever holds the server.
pub(crate) fn spawn(command: Command) -> io::Result<Child> {
    type Order = (Command, Sender<io::Result<Child>>);
    static STARTER: OnceLock<Sender<Order>> = OnceLock::new();
    let starter = STARTER.get_or_init(|| {
        let (sender, orders) = channel::<Order>();
        std::thread::spawn(move || {
            for (mut command, answer) in orders {
                let _ = answer.send(command.spawn());
            }
        });
        sender
    });
    let (sender, answer) = channel();
    starter.send((command, sender)).map_err(io::Error::other)?;
    answer.recv().map_err(io::Error::other)?
}

/// Runs a command to its end and answers what it printed; anything but success is a fault that shows what it said.
pub(crate) fn run(command: &mut Command) -> Result<String> {
    let output = command.stdin(Stdio::null()).output();
    let output = output.map_err(cannot(format!("start {:?}", command.get_program())))?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() {
        return Ok(text(&output.stdout));
    }
    let said = format!("{}{}", text(&output.stdout), text(&output.stderr));
    Err(Fault::new(format!("{command:?} ended with {}:\n{said}", output.status)))
}

/// Sends a signal, such as `INT`, to processes.
pub(crate) fn signal(name: &str, pids: &[u32]) -> Result<()> {
    let pids = pids.iter().map(u32::to_string);
    run(Command::new("sh").args(["-c", "kill -s \"$@\"", "sh", name]).args(pids)).map(|_| ())
}

/// Looks until there is something to see, or until time is up.
///
/// # Errors
/// Time is up, or looking fails.
pub fn until<T>(what: &str, limit: Duration, mut look: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let started = Instant::now();
    loop {
        if let Some(seen) = look()? {
            return Ok(seen);
        }
        if started.elapsed() > limit {
            return Err(Fault::new(format!("waited {limit:?} in vain for {what}")));
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

/// Waits for a process to end.
pub(crate) fn until_ended(what: &str, limit: Duration, child: &mut Child) -> Result<()> {
    until(&format!("{what} to end"), limit, || child.try_wait().map_err(cannot(format!("look after {what}"))))
        .map(|_| ())
}

/// Kills a process and its children with `KILL`, so that none of them can do anything about it, and waits until all
/// are gone.
pub(crate) fn kill_family(parent: &mut Child) -> Result<()> {
    let pid = parent.id();
    // One that stands still starts no further children.
    signal("STOP", &[pid])?;
    until("a stopped process to stand still", GONE_LIMIT, || {
        Ok(state(pid).filter(|state| "TZ".contains(*state)))
    })?;
    let children = children_of(pid)?;
    parent.kill().map_err(cannot("kill a process"))?;
    if !children.is_empty() {
        // Some may have ended by themselves.
        let _ = signal("KILL", &children);
    }
    parent.wait().map_err(cannot("wait for a killed process"))?;
    until("killed processes to be gone", GONE_LIMIT, || {
        Ok(children.iter().all(|child| !is_running(*child)).then_some(()))
    })
}

/// Whether there is a process of this id; one that has ended and that nobody has waited for does not count.
pub fn is_running(pid: u32) -> bool {
    state(pid).is_some_and(|state| !"ZX".contains(state))
}

fn state(pid: u32) -> Option<char> {
    state_and_parent(pid).map(|(state, _)| state)
}

fn children_of(parent: u32) -> Result<Vec<u32>> {
    let processes = std::fs::read_dir("/proc").map_err(cannot("list processes"))?;
    let pids = processes.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    Ok(pids.filter(|pid| state_and_parent(*pid).is_some_and(|(_, its)| its == parent)).collect())
}

fn state_and_parent(pid: u32) -> Option<(char, u32)> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // `PID (NAME) STATE PARENT …`, and the name may have brackets and spaces.
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut fields = after_name.split_ascii_whitespace();
    Some((fields.next()?.chars().next()?, fields.next()?.parse().ok()?))
}
