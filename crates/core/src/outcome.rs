//! What a worker reports about a finished chunk, and the one table of error classes of images.

use crate::error::{Error, Result, Validation};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

macro_rules! error_classes {
    ($($(#[$doc:meta])* $name:ident = $text:tt, $transient:literal;)+) => {
        /// Why an image could not be had. Errors of images are data: a chunk whose images failed permanently
        /// is still completed.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
        pub enum ErrorClass {
            $($(#[$doc])* #[serde(rename = $text)] $name,)+
        }

        impl ErrorClass {
            /// Every class, in the order of this table.
            pub const ALL: &[Self] = &[$(Self::$name),+];

            /// The name in ledgers, outcomes and messages.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text),+ }
            }

            /// Whether trying the same image again soon may succeed. Permanent ones are never tried again.
            pub const fn is_transient(self) -> bool {
                match self { $(Self::$name => $transient),+ }
            }
        }
    };
}

error_classes! {
    /// The list's text is not an `http` or `https` URL that may be fetched.
    BadUrl = "bad_url", false;
    /// The host's name could not be resolved.
    Dns = "dns", true;
    /// No connection, or it broke off.
    Connect = "connect", true;
    /// The TLS handshake or certificate failed.
    Tls = "tls", false;
    /// One of the time limits was over.
    Timeout = "timeout", true;
    /// A client error such as 404 or 403.
    Http4xx = "http_4xx", false;
    /// The host asks for fewer requests.
    Http429 = "http_429", true;
    /// A server error.
    Http5xx = "http_5xx", true;
    /// Too many redirects, or one without a usable target.
    Redirect = "redirect", false;
    /// An answer outside HTTP, or in an encoding that was not asked for.
    BadResponse = "bad_response", false;
    /// The body ended before its declared length.
    Truncated = "truncated", true;
    /// More bytes or pixels than allowed.
    TooLarge = "too_large", false;
    /// The bytes are not a known image format.
    NotAnImage = "not_an_image", false;
    /// The header says image, the rest cannot be read. Given by who decodes.
    Decode = "decode", false;
    /// An image that the list's owner does not want: too small, too large in area, or too long for its width.
    Filtered = "filtered", false;
    /// The address is outside the public internet and not allowed.
    BlockedAddress = "blocked_address", false;
    /// The site does not want to be crawled. Given by who asks it.
    Robots = "robots", false;
    /// The bytes do not have the hash that the list names. Given by who compares.
    HashMismatch = "hash_mismatch", false;
}

impl fmt::Display for ErrorClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What a finished chunk reports.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Outcome {
    /// Images fetched, checked and stored.
    #[cfg_attr(feature = "openapi", schema(value_type = i64, minimum = 0))]
    pub images_ok: u64,
    /// Images that failed, by class.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub images_failed: BTreeMap<ErrorClass, u64>,
    /// Bytes of the images that were stored.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(value_type = i64, minimum = 0))]
    pub bytes: u64,
    /// How long the attempt worked on the chunk, in milliseconds by the worker's clock.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(value_type = i64, minimum = 0))]
    pub duration_ms: u64,
    /// Names of the output files, relative to the dataset: staged ones until the chunk is published.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "openapi", schema(max_items = 64))]
    pub outputs: Vec<String>,
}

impl Outcome {
    /// The most output names one chunk may report.
    pub const MAX_OUTPUTS: usize = 64;
    const MAX_OUTPUT_CHARS: usize = 1024;

    /// Images failed in all classes together.
    pub fn images_failed_total(&self) -> u64 {
        self.images_failed.values().fold(0, |sum, n| sum.saturating_add(*n))
    }

    /// Checks what a worker reports before it is stored.
    ///
    /// # Errors
    /// Validation: numbers above 2⁶³−1, more than [`Self::MAX_OUTPUTS`] outputs, or an output name that is
    /// absolute, climbs out of the dataset or is too long.
    pub fn validate(&self) -> Result<()> {
        let mut v = Validation::default();
        let largest = i64::MAX as u64;
        for (field, value) in [
            ("outcome.images_ok", self.images_ok),
            ("outcome.images_failed", self.images_failed_total()),
            ("outcome.bytes", self.bytes),
            ("outcome.duration_ms", self.duration_ms),
        ] {
            v.check(value <= largest, field, value, format!("0 to {largest}"));
        }
        let names = self.outputs.len();
        v.check(
            names <= Self::MAX_OUTPUTS,
            "outcome.outputs",
            format!("{names} names"),
            format!("at most {} names", Self::MAX_OUTPUTS),
        );
        for name in self.outputs.iter().take(Self::MAX_OUTPUTS) {
            v.check(
                Self::is_safe_output(name),
                "outcome.outputs",
                format!("{name:?}"),
                "a relative path without `..`, `\\` or control characters",
            );
        }
        v.finish()
    }

    fn is_safe_output(name: &str) -> bool {
        !name.is_empty()
            && name.len() <= Self::MAX_OUTPUT_CHARS
            && !name.contains('\\')
            && !name.chars().any(char::is_control)
            && name.split('/').all(|part| !part.is_empty() && part != "." && part != "..")
    }
}

/// How far a chunk in work has come; comes with a heartbeat, gone when the attempt ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ChunkProgress {
    /// Images done, failed ones included.
    #[cfg_attr(feature = "openapi", schema(value_type = i64, minimum = 0))]
    pub images_done: u64,
    /// Bytes received so far.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(value_type = i64, minimum = 0))]
    pub bytes: u64,
}

impl ChunkProgress {
    /// # Errors
    /// Validation: numbers above 2⁶³−1.
    pub fn validate(&self) -> Result<()> {
        let largest = i64::MAX as u64;
        if self.images_done > largest || self.bytes > largest {
            return Err(Error::invalid(
                "progress",
                self.images_done.max(self.bytes),
                format!("0 to {largest}"),
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_output_name_cannot_leave_the_dataset() {
        for bad in ["", "/etc/passwd", "../x", "a/../../x", "a//b", "a\\b", "a\n", "."] {
            let outcome = Outcome { outputs: vec![bad.to_owned()], ..Outcome::default() };
            assert!(outcome.validate().is_err(), "{bad:?} was accepted");
        }
        let outcome = Outcome { outputs: vec!["_staging/7-1/00003.tar".to_owned()], ..Outcome::default() };
        outcome.validate().unwrap();
    }

    #[test]
    fn class_names_round_trip_through_json() {
        for class in ErrorClass::ALL {
            let json = serde_json::to_string(class).unwrap();
            assert_eq!(json, format!("\"{class}\""));
            assert_eq!(serde_json::from_str::<ErrorClass>(&json).unwrap(), *class);
        }
    }
}
