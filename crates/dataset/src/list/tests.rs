#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod compression;
mod folder;
mod jsonl;
mod kept;
mod parquet;
mod round_trip;

use super::compression::Bytes;
use super::lines::Lines;
use super::*;
use crate::error::Error;
use proptest::prelude::*;
use std::io::Read;
use std::path::Path;

type Items = std::result::Result<Vec<ListItem>, String>;

fn read(name: &str, bytes: &[u8]) -> Items {
    read_with(name, bytes, &ListOptions::default())
}

/// The items of a list of this name; in an error the list has no folder before its name.
fn read_with(name: &str, bytes: &[u8], options: &ListOptions) -> Items {
    let tmp = tempfile::tempdir().unwrap();
    let path = tmp.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    read_path(&path, options)
}

fn read_path(path: &Path, options: &ListOptions) -> Items {
    let items = ListReader::open(path, options).and_then(Iterator::collect);
    let folder = format!("{}/", path.parent().unwrap().display());
    items.map_err(|error| {
        assert!(error.is_bad_input(), "{error}");
        error.to_string().replace(&folder, "")
    })
}

fn rows(items: Vec<ListItem>) -> Vec<ListRow> {
    let row = |item| match item {
        ListItem::Row(row) => row,
        ListItem::Reject(reject) => panic!("{reject:?}"),
    };
    items.into_iter().map(row).collect()
}

/// `line url [caption]` or `line !reason`, which reads better in a comparison than whole structures.
fn short(items: &[ListItem]) -> Vec<String> {
    let one = |item: &ListItem| match item {
        ListItem::Row(ListRow { url, caption: None, source_line, .. }) => format!("{source_line} {url}"),
        ListItem::Row(ListRow { url, caption: Some(c), source_line, .. }) => {
            format!("{source_line} {url} [{c}]")
        }
        ListItem::Reject(reject) => format!("{} !{}", reject.source_line, reject.reason),
    };
    items.iter().map(one).collect()
}

#[test]
fn a_text_list_has_one_url_per_line() {
    let items =
        read("a.txt", b"\xEF\xBB\xBFhttp://a.test/1\r\n\n  \nhttps://b.test/2 \nhttp://c.test/3").unwrap();
    assert_eq!(short(&items), ["1 http://a.test/1", "4 https://b.test/2", "5 http://c.test/3"]);
    let ListItem::Row(row) = &items[0] else { panic!("not a row") };
    assert_eq!(row.source_file, "a.txt");
}

#[test]
fn urls_may_hold_what_the_url_standard_allows() {
    for good in [
        "http://a.test/ä/日本.jpg",
        "http://müller.test/x",
        "http://日本.test/",
        "http://a.test/a b.jpg",
        "http://a.test/a,b;c|d.jpg?x={1}&y=[2]",
        "HTTP://A.TEST",
        "http://[2001:db8::1]:8080/x",
        "http://2130706433/",
    ] {
        assert_eq!(short(&read("a.txt", good.as_bytes()).unwrap()), [format!("1 {good}")]);
    }
}

#[test]
fn a_bad_line_is_rejected_alone() {
    let list = b"a.test/x.jpg\nftp://a.test/x\nhttp://u:p@a.test/\nhttp://\nhttp://a.test/\xFF\nhttp://a.test/\tcat\n\
        http://a.test/ok\n";
    let items = short(&read("a.txt", list).unwrap());
    assert_eq!(
        items,
        [
            "1 !not a URL: it has to begin with http:// or https://",
            "2 !the scheme is `ftp`; allowed are http and https",
            "3 !contains a user name or password",
            "4 !not a URL: empty host",
            "5 !not valid UTF-8",
            "6 !not a URL: contains a control character such as a tab",
            "7 http://a.test/ok",
        ]
    );
}

#[test]
fn an_overlong_line_is_rejected_alone() {
    for name in ["a.txt", "a.csv"] {
        let mut list = b"url\n".repeat(usize::from(name == "a.csv"));
        list.extend(b"http://a.test/".iter().chain(&vec![b'x'; 1_000_000]));
        list.extend(b"\nhttp://a.test/ok\n");
        let items = short(&read(name, &list).unwrap());
        assert_eq!(items.len(), 2, "{name}");
        assert!(
            items[0].ends_with("!longer than 64 KiB") && items[1].ends_with(" http://a.test/ok"),
            "{items:?}"
        );
    }
}

