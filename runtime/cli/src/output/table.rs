//! Columns under headings, as wide as what is in them.

use anstyle::Style;

use super::{DIM, clip, paint};

/// A wider cell is cut; the last column never is.
const WIDTH_MAX: usize = 48;

#[derive(Debug)]
pub(crate) struct Cell {
    text: String,
    style: Style,
}

impl Cell {
    pub(crate) fn styled(style: Style, text: impl ToString) -> Self {
        Self { text: text.to_string(), style }
    }
}

impl<T: ToString> From<T> for Cell {
    fn from(text: T) -> Self {
        Self::styled(Style::new(), text)
    }
}

#[derive(Debug)]
pub(crate) struct Table<const N: usize> {
    rows: Vec<[Cell; N]>,
}

impl<const N: usize> Table<N> {
    pub(crate) fn new(headings: [&str; N]) -> Self {
        Self { rows: vec![headings.map(|heading| Cell::styled(DIM, heading))] }
    }

    pub(crate) fn row(&mut self, cells: [Cell; N]) {
        self.rows.push(cells);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rows.len() == 1
    }

    pub(crate) fn render(&self) -> String {
        let mut widths = [0; N];
        for row in &self.rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.text.chars().count().min(WIDTH_MAX));
            }
        }
        self.rows.iter().map(|row| render_row(row, &widths)).collect()
    }
}

fn render_row<const N: usize>(row: &[Cell; N], widths: &[usize; N]) -> String {
    let mut line = String::new();
    for (index, (cell, width)) in row.iter().zip(widths).enumerate() {
        if index + 1 == N {
            line.push_str(&paint(cell.style, &cell.text));
        } else {
            let text = clip(&cell.text, *width);
            let padding = width - text.chars().count() + 2;
            line.push_str(&paint(cell.style, text));
            line.extend(std::iter::repeat_n(' ', padding));
        }
    }
    line.truncate(line.trim_end().len());
    line.push('\n');
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_whatever_their_style() {
        let mut table = Table::new(["NAME", "N", "NOTE"]);
        table.row([Cell::styled(super::super::BAD, "ünï"), 12.into(), "last".into()]);
        table.row([Cell::from("x".repeat(60)), 1.into(), "y".repeat(60).into()]);
        let text = anstream::adapter::strip_str(&table.render()).to_string();
        let columns: Vec<_> = text
            .lines()
            .map(|line| line.chars().skip(50).collect::<String>())
            .map(|rest| rest.trim().chars().take(4).collect::<String>())
            .collect();
        assert_eq!(columns, ["N   ", "12  ", "1   "].map(|text| text.to_owned()));
        assert!(text.contains("…") && text.ends_with(&format!("{}\n", "y".repeat(60))));
    }
}
