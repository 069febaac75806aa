//! Interned attribute sets: what many routes share is kept once.

use alloc::boxed::Box;
use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use core::hash::{BuildHasher, Hash, Hasher};
use core::net::IpAddr;

use bytes::BytesMut;
use foldhash::fast::FixedState;
use hashbrown::HashMap;
use pathvane_wire::{
    Asn, Attrs, BgpId, Community, DecodeContext, Disposition, EncodeContext, FamilySet, Fault,
    MAX_LEN_EXTENDED, NextHop, PeerKind, RawAttrs,
};

use crate::RibConfig;
use crate::store::{Index, Slab};

/// Where the routes with a set come from, and how its bytes are to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Class {
    pub(crate) source: Source,
    four_octet_as: bool,
}

/// Where a route comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Source {
    Local,
    /// An internal peer that is not our client.
    Internal,
    /// An internal peer for which we reflect (RFC 4456).
    Client,
    External,
}

impl Source {
    /// Whether the route came from inside the AS.
    pub(crate) const fn is_internal(self) -> bool {
        matches!(self, Source::Internal | Source::Client)
    }
}

impl Class {
    pub(crate) const fn received(ctx: &DecodeContext, client: bool) -> Class {
        let source = match ctx.peer {
            PeerKind::Internal if client => Source::Client,
            PeerKind::Internal => Source::Internal,
            PeerKind::External => Source::External,
        };
        Class { source, four_octet_as: ctx.four_octet_as }
    }

    /// How bytes are to be read; those that we wrote ourselves have everything.
    const fn context(self, ours: bool) -> DecodeContext {
        let peer = match self.source {
            Source::External if !ours => PeerKind::External,
            _ => PeerKind::Internal,
        };
        DecodeContext {
            peer,
            four_octet_as: self.four_octet_as || ours,
            families: FamilySet::ALL,
            add_path: FamilySet::EMPTY,
            extended_next_hop: FamilySet::EMPTY,
        }
    }
}

/// How we write sets of our own.
const OURS: EncodeContext = EncodeContext {
    peer: PeerKind::Internal,
    four_octet_as: true,
    add_path: FamilySet::EMPTY,
    extended_next_hop: FamilySet::EMPTY,
    max_len: MAX_LEN_EXTENDED,
};

/// What the Decision Process asks of a set.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Summary {
    local_pref: u32,
    med: u32,
    originator: u32,
    /// The AS that MEDs are compared within; 0 if there is none.
    pub(crate) neighbor_as: u32,
    pub(crate) path_len: u16,
    pub(crate) clusters: u16,
    pub(crate) origin: u8,
    flags: u8,
}

impl Summary {
    const LOCAL_PREF: u8 = 1;
    const MED: u8 = 2;
    const ORIGINATOR: u8 = 4;
    const AS_LOOP: u8 = 8;
    const CLUSTER_LOOP: u8 = 16;
    const NO_EXPORT: u8 = 32;
    const NO_ADVERTISE: u8 = 64;
    const LLGR_STALE: u8 = 128;

    fn of(attrs: &Attrs, us: &Ourselves) -> Summary {
        let Ourselves { asn, id, cluster_id } = *us;
        let communities = &attrs.communities;
        let cluster_loop =
            attrs.originator_id == Some(id) || attrs.cluster_list.contains(&cluster_id);
        let no_export = communities.contains(&Community::NO_EXPORT)
            || communities.contains(&Community::NO_EXPORT_SUBCONFED);
        let flags = [
            (attrs.local_pref.is_some(), Summary::LOCAL_PREF),
            (attrs.med.is_some(), Summary::MED),
            (attrs.originator_id.is_some(), Summary::ORIGINATOR),
            (attrs.as_path.contains(asn), Summary::AS_LOOP),
            (cluster_loop, Summary::CLUSTER_LOOP),
            (no_export, Summary::NO_EXPORT),
            (communities.contains(&Community::NO_ADVERTISE), Summary::NO_ADVERTISE),
            (communities.contains(&Community::LLGR_STALE), Summary::LLGR_STALE),
        ];
        let near = if attrs.as_path.is_empty() { Some(asn) } else { attrs.as_path.neighbor_as() };
        Summary {
            local_pref: attrs.local_pref.unwrap_or(0),
            med: attrs.med.unwrap_or(0),
            originator: attrs.originator_id.unwrap_or_default().0,
            neighbor_as: near.unwrap_or_default().0,
            path_len: u16::try_from(attrs.as_path.len()).unwrap_or(u16::MAX),
            clusters: u16::try_from(attrs.cluster_list.len()).unwrap_or(u16::MAX),
            origin: attrs.origin as u8,
            flags: flags.iter().fold(0, |all, (on, flag)| if *on { all | flag } else { all }),
        }
    }

