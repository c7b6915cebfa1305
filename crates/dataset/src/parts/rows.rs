//! Rows of a list as columns of a table.

use crate::error::{Error, Result};
use crate::kept::{KeptColumn, KeptValue};
use crate::kept_cells;
use crate::list::ListRow;
use crate::table::{Cells, Column};
use std::path::Path;

/// Before the name of every kept column, which may be that of a fixed one.
const KEPT_PREFIX: &str = "kept_";

/// Where the fixed columns end.
const FIXED_COLUMNS: usize = 5;

pub(super) fn fixed_columns() -> Vec<Column> {
    vec![
        Column::text("url"),
        Column::text("caption").nullable(),
        Column::text("expected_sha256").nullable(),
        Column::text("source_file"),
        Column::integer("source_line"),
    ]
}

pub(super) fn columns(kept: &[KeptColumn]) -> Vec<Column> {
    let prefixed = kept
        .iter()
        .map(|column| KeptColumn { name: format!("{KEPT_PREFIX}{}", column.name), kind: column.kind });
    fixed_columns().into_iter().chain(prefixed.map(|column| kept_cells::to_column(&column))).collect()
}

/// The kept columns among those of a part.
pub(super) fn kept_columns(path: &Path, columns: &[Column]) -> Result<Vec<KeptColumn>> {
    let kept = columns.iter().skip(FIXED_COLUMNS).map(|column| {
        let column = kept_cells::of_column(column)?;
        let name = column.name.strip_prefix(KEPT_PREFIX)?.to_owned();
        Some(KeptColumn { name, ..column })
    });
    kept.collect::<Option<_>>().ok_or_else(|| Error::damaged(path, "it has columns that no list has"))
}

/// Empties `rows`.
pub(super) fn to_cells(path: &Path, kept: &[KeptColumn], rows: &mut Vec<ListRow>) -> Result<Vec<Cells>> {
    let fits = |row: &ListRow| {
        let of_kind = |(value, column): (&Option<KeptValue>, &KeptColumn)| {
            value.as_ref().is_none_or(|value| value.kind() == column.kind)
        };
        row.kept.len() == kept.len() && row.kept.iter().zip(kept).all(of_kind)
    };
    if let Some(row) = rows.iter().find(|row| !fits(row)) {
        let message = format!("the row of line {} has other kept values than the columns", row.source_line);
        return Err(Error::damaged(path, message));
    }
    let kept_cells = kept.iter().enumerate().map(|(at, column)| {
        kept_cells::to_cells(column.kind, rows.iter().map(|row| row.kept.get(at).and_then(Option::as_ref)))
    });
    let kept_cells: Vec<Cells> = kept_cells.collect();
    let count = rows.len();
    let texts = || Vec::with_capacity(count);
    let (mut urls, mut captions, mut hashes, mut files) = (texts(), texts(), texts(), texts());
    let mut lines = Vec::with_capacity(count);
    for row in rows.drain(..) {
        urls.push(Some(row.url));
        captions.push(row.caption);
        hashes.push(row.expected_sha256);
        files.push(Some(row.source_file));
        lines.push(Some(row.source_line.cast_signed()));
    }
    let fixed = [urls, captions, hashes, files].map(Cells::Text);
    Ok(fixed.into_iter().chain([Cells::Integers(lines)]).chain(kept_cells).collect())
}

/// The reverse.
pub(super) fn to_rows(path: &Path, cells: Vec<Cells>) -> Result<Vec<ListRow>> {
    let odd = || Error::damaged(path, "a value is missing");
    let mut cells = cells.into_iter();
    let mut text = || match cells.next() {
        Some(Cells::Text(values)) => Ok(values.into_iter()),
        _ => Err(odd()),
    };
    let (urls, mut captions, mut hashes, mut files) = (text()?, text()?, text()?, text()?);
    let Some(Cells::Integers(lines)) = cells.next() else { return Err(odd()) };
    let mut lines = lines.into_iter();
    let kept = cells.map(|cells| Some(kept_cells::of_cells(cells)?.into_iter())).collect::<Option<Vec<_>>>();
    let mut kept = kept.ok_or_else(odd)?;
    let row = |url: Option<String>| {
        Ok(ListRow {
            url: url.ok_or_else(odd)?,
            caption: captions.next().flatten(),
            expected_sha256: hashes.next().flatten(),
            kept: kept.iter_mut().map(|values| values.next().flatten()).collect(),
            source_file: files.next().flatten().ok_or_else(odd)?,
            source_line: lines.next().flatten().ok_or_else(odd)?.cast_unsigned(),
        })
    };
    urls.map(row).collect()
}
