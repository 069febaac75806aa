//! One peer's session: turns what the shell saw and the bytes it read into events, and keeps
//! at most two machines, one per connection (RFC 4271 sections 8.2.1.3 and 6.8).

mod machines;
mod messages;

use bytes::BytesMut;
use pathvane_clock::Instant;
use pathvane_wire::{Family, Kind};

use crate::action::{Action, Farewell, Sink};
use crate::config::Config;
use crate::fsm::{Event, Fsm, Timer};
use crate::link::{ConnId, Direction, Link};
use crate::negotiate::Negotiated;
use crate::peering::Peering;
use crate::stats::{FsmState, Stats};

/// The session with one peer. See the crate's documentation for how to drive it.
#[derive(Debug)]
pub struct Session {
    peering: Peering,
    /// The machine of the session, or of that of two connections which is further on.
    main: Fsm,
    /// The machine of a second connection, while it is open which of the two to keep.
    second: Option<Fsm>,
}

/// One of a session's machines.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Which {
    Main,
    Second,
}

impl Which {
    fn other(self) -> Self {
        match self {
            Self::Main => Self::Second,
            Self::Second => Self::Main,
        }
    }
}

/// # Getters
impl Session {
    /// A session at rest. `config` has passed [`Config::check`]; `seed` decides all jitter.
    pub fn new(config: Config, seed: u64) -> Self {
        Self { peering: Peering::new(config, seed), main: Fsm::idle(), second: None }
    }

    /// The settings in force for the next OPEN.
    pub fn config(&self) -> &Config {
        &self.peering.config
    }

    /// The state; of two connections that of the one further on.
    pub fn state(&self) -> FsmState {
        self.main.state()
    }

    /// The RFC's name of the state, for show commands.
    pub fn state_name(&self) -> &'static str {
        self.state().name()
    }

    /// What was counted.
    pub fn stats(&self) -> &Stats {
        &self.peering.stats
    }

    /// The connection and the terms of an Established session.
    pub fn established(&self) -> Option<(ConnId, &Negotiated)> {
        if self.main.state() != FsmState::Established {
            return None;
        }
        Some((self.main.link()?.conn, self.main.negotiated()?))
    }

    /// The connections for which [`Self::poll_transmit`] has bytes.
    pub fn transmits(&self) -> impl Iterator<Item = ConnId> + '_ {
        let live = [Some(&self.main), self.second.as_ref()];
        let links = live.into_iter().flatten().filter_map(Fsm::link);
        links
            .filter(|link| !link.outbox.is_empty())
            .map(|link| link.conn)
            .chain(self.peering.leaving())
    }
}

/// # Commands
impl Session {
    /// Replaces the settings. An open session keeps its terms; stop and start it, or reset
    /// it, for those to change.
    pub fn set_config(&mut self, config: Config) {
        self.peering.config = config;
    }

    /// Starts the session (Event 1, or 4 if passive); nothing happens unless it is Idle.
    pub fn handle_start(&mut self, now: Instant) {
        self.step(now, Which::Main, Event::ManualStart);
    }

    /// Starts the session as if its idle hold time were over (Events 3 and 5 to 7): unlike
    /// [`Self::handle_start`] it forgives no failures.
    pub fn handle_retry(&mut self, now: Instant) {
        self.step(now, Which::Main, Event::AutomaticStart);
    }

    /// Stops the session for good, that is until [`Self::handle_start`] (Event 2).
    pub fn handle_stop(&mut self, now: Instant, farewell: Farewell) {
        self.step(now, Which::Second, Event::ManualStop(farewell.clone()));
        self.step(now, Which::Main, Event::ManualStop(farewell));
    }

    /// Asks the peer for its routes of a family again (RFC 2918 section 3). Nothing happens unless both
    /// sides offered route refresh and the family.
    pub fn handle_refresh(&mut self, now: Instant, family: Family) {
        let able = |terms: &Negotiated| terms.refresh && terms.families.contains(family);
        if !self.established().is_some_and(|(_, terms)| able(terms)) {
            return;
        }
        if let Some(link) = self.main.link_mut() {
            self.peering.send_refresh(link, family);
            self.main.sent(now, &mut self.peering);
        }
    }

    /// Ends the session and lets it start again after the idle hold time (Event 8).
    pub fn handle_reset(&mut self, now: Instant, farewell: Farewell) {
        self.step(now, Which::Second, Event::AutomaticStop(farewell.clone()));
        self.step(now, Which::Main, Event::AutomaticStop(farewell));
    }
}

/// # What happened
impl Session {
    /// A TCP connection with the peer is open; `conn` is new.
    ///
    /// It may be refused at once: an [`Action::Close`] follows.
    pub fn handle_connected(&mut self, now: Instant, conn: ConnId, direction: Direction) {
        let link = Link::new(conn, direction);
        let wanted = match direction {
            Direction::Outbound => self.peering.dialled(),
            Direction::Inbound => true,
        };
        match wanted {
            true => self.receive(now, link),
            false => self.peering.close(now, link),
        }
    }

    /// The attempt that [`Action::Connect`] asked for came to nothing (Event 18).
    pub fn handle_connect_failed(&mut self, now: Instant) {
        let waiting = self.main.state() == FsmState::Connect && self.main.link().is_none();
        if self.peering.dialled() && waiting {
            self.step(now, Which::Main, Event::TcpConnectionFails);
        }
    }

