//! Unpacking a page's body into exactly the bytes that its header announces: no page can unpack to more.

use parquet::basic::Compression;
use parquet::errors::ParquetError;
use std::io::Read as _;

/// The body unpacked. `bytes` is what the header announces, which the caller has limited.
pub(super) fn unpack(codec: Compression, body: Vec<u8>, bytes: usize) -> Result<Vec<u8>, ParquetError> {
    // Pages without a value may have no body at all.
    if bytes == 0 {
        return Ok(Vec::new());
    }
    let unpacked = match codec {
        Compression::UNCOMPRESSED => body,
        Compression::SNAPPY => {
            let announced = snap::raw::decompress_len(&body).map_err(wrap)?;
            check(announced, bytes)?;
            snap::raw::Decoder::new().decompress_vec(&body).map_err(wrap)?
        }
        Compression::GZIP(_) => {
            let mut unpacked = Vec::with_capacity(bytes);
            let decoder = flate2::bufread::MultiGzDecoder::new(body.as_slice());
            decoder.take(bytes as u64 + 1).read_to_end(&mut unpacked).map_err(wrap)?;
            unpacked
        }
        Compression::ZSTD(_) => zstd::bulk::decompress(&body, bytes).map_err(wrap)?,
        Compression::LZ4_RAW => lz4_flex::block::decompress(&body, bytes).map_err(wrap)?,
        other => {
            let name = match other {
                Compression::BROTLI(_) => "Brotli",
                Compression::LZ4 => "LZ4 as Hadoop has it",
                _ => "LZO",
            };
            return Err(ParquetError::General(format!("pages are compressed with {name}, {ALLOWED}")));
        }
    };
    check(unpacked.len(), bytes)?;
    Ok(unpacked)
}

const ALLOWED: &str = "allowed are none, Snappy, gzip, Zstandard and LZ4_RAW";

fn check(found: usize, announced: usize) -> Result<(), ParquetError> {
    if found == announced {
        return Ok(());
    }
    Err(ParquetError::General(format!("a page unpacks to other than the {announced} bytes it announces")))
}

fn wrap(error: impl std::fmt::Display) -> ParquetError {
    ParquetError::General(format!("a page cannot be unpacked: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    #[test]
    fn a_page_cannot_unpack_to_more_than_it_announces() {
        let zeros = vec![0; 1_000_000];
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&zeros).unwrap();
        let cases = [
            (Compression::GZIP(Default::default()), gzip.finish().unwrap()),
            (Compression::ZSTD(Default::default()), zstd::bulk::compress(&zeros, 1).unwrap()),
            (Compression::SNAPPY, snap::raw::Encoder::new().compress_vec(&zeros).unwrap()),
            (Compression::LZ4_RAW, lz4_flex::block::compress(&zeros)),
        ];
        for (codec, body) in cases {
            assert_eq!(unpack(codec, body.clone(), zeros.len()).unwrap(), zeros, "{codec}");
            for other in [1, 1000, zeros.len() - 1, zeros.len() + 1] {
                assert!(unpack(codec, body.clone(), other).is_err(), "{codec} {other}");
            }
            assert!(unpack(codec, body[..body.len() / 2].to_vec(), zeros.len()).is_err(), "{codec}");
        }
        let error = unpack(Compression::LZ4, vec![1], 5).unwrap_err().to_string();
        assert!(error.contains("compressed with LZ4 as Hadoop has it, allowed are none, Snappy"), "{error}");
    }
}
