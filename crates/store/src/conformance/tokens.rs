//! Tokens: names are given once, secrets are kept as digests, and what was revoked stays so.

use super::TestTokens;
use super::kit::{refusal, tester};
use crate::page::PageRequest;
use crate::repository::Actor;
use crate::tokens::NewToken;
use futures::future::join_all;
use ream_core::Token;
use ream_core::{Error, Role, TokenId};

facts!($ tokens of TestTokens:
    a_token_is_stored_and_found_with_its_digest,
    a_token_shows_nothing_of_its_secret,
    a_token_that_makes_no_sense_is_refused,
    a_name_is_given_once_and_for_ever,
    of_many_who_want_a_name_at_once_one_gets_it,
    tokens_are_listed_newest_first_by_pages,
    a_token_is_worth_nothing_from_its_end_on,
    a_revoked_token_stays_revoked_as_it_was_the_first_time,
    an_unknown_token_is_not_found,
    tokens_were_there_even_when_all_are_revoked,
);

fn new(name: &str) -> NewToken {
    NewToken { name: name.to_owned(), role: Role::Worker, expires_in_s: None, secret_sha256: [7; 32] }
}

async fn create(s: &TestTokens, new: NewToken) -> Token {
    s.hooks.shift_clock(7).await;
    s.tokens.create_token(new, &tester()).await.unwrap()
}

async fn a_token_is_stored_and_found_with_its_digest(s: &TestTokens) {
    for (n, role) in Role::ALL.iter().enumerate() {
        let mut secret_sha256 = [0; 32];
        secret_sha256[n] = 255;
        let expires_in_s = (n > 0).then_some(n as u64 * 3600);
        let name = format!("Token.{n}_-");
        let new = NewToken { name: name.clone(), role: *role, expires_in_s, secret_sha256 };
        let token = create(s, new).await;
        assert_eq!((&token.name, token.role, token.created_by.as_str()), (&name, *role, "tester"));
        assert_eq!((token.revoked_at, &token.revoked_by), (None, &None));
        let life = token.expires_at.map(|expires_at| expires_at.ms_since(token.created_at) / 1000);
        assert_eq!(life, expires_in_s.map(|seconds| seconds as i64));
        let found = s.tokens.find_token(token.id).await.unwrap().unwrap();
        assert_eq!((&found.token, found.secret_sha256), (&token, secret_sha256));
        assert!(found.now >= token.created_at);
    }
}

async fn a_token_shows_nothing_of_its_secret(s: &TestTokens) {
    let token = create(s, NewToken { secret_sha256: [201; 32], ..new("quiet") }).await;
    let found = s.tokens.find_token(token.id).await.unwrap().unwrap();
    for told in [serde_json::to_string(&token).unwrap(), format!("{found:?}"), format!("{:?}", new("quiet"))]
    {
        assert!(!told.contains("201") && !told.contains("secret"), "{told}");
    }
}

async fn a_token_that_makes_no_sense_is_refused(s: &TestTokens) {
    for bad in ["", "two words", "ä", "a/b", "a\n", &"x".repeat(101)] {
        assert_eq!(refusal(s.tokens.create_token(new(bad), &tester()).await), "validation", "{bad:?}");
    }
    for expires_in_s in [0, NewToken::MAX_EXPIRES_IN_S + 1, u64::MAX] {
        let bad = NewToken { expires_in_s: Some(expires_in_s), ..new("end") };
        assert_eq!(refusal(s.tokens.create_token(bad, &tester()).await), "validation");
    }
    assert!(!s.tokens.any_tokens().await.unwrap());
    create(s, NewToken { expires_in_s: Some(NewToken::MAX_EXPIRES_IN_S), ..new(&"x".repeat(100)) }).await;
}

async fn a_name_is_given_once_and_for_ever(s: &TestTokens) {
    let first = create(s, new("name")).await;
    create(s, new("Name")).await;
    s.tokens.revoke_token(first.id, &tester()).await.unwrap();
    let refused = s.tokens.create_token(new("name"), &tester()).await.unwrap_err();
    let Error::Validation { errors } = refused else { panic!("{refused}") };
    assert_eq!((errors.len(), errors[0].field.as_str()), (1, "name"));
    assert_eq!(errors[0].allowed, "a name that no other token has, revoked ones included");
}

