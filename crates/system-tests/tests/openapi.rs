//! The OpenAPI document is a right one, and tells the truth: schemathesis makes thousands of requests up from it, right ones and wrong
//! ones, and compares the answers with what it says.
#![allow(clippy::print_stdout, reason = "a test")]

use ream_system_tests::paths::scratch;
use ream_system_tests::process::{is_full, output, run};
use ream_system_tests::server::{Database, Server};
use ream_test_servers::{Fault, Result, cannot, python_environment};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// A program of the environment that judges.
fn judging(program: &str) -> Result<Command> {
    let packages = ["openapi-spec-validator==0.9.0", "schemathesis==4.32.5"];
    let python = python_environment("openapi-environment-1", &packages, &[])?;
    Ok(Command::new(python.with_file_name(program)))
}

/// The database ids of the tokens of the run are beyond those that it makes up most.
const OTHER_TOKENS: usize = 20;

#[test]
fn the_document_is_valid() -> Result<()> {
    let server = Server::start(&Database::new()?)?;
    let (_, answer) = server.ask("GET", "/openapi.json", "")?;
    let folder = scratch()?;
    let path = folder.path().join("openapi.json");
    let document = answer.split_once("\r\n\r\n").map_or("", |(_, document)| document);
    std::fs::write(&path, document).map_err(cannot("write the document"))?;
    run(judging("openapi-spec-validator")?.arg(path)).map(|_| ())
}

#[test]
fn a_server_without_tokens_does_what_the_document_says() -> Result<()> {
    let database = Database::new()?;
    fill(&database)?;
    let folder = scratch()?;
    let server = serve(&database, folder.path())?;
    let mut schemathesis = schemathesis(&server, folder.path())?;
    // It trusts whoever reaches it, as long as there are no tokens: so it asks for none, and none is made.
    schemathesis.args(["--exclude-checks", "ignored_auth", "--generation-with-security-parameters", "false"]);
    judge(schemathesis.args(["--exclude-operation-id", "create_token"]))
}

#[test]
fn a_server_with_tokens_does_what_the_document_says() -> Result<()> {
    let database = Database::new()?;
    fill(&database)?;
    for number in 1..OTHER_TOKENS {
        database.token(&format!("token-{number}"), "viewer")?;
    }
    let token = database.token("admin", "admin")?;
    let folder = scratch()?;
    let server = serve(&database, folder.path())?;
    let mut schemathesis = schemathesis(&server, folder.path())?;
    schemathesis.env("OWN_TOKEN_ID", OTHER_TOKENS.to_string());
    judge(schemathesis.args(["--header", &format!("Authorization: Bearer {token}")]))
}

/// Jobs with chunks, so that there is something to ask about.
fn fill(database: &Database) -> Result<()> {
    for name in ["a", "b", "c", "d", "e"] {
        let create = ["jobs", "create", "--name", name, "--images", "100", "--chunk-size", "10", "--start"];
        database.ream(create).run(Duration::from_secs(60))?.expect_code(0)?;
    }
    Ok(())
}

/// A server whose datasets lie in `folder`.
fn serve(database: &Database, folder: &Path) -> Result<Server> {
    Server::of(
        &database.ream(["serve", "--listen", "127.0.0.1:0", "--storage"]).with([folder.join("datasets")]),
    )
}

/// It leaves its notes in `folder`.
fn schemathesis(server: &Server, folder: &Path) -> Result<Command> {
    let ours = Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi");
    let mut command = judging("schemathesis")?;
    command.current_dir(folder);
    command.env("PYTHONDONTWRITEBYTECODE", "1").env("SCHEMATHESIS_HOOKS", ours.join("hooks.py"));
    command.args(["run", &format!("{}/openapi.json", server.url()), "--no-color"]);
    command.args(["--max-examples", if is_full() { "500" } else { "25" }]);
    if !is_full() {
        // What passes once passes again; a full run looks elsewhere each time.
        command.args(["--seed", "1"]);
    }
    command.args(["--continue-on-failure", "--request-timeout", "30", "--generation-database", "none"]);
    // Its answer ends with the job, which may be never; the server's own tests read it.
    command.args(["--exclude-operation-id", "watch_job"]);
    Ok(command)
}

fn judge(schemathesis: &mut Command) -> Result<()> {
    let output = output(schemathesis)?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    println!("{said}");
    if output.status.success() { Ok(()) } else { Err(Fault::new(said)) }
}
