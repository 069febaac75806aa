//! The prefixes and the routes that each of them has.

use core::hash::{BuildHasher, Hasher};
use core::net::{Ipv4Addr, Ipv6Addr};

use foldhash::fast::FixedState;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use smallvec::SmallVec;

use crate::PeerId;
use crate::store::{Index, Run, Runs, Slab};

/// The most routes of one prefix.
pub(crate) const MAX_ROUTES: usize = u16::MAX as usize;

/// Prefixes that are looked up together, so that their cache misses overlap.
pub(crate) const BATCH: usize = 32;

/// One route of a prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Route {
    /// The attribute set after import policy; as received, if policy rejected it.
    pub(crate) set: u32,
    pub(crate) peer: PeerId,
    pub(crate) meta: Meta,
    pub(crate) path_id: u32,
}

/// The generation of the session that a route came from, and whether it is a candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Meta(u16);

impl Meta {
    const CANDIDATE: u16 = 1 << 8;

    pub(crate) const fn new(generation: u8, candidate: bool) -> Meta {
        Meta(generation as u16 | if candidate { Meta::CANDIDATE } else { 0 })
    }

    pub(crate) const fn generation(self) -> u8 {
        self.0 as u8
    }

    pub(crate) const fn with_candidate(self, candidate: bool) -> Meta {
        Meta::new(self.generation(), candidate)
    }

    /// Accepted by import policy, and free of loops.
    pub(crate) const fn is_candidate(self) -> bool {
        self.0 & Meta::CANDIDATE != 0
    }
}

/// A prefix. 20 octets; see the ADR on the layout.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    first_set: u32,
    first_peer: PeerId,
    first_meta: Meta,
    /// If there are further routes, or path identifiers.
    tail: Run,
    /// The IPv4 address, or the place of the IPv6 one.
    address: u32,
    count: u16,
    len: u8,
    flags: u8,
}

const _: () = assert!(size_of::<Entry>() == 20);

impl Entry {
    /// The number is in use.
    const USED: u8 = 1;
    const V6: u8 = 2;
    /// The routes have path identifiers: three words each, after that of the first route.
    const PATH_IDS: u8 = 4;
    /// The first route is the best one, and feasible.
    const BEST: u8 = 8;
    /// The prefix is in the zone.
    pub(crate) const ZONE: u8 = 16;
    /// The prefix is inside a service.
    pub(crate) const SERVICE: u8 = 32;
    /// Changes of its best route are told.
    pub(crate) const WATCHED: u8 = 64;

    pub(crate) const fn is_used(&self) -> bool {
        self.flags & Entry::USED != 0
    }

    pub(crate) const fn is_v6(&self) -> bool {
        self.flags & Entry::V6 != 0
    }

    pub(crate) const fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// Those of `mask` that it has.
    pub(crate) const fn flags_in(&self, mask: u8) -> u8 {
        self.flags & mask
    }

    /// Set and peer of the best route, if any is feasible.
    pub(crate) fn best(&self) -> Option<(u32, PeerId)> {
        self.has(Entry::BEST).then_some((self.first_set, self.first_peer))
    }

    /// The set of the first route, if there is one.
    pub(crate) const fn first_set(&self) -> u32 {
        self.first_set
    }

    /// How many routes it has.
    pub(crate) const fn count(&self) -> usize {
        self.count as usize
    }

    /// The only route, if it is this peer's, and the prefix is outside the zone and without path
    /// identifiers.
    pub(crate) fn sole(&self, peer: PeerId) -> Option<Route> {
        let plain = self.count == 1 && self.flags & (Entry::PATH_IDS | Entry::ZONE) == 0;
        (plain && self.first_peer == peer).then(|| self.first(0))
    }

    const fn first(&self, path_id: u32) -> Route {
        Route { set: self.first_set, peer: self.first_peer, meta: self.first_meta, path_id }
    }

