//! The OpenAPI document, word for word: no change of the interface goes unnoticed.

#[test]
fn the_document_is_the_one_that_was_reviewed() {
    let mut settings = insta::Settings::clone_current();
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.add_filter(r#"("version": )"[^"]*""#, r#"$1"[VERSION]""#);
    settings.bind(|| insta::assert_snapshot!("openapi", ream_server::openapi_json()));
}