    /// The connection is gone, not at our request (Event 18). No [`Action::Close`] follows.
    pub fn handle_closed(&mut self, now: Instant, conn: ConnId) {
        match self.machine_of(conn) {
            Some(which) => self.step(now, which, Event::TcpConnectionFails),
            None => self.peering.gone(conn),
        }
    }

    /// Bytes arrived on `conn`, any number of them, in order. Hand over what was read before
    /// calling [`Self::handle_timeout`] for the same instant, or a late shell looks like a
    /// silent peer.
    ///
    /// `Some`: the session came up, and here is what is still to be read. Take all actions first,
    /// so that whoever keeps the routes knows of the session, then hand it over, be it empty.
    #[must_use]
    pub fn handle_bytes<'b>(
        &mut self,
        now: Instant,
        conn: ConnId,
        bytes: &'b [u8],
        sink: &mut impl Sink,
    ) -> Option<&'b [u8]> {
        let mut inbox = core::mem::take(&mut self.link_mut(conn)?.inbox);
        let up = self.is_established_on(conn);
        let mut rest = bytes;
        let mut came_up = false;
        // A message may end the connection or exchange the machines: look each time anew.
        while let Some(which) = self.machine_of(conn) {
            let before = rest;
            match inbox.next(&mut rest, self.max_len(which)) {
                Ok(Some(message)) if is_for_routes(message.kind) && self.is_confirmed(which) => {
                    inbox.put_back(&mut rest, before);
                    self.step(now, which, Event::KeepAliveMsg);
                }
                Ok(Some(message)) => self.handle_message(now, (conn, which), message, sink),
                Ok(None) => break,
                Err(notification) => {
                    self.step(now, which, Event::BgpHeaderErr(notification));
                }
            }
            came_up = !up && self.is_established_on(conn);
            if came_up {
                break;
            }
        }
        if let Some(link) = self.link_mut(conn) {
            link.inbox = inbox;
        }
        came_up.then_some(rest)
    }

    fn is_established_on(&self, conn: ConnId) -> bool {
        self.established().is_some_and(|(established, _)| established == conn)
    }

    fn is_confirmed(&self, which: Which) -> bool {
        self.machine(which).is_some_and(Fsm::confirmed)
    }

    /// The peer takes nothing off our hands although bytes wait: its TCP window is closed,
    /// or the socket's buffer is full. Starts the SendHoldTimer (RFC 9687) unless it runs.
    pub fn handle_blocked(&mut self, now: Instant, conn: ConnId) {
        let Some((_, terms)) = self.established().filter(|(owner, _)| *owner == conn) else {
            return;
        };
        let hold = self.peering.config.send_hold.unwrap_or_else(|| terms.send_hold());
        self.main.send_hold(Some(now + hold));
    }

    /// The peer took bytes again, or none wait: stops the SendHoldTimer.
    pub fn handle_writable(&mut self, conn: ConnId) {
        if self.machine_of(conn) == Some(Which::Main) {
            self.main.send_hold(None);
        }
    }

    /// The caller wrote this many UPDATE and ROUTE-REFRESH messages of its own to the
    /// Established connection: counts them and restarts the KeepaliveTimer.
    pub fn handle_sent(&mut self, now: Instant, updates: u64, refreshes: u64) {
        self.peering.stats.sent.update += updates;
        self.peering.stats.sent.route_refresh += refreshes;
        self.main.sent(now, &mut self.peering);
    }

    /// Fires all timers due at `now`.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.peering.handle_timeout(now);
        // Each timer at most once: what a step starts anew is for another call.
        for _ in Timer::ALL {
            let Some(event) = self.main.expire(now) else { break };
            self.step(now, Which::Main, event);
        }
        for _ in Timer::ALL {
            let Some(event) = self.second.as_mut().and_then(|fsm| fsm.expire(now)) else { break };
            self.step(now, Which::Second, event);
        }
    }
}

/// What only a peer that believes the session to be Established sends.
fn is_for_routes(kind: Kind) -> bool {
    matches!(kind, Kind::Update | Kind::RouteRefresh)
}

/// # What to do about it
impl Session {
    /// The next thing to do. Drain after every `handle_*` call and after
    /// [`Self::poll_transmit`], which may be what an [`Action::Close`] waits for.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.peering.pop()
    }

    /// Appends to `out` what waits to be sent on `conn` and returns how many bytes that
    /// were. Never more than an OPEN, a KEEPALIVE, a NOTIFICATION and a ROUTE-REFRESH for each
    /// family; between messages of the caller's, and before any that wait.
    pub fn poll_transmit(&mut self, conn: ConnId, out: &mut BytesMut) -> usize {
        match self.link_mut(conn) {
            Some(link) => link.take_outbox(out),
            None => self.peering.take_leaving(conn, out),
        }
    }

    /// When to call [`Self::handle_timeout`], if nothing else happens before.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let second = self.second.as_ref().and_then(Fsm::next_timeout);
        [self.main.next_timeout(), second, self.peering.next_timeout()].into_iter().flatten().min()
    }
}
