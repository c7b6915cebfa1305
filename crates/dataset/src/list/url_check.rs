//! Which texts of a list are URLs that may become images.

use url::{ParseError, Url};

/// The URL without surrounding blanks, or why it takes no image number. The text stays as the list has it, so
/// that ledgers can be joined with the list.
pub(super) fn check(text: &str) -> Result<String, String> {
    let text = text.trim_matches(|c: char| c.is_ascii_whitespace());
    if text.is_empty() {
        return Err("no URL".to_owned());
    }
    // The URL standard drops tabs and line ends silently, which would glue a URL to the column after it.
    if text.chars().any(|c| c.is_ascii_control()) {
        return Err("not a URL: contains a control character such as a tab".to_owned());
    }
    let url = Url::parse(text).map_err(|e| match e {
        ParseError::RelativeUrlWithoutBase => {
            "not a URL: it has to begin with http:// or https://".to_owned()
        }
        other => format!("not a URL: {other}"),
    })?;
    if !matches!(url.scheme(), "http" | "https") {
        let scheme: String = url.scheme().chars().take(32).collect();
        return Err(format!("the scheme is `{scheme}`; allowed are http and https"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("contains a user name or password".to_owned());
    }
    Ok(text.to_owned())
}
