//! How a field of a ledger row becomes a column and comes back.

use super::ImageStatus;
use crate::table::{Cells, Column};
use ream_core::ErrorClass;

/// A type that a field of a ledger row may have.
pub(super) trait Field: Sized {
    fn column(name: &'static str) -> Column;

    fn to_cells<'a>(values: impl Iterator<Item = &'a Self>) -> Cells
    where
        Self: 'a;

    /// `None` if a value does not fit the type.
    fn of_cells(cells: Cells) -> Option<Vec<Self>>;
}

/// What a column of the file holds.
pub(super) trait Raw: Sized {
    fn column(name: &'static str) -> Column;
    fn to_cells(values: impl Iterator<Item = Option<Self>>) -> Cells;
    fn of_cells(cells: Cells) -> Option<Vec<Option<Self>>>;
}

/// A single value and how the file holds it.
pub(super) trait Scalar: Sized {
    type Raw: Raw;
    fn to_raw(&self) -> Self::Raw;
    fn of_raw(raw: Self::Raw) -> Option<Self>;
}

impl<T: Scalar> Field for T {
    fn column(name: &'static str) -> Column {
        T::Raw::column(name)
    }

    fn to_cells<'a>(values: impl Iterator<Item = &'a Self>) -> Cells
    where
        Self: 'a,
    {
        T::Raw::to_cells(values.map(|value| Some(value.to_raw())))
    }

    fn of_cells(cells: Cells) -> Option<Vec<Self>> {
        T::Raw::of_cells(cells)?.into_iter().map(|raw| T::of_raw(raw?)).collect()
    }
}

impl<T: Scalar> Field for Option<T> {
    fn column(name: &'static str) -> Column {
        T::Raw::column(name).nullable()
    }

    fn to_cells<'a>(values: impl Iterator<Item = &'a Self>) -> Cells
    where
        Self: 'a,
    {
        T::Raw::to_cells(values.map(|value| value.as_ref().map(Scalar::to_raw)))
    }

    fn of_cells(cells: Cells) -> Option<Vec<Self>> {
        let scalar = |raw: Option<T::Raw>| match raw {
            None => Some(None),
            Some(raw) => T::of_raw(raw).map(Some),
        };
        T::Raw::of_cells(cells)?.into_iter().map(scalar).collect()
    }
}

impl Raw for String {
    fn column(name: &'static str) -> Column {
        Column::text(name)
    }

    fn to_cells(values: impl Iterator<Item = Option<Self>>) -> Cells {
        Cells::Text(values.collect())
    }

    fn of_cells(cells: Cells) -> Option<Vec<Option<Self>>> {
        if let Cells::Text(values) = cells { Some(values) } else { None }
    }
}

impl Raw for i64 {
    fn column(name: &'static str) -> Column {
        Column::integer(name)
    }

    fn to_cells(values: impl Iterator<Item = Option<Self>>) -> Cells {
        Cells::Integers(values.collect())
    }

    fn of_cells(cells: Cells) -> Option<Vec<Option<Self>>> {
        if let Cells::Integers(values) = cells { Some(values) } else { None }
    }
}

impl Scalar for String {
    type Raw = Self;

    fn to_raw(&self) -> Self {
        self.clone()
    }

    fn of_raw(raw: Self) -> Option<Self> {
        Some(raw)
    }
}

impl Scalar for u64 {
    type Raw = i64;

    fn to_raw(&self) -> i64 {
        self.cast_signed()
    }

    fn of_raw(raw: i64) -> Option<Self> {
        Some(raw.cast_unsigned())
    }
}

macro_rules! narrow {
    ($($type:ty),+) => {$(
        impl Scalar for $type {
            type Raw = i64;

            fn to_raw(&self) -> i64 {
                i64::from(*self)
            }

            fn of_raw(raw: i64) -> Option<Self> {
                raw.try_into().ok()
            }
        }
    )+};
}

narrow!(u16, u32);

impl Scalar for ImageStatus {
    type Raw = String;

    fn to_raw(&self) -> String {
        self.as_str().to_owned()
    }

    fn of_raw(raw: String) -> Option<Self> {
        [Self::Ok, Self::Failed].into_iter().find(|status| status.as_str() == raw)
    }
}

impl Scalar for ErrorClass {
    type Raw = String;

    fn to_raw(&self) -> String {
        self.as_str().to_owned()
    }

    fn of_raw(raw: String) -> Option<Self> {
        Self::ALL.iter().copied().find(|class| class.as_str() == raw)
    }
}