    const fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    pub(crate) fn local_pref(&self) -> Option<u32> {
        self.has(Summary::LOCAL_PREF).then_some(self.local_pref)
    }

    pub(crate) fn med(&self) -> Option<u32> {
        self.has(Summary::MED).then_some(self.med)
    }

    pub(crate) fn originator(&self) -> Option<BgpId> {
        self.has(Summary::ORIGINATOR).then_some(BgpId(self.originator))
    }

    pub(crate) const fn has_as_loop(&self) -> bool {
        self.has(Summary::AS_LOOP)
    }

    pub(crate) const fn has_cluster_loop(&self) -> bool {
        self.has(Summary::CLUSTER_LOOP)
    }

    /// Our own AS number or BGP Identifier is where it must not be.
    pub(crate) const fn has_loop(&self) -> bool {
        self.has_as_loop() || self.has_cluster_loop()
    }

    /// Kept though its origin has been gone for long, here or on the way (RFC 9494).
    pub(crate) const fn is_long_lived(&self) -> bool {
        self.has(Summary::LLGR_STALE)
    }

    /// Whether its communities let the route go to a peer of this kind (RFC 1997).
    pub(crate) const fn may_go_to(&self, kind: PeerKind) -> bool {
        !self.has(Summary::NO_ADVERTISE)
            && (matches!(kind, PeerKind::Internal) || !self.has(Summary::NO_EXPORT))
    }
}

const NONE: u32 = u32::MAX;

/// One set. A set of our own making points to the received one that policy started from.
#[derive(Debug)]
struct Set {
    bytes: Box<[u8]>,
    refs: u32,
    serial: u32,
    next_hop: u32,
    base: u32,
    summary: Summary,
    class: Class,
    ours: bool,
}

#[derive(Debug)]
struct Hop {
    next_hop: NextHop,
    refs: u32,
    reachable: bool,
}

/// What came of bytes that were offered.
pub(crate) enum Interned {
    /// The set, and the fault of an attribute that was dropped from it.
    Set(u32, Option<Fault>),
    /// The routes are to be handled as withdrawn.
    Withdraw(Option<Fault>),
}

/// What loops are found by.
#[derive(Clone, Copy, Debug)]
struct Ourselves {
    asn: Asn,
    id: BgpId,
    cluster_id: BgpId,
}

/// All sets in use.
#[derive(Debug)]
pub(crate) struct Sets {
    us: Ourselves,
    sets: Slab<Set>,
    index: Index,
    hasher: FixedState,
    serial: u32,
    /// Octets of attributes in all sets.
    attr_bytes: usize,
    hops: Slab<Hop>,
    by_hop: HashMap<NextHop, u32, FixedState>,
    unreachable: BTreeSet<IpAddr>,
    /// The faults of sets from which an attribute was dropped.
    faults: HashMap<u32, Fault, FixedState>,
    /// The sets last decoded: number and serial number say which.
    typed: Vec<Option<(u32, u32, Attrs)>>,
    nothing: Attrs,
    scratch: Vec<u8>,
}

const TYPED: usize = 64;

impl Sets {
    pub(crate) fn new(config: &RibConfig) -> Sets {
        let RibConfig { asn, id, cluster_id, seed, .. } = *config;
        let hasher = FixedState::with_seed(seed ^ 0x5e75);
        Sets {
            us: Ourselves { asn, id, cluster_id },
            sets: Slab::new(),
            index: Index::new(),
            serial: 0,
            attr_bytes: 0,
            hops: Slab::new(),
            by_hop: HashMap::with_hasher(hasher.clone()),
            unreachable: BTreeSet::new(),
            faults: HashMap::with_hasher(hasher.clone()),
            typed: (0..TYPED).map(|_| None).collect(),
            nothing: Attrs::default(),
            scratch: Vec::new(),
            hasher,
        }
    }

    /// The set of these received attributes, held once more. Bytes seen before are not decoded.
    pub(crate) fn intern(&mut self, raw: RawAttrs<'_>, hop: NextHop, class: Class) -> Interned {
        let mut scratch = core::mem::take(&mut self.scratch);
        let bytes = raw.contiguous(&mut scratch);
        let interned = self.intern_bytes(bytes, hop, class);
        self.scratch = scratch;
        interned
    }

