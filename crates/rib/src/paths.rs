//! Several routes of a prefix for one peer (RFC 7911).
//!
//! A peer is told the best routes in the order in which the Decision Process would choose them if
//! those before were not there, one of each source at most. A route's path identifier follows from its
//! source alone, so it stays the same as long as there is a route of that source. What the peer holds
//! is one bit per prefix and source.

use smallvec::SmallVec;

use crate::PeerId;
use crate::decide::decide;
use crate::group::GroupKey;
use crate::peer::{FAMILIES, Session};
use crate::rib::Rib;
use crate::round::Round;
use crate::table::{Entry, Route};
use crate::transmit::Outlet;

/// The path identifier of routes of a source; never 0.
fn path_id(source: PeerId) -> u32 {
    u32::from(source.0) + 1
}

/// The routes that a peer is told, by path identifier.
type Wanted<T> = SmallVec<[(u32, T); 4]>;

impl Rib {
    /// Puts an entry into the queues of groups that are told several routes: one of its routes changed.
    pub(crate) fn requeue_paths(&mut self, id: u32) {
        if !self.sends_paths {
            return;
        }
        for at in 0..self.groups.len() {
            let family = FAMILIES[usize::from(self.table.entry(id).is_v6())];
            if self.groups[at].as_ref().is_some_and(|group| group.key.sends_paths(family)) {
                self.push_paths(at, id);
            }
        }
    }

    /// Puts an entry into the queue of a group that is told several routes.
    pub(crate) fn push_paths(&mut self, at: usize, id: u32) {
        let entry = self.table.entry(id);
        let lane = self.lane(entry.has(Entry::SERVICE), entry.best().is_none());
        self.push(at, id, lane);
    }

    /// The routes of an entry that a peer may be told, best first: one of each other source.
    pub(crate) fn ranked(&self, peer: PeerId, id: u32) -> SmallVec<[Route; 4]> {
        let mut left = self.contenders(id);
        let mut ranked = SmallVec::new();
        while let Some((winner, _)) =
            decide(left.clone(), self.config.always_compare_med, |_, _| {})
        {
            let route = self.table.route(id, winner.at);
            left.retain(|other| self.table.route(id, other.at).peer != route.peer);
            if route.peer != peer {
                ranked.push(route);
            }
        }
        ranked
    }

    /// Puts into the round all that a peer has to be told about the routes of an entry; false if
    /// nothing of it fits. What belongs to one prefix is not torn apart.
    pub(crate) fn offer_paths(&mut self, outlet: &mut Outlet, id: u32, round: &mut Round) -> bool {
        let v6 = self.table.entry(id).is_v6();
        let held = outlet.session.held.contains(id);
        let wanted = self.wanted_paths(outlet, id, round);
        let withheld = !wanted.is_empty() && !held && self.is_over_quota(outlet, id, v6);
        outlet.session.note_withheld(id, v6, withheld);
        if withheld {
            return true;
        }
        let (prefix, max_len) = (self.table.prefix(id), outlet.session.up.encode.max_len);
        let gone = outlet.session.paths_of(id);
        let gone = gone.into_iter().filter(|path| wanted.iter().all(|(other, _)| other != path));
        let mut begun = false;
        for path in gone {
            if !round.withdraw_path(path, prefix, max_len, begun) {
                return false;
            }
            outlet.session.drop_path(id, path);
            begun = true;
        }
        for (path, at) in &wanted {
            let told = outlet.session.has_path(id, *path);
            if !round.announce_path(*at, *path, prefix, max_len, (id, told), begun) {
                return false;
            }
            outlet.session.keep_path(id, *path);
            begun = true;
        }
        match wanted.is_empty() {
            false => outlet.hold(id, v6, &self.table),
            true if held => {
                outlet.let_go(id, v6, &self.table);
                self.done.push(id);
            }
            true => {}
        }
        true
    }

    /// The paths that a peer is to hold of an entry, with the buckets of what it is told.
    fn wanted_paths(&mut self, outlet: &mut Outlet, id: u32, round: &mut Round) -> Wanted<usize> {
        let most = usize::from(outlet.group.key.paths());
        let service = self.table.entry(id).has(Entry::SERVICE);
        let mut wanted = Wanted::new();
        for route in self.ranked(outlet.peer, id) {
            if wanted.len() == most {
                break;
            }
            if let Some(at) = self.bucket_of(outlet, id, &route, service, round) {
                wanted.push((path_id(route.peer), at));
            }
        }
        wanted
    }

    /// The routes of an entry that a peer holds, by path identifier.
    pub(crate) fn held_paths(
        &self,
        peer: PeerId,
        session: &Session,
        id: u32,
        key: &GroupKey,
    ) -> Wanted<Route> {
        let family = FAMILIES[usize::from(self.table.entry(id).is_v6())];
        if !key.sends_paths(family) {
            return self.table.best(id).map(|route| (0, route)).into_iter().collect();
        }
        let ranked = self.ranked(peer, id).into_iter();
        let held = ranked.map(|route| (path_id(route.peer), route));
        held.filter(|(path, _)| session.has_path(id, *path)).collect()
    }
}

impl Session {
    /// The paths of an entry that the peer holds.
    fn paths_of(&self, id: u32) -> SmallVec<[u32; 8]> {
        let holding = self.paths.iter().filter(|(_, entries)| entries.contains(id));
        holding.map(|(path, _)| *path).collect()
    }

    pub(crate) fn has_path(&self, id: u32, path: u32) -> bool {
        self.paths.get(&path).is_some_and(|entries| entries.contains(id))
    }

    fn keep_path(&mut self, id: u32, path: u32) {
        self.paths.entry(path).or_default().insert(id);
    }

    /// The peer holds a path no more; whether it holds another one of the entry.
    pub(crate) fn drop_path(&mut self, id: u32, path: u32) -> bool {
        if let Some(entries) = self.paths.get_mut(&path) {
            entries.remove(id);
        }
        !self.paths_of(id).is_empty()
    }
}
