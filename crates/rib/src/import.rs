//! Adj-RIB-In: taking in UPDATEs.

use alloc::borrow::Cow;
use alloc::sync::Arc;
use alloc::vec::Vec;

use ipnet::IpNet;
use pathvane_wire::{DecodeContext, Family, Fault, Nlri, NlriIter, PeerKind, UpdateView};
use smallvec::SmallVec;

use crate::choose::Told;
use crate::peer::{Peer, place_of};
use crate::rib::Rib;
use crate::sets::{Class, Interned};
use crate::table::{BATCH, Entry, MAX_ROUTES, Meta, Route};
use crate::{Faults, PeerId, Policy};

/// What import made of a set for one policy.
#[derive(Clone, Copy, Debug)]
struct Slot {
    policy: u32,
    set: (u32, u32),
    bitmap: u64,
    /// The set after policy, with its serial number; `None` if rejected.
    accepted: Option<(u32, u32)>,
}

/// Outcomes of import policies kept. Routes with one set come together.
const MEMO: usize = 512;

/// Remembers what import policies made of attribute sets.
#[derive(Debug, Default)]
pub(crate) struct ImportMemo {
    slots: Vec<Option<Slot>>,
    last_key: u32,
}

impl ImportMemo {
    /// The number that stands for a policy: that of a peer with an equal one, or a new one.
    pub(crate) fn key_of(&mut self, policy: Option<&Arc<Policy>>, peers: &[Option<Peer>]) -> u32 {
        let like = peers.iter().flatten().find(|peer| peer.config.import.as_ref() == policy);
        like.map_or_else(
            || {
                self.last_key += 1;
                self.last_key
            },
            |peer| peer.import_key,
        )
    }

    fn slot(&mut self, policy: u32, set: u32, bitmap: u64) -> &mut Option<Slot> {
        if self.slots.is_empty() {
            self.slots.resize(MEMO, None);
        }
        let mix = set ^ policy.rotate_left(20) ^ (bitmap as u32).rotate_left(8);
        &mut self.slots[mix as usize % MEMO]
    }
}

/// What import policy makes of a received set whatever the prefix.
#[derive(Clone, Copy, Debug)]
struct Judged {
    set: u32,
    meta: Meta,
    /// Whether a route with it is feasible now.
    feasible: bool,
}

impl Rib {
    /// Takes in an UPDATE of a peer whose session is up: stores and removes routes, and decides.
    ///
    /// Faulty attributes are handled as RFC 7606 wants and counted ([`Rib::faults`]); the strongest
    /// fault is returned. The session is not in question: what would end it, `UpdateView::parse`
    /// has refused.
    pub fn update(
        &mut self,
        peer: PeerId,
        update: &UpdateView<'_>,
        ctx: &DecodeContext,
    ) -> Option<Fault> {
        self.session(peer)?;
        let client = self.peer(peer)?.config.client;
        let mut worst = update.fault();
        self.withdraw(peer, update.withdrawn());
        for reach in update.reaches() {
            let raw = update.attrs();
            let fault = match self.sets.intern(raw, reach.next_hop, Class::received(ctx, client)) {
                Interned::Set(set, fault) => {
                    let v6 = reach.family == Family::IPV6_UNICAST;
                    self.announce(peer, set, v6, reach.nlri);
                    self.sets.release(set);
                    fault
                }
                Interned::Withdraw(fault) => {
                    self.withdraw(peer, reach.nlri);
                    fault
                }
            };
            worst = fault.into_iter().chain(worst).max_by_key(|fault| fault.disposition);
        }
        if let Some(family) = update.end_of_rib() {
            self.heard_end_of_rib(peer, family);
        }
        if let (Some(fault), Some(known)) = (worst, self.peer_mut(peer)) {
            known.faults.note(fault, update.attrs());
        }
        self.reap_done();
        worst
    }

