//! Image bytes in, image bytes out: recognise and check them, and where it is asked for decode, resize and encode.
//! Synchronous, and careful: the bytes are hostile.
//!
//! [`inspect`] reads the header only and is cheap; it says what [`transform`] will cost in memory, so that the caller
//! can wait for that memory before anything is decoded.

pub mod color;
mod decode;
mod encode;
mod exif;
mod filter;
mod guard;
mod inspect;
mod orient;
mod pixels;
mod plan;
mod resize;
mod settings;
pub mod sniff;
mod transform;
mod work;

pub use exif::{MAX_EXIF_JSON_BYTES, exif_json};
pub use guard::catches_panics;
pub use inspect::{Inspected, Refusal, inspect};
pub use settings::{EncodeFormat, ResizeMode, TransformSettings};
pub use sniff::{ImageFormat, ImageInfo, sniff};
pub use transform::{Transformed, transform};