    fn intern_bytes(&mut self, bytes: &[u8], hop: NextHop, class: Class) -> Interned {
        let key = Key { bytes, hop, class, base: NONE, ours: false };
        let hash = self.hash(&key);
        if let Some(id) = self.find(hash, &key) {
            self.hold(id);
            return Interned::Set(id, self.faults.get(&id).copied());
        }
        let checked = RawAttrs::from_bytes(bytes).check(&class.context(false));
        let worst = checked.faults.iter().max_by_key(|fault| fault.disposition).copied();
        if checked.disposition() >= Disposition::TreatAsWithdraw {
            return Interned::Withdraw(worst);
        }
        let summary = Summary::of(&checked.attrs, &self.us);
        let id = self.insert(hash, &key, summary);
        self.hold(id);
        self.remember(id, checked.attrs);
        if let Some(fault) = worst {
            self.faults.insert(id, fault);
        }
        Interned::Set(id, worst)
    }

    /// The set of what policy made of `base`. A new one is forgotten unless it is held.
    pub(crate) fn derive(&mut self, base: u32, attrs: &Attrs) -> u32 {
        let Set { next_hop, class, summary, .. } = self.sets[base];
        let hop = self.hops[next_hop].next_hop;
        let loops = summary.flags & (Summary::AS_LOOP | Summary::CLUSTER_LOOP);
        self.own(attrs, hop, class, base, loops)
    }

    /// The set `accepted`, which policy made of a received one, for routes that are kept for long
    /// (RFC 9494 section 4.2). A new one is forgotten unless it is held.
    pub(crate) fn long_lived(&mut self, accepted: u32) -> u32 {
        let mut attrs = self.decode(accepted);
        attrs.communities.insert(Community::LLGR_STALE);
        self.derive(self.base(accepted), &attrs)
    }

    /// Whether NO_LLGR is in a set, or was in it when it was received.
    pub(crate) fn refuses_long_lived(&self, id: u32) -> bool {
        let has = |id| self.decode(id).communities.contains(&Community::NO_LLGR);
        has(id) || has(self.base(id))
    }

    /// The set of a route of our own. A new one is forgotten unless it is held.
    pub(crate) fn local(&mut self, attrs: &Attrs, hop: NextHop) -> u32 {
        let class = Class { source: Source::Local, four_octet_as: true };
        self.own(attrs, hop, class, NONE, 0)
    }

    /// `loops`: prepending ourselves makes no loop, so what the peer sent decides.
    fn own(&mut self, attrs: &Attrs, hop: NextHop, class: Class, base: u32, loops: u8) -> u32 {
        let mut bytes = BytesMut::new();
        attrs.encode(&OURS, &mut bytes);
        let key = Key { bytes: &bytes, hop, class, base, ours: true };
        let hash = self.hash(&key);
        if let Some(id) = self.find(hash, &key) {
            return id;
        }
        let mut summary = Summary::of(attrs, &self.us);
        summary.flags &= !(Summary::AS_LOOP | Summary::CLUSTER_LOOP);
        summary.flags |= loops;
        if base != NONE {
            self.hold(base);
        }
        self.insert(hash, &key, summary)
    }

    fn hash(&self, key: &Key<'_>) -> u64 {
        let mut hasher = self.hasher.build_hasher();
        hasher.write(key.bytes);
        (key.hop, key.class, key.base, key.ours).hash(&mut hasher);
        hasher.finish()
    }

    fn find(&self, hash: u64, key: &Key<'_>) -> Option<u32> {
        self.index.find(hash, |id| {
            let set = &self.sets[id];
            *set.bytes == *key.bytes
                && set.class == key.class
                && (set.base, set.ours) == (key.base, key.ours)
                && self.hops[set.next_hop].next_hop == key.hop
        })
    }

    fn insert(&mut self, hash: u64, key: &Key<'_>, summary: Summary) -> u32 {
        let next_hop = self.hold_hop(key.hop);
        self.serial = self.serial.wrapping_add(1);
        self.attr_bytes += key.bytes.len();
        let id = self.sets.insert(Set {
            bytes: key.bytes.into(),
            refs: 0,
            serial: self.serial,
            next_hop,
            base: key.base,
            summary,
            class: key.class,
            ours: key.ours,
        });
        self.index.insert(hash, id);
        id
    }

    fn hold_hop(&mut self, next_hop: NextHop) -> u32 {
        if let Some(id) = self.by_hop.get(&next_hop) {
            self.hops[*id].refs += 1;
            return *id;
        }
        let reachable = !self.unreachable.contains(&next_hop.addr);
        let id = self.hops.insert(Hop { next_hop, refs: 1, reachable });
        self.by_hop.insert(next_hop, id);
        id
    }

    /// One route more has the set.
    pub(crate) fn hold(&mut self, id: u32) {
        self.sets[id].refs += 1;
    }

    /// One route less has the set; without any it is forgotten, and its base with it.
    pub(crate) fn release(&mut self, id: u32) {
        let mut next = id;
        while next != NONE {
            let set = &mut self.sets[next];
            set.refs -= 1;
            if set.refs > 0 {
                return;
            }
            let forgotten = next;
            next = set.base;
            self.forget(forgotten);
        }
    }

