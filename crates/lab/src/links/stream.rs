//! A byte stream over a line that loses packets: late, in order, never corrupted.
//!
//! TCP hides loss behind retransmissions. What a peer sees of a lost segment is delay: one
//! retransmission time-out, doubled with each further loss (RFC 6298 section 5.5). That is
//! modelled per written chunk, so a session over a blackholed path goes quiet, and speaks
//! again only at the next retransmission after the path is back, as a real one does.

use std::collections::VecDeque;
use std::time::Duration;

use pathvane_clock::Instant;

use super::line::Line;

/// First retransmission time-out; Linux never goes below it.
const FIRST_TIMEOUT: Duration = Duration::from_millis(200);
/// Largest retransmission time-out.
const LAST_TIMEOUT: Duration = Duration::from_secs(120);

/// A piece of a stream, or its end.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Chunk {
    /// Bytes in order.
    Bytes(Vec<u8>),
    /// The writer closed.
    End,
}

/// One direction of one connection.
#[derive(Debug, Default)]
pub(super) struct Stream {
    unsent: VecDeque<(Instant, Chunk)>,
    timeout: Option<Duration>,
    arriving: VecDeque<(Instant, Chunk)>,
}

impl Stream {
    /// Takes a chunk written at `now`.
    pub(super) fn write(&mut self, now: Instant, chunk: Chunk) {
        self.unsent.push_back((now, chunk));
    }

    /// Tries every transmission due at `now` on `line`.
    pub(super) fn advance(&mut self, now: Instant, line: &mut Line) {
        while let Some((attempt_at, _)) = self.unsent.front() {
            if *attempt_at > now {
                return;
            }
            match line.admit(now) {
                Some(arrives) => self.deliver_first(arrives),
                None => self.back_off(now),
            }
        }
    }

    /// The next chunk whose time has come.
    pub(super) fn read(&mut self, now: Instant) -> Option<Chunk> {
        let (at, _) = self.arriving.front()?;
        if *at > now {
            return None;
        }
        self.arriving.pop_front().map(|(_, chunk)| chunk)
    }

    /// When [`Stream::advance`] or [`Stream::read`] have something to do next.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let attempt = self.unsent.front().map(|(at, _)| *at);
        let arrival = self.arriving.front().map(|(at, _)| *at);
        [attempt, arrival].into_iter().flatten().min()
    }

    /// Bytes held.
    pub(super) fn held(&self) -> usize {
        let size = |(_, chunk): &(Instant, Chunk)| match chunk {
            Chunk::Bytes(bytes) => bytes.len(),
            Chunk::End => 0,
        };
        self.unsent.iter().map(size).sum::<usize>() + self.arriving.iter().map(size).sum::<usize>()
    }

    /// The first unsent chunk got through; nothing arrives before its predecessor.
    fn deliver_first(&mut self, arrives: Instant) {
        let Some((_, chunk)) = self.unsent.pop_front() else { return };
        let after = self.arriving.back().map_or(Instant::ZERO, |(at, _)| *at);
        self.arriving.push_back((arrives.max(after), chunk));
        self.timeout = None;
    }

    fn back_off(&mut self, now: Instant) {
        let timeout = self.timeout.map_or(FIRST_TIMEOUT, |last| (last * 2).min(LAST_TIMEOUT));
        self.timeout = Some(timeout);
        if let Some((attempt_at, _)) = self.unsent.front_mut() {
            *attempt_at = now + timeout;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::line::{Fault, Loss};
    use super::*;

    fn line() -> Line {
        Line::new(Duration::from_millis(20), Loss::None, 1)
    }

    fn bytes(text: &str) -> Chunk {
        Chunk::Bytes(text.as_bytes().to_vec())
    }

    /// Runs until nothing is left; what arrived, and when in milliseconds.
    fn drain(stream: &mut Stream, line: &mut Line) -> Vec<(u64, Chunk)> {
        let mut out = Vec::new();
        while let Some(at) = stream.poll_timeout() {
            stream.advance(at, line);
            while let Some(chunk) = stream.read(at) {
                out.push((at.as_nanos() / 1_000_000, chunk));
            }
        }
        out
    }

    #[test]
    fn a_clean_line_delays_and_keeps_the_end_last() {
        let (mut stream, mut line) = (Stream::default(), line());
        stream.write(Instant::from_millis(1), bytes("a"));
        stream.write(Instant::from_millis(2), bytes("b"));
        stream.write(Instant::from_millis(2), Chunk::End);
        assert_eq!(stream.held(), 2);
        let out = drain(&mut stream, &mut line);
        assert_eq!(out, vec![(21, bytes("a")), (22, bytes("b")), (22, Chunk::End)]);
    }

    #[test]
    fn a_blackhole_delays_until_the_next_retransmission_after_it() {
        let (mut stream, mut line) = (Stream::default(), line());
        line.set_fault(Fault { blackhole: true, ..Fault::default() });
        stream.write(Instant::ZERO, bytes("a"));
        stream.write(Instant::from_millis(700), bytes("b"));
        // Attempts at 0, 200, 600 and 1400 ms; the path is back at 1000 ms.
        while stream.poll_timeout().is_some_and(|at| at < Instant::from_millis(1_000)) {
            let at = stream.poll_timeout().unwrap_or(Instant::ZERO);
            stream.advance(at, &mut line);
            assert_eq!(stream.read(at), None);
        }
        line.set_fault(Fault::default());
        let out = drain(&mut stream, &mut line);
        assert_eq!(out, vec![(1_420, bytes("a")), (1_420, bytes("b"))]);
    }

    #[test]
    fn jitter_never_reorders_a_stream() {
        let (mut stream, mut line) = (Stream::default(), line());
        line.set_fault(Fault { jitter: Duration::from_millis(15), ..Fault::default() });
        for i in 0..200_u64 {
            stream.write(Instant::from_millis(i), bytes(&i.to_string()));
        }
        let out: Vec<Chunk> =
            drain(&mut stream, &mut line).into_iter().map(|(_, chunk)| chunk).collect();
        let sent: Vec<Chunk> = (0..200_u64).map(|i| bytes(&i.to_string())).collect();
        assert_eq!(out, sent);
    }
}
