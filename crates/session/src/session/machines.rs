//! The two machines of a session, and the collision of their connections (RFC 4271
//! sections 8.2.1.3 and 6.8).

use pathvane_clock::Instant;

use super::{Session, Which};
use crate::collision::survivor;
use crate::fsm::{Event, Fsm};
use crate::link::{ConnId, Direction, Link};
use crate::negotiate::Negotiated;
use crate::stats::FsmState;

impl Session {
    /// Lets one machine answer an event. Afterwards a second machine without a connection is
    /// gone, one with a connection has replaced a main machine without, and beside an
    /// Established session there is none.
    pub(super) fn step(&mut self, now: Instant, which: Which, event: Event) {
        match which {
            Which::Main => self.main.step(now, &mut self.peering, event),
            Which::Second => {
                let Some(second) = &mut self.second else { return };
                second.step(now, &mut self.peering, event);
            }
        }
        if self.main.link().is_none()
            && let Some(second) = self.second.take()
        {
            self.main = second;
        }
        if self.main.state() == FsmState::Established
            && let Some(mut second) = self.second.take()
        {
            second.step(now, &mut self.peering, Event::OpenCollisionDump);
        }
        self.second.take_if(|second| second.link().is_none());
    }

    pub(super) fn machine(&self, which: Which) -> Option<&Fsm> {
        match which {
            Which::Main => Some(&self.main),
            Which::Second => self.second.as_ref(),
        }
    }

    pub(super) fn machine_mut(&mut self, which: Which) -> Option<&mut Fsm> {
        match which {
            Which::Main => Some(&mut self.main),
            Which::Second => self.second.as_mut(),
        }
    }

    /// The machine that owns a connection.
    pub(super) fn machine_of(&self, conn: ConnId) -> Option<Which> {
        let owns = |which: &Which| {
            let link = self.machine(*which).and_then(Fsm::link);
            link.is_some_and(|link| link.conn == conn)
        };
        [Which::Main, Which::Second].into_iter().find(owns)
    }

    /// A connection that some machine owns.
    pub(super) fn link_mut(&mut self, conn: ConnId) -> Option<&mut Link> {
        self.machine_of(conn).and_then(|which| self.machine_mut(which)?.link_mut())
    }

    fn direction(&self, which: Which) -> Option<Direction> {
        self.machine(which)?.link().map(|link| link.direction)
    }

    /// Makes the machine that answers for a new connection. Idle, and Established unless the
    /// peer restarts, answer for themselves: they refuse.
    pub(super) fn receiver(&mut self, now: Instant, direction: Direction) -> Which {
        if direction == Direction::Inbound && self.peer_restarts() {
            self.step(now, Which::Main, Event::Superseded);
            self.main = Fsm::listening();
        }
        if self.main.state() != FsmState::Established {
            self.drop_leftover(now, direction);
        }
        if self.main.link().is_none() || self.main.state() == FsmState::Established {
            return Which::Main;
        }
        self.second = Some(Fsm::listening());
        Which::Second
    }

    /// A peer dials one connection at a time, and so do we: a new one means that an older one
    /// of the same direction is a leftover, whose end was lost on the way.
    fn drop_leftover(&mut self, now: Instant, direction: Direction) {
        let same = |which: &Which| self.direction(*which) == Some(direction);
        let Some(leftover) = [Which::Main, Which::Second].into_iter().find(same) else { return };
        self.step(now, leftover, Event::OpenCollisionDump);
        if self.main.state() == FsmState::Idle {
            self.main = Fsm::listening();
        }
    }

    /// Whether the peer of an Established session keeps its routes over a restart, so that a
    /// new connection from it means that it did restart (RFC 4724 section 5).
    fn peer_restarts(&self) -> bool {
        let gr = self.established().and_then(|(_, terms)| terms.graceful_restart);
        gr.is_some_and(|gr| !gr.families.is_empty())
    }

    /// Decides, as soon as an OPEN tells the peer's BGP Identifier, which of two connections
    /// stays (section 6.8). Returns the machine of `conn` if it does.
    ///
    /// The other connection is examined in OpenSent, too, which the RFC leaves open: waiting
    /// for its OPEN would let one side confirm the connection that the other side dumps.
    pub(super) fn resolve_collision(
        &mut self,
        now: Instant,
        conn: ConnId,
        terms: &Negotiated,
    ) -> Option<Which> {
        let which = self.machine_of(conn)?;
        let other = match which {
            Which::Main => Which::Second,
            Which::Second => Which::Main,
        };
        if self.direction(other).is_none() {
            return Some(which);
        }
        let config = &self.peering.config;
        let local = (config.local_id, config.local_asn);
        let kept = survivor(local, (terms.remote_id, terms.remote_asn));
        let dumped = if self.direction(which) == Some(kept) { other } else { which };
        self.step(now, dumped, Event::OpenCollisionDump);
        self.machine_of(conn)
    }
}
