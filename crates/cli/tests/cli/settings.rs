use crate::harness::Session;

#[test]
fn flags_over_variables_over_file_over_defaults() {
    let mut s = Session::new();
    s.ream(&["config"]);
    s.file(
        "ream.toml",
        "# Everything of this folder\ndatabase = \"sqlite:file.db\"\n\n[watch]\ninterval_ms = 250\n\n\
         [policy]\nmax_retries = 7\njob_deadline_s = 86400\n\n[jobs]\nchunk_size = 100\npriority = 3\n",
    );
    s.ream(&["config"])
        .ream_env(
            &["config"],
            &[("REAM_DATABASE", "sqlite:env.db"), ("REAM_POLICY_MAX_RETRIES", "8"), ("REAM_LOG", "")],
        )
        .ream_env(
            &["config", "--database", "sqlite:flag.db", "-vv", "--json"],
            &[("REAM_DATABASE", "sqlite:env.db")],
        )
        .ream(&["plan", "--images", "250"])
        .ream(&["jobs", "create", "--name", "photos", "--images", "250", "--priority", "4", "--json"])
        .matches("settings");
}

#[test]
fn another_settings_file() {
    let mut s = Session::new();
    s.file("other.toml", "watch.interval_ms = 100\n");
    s.ream(&["config", "--config", "other.toml"])
        .ream_env(&["config", "--json"], &[("REAM_CONFIG", "other.toml")])
        .ream(&["config", "--config", "missing.toml"])
        .matches("settings_other_file");
}

#[test]
fn faults_of_settings_name_their_place() {
    let mut s = Session::new();
    for text in [
        "databse = \"sqlite:x.db\"\n",
        "\n[watch]\ninterval = 5\n",
        "flavour = \"mint\"\n",
        "database = \n",
        "database = [\"sqlite:x.db\"]\n",
        "[watch]\ninterval_ms = 0\n",
        "color = \"pink\"\n",
        "[policy]\nlease_duration_s = 4\n",
    ] {
        s.file("ream.toml", text);
        s.ream(&["jobs", "create", "--name", "x", "--images", "5"]);
        s.ream(&["watch", "1", "--once"]);
    }
    s.ream(&["jobs", "create", "--name", "x", "--images", "5", "--json"]);
    s.file("ream.toml", "databse = 1\n");
    s.ream(&["config", "--json"]).ream(&["completions", "elvish", "--help"]);
    std::fs::remove_file(s.path().join("ream.toml")).unwrap();
    s.ream_env(&["config"], &[("REAM_COLOR", "pink")])
        .ream_env(&["config"], &[("REAM_JOBS_PRIORITY", "high")])
        .ream_env(&["config"], &[("REAM_LOG", "ream=loud")])
        .ream(&["config", "--color", "pink"])
        .ream(&["config", "-q", "-v"])
        .matches("settings_bad");
}

#[test]
fn colours_are_for_terminals_or_on_demand() {
    let s = Session::with_job();
    let has_colour = |args: &[&str], env: &[(&str, &str)]| {
        let output = s.command(args).envs(env.iter().copied()).output().unwrap();
        (output.stdout.contains(&0x1b), output.stderr.contains(&0x1b))
    };
    assert_eq!(has_colour(&["jobs", "list"], &[]), (false, false));
    assert_eq!(has_colour(&["jobs", "list", "--color", "always"], &[]), (true, false));
    assert_eq!(has_colour(&["jobs", "show", "9", "--color=always"], &[]), (false, true));
    assert_eq!(has_colour(&["jobs", "list"], &[("REAM_COLOR", "always")]), (true, false));
    assert_eq!(
        has_colour(&["jobs", "list", "--color", "never"], &[("REAM_COLOR", "always")]),
        (false, false)
    );
    assert_eq!(has_colour(&["jobs", "list"], &[("CLICOLOR_FORCE", "1")]), (true, false));
    assert_eq!(has_colour(&["jobs", "list"], &[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")]), (false, false));
    assert_eq!(has_colour(&["--color", "always", "plan", "--help"], &[]), (true, false));
    assert_eq!(has_colour(&["--color", "never", "plan", "--help"], &[]), (false, false));
    assert_eq!(has_colour(&["jobs", "shw", "--color=always"], &[]), (false, true));
    assert_eq!(has_colour(&["jobs", "list", "--json", "--color", "always"], &[]), (false, false));
}
