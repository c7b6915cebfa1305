//! Counts what Rust code allocates; a target that wants to know sets [`Counting`] as its allocator.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

static NOW_BYTES: AtomicUsize = AtomicUsize::new(0);
static PEAK_BYTES: AtomicUsize = AtomicUsize::new(0);

/// The system's allocator, with a count of the bytes in use.
pub struct Counting;

fn grow(bytes: usize) {
    let now = NOW_BYTES.fetch_add(bytes, Relaxed) + bytes;
    PEAK_BYTES.fetch_max(now, Relaxed);
}

// SAFETY: every call goes to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        grow(layout.size());
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        grow(layout.size());
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        NOW_BYTES.fetch_sub(layout.size(), Relaxed);
        unsafe { System.dealloc(pointer, layout) }
    }
}

/// The bytes in use, from which [`peak_since`] counts.
#[must_use]
pub fn start() -> usize {
    let now = NOW_BYTES.load(Relaxed);
    PEAK_BYTES.store(now, Relaxed);
    now
}

/// The most bytes in use since [`start`], beyond those in use then.
#[must_use]
pub fn peak_since(start: usize) -> usize {
    PEAK_BYTES.load(Relaxed).saturating_sub(start)
}
