//! How the process takes memory from the system, and gives it back.

/// Has glibc give memory back to the system that was freed. Must be called before other threads run.
///
/// Images of all sizes are allocated and freed by many threads. Left alone, glibc keeps up to eight arenas per
/// processor, and in each whatever it held at its worst: a crawl that needs 200 MiB then takes 650.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub(crate) fn return_memory() {
    /// Pixels and large files are taken from the system one by one, and given back at once.
    const OWN_MAPPING_FROM_BYTES: libc::c_int = 256 * 1024;
    /// What may stay unused at the end of an arena.
    const KEPT_BYTES: libc::c_int = 1024 * 1024;
    const ARENAS: libc::c_int = 2;
    for (parameter, value) in [
        (libc::M_MMAP_THRESHOLD, OWN_MAPPING_FROM_BYTES),
        (libc::M_TRIM_THRESHOLD, KEPT_BYTES),
        (libc::M_ARENA_MAX, ARENAS),
    ] {
        // SAFETY: it takes two numbers and only changes the allocator's own settings, with no other thread running. A
        // setting that it refuses, as it says by 0, stays as it was.
        #[expect(unsafe_code, reason = "no crate offers it")]
        unsafe {
            libc::mallopt(parameter, value);
        }
    }
}

/// Other allocators do that by themselves.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub(crate) fn return_memory() {}
