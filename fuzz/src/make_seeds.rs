//! Writes the seeds that are no text into the folder `seeds`; no fuzz target. Run by `fuzz/run seeds`.

use ream_dataset::{KeptColumn, KeptKind, KeptValue, LedgerRow, LedgerWriter};
use ream_transform::{EncodeFormat, ResizeMode, TransformSettings, inspect, transform};
use std::fs;
use std::io::{Result, Write};
use std::path::Path;

fn main() -> Result<()> {
    let seeds = std::env::args().nth(1).expect("usage: make_seeds FOLDER");
    let put = |target: &str, name: &str, bytes: &[u8]| {
        let folder = Path::new(&seeds).join(target);
        fs::create_dir_all(&folder)?;
        fs::write(folder.join(name), bytes)
    };
    let text = b"http://a.test/1.jpg\r\nhttps://b.test/2 3.png?x\n\nnot a url\nhttp://\xc3\xa9.test/\n";
    put("list_gz", "two-members", &[gzip(text)?, gzip(b"http://c.test/\n")?].concat())?;
    let table = b"url,caption,k\nhttp://a.test/1,\"a, \"\"b\"\"\nc\",1\nhttp://a.test/2,,\n";
    put(
        "list_zst",
        "two-frames",
        &[zstd::encode_all(&table[..], 1)?, zstd::encode_all(&b"x,y,z\n"[..], 19)?].concat(),
    )?;
    for (name, kept, rows) in [("plain", false, 3), ("kept", true, 40)] {
        let ledger = ledger(kept, rows)?;
        put("ledger", name, &ledger)?;
        put("list_parquet", name, &ledger)?;
    }
    for (name, bytes) in images() {
        put("sniff", name, &bytes)?;
        put("transform", name, &bytes)?;
    }
    Ok(())
}

fn gzip(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes)?;
    encoder.finish()
}

/// A ledger is a Parquet file with a column `url`, so it is a list too.
fn ledger(has_kept: bool, rows: u64) -> Result<Vec<u8>> {
    let path = ream_fuzz::scratch::file("seed.parquet", b"");
    let kinds = [KeptKind::Text, KeptKind::Integer, KeptKind::Float, KeptKind::Boolean];
    let names = ["k", "integer", "float", "boolean"];
    let columns = names.into_iter().zip(kinds).map(|(name, kind)| KeptColumn { name: name.to_owned(), kind });
    let columns: Vec<_> = columns.filter(|_| has_kept).collect();
    let failed = std::io::Error::other::<ream_dataset::Error>;
    let mut ledger = LedgerWriter::create(&path, &columns).map_err(failed)?;
    for image in 0..rows {
        let values = [
            KeptValue::Text(format!("text {image}")),
            KeptValue::Integer(-1),
            KeptValue::Float(0.5),
            KeptValue::Boolean(image % 2 == 0),
        ];
        let kept = values.into_iter().map(|value| (image % 3 != 0).then_some(value)).filter(|_| has_kept);
        let row = LedgerRow {
            image,
            url: format!("http://a.test/{image}.jpg"),
            caption: (image % 2 == 0).then(|| "a caption".to_owned()),
            source_file: "urls.csv".to_owned(),
            source_line: image + 2,
            width: Some(640),
            kept: kept.collect(),
            ..LedgerRow::default()
        };
        ledger.push(row).map_err(failed)?;
    }
    ledger.finish().map_err(failed)?;
    fs::read(path)
}

fn images() -> Vec<(&'static str, Vec<u8>)> {
    let bmp = bmp(20, 13);
    let encoded = |encode_format, resize_mode, encode_quality| {
        let settings = TransformSettings {
            resize_mode,
            image_size: 31,
            encode_format: Some(encode_format),
            encode_quality,
            ..TransformSettings::default()
        };
        let inspected = inspect(&bmp, &settings).expect("the seed is an image");
        transform(&bmp, &inspected, &settings)
            .expect("the seed can be encoded")
            .bytes
            .expect("it is another format")
    };
    let png = encoded(EncodeFormat::Png, ResizeMode::No, 9);
    vec![
        ("jpeg", encoded(EncodeFormat::Jpg, ResizeMode::Border, 80)),
        ("webp", encoded(EncodeFormat::Webp, ResizeMode::No, 80)),
        (
            "ico",
            [&b"\0\0\x01\0\x01\0\x14\x0d\0\0\x01\0\x20\0"[..], &length(&png), &22u32.to_le_bytes(), &png]
                .concat(),
        ),
        ("gif", gif()),
        ("tiff", tiff()),
        ("svg", b"<?xml version=\"1.0\"?><!-- x --><svg width=\"1\"/>".to_vec()),
        ("avif", b"\0\0\0\x1cftypavif\0\0\0\0mif1avifmiaf".to_vec()),
        ("jxl", b"\xff\x0a\xfa\x1f\x01\x90\x08\x10\x00\x10\x00\x00".to_vec()),
        ("png", png),
        ("bmp", bmp),
    ]
}

fn length(bytes: &[u8]) -> [u8; 4] {
    u32::try_from(bytes.len()).expect("seeds are small").to_le_bytes()
}

/// 24 bits per pixel, a slope of colours.
fn bmp(width: u32, height: u32) -> Vec<u8> {
    let row_bytes = (width * 3).next_multiple_of(4);
    let mut bytes = b"BM".to_vec();
    for field in [
        54 + row_bytes * height,
        0,
        54,
        40,
        width,
        height,
        1 | 24 << 16,
        0,
        row_bytes * height,
        2835,
        2835,
        0,
        0,
    ] {
        bytes.extend(field.to_le_bytes());
    }
    for y in 0..height {
        for x in 0..row_bytes {
            bytes.push(u8::try_from((x * 3 + y * 11) % 251).unwrap_or(0));
        }
    }
    bytes
}

/// Two frames of one pixel.
fn gif() -> Vec<u8> {
    let frame = b"\x21\xf9\x04\x01\x0a\0\0\0\x2c\0\0\0\0\x01\0\x01\0\0\x02\x02\x44\x01\0";
    [&b"GIF89a\x01\0\x01\0\x80\0\0\0\0\0\xff\xff\xff"[..], frame, frame, b"\x3b"].concat()
}

/// 2x2 grey pixels, uncompressed.
fn tiff() -> Vec<u8> {
    let tags: [(u16, u16, u32); 8] = [
        (256, 3, 2),
        (257, 3, 2),
        (258, 3, 8),
        (259, 3, 1),
        (262, 3, 1),
        (273, 4, 110),
        (278, 3, 2),
        (279, 4, 4),
    ];
    let mut bytes = b"II*\0\x08\0\0\0\x08\0".to_vec();
    for (tag, kind, value) in tags {
        bytes.extend(tag.to_le_bytes());
        bytes.extend(kind.to_le_bytes());
        bytes.extend(1u32.to_le_bytes());
        bytes.extend(value.to_le_bytes());
    }
    bytes.extend([0; 4]);
    bytes.extend([0, 80, 160, 255]);
    bytes
}
