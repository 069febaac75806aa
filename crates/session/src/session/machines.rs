//! The two machines of a session, and the collision of their connections (RFC 4271
//! sections 8.2.1.3 and 6.8).

use pathvane_clock::{Duration, Instant};

use super::{Session, Which};
use crate::collision::survivor;
use crate::fsm::{Event, Fsm};
use crate::link::{ConnId, Direction, Link};
use crate::negotiate::Negotiated;
use crate::peering::Peering;
use crate::stats::FsmState;

/// A connection dialled before its peer heard of an Established one has come to nothing by
/// then.
const LATEST_COLLISION: Duration = Duration::from_secs(60);

impl Session {
    /// Lets one machine answer an event. Afterwards the main machine is the one further on,
    /// a second machine has a connection, and a session that has just become Established has
    /// no rival.
    pub(super) fn step(&mut self, now: Instant, which: Which, event: Event) {
        let before = self.main.state();
        match self.machine_and_peering(which) {
            Some((fsm, peering)) => fsm.step(now, peering, event),
            None => return,
        }
        let Some(second) = &mut self.second else { return };
        if second.state() > self.main.state() || self.main.link().is_none() {
            core::mem::swap(second, &mut self.main);
        }
        let after = self.main.state();
        if after == FsmState::Established && before != after {
            second.step(now, &mut self.peering, Event::OpenCollisionDump);
        }
        if second.link().is_none() {
            self.second = None;
            self.go_on_alone(now);
        }
    }

    /// The main machine has lost its rival: what it waited for is decided. A connection that
    /// was only tracked gets our OPEN, a session whose KEEPALIVE was only noted is confirmed.
    fn go_on_alone(&mut self, now: Instant) {
        if self.main.tracks() {
            self.step(now, Which::Main, Event::DelayOpenTimerExpires);
        } else if self.main.confirmed() {
            self.step(now, Which::Main, Event::KeepAliveMsg);
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

    /// Gives a new connection to the machine that answers for it. Idle and Established
    /// answer for themselves: they refuse. But where the peer may have restarted, an
    /// Established session waits for what the peer's OPEN says, before ours is sent.
    pub(super) fn receive(&mut self, now: Instant, link: Link) {
        let established = self.main.state() == FsmState::Established;
        let inbound = link.direction == Direction::Inbound;
        if !established || (inbound && self.peer_may_restart()) {
            self.drop_leftover(now, link.direction);
        }
        if established && inbound && self.peer_may_restart() {
            self.second = Some(Fsm::tracking(now, link));
            return;
        }
        let which = if established || self.main.link().is_none() {
            Which::Main
        } else {
            self.second = Some(Fsm::listening());
            Which::Second
        };
        let event = if inbound { Event::TcpConnectionConfirmed } else { Event::TcpCrAcked };
        self.step(now, which, event(link));
    }

    /// A peer dials one connection at a time, and so do we: an older one of the same
    /// direction that is not Established is a leftover, whose end was lost on the way.
    fn drop_leftover(&mut self, now: Instant, direction: Direction) {
        let leftover = |which: &Which| {
            let fsm = self.machine(*which);
            fsm.is_some_and(|fsm| fsm.state() != FsmState::Established)
                && self.direction(*which) == Some(direction)
        };
        let Some(leftover) = [Which::Main, Which::Second].into_iter().find(leftover) else {
            return;
        };
        self.step(now, leftover, Event::OpenCollisionDump);
        if self.main.state() == FsmState::Idle {
            self.main = Fsm::listening();
        }
    }

    /// Whether the peer of an Established session keeps its routes over a restart (RFC 4724).
    fn peer_may_restart(&self) -> bool {
        let gr = self.established().and_then(|(_, terms)| terms.graceful_restart);
        gr.is_some_and(|gr| !gr.kept().is_empty())
    }

    /// Whether an OPEN beside an Established session means that the peer restarted and knows
    /// no other session (RFC 4724 section 5): it says so, or this cannot be a late collision.
    fn has_restarted(&self, now: Instant, terms: &Negotiated) -> bool {
        let says_so = terms.graceful_restart.is_some_and(|gr| gr.restarting);
        let up = self.peering.stats.last_up;
        says_so || up.is_some_and(|up| now.since(up) >= LATEST_COLLISION)
    }

    /// Decides, when the OPEN on the connection of `which` finds the other one in OpenConfirm
    /// or Established, which of them stays (section 6.8), and dumps the other.
    pub(super) fn resolve_collision(&mut self, now: Instant, which: Which, terms: &Negotiated) {
        let other = which.other();
        match self.machine(other).map(Fsm::state) {
            Some(FsmState::OpenConfirm) => {
                let loser = if self.wins(which, terms) { other } else { which };
                self.step(now, loser, Event::OpenCollisionDump);
            }
            Some(FsmState::Established) if self.has_restarted(now, terms) => {
                self.step(now, other, Event::Superseded);
            }
            Some(FsmState::Established) => self.step(now, which, Event::OpenCollisionDump),
            _ => {}
        }
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
}
