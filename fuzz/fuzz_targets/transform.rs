//! Inspecting an image and transforming it, under small limits; the memory it takes is what was announced.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ream_fuzz::memory::Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fuzz_target!(
    init: ream_fuzz::let_dependencies_panic(),
    |data: &[u8]| ream_fuzz::pixels::check(data)
);
