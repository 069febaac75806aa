//! The RIB as one thing: its parts, its peers, and their sessions.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use ipnet::IpNet;
use pathvane_wire::{Family, FamilySet};

use crate::changes::Changes;
use crate::group::{Group, GroupKey};
use crate::import::ImportMemo;
use crate::net_set::{Zone, ZoneKey};
use crate::peer::{FAMILIES, Frame, Peer, Session, Walk, place_of};
use crate::policy::Speaker;
use crate::round::Round;
use crate::sets::Sets;
use crate::store::Bits;
use crate::table::Table;
use crate::work::{Job, Task};
use crate::{Counts, Faults, PeerConfig, PeerId, PeerUp, Quota, RibConfig};

/// All routes of a speaker.
#[derive(Debug)]
pub struct Rib {
    pub(crate) config: RibConfig,
    pub(crate) table: Table,
    pub(crate) sets: Sets,
    pub(crate) peers: Vec<Option<Peer>>,
    pub(crate) groups: Vec<Option<Box<Group>>>,
    pub(crate) zone: Zone,
    pub(crate) changes: Changes,
    pub(crate) jobs: Vec<Job>,
    pub(crate) imports: ImportMemo,
    /// Entries that may be without routes and readers now: those that a queue has let go of, and
    /// those that have lost a route.
    pub(crate) done: Vec<u32>,
    pub(crate) round: Round,
    /// What changes now goes before bulk.
    pub(crate) haste: bool,
    /// A group is told several routes of a prefix.
    pub(crate) sends_paths: bool,
}

impl Rib {
    /// A RIB without peers.
    pub fn new(config: RibConfig) -> Rib {
        Rib {
            config,
            table: Table::new(config.seed),
            sets: Sets::new(&config),
            peers: Vec::new(),
            groups: Vec::new(),
            zone: Zone::default(),
            changes: Changes::new(config.seed),
            jobs: Vec::new(),
            imports: ImportMemo::default(),
            done: Vec::new(),
            round: Round::new(config.seed),
            haste: false,
            sends_paths: false,
        }
    }

    /// Adds a peer without a session. One that is there gets the configuration instead, as by
    /// [`Rib::set_policy`].
    ///
    /// [`PeerId::LOCAL`] is us, and is not added.
    pub fn add_peer(&mut self, peer: PeerId, config: PeerConfig) {
        if peer == PeerId::LOCAL {
            return;
        }
        if self.peer(peer).is_some() {
            return self.set_policy(peer, config);
        }
        let import_key = self.imports.key_of(config.import.as_ref(), &self.peers);
        if peer.index() >= self.peers.len() {
            self.peers.resize_with(peer.index() + 1, || None);
        }
        self.peers[peer.index()] = Some(Peer::new(config, import_key));
    }

    /// Ends the peer's session without retaining anything, and clears what steering, counters and
    /// policy had for it. Its routes are removed by [`Rib::work`], after which the number is as new.
    pub fn remove_peer(&mut self, peer: PeerId) {
        self.peer_down(peer, FamilySet::EMPTY);
        self.flush_stale(peer);
        if let Some(peer) = self.peer_mut(peer) {
            peer.config = PeerConfig::default();
            peer.faults = Faults::default();
            peer.offsets.clear();
            peer.directives.clear();
            peer.quota = Quota::default();
        }
    }

    /// Gives a peer another configuration. Its routes are judged again from what it sent, and it is
    /// told what changes for it; by [`Rib::work`] and [`Rib::poll_transmit`], without a route refresh.
    pub fn set_policy(&mut self, peer: PeerId, config: PeerConfig) {
        let import_key = self.imports.key_of(config.import.as_ref(), &self.peers);
        let Some(known) = self.peer_mut(peer) else { return };
        let old = core::mem::replace(&mut known.config, config);
        known.import_key = import_key;
        if old.import != known.config.import {
            self.start(Task::Reimport(peer));
        }
        self.regroup(peer);
    }

