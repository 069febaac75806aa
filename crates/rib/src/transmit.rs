//! Adj-RIB-Out: from pending prefixes to UPDATE messages.

use alloc::boxed::Box;
use alloc::vec::Vec;

use bytes::BytesMut;
use ipnet::IpNet;
use pathvane_wire::{
    Family, RefreshSubtype, RouteRefresh, encode_announcements, encode_end_of_rib,
    encode_withdrawals,
};
use smallvec::SmallVec;

use crate::PeerId;
use crate::group::Group;
use crate::net_set::ZoneKey;
use crate::peer::{FAMILIES, Frame, Session, Walk, place_of};
use crate::queue::Lane;
use crate::rib::Rib;
use crate::round::{Bucket, Round};
use crate::table::{Entry, Route, Table};

/// Prefixes looked at in one call, though they may come to no bytes.
const MOST_LOOKS: u32 = 2048;

/// Entries that are read from a queue at a time.
const RUN: usize = 32;

/// What it costs to work out twice what a peer is told, in prefixes looked at.
const LOOKS_TO_COMPARE: u32 = 16;

/// What waits to be encoded for a peer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Pending {
    /// Nothing.
    Nothing,
    /// What has time.
    Bulk,
    /// Prefixes of services, or such as changed a few at a time, and perhaps bulk.
    Urgent,
}

/// How the gathering of a round went.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Gathered {
    /// Nothing is left of this kind.
    All,
    /// There is no room for more.
    Full,
}

/// What the UPDATEs for one peer are made from, out of its place in the RIB meanwhile.
pub(crate) struct Outlet {
    pub(crate) peer: PeerId,
    pub(crate) session: Box<Session>,
    pub(crate) group: Box<Group>,
    /// Prefixes in the Adj-RIB-Out, by family.
    pub(crate) advertised: [u32; 2],
    /// The peer has a quota, so those of services are counted.
    pub(crate) has_quota: bool,
}

impl Rib {
    /// Whether [`Rib::poll_transmit`] has something to look at for the peer.
    pub fn has_pending(&self, peer: PeerId) -> bool {
        let Some(session) = self.session(peer) else { return false };
        session.is_walking()
            || !session.urgent.is_empty()
            || self.groups[session.group]
                .as_ref()
                .is_some_and(|group| group.queue.has_unread(session.reader))
    }

    /// What [`Rib::poll_transmit`] has to look at for the peer.
    pub fn pending(&self, peer: PeerId) -> Pending {
        if !self.has_pending(peer) {
            return Pending::Nothing;
        }
        let hasty = self.session(peer).is_some_and(|session| {
            let group = self.groups[session.group].as_deref();
            group.is_some_and(|group| group.queue.peek(session.reader, Lane::Haste).is_some())
        });
        match hasty || self.has_service_pending(peer) {
            true => Pending::Urgent,
            false => Pending::Bulk,
        }
    }

    /// Whether a prefix of a service waits to be encoded for the peer.
    pub fn has_service_pending(&self, peer: PeerId) -> bool {
        let Some(session) = self.session(peer) else { return false };
        let walking = session.walks.iter().flatten().any(|walk| walk.services.is_some());
        let queued = |group: &Group| {
            let waits = |lane| group.queue.peek(session.reader, lane).is_some();
            Lane::SERVICE.into_iter().any(waits)
        };
        walking
            || !session.urgent.is_empty()
            || self.groups[session.group].as_deref().is_some_and(queued)
    }

