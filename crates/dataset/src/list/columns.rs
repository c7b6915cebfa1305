//! Finding the columns asked for among those that a file has.

use super::options::{KeepColumns, ListOptions};
use crate::error::{Error, Result};
use std::path::Path;

/// Where the columns asked for are among all.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Picked {
    pub(super) url: usize,
    pub(super) caption: Option<usize>,
    pub(super) sha256: Option<usize>,
    pub(super) kept: Vec<usize>,
}

impl Picked {
    /// Looks the names up; blanks around a name do not count, and of several columns of one name the first does.
    ///
    /// # Errors
    /// [`Error::BadList`] that names the column that is missing and those that are there.
    pub(super) fn find(path: &Path, header: &[String], options: &ListOptions) -> Result<Self> {
        let find = |name: &str| header.iter().position(|column| column.trim() == name.trim());
        let need = |name: &str| {
            find(name).ok_or_else(|| {
                Error::bad_list(path, format!("has no column `{name}`; its columns are {}", quoted(header)))
            })
        };
        let url = need(&options.url_column)?;
        let caption = match &options.caption_column {
            Some(name) => Some(need(name)?),
            None => find("caption").filter(|column| *column != url),
        };
        let sha256 = options.sha256_column.as_deref().map(need).transpose()?;
        let kept = match &options.keep_columns {
            KeepColumns::None => Vec::new(),
            KeepColumns::Named(names) => names.iter().map(|name| need(name)).collect::<Result<_>>()?,
            KeepColumns::All => {
                // The hash goes along, so that what failed can be fetched and verified again.
                let used = |at: usize| at == url || caption == Some(at);
                let named = |at: usize| !header[at].trim().is_empty() && find(&header[at]) == Some(at);
                (0..header.len()).filter(|at| !used(*at) && named(*at)).collect()
            }
        };
        Ok(Self { url, caption, sha256, kept: without_repeats(kept) })
    }
}

/// The same in the same order, each once.
pub(super) fn without_repeats<T: PartialEq>(all: Vec<T>) -> Vec<T> {
    let mut once = Vec::with_capacity(all.len());
    for one in all {
        if !once.contains(&one) {
            once.push(one);
        }
    }
    once
}

/// Column names for a message, the first 20 of them.
pub(super) fn quoted(names: &[String]) -> String {
    if names.is_empty() {
        return "none".to_owned();
    }
    let shown: Vec<String> = names.iter().take(20).map(|name| format!("`{:.64}`", name.trim())).collect();
    let more = if names.len() > 20 { format!(" and {} more", names.len() - 20) } else { String::new() };
    format!("{}{more}", shown.join(", "))
}
