//! From a changed route to the new best one, and from there to whom it concerns.

use pathvane_wire::PeerKind;
use smallvec::SmallVec;

use crate::decide::{Contender, Contenders, Rank, decide};
use crate::group::{GroupKey, Subject};
use crate::peer::FAMILIES;
use crate::queue::Lane;
use crate::rib::Rib;
use crate::table::{Entry, Route};
use crate::{Best, PeerId, Reason, Step};

/// What a run of routes with one set comes to for each group.
pub(crate) type Told = SmallVec<[ToldFirst; 8]>;

/// What a group is told of a route for a prefix that was not there before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ToldFirst {
    Nothing,
    Something,
    /// That depends on the prefix, or on the sender.
    ByBitmap,
}

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
        let winner = self.winner(id);
        self.table.set_best(id, winner);
        self.publish(id, before, false);
    }

    /// Decides among all routes, and tells internal peers even if the same route is best: its degree
    /// of preference may be another.
    pub(crate) fn settle_preference(&mut self, id: u32) {
        let before = self.table.best(id);
        let winner = self.winner(id);
        self.table.set_best(id, winner);
        self.publish(id, before, true);
    }

    /// The place of the best route.
    fn winner(&self, id: u32) -> Option<usize> {
        match self.table.entry(id).count() {
            0 => return None,
            1 => return self.is_feasible(id, &self.table.route(id, 0)).then_some(0),
            _ => {}
        }
        if let Some(alone) = self.highest(id) {
            return alone;
        }
        let decided = decide(self.contenders(id), self.config.always_compare_med, |_, _| {});
        decided.map(|(winner, _)| winner.at)
    }

    /// The place of the route that the first steps leave alone, or `None` of none that is feasible;
    /// no answer if they leave several.
    fn highest(&self, id: u32) -> Option<Option<usize>> {
        let mut best: Option<(usize, Rank)> = None;
        let mut shared = false;
        for (at, route) in self.table.routes(id).enumerate() {
            let Some(rank) = self.rank(id, &route) else { continue };
            match best {
                Some((_, highest)) if rank < highest => {}
                Some((_, highest)) if rank == highest => shared = true,
                _ => (best, shared) = (Some((at, rank)), false),
            }
        }
        (!shared).then_some(best.map(|(at, _)| at))
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

    /// Whether the route can be used (RFC 4271 section 9.1.2).
    fn is_feasible(&self, id: u32, route: &Route) -> bool {
        route.meta.is_candidate() && self.sets.is_reachable(route.set) && self.is_alive(id, route)
    }

    /// What the first steps compare; `None` if the route is not feasible.
    pub(crate) fn rank(&self, id: u32, route: &Route) -> Option<Rank> {
        self.last_rank(id, route).filter(|_| self.is_feasible(id, route))
    }

    /// What the first steps may have compared when the prefix was last decided about: session and
    /// next hop of the route may be gone since.
    pub(crate) fn last_rank(&self, id: u32, route: &Route) -> Option<Rank> {
        route.meta.is_candidate().then(|| {
            let summary = self.sets.summary(route.set);
            Rank {
                local: route.peer == PeerId::LOCAL,
                fresh: !summary.is_long_lived(),
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

    /// A route as export to a group sees it. External peers are not told its degree of preference.
    pub(crate) fn subject(&self, id: u32, route: &Route, group: &GroupKey) -> Subject {
        let preference = match group.encode.peer {
            PeerKind::Internal => self.preference(id, route),
            PeerKind::External => 0,
        };
        Subject {
            set: route.set,
            serial: self.sets.serial(route.set),
            preference,
            v6: self.table.entry(id).is_v6(),
            originator: self.reflected_originator(route, group),
            bitmap: group.bitmap(|| self.table.prefix(id), route.peer),
        }
    }

    /// The BGP Identifier that reflection to a group adds to a route (RFC 4456 section 8); 0: none.
    fn reflected_originator(&self, route: &Route, group: &GroupKey) -> u32 {
        if !group.reflects(self.sets.source(route.set)) {
            return 0;
        }
        match self.sets.summary(route.set).originator() {
            Some(_) => 0,
            None => self.peer(route.peer).map_or(0, |peer| peer.id.0),
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
        self.note_change(id, before, false);
        for at in 0..self.groups.len() {
            self.enqueue(at, id, before, after, anew);
        }
    }

    /// Notes that the best route of a watched prefix is no longer `before`, or that a candidate has
    /// come or gone.
    #[inline]
    pub(crate) fn note_change(&mut self, id: u32, before: Option<Route>, candidates: bool) {
        if self.table.entry(id).has(Entry::WATCHED) {
            let old = before.map(|route| self.best_view(id, &route));
            self.changes.note(self.table.prefix(id), old, candidates);
        }
    }

    /// Puts a prefix that was not there before into the queues. `told` holds what that comes to for
    /// the set and family of the route, and is filled in if it is empty.
    pub(crate) fn enqueue_first(&mut self, id: u32, route: Route, told: &mut Told) {
        if told.is_empty() {
            *told = (0..self.groups.len()).map(|at| self.told_first(at, id, &route)).collect();
        }
        for (at, told) in told.iter().enumerate() {
            match told {
                ToldFirst::Nothing => {}
                ToldFirst::Something => self.push(at, id, self.lane(false, false)),
                ToldFirst::ByBitmap => self.enqueue(at, id, None, Some(route), false),
            }
        }
    }

    /// Puts a prefix outside the zone, whose only route was its best one and is gone, into the queues
    /// of those who have been told it. Returns whether there are any.
    pub(crate) fn enqueue_last(&mut self, id: u32) -> bool {
        let family = FAMILIES[usize::from(self.table.entry(id).is_v6())];
        let mut any = false;
        for at in 0..self.groups.len() {
            let Some(group) = self.groups[at].as_mut() else { continue };
            group.shared.forget();
            if group.key.families.contains(family) && self.concerns(at, id) {
                self.push(at, id, self.lane(false, true));
                any = true;
            }
        }
        any
    }

    fn told_first(&mut self, at: usize, id: u32, route: &Route) -> ToldFirst {
        let family = FAMILIES[usize::from(self.table.entry(id).is_v6())];
        let group = self.groups[at].as_ref().filter(|group| !group.is_only(route.peer));
        let key = group.map(|group| &group.key);
        match key.filter(|key| key.families.contains(family)) {
            None => ToldFirst::Nothing,
            Some(key) if key.is_by_bitmap() => ToldFirst::ByBitmap,
            Some(_) => match self.told(at, id, route) {
                Some(_) => ToldFirst::Something,
                None => ToldFirst::Nothing,
            },
        }
    }

    /// Puts a prefix into the queue of a group, unless that is told the same as before.
    fn enqueue(
        &mut self,
        at: usize,
        id: u32,
        before: Option<Route>,
        after: Option<Route>,
        anew: bool,
    ) {
        let entry = self.table.entry(id);
        let (service, family) = (entry.has(Entry::SERVICE), FAMILIES[usize::from(entry.is_v6())]);
        let Some(group) = self.groups[at].as_mut() else { return };
        if !group.key.families.contains(family) {
            return;
        }
        // What is queued may have been encoded as it was, even if nothing is queued anew.
        group.shared.forget();
        if group.key.sends_paths(family) {
            return self.push_paths(at, id);
        }
        // Nobody is told its own routes.
        let news = after.filter(|route| !group.is_only(route.peer));
        let Some(told) = news.and_then(|route| self.told(at, id, &route)) else {
            if self.concerns(at, id) {
                self.push(at, id, self.lane(service, true));
            }
            return;
        };
        let was = match before {
            Some(route)
                if !anew
                    && after.is_some_and(|after| self.may_be_told_alike(at, &route, &after))
                    && self.is_told_alike(at, &route, after)
                    && !self.is_resettling(at) =>
            {
                self.told(at, id, &route)
            }
            _ => None,
        };
        let queued = || self.groups[at].as_ref().is_some_and(|group| group.queue.contains(id));
        if was != Some(told) || queued() {
            self.push(at, id, self.lane(service, false));
        }
    }

    /// A hash of what a group is told of a route, if anything.
    fn told(&mut self, at: usize, id: u32, route: &Route) -> Option<u64> {
        let subject = self.subject(id, route, &self.groups[at].as_ref()?.key);
        let speaker = self.speaker();
        let group = self.groups[at].as_mut()?;
        let (exported, _) = group.exported(&mut self.sets, &subject, speaker);
        exported.map(|exported| exported.hash)
    }

    /// Whether export to a group can make the same of both routes. Policy cannot change ORIGIN, and
    /// changes AS paths in front only, by prepending our own AS number; or it rewrites them.
    fn may_be_told_alike(&self, at: usize, one: &Route, other: &Route) -> bool {
        let rewritten = self.groups[at].as_ref().is_some_and(|group| group.key.rewrites_paths());
        let (one, other) = (self.sets.summary(one.set), self.sets.summary(other.set));
        let foreign = |asn: u32| asn != 0 && asn != self.config.asn.0;
        let paths_differ = one.neighbor_as != other.neighbor_as || one.path_len != other.path_len;
        let both_foreign = foreign(one.neighbor_as) && foreign(other.neighbor_as);
        one.origin == other.origin && (rewritten || !(both_foreign && paths_differ))
    }

    /// Whether the same members of a group are told of both routes: all but the source.
    fn is_told_alike(&self, at: usize, before: &Route, after: Option<Route>) -> bool {
        let Some(group) = &self.groups[at] else { return true };
        let source = |peer: PeerId| Some(peer).filter(|peer| group.members.contains(peer));
        source(before.peer) == after.and_then(|after| source(after.peer))
    }

    /// Whether a member of a group may hold what it was told under other terms.
    fn is_resettling(&self, at: usize) -> bool {
        let members = self.groups[at].iter().flat_map(|group| &group.members);
        let mut sessions = members.filter_map(|peer| self.session(*peer));
        sessions.any(|session| session.former.is_some())
    }

    /// Whether a member of a group has been told a route for the entry, or is only kept from it.
    fn concerns(&self, at: usize, id: u32) -> bool {
        let members = self.groups[at].iter().flat_map(|group| &group.members);
        let mut sessions = members.filter_map(|peer| self.session(*peer));
        sessions.any(|session| session.held.contains(id) || session.withheld.contains(id))
    }

    /// Moves an entry that is queued to the lane that it belongs in now.
    pub(crate) fn requeue(&mut self, id: u32) {
        let best = self.table.best(id);
        for at in 0..self.groups.len() {
            if self.groups[at].as_ref().is_some_and(|group| group.queue.contains(id)) {
                self.enqueue(at, id, None, best, true);
            }
        }
    }

    /// Where a change of a prefix is queued.
    pub(crate) const fn lane(&self, service: bool, withdrawn: bool) -> Lane {
        match (service, withdrawn) {
            (true, true) => Lane::ServiceWithdraw,
            (true, false) => Lane::ServiceAnnounce,
            (false, _) if self.haste => Lane::Haste,
            (false, true) => Lane::Withdraw,
            (false, false) => Lane::Announce,
        }
    }

    pub(crate) fn push(&mut self, at: usize, id: u32, lane: Lane) {
        if let Some(group) = &mut self.groups[at] {
            group.queue.push(id, lane);
        }
    }
}