    /// Appends UPDATEs to `out`: service prefixes first, then such as changed a few at a time, then the
    /// others; withdrawals before announcements, routes with equal attributes together. Returns whether there is more to look at.
    ///
    /// At most `limit` octets are appended, unless a single message is longer than that; markers
    /// (End-of-RIB, BoRR, EoRR) may come on top. What is encoded is the state of this moment, and
    /// counts as sent.
    pub fn poll_transmit(&mut self, peer: PeerId, out: &mut BytesMut, limit: usize) -> bool {
        if !self.has_pending(peer) {
            return false;
        }
        let Some(mut outlet) = self.open(peer) else { return false };
        let mut round = core::mem::replace(&mut self.round, Round::new(self.config.seed));
        let start = out.len();
        let mut looks = MOST_LOOKS;
        outlet.begin_refreshes(out);
        let all = [true, false].into_iter().all(|service| {
            loop {
                let before = out.len();
                let room = limit.saturating_sub(before - start);
                let lanes = outlet.lanes(service);
                if lanes.contains(&Lane::Announce) {
                    let shared = self.share(&mut outlet, room, (&mut round, &mut *out));
                    looks = looks.saturating_sub(shared);
                    // Whoever is told the same next is to find it encoded in the same way.
                    if shared > 0 && outlet.has_unread(Lane::Announce) {
                        // Of its own routes a peer is told nothing.
                        if out.len() == before && looks > 0 {
                            continue;
                        }
                        break false;
                    }
                }
                let written = out.len() - start;
                round.start(limit.saturating_sub(written), written > 0);
                let gathered = self.gather(&mut outlet, service, lanes, &mut round, &mut looks);
                self.encode(&mut outlet, &round, out);
                let all = gathered == Gathered::All && lanes.len() == 2;
                // Encoding can come to less than was allowed for, so there may be room again.
                let stuck = gathered == Gathered::Full && round.is_empty();
                if all || stuck || looks == 0 {
                    break all;
                }
            }
        });
        if all {
            outlet.finish_walks(out);
        }
        self.round = round;
        self.close(outlet);
        if all {
            self.tell_withheld(peer);
        }
        self.reap_done();
        self.has_pending(peer)
    }

    /// Appends UPDATEs for those of these prefixes that the peer has not been told and is to be told,
    /// before and without anything else.
    pub fn tell_ahead(&mut self, peer: PeerId, prefixes: &[IpNet], out: &mut BytesMut) {
        let ids: SmallVec<[u32; 8]> =
            prefixes.iter().filter_map(|prefix| self.find(prefix)).collect();
        let Some(mut outlet) = self.open(peer) else { return };
        let mut round = core::mem::replace(&mut self.round, Round::new(self.config.seed));
        round.start(usize::MAX, false);
        for id in ids {
            let family = FAMILIES[usize::from(self.table.entry(id).is_v6())];
            if outlet.session.up.families.contains(family) && !outlet.session.held.contains(id) {
                self.offer(&mut outlet, id, &mut round);
            }
        }
        self.encode(&mut outlet, &round, out);
        self.round = round;
        self.close(outlet);
    }

    /// Takes out what the UPDATEs for a peer are made from, until [`Rib::close`].
    fn open(&mut self, peer: PeerId) -> Option<Outlet> {
        let at = self.session(peer)?.group;
        let group = self.groups[at].take()?;
        let session = self.peer_mut(peer)?.session.take()?;
        let known = self.peer(peer)?;
        let advertised = known.counts.map(|counts| counts.advertised);
        let has_quota = known.quota.is_set();
        Some(Outlet { peer, session, group, advertised, has_quota })
    }

    fn close(&mut self, outlet: Outlet) {
        let Outlet { peer, session, group, advertised, .. } = outlet;
        self.groups[session.group] = Some(group);
        let Some(known) = self.peer_mut(peer) else { return };
        known.session = Some(session);
        for (counts, advertised) in known.counts.iter_mut().zip(advertised) {
            counts.advertised = advertised;
        }
    }

    /// Fills a round with what is pending in the service lanes or in the others. Of `lanes` that are
    /// one alone, with nothing else.
    fn gather(
        &mut self,
        outlet: &mut Outlet,
        service: bool,
        lanes: &[Lane],
        round: &mut Round,
        looks: &mut u32,
    ) -> Gathered {
        for lane in lanes {
            if self.gather_lane(outlet, *lane, round, looks) == Gathered::Full {
                return Gathered::Full;
            }
        }
        if lanes.len() == 1 {
            return Gathered::All;
        }
        if service && self.gather_urgent(outlet, round, looks) == Gathered::Full {
            return Gathered::Full;
        }
        for at in 0..FAMILIES.len() {
            if self.gather_walk(outlet, at, service, round, looks) == Gathered::Full {
                return Gathered::Full;
            }
        }
        match service {
            true => self.gather_lane(outlet, Lane::Haste, round, looks),
            false => Gathered::All,
        }
    }

