//! The doors through which steering enters: our own routes, directives, offsets, next hops.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use pathvane_wire::{Attrs, NextHop};

use crate::changes::Noted;
use crate::net_set::NetSet;
use crate::peer::Peer;
use crate::rib::Rib;
use crate::table::{Entry, Meta, Route};
use crate::work::Task;
use crate::{Change, Directive, OriginAttrs, PeerId, Step};

impl Rib {
    /// Originates a route, or replaces what was originated for the prefix before. It beats every
    /// peer's route for this prefix, and needs an export policy like any other.
    pub fn originate(&mut self, prefix: IpNet, attrs: &OriginAttrs) {
        let prefix = prefix.trunc();
        let attrs = Attrs {
            origin: attrs.origin,
            med: attrs.med,
            communities: attrs.communities.iter().copied().collect(),
            large_communities: attrs.large_communities.iter().copied().collect(),
            ..Attrs::default()
        };
        let nowhere = match prefix {
            IpNet::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            IpNet::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        };
        let set = self.sets.local(&attrs, NextHop::from(nowhere));
        self.sets.hold(set);
        let hash = self.table.hash(&prefix);
        let (id, new) = self.table.find_or_insert(hash, &prefix);
        if new {
            self.place(id, &prefix);
        }
        let at = self.table.find_route(id, PeerId::LOCAL, 0);
        let meta = Meta::new(0, true);
        self.put(id, at, Route { set, peer: PeerId::LOCAL, meta, path_id: 0 });
    }

    /// Stops originating a route.
    pub fn withdraw_origin(&mut self, prefix: IpNet) {
        if let Some(id) = self.find(&prefix)
            && let Some(at) = self.table.find_route(id, PeerId::LOCAL, 0)
        {
            self.take(id, at);
            self.reap_done();
        }
    }

    /// Says which prefixes belong to services: these and those inside them. They are sent and swept
    /// before others, and [`Rib::direct`] holds for them. Routes that are there already are found
    /// by [`Rib::work`].
    pub fn set_services(&mut self, nets: &[IpNet]) {
        let services = NetSet::from(nets);
        if self.zone.services != services {
            self.zone.services = services;
            self.zone_changed();
        }
    }

    /// Says of which prefixes [`Rib::poll_change`] tells: these and those inside them. For routes
    /// that are best already, a change from nothing is told as [`Rib::work`] finds them.
    pub fn watch(&mut self, nets: &[IpNet]) {
        let watched = NetSet::from(nets);
        if self.zone.watched != watched {
            self.zone.watched = watched;
            self.zone_changed();
        }
    }

    fn zone_changed(&mut self) {
        self.zone.version = self.zone.version.wrapping_add(1);
        if self.table.prefixes() > 0 {
            self.start(Task::Rezone);
        }
    }

    /// The next change of a watched prefix, if any: each prefix once, with the newest state.
    ///
    /// What [`crate::Best`] does not show is no change: not a longer AS path to the same next hop.
    pub fn poll_change(&mut self) -> Option<Change> {
        loop {
            let (prefix, Noted { old, candidates }) = self.changes.pop()?;
            let id = self.find(&prefix);
            let best = id.and_then(|id| Some((id, self.table.best(id)?)));
            let new = best.map(|(id, route)| self.best_view(id, &route));
            if new != old || candidates || self.is_multipath() {
                let step = id.map_or(Step::Only, |id| self.step(id));
                return Some(Change { prefix, old, new, step, candidates });
            }
        }
    }

    /// Whether [`Rib::poll_change`] may have something.
    pub fn has_changes(&self) -> bool {
        !self.changes.is_empty()
    }

    /// Says what one peer is told about one prefix, after export policy and beside it; `None`
    /// leaves it to policy again. Holds while the prefix is inside a service, for our own routes
    /// and learned ones alike, and survives sessions. Nobody else is told anything.
    pub fn direct(&mut self, peer: PeerId, prefix: IpNet, directive: Option<Directive>) {
        let prefix = prefix.trunc();
        let Some(known) = self.peer_mut(peer) else { return };
        let old = match directive.clone() {
            Some(directive) => known.directives.insert(prefix, directive),
            None => known.directives.remove(&prefix),
        };
        if old == directive {
            return;
        }
        if let Some(id) = self.find(&prefix)
            && self.table.entry(id).has(Entry::SERVICE)
            && let Some(session) = self.session_mut(peer)
        {
            session.urgent.insert(id);
        }
    }

    /// Adds `offset` to the degree of preference of the peer's routes inside each net of `reach`,
    /// after import policy; 0 takes it away. Where nets of different calls overlap, the longest
    /// counts. Bounded by [`crate::RibConfig::preference_bound`].
    ///
    /// Only prefixes inside `reach` are decided about again, by [`Rib::work`] and before its other
    /// tasks.
    pub fn set_preference(&mut self, peer: PeerId, reach: &[IpNet], offset: i32) {
        let bound = i32::try_from(self.config.preference_bound).unwrap_or(i32::MAX);
        let offset = offset.clamp(-bound, bound);
        let Some(known) = self.peer_mut(peer) else { return };
        let changed: alloc::vec::Vec<IpNet> =
            reach.iter().map(IpNet::trunc).filter(|net| known.set_offset(*net, offset)).collect();
        if changed.is_empty() {
            return;
        }
        let before = self.zone.steered.clone();
        self.zone.steered.extend(&changed);
        if self.zone.steered != before {
            self.zone_changed();
        }
        self.start(Task::Preference(changed));
    }

    /// Says whether a next hop is reachable; all are until said otherwise. Routes to one that is
    /// not are not feasible. Prefixes concerned are found by [`Rib::work`].
    pub fn set_next_hop_reachable(&mut self, next_hop: IpAddr, reachable: bool) {
        if self.sets.set_reachable(next_hop, reachable) {
            self.start(Task::NextHop(next_hop));
        }
    }
}

impl Peer {
    /// Sets the offset of one net; false if it was that before.
    fn set_offset(&mut self, net: IpNet, offset: i32) -> bool {
        let at = self.offsets.iter().position(|(known, _)| *known == net);
        let old = at.map_or(0, |at| self.offsets[at].1);
        match (at, offset) {
            (Some(at), 0) => {
                self.offsets.swap_remove(at);
            }
            (Some(at), offset) => self.offsets[at].1 = offset,
            (None, 0) => {}
            (None, offset) => self.offsets.push((net, offset)),
        }
        old != offset
    }
}