/// Gives the same byte for ever.
struct Endless {
    given: u64,
}

impl Read for Endless {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.given > 256 * 1024 * 1024 {
            return Err(std::io::Error::other("enough"));
        }
        buffer.fill(b'x');
        self.given += buffer.len() as u64;
        Ok(buffer.len())
    }
}

#[test]
fn an_endless_line_ends_with_the_error_of_its_source() {
    let bytes: Bytes = Box::new(Endless { given: 0 });
    let mut lines = Lines::new(bytes, Path::new("a.txt")).unwrap().unwrap();
    assert!(matches!(lines.next_line(&mut Vec::new()), Err(Error::Io { .. })));
}

#[test]
fn csv_columns_are_found_by_name() {
    let list = b"id, url ,caption\n1,http://a.test/1,a cat\n2,\"http://a.test/a,b\",\"two\nlines, \"\"quoted\"\"\"\n3,http://a.test/3,\n";
    let items = short(&read("a.csv", list).unwrap());
    assert_eq!(
        items,
        ["2 http://a.test/1 [a cat]", "3 http://a.test/a,b [two\nlines, \"quoted\"]", "5 http://a.test/3"]
    );
}

#[test]
fn csv_columns_can_be_chosen() {
    let options = ListOptions {
        url_column: "src".to_owned(),
        caption_column: Some("alt".to_owned()),
        ..ListOptions::default()
    };
    let items = read_with("a.csv", b"alt,src\r\ncat,http://a.test/1\r\n", &options).unwrap();
    assert_eq!(short(&items), ["2 http://a.test/1 [cat]"]);
    let error = read_with("a.csv", b"alt,url\ncat,http://a.test/1\n", &options).unwrap_err();
    assert_eq!(error, "the list a.csv has no column `src`; its columns are `alt`, `url`");
}

#[test]
fn csv_rows_of_another_width_or_encoding_are_rejected_alone() {
    let list = b"url,caption\nhttp://a.test/1\nhttp://a.test/2,a,b\n\n\xFF,x\nhttp://a.test/3,\xFF\nhttp://a.test/4,ok\n";
    let items = short(&read("a.csv", list).unwrap());
    assert_eq!(
        items,
        [
            "2 !1 columns where the header has 2",
            "3 !3 columns where the header has 2",
            "5 !not valid UTF-8",
            "6 !not valid UTF-8",
            "7 http://a.test/4 [ok]",
        ]
    );
}

#[test]
fn a_quote_that_never_closes_costs_one_row() {
    let mut list = b"url,caption\nhttp://a.test/1,\"open\n".to_vec();
    for n in 0..10_000 {
        list.extend(format!("http://a.test/{n},c\n").bytes());
    }
    let items = short(&read("a.csv", &list).unwrap());
    assert_eq!(items.len(), 10_001);
    assert_eq!(items[0], "2 !opens a quote that is not closed in time");
    assert_eq!(items[1], "3 http://a.test/0 [c]");
    assert_eq!(items[10_000], "10002 http://a.test/9999 [c]");
}

#[test]
fn a_row_of_several_lines_after_a_replay_is_whole() {
    let mut list = b"url,caption\nhttp://a.test/1,\"open\n\n".to_vec();
    list.extend(vec![b'x'; MAX_LINE_BYTES + 1]);
    list.extend(b"\n\nhttp://a.test/2,\"two\nlines\"\n");
    let items = short(&read("a.csv", &list).unwrap());
    assert_eq!(
        items,
        [
            "2 !opens a quote that is not closed in time",
            "4 !longer than 64 KiB",
            "6 http://a.test/2 [two\nlines]",
        ]
    );
}

#[test]
fn quotes_that_open_in_every_line_are_read_once_and_in_order() {
    let rows = 30_000;
    let list = ["url\n".to_owned(), "a\",\"\n".repeat(rows)].concat();
    let lines: Vec<u64> = read("a.csv", list.as_bytes())
        .unwrap()
        .into_iter()
        .map(|item| match item {
            ListItem::Reject(reject) => reject.source_line,
            ListItem::Row(row) => panic!("{row:?}"),
        })
        .collect();
    assert_eq!(lines, (2..rows as u64 + 2).collect::<Vec<_>>());
}

