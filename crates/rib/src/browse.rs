//! Looking at routes: explanations and pages of the tables.

use alloc::borrow::Cow;
use alloc::vec::Vec;

use ipnet::IpNet;
use pathvane_wire::{Attrs, Family, NextHop};

use crate::decide::decide;
use crate::group::GroupKey;
use crate::multipath::Equals;
use crate::rib::Rib;
use crate::table::{Entry, Route};
use crate::{
    Advertised, Best, Candidate, Cursor, Explain, Outcome, Page, PeerId, Reason, RouteView,
    Sharing, Step,
};

/// Entries looked at for one page.
const MOST_LOOKS: u32 = 16_384;

/// How much the RIB holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Prefixes, those that peers have yet to be told the withdrawal of included.
    pub prefixes: u32,
    /// Attribute sets.
    pub attribute_sets: u32,
    /// Octets of prefixes, routes and index.
    pub route_bytes: usize,
    /// Octets of attribute sets.
    pub attribute_bytes: usize,
    /// Octets of what peers hold and of what is pending for them.
    pub peer_bytes: usize,
}

impl Rib {
    /// How much the RIB holds.
    pub fn totals(&self) -> Totals {
        let held = self.peers.iter().flatten().filter_map(|peer| peer.session.as_ref());
        let queued = self.groups.iter().flatten().map(|group| group.queue.bytes());
        Totals {
            prefixes: self.table.prefixes(),
            attribute_sets: self.sets.in_use(),
            route_bytes: self.table.bytes(),
            attribute_bytes: self.sets.bytes(),
            peer_bytes: held.map(|session| session.held.bytes()).sum::<usize>()
                + queued.sum::<usize>(),
        }
    }

    /// The best route of a prefix.
    pub fn best(&self, prefix: &IpNet) -> Option<Best> {
        let id = self.find(prefix)?;
        self.table.best(id).map(|route| self.best_view(id, &route))
    }

    /// All routes of a prefix, and what became of each in the Decision Process; `None` if there are
    /// none.
    pub fn explain(&self, prefix: &IpNet) -> Option<Explain> {
        let id = self.find(prefix).filter(|id| self.table.entry(*id).count() > 0)?;
        let mut lost: Vec<(usize, Step)> = Vec::new();
        let always = self.config.always_compare_med;
        let winner = decide(self.contenders(id), always, |c, step| lost.push((c.at, step)));
        let outcome = |at: usize, route: &Route| match winner {
            Some((winner, step)) if winner.at == at => Outcome::Best(step),
            _ => match lost.iter().find(|(loser, _)| *loser == at) {
                Some((_, step)) => Outcome::Lost(*step),
                None => Outcome::NotFeasible(self.reason(id, route)),
            },
        };
        let sharing = self.shared(id);
        let mut candidates: Vec<Candidate> = self
            .table
            .routes(id)
            .enumerate()
            .map(|(at, route)| Candidate {
                outcome: outcome(at, &route),
                route: self.route_view(id, &route),
                sharing: sharing.iter().find(|(equal, _)| *equal == at).map(|(_, it)| *it),
            })
            .collect();
        candidates.sort_by_key(|candidate| {
            let (class, step) = match candidate.outcome {
                Outcome::Best(_) => (0, None),
                Outcome::Lost(step) => (1, Some(core::cmp::Reverse(step))),
                Outcome::NotFeasible(_) => (2, None),
            };
            (class, step, candidate.route.peer, candidate.route.path_id)
        });
        Some(Explain { prefix: prefix.trunc(), candidates })
    }

    /// The equal routes of an entry, if there are several and multipath is on. One that would share the
    /// traffic with nobody is left out.
    fn shared(&self, id: u32) -> Equals {
        let several = self.is_multipath() && self.table.entry(id).count() > 1;
        let mut equals = if several { self.equals(id) } else { Equals::new() };
        let shares = |it: &(usize, Sharing)| it.1 == Sharing::Shares;
        if equals.iter().filter(|it| shares(it)).count() < 2 {
            equals.retain(|it| !shares(it));
        }
        equals
    }

    /// Whether a route of an entry shares its traffic with others.
    fn shares(&self, id: u32, route: &Route) -> bool {
        let shared = self.shared(id);
        let mut sharing = shared.iter().filter(|(_, sharing)| *sharing == Sharing::Shares);
        sharing.any(|(at, _)| self.table.route(id, *at) == *route)
    }

    /// Why a route is not feasible.
    fn reason(&self, id: u32, route: &Route) -> Reason {
        if let Some(reason) = self.infeasible(id, route) {
            return reason;
        }
        let policy = self.peer(route.peer).and_then(|peer| peer.config.import.as_ref());
        let Some(policy) = policy else { return Reason::NoImportPolicy };
        let base = self.sets.base(route.set);
        let received = (Cow::Owned(self.sets.decode(base)), self.sets.next_hop(base).addr);
        let bitmap = policy.bitmap(&self.table.prefix(id), route.peer);
        // If it accepts, the policy is new, and the route not judged by it yet.
        let ruling = policy.rule(received, bitmap, self.speaker());
        let term = ruling.err().flatten().map(Into::into);
        Reason::Rejected { policy: policy.name().into(), term }
    }

