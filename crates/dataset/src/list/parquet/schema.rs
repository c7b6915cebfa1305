//! Finding the columns asked for in a file's schema.

use super::super::columns::Picked;
use super::super::options::{KeepColumns, ListOptions};
use super::cursor;
use crate::error::{Error, Result};
use crate::kept::KeptKind;
use parquet::file::metadata::ParquetMetaData;
use parquet::schema::types::ColumnDescPtr;
use std::path::Path;

/// The leaves that are columns by themselves, with one value per row at most.
pub(super) fn flat_columns(metadata: &ParquetMetaData) -> Vec<(usize, String)> {
    let columns = metadata.file_metadata().schema_descr().columns().iter().enumerate();
    let flat = columns.filter(|(_, column)| column.path().parts().len() == 1 && column.max_rep_level() == 0);
    flat.map(|(leaf, column)| (leaf, column.name().to_owned())).collect()
}

pub(super) fn find(
    path: &Path,
    metadata: &ParquetMetaData,
    flat: &[(usize, String)],
    options: &ListOptions,
) -> Result<Picked> {
    let nested = |name: &&String| {
        let fields = metadata.file_metadata().schema_descr().root_schema().get_fields();
        let name = name.trim();
        fields.iter().any(|field| field.name().trim() == name)
            && !flat.iter().any(|(_, column)| column.trim() == name)
    };
    let kept = match &options.keep_columns {
        KeepColumns::Named(names) => names.as_slice(),
        KeepColumns::None | KeepColumns::All => &[],
    };
    let asked = [Some(&options.url_column), options.caption_column.as_ref(), options.sha256_column.as_ref()];
    if let Some(name) = asked.into_iter().flatten().chain(kept).find(nested) {
        let message =
            format!("has nested values in the column `{name}`; only columns of single values are read");
        return Err(Error::bad_list(path, message));
    }
    let header: Vec<String> = flat.iter().map(|(_, name)| name.clone()).collect();
    let mut picked = Picked::find(path, &header, options)?;
    let column = |at: usize| metadata.file_metadata().schema_descr().column(flat[at].0);
    if options.keep_columns == KeepColumns::All {
        // As with nested ones: asked for by its name, such a column is an error.
        picked.kept.retain(|at| cursor::kind(&column(*at)).is_ok());
    }
    if options.caption_column.is_none() {
        // A column that only happens to be called so need not be a text.
        picked.caption = picked.caption.filter(|at| cursor::kind(&column(*at)) == Ok(KeptKind::Text));
    }
    Ok(picked)
}

/// The leaves in use, and what was picked as positions among them.
pub(super) fn without_unread(flat: &[(usize, String)], picked: &Picked) -> (Vec<usize>, Picked) {
    let mut leaves = Vec::new();
    let mut position = |at: usize| {
        let leaf = flat[at].0;
        leaves.iter().position(|known| *known == leaf).unwrap_or_else(|| {
            leaves.push(leaf);
            leaves.len() - 1
        })
    };
    let picked = Picked {
        url: position(picked.url),
        caption: picked.caption.map(&mut position),
        sha256: picked.sha256.map(&mut position),
        kept: picked.kept.iter().map(|at| position(*at)).collect(),
    };
    (leaves, picked)
}

pub(super) fn check_text(path: &Path, column: &ColumnDescPtr) -> Result<()> {
    let found = match cursor::kind(column) {
        Ok(KeptKind::Text) => return Ok(()),
        Ok(kind) => format!("{kind:?}").to_lowercase(),
        Err(found) => found,
    };
    let message =
        format!("has values of the type {found} in the column `{}`; it has to be text", column.name());
    Err(Error::bad_list(path, message))
}

pub(super) fn not_kept(path: &Path, column: &ColumnDescPtr, found: &str) -> Error {
    let message = format!(
        "has values of the type {found} in the column `{}`; columns of text, integers, floats and booleans can be kept",
        column.name()
    );
    Error::bad_list(path, message)
}
