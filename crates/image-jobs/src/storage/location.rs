//! Paths and URLs of places.

use object_store::ObjectStore;
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey};
use object_store::{BackoffConfig, ClientConfigKey, RetryConfig};
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

const ALLOWED: &str = "a path, file:///PATH, s3://BUCKET/PREFIX, gs://BUCKET/PREFIX, az://CONTAINER/PREFIX or \
                       abfs://CONTAINER/PREFIX, without a user's name, a password or a query: credentials come from \
                       AWS_…, GOOGLE_… and AZURE_… variables";

/// The longest name of a bucket, in characters.
const MAX_BUCKET_CHARS: usize = 222;

/// How stores are reached: with what the variables of an environment say, and with how much patience. Values are not
/// shown.
#[derive(Clone)]
pub struct Access {
    variables: Vec<(String, String)>,
    patience: Duration,
}

impl Access {
    /// The variables of this process, as far as they are UTF-8.
    pub fn of_this_process() -> Self {
        std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect()
    }

    /// How long a store may be silent. About as long a call is tried again; so a store that is out of reach is told after
    /// twice that at most. 30 s unless said.
    #[must_use]
    pub const fn with_patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// The keys of one provider with their values; names that mean nothing to it are passed over.
    fn keys<K: std::str::FromStr>(&self, prefix: &str) -> impl Iterator<Item = (K, &str)> {
        let of_provider = self.variables.iter().filter(move |(name, _)| name.starts_with(prefix));
        of_provider
            .filter_map(|(name, value)| Some((name.to_ascii_lowercase().parse().ok()?, value.as_str())))
    }
}

impl FromIterator<(String, String)> for Access {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(variables: I) -> Self {
        Self { variables: variables.into_iter().collect(), patience: PATIENCE }
    }
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.variables.iter().map(|(name, _)| name)).finish()
    }
}

/// Whose store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Provider {
    S3,
    Google,
    Azure,
}

/// A place in a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ObjectPlace {
    pub(super) provider: Provider,
    /// One for each provider: a place has one name.
    pub(super) scheme: &'static str,
    pub(super) bucket: String,
    /// Without slashes at its ends; may be empty.
    pub(super) prefix: String,
}

/// What a path or URL names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Location {
    /// Absolute.
    Folder(PathBuf),
    Objects(ObjectPlace),
}

impl Location {
    pub(super) fn parse(field: &str, text: &str) -> ream_core::Result<Self> {
        let bad = |value: String| ream_core::Error::invalid(field, value, ALLOWED);
        let Some((scheme, rest)) = text.split_once("://") else {
            if text.is_empty() || text.chars().any(char::is_control) {
                return Err(bad(format!("{text:?}")));
            }
            return std::path::absolute(text).map(Self::Folder).map_err(|error| bad(error.to_string()));
        };
        if scheme == "file" {
            // May have been meant to be a path with any character in it, but has no place for a secret.
            let path =
                url::Url::parse(text).ok().filter(|url| url.query().is_none() && url.fragment().is_none());
            let path = path.and_then(|url| url.to_file_path().ok());
            return path.map(Self::Folder).ok_or_else(|| bad("no file:///PATH".to_owned()));
        }
        let (scheme, provider) = match scheme {
            "s3" => ("s3", Provider::S3),
            "gs" => ("gs", Provider::Google),
            "az" => ("az", Provider::Azure),
            "abfs" => ("az", Provider::Azure),
            _ => return Err(bad("a URL of another kind".to_owned())),
        };
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        let prefix = prefix.trim_end_matches('/');
        if bucket.contains('@') || rest.contains(['?', '#']) {
            return Err(bad(format!("{scheme}://… with more than a bucket and a prefix")));
        }
        let in_bucket = |c: char| c.is_ascii_alphanumeric() || "._-$".contains(c);
        if !(1..=MAX_BUCKET_CHARS).contains(&bucket.len()) || !bucket.chars().all(in_bucket) {
            return Err(bad(format!("{scheme}://… without the name of a bucket")));
        }
        if !prefix.is_empty() && super::check_name(prefix).is_err() {
            return Err(bad(format!("{scheme}://… whose prefix is no plain path")));
        }
        Ok(Self::Objects(ObjectPlace {
            provider,
            scheme,
            bucket: bucket.to_owned(),
            prefix: prefix.to_owned(),
        }))
    }
}

