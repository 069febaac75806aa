//! The two machines of a session, and the collision of their connections (RFC 4271
//! sections 8.2.1.3 and 6.8).

use pathvane_clock::Instant;

use super::{Session, Which};
use crate::collision::survivor;
use crate::fsm::{Event, Fsm};
use crate::link::{ConnId, Direction, Link};
use crate::negotiate::Negotiated;
use crate::peering::Peering;
use crate::stats::FsmState;

impl Session {
    /// Lets one machine answer an event. Afterwards the main machine is the one further on,
    /// a second machine has a connection, and there is none beside an Established session.
    pub(super) fn step(&mut self, now: Instant, which: Which, event: Event) {
        match self.machine_and_peering(which) {
            Some((fsm, peering)) => fsm.step(now, peering, event),
            None => return,
        }
        let Some(second) = &mut self.second else { return };
        if second.state() > self.main.state() || self.main.link().is_none() {
            core::mem::swap(second, &mut self.main);
        }
        if self.main.state() == FsmState::Established {
            second.step(now, &mut self.peering, Event::OpenCollisionDump);
        }
        if second.link().is_none() {
            self.second = None;
            self.confirm_late(now);
        }
    }

    fn machine_and_peering(&mut self, which: Which) -> Option<(&mut Fsm, &mut Peering)> {
        let fsm = match which {
            Which::Main => &mut self.main,
            Which::Second => self.second.as_mut()?,
        };
        Some((fsm, &mut self.peering))
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

    /// Decides, when the OPEN on `conn` finds the other connection in OpenConfirm, which of
    /// them stays (section 6.8). Returns the machine of `conn` if it does.
    pub(super) fn resolve_collision(
        &mut self,
        now: Instant,
        conn: ConnId,
        terms: &Negotiated,
    ) -> Option<Which> {
        let which = self.machine_of(conn)?;
        let other = which.other();
        if self.machine(other).map(Fsm::state) == Some(FsmState::OpenConfirm) {
            let loser = if self.wins(which, terms) { other } else { which };
            self.step(now, loser, Event::OpenCollisionDump);
        }
        self.machine_of(conn)
    }

    /// Whether the connection of `which` is the one to keep in a collision.
    fn wins(&self, which: Which, terms: &Negotiated) -> bool {
        let config = &self.peering.config;
        let kept =
            survivor((config.local_id, config.local_asn), (terms.remote_id, terms.remote_asn));
        self.direction(which) == Some(kept)
    }

    /// Answers a KEEPALIVE. One that would confirm the connection that a collision is about
    /// to close is only noted: were it taken at its word, each side could end up keeping the
    /// connection that the other one drops. Any further message on it settles the matter,
    /// as does the end of the other connection.
    pub(super) fn handle_keepalive(&mut self, now: Instant, which: Which) {
        let fsm = self.machine(which);
        let losing =
            fsm.filter(|fsm| fsm.state() == FsmState::OpenConfirm).and_then(Fsm::negotiated);
        let losing = losing.is_some_and(|terms| !self.wins(which, terms));
        if losing && self.direction(which.other()).is_some() {
            let noted = self.machine_mut(which).is_some_and(Fsm::note_confirmed);
            if noted {
                return;
            }
        }
        self.step(now, which, Event::KeepAliveMsg);
    }

    /// Confirms the session whose KEEPALIVE was only noted.
    pub(super) fn confirm_late(&mut self, now: Instant) {
        if self.main.confirmed() {
            self.step(now, Which::Main, Event::KeepAliveMsg);
        }
    }
}