    const fn has_path_ids(&self) -> bool {
        self.flags & Entry::PATH_IDS != 0
    }

    /// Words in the run.
    const fn words(&self) -> usize {
        let further = (self.count as usize).saturating_sub(1);
        if self.has_path_ids() { 1 + 3 * further } else { 2 * further }
    }
}

fn is(entries: &Slab<Entry>, v6: &Slab<[u8; 16]>, id: u32, prefix: &IpNet) -> bool {
    let entry = &entries[id];
    entry.len == prefix.prefix_len()
        && match prefix {
            IpNet::V4(net) => entry.address == net.addr().to_bits(),
            IpNet::V6(net) => v6[entry.address] == net.addr().octets(),
        }
}

/// All prefixes of both families.
#[derive(Debug)]
pub(crate) struct Table {
    entries: Slab<Entry>,
    v6: Slab<[u8; 16]>,
    runs: Runs,
    index: [Index; 2],
    hasher: FixedState,
}

impl Table {
    pub(crate) fn new(seed: u64) -> Table {
        Table {
            entries: Slab::new(),
            v6: Slab::new(),
            runs: Runs::default(),
            index: [Index::new(), Index::new()],
            hasher: FixedState::with_seed(seed),
        }
    }

    pub(crate) fn hash(&self, prefix: &IpNet) -> u64 {
        let mut hasher = self.hasher.build_hasher();
        match prefix {
            IpNet::V4(net) => {
                hasher
                    .write_u64(u64::from(net.addr().to_bits()) << 8 | u64::from(net.prefix_len()));
            }
            IpNet::V6(net) => {
                hasher.write_u128(net.addr().to_bits());
                hasher.write_u8(net.prefix_len());
            }
        }
        hasher.finish()
    }

    fn index_of(prefix: &IpNet) -> usize {
        usize::from(matches!(prefix, IpNet::V6(_)))
    }

    /// Reads where searches for prefixes with these families and hashes begin, so that the searches
    /// find it in the cache.
    ///
    /// Nothing is done with what is read, so the processor need not wait for one miss to ask for the
    /// next.
    pub(crate) fn touch(&self, searches: impl Iterator<Item = (bool, u64)>) {
        let slot = |(v6, hash): (bool, u64)| self.index[usize::from(v6)].first_slot(hash);
        core::hint::black_box(searches.fold(0, |read, search| read ^ slot(search)));
    }

    /// Reads entries ahead of time in the same way.
    pub(crate) fn touch_entries(&self, ids: impl Iterator<Item = u32>) {
        core::hint::black_box(ids.fold(0, |read, id| read ^ self.entries[id].first_set));
    }

    /// The entry that is likely found, from where a search begins.
    pub(crate) fn early(&self, hash: u64, prefix: &IpNet) -> Option<u32> {
        self.index[Table::index_of(prefix)].early(hash)
    }

    pub(crate) fn find(&self, hash: u64, prefix: &IpNet) -> Option<u32> {
        self.index[Table::index_of(prefix)].find(hash, |id| self.is(id, prefix))
    }

    /// Whether the entry is of this prefix.
    pub(crate) fn is(&self, id: u32, prefix: &IpNet) -> bool {
        is(&self.entries, &self.v6, id, prefix)
    }

    /// The entry of a prefix, and whether it was added just now, without routes.
    pub(crate) fn find_or_insert(&mut self, hash: u64, prefix: &IpNet) -> (u32, bool) {
        let Table { entries, v6, index, .. } = self;
        let next = entries.next();
        let index = &mut index[Table::index_of(prefix)];
        if let Some(id) = index.find_or_insert(hash, next, |id| is(entries, v6, id, prefix)) {
            return (id, false);
        }
        let (address, family) = match prefix {
            IpNet::V4(net) => (net.addr().to_bits(), 0),
            IpNet::V6(net) => (v6.insert(net.addr().octets()), Entry::V6),
        };
        let id = entries.insert(Entry {
            first_set: 0,
            first_peer: PeerId::LOCAL,
            first_meta: Meta(0),
            tail: 0,
            address,
            count: 0,
            len: prefix.prefix_len(),
            flags: Entry::USED | family,
        });
        debug_assert_eq!(id, next);
        (id, true)
    }