    /// A session reached Established: the peer is to be told the Loc-RIB, then End-of-RIB.
    ///
    /// Routes retained from the session before are stale until the peer's End-of-RIB comes, or
    /// [`Rib::flush_stale`]. A session that is up ends first.
    pub fn peer_up(&mut self, peer: PeerId, up: PeerUp) {
        if self.session(peer).is_some() {
            self.peer_down(peer, FamilySet::EMPTY);
        }
        if self.peer(peer).is_some_and(|peer| peer.unswept > 200) {
            // Generations have eight bits: before one comes again, no route of it may be left.
            self.finish_sweep(peer);
        }
        let Some(known) = self.peer_mut(peer) else { return };
        known.begin(&up);
        let key = GroupKey::new(&known.config, &up);
        let families = up.families;
        let (group, reader) = self.join(peer, key);
        let walk = self.walk(false, Frame::EndOfRib);
        let walks = FAMILIES.map(|family| families.contains(family).then_some(walk));
        if let Some(known) = self.peer_mut(peer) {
            known.session = Some(Box::new(Session {
                up,
                group,
                reader,
                held: Bits::default(),
                paths: BTreeMap::new(),
                withheld: Bits::default(),
                withheld_count: [0; 2],
                services_held: [0; 2],
                urgent: Default::default(),
                walks,
                former: None,
                sent_end_of_rib: FamilySet::EMPTY,
            }));
        }
        for family in FAMILIES.into_iter().filter(|family| !families.contains(*family)) {
            self.end_stale(peer, family);
        }
    }

    /// A session left Established. Routes of the families in `retain` stay candidates, as stale
    /// (RFC 4724 section 4.2); the others are dead at once, and removed by [`Rib::work`].
    pub fn peer_down(&mut self, peer: PeerId, retain: FamilySet) {
        let Some(known) = self.peer_mut(peer) else { return };
        let Some(session) = known.session.take() else { return };
        known.end(retain);
        self.leave(peer, session.group, session.reader);
        self.done.extend(session.urgent);
        self.reap_done();
        self.start(Task::Sweep(peer));
    }

    /// The time for stale routes is over: those that the peer has not announced again are dead at
    /// once, and removed by [`Rib::work`]. End-of-RIB from the peer does the same for its family, and
    /// so does a session without the family.
    pub fn flush_stale(&mut self, peer: PeerId) {
        FAMILIES.into_iter().for_each(|family| self.end_stale(peer, family));
    }

    /// As [`Rib::flush_stale`], for one family.
    pub fn end_stale(&mut self, peer: PeerId, family: Family) {
        if self.peer_mut(peer).is_some_and(|peer| peer.kill_stale(family)) {
            self.start(Task::Sweep(peer));
        }
    }

    /// The peer's stale routes of a family are kept for longer, until [`Rib::end_stale`], as the least
    /// preferred ones, marked LLGR_STALE; those with NO_LLGR go (RFC 9494 section 4.2). By
    /// [`Rib::work`].
    pub fn keep_long_lived(&mut self, peer: PeerId, family: Family) {
        if let Some(known) = self.peer_mut(peer) {
            known.long_lived.insert(family);
            self.start(Task::Reimport(peer));
        }
    }

    /// The peer has sent End-of-RIB for a family.
    pub(crate) fn heard_end_of_rib(&mut self, peer: PeerId, family: Family) {
        let Some(known) = self.peer_mut(peer) else { return };
        known.heard_end_of_rib.insert(family);
        if !known.refreshing.contains(family) {
            self.end_stale(peer, family);
        }
    }

    /// The peer begins to send a family again (BoRR, RFC 7313): what it does not repeat before
    /// [`Rib::end_refresh`] goes then. Not heeded before its End-of-RIB, nor within a refresh.
    pub fn begin_refresh(&mut self, peer: PeerId, family: Family) {
        if let Some(known) = self.peer_mut(peer).filter(|known| known.session.is_some()) {
            known.begin_refresh(family);
        }
    }

