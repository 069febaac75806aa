//! Columns under headings, as wide as they need to be.

use std::fmt::Write;

/// A table; the first row is the heading.
#[derive(Debug)]
pub(super) struct Table {
    rows: Vec<Vec<String>>,
    indent: usize,
}

impl Table {
    /// A table with these headings.
    pub(super) fn new(headings: &[&str]) -> Self {
        let headings = headings.iter().map(|heading| heading.to_uppercase()).collect();
        Self { rows: vec![headings], indent: 0 }
    }

    /// The same, moved to the right.
    pub(super) fn indented(mut self, by: usize) -> Self {
        self.indent = by;
        self
    }

    /// Adds a row with as many cells as there are headings.
    pub(super) fn row<const N: usize>(&mut self, cells: [String; N]) {
        debug_assert_eq!(N, self.rows[0].len());
        self.rows.push(cells.into());
    }

    /// The table, one line per row, or `otherwise` if it has none.
    pub(super) fn or(self, otherwise: &str) -> String {
        if self.rows.len() == 1 {
            return format!("{:indent$}{otherwise}\n", "", indent = self.indent);
        }
        let widths: Vec<usize> = (0..self.rows[0].len())
            .map(|column| self.rows.iter().map(|row| width(&row[column])).max().unwrap_or(0))
            .collect();
        let mut out = String::new();
        for row in &self.rows {
            let mut line = " ".repeat(self.indent);
            for (cell, wide) in row.iter().zip(&widths) {
                let pad = wide - width(cell) + 2;
                // Writing to a String does not fail.
                let _ = write!(line, "{cell}{:pad$}", "");
            }
            out.push_str(line.trim_end());
            out.push('\n');
        }
        out
    }
}

fn width(cell: &str) -> usize {
    cell.chars().count()
}
