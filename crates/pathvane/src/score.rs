//! `pathvane score`: series of probes through the estimators and the selector.

use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Cursor, Write};
use std::path::Path;

use pathvane_score::{Class, MonitorConfig, SelectorConfig, Strategy};
use pathvane_speaker::series::replay::{Judge, replay};
use pathvane_speaker::series::{SeriesError, scan};

use crate::args::{ReplayArgs, ScoreCommand};
use crate::{Exit, complain};

/// Does what `pathvane score` is told.
pub(crate) fn score(command: &ScoreCommand) -> Exit {
    match command {
        ScoreCommand::Record(args) => crate::probe::record(args),
        ScoreCommand::Replay(args) => match replayed(args) {
            Ok(()) => Exit::Done,
            Err(Wrong::Series(error)) => {
                complain(format!("{}: {error}", args.file.display()), error.remedy);
                Exit::Failed
            }
            Err(Wrong::Io(error)) => {
                let remedy = "name a file that can be read, or - for standard input";
                complain(format!("{}: {error}", args.file.display()), remedy);
                Exit::Failed
            }
            // Whoever reads has read enough.
            Err(Wrong::Closed) => Exit::Done,
        },
    }
}

enum Wrong {
    Series(SeriesError),
    Io(io::Error),
    /// Standard output is closed.
    Closed,
}

impl From<SeriesError> for Wrong {
    fn from(error: SeriesError) -> Self {
        Self::Series(error)
    }
}

/// Reads the series twice: for its paths, and to replay it.
fn replayed(args: &ReplayArgs) -> Result<(), Wrong> {
    let class = Class::from(args.class);
    let judge = Judge {
        class,
        monitor: MonitorConfig::of(class),
        selector: SelectorConfig { strategy: Strategy::from(args.strategy), ..Default::default() },
        seed: args.seed,
    };
    if args.file == Path::new("-") {
        let mut text = Vec::new();
        io::Read::read_to_end(&mut io::stdin().lock(), &mut text).map_err(Wrong::Io)?;
        return say(Cursor::new(&text), Cursor::new(&text), &judge);
    }
    let open = || File::open(&args.file).map(BufReader::new).map_err(Wrong::Io);
    say(open()?, open()?, &judge)
}

fn say(first: impl BufRead, second: impl BufRead, judge: &Judge) -> Result<(), Wrong> {
    let layout = scan(first)?;
    let mut out = BufWriter::new(io::stdout().lock());
    let mut closed = false;
    replay(second, &layout, judge, |said| {
        let line = serde_json::to_string(&said).map_err(io::Error::other);
        closed |= line.and_then(|line| writeln!(out, "{line}")).is_err();
    })?;
    closed |= out.flush().is_err();
    if closed { Err(Wrong::Closed) } else { Ok(()) }
}
