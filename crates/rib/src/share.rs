//! One encoding for all peers of a group that are equally far in its queue.
//!
//! What is pending is encoded once, in pieces of one source each. A peer gets every piece but those
//! whose routes are its own, which it is to forget if it holds others for their prefixes.

use alloc::vec::Vec;
use core::ops::Range;

use bytes::BytesMut;
use ipnet::IpNet;
use pathvane_wire::{NextHop, encode_announcements, encode_withdrawals};
use smallvec::SmallVec;

use crate::PeerId;
use crate::group::Exported;
use crate::peer::{FAMILIES, Peer};
use crate::queue::Lane;
use crate::rib::Rib;
use crate::round::{PATH_ID, Round};
use crate::table::Entry;
use crate::transmit::Outlet;

/// Fewer members are served one by one: then one at most is told anything, beside a source.
const MEMBERS: usize = 3;
/// Entries in one encoding, at most.
const ENTRIES: usize = 512;
/// Octets that an encoding may come to: a fraction of a millisecond for who makes it.
const OCTETS: usize = 4 * 1024;
/// Octets that a withdrawal takes at most, its share of a message included.
const WITHDRAWAL: usize = 32;
/// Encodings that a group keeps, so that members which are not at the same place find theirs.
const KEPT: usize = 8;

/// What is told and to be forgotten of an encoding by one peer, at most, in octets.
fn cost(shared: &Shared, outlet: &Outlet) -> usize {
    let costs = shared.pieces.iter().map(|piece| match piece.is_for(outlet) {
        true => piece.bytes.len(),
        false => piece.entries.len() * WITHDRAWAL,
    });
    costs.sum()
}

/// What the entries from one place of the announcements on were encoded to.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    /// The place, and the state of the queue for which this holds.
    at: Option<(u32, u32)>,
    bytes: BytesMut,
    pieces: Vec<Piece>,
    /// The entries, by piece.
    entries: Vec<u32>,
}

/// Routes of one source with one set of attributes.
#[derive(Debug)]
struct Piece {
    source: PeerId,
    next_hop: NextHop,
    v6: bool,
    bytes: Range<usize>,
    entries: Range<usize>,
}

impl Piece {
    /// Whether the peer is told it: not of its own routes, and never with its own address as the
    /// next hop (RFC 4271 section 5.1.3).
    fn is_for(&self, outlet: &Outlet) -> bool {
        self.source != outlet.peer && self.next_hop.addr != outlet.session.up.address
    }
}

/// The encodings that a group keeps.
#[derive(Debug, Default)]
pub(crate) struct SharedRing {
    kept: [Shared; KEPT],
    /// The one to be replaced next.
    oldest: usize,
    /// None of them holds.
    stale: bool,
}

impl SharedRing {
    /// An entry is not what it was: nothing of this holds any more.
    pub(crate) const fn forget(&mut self) {
        self.stale = true;
    }

    /// The place of the encoding for a place in the queue, or the place for a new one.
    fn find(&mut self, at: (u32, u32)) -> (usize, bool) {
        if core::mem::take(&mut self.stale) {
            self.kept.iter_mut().for_each(|shared| shared.at = None);
        }
        if let Some(found) = self.kept.iter().position(|shared| shared.at == Some(at)) {
            return (found, true);
        }
        let place = self.oldest;
        self.oldest = (place + 1) % KEPT;
        (place, false)
    }
}

impl Shared {
    fn clear(&mut self) {
        self.at = None;
        self.bytes.clear();
        self.pieces.clear();
        self.entries.clear();
    }
}

impl Rib {
    /// Tells a peer the next of what is pending among the announcements as others of its group are
    /// told it, up to what needs a closer look, in `room` octets at most. Returns how many entries
    /// that were: of one encoding, so that everybody in line gets it before the next is made.
    pub(crate) fn share(
        &mut self,
        outlet: &mut Outlet,
        room: usize,
        (round, out): (&mut Round, &mut BytesMut),
    ) -> u32 {
        let known = self.peers[outlet.peer.index()].as_ref();
        let limited = |peer: &Peer| !peer.directives.is_empty() || peer.quota.is_set();
        let special = known.is_none_or(limited)
            || outlet.session.withheld_count != [0; 2]
            || outlet.session.is_walking()
            || outlet.group.key.paths() > 1
            || !outlet.session.urgent.is_empty();
        if special || outlet.group.members.len() < MEMBERS {
            return 0;
        }
        let Some(place) = outlet.group.queue.place(outlet.session.reader, Lane::Announce) else {
            return 0;
        };
        let (at, encoded) = outlet.group.shared.find(place);
        let mut shared = core::mem::take(&mut outlet.group.shared.kept[at]);
        if !encoded {
            self.encode_shared(outlet, &mut shared, round);
            shared.at = Some(place);
        }
        let mut told = shared.entries.len() as u32;
        if told > 0 && cost(&shared, outlet) <= room {
            self.tell_shared(outlet, &shared, out);
        } else {
            told = 0;
        }
        outlet.group.shared.kept[at] = shared;
        told
    }

