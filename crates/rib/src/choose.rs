//! From a changed route to the new best one, and from there to whom it concerns.

use pathvane_wire::PeerKind;

use crate::decide::{Contender, Contenders, Rank, decide};
use crate::group::Subject;
use crate::queue::Lane;
use crate::rib::Rib;
use crate::table::{Entry, Route};
use crate::{Best, PeerId, Reason, Step};

/// What a shortcut says about the best route.
enum Shortcut {
    /// It stays.
    Keeps,
    /// The route at this place is better than all.
    Wins(usize),
    /// All routes have to be compared.
    Compare,
}

impl Rib {
    /// Decides after the route at `at` was put in, or one was taken out (`None`), which was not the
    /// best one. `old_rank` is the last one of the route that is gone.
    pub(crate) fn settle(
        &mut self,
        id: u32,
        before: Option<Route>,
        at: Option<usize>,
        old_rank: Option<Rank>,
    ) {
        match self.shortcut(id, before, at, old_rank) {
            Shortcut::Keeps => {}
            Shortcut::Wins(at) => {
                self.table.set_best(id, Some(at));
                self.publish(id, before, false);
            }
            Shortcut::Compare => self.settle_anew(id, before),
        }
    }

    /// Compares a new route with the best one alone, where that is enough: a route that differs
    /// from the best one before MED is compared has no influence but to win or lose.
    fn shortcut(
        &self,
        id: u32,
        before: Option<Route>,
        at: Option<usize>,
        old_rank: Option<Rank>,
    ) -> Shortcut {
        let Some(best) = before.and_then(|best| self.rank(id, &best)) else {
            return Shortcut::Compare;
        };
        if old_rank == Some(best) {
            return Shortcut::Compare;
        }
        let new = at.and_then(|at| Some((at, self.rank(id, &self.table.route(id, at))?)));
        match new {
            Some((at, rank)) if rank > best => Shortcut::Wins(at),
            Some((_, rank)) if rank == best => Shortcut::Compare,
            _ => Shortcut::Keeps,
        }
    }

    /// Decides among all routes.
    pub(crate) fn settle_anew(&mut self, id: u32, before: Option<Route>) {
        let winner = decide(self.contenders(id), self.config.always_compare_med, |_, _| {});
        self.table.set_best(id, winner.map(|(winner, _)| winner.at));
        self.publish(id, before, false);
    }

    /// Decides among all routes, and tells internal peers even if the same route is best: its degree
    /// of preference may be another.
    pub(crate) fn settle_preference(&mut self, id: u32) {
        let before = self.table.best(id);
        let winner = decide(self.contenders(id), self.config.always_compare_med, |_, _| {});
        self.table.set_best(id, winner.map(|(winner, _)| winner.at));
        self.publish(id, before, true);
    }

    pub(crate) fn contenders(&self, id: u32) -> Contenders {
        let routes = self.table.routes(id).enumerate();
        routes.filter_map(|(at, route)| self.contender(id, at, &route)).collect()
    }

    fn contender(&self, id: u32, at: usize, route: &Route) -> Option<Contender> {
        let rank = self.rank(id, route)?;
        let summary = self.sets.summary(route.set);
        let (peer_id, address, external) = match self.peer(route.peer) {
            Some(peer) => (peer.id, peer.address, peer.kind == PeerKind::External),
            None => (self.config.id, core::net::Ipv4Addr::UNSPECIFIED.into(), true),
        };
        Some(Contender {
            at,
            rank,
            neighbor_as: summary.neighbor_as,
            med: summary.med().unwrap_or(0),
            external,
            id: summary.originator().unwrap_or(peer_id).0,
            clusters: summary.clusters,
            address,
            path_id: route.path_id,
        })
    }

    /// What the first steps compare; `None` if the route is not feasible.
    pub(crate) fn rank(&self, id: u32, route: &Route) -> Option<Rank> {
        let feasible = self.sets.is_reachable(route.set) && self.is_alive(id, route);
        self.last_rank(id, route).filter(|_| feasible)
    }

    /// What the first steps may have compared when the prefix was last decided about: session and
    /// next hop of the route may be gone since.
    pub(crate) fn last_rank(&self, id: u32, route: &Route) -> Option<Rank> {
        route.meta.is_candidate().then(|| {
            let summary = self.sets.summary(route.set);
            Rank {
                local: route.peer == PeerId::LOCAL,
                preference: self.preference(id, route),
                path_len: core::cmp::Reverse(summary.path_len),
                origin: core::cmp::Reverse(summary.origin),
            }
        })
    }

