//! One TCP connection as the session sees it: who dialled, bytes in, bytes out.

use bytes::BytesMut;
use pathvane_wire::FamilySet;

use crate::inbox::Inbox;

/// The caller's number for one TCP connection; never used twice for one peer.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ConnId(pub u32);

/// Who dialled.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Direction {
    /// We did (Event 16, Tcp_CR_Acked).
    Outbound,
    /// The peer did (Event 17, TcpConnectionConfirmed).
    Inbound,
}

/// A connection held by a state from Connect (with DelayOpen) to Established.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) conn: ConnId,
    pub(crate) direction: Direction,
    pub(crate) inbox: Inbox,
    /// Encoded messages of ours that `poll_transmit` has not taken yet.
    pub(crate) outbox: BytesMut,
    /// Whether the last message in `outbox` is a KEEPALIVE: one waiting is enough.
    pub(crate) keepalive_waits: bool,
    /// Families for which a request of ours for a refresh is in `outbox`: one waiting is enough.
    pub(crate) refresh_waits: FamilySet,
}

impl Link {
    pub(crate) fn new(conn: ConnId, direction: Direction) -> Self {
        Self {
            conn,
            direction,
            inbox: Inbox::default(),
            outbox: BytesMut::new(),
            keepalive_waits: false,
            refresh_waits: FamilySet::EMPTY,
        }
    }

    /// Moves all that waits to `out`; returns how many bytes.
    pub(crate) fn take_outbox(&mut self, out: &mut BytesMut) -> usize {
        let taken = self.outbox.len();
        out.extend_from_slice(&self.outbox);
        self.outbox.clear();
        self.keepalive_waits = false;
        self.refresh_waits = FamilySet::EMPTY;
        taken
    }
}
