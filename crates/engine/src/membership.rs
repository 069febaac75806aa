//! Peers that come, change and go while the speaker runs.
//!
//! A peer's number is its place; the place of one that went is given to another as soon as nothing
//! is left of it: no connection, no route, nothing that the shell has yet to do for it.

use alloc::sync::Arc;
use alloc::vec::Vec;

use pathvane_clock::Instant;
use pathvane_rib::{PeerConfig, Policy};
use pathvane_session::{Config as SessionConfig, Farewell, Session};
use pathvane_wire::{Family, Notification, cease};

use crate::config::Peer as PeerConfiguration;
use crate::engine::{Alarm, Engine};
use crate::event::EventKind;
use crate::ids::PeerId;
use crate::io::Output;
use crate::peer::Peer;
use crate::retain::Retained;

/// Session settings less what an open session need not be closed for.
fn terms(config: &SessionConfig) -> SessionConfig {
    let mut terms = config.clone();
    let plain = SessionConfig::new(config.local_asn, config.local_id, config.remote_asn);
    terms.connect_retry = plain.connect_retry;
    terms.passive = plain.passive;
    terms.delay_open = plain.delay_open;
    terms.idle_hold = plain.idle_hold;
    terms.send_hold = plain.send_hold;
    if let Some(restart) = &mut terms.graceful_restart {
        restart.restarting = false;
        restart.forwarding = restart.families;
    }
    terms
}

impl Engine {
    /// The peers that there are.
    pub fn peers(&self) -> impl Iterator<Item = PeerId> + '_ {
        self.config.peer_ids().filter(|id| self.peers[id.index()].present)
    }

    /// Replaces the named policies. Peers follow with [`Engine::change_peer`], all of them: what
    /// they refer to by number may be another policy now.
    pub fn set_policies(&mut self, policies: Vec<Arc<Policy>>) {
        self.config.policies = policies;
    }

    /// Adds a peer and opens its session.
    pub fn add_peer(&mut self, now: Instant, peer: PeerConfiguration) -> PeerId {
        let session = Session::new(peer.session.clone(), self.rng.u64(..));
        let known = Peer::new(session);
        let id = match self.config.peer_ids().find(|id| self.is_vacant(*id)) {
            Some(id) => {
                self.config.peers[id.index()] = peer;
                self.peers[id.index()] = known;
                id
            }
            None => {
                let id = PeerId(u16::try_from(self.peers.len()).unwrap_or(u16::MAX - 1));
                self.config.peers.push(peer);
                self.peers.push(known);
                self.ledger.add_peer();
                id
            }
        };
        self.rib.add_peer(id, PeerConfig::default());
        self.apply_policies(id);
        self.record.event(now, EventKind::PeerAdded { peer: id });
        self.start(now, id);
        self.settle(now);
        id
    }

    /// Gives a peer another configuration. Policies and limits take effect at once; the session is
    /// closed and opened again only for what its terms depend on, or if `reconnect` says so; true if
    /// it is.
    pub fn change_peer(
        &mut self,
        now: Instant,
        id: PeerId,
        peer: PeerConfiguration,
        reconnect: bool,
    ) -> bool {
        let old = core::mem::replace(&mut self.config.peers[id.index()], peer);
        let new = &self.config.peers[id.index()];
        let other_terms = terms(&old.session) != terms(&new.session)
            || (old.next_hop_v4, old.next_hop_v6, old.address, old.client)
                != (new.next_hop_v4, new.next_hop_v6, new.address, new.client);
        let more_room = old.max_in != new.max_in;
        let other_rule = old.bfd_strict != new.bfd_strict;
        let (session, changed) = (new.session.clone(), old.session != new.session);
        self.apply_policies(id);
        if changed {
            self.peers[id.index()].session.set_config(session);
        }
        if other_terms || reconnect {
            self.record.event(now, EventKind::PeerChanged { peer: id });
            let farewell = Farewell::Notify(Notification::cease(cease::CONFIGURATION_CHANGE));
            self.with_session(now, id, |session| session.handle_reset(now, farewell));
        }
        if more_room {
            self.apply_limits(now, id);
        }
        if other_rule {
            self.obey_strictness(now, id);
        }
        self.settle(now);
        other_terms || reconnect
    }

    /// Takes a peer out: its session ends, its routes go.
    pub fn remove_peer(&mut self, now: Instant, id: PeerId) {
        let farewell = Farewell::Notify(Notification::cease(cease::PEER_DECONFIGURED));
        self.with_session(now, id, |session| session.handle_stop(now, farewell));
        self.record.event(now, EventKind::PeerRemoved { peer: id });
        self.vacate(id);
        self.settle(now);
    }

    fn apply_policies(&mut self, id: PeerId) {
        let leaving = !self.life.steers();
        self.rib.set_policy(id, crate::policies::peer_config(&self.config, id, leaving));
        self.rib.set_quota(id, crate::limits::quota(&self.config, id));
        self.busy = true;
    }

    /// Forgets what was known of a peer, all but its connections on their way out.
    fn vacate(&mut self, id: PeerId) {
        let alarms = [Alarm::Stale(id), Alarm::Refresh(id), Alarm::Held(id), Alarm::Reopen(id)];
        alarms.into_iter().for_each(|alarm| self.alarms.set(alarm, None));
        let known = &mut self.peers[id.index()];
        (known.present, known.going) = (false, true);
        (known.retained, known.held_until) = (Retained::default(), None);
        self.rib.remove_peer(id);
        self.ledger.purge(id);
        self.dirty = true;
        self.busy = true;
        self.record.ask(Output::Gone(id));
    }

    /// Whether a place can be given to another peer.
    fn is_vacant(&self, id: PeerId) -> bool {
        let known = &self.peers[id.index()];
        let families = [Family::IPV4_UNICAST, Family::IPV6_UNICAST];
        let routes = families.map(|family| self.rib.counts(id, family).received);
        !known.present && !known.going && !known.connected() && routes == [0, 0]
    }

    /// A connection is gone, or kept routes are. A peer that came by its range goes with the last, unless
    /// it is closed for its prefixes: it would come back as another that never announced too many.
    pub(crate) fn leave_if_dynamic(&mut self, now: Instant, id: PeerId) {
        let known = &self.peers[id.index()];
        let closed = known.standing.closed.is_some();
        let gone = !known.connected() && !known.retained.any() && !closed;
        if self.config.peers[id.index()].dynamic && known.present && gone {
            self.remove_peer(now, id);
        }
    }
}
