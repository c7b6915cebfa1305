//! What img2dataset calls the ways in which an image fails.

use crate::ledger::{ImageStatus, LedgerRow};
use ream_core::ErrorClass;

/// The column `status`, with the column `error_message` of failed rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Status {
    Success,
    /// There is no file, or not the right one.
    FailedToDownload(String),
    /// There is a file, but no image that is wanted.
    FailedToResize(String),
}

impl Status {
    pub(super) fn of(row: &LedgerRow) -> Self {
        if row.status == ImageStatus::Ok {
            return Self::Success;
        }
        let message = message(row);
        match row.error_class {
            Some(ErrorClass::Decode | ErrorClass::NotAnImage | ErrorClass::Filtered) => {
                Self::FailedToResize(message)
            }
            // Too many pixels: its bytes were fetched.
            Some(ErrorClass::TooLarge) if row.original_bytes.is_some() => Self::FailedToResize(message),
            _ => Self::FailedToDownload(message),
        }
    }

    pub(super) const fn as_str(&self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::FailedToDownload(_) => "failed_to_download",
            Self::FailedToResize(_) => "failed_to_resize",
        }
    }

    pub(super) fn message(&self) -> Option<&str> {
        match self {
            Self::Success => None,
            Self::FailedToDownload(message) | Self::FailedToResize(message) => Some(message),
        }
    }
}

/// img2dataset's own words where it has fixed ones, for those who count or filter by them; else Ream's.
fn message(row: &LedgerRow) -> String {
    let ours = row.error_message.as_deref().unwrap_or_default();
    match row.error_class {
        Some(ErrorClass::HashMismatch) => return "hash mismatch".to_owned(),
        Some(class) if ours.is_empty() => return class.to_string(),
        _ => {}
    }
    match ours.strip_prefix("HTTP ") {
        Some(rest) if rest.starts_with(|c: char| c.is_ascii_digit()) => format!("HTTP Error {rest}"),
        _ => ours.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(class: ErrorClass, message: Option<&str>, original_bytes: Option<u64>) -> Status {
        let error_message = message.map(str::to_owned);
        Status::of(&LedgerRow {
            error_class: Some(class),
            error_message,
            original_bytes,
            ..LedgerRow::default()
        })
    }

    #[test]
    fn what_was_fetched_but_is_no_wanted_image_failed_to_resize() {
        for class in ErrorClass::ALL {
            let name = failed(*class, Some("why"), Some(7)).as_str();
            let resize = ["decode", "not_an_image", "filtered", "too_large"].contains(&class.as_str());
            assert_eq!(name, if resize { "failed_to_resize" } else { "failed_to_download" }, "{class}");
        }
        assert_eq!(failed(ErrorClass::TooLarge, Some("9 MB"), None).as_str(), "failed_to_download");
        let stored = LedgerRow { status: ImageStatus::Ok, ..LedgerRow::default() };
        assert_eq!((Status::of(&stored).as_str(), Status::of(&stored).message()), ("success", None));
    }

    #[test]
    fn messages_with_fixed_words_have_those_of_img2dataset() {
        for (class, ours, theirs) in [
            (ErrorClass::Http4xx, Some("HTTP 404: Not Found"), "HTTP Error 404: Not Found"),
            (ErrorClass::BadResponse, Some("HTTP is not spoken here"), "HTTP is not spoken here"),
            (ErrorClass::HashMismatch, Some("the SHA-256 is another"), "hash mismatch"),
            (ErrorClass::Filtered, Some("image too small"), "image too small"),
            (ErrorClass::Timeout, None, "timeout"),
        ] {
            assert_eq!(failed(class, ours, None).message(), Some(theirs));
        }
    }
}
