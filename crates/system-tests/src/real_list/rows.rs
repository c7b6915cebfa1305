//! The rows of the list: good ones, ones that fail, and ones that are no rows.

use super::names::{encoded, in_list};
use super::{Pictures, RealList};
use ream_test_servers::{Result, cannot};
use serde_json::{Map, Value};
use std::path::Path;

/// Places below the web root that are no images.
const TEXT_FILE: &str = "not images/a text file.jpg";
const EMPTY_FILE: &str = "not images/empty.png";
const HALF_HEADER: &str = "not images/half a header.png";

struct Rows {
    csv: String,
    served: Map<String, Value>,
    expected: Map<String, Value>,
    accepted: usize,
}

pub(super) fn write(pictures: &Pictures, base_url: &str, folder: &Path) -> Result<RealList> {
    put_broken_files(&pictures.web_root)?;
    let mut rows =
        Rows { csv: "url,caption,license\r\n".into(), served: Map::new(), expected: Map::new(), accepted: 0 };
    let spread = pictures.len() / 12;
    for (number, picture) in pictures.pictures.iter().enumerate() {
        let url = format!("{base_url}/{}{}", in_list(number, &picture.place), query(number));
        let file = pictures.web_root.join(&picture.place);
        rows.good(&url, &caption(number, &picture.place), &file);
        if number % 400 == 7 {
            // The same URL at another place of the list, and right after itself.
            rows.good(&url, "the same again", &file);
        }
        if number % 300 == 9 {
            let moved = format!("{base_url}/moved/{}", encoded(&picture.place, true));
            rows.good(&moved, "by a redirect", &file);
        }
        // Spread, so that no chunk is without its failures.
        if spread > 0 && number % spread == spread / 2 {
            rows.failing_and_bad(base_url, number / spread);
        }
    }
    let first = &pictures.pictures[0];
    let url = format!("{base_url}/{}{}", in_list(0, &first.place), query(0));
    rows.good(&url, "the first one again, at the end", &pictures.web_root.join(&first.place));
    rows.save(folder)
}

fn put_broken_files(web_root: &Path) -> Result<()> {
    let files: [(&str, &[u8]); 3] = [
        (TEXT_FILE, b"This is a text, whatever its name says.\n"),
        (EMPTY_FILE, b""),
        (HALF_HEADER, b"\x89PNG\r\n\x1a\n\0\0\0\x0d"),
    ];
    for (place, bytes) in files {
        let path = web_root.join(place);
        let parent = path.parent().unwrap_or(web_root);
        std::fs::create_dir_all(parent).map_err(cannot(format!("create {}", parent.display())))?;
        std::fs::write(&path, bytes).map_err(cannot(format!("write {}", path.display())))?;
    }
    Ok(())
}

/// Some URLs have one; the web server does not look at it.
fn query(number: usize) -> &'static str {
    if number % 50 == 3 { "?size=large&v=2" } else { "" }
}

fn caption(number: usize, place: &str) -> String {
    let name = place.rsplit('/').next().unwrap_or(place);
    match number % 11 {
        0 => String::new(),
        1 => format!("{name}, with a comma"),
        2 => format!("\"{name}\", as it is called"),
        3 => format!("{name}\nin two lines"),
        4 => format!("Bild {number}: größer, schöner, 画像 \u{1f5bc}"),
        5 => format!("  {name} between blanks  "),
        _ => name.to_owned(),
    }
}

impl Rows {
    fn good(&mut self, url: &str, caption: &str, file: &Path) {
        self.served.insert(url.to_owned(), file.to_string_lossy().into());
        self.row(url, caption);
        self.accepted += 1;
    }

    fn failing(&mut self, url: &str, class: &str) {
        self.expected.insert(url.to_owned(), class.into());
        self.row(url, &format!("must fail: {class}"));
        self.accepted += 1;
    }

    fn failing_and_bad(&mut self, base_url: &str, nth: usize) {
        // Different URLs each time: none is known as failing before.
        self.failing(&format!("{base_url}/nowhere/{nth}.jpg"), "http_4xx");
        self.failing(&format!("{base_url}/{}?{nth}", encoded(TEXT_FILE, true)), "not_an_image");
        self.failing(&format!("{base_url}/{}?{nth}", encoded(EMPTY_FILE, true)), "not_an_image");
        self.failing(&format!("{base_url}/{}?{nth}", encoded(HALF_HEADER, true)), "not_an_image");
        self.failing(&format!("http://169.254.1.1/{nth}.jpg"), "blocked_address");
        if nth.is_multiple_of(4) {
            self.failing(&format!("{base_url}/broken/{nth}.jpg"), "http_5xx");
            // Nothing listens on the lowest port.
            self.failing(&format!("http://127.0.0.1:1/{nth}.jpg"), "connect");
        }
        self.csv.push_str("this is no URL,but has a caption,none\r\n");
        self.csv.push_str("ftp://127.0.0.1/picture.jpg,another scheme,none\r\n");
        self.csv.push_str(&format!("{base_url}/too-few-columns.jpg\r\n"));
        self.csv.push_str("\r\n,no URL at all,none\r\n");
    }

    fn row(&mut self, url: &str, caption: &str) {
        self.csv.push_str(&format!("{},{},CC0\r\n", quoted(url), quoted(caption)));
    }

    fn save(self, folder: &Path) -> Result<RealList> {
        let put = |name: &str, text: String| {
            let path = folder.join(name);
            std::fs::write(&path, text).map_err(cannot(format!("write {}", path.display())))?;
            Ok(path)
        };
        Ok(RealList {
            path: put("list.csv", self.csv)?,
            served: put("served.json", Value::Object(self.served).to_string())?,
            expected: put("expected.json", Value::Object(self.expected).to_string())?,
            accepted: self.accepted,
        })
    }
}

fn quoted(field: &str) -> String {
    if field.contains(['"', ',', '\n', '\r']) || field.trim() != field {
        format!("\"{}\"", field.replace('"', "\"\""))
    } else {
        field.to_owned()
    }
}
