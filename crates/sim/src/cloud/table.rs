//! What one router learned from its peer, and how that changes.

use std::collections::{BTreeMap, VecDeque};

use ipnet::IpNet;
use pathvane_clock::Instant;
use pathvane_session::Sink;
use pathvane_wire::{
    Asn, Attrs, Community, DecodeContext, Disposition, Family, FamilySet, NextHop, Notification,
    Origin, RefreshSubtype, RouteRefresh, UpdateView,
};

/// A route as the emulated router compares it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Route {
    /// MED as received; a missing one counts as 0, the best there is.
    pub med: u32,
    /// Length of AS_PATH (RFC 4271 section 9.1.2.2).
    pub as_path_len: usize,
    /// ORIGIN.
    pub origin: Origin,
    /// Where the peer wants the traffic.
    pub next_hop: NextHop,
    /// It has the community GRACEFUL_SHUTDOWN, which the product does not heed.
    pub graceful_shutdown: bool,
}

impl Route {
    fn new(attrs: &Attrs, next_hop: NextHop) -> Self {
        Self {
            graceful_shutdown: attrs.communities.contains(&Community::GRACEFUL_SHUTDOWN),
            med: attrs.med.unwrap_or(0),
            as_path_len: attrs.as_path.len(),
            origin: attrs.origin,
            next_hop,
        }
    }
}

/// A change of one prefix in what a router knows.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Change {
    /// When the router knew.
    pub at: Instant,
    /// The prefix.
    pub prefix: IpNet,
    /// The route now; `None` if there is none any more.
    pub route: Option<Route>,
    /// What made it change.
    pub cause: Cause,
}

/// What made a route change.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cause {
    /// An UPDATE announced or withdrew it.
    Update,
    /// The session ended in a way that graceful restart does not cover.
    SessionDown,
    /// The peer came back and did not announce it again.
    NotRenewed,
    /// The peer did not come back in its restart time.
    RestartTimeOver,
}

/// Adj-RIB-In of one session.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) now: Instant,
    own_asn: Asn,
    limit: usize,
    /// A route, and whether it is stale (RFC 4724).
    routes: BTreeMap<IpNet, (Route, bool)>,
    changes: VecDeque<Change>,
    /// Families whose End-of-RIB has just come.
    complete: FamilySet,
    /// Families that the peer wants to hear again.
    refresh: FamilySet,
    /// The peer sent more than we take.
    pub(super) overflowed: bool,
}

impl Table {
    pub(super) fn new(own_asn: Asn, limit: usize) -> Self {
        Self {
            now: Instant::ZERO,
            own_asn,
            limit,
            routes: BTreeMap::new(),
            changes: VecDeque::new(),
            complete: FamilySet::EMPTY,
            refresh: FamilySet::EMPTY,
            overflowed: false,
        }
    }

    pub(super) fn pop_change(&mut self) -> Option<Change> {
        self.changes.pop_front()
    }

    pub(super) fn routes(&self) -> impl Iterator<Item = (&IpNet, &Route, bool)> {
        self.routes.iter().map(|(prefix, (route, stale))| (prefix, route, *stale))
    }

    pub(super) fn has_stale(&self) -> bool {
        self.routes.values().any(|(_, stale)| *stale)
    }

    /// Marks all routes of `families` as stale and removes all others; what was stale before
    /// goes, too: a second failure is one too many (RFC 4724 section 4.2).
    pub(super) fn retain_as_stale(&mut self, families: FamilySet) {
        self.remove(Cause::SessionDown, |family, stale| stale || !families.contains(family));
        for (_, stale) in self.routes.values_mut() {
            *stale = true;
        }
    }

    /// Removes every route that `which` picks by family and staleness.
    pub(super) fn remove(&mut self, cause: Cause, which: impl Fn(Family, bool) -> bool) {
        let picked = |(prefix, (_, stale)): (&IpNet, &(Route, bool))| {
            which(Family::of(prefix), *stale).then_some(*prefix)
        };
        let gone: Vec<_> = self.routes.iter().filter_map(picked).collect();
        for prefix in gone {
            self.withdraw(prefix, cause);
        }
    }

    /// The families completed since the last call.
    pub(super) fn take_complete(&mut self) -> FamilySet {
        std::mem::take(&mut self.complete)
    }

    /// The families that the peer asked for since the last call.
    pub(super) fn take_refresh(&mut self) -> FamilySet {
        std::mem::take(&mut self.refresh)
    }

    fn withdraw(&mut self, prefix: IpNet, cause: Cause) {
        if self.routes.remove(&prefix).is_some() {
            self.changes.push_back(Change { at: self.now, prefix, route: None, cause });
        }
    }

    fn announce(&mut self, prefix: IpNet, route: Route) {
        let old = self.routes.insert(prefix, (route.clone(), false));
        if old.is_none_or(|(old, _)| old != route) {
            let cause = Cause::Update;
            self.changes.push_back(Change { at: self.now, prefix, route: Some(route), cause });
        }
    }
}

impl Sink for Table {
    fn update(
        &mut self,
        update: &UpdateView<'_>,
        context: &DecodeContext,
    ) -> Result<(), Notification> {
        for nlri in update.withdrawn() {
            self.withdraw(nlri.prefix, Cause::Update);
        }
        if let Some(family) = update.end_of_rib() {
            self.complete.insert(family);
        }
        for reach in update.reaches() {
            let checked = update.attrs().check(context);
            let usable = checked.disposition() < Disposition::TreatAsWithdraw
                && !checked.attrs.as_path.contains(self.own_asn);
            let route = Route::new(&checked.attrs, reach.next_hop);
            for nlri in reach.nlri {
                match usable {
                    true => self.announce(nlri.prefix, route.clone()),
                    false => self.withdraw(nlri.prefix, Cause::Update),
                }
            }
            if self.routes.len() > self.limit {
                self.overflowed = true;
                let limit = u32::try_from(self.limit).unwrap_or(u32::MAX);
                return Err(Notification::max_prefixes(reach.family, limit));
            }
        }
        Ok(())
    }

    fn route_refresh(&mut self, refresh: RouteRefresh) {
        if refresh.subtype == RefreshSubtype::Request {
            self.refresh.insert(refresh.family);
        }
    }
}