    fn announce(&mut self, peer: PeerId, received: u32, v6: bool, nlri: NlriIter<'_>) {
        let judged = self.judged(peer, received, v6);
        let mut told = Told::new();
        self.in_batches(nlri, |rib, hash, found, nlri| {
            let (id, new) = match found {
                Some(id) => (id, false),
                None => rib.table.find_or_insert(hash, &nlri.prefix),
            };
            let plain = new && !rib.place(id, &nlri.prefix) && nlri.path_id == 0;
            match &judged {
                Some(judged) if plain => rib.receive_first(peer, id, judged, &mut told),
                judged => rib.receive(peer, id, nlri, received, judged.as_ref()),
            }
        });
        if let Some(judged) = judged {
            self.sets.release(judged.set);
        }
    }

    fn withdraw(&mut self, peer: PeerId, nlri: impl Iterator<Item = Nlri>) {
        self.in_batches(nlri, |rib, hash, found, nlri| {
            let Some(id) = found.or_else(|| rib.table.find(hash, &nlri.prefix)) else { return };
            let sole = rib.table.entry(id).sole(peer).filter(|_| nlri.path_id == 0);
            if let Some(route) = sole {
                rib.take_sole(id, &route);
            } else if let Some(at) = rib.table.find_route(id, peer, nlri.path_id) {
                rib.take(id, at);
            }
        });
    }

    /// Looks up prefixes some at a time, so that their cache misses overlap, and does something with
    /// each: its hash, and its entry if that is where a search for it begins.
    fn in_batches(
        &mut self,
        mut nlri: impl Iterator<Item = Nlri>,
        mut each: impl FnMut(&mut Rib, u64, Option<u32>, &Nlri),
    ) {
        let mut batch: SmallVec<[(u64, Option<u32>, Nlri); BATCH]> = SmallVec::new();
        loop {
            batch.clear();
            for nlri in nlri.by_ref().take(BATCH) {
                batch.push((self.table.hash(&nlri.prefix), None, nlri));
            }
            let is_v6 = |nlri: &Nlri| matches!(nlri.prefix, IpNet::V6(_));
            self.table.touch(batch.iter().map(|(hash, _, nlri)| (is_v6(nlri), *hash)));
            for (hash, found, nlri) in &mut batch {
                *found = self.table.early(*hash, &nlri.prefix);
            }
            self.table.touch_entries(batch.iter().filter_map(|(_, found, _)| *found));
            for (_, found, nlri) in &mut batch {
                *found = found.filter(|id| self.table.is(*id, &nlri.prefix));
            }
            let known = batch.iter().filter_map(|(_, found, _)| *found);
            self.sets.touch(known.map(|id| self.table.entry(id).first_set()));
            for (hash, found, nlri) in &batch {
                each(self, *hash, *found, nlri);
            }
            if batch.len() < BATCH {
                return;
            }
        }
    }

    /// Puts a new entry into the zone, if it belongs there.
    pub(crate) fn place(&mut self, id: u32, prefix: &IpNet) -> bool {
        let flags = self.zone.flags(prefix);
        if flags != 0 {
            self.table.set_flag(id, flags, true);
            self.zone.insert(prefix, id);
        }
        flags != 0
    }

    /// What import policy makes of a received set, if that is the same for all prefixes. The set is
    /// held once.
    fn judged(&mut self, peer: PeerId, received: u32, v6: bool) -> Option<Judged> {
        let known = self.peer(peer)?;
        if known.config.import.as_ref().is_some_and(|policy| policy.is_by_bitmap()) {
            return None;
        }
        let accepted = self.accepted(peer, 0, received);
        let (set, candidate) = (accepted.unwrap_or(received), accepted.is_some());
        self.sets.hold(set);
        let meta = self.peer(peer)?.meta(candidate, v6);
        Some(Judged { set, meta, feasible: candidate && self.sets.is_reachable(set) })
    }

