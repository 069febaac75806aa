//! One open connection: what is encoded for it, and whether the socket takes it.

use std::task::Poll;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use pathvane_clock::Instant;
use pathvane_engine::{ConnId, Engine, PeerId};

use super::pace::Pace;
use crate::alarm::now;
use crate::ready::Source;
use crate::tcp::Connection;

/// Octets that are encoded and not written, about: nothing overtakes them, but one write for each
/// message would cost more than the messages.
pub(super) const CHUNK: usize = 16 * 1024;
/// Octets that are encoded at a time while there is something urgent: what is not follows from
/// there on.
const LITTLE: usize = 1024;

/// One open connection.
pub(super) struct Open {
    pub(super) peer: PeerId,
    pub(super) connection: Connection,
    pub(super) source: Source,
    /// Encoded and not written.
    pub(super) out: BytesMut,
    /// The engine has bytes for it.
    pub(super) wants: bool,
    /// It is in the line of those who are to be told bulk.
    pub(super) lined_up: bool,
    /// The socket takes no more until it says so. Nothing is encoded meanwhile, so that what it is
    /// told next is what is most urgent then.
    pub(super) blocked: bool,
    /// Close as soon as `out` is written, and then in any case.
    pub(super) closing: Option<Instant>,
    /// When to ask for progress, and the wait after that.
    pub(super) progress: Option<(Instant, Duration)>,
}

impl Open {
    pub(super) fn new(peer: PeerId, connection: Connection, source: Source) -> Self {
        Self {
            peer,
            connection,
            source,
            out: BytesMut::new(),
            wants: false,
            lined_up: false,
            blocked: false,
            closing: None,
            progress: None,
        }
    }

    /// Encodes what is urgent; whether there is something to write.
    pub(super) fn hasten(&mut self, engine: &mut Engine, conn: ConnId) -> bool {
        if self.blocked || self.closing.is_some() || !self.wants {
            return false;
        }
        while self.out.len() < CHUNK && engine.urgent(self.peer) {
            let given = engine.poll_transmit(now(), self.peer, conn, &mut self.out, LITTLE);
            if given == 0 {
                break;
            }
        }
        !self.out.is_empty()
    }

    /// Encodes a slice of what waits.
    pub(super) fn tell(&mut self, engine: &mut Engine, conn: ConnId, pace: &mut Pace) {
        if self.blocked || self.closing.is_some() || !self.wants {
            return;
        }
        let (begin, limit) = (now(), pace.amount() as usize);
        let given = engine.poll_transmit(begin, self.peer, conn, &mut self.out, limit);
        pace.learn(now().since(begin), given >= limit / 2);
        self.wants = given > 0;
    }

    /// Writes what is encoded, as far as the socket takes it.
    pub(super) fn write(&mut self) -> std::io::Result<()> {
        self.blocked = false;
        while !self.out.is_empty() {
            let written = self.connection.try_write(&self.out)?;
            self.out.advance(written);
            if written == 0 {
                match self.connection.poll_writable(&mut self.source.context()) {
                    Poll::Pending => {
                        self.blocked = true;
                        return Ok(());
                    }
                    Poll::Ready(ready) => ready?,
                }
            }
        }
        Ok(())
    }
}
