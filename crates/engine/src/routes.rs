//! How sessions and services look to the routes, and what routes mean to the kernel.

use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};

use ipnet::IpNet;
use pathvane_clock::Instant;
use pathvane_rib::{OriginAttrs, Outcome, PeerId, PeerUp};
use pathvane_session::Negotiated;
use pathvane_wire::Community;

use crate::config::{Condition, Config};
use crate::engine::{Alarm, Engine};
use crate::event::EventKind;
use crate::ids::ServiceId;
use crate::io::Output;

/// What the routes need to know of an Established session.
pub(crate) fn peer_up(
    config: &Config,
    id: PeerId,
    terms: &Negotiated,
    local: Option<SocketAddr>,
) -> PeerUp {
    let peer = &config.peers[id.index()];
    let ours = [peer.next_hop_v4, peer.next_hop_v6, local.map(|local| local.ip())];
    let v4 = ours.iter().flatten().find_map(|ip| match ip {
        IpAddr::V4(v4) => Some(*v4),
        IpAddr::V6(_) => None,
    });
    let v6 = ours.iter().flatten().find_map(|ip| match ip {
        IpAddr::V6(v6) => Some(*v6),
        IpAddr::V4(_) => None,
    });
    PeerUp {
        asn: terms.remote_asn,
        id: terms.remote_id,
        address: peer.address,
        families: terms.families,
        encode: terms.encode,
        local_v4: v4,
        local_v6: v6,
        local_link: None,
        enhanced_refresh: terms.enhanced_refresh,
        knows_long_lived: terms.knows_long_lived,
    }
}

impl Engine {
    /// Tells the routes which prefixes are steered and watched, and originates probe sources.
    pub(crate) fn set_up_routes(&mut self) {
        let steered: Vec<_> = self.ledger.steered().iter().map(|steered| steered.prefix).collect();
        self.rib.set_services(&steered);
        let reach = self.config.services.iter().flat_map(|service| &service.reach).copied();
        let announced = self.config.services.iter().flat_map(|service| &service.announce);
        let learned = announced.filter(|a| matches!(a.condition, Condition::PeerRoute(_)));
        let watched: Vec<_> = reach.chain(learned.map(|announce| announce.prefix)).collect();
        self.rib.watch(&watched);
        for path in &self.config.paths {
            self.rib.originate(IpNet::from(path.probe_source), &OriginAttrs::default());
        }
    }

    /// Follows changes of the Loc-RIB into the kernel and into conditions on peers' routes.
    pub(crate) fn follow_routes(&mut self, now: Instant) {
        if self.deferring {
            return;
        }
        while let Some(change) = self.rib.poll_change() {
            if self.acts() {
                let equals;
                let sharing = match self.config.multipath {
                    0 | 1 => change.new.as_slice(),
                    _ => {
                        equals = self.rib.multipath(&change.prefix);
                        &equals[..]
                    }
                };
                let output = self.forward.changed(&self.config, change.prefix, sharing);
                output.into_iter().for_each(|output| self.record.ask(output));
            }
            self.check_peer_routes(now, &change.prefix);
        }
        if !self.busy {
            let record = &mut self.record;
            self.forward.settled(&self.config, |output| record.ask(output));
        }
        if core::mem::take(&mut self.dirty) {
            self.steer(now);
        }
    }

    /// Law 4 for prefixes that are announced because a peer announces them.
    fn check_peer_routes(&mut self, now: Instant, prefix: &IpNet) {
        let mut found = Vec::new();
        for service in self.config.service_ids() {
            let announced = self.config.services[service.index()].announce.iter().enumerate();
            for (nth, announce) in announced.filter(|(_, announce)| announce.prefix == *prefix) {
                if let Condition::PeerRoute(peer) = announce.condition {
                    found.push((service, nth, peer));
                }
            }
        }
        for (service, nth, peer) in found {
            let holds = self.rib.explain(prefix).is_some_and(|explain| {
                explain.candidates.iter().any(|candidate| {
                    // What is kept for long is not true any more (law 4).
                    candidate.route.peer == peer
                        && !matches!(candidate.outcome, Outcome::NotFeasible(_))
                        && !candidate.route.attrs.communities.contains(&Community::LLGR_STALE)
                })
            });
            self.set_condition(now, service, nth, holds);
        }
    }

    /// The kernel or an interface made a prefix true or false: it is ours to originate (law 4).
    pub(crate) fn handle_condition(
        &mut self,
        now: Instant,
        service: ServiceId,
        nth: usize,
        holds: bool,
    ) {
        let Some(announce) = self.config.services[service.index()].announce.get(nth) else {
            return;
        };
        if matches!(announce.condition, Condition::PeerRoute(_)) {
            return;
        }
        let prefix = announce.prefix;
        if self.set_condition(now, service, nth, holds) {
            if holds {
                self.rib.originate(prefix, &OriginAttrs::default());
            } else {
                self.rib.withdraw_origin(prefix);
            }
            self.busy = true;
        }
    }

    fn set_condition(&mut self, now: Instant, service: ServiceId, nth: usize, holds: bool) -> bool {
        if !self.steers[service.index()].set_holds(nth, holds) {
            return false;
        }
        let prefix = self.config.services[service.index()].announce[nth].prefix;
        self.record.event(now, EventKind::Condition { service, prefix, holds });
        self.dirty = true;
        true
    }

    /// An instance's health changed.
    pub(crate) fn handle_health(
        &mut self,
        now: Instant,
        service: ServiceId,
        nth: usize,
        healthy: bool,
    ) {
        if !self.steers[service.index()].set_healthy(nth, healthy) {
            return;
        }
        let check = &self.config.services[service.index()].checks[nth];
        let (check, region) = (check.name.clone(), check.region.clone());
        self.record.event(now, EventKind::Health { service, check, region, healthy });
        self.dirty = true;
    }

    /// A peer has told all it has of some families: nothing stale is left of them. When every session that speaks for a
    /// path has, the kernel's routes of an earlier run can be pruned (law 10).
    pub(crate) fn end_of_rib(&mut self, id: PeerId) {
        self.end_retention(id, self.rib.end_of_rib_received(id));
        self.end_deferral_if_complete();
        let mut speakers = self.config.paths.iter().flat_map(|path| &path.announce_via);
        if speakers.all(|&peer| self.has_told_all(peer)) {
            self.sync_fib();
        }
    }

    /// Whether End-of-RIB came for every family of the peer's session.
    pub(crate) fn has_told_all(&self, id: PeerId) -> bool {
        let ended = self.rib.end_of_rib_received(id);
        let session = &self.peers[id.index()].session;
        session.established().is_some_and(|(_, terms)| terms.families & ended == terms.families)
    }

    /// Lets the shell prune what an earlier run left behind, once.
    pub(crate) fn sync_fib(&mut self) {
        self.alarms.set(Alarm::Prune, None);
        if !core::mem::replace(&mut self.fib_synced, true) && self.acts() {
            self.record.ask(Output::FibSynced);
        }
    }
}
