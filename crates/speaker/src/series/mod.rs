//! Series of probes in files: what `pathvane score replay` reads and a recorder writes.
//!
//! A series is a list of probes in the order in which they were sent, one per line, as CSV with a
//! heading or as JSON objects with the same members:
//!
//! | member | unit | meaning |
//! |---|---|---|
//! | `at_ms` | ms | when the probe was sent, on any clock that does not fall; required |
//! | `rtt_ms` | ms | round-trip delay less the reflector's own time; empty, null or absent: no reply came |
//! | `path` | name | the path; `path` if absent |
//! | `reflector` | name | the far end; `reflector` if absent |
//! | `port` | 0 to 15 | which source port, for probes that leave from several in turn; 0 if absent |
//! | `fwd_ms`, `rev_ms` | ms | one-way delays, with any constant clock offset |
//! | `reflector_seq` | count | the reply's own number, of a reflector that counts |
//! | `remarked` | bool | the DSCP arrived other than it was sent |
//!
//! Empty lines and lines that begin with `#` are skipped.
//!
//! [`scan`] finds out which paths and streams a series has, [`Reader`] yields its probes,
//! [`Writer`] writes them, and [`replay`] puts them through the estimators, monitors and the
//! selector that a running speaker uses.

mod read;
pub mod replay;
mod scan;
mod write;

use std::fmt;

pub use read::Reader;
pub use scan::{Layout, Stream, scan};
pub use write::Writer;

/// One probe of a series, and its reply if one came. Times in nanoseconds.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Probe {
    /// When it was sent.
    pub at_ns: u64,
    /// The path.
    pub path: String,
    /// The far end.
    pub reflector: String,
    /// Which source port of the stream, from 0.
    pub port: u8,
    /// Round-trip delay less the reflector's own time; `None`: no reply came.
    pub rtt_ns: Option<u64>,
    /// Delay towards the reflector plus the unknown clock offset.
    pub fwd_ns: Option<i64>,
    /// Delay back from the reflector less the unknown clock offset.
    pub rev_ns: Option<i64>,
    /// The reply's own number.
    pub reflector_seq: Option<u32>,
    /// The DSCP arrived other than it was sent.
    pub remarked: bool,
}

/// What is wrong with a series, where, and what helps.
#[derive(Debug)]
pub struct SeriesError {
    /// The line, from 1; 0 if none is to blame.
    pub line: u64,
    /// What is wrong.
    pub message: String,
    /// What helps.
    pub remedy: &'static str,
}

impl SeriesError {
    fn new(line: u64, message: impl Into<String>, remedy: &'static str) -> Self {
        Self { line, message: message.into(), remedy }
    }
}

impl fmt::Display for SeriesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => f.write_str(&self.message),
            line => write!(f, "line {line}: {}", self.message),
        }
    }
}

impl std::error::Error for SeriesError {}