async fn of_many_who_want_a_name_at_once_one_gets_it(s: &TestTokens) {
    let actor = tester();
    let asking = (0..6).map(|_| s.tokens.create_token(new("name"), &actor));
    let answers = join_all(asking).await;
    let (created, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(Result::is_ok);
    assert_eq!((created.len(), refused.len()), (1, 5));
    assert!(refused.into_iter().all(|refused| refusal(refused) == "validation"));
}

async fn tokens_are_listed_newest_first_by_pages(s: &TestTokens) {
    let mut wanted = Vec::new();
    for n in 0..5 {
        wanted.insert(0, create(s, new(&format!("token-{n}"))).await);
    }
    wanted[1] = s.tokens.revoke_token(wanted[1].id, &tester()).await.unwrap();
    let mut request = PageRequest::new(2, None).unwrap();
    let mut listed = Vec::new();
    loop {
        let page = s.tokens.list_tokens(request).await.unwrap();
        assert!(page.items.len() <= 2);
        listed.extend(page.items);
        let Some(next) = page.next else { break };
        request = request.at(Some(next));
    }
    assert_eq!(listed, wanted);
}

async fn a_token_is_worth_nothing_from_its_end_on(s: &TestTokens) {
    let token = create(s, NewToken { expires_in_s: Some(60), ..new("short") }).await;
    let lasting = create(s, new("lasting")).await;
    for (ms, wanted) in [(30_000, true), (30_000, false), (10_000_000, false)] {
        s.hooks.shift_clock(ms).await;
        let found = s.tokens.find_token(token.id).await.unwrap().unwrap();
        assert_eq!(found.token, token, "it is still shown");
        assert_eq!(found.token.is_valid_at(found.now), wanted);
        assert!(lasting.is_valid_at(found.now));
    }
}

async fn a_revoked_token_stays_revoked_as_it_was_the_first_time(s: &TestTokens) {
    let (token, other) = (create(s, new("revoked")).await, create(s, new("other")).await);
    s.hooks.shift_clock(1000).await;
    let revoked = s.tokens.revoke_token(token.id, &Actor::new("boss").unwrap()).await.unwrap();
    assert!(revoked.revoked_at.unwrap() > token.created_at);
    assert_eq!(revoked.revoked_by.as_deref(), Some("boss"));
    let wanted = Token { revoked_at: revoked.revoked_at, revoked_by: revoked.revoked_by.clone(), ..token };
    assert_eq!(revoked, wanted);
    s.hooks.shift_clock(1000).await;
    assert_eq!(s.tokens.revoke_token(revoked.id, &tester()).await.unwrap(), revoked);
    let found = s.tokens.find_token(revoked.id).await.unwrap().unwrap();
    assert_eq!((found.token.is_valid_at(found.now), found.token), (false, revoked));
    let found = s.tokens.find_token(other.id).await.unwrap().unwrap();
    assert!(found.token.is_valid_at(found.now) && found.token == other);
}

async fn an_unknown_token_is_not_found(s: &TestTokens) {
    let token = create(s, new("only")).await;
    for id in [token.id.get() + 1, 0, -1, i64::MAX] {
        let id = TokenId::new(id);
        assert_eq!(s.tokens.find_token(id).await.unwrap(), None);
        let refused = s.tokens.revoke_token(id, &tester()).await.unwrap_err();
        assert!(matches!(refused, Error::NotFound { what: "token", .. }), "{refused}");
    }
}

async fn tokens_were_there_even_when_all_are_revoked(s: &TestTokens) {
    assert!(!s.tokens.any_tokens().await.unwrap());
    let token = create(s, new("only")).await;
    assert!(s.tokens.any_tokens().await.unwrap());
    s.tokens.revoke_token(token.id, &tester()).await.unwrap();
    assert!(s.tokens.any_tokens().await.unwrap());
}
