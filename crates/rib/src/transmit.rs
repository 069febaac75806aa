//! Adj-RIB-Out: from pending prefixes to UPDATE messages.

use alloc::vec::Vec;

use bytes::BytesMut;
use ipnet::IpNet;
use pathvane_wire::{
    Family, RefreshSubtype, RouteRefresh, encode_announcements, encode_end_of_rib,
    encode_withdrawals,
};

use crate::PeerId;
use crate::group::Group;
use crate::net_set::ZoneKey;
use crate::peer::{FAMILIES, Frame, Session, Walk};
use crate::queue::Lane;
use crate::rib::Rib;
use crate::round::{Bucket, Round};
use crate::table::Entry;

/// Prefixes looked at in one call, though they may come to no bytes.
const MOST_LOOKS: u32 = 2048;

/// What it costs to work out twice what a peer is told, in prefixes looked at.
const LOOKS_TO_COMPARE: u32 = 16;

/// How the gathering of a round went.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Gathered {
    /// Nothing is left of this kind.
    All,
    /// There is no room for more.
    Full,
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
            || self.groups[session.group].as_ref().is_some_and(queued)
    }

    /// Appends UPDATEs to `out`: service prefixes before others, withdrawals before announcements,
    /// routes with equal attributes together. Returns whether there is more to look at.
    ///
    /// At most `limit` octets are appended, unless a single message is longer than that; markers
    /// (End-of-RIB, BoRR, EoRR) may come on top. What is encoded is the state of this moment, and
    /// counts as sent.
    pub fn poll_transmit(&mut self, peer: PeerId, out: &mut BytesMut, limit: usize) -> bool {
        if !self.has_pending(peer) {
            return false;
        }
        let mut round = core::mem::replace(&mut self.round, Round::new(self.config.seed));
        let start = out.len();
        let mut looks = MOST_LOOKS;
        self.begin_refreshes(peer, out);
        let all = [true, false].into_iter().all(|service| {
            loop {
                let written = out.len() - start;
                round.start(limit.saturating_sub(written), written > 0);
                let gathered = self.gather(peer, service, &mut round, &mut looks);
                self.encode(peer, &round, out);
                // Encoding can come to less than was allowed for, so there may be room again.
                if gathered == Gathered::All || round.is_empty() || looks == 0 {
                    break gathered == Gathered::All;
                }
            }
        });
        if all {
            self.finish_walks(peer, out);
            self.tell_withheld(peer);
        }
        self.round = round;
        self.reap_done();
        self.has_pending(peer)
    }

    /// Fills a round with what is pending in the service lanes or in the others.
    fn gather(
        &mut self,
        peer: PeerId,
        service: bool,
        round: &mut Round,
        looks: &mut u32,
    ) -> Gathered {
        let lanes = if service { Lane::SERVICE } else { Lane::BULK };
        for lane in lanes {
            if self.gather_lane(peer, lane, round, looks) == Gathered::Full {
                return Gathered::Full;
            }
        }
        if service && self.gather_urgent(peer, round, looks) == Gathered::Full {
            return Gathered::Full;
        }
        for at in 0..FAMILIES.len() {
            if self.gather_walk(peer, at, service, round, looks) == Gathered::Full {
                return Gathered::Full;
            }
        }
        Gathered::All
    }

    fn gather_lane(
        &mut self,
        peer: PeerId,
        lane: Lane,
        round: &mut Round,
        looks: &mut u32,
    ) -> Gathered {
        let Some(session) = self.session(peer) else { return Gathered::All };
        let (at, reader) = (session.group, session.reader);
        loop {
            let Some(group) = &self.groups[at] else { return Gathered::All };
            let Some(id) = group.queue.peek(reader, lane) else { return Gathered::All };
            if *looks == 0 || !self.offer(peer, id, round) {
                return Gathered::Full;
            }
            *looks -= 1;
            if let Some(group) = &mut self.groups[at] {
                group.queue.advance(reader, lane, &mut self.done);
            }
            if let Some(session) = self.session_mut(peer) {
                session.urgent.remove(&id);
            }
        }
    }

    fn gather_urgent(&mut self, peer: PeerId, round: &mut Round, looks: &mut u32) -> Gathered {
        while let Some(id) = self.session(peer).and_then(|s| s.urgent.first().copied()) {
            if *looks == 0 || !self.offer(peer, id, round) {
                return Gathered::Full;
            }
            *looks -= 1;
            if let Some(session) = self.session_mut(peer) {
                session.urgent.remove(&id);
            }
            self.done.push(id);
        }
        Gathered::All
    }

    fn gather_walk(
        &mut self,
        peer: PeerId,
        at: usize,
        service: bool,
        round: &mut Round,
        looks: &mut u32,
    ) -> Gathered {
        while let Some(walk) = self.session(peer).and_then(|session| session.walks[at]) {
            let Some((id, next)) = self.step_of(&walk, service) else { return Gathered::All };
            if *looks == 0 {
                return Gathered::Full;
            }
            *looks -= 1;
            let wanted = id
                .filter(|id| self.is_on_walk(peer, at, &walk, *id, service))
                .filter(|id| !self.is_told_as_before(peer, *id, looks));
            if wanted.is_some_and(|id| !self.offer(peer, id, round)) {
                return Gathered::Full;
            }
            if let Some(session) = self.session_mut(peer) {
                session.walks[at] = Some(next);
            }
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
    fn is_on_walk(&self, peer: PeerId, at: usize, walk: &Walk, id: u32, service: bool) -> bool {
        let entry = self.table.entry(id);
        if !entry.is_used() || usize::from(entry.is_v6()) != at {
            return false;
        }
        let first = entry.has(Entry::SERVICE);
        let due = if service { first } else { !first || walk.zone_version != self.zone.version };
        // What is queued for the peer will be told from there.
        let due_here = |session: &Session| {
            let group = self.groups[session.group].as_ref();
            let queued = group.is_some_and(|group| group.queue.is_unread(session.reader, id));
            !queued && (walk.again || !session.held.contains(id))
        };
        due && self.session(peer).is_some_and(due_here)
    }

    /// Whether the peer is told the same about an entry as under the terms before, and has been.
    fn is_told_as_before(&self, peer: PeerId, id: u32, looks: &mut u32) -> bool {
        let Some(session) = self.session(peer) else { return false };
        let Some(former) = session.former.as_ref().filter(|_| session.held.contains(id)) else {
            return false;
        };
        *looks = looks.saturating_sub(LOOKS_TO_COMPARE);
        let told = self.groups[session.group]
            .as_ref()
            .and_then(|group| self.export_of(peer, id, &group.key).ok());
        told.is_some() && told == self.export_of(peer, id, former).ok()
    }

    /// Puts into the round what the peer has to be told about an entry; false if it does not fit.
    fn offer(&mut self, peer: PeerId, id: u32, round: &mut Round) -> bool {
        let Some(session) = self.session(peer) else { return true };
        let (max_len, held) = (session.up.encode.max_len, session.held.contains(id));
        let prefix = self.table.prefix(id);
        let v6 = matches!(prefix, IpNet::V6(_));
        let bucket = self.bucket_for(peer, id, round);
        let withheld = bucket.is_some() && !held && self.is_over_quota(peer, id, v6);
        self.note_withheld(peer, id, v6, withheld);
        match bucket {
            Some(_) if withheld => true,
            Some(at) => round.announce(at, prefix, max_len, || {
                self.hold(peer, id, v6);
                (id, held)
            }),
            None if held => {
                let fits = round.withdraw(prefix, max_len);
                if fits {
                    self.let_go(peer, id, v6);
                    self.done.push(id);
                }
                fits
            }
            None => true,
        }
    }

    /// The bucket for what the peer should be told about an entry; `None`: nothing.
    fn bucket_for(&mut self, peer: PeerId, id: u32, round: &mut Round) -> Option<usize> {
        let best = self.table.best(id).filter(|best| best.peer != peer)?;
        let at = self.session(peer)?.group;
        let subject = self.subject(id, &best, &self.groups[at].as_ref()?.key);
        let speaker = self.speaker();
        let known = self.peers.get(peer.index())?.as_ref()?;
        let session = known.session.as_ref()?;
        let group = self.groups[at].as_mut()?;
        if self.table.entry(id).has(Entry::SERVICE)
            && let Some(directive) = known.directives.get(&self.table.prefix(id))
        {
            let mut bytes = core::mem::take(&mut round.scratch);
            bytes.clear();
            let exported =
                group.exported_by(directive, &mut self.sets, &subject, speaker, &mut bytes);
            let at = exported.map(|exported| round.bucket(exported, &bytes, subject.v6));
            round.scratch = bytes;
            return at;
        }
        if let Some((_, at)) = round.last.filter(|(last, _)| *last == subject) {
            return at;
        }
        let (exported, bytes) = group.exported(&mut self.sets, &subject, speaker);
        // RFC 4271 section 5.1.3: never the peer's own address.
        let usable = exported.filter(|exported| exported.next_hop.addr != session.up.address);
        let at = usable.map(|exported| round.bucket(exported, bytes, subject.v6));
        round.last = Some((subject, at));
        at
    }

    /// Notes that the peer is told a route.
    fn hold(&mut self, peer: PeerId, id: u32, v6: bool) {
        let Some(known) = self.peer_mut(peer) else { return };
        let Some(session) = &mut known.session else { return };
        let new = session.held.insert(id);
        known.counts[usize::from(v6)].advertised += u32::from(new);
    }

    fn let_go(&mut self, peer: PeerId, id: u32, v6: bool) {
        let Some(known) = self.peer_mut(peer) else { return };
        let Some(session) = &mut known.session else { return };
        let had = session.held.remove(id);
        known.counts[usize::from(v6)].advertised -= u32::from(had);
    }

    /// Writes a round. Routes that do not fit into a message are withdrawn instead.
    fn encode(&mut self, peer: PeerId, round: &Round, out: &mut BytesMut) {
        if round.is_empty() {
            return;
        }
        let Some(ctx) = self.session(peer).map(|session| session.up.encode) else { return };
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
                let withdrawn = self.refuse(peer, bucket);
                if !withdrawn.is_empty() {
                    encode_withdrawals(family, withdrawn, &ctx, out);
                }
            }
        }
    }

    /// Notes that routes are too big for the peer; returns those that it has to forget.
    fn refuse(&mut self, peer: PeerId, bucket: &Bucket) -> Vec<(u32, IpNet)> {
        let mut withdrawn = Vec::new();
        for ((id, held), nlri) in bucket.entries.iter().zip(&bucket.prefixes) {
            self.let_go(peer, *id, bucket.v6);
            if *held {
                withdrawn.push(*nlri);
            }
        }
        if let Some(known) = self.peer_mut(peer) {
            known.faults.too_big += bucket.entries.len() as u64;
        }
        withdrawn
    }

    /// Writes BoRR for refreshes that are about to begin.
    fn begin_refreshes(&mut self, peer: PeerId, out: &mut BytesMut) {
        let Some(session) = self.session_mut(peer) else { return };
        for (family, walk) in FAMILIES.into_iter().zip(&mut session.walks) {
            if let Some(walk) = walk.as_mut().filter(|walk| walk.frame == Frame::Refresh) {
                walk.frame = Frame::Refreshing;
                RouteRefresh { family, subtype: RefreshSubtype::Begin }.encode(out);
            }
        }
    }

    /// Ends the walks that have come to their end, with the message that is owed.
    fn finish_walks(&mut self, peer: PeerId, out: &mut BytesMut) {
        let Some(session) = self.session_mut(peer) else { return };
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
