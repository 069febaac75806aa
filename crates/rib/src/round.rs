//! What is about to be encoded for one peer, and what it will come to.

use alloc::vec::Vec;

use bytes::BytesMut;
use foldhash::fast::FixedState;
use hashbrown::HashMap;
use ipnet::IpNet;
use pathvane_wire::NextHop;

use crate::PeerId;
use crate::group::{Exported, Subject};

/// The path identifier of the one route that we announce for a prefix, where ADD-PATH is
/// negotiated (RFC 7911 leaves the value to us).
pub(crate) const PATH_ID: u32 = 1;

/// Octets of a message beside attributes and prefixes, at most: header, two lengths, MP_REACH
/// with two IPv6 next hops.
const MESSAGE: usize = 19 + 4 + 4 + 3 + 1 + 32 + 1;

/// What is about to be encoded for one peer: withdrawals, and announcements by their attributes.
#[derive(Debug)]
pub(crate) struct Round {
    pub(crate) withdrawals: [Vec<(u32, IpNet)>; 2],
    /// Octets of withdrawn prefixes in the last message.
    withdrawn: [usize; 2],
    buckets: Vec<Bucket>,
    used: usize,
    by_hash: HashMap<(u64, bool), usize, FixedState>,
    /// What the last route came to: its bucket, or nothing to tell.
    pub(crate) last: Option<(Subject, Option<usize>)>,
    /// The same for the last route of which set and family say it all.
    pub(crate) last_plain: Option<((u32, bool), Option<usize>)>,
    /// The same where routes of different sources are kept apart.
    pub(crate) last_shared: Option<((u32, bool), usize, PeerId)>,
    pub(crate) scratch: BytesMut,
    /// Octets that the round comes to, at most, and may come to.
    cost: usize,
    room: usize,
    /// Not even the first item may cost more.
    strict: bool,
}

/// Prefixes that are announced with one set of attributes.
#[derive(Debug)]
pub(crate) struct Bucket {
    pub(crate) v6: bool,
    pub(crate) next_hop: NextHop,
    pub(crate) attrs: Vec<u8>,
    pub(crate) prefixes: Vec<(u32, IpNet)>,
    /// The entries, and whether the peer has been told a route for them before.
    pub(crate) entries: Vec<(u32, bool)>,
    /// Octets of prefixes since the last message was counted.
    filled: usize,
}

impl Round {
    pub(crate) fn new(seed: u64) -> Round {
        Round {
            withdrawals: [Vec::new(), Vec::new()],
            withdrawn: [0; 2],
            buckets: Vec::new(),
            used: 0,
            by_hash: HashMap::with_hasher(FixedState::with_seed(seed ^ 0x4040)),
            last: None,
            last_plain: None,
            last_shared: None,
            scratch: BytesMut::new(),
            cost: 0,
            room: 0,
            strict: false,
        }
    }

    pub(crate) fn start(&mut self, room: usize, strict: bool) {
        self.withdrawals.iter_mut().for_each(Vec::clear);
        self.withdrawn = [0; 2];
        self.used = 0;
        self.by_hash.clear();
        self.last = None;
        self.last_plain = None;
        self.last_shared = None;
        self.cost = 0;
        self.room = room;
        self.strict = strict;
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.cost == 0
    }

    /// The announcements, by attributes.
    pub(crate) fn buckets(&self) -> impl Iterator<Item = &Bucket> {
        self.buckets[..self.used].iter().filter(|bucket| !bucket.prefixes.is_empty())
    }

    /// Takes the cost, unless it is too much; what was `begun` may cost anything.
    fn afford(&mut self, cost: usize, begun: bool) -> bool {
        if !begun && (self.cost > 0 || self.strict) && self.cost + cost > self.room {
            return false;
        }
        self.cost += cost;
        true
    }

    /// The bucket for a route with these attributes, made if need be.
    pub(crate) fn bucket(&mut self, exported: Exported, attrs: &[u8], v6: bool) -> usize {
        let used = self.used;
        let at = *self.by_hash.entry((exported.hash, v6)).or_insert(used);
        if at == used {
            self.used += 1;
            if at == self.buckets.len() {
                self.buckets.push(Bucket::new(exported.next_hop));
            }
            self.buckets[at].reset(v6, exported.next_hop, attrs);
        }
        at
    }

    /// Adds a prefix to a bucket, unless that is too much. `entry`: its number, and whether the peer
    /// has been told a route for it before.
    pub(crate) fn announce(
        &mut self,
        at: usize,
        prefix: IpNet,
        max_len: usize,
        entry: (u32, bool),
    ) -> bool {
        self.announce_path(at, PATH_ID, prefix, max_len, entry, false)
    }

    /// As [`Round::announce`], with a path identifier. More of a prefix of which something is in the
    /// round already, `begun`, is never too much.
    pub(crate) fn announce_path(
        &mut self,
        at: usize,
        path_id: u32,
        prefix: IpNet,
        max_len: usize,
        entry: (u32, bool),
        begun: bool,
    ) -> bool {
        let bucket = &self.buckets[at];
        let (filled, cost) = grown(bucket.filled, bucket.attrs.len(), &prefix, max_len);
        let fits = self.afford(cost, begun);
        if fits {
            let bucket = &mut self.buckets[at];
            bucket.filled = filled;
            bucket.prefixes.push((path_id, prefix));
            bucket.entries.push(entry);
        }
        fits
    }

    /// Adds a prefix to the withdrawals, unless that is too much.
    pub(crate) fn withdraw(&mut self, prefix: IpNet, max_len: usize) -> bool {
        self.withdraw_path(PATH_ID, prefix, max_len, false)
    }

    /// As [`Round::withdraw`], with a path identifier.
    pub(crate) fn withdraw_path(
        &mut self,
        path_id: u32,
        prefix: IpNet,
        max_len: usize,
        begun: bool,
    ) -> bool {
        let place = usize::from(matches!(prefix, IpNet::V6(_)));
        let (filled, cost) = grown(self.withdrawn[place], 0, &prefix, max_len);
        let fits = self.afford(cost, begun);
        if fits {
            self.withdrawn[place] = filled;
            self.withdrawals[place].push((path_id, prefix));
        }
        fits
    }
}

/// What one prefix more comes to: octets of prefixes in the last message, and octets in all, for a
/// message that has `filled` octets of prefixes (0: there is none yet) and `attrs` of attributes.
fn grown(filled: usize, attrs: usize, prefix: &IpNet, max_len: usize) -> (usize, usize) {
    let len = 4 + 1 + usize::from(prefix.prefix_len().div_ceil(8));
    if filled == 0 || filled + len + attrs + MESSAGE > max_len {
        (len, len + attrs + MESSAGE)
    } else {
        (filled + len, len)
    }
}

impl Bucket {
    fn new(next_hop: NextHop) -> Bucket {
        Bucket {
            v6: false,
            next_hop,
            attrs: Vec::new(),
            prefixes: Vec::new(),
            entries: Vec::new(),
            filled: 0,
        }
    }

    fn reset(&mut self, v6: bool, next_hop: NextHop, attrs: &[u8]) {
        self.v6 = v6;
        self.next_hop = next_hop;
        self.attrs.clear();
        self.attrs.extend_from_slice(attrs);
        self.prefixes.clear();
        self.entries.clear();
        self.filled = 0;
    }
}
