//! The text of a token: `ream_ID_SECRET`. It is shown once, and what is stored cannot be turned back into it.

use ream_core::{DatabaseFault, Error, Result, Role, Token, TokenId};
use ream_store::{Actor, NewToken, TokenRepository};
use sha2::{Digest as _, Sha256};
use std::fmt;
use subtle::ConstantTimeEq as _;

const PREFIX: &str = "ream_";
const SECRET_BYTES: usize = 32;

/// A token's secret: 256 random bits, so that one fast hash is enough to keep them.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret([u8; SECRET_BYTES]);

impl Secret {
    /// A new one, from the system's source of randomness.
    ///
    /// # Errors
    /// Database, unavailable: the system has none.
    pub fn random() -> Result<Self> {
        let mut bytes = [0; SECRET_BYTES];
        getrandom::fill(&mut bytes).map_err(|error| Error::Database {
            fault: DatabaseFault::Unavailable,
            message: format!("the system gives no random numbers: {error}"),
        })?;
        Ok(Self(bytes))
    }

    /// What is stored of it.
    pub fn sha256(&self) -> [u8; 32] {
        Sha256::digest(self.0).into()
    }

    /// The token, as it is shown to who asked for it.
    pub fn token(&self, id: TokenId) -> String {
        use fmt::Write as _;
        let mut text = format!("{PREFIX}{id}_");
        for byte in self.0 {
            let _ = write!(text, "{byte:02x}");
        }
        text
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Makes a token, and gives its text with it: the only time that it is known.
///
/// # Errors
/// Validation: a bad name, one that another token has or had, or an expiry out of range. Database: no random numbers.
pub async fn create_token(
    tokens: &dyn TokenRepository,
    name: impl Into<String> + Send,
    role: Role,
    expires_in_s: Option<u64>,
    actor: &Actor,
) -> Result<(Token, String)> {
    let secret = Secret::random()?;
    let new = NewToken { name: name.into(), role, expires_in_s, secret_sha256: secret.sha256() };
    let token = tokens.create_token(new, actor).await?;
    let text = secret.token(token.id);
    Ok((token, text))
}

/// A token as somebody gives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GivenToken {
    id: TokenId,
    secret: Secret,
}

impl GivenToken {
    /// Reads a token; `None` for a text that is none.
    pub fn parse(text: &str) -> Option<Self> {
        let (id, secret) = text.strip_prefix(PREFIX)?.split_once('_')?;
        if secret.len() != 2 * SECRET_BYTES
            || !secret.bytes().all(|b| b.is_ascii_hexdigit())
            || !id.bytes().all(|b| b.is_ascii_digit())
        {
            return None;
        }
        let mut bytes = [0; SECRET_BYTES];
        for (byte, digits) in bytes.iter_mut().zip(secret.as_bytes().chunks_exact(2)) {
            *byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
        }
        Some(Self { id: TokenId::new(id.parse().ok()?), secret: Secret(bytes) })
    }

    /// Under which it is stored.
    pub const fn id(&self) -> TokenId {
        self.id
    }

    /// Whether it is the one of which this is stored. Takes as long for a near miss as for any other.
    pub fn is_of(&self, secret_sha256: &[u8; 32]) -> bool {
        self.secret.sha256().ct_eq(secret_sha256).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_known_again_and_no_other_is() {
        let secret = Secret::random().unwrap();
        let given = GivenToken::parse(&secret.token(TokenId::new(7))).unwrap();
        assert_eq!(given.id(), TokenId::new(7));
        assert!(given.is_of(&secret.sha256()));
        assert!(!given.is_of(&Secret::random().unwrap().sha256()));
        assert!(!format!("{given:?}").contains(&secret.token(TokenId::new(7))[8..]));
    }

    #[test]
    fn what_is_no_token_is_none() {
        let good = Secret([0xab; 32]).token(TokenId::new(1));
        assert!(GivenToken::parse(&good).is_some());
        for bad in
            ["", "ream_", "ream_1", "ream_1_", "ream_-1_ab", "ream_1_+b", &good[1..], &good[..good.len() - 1]]
        {
            assert_eq!(GivenToken::parse(bad), None, "{bad}");
        }
        let signs = format!("ream_1_{}", "+1".repeat(32));
        assert_eq!(GivenToken::parse(&signs), None);
        assert_eq!(GivenToken::parse(&good.replace("ream_1", "ream_99999999999999999999")), None);
    }
}
