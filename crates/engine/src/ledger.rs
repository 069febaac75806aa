//! Every steered prefix, and what each peer was told about it.

use alloc::vec::Vec;

use ipnet::IpNet;
use pathvane_clock::Instant;
use pathvane_rib::PeerId;

use crate::config::Config;
use crate::event::Signal;
use crate::ids::{PathId, ServiceId};
use crate::signal::{Told, Urgency};

/// A prefix that is announced by us and not by policy alone.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Steered {
    pub(crate) prefix: IpNet,
    pub(crate) owner: Owner,
}

/// Whose prefix it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Owner {
    /// The `nth` announced prefix of a service.
    Service(ServiceId, usize),
    /// The probe source of a path, announced over that path's peers only, never steered (law 1).
    Probe(PathId),
}

/// What should be said to a peer about a prefix, and how soon.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Wish {
    pub(crate) signal: Signal,
    pub(crate) urgency: Urgency,
    pub(crate) reason: &'static str,
}

/// The ledger: peers by prefixes.
#[derive(Debug)]
pub(crate) struct Ledger {
    steered: Vec<Steered>,
    told: Vec<Vec<Told>>,
}

impl Ledger {
    pub(crate) fn new(config: &Config) -> Self {
        let mut steered = Vec::new();
        for (id, service) in (0u16..).zip(&config.services) {
            for (nth, announce) in service.announce.iter().enumerate() {
                let owner = Owner::Service(ServiceId(id), nth);
                steered.push(Steered { prefix: announce.prefix, owner });
            }
        }
        for (id, path) in (0u16..).zip(&config.paths) {
            let prefix = IpNet::from(path.probe_source);
            steered.push(Steered { prefix, owner: Owner::Probe(PathId(id)) });
        }
        let row = || steered.iter().map(|_| Told::default()).collect();
        let told = config.peers.iter().map(|_| row()).collect();
        Self { steered, told }
    }

    /// Another peer has come.
    pub(crate) fn add_peer(&mut self) {
        self.told.push(self.steered.iter().map(|_| Told::default()).collect());
    }

    /// Every steered prefix; the index is what the other methods take.
    pub(crate) fn steered(&self) -> &[Steered] {
        &self.steered
    }

    /// The entry of one peer and one prefix.
    pub(crate) fn told(&self, peer: PeerId, prefix: usize) -> &Told {
        &self.told[peer.index()][prefix]
    }

    /// The entry of one peer and one prefix, to be changed.
    pub(crate) fn told_mut(&mut self, peer: PeerId, prefix: usize) -> &mut Told {
        &mut self.told[peer.index()][prefix]
    }

    /// The peer's TCP acknowledged everything it was told.
    pub(crate) fn confirm(&mut self, peer: PeerId) {
        self.told[peer.index()].iter_mut().for_each(Told::confirm);
    }

    /// The peer's session went down.
    pub(crate) fn lose(&mut self, peer: PeerId) {
        self.told[peer.index()].iter_mut().for_each(Told::lose);
    }

    /// The peer holds nothing of ours any more.
    pub(crate) fn purge(&mut self, peer: PeerId) {
        self.told[peer.index()].iter_mut().for_each(Told::purge);
    }

    /// When the next undercut that is no longer needed is to be given back.
    pub(crate) fn next_relax(&self) -> Option<Instant> {
        self.told.iter().flatten().filter_map(|told| told.relax_at).min()
    }

    /// The lowest MED that may be held for `prefix` by any peer of the domain of `of` that speaks for
    /// none of the paths that `carry`.
    pub(crate) fn lowest_elsewhere(
        &self,
        config: &Config,
        prefix: usize,
        carry: &[PathId],
        of: PeerId,
    ) -> Option<u32> {
        let domain = &config.peers[of.index()].domain;
        let speaks = |peer: &PeerId| {
            carry.iter().any(|path| config.paths[path.index()].announce_via.contains(peer))
        };
        let others = config
            .peer_ids()
            .filter(|peer| !speaks(peer) && config.peers[peer.index()].domain == *domain);
        others.filter_map(|peer| self.told(peer, prefix).lowest_held()).min()
    }

    /// When the wish may be carried out; `None` if it is what was said last.
    pub(crate) fn due(
        &self,
        now: Instant,
        config: &Config,
        peer: PeerId,
        prefix: usize,
        wish: &Wish,
    ) -> Option<Instant> {
        let (degrade, improve) = (config.timing.degrade_interval, config.timing.improve_interval);
        let due = self.told(peer, prefix).due(wish.signal, wish.urgency, degrade, improve)?;
        Some(due.max(now))
    }
}