    /// The peer has sent a family again (EoRR, RFC 7313), or had time enough to: routes that it did
    /// not repeat are dead at once, and removed by [`Rib::work`].
    pub fn end_refresh(&mut self, peer: PeerId, family: Family) {
        let Some(known) = self.peer_mut(peer) else { return };
        if known.refreshing.contains(family) {
            known.refreshing.remove(family);
            self.end_stale(peer, family);
        }
    }

    /// The families that a peer is sending again (RFC 7313).
    pub fn refreshing(&self, peer: PeerId) -> FamilySet {
        self.peer(peer).map_or(FamilySet::EMPTY, |peer| peer.refreshing)
    }

    /// The peer wants all routes of a family again (RFC 2918).
    pub fn refresh(&mut self, peer: PeerId, family: Family) {
        let mut walk = self.walk(true, Frame::Silent);
        let Some(session) = self.session_mut(peer) else { return };
        if !session.up.families.contains(family) {
            return;
        }
        session.former = None;
        walk.frame = if !session.sent_end_of_rib.contains(family) {
            Frame::EndOfRib
        } else if session.up.enhanced_refresh {
            Frame::Refresh
        } else {
            Frame::Silent
        };
        session.walks[place_of(family == Family::IPV6_UNICAST)] = Some(walk);
    }

    pub(crate) fn walk(&self, again: bool, frame: Frame) -> Walk {
        Walk {
            services: Some(ZoneKey::START),
            next: 0,
            end: self.table.slots(),
            again,
            zone_version: self.zone.version,
            frame,
        }
    }

    /// Puts a peer into the group of its like. Returns group and reader.
    fn join(&mut self, peer: PeerId, key: GroupKey) -> (usize, usize) {
        let like = self.groups.iter().position(|g| g.as_ref().is_some_and(|g| g.key == key));
        let at = like.unwrap_or_else(|| {
            let free = self.groups.iter().position(Option::is_none);
            free.unwrap_or_else(|| {
                self.groups.push(None);
                self.groups.len() - 1
            })
        });
        let seed = self.config.seed;
        self.sends_paths |= FAMILIES.into_iter().any(|family| key.sends_paths(family));
        let group = self.groups[at].get_or_insert_with(|| Box::new(Group::new(key, seed)));
        group.members.push(peer);
        (at, group.queue.join())
    }

    fn leave(&mut self, peer: PeerId, at: usize, reader: usize) {
        let Some(group) = &mut self.groups[at] else { return };
        group.members.retain(|member| *member != peer);
        group.queue.leave(reader, &mut self.done);
        if group.members.is_empty() {
            // Entries that only this queue knew are found by the sweep.
            self.groups[at] = None;
            self.start(Task::Sweep(peer));
        }
        self.reap_done();
    }

    /// Moves a peer to the group that its configuration calls for, and tells it what that changes;
    /// everything, if not all of what went before has been told.
    fn regroup(&mut self, peer: PeerId) {
        let walk = self.walk(true, Frame::Silent);
        let Some(known) = self.peer(peer) else { return };
        let Some(session) = &known.session else { return };
        let key = GroupKey::new(&known.config, &session.up);
        let (old, old_reader) = (session.group, session.reader);
        if self.groups[old].as_ref().is_some_and(|group| group.key == key) {
            return;
        }
        let settled = !self.has_pending(peer);
        // What is held of several routes is found out anew.
        let several = |key: &GroupKey| FAMILIES.into_iter().any(|family| key.sends_paths(family));
        let former = self.groups[old]
            .as_ref()
            .filter(|group| settled && !several(&group.key) && !several(&key));
        let former = former.map(|group| group.key.clone());
        let (group, reader) = self.join(peer, key);
        self.leave(peer, old, old_reader);
        let Some(session) = self.session_mut(peer) else { return };
        session.group = group;
        session.reader = reader;
        session.former = former.map(Box::new);
        for (at, family) in FAMILIES.into_iter().enumerate() {
            if session.up.families.contains(family) {
                // Messages that are owed around a walk stay owed.
                let frame = session.walks[at].map_or(Frame::Silent, |walk| walk.frame);
                session.walks[at] = Some(Walk { frame, ..walk });
            }
        }
    }

