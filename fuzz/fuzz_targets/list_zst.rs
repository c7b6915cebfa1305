//! A Zstandard-compressed list, against another way to unpack it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::io::Read;

/// Larger ones are not compared, to be quick.
const MAX_PLAIN_BYTES: u64 = 1 << 20;

fuzz_target!(|data: &[u8]| {
    ream_fuzz::lists::check_compressed("csv.zst", data, |packed| {
        let mut plain = Vec::new();
        let mut decoder = zstd::stream::read::Decoder::new(packed).ok()?;
        decoder.window_log_max(27).ok()?;
        let read = decoder.take(MAX_PLAIN_BYTES).read_to_end(&mut plain);
        ((read.ok()? as u64) < MAX_PLAIN_BYTES).then_some(plain)
    });
});