    /// Stores the first route of a prefix that was not there, is not in the zone, and was told to
    /// nobody: what [`Rib::receive`] comes to then.
    fn receive_first(&mut self, peer: PeerId, id: u32, judged: &Judged, told: &mut Told) {
        let Judged { set, meta, feasible } = *judged;
        self.sets.hold(set);
        let route = Route { set, peer, meta, path_id: 0 };
        self.table.set_first(id, &route, feasible);
        self.count(id, &route, 1);
        if feasible {
            self.enqueue_first(id, route, told);
        }
    }

    /// Stores one route of a peer.
    fn receive(
        &mut self,
        peer: PeerId,
        id: u32,
        nlri: &Nlri,
        received: u32,
        judged: Option<&Judged>,
    ) {
        let path_id = nlri.path_id;
        let at = self.table.find_route(id, peer, path_id);
        if at.is_none() && !self.has_room(peer, id, path_id) {
            return;
        }
        let route = match judged {
            Some(Judged { set, meta, .. }) => {
                self.sets.hold(*set);
                Route { set: *set, peer, meta: *meta, path_id }
            }
            None => {
                let (set, candidate) = self.import(peer, &nlri.prefix, received);
                let v6 = self.table.entry(id).is_v6();
                let Some(known) = self.peer(peer) else { return };
                Route { set, peer, meta: known.meta(candidate, v6), path_id }
            }
        };
        match at {
            // Said again.
            Some(at) if self.table.route(id, at) == route => self.sets.release(route.set),
            at => self.put(id, at, route),
        }
    }

    fn has_room(&mut self, peer: PeerId, id: u32, path_id: u32) -> bool {
        let full = self.table.entry(id).count() >= MAX_ROUTES;
        let theirs = || self.table.routes(id).filter(|route| route.peer == peer).count();
        let many = full || (path_id != 0 && theirs() >= Faults::MAX_PATHS);
        if let (true, Some(known)) = (many, self.peer_mut(peer)) {
            known.faults.too_many_paths += 1;
        }
        !many
    }

    /// What import policy makes of a received set: the set to store, held once, and whether the
    /// route is a candidate.
    pub(crate) fn import(&mut self, peer: PeerId, prefix: &IpNet, received: u32) -> (u32, bool) {
        let policy = self.peer(peer).and_then(|known| known.config.import.as_ref());
        let bitmap = policy.map_or(0, |policy| policy.bitmap(prefix, peer));
        let accepted = self.accepted(peer, bitmap, received);
        let set = accepted.unwrap_or(received);
        self.sets.hold(set);
        (set, accepted.is_some())
    }

    /// The set that a peer's policy makes of `received`, where `bitmap` says which of its matches on
    /// prefix and sender hold; `None` if rejected.
    fn accepted(&mut self, peer: PeerId, bitmap: u64, received: u32) -> Option<u32> {
        let known = self.peers.get(peer.index())?.as_ref()?;
        if self.sets.summary(received).has_loop() {
            return None;
        }
        let Some(policy) = &known.config.import else {
            return (known.kind == PeerKind::Internal).then_some(received);
        };
        let key = known.import_key;
        let of = (received, self.sets.serial(received));
        let slot = self.imports.slot(key, received, bitmap);
        if let Some(slot) = slot
            && (slot.policy, slot.set, slot.bitmap) == (key, of, bitmap)
        {
            match slot.accepted {
                Some((set, serial)) if !self.sets.is_current(set, serial) => {}
                outcome => return outcome.map(|(set, _)| set),
            }
        }
        let policy = Arc::clone(policy);
        let set = self.rule(&policy, bitmap, received);
        let accepted = set.map(|set| (set, self.sets.serial(set)));
        *self.imports.slot(key, received, bitmap) =
            Some(Slot { policy: key, set: of, bitmap, accepted });
        set
    }

