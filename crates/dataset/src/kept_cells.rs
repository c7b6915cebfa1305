//! Kept columns as columns of a table.

use crate::kept::{KeptColumn, KeptKind, KeptValue};
use crate::table::{Cells, Column, Kind};

/// The table's column for a kept one; every value may be missing.
pub(crate) fn to_column(kept: &KeptColumn) -> Column {
    let kind = match kept.kind {
        KeptKind::Text => Kind::Text,
        KeptKind::Integer => Kind::Integer,
        KeptKind::Float => Kind::Float,
        KeptKind::Boolean => Kind::Boolean,
    };
    Column { name: kept.name.clone().into(), kind, optional: true }
}

/// The reverse of [`to_column`]; `None` for a column that holds bytes.
pub(crate) fn of_column(column: &Column) -> Option<KeptColumn> {
    let kind = match column.kind {
        Kind::Text => KeptKind::Text,
        Kind::Integer | Kind::Integer32 => KeptKind::Integer,
        Kind::Float => KeptKind::Float,
        Kind::Boolean => KeptKind::Boolean,
        Kind::Binary => return None,
    };
    Some(KeptColumn { name: column.name.to_string(), kind })
}

/// One column's values. A value of another kind than the column's counts as missing.
pub(crate) fn to_cells<'a>(kind: KeptKind, values: impl Iterator<Item = Option<&'a KeptValue>>) -> Cells {
    macro_rules! of_kind {
        ($kind:ident) => {
            values
                .map(|value| match value {
                    Some(KeptValue::$kind(value)) => Some(value.clone()),
                    _ => None,
                })
                .collect()
        };
    }
    match kind {
        KeptKind::Text => Cells::Text(of_kind!(Text)),
        KeptKind::Integer => Cells::Integers(of_kind!(Integer)),
        KeptKind::Float => Cells::Floats(of_kind!(Float)),
        KeptKind::Boolean => Cells::Booleans(of_kind!(Boolean)),
    }
}

/// The reverse of [`to_cells`]; `None` for bytes.
pub(crate) fn of_cells(cells: Cells) -> Option<Vec<Option<KeptValue>>> {
    fn all<T>(values: Vec<Option<T>>, of: fn(T) -> KeptValue) -> Option<Vec<Option<KeptValue>>> {
        Some(values.into_iter().map(|value| value.map(of)).collect())
    }
    match cells {
        Cells::Text(values) => all(values, KeptValue::Text),
        Cells::Integers(values) => all(values, KeptValue::Integer),
        Cells::Floats(values) => all(values, KeptValue::Float),
        Cells::Booleans(values) => all(values, KeptValue::Boolean),
        Cells::Binary(_) => None,
    }
}

/// The columns with names that are neither among `taken` nor twice: where one is, it gets `kept_` before it. No dot:
/// readers of Parquet take one for a nested column.
pub(crate) fn rename_kept(kept: &[KeptColumn], taken: &[&str]) -> Vec<KeptColumn> {
    let mut used: Vec<String> = taken.iter().map(|name| (*name).to_owned()).collect();
    let rename = |column: &KeptColumn| {
        let mut name = column.name.clone();
        while used.contains(&name) {
            name.insert_str(0, "kept_");
        }
        used.push(name.clone());
        KeptColumn { name, kind: column.kind }
    };
    kept.iter().map(rename).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_name_that_is_taken_is_changed() {
        let kept = |names: &[&str]| -> Vec<KeptColumn> {
            names.iter().map(|name| KeptColumn { name: (*name).to_owned(), kind: KeptKind::Text }).collect()
        };
        let renamed = rename_kept(&kept(&["tag", "url", "kept_url", "tag", ""]), &["url"]);
        assert_eq!(renamed, kept(&["tag", "kept_url", "kept_kept_url", "kept_tag", ""]));
    }
}