    /// Gives a prefix without routes its first one, which has no path identifier.
    pub(crate) fn set_first(&mut self, id: u32, route: &Route, best: bool) {
        let entry = &mut self.entries[id];
        debug_assert!(entry.count == 0 && route.path_id == 0);
        entry.first_set = route.set;
        entry.first_peer = route.peer;
        entry.first_meta = route.meta;
        entry.count = 1;
        entry.flags |= if best { Entry::BEST } else { 0 };
    }

    /// Takes the only route of a prefix out, which has no path identifier. Returns whether it was
    /// the best one.
    pub(crate) fn take_sole(&mut self, id: u32) -> bool {
        let entry = &mut self.entries[id];
        debug_assert!(entry.count == 1 && !entry.has_path_ids());
        entry.count = 0;
        let best = entry.has(Entry::BEST);
        entry.flags &= !Entry::BEST;
        best
    }

    /// Removes prefixes that have no routes; one may be listed twice.
    pub(crate) fn remove(&mut self, ids: &[u32]) {
        for some in ids.chunks(BATCH) {
            let used = some.iter().filter(|id| self.entries[**id].is_used());
            let hashed: SmallVec<[(u32, u64); BATCH]> =
                used.map(|id| (*id, self.hash(&self.prefix(*id)))).collect();
            self.touch(hashed.iter().map(|(id, hash)| (self.entries[*id].is_v6(), *hash)));
            for (id, hash) in hashed {
                self.remove_one(id, hash);
            }
        }
    }

    fn remove_one(&mut self, id: u32, hash: u64) {
        let entry = &mut self.entries[id];
        if !entry.is_used() {
            return;
        }
        debug_assert_eq!(entry.count, 0);
        let v6 = entry.is_v6();
        entry.flags = 0;
        if v6 {
            self.v6.release(entry.address);
        }
        self.index[usize::from(v6)].remove(hash, id);
        self.entries.release(id);
    }

    pub(crate) fn entry(&self, id: u32) -> &Entry {
        &self.entries[id]
    }

    /// Entry numbers are below this.
    pub(crate) const fn slots(&self) -> u32 {
        self.entries.slots()
    }

    /// Prefixes held.
    pub(crate) const fn prefixes(&self) -> u32 {
        self.entries.in_use()
    }

