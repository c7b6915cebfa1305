//! Lists of any length: one page, or with `--all` every page in turn.

use crate::context::Context;
use crate::failure::Result;
use crate::output::Table;
use crate::values::PageArgs;
use ream::{Page, PageRequest};
use serde::Serialize;

/// Shows what `read` gives, a row per item by `add`, or a JSON document per item. Answers how many there were.
pub(crate) async fn show<T: Serialize, F: Future<Output = ream::Result<Page<T>>>>(
    cx: &Context<'_>,
    pages: &PageArgs,
    mut table: Table,
    read: impl Fn(PageRequest) -> F,
    add: impl Fn(&mut Table, &T),
) -> Result<usize> {
    let mut request = pages.request()?;
    let mut shown = 0;
    loop {
        let page = read(request).await?;
        shown += page.items.len();
        if cx.out.is_json() {
            page.items.iter().try_for_each(|item| cx.out.document(item))?;
        } else {
            page.items.iter().for_each(|item| add(&mut table, item));
            table.show(cx.out)?;
        }
        match page.next {
            Some(next) if pages.all => request = request.at(Some(next)),
            next => {
                cx.out.next_page(next);
                return Ok(shown);
            }
        }
    }
}
