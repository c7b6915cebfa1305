use crate::harness::Session;

#[test]
fn help_of_every_command() {
    let mut s = Session::new();
    for args in [
        &["--help"][..],
        &["demo", "--help"],
        &["crawl", "--help"],
        &["work", "--help"],
        &["plan", "--help"],
        &["jobs", "--help"],
        &["jobs", "create", "--help"],
        &["jobs", "list", "--help"],
        &["jobs", "show", "--help"],
        &["jobs", "start", "--help"],
        &["jobs", "pause", "--help"],
        &["jobs", "resume", "--help"],
        &["jobs", "retry", "--help"],
        &["jobs", "priority", "--help"],
        &["jobs", "cancel", "--help"],
        &["jobs", "delete", "--help"],
        &["chunks", "--help"],
        &["chunks", "list", "--help"],
        &["chunks", "show", "--help"],
        &["chunks", "explain", "--help"],
        &["chunks", "retry", "--help"],
        &["chunks", "split", "--help"],
        &["chunks", "priority", "--help"],
        &["serve", "--help"],
        &["tokens", "--help"],
        &["tokens", "create", "--help"],
        &["tokens", "list", "--help"],
        &["tokens", "revoke", "--help"],
        &["watch", "--help"],
        &["verify", "--help"],
        &["activity", "--help"],
        &["migrate", "--help"],
        &["failed", "--help"],
        &["config", "--help"],
        &["completions", "--help"],
    ] {
        s.ream(args);
    }
    s.matches("help");
}

#[test]
fn usage_errors() {
    Session::new()
        .ream(&[])
        .ream(&["paln"])
        .ream(&["jobs"])
        .ream(&["--json", "paln"])
        .ream(&["completions", "cmd"])
        .matches("usage");
}

#[test]
fn completions_for_every_shell() {
    let s = Session::new();
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let output = s.quietly(&["completions", shell]);
        let script = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && script.contains("explain"), "{shell}: {script}");
    }
}