    pub(crate) fn prefix(&self, id: u32) -> IpNet {
        let entry = &self.entries[id];
        // A length that was once part of a prefix is valid.
        if entry.is_v6() {
            let address = Ipv6Addr::from(self.v6[entry.address]);
            IpNet::V6(Ipv6Net::new_assert(address, entry.len))
        } else {
            IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::from_bits(entry.address), entry.len))
        }
    }

    pub(crate) fn set_flag(&mut self, id: u32, flag: u8, on: bool) {
        let flags = &mut self.entries[id].flags;
        *flags = if on { *flags | flag } else { *flags & !flag };
    }

    /// The best route, if any is feasible.
    #[inline]
    pub(crate) fn best(&self, id: u32) -> Option<Route> {
        self.entries[id].has(Entry::BEST).then(|| self.route(id, 0))
    }

    /// Puts the route at `at` first, as the best one; `None`: there is none.
    pub(crate) fn set_best(&mut self, id: u32, at: Option<usize>) {
        if let Some(at @ 1..) = at {
            let (first, other) = (self.route(id, 0), self.route(id, at));
            self.set_route(id, 0, other);
            self.set_route(id, at, first);
        }
        self.set_flag(id, Entry::BEST, at.is_some());
    }

    /// The routes, the best one first.
    pub(crate) fn routes(&self, id: u32) -> impl Iterator<Item = Route> + '_ {
        (0..self.entries[id].count()).map(move |at| self.route(id, at))
    }

    #[inline]
    pub(crate) fn route(&self, id: u32, at: usize) -> Route {
        let entry = &self.entries[id];
        match at {
            0 if !entry.has_path_ids() => entry.first(0),
            0 => entry.first(self.runs.words(entry.tail, entry.words())[0]),
            _ => self.further(entry, at),
        }
    }

    /// The route at `at`, which is not the first place.
    fn further(&self, entry: &Entry, at: usize) -> Route {
        let wide = entry.has_path_ids();
        let words = self.runs.words(entry.tail, entry.words());
        if wide {
            let word = 1 + 3 * (at - 1);
            unpacked(words[word], words[word + 1], words[word + 2])
        } else {
            let word = 2 * (at - 1);
            unpacked(words[word], words[word + 1], 0)
        }
    }

    /// Replaces the route at `at`; the path identifier must not be new to the prefix.
    pub(crate) fn set_route(&mut self, id: u32, at: usize, route: Route) {
        let entry = &mut self.entries[id];
        let words: &mut [u32] = match entry.words() {
            0 => &mut [],
            len => self.runs.words_mut(entry.tail, len),
        };
        if at == 0 {
            entry.first_set = route.set;
            entry.first_peer = route.peer;
            entry.first_meta = route.meta;
            if entry.has_path_ids() {
                words[0] = route.path_id;
            }
        } else if entry.has_path_ids() {
            let word = 1 + 3 * (at - 1);
            words[word..word + 3].copy_from_slice(&[route.set, packed(route), route.path_id]);
        } else {
            let word = 2 * (at - 1);
            words[word..word + 2].copy_from_slice(&[route.set, packed(route)]);
        }
    }

    /// The place of a peer's route.
    pub(crate) fn find_route(&self, id: u32, peer: PeerId, path_id: u32) -> Option<usize> {
        let entry = &self.entries[id];
        if entry.count == 1 && !entry.has_path_ids() {
            return (entry.first_peer == peer && path_id == 0).then_some(0);
        }
        self.routes(id).position(|r| r.peer == peer && r.path_id == path_id)
    }

    /// Adds a route at the end.
    pub(crate) fn push_route(&mut self, id: u32, route: Route) {
        if route.path_id != 0 && !self.entries[id].has_path_ids() {
            self.add_path_ids(id);
        }
        let before = self.entries[id];
        self.entries[id].count += 1;
        self.refit(id, before);
        self.set_route(id, before.count(), route);
    }

    /// Takes a route out; the last one takes its place. Returns it.
    pub(crate) fn remove_route(&mut self, id: u32, at: usize) -> Route {
        let removed = self.route(id, at);
        let before = self.entries[id];
        let last = before.count() - 1;
        let moved = self.route(id, last);
        if last == 1 && !before.has_path_ids() {
            let entry = &mut self.entries[id];
            if at == 0 {
                (entry.first_set, entry.first_peer) = (moved.set, moved.peer);
                entry.first_meta = moved.meta;
            }
            (entry.count, entry.tail) = (1, 0);
            self.runs.release(before.tail, before.words());
            return removed;
        }
        self.set_route(id, at, moved);
        let entry = &mut self.entries[id];
        entry.count -= 1;
        if entry.count == 0 {
            entry.flags &= !Entry::PATH_IDS;
        }
        self.refit(id, before);
        removed
    }

    fn add_path_ids(&mut self, id: u32) {
        let routes: SmallVec<[Route; 8]> = self.routes(id).collect();
        let before = self.entries[id];
        self.entries[id].flags |= Entry::PATH_IDS;
        self.refit(id, before);
        for (at, route) in routes.into_iter().enumerate() {
            self.set_route(id, at, route);
        }
    }

    /// Moves the run to a class that fits, if it does not any more; keeps the words that both have.
    fn refit(&mut self, id: u32, before: Entry) {
        let (old, new) = (before.words(), self.entries[id].words());
        if old > 0 && new > 0 && Runs::fits(old, new) {
            return;
        }
        let run = if new > 0 { self.runs.take(new) } else { 0 };
        let kept = old.min(new);
        if kept > 0 {
            let words: SmallVec<[u32; 32]> = self.runs.words(before.tail, old)[..kept].into();
            self.runs.words_mut(run, new)[..kept].copy_from_slice(&words);
        }
        if old > 0 {
            self.runs.release(before.tail, old);
        }
        self.entries[id].tail = run;
    }

    /// Octets held.
    pub(crate) fn bytes(&self) -> usize {
        self.entries.bytes()
            + self.v6.bytes()
            + self.runs.bytes()
            + self.index.iter().map(Index::bytes).sum::<usize>()
    }

    /// Runs in use.
    #[cfg(test)]
    pub(crate) fn runs_in_use(&self) -> u32 {
        self.runs.in_use()
    }
}