/// Half of the minute after which a dead store has to be told.
const PATIENCE: Duration = Duration::from_secs(30);
/// How much shorter than the patience calls are tried again: what is begun last has all of it.
const RETRY_SHARE: f64 = 0.8;
/// The longest one request may take, however much it moves.
const REQUEST: Duration = Duration::from_secs(300);
const CONNECT: Duration = Duration::from_secs(5);

/// The store that the place is in, with what the environment says of it.
pub(super) fn open(
    field: &str,
    place: &ObjectPlace,
    access: &Access,
) -> ream_core::Result<Arc<dyn ObjectStore>> {
    let limits = [
        (ClientConfigKey::ReadTimeout, in_words(access.patience)),
        (ClientConfigKey::Timeout, in_words(REQUEST)),
        (ClientConfigKey::ConnectTimeout, in_words(CONNECT.min(access.patience))),
    ];
    let retry = RetryConfig {
        backoff: BackoffConfig {
            init_backoff: Duration::from_millis(100),
            max_backoff: Duration::from_secs(5),
            base: 2.0,
        },
        max_retries: 10,
        retry_timeout: access.patience.mul_f64(RETRY_SHARE),
    };
    let bucket = &place.bucket;
    let opened: object_store::Result<Arc<dyn ObjectStore>> = match place.provider {
        Provider::S3 => {
            let builder = AmazonS3Builder::new().with_retry(retry).with_bucket_name(bucket);
            let set = |builder: AmazonS3Builder, (key, value): (_, &str)| builder.with_config(key, value);
            let builder = access.keys("AWS_").fold(builder, set);
            let limits = limits.iter().map(|(key, value)| (AmazonS3ConfigKey::Client(*key), value.as_str()));
            limits.fold(builder, set).build().map(|store| Arc::new(store) as _)
        }
        Provider::Google => {
            let builder = GoogleCloudStorageBuilder::new().with_retry(retry).with_bucket_name(bucket);
            let set =
                |builder: GoogleCloudStorageBuilder, (key, value): (_, &str)| builder.with_config(key, value);
            let builder = access.keys("GOOGLE_").fold(builder, set);
            let limits = limits.iter().map(|(key, value)| (GoogleConfigKey::Client(*key), value.as_str()));
            limits.fold(builder, set).build().map(|store| Arc::new(store) as _)
        }
        Provider::Azure => {
            let builder = MicrosoftAzureBuilder::new().with_retry(retry).with_container_name(bucket);
            let set =
                |builder: MicrosoftAzureBuilder, (key, value): (_, &str)| builder.with_config(key, value);
            let builder = access.keys("AZURE_").fold(builder, set);
            let limits = limits.iter().map(|(key, value)| (AzureConfigKey::Client(*key), value.as_str()));
            limits.fold(builder, set).build().map(|store| Arc::new(store) as _)
        }
    };
    // The library's words may have the value of a variable in them.
    opened.map_err(|_| {
        let scheme = place.scheme;
        let value = format!("{scheme}://… that the variables of the environment do not fit");
        let allowed = match place.provider {
            Provider::S3 => {
                "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION and where needed AWS_ENDPOINT_URL"
            }
            Provider::Google => "GOOGLE_SERVICE_ACCOUNT, the path of a file with the key",
            Provider::Azure => {
                "AZURE_STORAGE_ACCOUNT_NAME, and AZURE_STORAGE_ACCOUNT_KEY or other credentials"
            }
        };
        ream_core::Error::invalid(field, value, allowed)
    })
}

/// As the library reads durations.
fn in_words(duration: Duration) -> String {
    format!("{}ms", duration.as_millis())
}
