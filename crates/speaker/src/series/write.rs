//! Probes into JSON lines.

use std::io::{self, Write};

use serde::Serialize;

use super::Probe;

/// Writes a series as JSON lines, which [`super::Reader`] reads back to the nanosecond for times
/// below three months.
#[derive(Debug)]
pub struct Writer<W> {
    sink: W,
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

impl<W: Write> Writer<W> {
    /// A writer into `sink`, which should be buffered.
    pub fn new(sink: W) -> Self {
        Self { sink }
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
        serde_json::to_writer(&mut self.sink, &line)?;
        self.sink.write_all(b"\n")
    }

    /// The sink, everything written to it flushed.
    pub fn finish(mut self) -> io::Result<W> {
        self.sink.flush()?;
        Ok(self.sink)
    }
}
