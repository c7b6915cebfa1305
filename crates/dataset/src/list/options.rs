//! Which columns of a list to use.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Which columns of a list to use. A text list has only URLs; there the URL column's name means nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListOptions {
    /// The column with the URL.
    pub url_column: String,
    /// The column with the caption; `None` takes `caption` where the list has it.
    pub caption_column: Option<String>,
    /// The columns that go through to the output.
    pub keep_columns: KeepColumns,
    /// The column with the SHA-256 that the image must have, as 64 hexadecimal digits; no value means any image.
    pub sha256_column: Option<String>,
}

impl Default for ListOptions {
    fn default() -> Self {
        Self {
            url_column: "url".to_owned(),
            caption_column: None,
            keep_columns: KeepColumns::None,
            sha256_column: None,
        }
    }
}

/// The columns that go through to the output.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeepColumns {
    /// No column.
    #[default]
    None,
    /// Every column with a name that is not in use as URL, caption or SHA-256, and of a type that can be kept. Not for JSON lines, where each row
    /// may have other keys.
    All,
    /// These, in this order; a repeated name counts once.
    Named(Vec<String>),
}

impl fmt::Display for KeepColumns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.pad("none"),
            Self::All => f.pad("all"),
            Self::Named(names) => f.pad(&names.join(",")),
        }
    }
}

/// `none`, `all`, or names with commas between.
impl FromStr for KeepColumns {
    type Err = ream_core::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.trim() {
            "none" => Ok(Self::None),
            "all" => Ok(Self::All),
            names => {
                let names: Vec<String> = names.split(',').map(|name| name.trim().to_owned()).collect();
                if names.iter().any(String::is_empty) {
                    let allowed = "`none`, `all`, or names of columns with commas between";
                    return Err(ream_core::Error::invalid("keep_columns", format!("{text:?}"), allowed));
                }
                Ok(Self::Named(names))
            }
        }
    }
}
