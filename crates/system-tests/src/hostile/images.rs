//! Bodies that are no images, or worse ones than they look.

use super::case::Case;
use super::{JPEG, PNG};
use flate2::Crc;

pub(super) fn cases() -> Vec<Case> {
    let served = |label: &str, expected: &'static str, kind: &'static str, body: Vec<u8>| {
        Case::http(label, expected, move |e| e.answer("200 OK", &[("Content-Type", kind)], &body))
    };
    vec![
        served("png-of-60000-by-60000", "too_large", "image/png", png_that_claims(60_000, 60_000)),
        served("png-of-4-billion-by-1", "too_large", "image/png", png_that_claims(0x7fff_ffff, 1)),
        served("png-without-pixels", "not_an_image", "image/png", png_that_claims(0, 0)).or("decode"),
        served("jpeg-of-1-kb-claims-20000-by-20000", "too_large", "image/jpeg", jpeg_that_claims(20_000)),
        // Kept as it came, an image is looked at by its header alone.
        served("truncated-jpeg", "ok", "image/jpeg", JPEG[..JPEG.len() / 2].to_vec())
            .or("decode")
            .resized(&["decode"]),
        served("jpeg-header-and-noise", "ok", "image/jpeg", noise_behind(&JPEG[..700]))
            .or("decode")
            .resized(&["ok", "decode"]),
        served("truncated-png", "ok", "image/png", PNG[..PNG.len() / 2].to_vec())
            .or("decode")
            .resized(&["decode"]),
        served("three-bytes-of-jpeg", "not_an_image", "image/jpeg", JPEG[..3].to_vec()),
        served(
            "html-as-jpeg",
            "not_an_image",
            "image/jpeg",
            b"<!doctype html><title>Not found</title>".to_vec(),
        ),
        served(
            "json-as-png",
            "not_an_image",
            "image/png",
            b"{\"error\": \"quota exceeded, please call\"}".to_vec(),
        ),
        served("program-as-jpeg", "not_an_image", "image/jpeg", noise_behind(b"\x7fELF\x02\x01\x01\0")),
        served(
            "html-with-an-svg-in-it",
            "not_an_image",
            "image/svg+xml",
            b"<html><svg></svg></html>".to_vec(),
        ),
        // The bytes count, not their name.
        served("jpeg-as-html", "ok", "text/html", JPEG.to_vec()),
    ]
}

fn png_that_claims(width: u32, height: u32) -> Vec<u8> {
    // One bit per pixel, grey: 60,000 by 60,000 of them make 450 MB, of 8 bits 3.6 GB.
    let header = [&width.to_be_bytes()[..], &height.to_be_bytes()[..], &[8, 0, 0, 0, 0]].concat();
    [b"\x89PNG\r\n\x1a\n".to_vec(), png_chunk(b"IHDR", &header), png_chunk(b"IDAT", &[0x78, 0x9c, 3, 0])]
        .concat()
}

fn png_chunk(name: &[u8; 4], data: &[u8]) -> Vec<u8> {
    let named = [&name[..], data].concat();
    let mut crc = Crc::new();
    crc.update(&named);
    let length = u32::try_from(data.len()).unwrap_or(u32::MAX).to_be_bytes();
    [&length[..], &named, &crc.sum().to_be_bytes()[..]].concat()
}

/// The photo with another size in its header, and only the first KB of it.
fn jpeg_that_claims(side: u16) -> Vec<u8> {
    let mut jpeg = JPEG[..1024].to_vec();
    // The frame header: marker, length, precision, then height and width.
    if let Some(at) = jpeg.windows(2).position(|pair| pair == [0xff, 0xc0]) {
        jpeg[at + 5..at + 7].copy_from_slice(&side.to_be_bytes());
        jpeg[at + 7..at + 9].copy_from_slice(&side.to_be_bytes());
    }
    jpeg
}

/// The same noise each time (a linear congruential generator).
fn noise_behind(start: &[u8]) -> Vec<u8> {
    let mut state = 1_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    };
    start.iter().copied().chain(std::iter::repeat_with(&mut next).take(10_000)).collect()
}
