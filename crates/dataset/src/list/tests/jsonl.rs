use super::*;

#[test]
fn a_row_of_json_is_an_object() {
    let list = b"\xEF\xBB\xBF{\"url\":\"http://a.test/1\",\"caption\":\"a \\\"cat\\\"\\n\\u00e9\"}\r\n\n\
        {\"n\":{\"url\":1},\"caption\":null,\"url\":\"http://a.test/\\u00e4,b c\"}\n\
        {\"url\":\"http://m\xC3\xBCller.test/\",\"caption\":7}";
    let items = short(&read("a.jsonl", list).unwrap());
    assert_eq!(
        items,
        ["1 http://a.test/1 [a \"cat\"\né]", "3 http://a.test/ä,b c", "4 http://müller.test/ [7]"]
    );
}

#[test]
fn a_row_that_is_no_object_with_a_url_is_rejected_alone() {
    let mut list = b"[1]\n{\"url\":\n{\"a\":1}\n{\"url\":null}\n{\"url\":[]}\n{\"url\":\"\\ud800\"}\n{\"url\":\"\xFF\"}\n\
        {\"url\":\"http://a.test/\"} x\n{\"url\":\"http://a.test/ok\"}\n"
        .to_vec();
    list.extend("[".repeat(60_000).bytes());
    let items = short(&read("a.ndjson", &list).unwrap());
    let wanted = [
        "1 !not a JSON object: invalid type: sequence, expected an object",
        "2 !not a JSON object: EOF while parsing a value at column 7",
        "3 !has no key `url`",
        "4 !the value of `url` is not a text",
        "5 !the value of `url` is not a text",
        "6 !not a JSON object: ",
        "7 !not valid UTF-8",
        "8 !not a JSON object: trailing characters at column 26",
        "9 http://a.test/ok",
        "10 !not a JSON object: ",
    ];
    assert_eq!(items.len(), wanted.len());
    for (item, wanted) in items.iter().zip(wanted) {
        assert!(item.starts_with(wanted), "{item} instead of {wanted}");
    }
}

#[test]
fn deeply_nested_values_do_not_exhaust_the_stack() {
    let nested = format!("{}{}", "[".repeat(30_000), "]".repeat(30_000));
    let list = format!("{{\"a\":{nested},\"url\":\"http://a.test/\"}}\n");
    assert_eq!(short(&read("a.jsonl", list.as_bytes()).unwrap()), ["1 http://a.test/"]);
    let options = ListOptions { caption_column: Some("a".to_owned()), ..ListOptions::default() };
    let found = rows(read_with("a.jsonl", list.as_bytes(), &options).unwrap());
    assert_eq!(found[0].caption.as_deref(), Some(nested.as_str()));
}

#[test]
fn a_key_that_no_row_has_is_named_with_those_that_are_there() {
    let list = b"{\"src\":\"http://a.test/1\",\"alt\":\"x\"}\n";
    let error = read("a.jsonl", list).unwrap_err();
    assert_eq!(error, "the list a.jsonl has no row with the key `url`; the first row's are `src`, `alt`");
    let options = ListOptions {
        url_column: "src".to_owned(),
        caption_column: Some("title".to_owned()),
        ..ListOptions::default()
    };
    let error = read_with("a.jsonl", list, &options).unwrap_err();
    assert!(error.contains("no row with the key `title`"), "{error}");
}
