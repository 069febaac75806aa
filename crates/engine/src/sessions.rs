//! Sessions come and go; what follows for routes and for what peers may still hold.

use alloc::format;
use alloc::string::String;
use core::time::Duration;

use pathvane_clock::Instant;
use pathvane_rib::{PeerId, Pending};
use pathvane_session::{
    Action, Config as SessionConfig, DownCause, DownReason, Farewell, Negotiated, Session,
};
use pathvane_wire::cease;

use crate::drain::said;
use crate::engine::{Alarm, Engine};
use crate::event::EventKind;
use crate::ids::ConnId;
use crate::io::Output;
use crate::peer::Routes;

/// How long a peer may take to send its routes again, from BoRR to EoRR (RFC 7313 section 4).
const LONGEST_REFRESH: Duration = Duration::from_secs(360);

/// Added to a peer's own timers before we believe that it dropped our routes.
const HELD_SLACK: Duration = Duration::from_secs(5);

impl Engine {
    /// Tells a session something and does what it asks.
    pub(crate) fn with_session(
        &mut self,
        now: Instant,
        peer: PeerId,
        tell: impl FnOnce(&mut Session),
    ) {
        tell(&mut self.peers[peer.index()].session);
        self.after_session(now, peer);
    }

    /// Takes bytes from a peer: session, UPDATEs, routes.
    pub(crate) fn handle_bytes(&mut self, now: Instant, id: PeerId, conn: ConnId, bytes: &[u8]) {
        let mut rest = Some(bytes);
        while let Some(bytes) = rest {
            rest = self.handle_some(now, id, conn, bytes);
        }
    }