    /// Forgets those of the entries noted as done that have no routes, if nobody has yet to be told so.
    pub(crate) fn reap_done(&mut self) {
        if self.done.is_empty() {
            return;
        }
        let mut done = core::mem::take(&mut self.done);
        done.retain(|id| self.is_over(*id));
        let mut sessions = self.peers.iter().flatten().filter_map(|peer| peer.session.as_ref());
        let withheld = sessions.any(|session| session.withheld_count != [0; 2]);
        for id in &done {
            if self.table.entry(*id).has(crate::table::Entry::ZONE) {
                self.zone.remove(&self.table.prefix(*id));
            }
            if withheld {
                self.forget_withheld(*id);
            }
        }
        self.table.remove(&done);
        done.clear();
        self.done = done;
    }

    /// Whether an entry has no routes, and nobody has yet to be told so.
    fn is_over(&self, id: u32) -> bool {
        let entry = self.table.entry(id);
        if !entry.is_used() || entry.count() > 0 {
            return false;
        }
        let queued = self.groups.iter().flatten().any(|group| group.queue.contains(id));
        let mut sessions = self.peers.iter().flatten().filter_map(|peer| peer.session.as_ref());
        !queued && !sessions.any(|s| s.held.contains(id) || s.urgent.contains(&id))
    }

    pub(crate) fn peer(&self, peer: PeerId) -> Option<&Peer> {
        self.peers.get(peer.index())?.as_ref()
    }

    pub(crate) fn peer_mut(&mut self, peer: PeerId) -> Option<&mut Peer> {
        self.peers.get_mut(peer.index())?.as_mut()
    }

    pub(crate) fn session(&self, peer: PeerId) -> Option<&Session> {
        self.peer(peer)?.session.as_deref()
    }

    pub(crate) fn session_mut(&mut self, peer: PeerId) -> Option<&mut Session> {
        self.peer_mut(peer)?.session.as_deref_mut()
    }

    pub(crate) const fn speaker(&self) -> Speaker {
        Speaker { asn: self.config.asn, default_preference: self.config.default_preference }
    }

    pub(crate) fn find(&self, prefix: &IpNet) -> Option<u32> {
        let prefix = prefix.trunc();
        self.table.find(self.table.hash(&prefix), &prefix)
    }

    /// Whether prefixes that change from now on are few, so that peers are told of them before bulk.
    pub fn set_haste(&mut self, haste: bool) {
        self.haste = haste;
    }

    /// Routes of a peer in one family; nothing for an unknown peer.
    pub fn counts(&self, peer: PeerId, family: Family) -> Counts {
        let place = place_of(family == Family::IPV6_UNICAST);
        self.peer(peer).map_or_else(Counts::default, |peer| peer.counts[place])
    }

    /// What was wrong with a peer's UPDATEs.
    pub fn faults(&self, peer: PeerId) -> Option<&Faults> {
        self.peer(peer).map(|peer| &peer.faults)
    }

    /// The families for which the peer has sent End-of-RIB in this session.
    pub fn end_of_rib_received(&self, peer: PeerId) -> FamilySet {
        self.peer(peer).map_or(FamilySet::EMPTY, |peer| peer.heard_end_of_rib)
    }

    /// The families for which End-of-RIB was encoded for the peer in this session.
    pub fn end_of_rib_sent(&self, peer: PeerId) -> FamilySet {
        self.session(peer).map_or(FamilySet::EMPTY, |session| session.sent_end_of_rib)
    }
}
