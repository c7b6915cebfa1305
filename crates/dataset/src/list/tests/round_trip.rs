use super::compression::{gzip, zst};
use super::parquet::{Column, ways, write};
use super::*;
use crate::kept::KeptValue;
use crate::{IngestOptions, PartsReader, ingest};
use ream_core::ImageRange;

/// What a row of any format can say.
#[derive(Debug, Clone, PartialEq)]
struct Plain {
    url: String,
    caption: Option<String>,
    tag: Option<String>,
}

fn plain() -> impl Strategy<Value = Plain> {
    let url = "https?://[a-zé日]{1,5}(\\.test)?/[ -~é日]{0,20}[!-~]";
    let caption = prop::option::of("[ -~é\n\t\"]{0,20}[a-z]");
    let tag = prop::option::of("[ -~,;\t\"\n]{0,9}[a-z]");
    (url, caption, tag).prop_map(|(url, caption, tag)| Plain { url, caption, tag })
}

fn delimited(rows: &[Plain], delimiter: char) -> Vec<u8> {
    let quote = |text: &str| {
        let plain = !text.contains(['"', '\n', '\r', delimiter]) && !text.is_empty();
        if plain { text.to_owned() } else { format!("\"{}\"", text.replace('"', "\"\"")) }
    };
    let mut list = ["url", "tag", "caption"].join(&delimiter.to_string()) + "\r\n";
    for row in rows {
        let fields = [Some(&row.url), row.tag.as_ref(), row.caption.as_ref()];
        let fields = fields.map(|field| quote(field.map_or("", String::as_str)));
        list += &(fields.join(&delimiter.to_string()) + "\n");
    }
    list.into_bytes()
}

fn jsonl(rows: &[Plain]) -> Vec<u8> {
    let row = |row: &Plain| {
        serde_json::json!({"caption": row.caption, "url": row.url, "tag": row.tag}).to_string() + "\n"
    };
    rows.iter().map(row).collect::<String>().into_bytes()
}

fn parquet(rows: &[Plain], way: usize) -> Vec<u8> {
    let schema =
        "message m { optional binary caption (UTF8); required binary url; optional binary tag (UTF8); }";
    let columns = |rows: &[Plain]| {
        let bytes = |text: &Option<String>| text.clone().map(String::into_bytes);
        vec![
            Column::Bytes(rows.iter().map(|row| bytes(&row.caption)).collect()),
            Column::Bytes(rows.iter().map(|row| Some(row.url.clone().into_bytes())).collect()),
            Column::Bytes(rows.iter().map(|row| bytes(&row.tag)).collect()),
        ]
    };
    let ways = ways();
    let (front, back) = rows.split_at(rows.len() / 3);
    write(schema, ways[way % ways.len()].clone(), &[columns(front), columns(back)])
}

fn options() -> ListOptions {
    ListOptions { keep_columns: KeepColumns::Named(vec!["tag".to_owned()]), ..ListOptions::default() }
}

fn as_plain(row: ListRow) -> Plain {
    let tag = match row.kept.as_slice() {
        [Some(KeptValue::Text(tag))] => Some(tag.clone()),
        [None] => None,
        other => panic!("{other:?}"),
    };
    Plain { url: row.url, caption: row.caption, tag }
}

/// The line on which each row begins in a table with a header.
fn lines_of(rows: &[Plain]) -> Vec<u64> {
    let breaks = |text: &Option<String>| text.as_deref().unwrap_or_default().matches('\n').count() as u64;
    let mut next = 2;
    let line = |row: &Plain| {
        let line = next;
        next += 1 + breaks(&row.caption) + breaks(&row.tag);
        line
    };
    rows.iter().map(line).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    #[test]
    fn rows_come_back_from_every_format_and_compression(
        rows_in in prop::collection::vec(plain(), 1..40), way in any::<usize>()
    ) {
        let numbered: Vec<u64> = (1..=rows_in.len() as u64).collect();
        let files = [
            ("a.csv", delimited(&rows_in, ','), lines_of(&rows_in)),
            ("a.tsv", delimited(&rows_in, '\t'), lines_of(&rows_in)),
            ("a.jsonl", jsonl(&rows_in), numbered.clone()),
            ("a.parquet", parquet(&rows_in, way), numbered),
        ];
        for (name, bytes, lines) in files {
            let packed = match name {
                "a.parquet" => vec![(name.to_owned(), bytes)],
                _ => vec![
                    (name.to_owned(), bytes.clone()),
                    (format!("{name}.gz"), gzip(&bytes)),
                    (format!("{name}.zst"), zst(&bytes)),
                ],
            };
            for (name, bytes) in packed {
                let found = rows(read_with(&name, &bytes, &options()).unwrap());
                let found_lines: Vec<u64> = found.iter().map(|row| row.source_line).collect();
                prop_assert_eq!(&found_lines, &lines, "{}", name);
                let found: Vec<Plain> = found.into_iter().map(as_plain).collect();
                prop_assert_eq!(&found, &rows_in, "{}", name);
            }
        }
        let urls: String = rows_in.iter().map(|row| format!("{}\n", row.url)).collect();
        let found = rows(read("a.txt.zst", &zst(urls.as_bytes())).unwrap());
        prop_assert!(found.iter().map(|row| &row.url).eq(rows_in.iter().map(|row| &row.url)));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20))]
    #[test]
    fn a_folder_of_all_formats_becomes_parts_in_order(
        lists in prop::collection::vec(prop::collection::vec(plain(), 1..30), 1..6), way in any::<usize>()
    ) {
        let tmp = tempfile::tempdir().unwrap();
        let (folder, dir) = (tmp.path().join("lists"), tmp.path().join("parts"));
        std::fs::create_dir(&folder).unwrap();
        for (at, list) in lists.iter().enumerate() {
            let (extension, bytes) = match (at + way) % 4 {
                0 => ("csv", delimited(list, ',')),
                1 => ("tsv.gz", gzip(&delimited(list, '\t'))),
                2 => ("jsonl.zst", zst(&jsonl(list))),
                _ => ("parquet", parquet(list, way)),
            };
            std::fs::write(folder.join(format!("{at}.{extension}")), bytes).unwrap();
        }
        let all: Vec<Plain> = lists.concat();
        let how = IngestOptions { list: options(), chunk_size: 7 };
        let mut told = Vec::new();
        let found = ingest(&folder, &dir, &how, |done, of| told.push((done, of))).unwrap();
        prop_assert_eq!((found.accepted, found.rejected), (all.len() as u64, 0));
        prop_assert_eq!(found.sha256, list_sha256(&folder).unwrap());
        prop_assert_eq!(found.source_files.len(), lists.len());
        let bytes = list_fingerprint(&folder).unwrap().bytes;
        prop_assert_eq!(told.last(), Some(&(bytes, bytes)));
        prop_assert!(told.is_sorted());
        let parts = PartsReader::open(&dir, 7).unwrap();
        prop_assert_eq!(parts.kept_columns(), &found.kept_columns[..]);
        let rows = parts.read(ImageRange::new(0, all.len() as u64 - 1).unwrap()).unwrap();
        prop_assert_eq!(rows.into_iter().map(as_plain).collect::<Vec<_>>(), all);
    }
}
