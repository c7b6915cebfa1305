//! Tokens: who may use a server. A token is shown once, to whoever creates it; what is stored is its secret's SHA-256.

use crate::page::{Page, PageRequest};
use crate::repository::{Actor, JobChunkRepository};
use async_trait::async_trait;
use ream_core::error::Validation;
use ream_core::{Error, Result, Role, Timestamp, Token, TokenId};

/// The SHA-256 of a token's secret.
pub type SecretSha256 = [u8; 32];

/// A token with what a caller's secret is compared with.
#[derive(Clone, PartialEq, Eq)]
pub struct StoredToken {
    /// The token, which may have expired or been revoked.
    pub token: Token,
    /// To be compared in constant time.
    pub secret_sha256: SecretSha256,
    /// The database's time at the moment of the reading, for [`Token::is_valid_at`].
    pub now: Timestamp,
}

impl std::fmt::Debug for StoredToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StoredToken")
            .field("token", &self.token)
            .field("now", &self.now)
            .finish_non_exhaustive()
    }
}

/// What a token is made from. Checked by [`Self::validate`].
#[derive(Clone, PartialEq, Eq)]
pub struct NewToken {
    /// 1 to 100 letters, digits, `.`, `_` and `-` of ASCII; no other token's, revoked ones included.
    pub name: String,
    /// What it may be used for.
    pub role: Role,
    /// For how many seconds it is worth something, 1 to [`Self::MAX_EXPIRES_IN_S`]; `None`: for ever.
    pub expires_in_s: Option<u64>,
    /// Of its secret.
    pub secret_sha256: SecretSha256,
}

impl std::fmt::Debug for NewToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NewToken")
            .field("name", &self.name)
            .field("role", &self.role)
            .field("expires_in_s", &self.expires_in_s)
            .finish_non_exhaustive()
    }
}

impl NewToken {
    /// The longest name, in characters.
    pub const MAX_NAME_CHARS: usize = 100;
    /// The longest life, in seconds: a hundred years.
    pub const MAX_EXPIRES_IN_S: u64 = 100 * 365 * 24 * 3600;

    /// # Errors
    /// Validation: a bad name, or an end that is too near or too far.
    pub fn validate(&self) -> Result<()> {
        let mut v = Validation::default();
        let is_name_byte = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        v.check(
            (1..=Self::MAX_NAME_CHARS).contains(&self.name.len()) && self.name.bytes().all(is_name_byte),
            "name",
            format!("{:?}", self.name),
            format!("1 to {} letters, digits, `.`, `_` and `-`", Self::MAX_NAME_CHARS),
        );
        if let Some(expires_in_s) = self.expires_in_s {
            v.check(
                (1..=Self::MAX_EXPIRES_IN_S).contains(&expires_in_s),
                "expires_in_s",
                expires_in_s,
                format!("1 to {}", Self::MAX_EXPIRES_IN_S),
            );
        }
        v.finish()
    }

    /// The end of its life, in milliseconds from its creation.
    pub(crate) fn life_ms(&self) -> Option<i64> {
        // At most MAX_EXPIRES_IN_S, which fits.
        self.expires_in_s
            .map(|seconds| i64::try_from(seconds).unwrap_or(i64::MAX / 1000).saturating_mul(1000))
    }

    /// Another token has its name, or had it.
    pub(crate) fn name_taken(&self) -> Error {
        let allowed = "a name that no other token has, revoked ones included";
        Error::invalid("name", format!("{:?}", self.name), allowed)
    }
}

/// Durable state of tokens. Each operation is one transaction, and may fail with [`Error::Database`].
#[async_trait]
pub trait TokenRepository: Send + Sync {
    /// Stores a new token.
    ///
    /// # Errors
    /// Validation: as [`NewToken::validate`], or a name that a token has or had.
    async fn create_token(&self, new: NewToken, actor: &Actor) -> Result<Token>;

    /// Tokens, newest first, those that expired or were revoked too.
    async fn list_tokens(&self, page: PageRequest) -> Result<Page<Token>>;

    /// Makes a token worthless for ever. Revoked already: no change.
    ///
    /// # Errors
    /// Not found.
    async fn revoke_token(&self, token_id: TokenId, actor: &Actor) -> Result<Token>;

    /// A token for a check of its secret; `None` where there is none. One indexed read.
    async fn find_token(&self, token_id: TokenId) -> Result<Option<StoredToken>>;

    /// Whether a token was ever created, be it revoked since.
    async fn any_tokens(&self) -> Result<bool>;
}

/// All that a server keeps in its database.
pub trait Store: JobChunkRepository + TokenRepository {}

impl<S: JobChunkRepository + TokenRepository + ?Sized> Store for S {}