const ALLOWED: &str = "allowed are `.txt`, `.csv`, `.tsv`, `.jsonl`, `.ndjson`, each also with `.gz` or `.zst` behind it, \
    and `.parquet`";

#[test]
fn lists_that_cannot_be_read_say_why() {
    let cases: [(&str, &[u8], &str); 11] = [
        ("a.xlsx", b"x", "ends in `.xlsx`; ALLOWED"),
        ("urls", b"x", "has no extension that tells its format; ALLOWED"),
        ("urls.gz", b"x", "has no extension that tells its format; ALLOWED"),
        ("a.parquet.gz", b"x", "is a compressed `.parquet`, which is compressed inside; unpack it"),
        ("a.txt", b"", "is empty"),
        ("a.csv", b"", "is empty"),
        ("a.parquet", b"", "is empty"),
        ("a.csv", b"\n\n", "has no header and no rows"),
        ("a.txt", b"\xFF\xFEh\0", "is encoded as UTF-16; save it as UTF-8"),
        ("a.jsonl", b"\xFE\xFF\0{", "is encoded as UTF-16; save it as UTF-8"),
        (
            "a.csv",
            b"url\rhttp://a.test/\r",
            "has a header that cannot be read: a carriage return without a line feed",
        ),
    ];
    for (name, bytes, message) in cases {
        let message = format!("the list {name} {}", message.replace("ALLOWED", ALLOWED));
        assert_eq!(read(name, bytes).unwrap_err(), message);
    }
    assert!(read("LIST.TXT", b"http://a.test/").is_ok());
}

#[test]
fn tabs_part_the_columns_of_a_tsv() {
    let list = b"\xEF\xBB\xBFcaption\turl\r\na, cat\thttp://a.test/a,b\r\n\"two\nlines\"\thttp://a.test/2\n";
    let items = short(&read("a.tsv", list).unwrap());
    assert_eq!(items, ["2 http://a.test/a,b [a, cat]", "3 http://a.test/2 [two\nlines]"]);
}

fn csv_like() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(prop::sample::select(b"\",\n\r ahttp:/.\xFF\0".to_vec()), 0..400)
}

fn json_like() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(prop::sample::select(b"{}[]\"\"\\:, url1enu.\n\xFF".to_vec()), 0..300)
}

proptest! {
    #[test]
    fn no_bytes_make_a_reader_panic_or_lose_count(bytes in prop_oneof![
        prop::collection::vec(any::<u8>(), 0..600), csv_like(), json_like(),
        csv_like().prop_map(|rows| [b"url,caption\n", rows.as_slice()].concat()),
        csv_like().prop_map(|rows| [b"\x1F\x8B\x08\0\0\0\0\0\0\xFF", rows.as_slice()].concat()),
        csv_like().prop_map(|rows| [b"\x28\xB5\x2F\xFD", rows.as_slice()].concat()),
        csv_like().prop_map(|rows| [b"PAR1", rows.as_slice(), &(rows.len() as u32).to_le_bytes(), b"PAR1"].concat()),
    ]) {
        for name in ["a.txt", "a.csv", "a.tsv", "a.jsonl", "a.parquet", "a.txt.gz", "a.csv.zst"] {
            let Ok(items) = read(name, &bytes) else { continue };
            let mut last = 0;
            for item in &items {
                let line = match item {
                    ListItem::Row(row) => row.source_line,
                    ListItem::Reject(reject) => reject.source_line,
                };
                prop_assert!(line > last, "{name}: line {line} after {last}");
                last = line;
            }
        }
    }

    #[test]
    fn quoted_captions_come_back(captions in prop::collection::vec("[a-z,\"\n é]{0,30}", 1..20)) {
        let mut list = "caption,url\n".to_owned();
        for caption in &captions {
            list += &format!("\"{}\",http://a.test/\n", caption.replace('"', "\"\""));
        }
        let found: Vec<_> = read("a.csv", list.as_bytes()).unwrap().into_iter().map(|item| match item {
            ListItem::Row(row) => row.caption.unwrap_or_default(),
            ListItem::Reject(reject) => panic!("{reject:?}"),
        }).collect();
        let blank_is_none = |c: &String| if c.trim().is_empty() { String::new() } else { c.clone() };
        prop_assert_eq!(found, captions.iter().map(blank_is_none).collect::<Vec<_>>());
    }
}
