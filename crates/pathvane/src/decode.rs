//! `pathvane decode`: what BGP a file holds.

use std::fs::File;
use std::io::{self, BufWriter, ErrorKind, Read, Write};
use std::path::Path;

use pathvane_decode::{Record, What};

use crate::{Exit, complain};

/// Prints every message of a file, or of standard input for `-`.
pub(crate) fn decode(file: &Path, json: bool) -> Exit {
    let input: Box<dyn Read + Send> = if file == Path::new("-") {
        Box::new(io::stdin())
    } else {
        match File::open(file) {
            Ok(file) => Box::new(file),
            Err(error) => {
                complain(
                    format_args!("{}: {error}", file.display()),
                    "name a file, or - to read standard input",
                );
                return Exit::Failed;
            }
        }
    };
    let mut out = BufWriter::new(io::stdout().lock());
    let mut damaged = false;
    let mut sink = |record: Record| {
        damaged |= matches!(record.what, What::Damage { .. });
        print(&mut out, &record, json)
    };
    let read = pathvane_decode::decode(input, &mut sink).and_then(|_| out.flush());
    match read {
        Ok(()) if damaged => Exit::Failed,
        Ok(()) => Exit::Done,
        // Whoever read what we print has seen enough.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Exit::Done,
        Err(error) => {
            complain(format_args!("{}: {error}", file.display()), "");
            Exit::Failed
        }
    }
}

fn print(out: &mut impl Write, record: &Record, json: bool) -> io::Result<()> {
    if json {
        serde_json::to_writer(&mut *out, record)?;
        out.write_all(b"\n")
    } else {
        writeln!(out, "{record}")
    }
}
