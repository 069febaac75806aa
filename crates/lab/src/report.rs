//! What people see: a timeline while it happens, a table at the end, or JSON for programs.

mod table;
mod timeline;

pub use table::{Summary, table};
pub use timeline::{Detail, Timeline};

use std::io::{IsTerminal, Write};

/// Prints a line to standard output. Whoever closed the pipe does not want to know.
pub fn print(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// Colours, if standard output is a terminal and `NO_COLOR` is not set.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ink(bool);

impl Ink {
    /// As the terminal and the environment want it.
    pub fn detect() -> Self {
        Self(std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none())
    }

    /// Never any colour.
    pub const fn none() -> Self {
        Self(false)
    }

    fn wrap(self, code: &str, text: &str) -> String {
        if self.0 { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    /// For what went well.
    pub fn good(self, text: &str) -> String {
        self.wrap("32", text)
    }

    /// For what did not.
    pub fn bad(self, text: &str) -> String {
        self.wrap("31", text)
    }

    /// For headings.
    pub fn strong(self, text: &str) -> String {
        self.wrap("1", text)
    }

    /// For what matters less.
    pub fn faint(self, text: &str) -> String {
        self.wrap("2", text)
    }
}
