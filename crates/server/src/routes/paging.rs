//! `limit` and `cursor` of every list.

use ream::{Page, PageRequest, Result};
use serde::Serialize;

/// What came, as text.
pub(super) fn page(limit: Option<&str>, cursor: Option<&str>) -> Result<PageRequest> {
    let mut v = ream::Validation::default();
    let allowed = format!("a whole number from 1 to {}", PageRequest::MAX_LIMIT);
    let limit = match limit {
        None => Some(i64::from(PageRequest::DEFAULT_LIMIT)),
        Some(text) => v.take(
            text.parse::<i64>()
                .map_err(|_| ream::Error::invalid("limit", format!("{text:?}"), allowed.clone())),
        ),
    };
    let cursor = cursor.and_then(|text| v.take(text.parse()));
    let request = limit.and_then(|limit| v.take(PageRequest::new(limit, cursor)));
    v.finish()?;
    Ok(request.unwrap_or_default())
}

/// What goes out.
pub(super) fn shown<T: Serialize>(page: Page<T>) -> axum::Json<ream_wire::Page<T>> {
    axum::Json(ream_wire::Page { items: page.items, next: page.next.map(|cursor| cursor.to_string()) })
}
