//! What the fuzz targets share.

pub mod lists;
pub mod memory;
pub mod pixels;
pub mod scratch;

/// Lets panics inside dependencies pass, for crates that promise to catch them and to make an error of them. libFuzzer
/// would end at any panic, caught or not. One in code of this repository still ends the run.
pub fn let_dependencies_panic() {
    let libfuzzers = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        let file = info.location().map_or("", |location| location.file());
        let foreign = ["/registry/src/", "/rustc/", "/library/"].iter().any(|part| file.contains(part));
        if !foreign {
            libfuzzers(info);
        }
    }));
}
