//! Where servers are, and with which token they are asked.

use ream_core::{Error, Result};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;
use url::Url;

/// How a server is reached.
#[derive(Debug, Clone)]
pub struct ClientOptions {
    /// Servers of one database: another one is asked where one is out of reach.
    pub servers: ServerUrls,
    /// Sent with every request; servers without tokens need none.
    pub token: Option<AccessToken>,
    /// How long a call goes on trying while no server can be reached. Default 30 s.
    pub patience: Duration,
}

impl ClientOptions {
    /// The defaults at these servers.
    pub const fn new(servers: ServerUrls) -> Self {
        Self { servers, token: None, patience: Duration::from_secs(30) }
    }
}

/// One or several servers of the same database, separated by commas: `http://…` or `https://…`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerUrls(Vec<Url>);

const ALLOWED: &str = "`http://HOST:PORT` or `https://HOST`, several separated by commas; a token goes beside it, in `REAM_TOKEN`";

impl ServerUrls {
    /// In the order in which they are tried; at least one.
    pub fn as_slice(&self) -> &[Url] {
        &self.0
    }
}

impl FromStr for ServerUrls {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let bad = |value: &str| Error::invalid("server", value, ALLOWED);
        let urls = text.split(',').map(|text| {
            let mut url = Url::parse(text.trim()).map_err(|_| bad("no URL"))?;
            // The whole URL may hold a secret, so it is not repeated.
            if !url.username().is_empty() || url.password().is_some() {
                return Err(bad("a URL with a user or a password"));
            }
            if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
                return Err(bad("another kind of URL"));
            }
            if url.query().is_some() || url.fragment().is_some() {
                return Err(bad("a URL with a query or a fragment"));
            }
            // Routes are joined to it.
            if !url.path().ends_with('/') {
                let path = format!("{}/", url.path());
                url.set_path(&path);
            }
            Ok(url)
        });
        Ok(Self(urls.collect::<Result<_>>()?))
    }
}

impl fmt::Display for ServerUrls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, url) in self.0.iter().enumerate() {
            let separator = if n == 0 { "" } else { "," };
            write!(f, "{separator}{}", url.as_str().trim_end_matches('/'))?;
        }
        Ok(())
    }
}

/// A token; neither printed nor logged.
#[derive(Clone, PartialEq, Eq)]
pub struct AccessToken(String);

impl AccessToken {
    /// # Errors
    /// Validation: empty, or with characters that no header may have.
    pub fn new(token: impl Into<String>) -> Result<Self> {
        let token = token.into();
        if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            // Not repeated, whatever it is.
            return Err(Error::invalid("token", "another text", "a token as `ream tokens create` prints it"));
        }
        Ok(Self(token))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for AccessToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AccessToken(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_told_as_they_were_given() {
        let servers: ServerUrls = "http://127.0.0.1:8080, https://ream.example/api/".parse().unwrap();
        assert_eq!(servers.to_string(), "http://127.0.0.1:8080,https://ream.example/api");
        assert_eq!(servers.as_slice()[1].join("v1/jobs").unwrap().path(), "/api/v1/jobs");
    }

    #[test]
    fn what_is_no_server_is_refused_without_repeating_it() {
        for text in
            ["", "ream.example", "ftp://a", "http://me:s3cr3t@a", "http://a?token=s3cr3t", "http://a,"]
        {
            let error = text.parse::<ServerUrls>().unwrap_err().to_string();
            assert!(!error.contains("s3cr3t"), "{error}");
        }
        let error = AccessToken::new("s3cr3t\n").unwrap_err().to_string();
        assert!(!error.contains("s3cr3t"), "{error}");
        assert!(!format!("{:?}", AccessToken::new("s3cr3t").unwrap()).contains("s3cr3t"));
    }
}