    /// Takes bytes as far as the message that brings the session up: the routes behind it are for
    /// a session that has begun. Returns what is left then.
    fn handle_some<'b>(
        &mut self,
        now: Instant,
        id: PeerId,
        conn: ConnId,
        bytes: &'b [u8],
    ) -> Option<&'b [u8]> {
        let ends = self.rib.end_of_rib_received(id);
        let limits = self.config.peers[id.index()].max_in;
        let few = self.peers[id.index()].allowance.spend(now, bytes.len());
        self.rib.set_haste(few);
        let rib = &mut self.rib;
        let mut routes = Routes { rib, peer: id, limits, fault: None, more_faults: 0 };
        let rest = self.peers[id.index()].session.handle_bytes(now, conn, bytes, &mut routes);
        let Routes { fault, more_faults, .. } = routes;
        self.rib.set_haste(false);
        if let Some(mut detail) = fault {
            // One event a turn: who sends nothing but faults shall not fill the log.
            if more_faults > 0 {
                detail = format!("{detail}; and {more_faults} UPDATEs more with faults");
            }
            self.record.event(now, EventKind::Fault { peer: id, detail });
        }
        self.watch_announced(now, id);
        if self.rib.end_of_rib_received(id) != ends {
            self.end_of_rib(id);
        }
        self.watch_refreshes(now, id);
        self.busy |= self.rib.has_work();
        self.after_session(now, id);
        rest
    }

    /// Sees to it that a refresh that the peer has begun comes to an end.
    fn watch_refreshes(&mut self, now: Instant, id: PeerId) {
        let open = !self.rib.refreshing(id).is_empty();
        let refreshing = &mut self.peers[id.index()].refreshing;
        if core::mem::replace(refreshing, open) != open {
            self.alarms.set(Alarm::Refresh(id), open.then_some(now + LONGEST_REFRESH));
        }
    }

    /// The peer did not end its refreshes in time: what it did not repeat goes.
    pub(crate) fn end_refreshes(&mut self, now: Instant, id: PeerId) {
        self.rib.refreshing(id).iter().for_each(|family| self.rib.end_refresh(id, family));
        self.watch_refreshes(now, id);
        self.busy = true;
        self.record.event(now, EventKind::StaleDropped { peer: id });
    }

    /// Does what a session asks, and sets its alarm.
    pub(crate) fn after_session(&mut self, now: Instant, peer: PeerId) {
        while let Some(action) = self.peers[peer.index()].session.poll_action() {
            match action {
                Action::Connect => self.record.ask(Output::Connect(peer)),
                Action::CancelConnect => self.record.ask(Output::CancelConnect(peer)),
                Action::Close { conn } => {
                    self.peers[peer.index()].gone(conn);
                    self.record.ask(Output::Close { peer, conn });
                    self.leave_if_dynamic(now, peer);
                }
                Action::Up { conn, negotiated } => self.session_up(now, peer, conn, &negotiated),
                Action::Down(reason) => {
                    self.session_down(now, peer, &reason);
                    self.close_for_limit(now, peer, &reason);
                    self.end_without_bfd(now, peer);
                }
                Action::Failed(reason) => {
                    let reason = format!("{reason}");
                    self.record.event(now, EventKind::PeerFailed { peer, reason });
                    self.rest_without_bfd(now, peer);
                }
            }
        }
        let session = &self.peers[peer.index()].session;
        self.alarms.set(Alarm::Session(peer), session.poll_timeout());
    }

    fn session_up(&mut self, now: Instant, id: PeerId, conn: ConnId, terms: &Negotiated) {
        let peer = &mut self.peers[id.index()];
        let handed = peer.handed(conn);
        let local = peer.local(conn);
        peer.delivery.up(conn, handed);
        peer.keeps = keeps(&self.config.peers[id.index()].session, terms);
        peer.held_until = None;
        peer.told_ahead = false;
        self.alarms.set(Alarm::Held(id), None);
        self.keep_stale(now, id, terms);
        self.end_deferral_if_complete();
        self.rib.peer_up(id, crate::routes::peer_up(&self.config, id, terms, local));
        self.record.event(now, EventKind::PeerUp { peer: id, detail: terms_text(terms) });
        self.dirty = true;
        self.busy = true;
    }

    fn session_down(&mut self, now: Instant, id: PeerId, reason: &DownReason) {
        let retained = reason.retain.is_some();
        self.retain(now, id, reason.retain);
        let bridged = self.is_bridged(id, reason);
        let peer = &mut self.peers[id.index()];
        peer.delivery.down();
        peer.refreshing = false;
        self.alarms.set(Alarm::Refresh(id), None);
        self.ledger.lose(id);
        if matches!(&reason.cause, DownCause::Received(n) if !bridged || n.is_hard_reset()) {
            self.purge(id);
        } else {
            self.expect_purge(now, id);
        }
        let reason = format!("{reason}");
        self.record.event(now, EventKind::PeerDown { peer: id, reason, retained });
        self.busy = true;
        self.dirty = true;
    }

    /// Whether the peer keeps our routes though a NOTIFICATION ended the session (RFC 8538).
    fn is_bridged(&self, id: PeerId, reason: &DownReason) -> bool {
        let ours = self.config.peers[id.index()].session.graceful_restart;
        let theirs = reason.retain.is_some_and(|gr| gr.notification);
        theirs && ours.is_some_and(|gr| gr.notification && !gr.families.is_empty())
    }

    /// Until when a peer that lost us without a word may hold our routes, by the terms of the
    /// session that it lost: the configuration may be another one by now.
    fn expect_purge(&mut self, now: Instant, id: PeerId) {
        let peer = &mut self.peers[id.index()];
        peer.held_until = peer.keeps.map(|keeps| now + keeps);
        self.alarms.set(Alarm::Held(id), peer.held_until);
    }

    /// The peer holds nothing of ours any more.
    pub(crate) fn purge(&mut self, id: PeerId) {
        self.peers[id.index()].held_until = None;
        self.alarms.set(Alarm::Held(id), None);
        self.ledger.purge(id);
        self.dirty = true;
    }

    /// How far bytes came.
    pub(crate) fn handle_progress(
        &mut self,
        now: Instant,
        id: PeerId,
        conn: ConnId,
        sent: u64,
        acked: u64,
    ) {
        self.peers[id.index()].progressed(now, conn, sent);
        let believed = if self.path_passes(id) { acked } else { 0 };
        let reached = self.peers[id.index()].delivery.progress(conn, sent, believed);
        for move_id in reached.moves {
            self.record.event(now, EventKind::Wire { move_id, peer: id, at: now });
        }
        if reached.confirmed {
            self.ledger.confirm(id);
            self.dirty = true;
        }
        self.after_session(now, id);
    }

    /// Whether anything gets through to the peer, as far as measured. An acknowledgement that comes
    /// over a dead path is somebody else's (a proxy, a VPN gateway), not the peer's.
    fn path_passes(&self, id: PeerId) -> bool {
        let mut speaks = self
            .config
            .path_ids()
            .filter(|path| self.config.paths[path.index()].announce_via.contains(&id))
            .peekable();
        speaks.peek().is_none() || speaks.any(|path| self.measure.verdict(path).passes())
    }

    /// Closes and reopens a session at the operator's wish.
    pub(crate) fn reset(&mut self, now: Instant, peer: PeerId, text: &str) {
        if self.reopen(now, peer) {
            return;
        }
        let farewell = Farewell::Notify(said(cease::ADMINISTRATIVE_RESET, text));
        self.with_session(now, peer, |session| session.handle_reset(now, farewell));
    }

    /// What waits to be told to a peer on its session: while routes are deferred, the sources of probes.
    pub(crate) fn pending(&self, id: PeerId) -> Pending {
        let peer = &self.peers[id.index()];
        match self.deferring {
            false => self.rib.pending(id),
            true if peer.told_ahead || peer.established().is_none() => Pending::Nothing,
            true => Pending::Urgent,
        }
    }

    /// Says once for each connection with something to say that bytes wait, and once that some of
    /// them are urgent.
    pub(crate) fn ask_transmits(&mut self) {
        for id in self.config.peer_ids() {
            let routes = self.pending(id);
            for (conn, urgent) in self.peers[id.index()].unasked(routes) {
                self.record.ask(Output::Transmit { peer: id, conn, urgent });
            }
        }
    }
}

/// How long a peer that loses us without a word keeps our routes: its HoldTimer, our restart time if
/// it helps us restart, and our stale time if it knows such routes (RFC 9494). `None` if its HoldTimer
/// does not run: it never notices (`docs/adr/0003-what-a-peer-may-hold.md`).
fn keeps(ours: &SessionConfig, terms: &Negotiated) -> Option<Duration> {
    let restart = ours
        .graceful_restart
        .filter(|gr| !gr.families.is_empty())
        .map_or(Duration::ZERO, |gr| Duration::from_secs(u64::from(gr.restart_time)));
    let stale = if terms.knows_long_lived { ours.stale_time } else { 0 };
    let longer = restart + Duration::from_secs(u64::from(stale));
    (!terms.hold_time.is_zero()).then(|| terms.hold_time + longer + HELD_SLACK)
}

/// What was negotiated, for people.
fn terms_text(terms: &Negotiated) -> String {
    let mut text = format!(
        "AS {}, BGP Identifier {}, hold time {} s, {}",
        terms.remote_asn,
        terms.remote_id,
        terms.hold_time.as_secs(),
        terms.families
    );
    if let Some(gr) = &terms.graceful_restart {
        text += &format!(", graceful restart {} s", gr.restart_time.as_secs());
        for family in gr.long_lived.families().iter() {
            let time = gr.long_lived.time(family).as_secs();
            text += &format!(", {family} long-lived {time} s");
        }
    }
    text
}