    fn route_view(&self, id: u32, route: &Route) -> RouteView {
        let v6 = self.table.entry(id).is_v6();
        RouteView {
            prefix: self.table.prefix(id),
            peer: route.peer,
            path_id: route.path_id,
            attrs: self.sets.decode(route.set),
            next_hop: self.sets.next_hop(route.set),
            preference: self.preference(id, route),
            offset: self.offset(id, route),
            accepted: route.meta.is_candidate(),
            best: self.table.best(id) == Some(*route),
            shares: self.shares(id, route),
            stale: self.peer(route.peer).is_some_and(|peer| peer.is_stale(route, v6)),
        }
    }

    /// What the peer holds for a prefix: what it was last told, if nothing is pending for it.
    pub fn advertised(&self, peer: PeerId, prefix: &IpNet) -> Option<Advertised> {
        let id = self.find(prefix)?;
        self.advertised_paths(peer, id).into_iter().next()
    }

    /// What the peer holds of an entry, the best route first.
    fn advertised_paths(&self, peer: PeerId, id: u32) -> Vec<Advertised> {
        let (Some(session), Some(terms)) = (self.session(peer), self.terms(peer)) else {
            return Vec::new();
        };
        if !session.held.contains(id) {
            return Vec::new();
        }
        let prefix = self.table.prefix(id);
        let pending = self.is_pending_for(peer, id, Family::of(&prefix));
        let told =
            self.held_paths(peer, session, id, terms).into_iter().filter_map(|(path_id, route)| {
                let (next_hop, attrs) = self.export_route(peer, id, &route, terms).ok()?;
                Some(Advertised { prefix, path_id, attrs, next_hop, pending })
            });
        told.collect()
    }

    /// Why a peer is not told about a prefix; `None` if it is, or if there is no best route.
    pub fn not_advertised(&self, peer: PeerId, prefix: &IpNet) -> Option<Reason> {
        let id = self.find(prefix)?;
        self.table.best(id)?;
        let over = self.session(peer)?.withheld.contains(id);
        let refused = self.export_of(peer, id, self.terms(peer)?).err();
        refused.or(over.then_some(Reason::OverQuota))
    }

    /// What a peer is to be told about the best route of an entry, on the terms of a group.
    pub(crate) fn export_of(
        &self,
        peer: PeerId,
        id: u32,
        group: &GroupKey,
    ) -> Result<(NextHop, Attrs), Reason> {
        let best = self.table.best(id).ok_or(Reason::SessionGone)?;
        self.export_route(peer, id, &best, group)
    }

    /// What a peer is to be told about one route of an entry, on the terms of a group.
    fn export_route(
        &self,
        peer: PeerId,
        id: u32,
        best: &Route,
        group: &GroupKey,
    ) -> Result<(NextHop, Attrs), Reason> {
        let Some(known) = self.peer(peer) else { return Err(Reason::SessionGone) };
        if best.peer == peer {
            return Err(Reason::FromThisPeer);
        }
        let service = self.table.entry(id).has(Entry::SERVICE);
        let directive = known.directives.get(&self.table.prefix(id)).filter(|_| service);
        let attrs = self.sets.decode(best.set);
        let subject = self.subject(id, best, group);
        let exported = group.export(&attrs, &self.sets, &subject, self.speaker(), directive)?;
        if exported.0.addr == known.address {
            return Err(Reason::NextHopIsPeer);
        }
        Ok(exported)
    }

    /// The terms on which a peer is told routes.
    fn terms(&self, peer: PeerId) -> Option<&GroupKey> {
        Some(&self.groups[self.session(peer)?.group].as_ref()?.key)
    }

    /// A page of the routes that a peer announced, accepted or not; [`PeerId::LOCAL`]: our own.
    pub fn adj_rib_in(&self, peer: PeerId, from: Cursor, limit: usize) -> Page<RouteView> {
        self.page(from, limit, |id, items| {
            let theirs = self.table.routes(id).filter(|route| route.peer == peer);
            items.extend(theirs.map(|route| self.route_view(id, &route)));
        })
    }

    /// A page of the best routes.
    pub fn loc_rib(&self, from: Cursor, limit: usize) -> Page<RouteView> {
        self.page(from, limit, |id, items| {
            items.extend(self.table.best(id).map(|route| self.route_view(id, &route)));
        })
    }

    /// A page of what a peer was told.
    pub fn adj_rib_out(&self, peer: PeerId, from: Cursor, limit: usize) -> Page<Advertised> {
        self.page(from, limit, |id, items| items.extend(self.advertised_paths(peer, id)))
    }

    fn page<T>(
        &self,
        from: Cursor,
        limit: usize,
        mut visit: impl FnMut(u32, &mut Vec<T>),
    ) -> Page<T> {
        let mut items = Vec::new();
        let end = self.table.slots().min(from.0.saturating_add(MOST_LOOKS));
        let mut next = from.0;
        while next < end && items.len() < limit {
            if self.table.entry(next).is_used() {
                visit(next, &mut items);
            }
            next += 1;
        }
        Page { items, next: (next < self.table.slots()).then_some(Cursor(next)) }
    }
}
