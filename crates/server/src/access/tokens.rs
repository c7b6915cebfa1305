//! Tokens as they come with requests, against those that are stored.

use super::Caller;
use crate::answer::Refusal;
use lru::LruCache;
use ream::{GivenToken, Result, StoredToken, Timestamp, TokenId, TokenRepository};
use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long a look at the database counts: so long a revoked token may still be good, here.
const LOOK_COUNTS: Duration = Duration::from_secs(1);
/// Tokens that are remembered.
const REMEMBERED: NonZeroUsize = NonZeroUsize::new(4096).unwrap();

/// The tokens of this server's database.
pub(crate) struct Tokens {
    repository: Arc<dyn TokenRepository>,
    on_loopback: bool,
    any: Mutex<Option<(bool, Instant)>>,
    seen: Mutex<LruCache<TokenId, (StoredToken, Instant)>>,
}

impl Tokens {
    pub(crate) fn new(repository: Arc<dyn TokenRepository>, on_loopback: bool) -> Self {
        Self { repository, on_loopback, any: Mutex::default(), seen: Mutex::new(LruCache::new(REMEMBERED)) }
    }

    /// The tokens behind it.
    pub(crate) fn repository(&self) -> &Arc<dyn TokenRepository> {
        &self.repository
    }

    /// Whether no token is asked for: there never was one, and only this machine reaches the server.
    pub(crate) async fn is_open(&self, peer: IpAddr) -> Result<bool> {
        Ok(self.on_loopback && peer.to_canonical().is_loopback() && !self.any().await?)
    }

    async fn any(&self) -> Result<bool> {
        let known = *self.any.lock().unwrap_or_else(PoisonError::into_inner);
        match known {
            // There is no way back.
            Some((true, _)) => Ok(true),
            Some((false, at)) if at.elapsed() < LOOK_COUNTS => Ok(false),
            _ => {
                let at = Instant::now();
                let any = self.repository.any_tokens().await?;
                *self.any.lock().unwrap_or_else(PoisonError::into_inner) = Some((any, at));
                Ok(any)
            }
        }
    }

    /// A token was made or revoked here: that counts at once.
    pub(crate) fn forget(&self) {
        *self.any.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Whose token it is, or why it is refused: in words that do not tell whether one of that id is there.
    /// `may_look` is asked before the database is, for a token that was not seen yet.
    pub(crate) async fn find(
        &self,
        given: &str,
        may_look: impl FnOnce() -> std::result::Result<(), Refusal>,
    ) -> std::result::Result<std::result::Result<Caller, String>, Refusal> {
        let unknown = || Err("the token is not known; it may be mistyped".to_owned());
        let Some(given) = GivenToken::parse(given) else { return Ok(unknown()) };
        if !self.is_known(given.id()) {
            may_look()?;
        }
        let Some((stored, read_at)) = self.stored(given.id()).await? else { return Ok(unknown()) };
        if !given.is_of(&stored.secret_sha256) {
            return Ok(unknown());
        }
        let now = now(&stored, read_at);
        let token = stored.token;
        if let Some(at) = token.revoked_at {
            return Ok(Err(format!("the token `{}` was revoked at {at}", token.name)));
        }
        if let Some(at) = token.expires_at.filter(|at| *at <= now) {
            return Ok(Err(format!("the token `{}` has expired at {at}", token.name)));
        }
        Ok(Ok(Caller { name: token.name.into(), role: token.role, token: Some(token.id) }))
    }

    /// Whether a token that was good still is.
    ///
    /// # Errors
    /// The database's.
    pub(crate) async fn is_good(&self, id: TokenId) -> Result<bool> {
        let Some((stored, read_at)) = self.stored(id).await? else { return Ok(false) };
        Ok(stored.token.is_valid_at(now(&stored, read_at)))
    }

    fn is_known(&self, id: TokenId) -> bool {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).contains(&id)
    }

    async fn stored(&self, id: TokenId) -> Result<Option<(StoredToken, Instant)>> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner).get(&id).cloned();
        if let Some((stored, at)) = seen
            && at.elapsed() < LOOK_COUNTS
        {
            return Ok(Some((stored, at)));
        }
        let at = Instant::now();
        let Some(stored) = self.repository.find_token(id).await? else { return Ok(None) };
        // Only what is there is remembered: guesses push nothing out.
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).put(id, (stored.clone(), at));
        Ok(Some((stored, at)))
    }
}

/// By the database's clock, as it was when it was looked, and what has passed since.
fn now(stored: &StoredToken, read_at: Instant) -> Timestamp {
    stored.now.plus_ms(i64::try_from(read_at.elapsed().as_millis()).unwrap_or(i64::MAX))
}
