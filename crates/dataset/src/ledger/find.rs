//! Where a dataset's ledgers lie, whatever its layout.

use crate::error::{Error, Result};
use crate::layout::LEDGER_DIR;
use std::io;
use std::path::{Path, PathBuf};

const SUFFIX: &str = ".ledger.parquet";

/// The ledgers of a dataset's published chunks, by chunk index.
///
/// # Errors
/// [`Error::Io`]; also where there is no such folder.
pub fn find_ledgers(dataset: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    collect(dataset, &mut found)?;
    let aside = dataset.join(LEDGER_DIR);
    match collect(&aside, &mut found) {
        Err(Error::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {}
        done => done?,
    }
    found.sort();
    Ok(found.into_iter().map(|(_, path)| path).collect())
}

fn collect(folder: &Path, found: &mut Vec<(u64, PathBuf)>) -> Result<()> {
    for entry in std::fs::read_dir(folder).map_err(Error::io("read", folder))? {
        let name = entry.map_err(Error::io("read", folder))?.file_name();
        let chunk_index = name.to_str().and_then(|name| name.strip_suffix(SUFFIX)?.parse().ok());
        if let Some(chunk_index) = chunk_index {
            found.push((chunk_index, folder.join(name)));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::ledger_name;

    #[test]
    fn ledgers_are_found_in_the_order_of_their_chunks() {
        let dataset = tempfile::tempdir().unwrap();
        let aside = dataset.path().join(LEDGER_DIR);
        std::fs::create_dir(&aside).unwrap();
        for (folder, chunk_index) in
            [(dataset.path(), 100_000), (aside.as_path(), 7), (dataset.path(), 99_999)]
        {
            std::fs::write(folder.join(ledger_name(chunk_index)), "").unwrap();
        }
        for other in ["00001.tar", "x.ledger.parquet", "00001.ledger.parquet.unfinished"] {
            std::fs::write(dataset.path().join(other), "").unwrap();
        }
        let found = find_ledgers(dataset.path()).unwrap();
        let names = [7, 99_999, 100_000].map(ledger_name);
        let found: Vec<_> = found.iter().filter_map(|path| path.file_name()?.to_str()).collect();
        assert_eq!(found, names);
        assert!(find_ledgers(&dataset.path().join("none")).is_err());
    }
}
