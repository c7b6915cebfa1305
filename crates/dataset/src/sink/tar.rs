//! A tar whose bytes follow from its members alone.

use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::path::Path;

pub(crate) struct Tar {
    name: String,
    builder: tar::Builder<BufWriter<File>>,
}

impl Tar {
    pub(crate) fn create(staging: &Path, stem: &str) -> io::Result<Self> {
        let name = format!("{stem}.tar");
        let file = BufWriter::with_capacity(256 * 1024, File::create(staging.join(&name))?);
        Ok(Self { name, builder: tar::Builder::new(file) })
    }

    pub(crate) fn add(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        // Everything that could differ between two runs is fixed: the same images give the same bytes.
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(tar::EntryType::Regular);
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        header.set_mtime(0);
        header.set_uid(0);
        header.set_gid(0);
        self.builder.append_data(&mut header, name, bytes)
    }

    /// Makes the file durable and gives its name.
    pub(crate) fn finish(self) -> io::Result<String> {
        let mut buffered = self.builder.into_inner()?;
        buffered.flush()?;
        let file = buffered.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.sync_all()?;
        Ok(self.name)
    }
}
