//! The log: lines on standard error, written by a thread of their own.
//!
//! The hot loop logs too, and must not wait for a terminal, a pipe or a journal that is slow:
//! lines go over a bounded channel, and what does not fit is dropped and counted.

use std::io::{self, IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

/// Lines that may wait to be written.
const QUEUE: usize = 4096;

/// How long the end of the process waits for the last lines.
const FAREWELL: Duration = Duration::from_secs(1);

enum Message {
    Line(Vec<u8>),
    /// Answer when everything before this has been written.
    Flush(SyncSender<()>),
}

/// A running log.
#[derive(Debug)]
pub struct Log {
    lines: Lines,
}

/// Starts the log of this process with the filter of the configuration. Later calls change nothing.
///
/// Times are left out under systemd, whose journal has them.
pub fn start(filter: &str) -> Log {
    let (sender, receiver) = sync_channel(QUEUE);
    let lines = Lines { sender, dropped: Arc::default() };
    let dropped = Arc::clone(&lines.dropped);
    // Without the thread lines are dropped, and the speaker runs all the same.
    let _ =
        std::thread::Builder::new().name("log".into()).spawn(move || write(&receiver, &dropped));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(filter))
        .with_ansi(io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none())
        .with_writer(lines.clone());
    // A second log in one process (tests) is refused, and the first one stays.
    let _ = match std::env::var_os("JOURNAL_STREAM") {
        Some(_) => builder.without_time().try_init(),
        None => builder.try_init(),
    };
    Log { lines }
}

impl Log {
    /// Waits, within reason, until what was logged is written.
    pub fn finish(self) {
        let (done, written) = sync_channel(1);
        if self.lines.sender.try_send(Message::Flush(done)).is_ok() {
            let _ = written.recv_timeout(FAREWELL);
        }
    }
}

fn write(lines: &Receiver<Message>, dropped: &AtomicU64) {
    let mut out = io::stderr();
    let mut told = 0;
    while let Ok(message) = lines.recv() {
        // A log that cannot be written must not stop the speaker.
        let _ = match message {
            Message::Line(line) => out.write_all(&line),
            Message::Flush(done) => {
                let _ = done.try_send(());
                Ok(())
            }
        };
        let lost = dropped.load(Ordering::Relaxed);
        if lost > told {
            let _ = writeln!(out, "{} lines of the log were lost", lost - told);
            told = lost;
        }
    }
}

/// Takes whole lines, as the subscriber formats them, without waiting.
#[derive(Clone, Debug)]
struct Lines {
    sender: SyncSender<Message>,
    dropped: Arc<AtomicU64>,
}

impl Write for Lines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if self.sender.try_send(Message::Line(line.to_vec())).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_that_stands_still_costs_lines_and_no_time() {
        let (sender, receiver) = sync_channel(2);
        let mut lines = Lines { sender, dropped: Arc::default() };
        for _ in 0..5 {
            assert_eq!(lines.write(b"line\n").unwrap(), 5);
        }
        assert_eq!(lines.dropped.load(Ordering::Relaxed), 3);
        drop(receiver);
        assert!(lines.write(b"line\n").is_ok());
    }
}
