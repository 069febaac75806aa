//! One TCP-like stream: segments in order, sent again until they arrive.

use std::collections::VecDeque;
use std::time::Duration;

use super::LinkId;

/// The first retransmission time, and that of a handshake (RFC 6298 section 2).
const FIRST_RETRANSMIT: Duration = Duration::from_millis(200);
const HANDSHAKE_RETRANSMIT: Duration = Duration::from_secs(1);
/// The retransmission time doubles up to this.
const LONGEST_RETRANSMIT: Duration = Duration::from_secs(60);

/// A stream of a [`super::Net`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct StreamId(pub(super) usize);

impl StreamId {
    /// Streams are numbered from 0 in the order they were dialled.
    pub const fn number(self) -> usize {
        self.0
    }

    /// The stream with this number.
    pub const fn from_number(number: usize) -> Self {
        Self(number)
    }
}

/// One end of a stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    /// The end that dialled.
    Dialler,
    /// The end that was dialled.
    Acceptor,
}

impl End {
    /// The far end.
    pub fn other(self) -> Self {
        match self {
            Self::Dialler => Self::Acceptor,
            Self::Acceptor => Self::Dialler,
        }
    }
}

#[derive(Clone, PartialEq, Debug)]
pub(super) enum Segment {
    Syn,
    SynAck,
    Bytes(Vec<u8>),
    Fin,
}

/// One direction of a stream.
#[derive(Debug)]
struct Half {
    links: Vec<LinkId>,
    /// Segments that were not handed over yet, and whether each has arrived.
    waiting: VecDeque<(Segment, bool)>,
    /// The number of the first of `waiting`.
    first: u64,
    /// Bytes handed over.
    position: u64,
    /// Whether the sending end still listens to what comes back.
    listens: bool,
}

#[derive(Debug)]
pub(super) struct Stream {
    out: Half,
    back: Half,
    pub(super) cut: bool,
}

impl Half {
    fn new(links: &[LinkId]) -> Self {
        let links = links.to_vec();
        Self { links, waiting: VecDeque::new(), first: 0, position: 0, listens: true }
    }
}

impl Stream {
    pub(super) fn new(out: &[LinkId], back: &[LinkId]) -> Self {
        Self { out: Half::new(out), back: Half::new(back), cut: false }
    }

    fn half(&self, from: End) -> &Half {
        match from {
            End::Dialler => &self.out,
            End::Acceptor => &self.back,
        }
    }

    fn half_mut(&mut self, from: End) -> &mut Half {
        match from {
            End::Dialler => &mut self.out,
            End::Acceptor => &mut self.back,
        }
    }

    pub(super) fn links(&self, from: End) -> &[LinkId] {
        &self.half(from).links
    }

    pub(super) fn listens(&self, end: End) -> bool {
        self.half(end).listens
    }

    pub(super) fn leave(&mut self, end: End) {
        self.half_mut(end).listens = false;
    }

    /// Takes a segment; returns its number.
    pub(super) fn push(&mut self, from: End, segment: Segment) -> u64 {
        let half = self.half_mut(from);
        half.waiting.push_back((segment, false));
        half.first + half.waiting.len() as u64 - 1
    }

    /// How long to wait for an acknowledgment of this attempt.
    pub(super) fn retransmit(&self, from: End, segment: u64, attempt: u32) -> Duration {
        let half = self.half(from);
        let waiting = segment.checked_sub(half.first).and_then(|at| half.waiting.get(at as usize));
        let first = match waiting {
            Some((Segment::Syn | Segment::SynAck, _)) => HANDSHAKE_RETRANSMIT,
            _ => FIRST_RETRANSMIT,
        };
        first.saturating_mul(1 << attempt.min(16)).min(LONGEST_RETRANSMIT)
    }

    /// A segment arrived; returns all that is in order now.
    pub(super) fn receive(&mut self, from: End, segment: u64) -> Vec<Segment> {
        let half = self.half_mut(from);
        if let Some(at) = segment.checked_sub(half.first)
            && let Some((_, arrived)) = half.waiting.get_mut(at as usize)
        {
            *arrived = true;
        }
        let mut ready = Vec::new();
        while let Some((segment, _)) = half.waiting.pop_front_if(|(_, arrived)| *arrived) {
            half.first += 1;
            ready.push(segment);
        }
        ready
    }

    /// Counts bytes handed over; returns how many there were so far.
    pub(super) fn advance(&mut self, from: End, bytes: usize) -> u64 {
        let half = self.half_mut(from);
        half.position += bytes as u64;
        half.position
    }
}