    fn gather_lane(
        &mut self,
        outlet: &mut Outlet,
        lane: Lane,
        round: &mut Round,
        looks: &mut u32,
    ) -> Gathered {
        let reader = outlet.session.reader;
        loop {
            let run: SmallVec<[u32; RUN]> =
                outlet.group.queue.unread(reader, lane).take(RUN).collect();
            let mut told = 0;
            for id in &run {
                if *looks == 0 || !self.offer(outlet, *id, round) {
                    break;
                }
                *looks -= 1;
                told += 1;
                if !outlet.session.urgent.is_empty() {
                    outlet.session.urgent.remove(id);
                }
            }
            outlet.group.queue.skip(reader, lane, told, &mut self.done);
            if told < run.len() {
                return Gathered::Full;
            }
            if told < RUN {
                return Gathered::All;
            }
        }
    }

    fn gather_urgent(
        &mut self,
        outlet: &mut Outlet,
        round: &mut Round,
        looks: &mut u32,
    ) -> Gathered {
        while let Some(id) = outlet.session.urgent.first().copied() {
            if *looks == 0 || !self.offer(outlet, id, round) {
                return Gathered::Full;
            }
            *looks -= 1;
            outlet.session.urgent.remove(&id);
            self.done.push(id);
        }
        Gathered::All
    }

    fn gather_walk(
        &mut self,
        outlet: &mut Outlet,
        at: usize,
        service: bool,
        round: &mut Round,
        looks: &mut u32,
    ) -> Gathered {
        while let Some(walk) = outlet.session.walks[at] {
            let Some((id, next)) = self.step_of(&walk, service) else { return Gathered::All };
            if *looks == 0 {
                return Gathered::Full;
            }
            *looks -= 1;
            let wanted = id
                .filter(|id| self.is_on_walk(outlet, at, &walk, *id, service))
                .filter(|id| !self.is_told_as_before(outlet, *id, looks));
            if let Some(id) = wanted {
                if !self.offer(outlet, id, round) {
                    return Gathered::Full;
                }
                if self.table.entry(id).count() == 0 {
                    self.done.push(id);
                }
            }
            outlet.session.walks[at] = Some(next);
        }
        Gathered::All
    }

    /// The next entry of a walk, if it is one, and the walk after it; `None` at the end.
    fn step_of(&self, walk: &Walk, service: bool) -> Option<(Option<u32>, Walk)> {
        if service {
            let from = walk.services?;
            let found = self.zone.first(from);
            let services = found.and_then(|(key, _)| ZoneKey::next(key));
            return Some((found.map(|(_, id)| id), Walk { services, ..*walk }));
        }
        (walk.next < walk.end).then(|| (Some(walk.next), Walk { next: walk.next + 1, ..*walk }))
    }

    /// Whether a walk is to offer an entry at this point.
    fn is_on_walk(&self, outlet: &Outlet, at: usize, walk: &Walk, id: u32, service: bool) -> bool {
        let entry = self.table.entry(id);
        if !entry.is_used() || usize::from(entry.is_v6()) != at {
            return false;
        }
        let first = entry.has(Entry::SERVICE);
        let due = if service { first } else { !first || walk.zone_version != self.zone.version };
        // What is queued for the peer will be told from there.
        let Outlet { session, group, .. } = outlet;
        due && (walk.again || !session.held.contains(id))
            && !group.queue.is_unread(session.reader, id)
    }

    /// Whether the peer is told the same about an entry as under the terms before, and has been.
    fn is_told_as_before(&self, outlet: &Outlet, id: u32, looks: &mut u32) -> bool {
        let Outlet { peer, session, group, .. } = outlet;
        let Some(former) = session.former.as_ref().filter(|_| session.held.contains(id)) else {
            return false;
        };
        *looks = looks.saturating_sub(LOOKS_TO_COMPARE);
        let told = self.export_of(*peer, id, &group.key).ok();
        told.is_some() && told == self.export_of(*peer, id, former).ok()
    }

