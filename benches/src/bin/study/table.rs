//! Figures, and whether they keep their targets.

/// A table in Markdown whose rows are judged.
pub(crate) struct Table {
    sound: bool,
}

impl Table {
    /// Begins a table with these columns and one for the target.
    pub(crate) fn new(title: &str, columns: &str) -> Self {
        println!("\n### {title}\n\n| {columns} | target | |");
        println!("|{}", "---|".repeat(columns.split('|').count() + 2));
        Self { sound: true }
    }

    /// A row, and whether it keeps its target.
    pub(crate) fn row(&mut self, cells: &str, target: &str, kept: bool) {
        self.sound &= kept;
        println!("| {cells} | {target} | {} |", if kept { "kept" } else { "MISSED" });
    }

    /// A row without a target.
    pub(crate) fn note(&mut self, cells: &str) {
        println!("| {cells} | | |");
    }

    /// Whether every row kept its target.
    pub(crate) fn sound(self) -> bool {
        self.sound
    }
}

/// The figure that a share `q` of `sorted` does not exceed.
pub(crate) fn quantile(sorted: &[f64], q: f64) -> f64 {
    sorted[((sorted.len() - 1) as f64 * q).round() as usize]
}