    /// Why a route is not feasible, if it is not; policy is not looked at.
    pub(crate) fn infeasible(&self, id: u32, route: &Route) -> Option<Reason> {
        let summary = self.sets.summary(route.set);
        if !self.is_alive(id, route) {
            Some(Reason::SessionGone)
        } else if summary.has_as_loop() {
            Some(Reason::AsLoop)
        } else if summary.has_cluster_loop() {
            Some(Reason::ClusterLoop)
        } else if !self.sets.is_reachable(route.set) {
            Some(Reason::NextHopUnreachable)
        } else {
            None
        }
    }

    /// The degree of preference (RFC 4271 section 9.1.1), with the offset of measurement.
    pub(crate) fn preference(&self, id: u32, route: &Route) -> u32 {
        let own = self.sets.summary(route.set).local_pref();
        own.unwrap_or(self.config.default_preference).saturating_add_signed(self.offset(id, route))
    }

    /// What measurement adds to the degree of preference of a route.
    pub(crate) fn offset(&self, id: u32, route: &Route) -> i32 {
        match self.peer(route.peer) {
            Some(peer) if !peer.offsets.is_empty() && self.in_zone(id) => {
                peer.offset(&self.table.prefix(id))
            }
            _ => 0,
        }
    }

    pub(crate) fn subject(&self, id: u32, route: &Route) -> Subject {
        Subject {
            set: route.set,
            prefix: self.table.prefix(id),
            preference: self.preference(id, route),
        }
    }

    pub(crate) fn best_view(&self, id: u32, route: &Route) -> Best {
        Best {
            peer: route.peer,
            next_hop: self.sets.next_hop(route.set),
            preference: self.preference(id, route),
            med: self.sets.summary(route.set).med(),
        }
    }

    /// The best route and the step that decided for it.
    pub(crate) fn step(&self, id: u32) -> Step {
        let decided = decide(self.contenders(id), self.config.always_compare_med, |_, _| {});
        decided.map_or(Step::Only, |(_, step)| step)
    }

    /// Tells those concerned that the best route was `before`. `anew`: its degree of preference may
    /// have changed, though it is the same route.
    pub(crate) fn publish(&mut self, id: u32, before: Option<Route>, anew: bool) {
        let after = self.table.best(id);
        let same = match (&before, &after) {
            (Some(b), Some(a)) => (b.set, b.peer, b.path_id) == (a.set, a.peer, a.path_id),
            (None, None) => true,
            _ => false,
        };
        if same && !anew {
            return;
        }
        if self.table.entry(id).has(Entry::WATCHED) {
            let old = before.map(|route| self.best_view(id, &route));
            self.changes.note(self.table.prefix(id), old);
        }
        let before = before.map(|route| (route.peer, self.subject(id, &route)));
        let after = after.map(|route| (route.peer, self.subject(id, &route)));
        for at in 0..self.groups.len() {
            self.enqueue(at, id, before.as_ref(), after.as_ref(), anew);
        }
    }

    /// Puts a prefix into the queue of a group, unless that is told the same as before.
    fn enqueue(
        &mut self,
        at: usize,
        id: u32,
        before: Option<&(PeerId, Subject)>,
        after: Option<&(PeerId, Subject)>,
        anew: bool,
    ) {
        let speaker = self.speaker();
        let Some(group) = &mut self.groups[at] else { return };
        let entry = self.table.entry(id);
        if !group.key.families.contains(crate::peer::FAMILIES[usize::from(entry.is_v6())]) {
            return;
        }
        let service = entry.has(Entry::SERVICE);
        let queued = group.queue.contains(id);
        let from = |side: Option<&(PeerId, Subject)>| {
            side.map(|(peer, _)| *peer).filter(|peer| group.members.contains(peer))
        };
        let same_source = from(before) == from(after);
        let mut hash = |subject: &Subject| {
            group.exported(&mut self.sets, subject, speaker).0.map(|exported| exported.hash)
        };
        let told = after.and_then(|(_, subject)| hash(subject));
        if told.is_none() {
            let holds = |peer: &PeerId| {
                let session = self.peers.get(peer.index()).and_then(Option::as_ref);
                session.and_then(|p| p.session.as_ref()).is_some_and(|s| s.held.contains(id))
            };
            if group.members.iter().any(holds) {
                group.queue.push(id, if service { Lane::ServiceWithdraw } else { Lane::Withdraw });
            }
            return;
        }
        let was = before.and_then(|(_, subject)| hash(subject));
        if anew || queued || was != told || !same_source {
            group.queue.push(id, if service { Lane::ServiceAnnounce } else { Lane::Announce });
        }
    }
}
