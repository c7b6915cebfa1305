//! Redirects that lead nowhere, or around in circles. Where they lead must not lead: `addresses`.

use super::case::Case;

/// More than any crawler follows.
const LONG_CHAIN: usize = 30;

pub(super) fn cases() -> Vec<Case> {
    let to = |label: &str, expected: &'static str, target: &'static str| {
        Case::http(label, expected, move |e| e.redirect(target))
    };
    vec![
        to("redirect-to-itself", "redirect", "/image.jpg").requests(1..=25),
        Case::http("redirect-loop", "redirect", |e| {
            e.redirect(if e.request.path == "/image.jpg" { "/other.jpg" } else { "/image.jpg" })
        })
        .requests(1..=13),
        Case::http("redirect-loop-that-grows", "redirect", |e| {
            let longer = format!("{}/and/on", e.request.path);
            e.redirect(&longer)
        }),
        Case::http("redirect-without-target", "redirect", |e| e.answer("302 Found", &[], b"")),
        to("redirect-to-no-url", "redirect", "http://[not an address/").or("bad_url"),
        to("redirect-to-nothing", "redirect", "").or("bad_url").requests(1..=25),
        to("redirect-to-ftp", "redirect", "ftp://redirect-once.example/image.jpg").or("bad_url"),
        to("redirect-to-file", "redirect", "file:///etc/passwd").or("bad_url"),
        to("redirect-to-data", "redirect", "data:image/png;base64,iVBORw0KGgo=").or("bad_url"),
        to("redirect-to-script", "redirect", "javascript:alert(1)").or("bad_url"),
        to("redirect-to-ssh-port", "redirect", "http://plain.example:22/")
            .or("bad_url")
            .or("blocked_address"),
        to("redirect-to-redis-port", "redirect", "http://plain.example:6379/")
            .or("bad_url")
            .or("blocked_address"),
        to("redirect-with-user-name", "redirect", "http://me:secret@plain.example/image.jpg")
            .or("bad_url")
            .or("ok"),
        to("redirect-to-refused-path", "robots", "http://robots-disallow.example/private/by-redirect.jpg")
            .resized(&["ok"]),
        Case::http("redirect-chain-without-end", "redirect", |e| {
            let number =
                e.request.path.trim_matches(|c: char| !c.is_ascii_digit()).parse().unwrap_or(0_usize);
            if number < LONG_CHAIN { e.redirect(&format!("/{}.jpg", number + 1)) } else { e.jpeg() }
        }),
        to("redirect-once", "ok", "http://plain.example/image.jpg?by-redirect"),
        to("redirect-relative", "ok", "?again=1").requests(1..=1).followed(),
        Case::http("plain", "ok", super::exchange::jpeg),
    ]
}

impl Case {
    /// A redirect to a query of the same path ends there.
    fn followed(mut self) -> Self {
        let target = super::case::Behaviour::Http(Box::new(|e| {
            if e.request.path.contains('?') { e.jpeg() } else { e.redirect("?again=1") }
        }));
        self.behaviour = target;
        self
    }
}
