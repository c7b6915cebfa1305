//! Aligned columns, page by page.

use super::{Output, Paint};
use crate::failure::Result;
use unicode_width::UnicodeWidthStr;

/// Where a column's text stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Align {
    /// Words.
    Left,
    /// Numbers.
    Right,
}

/// One cell: what is shown, and how. The text must be printable.
pub(crate) struct Cell {
    text: String,
    paint: Option<Paint>,
}

impl Cell {
    /// A cell in colour.
    pub(crate) fn painted(text: impl Into<String>, paint: Option<Paint>) -> Self {
        Self { text: text.into(), paint }
    }
}

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self { text: text.into(), paint: None }
    }
}

/// Rows under a heading. Rows are shown page by page, so a table of millions needs no memory: each page is aligned by
/// itself, at least as wide as the pages before.
pub(crate) struct Table {
    heading: Vec<(&'static str, Align)>,
    widths: Vec<usize>,
    rows: Vec<Vec<Cell>>,
    heading_shown: bool,
}

impl Table {
    /// An empty table.
    pub(crate) fn new(heading: &[(&'static str, Align)]) -> Self {
        Self {
            heading: heading.to_vec(),
            widths: heading.iter().map(|(name, _)| name.width()).collect(),
            rows: Vec::new(),
            heading_shown: false,
        }
    }

    /// Adds a row to the page.
    pub(crate) fn row<const N: usize>(&mut self, cells: [Cell; N]) {
        self.rows.push(cells.into());
    }

    /// Shows the rows since the last page.
    pub(crate) fn show(&mut self, out: &Output) -> Result<()> {
        let rows = std::mem::take(&mut self.rows);
        if rows.is_empty() {
            return Ok(());
        }
        for row in &rows {
            for (width, cell) in self.widths.iter_mut().zip(row) {
                *width = (*width).max(cell.text.width());
            }
        }
        if !self.heading_shown {
            self.heading_shown = true;
            let heading = self.heading.iter().map(|(name, _)| Cell::painted(*name, Some(Paint::Bold)));
            out.line(self.laid_out(out, &heading.collect::<Vec<_>>()))?;
        }
        rows.iter().try_for_each(|row| out.line(self.laid_out(out, row)))
    }

    fn laid_out(&self, out: &Output, row: &[Cell]) -> String {
        let mut line = String::new();
        let last = row.len().saturating_sub(1);
        for (n, ((cell, width), (_, align))) in row.iter().zip(&self.widths).zip(&self.heading).enumerate() {
            let space = " ".repeat(width.saturating_sub(cell.text.width()));
            let text = match cell.paint {
                Some(paint) => out.paint(paint, &cell.text),
                None => cell.text.clone(),
            };
            match align {
                Align::Right => line.extend([space, text]),
                // Nothing trails behind the last column.
                Align::Left if n == last => line.push_str(&text),
                Align::Left => line.extend([text, space]),
            }
            if n < last {
                line.push_str("  ");
            }
        }
        line.truncate(line.trim_end().len());
        line
    }
}

/// A report on one thing: a name and a value per line. Values may have several lines.
pub(crate) fn fields(out: &Output, fields: &[(&str, String)]) -> Result<()> {
    let width = fields.iter().map(|(name, _)| name.width()).max().unwrap_or(0);
    for (name, value) in fields {
        for (n, line) in value.split('\n').enumerate() {
            let name = if n == 0 { name } else { "" };
            let space = " ".repeat(width - name.width());
            out.line(format!("{}{space}  {line}", out.paint(Paint::Bold, name)).trim_end())?;
        }
    }
    Ok(())
}
