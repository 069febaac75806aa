//! What BFD says, and what follows for sessions and paths (RFC 5882).
//!
//! For a path it is one reason of its verdict. For a peer, because the operator said so for this
//! peer, it ends the session; this is no verdict of ours, which never would (law 8).

use pathvane_clock::Instant;
use pathvane_rib::PeerId;
use pathvane_score::BfdState;
use pathvane_session::Farewell;
use pathvane_wire::{Notification, cease};

use crate::engine::Engine;
use crate::event::EventKind;
use crate::io::BfdUser;

impl Engine {
    /// A BFD session changed. `independent` says that both ends set the C bit: a failure is then none
    /// of a control plane that restarts (RFC 5882 section 4.3).
    pub(crate) fn handle_bfd(
        &mut self,
        now: Instant,
        user: BfdUser,
        state: BfdState,
        independent: bool,
    ) {
        let before = match user {
            BfdUser::Path(path) => self.measure.bfd(path),
            BfdUser::Peer(peer) if !self.peers[peer.index()].present => return,
            BfdUser::Peer(peer) => self.peers[peer.index()].bfd,
        };
        if before == state {
            return;
        }
        self.record.event(now, EventKind::Bfd { user, state });
        match user {
            BfdUser::Path(path) => self.measure.handle_bfd(now, path, state, &mut self.changed),
            BfdUser::Peer(peer) => self.follow_bfd(now, peer, state, independent),
        }
    }

    fn follow_bfd(&mut self, now: Instant, id: PeerId, state: BfdState, independent: bool) {
        self.peers[id.index()].bfd = state;
        match state {
            BfdState::Up if self.config.peers[id.index()].bfd_strict => self.start(now, id),
            BfdState::Up => {}
            BfdState::Down => {
                self.lose_by_bfd(now, id, independent);
                self.rest_without_bfd(now, id);
            }
            // An operator's wish at either end takes no session down (RFC 5882 section 4.2).
            BfdState::Off => self.rest_without_bfd(now, id),
        }
    }

    /// The operator changed whether the session waits for BFD.
    pub(crate) fn obey_strictness(&mut self, now: Instant, id: PeerId) {
        match self.waits_for_bfd(id) {
            true => self.rest_without_bfd(now, id),
            false => self.start(now, id),
        }
    }

    /// Opens a session, unless it has to wait for BFD, is closed for its prefixes, or the speaker leaves.
    pub(crate) fn start(&mut self, now: Instant, id: PeerId) {
        let closed = self.peers[id.index()].standing.closed.is_some();
        if self.life.steers() && !closed && !self.waits_for_bfd(id) {
            self.with_session(now, id, |session| session.handle_start(now));
        }
    }

    /// Whether a session may not be open for want of BFD.
    fn waits_for_bfd(&self, id: PeerId) -> bool {
        self.config.peers[id.index()].bfd_strict && self.peers[id.index()].bfd != BfdState::Up
    }

    /// A session that is not open does not open while it has to wait for BFD. One that is stays.
    pub(crate) fn rest_without_bfd(&mut self, now: Instant, id: PeerId) {
        if self.waits_for_bfd(id) && self.peers[id.index()].established().is_none() {
            self.with_session(now, id, |session| session.handle_stop(now, Farewell::Silent));
        }
    }

    /// A session ended. The next one waits for BFD if it has to, even where the peer opened it
    /// already (RFC 4724 section 5).
    pub(crate) fn end_without_bfd(&mut self, now: Instant, id: PeerId) {
        if self.waits_for_bfd(id) {
            let farewell = match self.peers[id.index()].established() {
                Some(_) => Farewell::Notify(Notification::cease(cease::BFD_DOWN)),
                None => Farewell::Silent,
            };
            self.peers[id.index()].session.handle_stop(now, farewell);
        }
    }

    /// The path to the peer failed: its session ends with Cease, BFD Down (RFC 9384).
    ///
    /// Routes that are kept for a graceful restart stay if BFD may have failed by that restart, and
    /// go if it cannot (RFC 5882 sections 4.3.1 and 4.3.2).
    fn lose_by_bfd(&mut self, now: Instant, id: PeerId, independent: bool) {
        let peer = &self.peers[id.index()];
        if independent && peer.retained.any() {
            self.drop_stale(now, id);
        }
        let Some((_, terms)) = self.peers[id.index()].session.established() else { return };
        let soft = terms.graceful_restart.is_some_and(|gr| gr.notification);
        let cease = Notification::cease(cease::BFD_DOWN);
        let farewell = match soft && independent {
            true => Farewell::Notify(Notification::hard_reset(&cease)),
            false => Farewell::Notify(cease),
        };
        self.with_session(now, id, |session| session.handle_reset(now, farewell));
    }
}
