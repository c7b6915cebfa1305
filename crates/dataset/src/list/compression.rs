//! Compressed lists: gzip of any number of members (RFC 1952), Zstandard of any number of frames (RFC 8878).

use flate2::bufread::MultiGzDecoder;
use std::io::{self, BufReader, Read};

/// Bytes on their way from a list.
pub(super) type Bytes = Box<dyn Read + Send>;

/// The largest window of a Zstandard frame, as a power of two: 128 MiB, as the `zstd` program allows by itself.
const ZSTD_WINDOW_LOG_MAX: u32 = 27;

const BUFFER_BYTES: usize = 64 * 1024;

/// How a list is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Compression {
    None,
    Gzip,
    Zstd,
}

/// The endings that say so.
pub(super) const ENDINGS: [(&str, Compression); 2] = [("gz", Compression::Gzip), ("zst", Compression::Zstd)];

impl Compression {
    /// The bytes inside. What cannot be unpacked is an error with a [`DamagedStream`] in it.
    pub(super) fn unpack(self, bytes: Bytes) -> io::Result<Bytes> {
        let bytes = BufReader::with_capacity(BUFFER_BYTES, bytes);
        Ok(match self {
            Self::None => Box::new(bytes),
            Self::Gzip => Box::new(Unpacked { decoder: MultiGzDecoder::new(bytes), name: "gzip" }),
            Self::Zstd => {
                let mut decoder = zstd::stream::read::Decoder::with_buffer(bytes)?;
                decoder.window_log_max(ZSTD_WINDOW_LOG_MAX)?;
                Box::new(Unpacked { decoder, name: "Zstandard" })
            }
        })
    }
}

/// A compressed stream that is cut off or not as it was written.
#[derive(Debug, thiserror::Error)]
#[error("its {name} stream is cut off or damaged ({message})")]
pub(super) struct DamagedStream {
    name: &'static str,
    message: String,
}

struct Unpacked<R> {
    decoder: R,
    name: &'static str,
}

impl<R: Read> Read for Unpacked<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.decoder.read(buffer).map_err(|e| {
            // What the system said has a number; the decoders' own complaints have none.
            if e.raw_os_error().is_some() || e.kind() == io::ErrorKind::Interrupted {
                return e;
            }
            io::Error::other(DamagedStream { name: self.name, message: e.to_string() })
        })
    }
}