    fn forget(&mut self, id: u32) {
        let bytes = core::mem::take(&mut self.sets[id].bytes);
        let Set { next_hop, class, base, ours, .. } = self.sets[id];
        let hop = self.hops[next_hop].next_hop;
        let hash = self.hash(&Key { bytes: &bytes, hop, class, base, ours });
        self.index.remove(hash, id);
        self.attr_bytes -= bytes.len();
        self.sets.release(id);
        self.faults.remove(&id);
        self.hops[next_hop].refs -= 1;
        if self.hops[next_hop].refs == 0 {
            self.by_hop.remove(&hop);
            self.hops.release(next_hop);
        }
    }

    /// Reads sets ahead of time, all at once, so that they are in the cache when they are looked at.
    pub(crate) fn touch(&self, ids: impl Iterator<Item = u32>) {
        core::hint::black_box(ids.fold(0, |read, id| read ^ self.sets[id].serial));
    }

    pub(crate) fn summary(&self, id: u32) -> &Summary {
        &self.sets[id].summary
    }

    /// Tells this use of a number from later ones.
    pub(crate) fn serial(&self, id: u32) -> u32 {
        self.sets[id].serial
    }

    /// Whether a number still stands for the set that had this serial number.
    pub(crate) fn is_current(&self, id: u32, serial: u32) -> bool {
        let set = &self.sets[id];
        set.refs > 0 && set.serial == serial
    }

    pub(crate) fn source(&self, id: u32) -> Source {
        self.sets[id].class.source
    }

    pub(crate) fn next_hop(&self, id: u32) -> NextHop {
        self.hops[self.sets[id].next_hop].next_hop
    }

    pub(crate) fn is_reachable(&self, id: u32) -> bool {
        self.hops[self.sets[id].next_hop].reachable
    }

    /// The received set that policy started from; itself, if policy changed nothing.
    pub(crate) fn base(&self, id: u32) -> u32 {
        let base = self.sets[id].base;
        if base == NONE { id } else { base }
    }

    /// The octets of a set, if they mean what they say: without a fault, and with AS numbers of four octets.
    pub(crate) fn octets(&self, id: u32) -> Option<&[u8]> {
        let set = &self.sets[id];
        let whole = (set.ours || set.class.four_octet_as) && !self.faults.contains_key(&id);
        whole.then_some(&*set.bytes)
    }

    /// Decodes a set.
    pub(crate) fn decode(&self, id: u32) -> Attrs {
        let set = &self.sets[id];
        RawAttrs::from_bytes(&set.bytes).check(&set.class.context(set.ours)).attrs
    }

    /// Sees to it that [`Sets::warmed`] has the set.
    pub(crate) fn warm(&mut self, id: u32) {
        let serial = self.serial(id);
        let known =
            matches!(&self.typed[id as usize % TYPED], Some((i, s, _)) if (*i, *s) == (id, serial));
        if !known {
            self.remember(id, self.decode(id));
        }
    }

    /// The set that was last warmed, decoded.
    pub(crate) fn warmed(&self, id: u32) -> &Attrs {
        match &self.typed[id as usize % TYPED] {
            Some((_, _, attrs)) => attrs,
            None => &self.nothing,
        }
    }

    fn remember(&mut self, id: u32, attrs: Attrs) {
        self.typed[id as usize % TYPED] = Some((id, self.serial(id), attrs));
    }

    /// Notes whether a next hop is reachable; true if that is news to a set in use.
    pub(crate) fn set_reachable(&mut self, addr: IpAddr, reachable: bool) -> bool {
        let news =
            if reachable { self.unreachable.remove(&addr) } else { self.unreachable.insert(addr) };
        if !news {
            return false;
        }
        let hops: Vec<u32> =
            self.by_hop.iter().filter(|(hop, _)| hop.addr == addr).map(|(_, id)| *id).collect();
        for hop in &hops {
            self.hops[*hop].reachable = reachable;
        }
        !hops.is_empty()
    }

    /// Sets in use.
    pub(crate) const fn in_use(&self) -> u32 {
        self.sets.in_use()
    }

    /// What our cluster is called.
    pub(crate) const fn cluster_id(&self) -> BgpId {
        self.us.cluster_id
    }

    /// Octets held, with 16 for each allocation.
    pub(crate) fn bytes(&self) -> usize {
        let own = 16 * self.sets.in_use() as usize + self.attr_bytes;
        self.sets.bytes() + self.index.bytes() + self.hops.bytes() + own
    }
}

/// What makes a set what it is.
struct Key<'a> {
    bytes: &'a [u8],
    hop: NextHop,
    class: Class,
    base: u32,
    ours: bool,
}
