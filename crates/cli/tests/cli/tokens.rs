use crate::harness::Session;

#[test]
fn tokens_from_their_making_to_their_end() {
    let mut s = Session::new();
    s.ream(&["tokens", "list"])
        .ream(&["tokens", "create", "--name", "anna", "--role", "admin"])
        .ream(&["tokens", "create", "--name", "crawlers-eu", "--role", "worker", "--expires-days", "90"])
        .ream(&["tokens", "create", "--name", "look", "--role", "viewer", "--json"])
        .ream(&["tokens", "create", "--name", "quiet", "--role", "operator", "--quiet"])
        .ream(&["tokens", "list"])
        .ream(&["tokens", "list", "--json", "--limit", "2"])
        .ream(&["tokens", "revoke", "2"])
        .ream(&["tokens", "revoke", "2", "--json"])
        .ream(&["tokens", "list"])
        .ream(&["activity"])
        .matches("tokens");
}

#[test]
fn what_is_wrong_with_a_token_is_named() {
    let mut s = Session::new();
    s.ream(&["tokens", "revoke", "1"])
        .ream(&["tokens", "create", "--name", "anna", "--role", "admin", "--quiet"])
        .ream(&["tokens", "create", "--name", "anna", "--role", "viewer"])
        .ream(&["tokens", "create", "--name", "two words", "--role", "viewer"])
        .ream(&["tokens", "create", "--name", "bob", "--role", "god"])
        .ream(&["tokens", "create", "--name", "bob", "--role", "viewer", "--expires-days", "0"])
        .ream(&["tokens", "create", "--name", "bob"])
        .ream(&["tokens", "revoke", "7"])
        .ream(&["tokens", "revoke", "anna"])
        .ream(&["tokens"])
        .matches("tokens_bad");
}