    /// The set that a policy makes of `received`; a new one is not held yet.
    fn rule(&mut self, policy: &Policy, bitmap: u64, received: u32) -> Option<u32> {
        let speaker = self.speaker();
        self.sets.warm(received);
        let attrs = self.sets.warmed(received);
        let next_hop = self.sets.next_hop(received).addr;
        let ruling = policy.rule((Cow::Borrowed(attrs), next_hop), bitmap, speaker);
        match ruling.map(|accepted| accepted.attrs) {
            Err(_) => None,
            Ok(Cow::Owned(changed)) if changed != *attrs => {
                Some(self.sets.derive(received, &changed))
            }
            Ok(_) => Some(received),
        }
    }

    /// Stores a route, whose set is held for it, in place of the one at `at` or beside the others,
    /// and decides.
    pub(crate) fn put(&mut self, id: u32, at: Option<usize>, route: Route) {
        let before = self.table.best(id);
        let Some(at) = at else {
            self.count(id, &route, 1);
            if route.meta.is_candidate() {
                self.note_change(id, before, true);
            }
            self.table.push_route(id, route);
            let at = self.table.entry(id).count() - 1;
            self.settle(id, before, Some(at), None);
            return self.requeue_paths(id);
        };
        let old = self.table.route(id, at);
        let was_alive = self.is_alive(id, &old);
        let old_rank = self.last_rank(id, &old);
        self.count(id, &old, -1);
        self.count(id, &route, 1);
        self.table.set_route(id, at, route);
        let same = (old.set, old.meta.is_candidate()) == (route.set, route.meta.is_candidate());
        if !(same && was_alive) {
            let other = !was_alive || old.meta.is_candidate() != route.meta.is_candidate();
            if other || self.is_multipath() {
                self.note_change(id, before, other);
            }
            match (at, before) {
                (0, Some(_)) => self.settle_anew(id, before),
                _ => self.settle(id, before, Some(at), old_rank),
            }
            self.requeue_paths(id);
        }
        self.sets.release(old.set);
    }

    /// Takes a route out, and decides. An entry without routes is noted as done.
    pub(crate) fn take(&mut self, id: u32, at: usize) {
        let before = self.table.best(id);
        let old = self.table.route(id, at);
        let was_best = at == 0 && before.is_some();
        let old_rank = if was_best { None } else { self.last_rank(id, &old) };
        self.count(id, &old, -1);
        if old.meta.is_candidate() {
            self.note_change(id, before, true);
        }
        self.table.remove_route(id, at);
        match was_best {
            true => self.settle_anew(id, before),
            false => self.settle(id, before, None, old_rank),
        }
        self.requeue_paths(id);
        self.sets.release(old.set);
        if self.table.entry(id).count() == 0 {
            self.done.push(id);
        }
    }

    /// Takes out the only route of a prefix outside the zone: what [`Rib::take`] comes to then.
    pub(crate) fn take_sole(&mut self, id: u32, route: &Route) {
        self.count(id, route, -1);
        let was_best = self.table.take_sole(id);
        if !(was_best && self.enqueue_last(id)) {
            self.done.push(id);
        }
        self.sets.release(route.set);
    }

    /// Counts a route of a peer in (1) or out (-1).
    fn count(&mut self, id: u32, route: &Route, by: i32) {
        let place = place_of(self.table.entry(id).is_v6());
        let Some(peer) = self.peer_mut(route.peer) else { return };
        let stale = peer.is_stale(route, place == 1);
        let counts = &mut peer.counts[place];
        counts.received = counts.received.saturating_add_signed(by);
        if route.meta.is_candidate() {
            counts.accepted = counts.accepted.saturating_add_signed(by);
        }
        if stale {
            counts.stale = counts.stale.saturating_add_signed(by);
        }
    }

    pub(crate) fn is_alive(&self, id: u32, route: &Route) -> bool {
        let v6 = self.table.entry(id).is_v6();
        match self.peer(route.peer) {
            Some(peer) => peer.is_alive(route, v6),
            None => route.peer == PeerId::LOCAL,
        }
    }

    /// Whether steering or watching looks at this entry.
    pub(crate) fn in_zone(&self, id: u32) -> bool {
        self.table.entry(id).has(Entry::ZONE)
    }
}
