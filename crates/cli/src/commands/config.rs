//! `ream config`.

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Result;
use crate::output::{Align, Table, text};
use serde_json::json;

pub(super) fn run(cx: &Context<'_>) -> Result<Exit> {
    let rows = cx.settings.rows()?;
    if cx.out.is_json() {
        let document: serde_json::Map<_, _> = rows
            .iter()
            .map(|row| {
                let setting =
                    json!({"value": row.value, "source": row.source.layer(), "place": row.source.place()});
                (row.key.to_owned(), setting)
            })
            .collect();
        cx.out.document(&document)?;
        return Ok(Exit::Success);
    }
    let mut table = Table::new(&[("SETTING", Align::Left), ("VALUE", Align::Left), ("FROM", Align::Left)]);
    for row in rows {
        let from = row.source.place().unwrap_or_else(|| row.source.layer().to_owned());
        table.row([row.key.into(), text::printable(&row.value).into(), text::printable(&from).into()]);
    }
    table.show(cx.out)?;
    Ok(Exit::Success)
}
