//! Probes into JSON lines or CSV.

use std::io::{self, Write};

use serde::Serialize;

use super::Probe;

/// Writes a series, as JSON lines or CSV, which [`super::Reader`] reads back to the nanosecond for times
/// below three months.
#[derive(Debug)]
pub struct Writer<W> {
    sink: W,
    csv: bool,
}

#[derive(Serialize)]
struct Line<'a> {
    at_ms: f64,
    path: &'a str,
    reflector: &'a str,
    port: u8,
    rtt_ms: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fwd_ms: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rev_ms: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reflector_seq: Option<u32>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    remarked: bool,
}

impl Line<'_> {
    /// Names have neither commas nor quotes: they are the operator's or addresses.
    fn write_csv(&self, sink: &mut impl Write) -> io::Result<()> {
        fn text<T: ToString>(value: Option<T>) -> String {
            value.map_or_else(String::new, |value| value.to_string())
        }
        writeln!(
            sink,
            "{},{},{},{},{},{},{},{},{}",
            self.at_ms,
            self.path,
            self.reflector,
            self.port,
            text(self.rtt_ms),
            text(self.fwd_ms),
            text(self.rev_ms),
            text(self.reflector_seq),
            self.remarked,
        )
    }
}

impl<W: Write> Writer<W> {
    /// A writer of JSON lines into `sink`, which should be buffered.
    pub fn new(sink: W) -> Self {
        Self { sink, csv: false }
    }

    /// A writer of CSV, whose heading is written at once.
    pub fn csv(mut sink: W) -> io::Result<Self> {
        let heading = "at_ms,path,reflector,port,rtt_ms,fwd_ms,rev_ms,reflector_seq,remarked\n";
        sink.write_all(heading.as_bytes())?;
        Ok(Self { sink, csv: true })
    }

    /// Writes one probe. Probes must come in the order of sending, so wait for the reply of the
    /// oldest one, or for its time to run out, before writing it.
    pub fn write(&mut self, probe: &Probe) -> io::Result<()> {
        let line = Line {
            at_ms: probe.at_ns as f64 / 1e6,
            path: &probe.path,
            reflector: &probe.reflector,
            port: probe.port,
            rtt_ms: probe.rtt_ns.map(|ns| ns as f64 / 1e6),
            fwd_ms: probe.fwd_ns.map(|ns| ns as f64 / 1e6),
            rev_ms: probe.rev_ns.map(|ns| ns as f64 / 1e6),
            reflector_seq: probe.reflector_seq,
            remarked: probe.remarked,
        };
        if self.csv {
            return line.write_csv(&mut self.sink);
        }
        serde_json::to_writer(&mut self.sink, &line)?;
        self.sink.write_all(b"\n")
    }

    /// Hands on what a buffer holds.
    pub fn flush(&mut self) -> io::Result<()> {
        self.sink.flush()
    }

    /// The sink, everything written to it flushed.
    pub fn finish(mut self) -> io::Result<W> {
        self.sink.flush()?;
        Ok(self.sink)
    }
}