    /// Puts into the round what the peer has to be told about an entry; false if it does not fit.
    fn offer(&mut self, outlet: &mut Outlet, id: u32, round: &mut Round) -> bool {
        if outlet.group.key.sends_paths(FAMILIES[usize::from(self.table.entry(id).is_v6())]) {
            return self.offer_paths(outlet, id, round);
        }
        let held = outlet.session.held.contains(id);
        let max_len = outlet.session.up.encode.max_len;
        let v6 = self.table.entry(id).is_v6();
        let Some(at) = self.bucket_for(outlet, id, round) else {
            outlet.session.note_withheld(id, v6, false);
            let fits = !held || round.withdraw(self.table.prefix(id), max_len);
            if held && fits {
                outlet.let_go(id, v6, &self.table);
            }
            return fits;
        };
        let withheld = !held && self.is_over_quota(outlet, id, v6);
        outlet.session.note_withheld(id, v6, withheld);
        let fits = withheld || round.announce(at, self.table.prefix(id), max_len, (id, held));
        if fits && !withheld && !held {
            outlet.hold(id, v6, &self.table);
        }
        fits
    }

    /// The bucket for what the peer should be told about an entry; `None`: nothing.
    fn bucket_for(&mut self, outlet: &mut Outlet, id: u32, round: &mut Round) -> Option<usize> {
        let entry = self.table.entry(id);
        let (set, from) = entry.best()?;
        if from == outlet.peer {
            return None;
        }
        // Outside the zone, without matches on prefix or sender and unless it is reflected, the set
        // says it all.
        let key = &outlet.group.key;
        let plain =
            !entry.has(Entry::ZONE) && !key.is_by_bitmap() && !key.reflects(self.sets.source(set));
        let (service, key) = (entry.has(Entry::SERVICE), (set, entry.is_v6()));
        if plain && let Some((_, at)) = round.last_plain.filter(|(last, _)| *last == key) {
            return at;
        }
        let best = self.table.best(id)?;
        let at = self.bucket_of(outlet, id, &best, service, round);
        if plain {
            round.last_plain = Some((key, at));
        }
        at
    }

    /// The bucket for what the peer should be told of one route of an entry.
    pub(crate) fn bucket_of(
        &mut self,
        outlet: &mut Outlet,
        id: u32,
        route: &Route,
        service: bool,
        round: &mut Round,
    ) -> Option<usize> {
        let Outlet { peer, session, group, .. } = outlet;
        let subject = self.subject(id, route, &group.key);
        if service
            && let Some(directive) =
                self.peers[peer.index()].as_ref()?.directives.get(&self.table.prefix(id))
        {
            let mut bytes = core::mem::take(&mut round.scratch);
            bytes.clear();
            let speaker = self.speaker();
            let exported =
                group.exported_by(directive, &mut self.sets, &subject, speaker, &mut bytes);
            let at = exported.map(|exported| round.bucket(exported, &bytes, subject.v6));
            round.scratch = bytes;
            return at;
        }
        if let Some((_, at)) = round.last.filter(|(last, _)| *last == subject) {
            return at;
        }
        let speaker = self.speaker();
        let (exported, bytes) = group.exported(&mut self.sets, &subject, speaker);
        // RFC 4271 section 5.1.3: never the peer's own address.
        let usable = exported.filter(|exported| exported.next_hop.addr != session.up.address);
        let at = usable.map(|exported| round.bucket(exported, bytes, subject.v6));
        round.last = Some((subject, at));
        at
    }

    /// Writes a round. Routes that do not fit into a message are withdrawn instead.
    fn encode(&mut self, outlet: &mut Outlet, round: &Round, out: &mut BytesMut) {
        if round.is_empty() {
            return;
        }
        let ctx = outlet.session.up.encode;
        for (family, withdrawn) in FAMILIES.into_iter().zip(&round.withdrawals) {
            if !withdrawn.is_empty() {
                encode_withdrawals(family, withdrawn.iter().copied(), &ctx, out);
            }
        }
        for bucket in round.buckets() {
            let family = FAMILIES[usize::from(bucket.v6)];
            let prefixes = bucket.prefixes.iter().copied();
            let done =
                encode_announcements(family, &bucket.next_hop, &bucket.attrs, prefixes, &ctx, out);
            if done.is_err() {
                let withdrawn = self.refuse(outlet, bucket);
                if !withdrawn.is_empty() {
                    encode_withdrawals(family, withdrawn, &ctx, out);
                }
            }
        }
    }

