//! Names: of hosts beyond ASCII, of files that want to be somewhere else.

use super::JPEG;
use super::case::Case;

pub(super) fn cases() -> Vec<Case> {
    let plain = |label: &str| Case::http(label, "ok", super::exchange::jpeg);
    let attached = |label: &str, name: &'static str| {
        Case::http(label, "ok", move |e| {
            e.answer("200 OK", &[("Content-Disposition", name), ("Content-Type", "image/jpeg")], JPEG)
        })
    };
    vec![
        plain("xn--bcher-kva").at("http://bücher.example/image.jpg", "/image.jpg"),
        plain("xn--fsqu00a").at("http://例子.example/写真.jpg", "/%E5%86%99%E7%9C%9F.jpg"),
        plain("xn--mgbh0fb").at("http://مثال.example/image.jpg", "/image.jpg"),
        plain("non-ascii-path")
            .at("http://non-ascii-path.example/süße katze.jpg", "/s%C3%BC%C3%9Fe%20katze.jpg"),
        plain("half-encoded-path")
            .at("http://half-encoded-path.example/100%.jpg?q=ä&r=%C3%A4", "/100%.jpg?q=%C3%A4&r=%C3%A4"),
        plain("dots-in-url").at("http://dots-in-url.example/a/../../../../etc/passwd.jpg", "/etc/passwd.jpg"),
        plain("encoded-dots-in-url")
            .at("http://encoded-dots-in-url.example/%2e%2e/%2e%2e/escaped.jpg", "/escaped.jpg"),
        plain("encoded-slashes-in-url").at(
            "http://encoded-slashes-in-url.example/..%2f..%2f..%2fescaped.jpg",
            "/..%2f..%2f..%2fescaped.jpg",
        ),
        plain("backslashes-in-url")
            .at(r"http://backslashes-in-url.example/..\..\escaped.jpg", "/escaped.jpg"),
        plain("fragment").at("http://fragment.example/image.jpg#../../escaped.jpg", "/image.jpg"),
        attached("dots-in-file-name", "attachment; filename=\"../../../escaped.jpg\""),
        attached("root-in-file-name", "attachment; filename=\"/tmp/escaped.jpg\""),
        attached("encoded-file-name", "attachment; filename*=UTF-8''..%2F..%2Fescaped.jpg"),
        Case::http("script-as-extension", "ok", |e| {
            e.answer("200 OK", &[("Content-Type", "image/jpeg")], JPEG)
        })
        .at("http://script-as-extension.example/image.jpg%00.sh", "/image.jpg%00.sh"),
    ]
}
