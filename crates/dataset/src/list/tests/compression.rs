use super::*;
use crate::{IngestOptions, ingest};
use std::io::Write as _;

pub(super) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(bytes).unwrap();
    gzip.finish().unwrap()
}

pub(super) fn zst(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 1).unwrap()
}

type Pack = fn(&[u8]) -> Vec<u8>;

const PACKS: [(&str, Pack); 2] = [("a.txt.gz", gzip), ("A.TXT.ZST", zst)];

fn list(from: u32, to: u32) -> Vec<u8> {
    (from..to)
        .flat_map(|n| format!("http://a.test/{}/{n}\n", n.wrapping_mul(2_654_435_761)).into_bytes())
        .collect()
}

#[test]
fn streams_in_several_pieces_are_one_list() {
    for (name, pack) in PACKS {
        let bytes =
            [pack(&list(0, 10)), pack(b""), pack(b"http://a.te"), pack(b"st/x\n"), pack(&list(10, 20))]
                .concat();
        let items = read(name, &bytes).unwrap();
        assert_eq!(rows(items).len(), 21, "{name}");
        assert_eq!(read(name, &pack(b"")).unwrap_err(), format!("the list {name} is empty"));
        assert_eq!(short(&read(name, &pack(b"\xEF\xBB\xBFhttp://a.test/")).unwrap()), ["1 http://a.test/"]);
    }
}

#[test]
fn a_cut_or_damaged_stream_is_an_error_that_names_the_line_reached() {
    for (name, pack) in PACKS {
        let whole = pack(&list(0, 30_000));
        let mut damaged = whole.clone();
        let middle = damaged.len() / 2;
        damaged[middle..middle + 64].fill(0x55);
        for bytes in
            [&whole[..whole.len() / 2], &whole[..whole.len() - 1], &damaged, &[&whole[..], b"rest"].concat()]
        {
            let error = read(name, bytes).unwrap_err();
            let rest = error.strip_prefix(&format!("the list {name} cannot be read beyond line ")).unwrap();
            let (line, rest) = rest.split_once(": its ").unwrap();
            assert!(rest.contains(" stream is cut off or damaged ("), "{rest}");
            assert!(line.parse::<u32>().unwrap() <= 30_000);
        }
        let error = read(name, b"http://a.test/\n").unwrap_err();
        assert!(error.contains("cannot be read beyond line 0"), "{error}");
    }
}

#[test]
fn nothing_of_a_cut_list_is_taken() {
    let tmp = tempfile::tempdir().unwrap();
    let path = tmp.path().join("a.txt.gz");
    let whole = gzip(&list(0, 30_000));
    std::fs::write(&path, &whole[..whole.len() - 9]).unwrap();
    assert!(ingest(&path, &tmp.path().join("list"), &IngestOptions::default(), |_, _| {}).is_err());
    assert_eq!(std::fs::read_dir(tmp.path()).unwrap().count(), 1);
}

#[test]
fn a_window_that_takes_too_much_memory_is_refused() {
    let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
    encoder.window_log(28).unwrap();
    encoder.write_all(&list(0, 1000)).unwrap();
    let error = read("a.txt.zst", &encoder.finish().unwrap()).unwrap_err();
    assert!(
        error.contains("Zstandard stream is cut off or damaged (Frame requires too much memory"),
        "{error}"
    );
}

#[test]
fn what_unpacks_to_a_single_endless_line_is_rejected_in_constant_memory() {
    for (name, pack) in PACKS {
        let items = short(&read(name, &pack(&vec![b'x'; 3_000_000])).unwrap());
        assert_eq!(items, ["1 !longer than 64 KiB"]);
    }
}