    /// Encodes the next announcements, up to the first that is none or needs a closer look.
    fn encode_shared(&mut self, outlet: &mut Outlet, shared: &mut Shared, round: &mut Round) {
        shared.clear();
        round.start(OCTETS, false);
        let reader = outlet.session.reader;
        let run: SmallVec<[u32; ENTRIES]> =
            outlet.group.queue.unread(reader, Lane::Announce).take(ENTRIES).collect();
        let mut sources: SmallVec<[PeerId; 64]> = SmallVec::new();
        for id in run {
            let max_len = outlet.group.key.encode.max_len;
            let Some((at, source)) = self.shared_bucket(outlet, id, round) else { break };
            if !round.announce(at, self.table.prefix(id), max_len, (id, false)) {
                break;
            }
            if at == sources.len() {
                sources.push(source);
            }
        }
        let ctx = outlet.group.key.encode;
        for (bucket, source) in round.buckets().zip(sources) {
            let (bytes, entries) = (shared.bytes.len(), shared.entries.len());
            let family = FAMILIES[usize::from(bucket.v6)];
            let prefixes = bucket.prefixes.iter().copied();
            let next_hop = bucket.next_hop;
            let encoded = encode_announcements(
                family,
                &next_hop,
                &bucket.attrs,
                prefixes,
                &ctx,
                &mut shared.bytes,
            );
            if encoded.is_err() {
                // What is too big is for each peer to refuse.
                shared.clear();
                break;
            }
            shared.entries.extend(bucket.entries.iter().map(|(id, _)| *id));
            shared.pieces.push(Piece {
                source,
                next_hop,
                v6: bucket.v6,
                bytes: bytes..shared.bytes.len(),
                entries: entries..shared.entries.len(),
            });
        }
    }

    /// The bucket of an entry for all peers but the source of its route.
    fn shared_bucket(
        &mut self,
        outlet: &mut Outlet,
        id: u32,
        round: &mut Round,
    ) -> Option<(usize, PeerId)> {
        let entry = self.table.entry(id);
        let (set, source) = entry.best()?;
        if entry.has(Entry::ZONE) {
            return None;
        }
        let key = (set, entry.is_v6());
        let plain = !outlet.group.key.is_by_bitmap();
        if plain
            && let Some((_, at, last)) = round.last_shared.filter(|(last, ..)| *last == key)
            && last == source
        {
            return Some((at, source));
        }
        let best = self.table.best(id)?;
        let subject = self.subject(id, &best, &outlet.group.key);
        let speaker = self.speaker();
        let (exported, bytes) = outlet.group.exported(&mut self.sets, &subject, speaker);
        // Routes of different sources lie in different buckets.
        let Exported { hash, next_hop } = exported?;
        let mixed = hash ^ (u64::from(source.0) + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let at = round.bucket(Exported { hash: mixed, next_hop }, bytes, subject.v6);
        round.last_shared = Some((key, at, source));
        Some((at, source))
    }

    /// Hands an encoding to one peer.
    fn tell_shared(&mut self, outlet: &mut Outlet, shared: &Shared, out: &mut BytesMut) {
        let mut withdrawn: [Vec<(u32, IpNet)>; 2] = Default::default();
        for piece in &shared.pieces {
            let entries = &shared.entries[piece.entries.clone()];
            if !piece.is_for(outlet) {
                for id in entries.iter().filter(|id| outlet.session.held.contains(**id)) {
                    let withdrawal = (PATH_ID, self.table.prefix(*id));
                    withdrawn[usize::from(piece.v6)].push(withdrawal);
                }
                for id in entries {
                    outlet.let_go(*id, piece.v6, &self.table);
                }
                continue;
            }
            out.extend_from_slice(&shared.bytes[piece.bytes.clone()]);
            for id in entries {
                outlet.hold(*id, piece.v6, &self.table);
            }
        }
        let ctx = outlet.session.up.encode;
        for (family, withdrawn) in FAMILIES.into_iter().zip(withdrawn) {
            if !withdrawn.is_empty() {
                encode_withdrawals(family, withdrawn, &ctx, out);
            }
        }
        let (reader, count) = (outlet.session.reader, shared.entries.len());
        outlet.group.queue.skip(reader, Lane::Announce, count, &mut self.done);
    }
}
