//! A tar per chunk: `00003.tar` with `000001503.jpg`, `000001503.json` and `000001503.txt`.

use super::{Sink, StoredImage, chunk_stem, image_stem};
use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::path::Path;

pub(super) struct TarSink {
    name: String,
    tar: tar::Builder<BufWriter<File>>,
}

impl TarSink {
    pub(super) fn create(staging: &Path, chunk_index: u64) -> io::Result<Self> {
        let name = format!("{}.tar", chunk_stem(chunk_index));
        let file = BufWriter::with_capacity(256 * 1024, File::create(staging.join(&name))?);
        Ok(Self { name, tar: tar::Builder::new(file) })
    }

    fn add(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        // Everything that could differ between two runs is fixed: the same images give the same bytes.
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(tar::EntryType::Regular);
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        header.set_mtime(0);
        header.set_uid(0);
        header.set_gid(0);
        self.tar.append_data(&mut header, name, bytes)
    }
}

impl Sink for TarSink {
    fn append(&mut self, image: &StoredImage<'_>) -> io::Result<String> {
        let stem = image_stem(image.number);
        let name = format!("{stem}.{}", image.extension);
        self.add(&name, image.bytes)?;
        self.add(&format!("{stem}.json"), &serde_json::to_vec(image.metadata)?)?;
        if let Some(caption) = image.caption {
            self.add(&format!("{stem}.txt"), caption.as_bytes())?;
        }
        Ok(name)
    }

    fn finish(self: Box<Self>) -> io::Result<Vec<String>> {
        let mut buffered = self.tar.into_inner()?;
        buffered.flush()?;
        let file = buffered.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.sync_all()?;
        Ok(vec![self.name])
    }
}
