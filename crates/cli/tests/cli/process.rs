//! How the program ends when somebody ends it.

use crate::harness::Session;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};

fn spawn(session: &Session, args: &[&str]) -> (Child, BufReader<std::process::ChildStdout>) {
    let mut command = session.command(args);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let stdout = BufReader::new(child.stdout.take().unwrap());
    (child, stdout)
}

fn stderr(child: &mut Child) -> String {
    let mut text = String::new();
    child.stderr.take().unwrap().read_to_string(&mut text).unwrap();
    text
}

#[test]
fn a_reader_that_leaves_ends_the_program_quietly() {
    let session = Session::new();
    let images = "300000000000";
    let (mut child, mut stdout) = spawn(&session, &["plan", "--images", images, "--chunks", "--json"]);
    let mut line = String::new();
    stdout.read_line(&mut line).unwrap();
    assert_eq!(line, "{\"chunk_index\":0,\"image_range\":{\"start\":0,\"end\":499}}\n");
    drop(stdout);
    assert_eq!(child.wait().unwrap().code(), Some(141));
    assert_eq!(stderr(&mut child), "");
}

#[cfg(unix)]
#[test]
fn ctrl_c_ends_with_130_and_says_that_all_is_saved() {
    let session = Session::with_job();
    for args in
        [&["watch", "1", "--json"][..], &["watch", "1"], &["plan", "--images", "300000000000", "--chunks"]]
    {
        let (mut child, mut stdout) = spawn(&session, args);
        // Once it has said something it is well under way.
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        let sent = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
        assert!(sent.success());
        // The rest is read, so that a full pipe does not keep it from noticing.
        std::io::copy(&mut stdout, &mut std::io::sink()).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(130), "{args:?}");
        assert!(stderr(&mut child).contains("interrupted; what was done is saved"), "{args:?}");
    }
}
