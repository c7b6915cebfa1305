//! A list of the format `tsv`.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| ream_fuzz::lists::check("tsv", data));