    /// Notes that routes are too big for the peer; returns those that it has to forget.
    fn refuse(&mut self, outlet: &mut Outlet, bucket: &Bucket) -> Vec<(u32, IpNet)> {
        let mut withdrawn = Vec::new();
        for ((id, held), nlri) in bucket.entries.iter().zip(&bucket.prefixes) {
            if !outlet.session.drop_path(*id, nlri.0) {
                outlet.let_go(*id, bucket.v6, &self.table);
            }
            if *held {
                withdrawn.push(*nlri);
            }
        }
        if let Some(known) = self.peer_mut(outlet.peer) {
            known.faults.too_big += bucket.entries.len() as u64;
        }
        withdrawn
    }

    /// Whether the peer has yet to be told about an entry.
    pub(crate) fn is_pending_for(&self, peer: PeerId, id: u32, family: Family) -> bool {
        let Some(session) = self.session(peer) else { return false };
        let walking = session.walks[usize::from(family == Family::IPV6_UNICAST)].is_some();
        let queued = self.groups[session.group]
            .as_ref()
            .is_some_and(|group| group.queue.is_unread(session.reader, id));
        walking || queued || session.urgent.contains(&id)
    }
}

impl Outlet {
    /// The lanes to gather from next. Withdrawals go alone where announcements may be shared.
    fn lanes(&self, service: bool) -> &'static [Lane] {
        match service {
            true => &Lane::SERVICE,
            false if self.has_unread(Lane::Withdraw) => &Lane::BULK[..1],
            false => &Lane::BULK,
        }
    }

    fn has_unread(&self, lane: Lane) -> bool {
        self.group.queue.peek(self.session.reader, lane).is_some()
    }

    /// Notes that the peer is told a route for an entry of `table` that it held none for.
    pub(crate) fn hold(&mut self, id: u32, v6: bool, table: &Table) {
        if self.session.held.insert(id) {
            self.advertised[place_of(v6)] += 1;
            if self.has_quota && table.entry(id).has(Entry::SERVICE) {
                self.session.services_held[place_of(v6)] += 1;
            }
        }
    }

    pub(crate) fn let_go(&mut self, id: u32, v6: bool, table: &Table) {
        if self.session.held.remove(id) {
            self.advertised[place_of(v6)] -= 1;
            if self.has_quota && table.entry(id).has(Entry::SERVICE) {
                self.session.services_held[place_of(v6)] -= 1;
            }
        }
    }

    /// Writes BoRR for refreshes that are about to begin.
    fn begin_refreshes(&mut self, out: &mut BytesMut) {
        for (family, walk) in FAMILIES.into_iter().zip(&mut self.session.walks) {
            if let Some(walk) = walk.as_mut().filter(|walk| walk.frame == Frame::Refresh) {
                walk.frame = Frame::Refreshing;
                RouteRefresh { family, subtype: RefreshSubtype::Begin }.encode(out);
            }
        }
    }

    /// Ends the walks that have come to their end, with the message that is owed.
    fn finish_walks(&mut self, out: &mut BytesMut) {
        let session = &mut self.session;
        for (family, place) in FAMILIES.into_iter().zip(&mut session.walks) {
            let Some(walk) = place else { continue };
            if walk.services.is_some() || walk.next < walk.end {
                continue;
            }
            match walk.frame {
                Frame::Silent => {}
                Frame::EndOfRib => {
                    encode_end_of_rib(family, out);
                    session.sent_end_of_rib.insert(family);
                }
                Frame::Refresh | Frame::Refreshing => {
                    RouteRefresh { family, subtype: RefreshSubtype::End }.encode(out);
                }
            }
            *place = None;
        }
        if !session.is_walking() {
            session.former = None;
        }
    }
}
