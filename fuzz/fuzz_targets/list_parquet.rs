//! A Parquet list.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(
    init: ream_fuzz::let_dependencies_panic(),
    |data: &[u8]| ream_fuzz::lists::check("parquet", data)
);
