//! The settings file, read into plain texts with their lines.

use super::KEYS;
use super::nearest::nearest;
use crate::failure::{Failure, Result};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use toml::de::{DeTable, DeValue};

/// A settings file holds a few lines; whoever names something larger means another file.
const MAX_FILE_BYTES: u64 = 1024 * 1024;

/// The values of a settings file.
#[derive(Default)]
pub(super) struct FileValues {
    path: PathBuf,
    values: BTreeMap<String, (String, usize)>,
}

impl FileValues {
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The text of a value and its line.
    pub(super) fn get(&self, key: &str) -> Option<(&str, usize)> {
        self.values.get(key).map(|(text, line)| (text.as_str(), *line))
    }
}

/// # Errors
/// Usage: the file cannot be read, is no TOML or has unknown keys.
pub(super) fn read_file(path: PathBuf, must_exist: bool) -> Result<FileValues> {
    let cannot = |error: &dyn std::fmt::Display| {
        Failure::usage(format!("cannot read the settings file `{}`: {error}", path.display()))
    };
    let size = match std::fs::metadata(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && !must_exist => {
            return Ok(FileValues::default());
        }
        Err(error) => return Err(cannot(&error)),
        Ok(metadata) => metadata.len(),
    };
    if size > MAX_FILE_BYTES {
        return Err(cannot(&format_args!("it has {size} bytes, allowed are {MAX_FILE_BYTES}")));
    }
    let text = std::fs::read_to_string(&path).map_err(|error| cannot(&error))?;
    let values = parse(&path, &text)?;
    Ok(FileValues { path, values })
}

fn parse(path: &Path, text: &str) -> Result<BTreeMap<String, (String, usize)>> {
    let table = DeTable::parse(text).map_err(|error| {
        let line = line_of(text, error.span().map_or(0, |span| span.start));
        Failure::usage(format!("{}:{line}: {}", path.display(), error.message()))
    })?;
    let mut values = BTreeMap::new();
    collect(path, text, "", table.get_ref(), &mut values)?;
    Ok(values)
}

fn collect(
    path: &Path,
    text: &str,
    prefix: &str,
    table: &DeTable<'_>,
    values: &mut BTreeMap<String, (String, usize)>,
) -> Result<()> {
    for (name, value) in table {
        let key = format!("{prefix}{}", name.get_ref());
        let line = line_of(text, name.span().start);
        let place = format!("{}:{line}", path.display());
        let known = KEYS.iter().any(|known| known.name == key);
        let value = match value.get_ref() {
            DeValue::Table(table) => {
                let prefix = format!("{key}.");
                if known {
                    return Err(Failure::usage(format!(
                        "{place}: `{key}` is a table, allowed is a single value"
                    )));
                }
                // A table without any known key is reported by its first unknown key, an empty one by itself.
                if table.is_empty() && !KEYS.iter().any(|known| known.name.starts_with(&prefix)) {
                    return Err(unknown(&place, &key));
                }
                collect(path, text, &prefix, table, values)?;
                continue;
            }
            _ if !known => return Err(unknown(&place, &key)),
            DeValue::String(text) => text.to_string(),
            DeValue::Integer(number) => number.to_string(),
            DeValue::Float(number) => number.to_string(),
            DeValue::Boolean(word) => word.to_string(),
            other => {
                let kind = other.type_str();
                return Err(Failure::usage(format!(
                    "{place}: `{key}` is of type {kind}, allowed is a single value"
                )));
            }
        };
        values.insert(key, (value, line));
    }
    Ok(())
}

fn unknown(place: &str, key: &str) -> Failure {
    let failure = Failure::usage(format!("{place}: there is no setting `{key}`"));
    match nearest(key, KEYS.iter().map(|key| key.name)) {
        Some(near) => failure.hint(format!("did you mean `{near}`?")),
        None => {
            let all: Vec<_> = KEYS.iter().map(|key| key.name).collect();
            failure.hint(format!("the settings are {}", all.join(", ")))
        }
    }
}

fn line_of(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<BTreeMap<String, (String, usize)>> {
        parse(Path::new("ream.toml"), text)
    }

    #[test]
    fn values_keep_their_lines() {
        let values = read("database = \"sqlite:x.db\"\n\n[watch]\ninterval_ms = 0x10\n").unwrap();
        assert_eq!(values["database"], ("sqlite:x.db".to_owned(), 1));
        assert_eq!(values["watch.interval_ms"].1, 4);
        assert_eq!(read("watch.interval_ms = 5").unwrap()["watch.interval_ms"], ("5".to_owned(), 1));
    }

    #[test]
    fn faults_name_their_line() {
        for (text, line) in [
            ("database = ", 1),
            ("\ndatabse = \"x\"", 2),
            ("[watch]\ninterval = 5", 2),
            ("[wotch]", 1),
            ("database = [\"a\"]", 1),
            ("[database]\nurl = 1", 1),
            ("watch = 5", 1),
            ("[[jobs]]\npriority = 1", 1),
        ] {
            let message = read(text).unwrap_err().message;
            assert!(message.starts_with(&format!("ream.toml:{line}: ")), "{text:?}: {message}");
        }
    }
}
