//! A ledger, as a damaged disk may give it back.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ream_dataset::{Error, KeptColumn, LedgerReader, LedgerRow, LedgerWriter, Result};
use ream_fuzz::scratch;
use std::path::Path;

fuzz_target!(
    init: ream_fuzz::let_dependencies_panic(),
    |data: &[u8]| {
        let (kept, rows) = match read(&scratch::file("ledger.parquet", data)) {
            Ok(read) => read,
            Err(Error::Damaged { .. }) => return,
            Err(error) => panic!("the file is there, so it is damaged: {error}"),
        };
        // What was read can be written, and reads the same; as text, because no NaN equals itself.
        let again = scratch::file("again.parquet", b"");
        write(&again, &kept, &rows).expect("what was read can be written");
        let (_, reread) = read(&again).expect("just written");
        assert_eq!(format!("{reread:?}"), format!("{rows:?}"));
    }
);

fn read(path: &Path) -> Result<(Vec<KeptColumn>, Vec<LedgerRow>)> {
    let reader = LedgerReader::open(path)?;
    let rows = reader.rows().collect::<Result<_>>()?;
    Ok((reader.kept().to_vec(), rows))
}

fn write(path: &Path, kept: &[KeptColumn], rows: &[LedgerRow]) -> Result<()> {
    let mut writer = LedgerWriter::create(path, kept)?;
    for row in rows {
        writer.push(row.clone())?;
    }
    writer.finish()
}