const fn packed(route: Route) -> u32 {
    (route.peer.0 as u32) << 16 | route.meta.0 as u32
}

const fn unpacked(set: u32, peer_meta: u32, path_id: u32) -> Route {
    Route { set, peer: PeerId((peer_meta >> 16) as u16), meta: Meta(peer_meta as u16), path_id }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;

    fn route(peer: u16, set: u32, path_id: u32) -> Route {
        Route {
            set,
            peer: PeerId(peer),
            meta: Meta::new(peer as u8, set.is_multiple_of(2)),
            path_id,
        }
    }

    fn added(table: &mut Table, prefix: &str) -> u32 {
        let prefix: IpNet = prefix.parse().unwrap();
        let hash = table.hash(&prefix);
        table.find_or_insert(hash, &prefix).0
    }

    #[test]
    fn prefixes_of_both_families_are_found_and_forgotten() {
        let mut table = Table::new(1);
        let texts = ["10.0.0.0/8", "10.0.0.0/9", "0.0.0.0/0", "::/0", "2001:db8::/32"];
        let ids: Vec<u32> = texts.iter().map(|text| added(&mut table, text)).collect();
        for (text, id) in texts.iter().zip(&ids) {
            let prefix: IpNet = text.parse().unwrap();
            assert_eq!(table.find(table.hash(&prefix), &prefix), Some(*id));
            assert_eq!(table.prefix(*id), prefix);
        }
        table.remove(&[ids[0], ids[1], ids[0]]);
        table.remove(&ids[2..]);
        let prefix: IpNet = "::/0".parse().unwrap();
        assert_eq!((table.find(table.hash(&prefix), &prefix), table.prefixes()), (None, 0));
    }

    #[test]
    fn routes_survive_growth_path_identifiers_and_removal_in_any_order() {
        for with_path_ids in [false, true] {
            let mut table = Table::new(1);
            let id = added(&mut table, "10.0.0.0/8");
            let mut model = Vec::new();
            for n in 0..40_u16 {
                let path_id = if with_path_ids && n >= 5 { u32::from(n) + 1 } else { 0 };
                let new = route(n, u32::from(n) * 3, path_id);
                table.push_route(id, new);
                model.push(new);
                assert_eq!(table.routes(id).collect::<Vec<_>>(), model);
            }
            assert_eq!(table.find_route(id, PeerId(7), model[7].path_id), Some(7));
            assert_eq!(table.find_route(id, PeerId(7), 99), None);
            table.set_best(id, Some(11));
            model.swap(0, 11);
            assert_eq!(table.best(id), Some(model[0]));
            while !model.is_empty() {
                let at = model.len() * 7 / 11;
                assert_eq!(table.remove_route(id, at), model.swap_remove(at));
                assert_eq!(table.routes(id).collect::<Vec<_>>(), model);
            }
            assert_eq!(table.runs_in_use(), 0);
        }
    }
}
