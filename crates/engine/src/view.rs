//! What the engine shows: a look at peers, paths and services as they are now.

use alloc::vec::Vec;
use core::net::SocketAddr;

use ipnet::IpNet;
use pathvane_clock::{Duration, Instant};
use pathvane_rib::Rib;
use pathvane_score::{ClassScore, Decision, Figures, Verdict};
use pathvane_session::Session;

use crate::config::{Config, Mode};
use crate::engine::Engine;
use crate::event::Signal;
use crate::ids::{PathId, PeerId, ServiceId, StreamId};
use crate::io::Share;
use crate::reports::Held;
use crate::signal::Role;

/// One peer.
#[derive(Debug)]
pub struct PeerView<'a> {
    /// Its session: state, terms, counters.
    pub session: &'a Session,
    /// Until when routes of its lost session are kept.
    pub stale_until: Option<Instant>,
    /// Until when it may hold what it was told on its lost session.
    pub held_until: Option<Instant>,
    /// Its session was closed for its limit of prefixes; with the time at which it is opened again,
    /// `None`: by the operator.
    pub closed: Option<Option<Instant>>,
    /// What it was told about steered prefixes.
    pub told: Vec<Told>,
}

/// What a peer was told about one prefix.
#[derive(Clone, Copy, Debug)]
pub struct Told {
    /// The prefix.
    pub prefix: IpNet,
    /// The latest decision on this session, if one was made.
    pub signal: Option<Signal>,
    /// The lowest MED the peer may still hold.
    pub lowest_held: Option<u32>,
}

/// One path.
#[derive(Debug)]
pub struct PathView<'a> {
    /// The verdict.
    pub verdict: &'a Verdict,
    /// Its probe streams.
    pub streams: Vec<StreamView>,
    /// Its full-size probes, if it has them.
    pub full_size: Option<FullSizeView>,
    /// What is said of it from outside, each with whether it breaks a limit of its class.
    pub reports: Vec<(&'a Held, bool)>,
    /// How many such reports had to make room before their time.
    pub reports_displaced: u64,
}

/// The full-size probes of a path.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FullSizeView {
    /// Octets of the IP packets that are sent; `None` while the kernel knows no size.
    pub octets: Option<u16>,
    /// The largest packet that the path takes, as far as the kernel knows.
    pub path_mtu: Option<u16>,
    /// What became of the probes.
    pub counters: pathvane_probe::Counters,
}

/// One probe stream.
#[derive(Debug)]
pub struct StreamView {
    /// Which.
    pub id: StreamId,
    /// What became of its probes.
    pub counters: pathvane_probe::Counters,
    /// The time between two probes now.
    pub interval: Duration,
    /// The address by which the far end sees our probes, if it told (STUN).
    pub mapped: Option<SocketAddr>,
    /// What they measured.
    pub figures: Figures,
    /// Round trips of which one end or both are by our clock: the kernel gave no timestamp.
    pub user_stamped: u64,
}

/// One service.
#[derive(Debug)]
pub struct ServiceView<'a> {
    /// The path that carries it, or the first of those that do.
    pub leader: Option<PathId>,
    /// The paths that carry it, and how much of it.
    pub carry: Vec<Share>,
    /// The path its selector wants; differs while observing or frozen.
    pub wanted: Option<PathId>,
    /// What each of its paths is to it, with its score for the service's class.
    pub paths: Vec<(PathId, Role, ClassScore)>,
    /// The selector's last decision.
    pub decision: &'a Decision,
    /// Per announced prefix: whether its condition holds.
    pub announced: Vec<(IpNet, bool)>,
    /// Per check: the last result.
    pub healthy: Vec<Option<bool>>,
}

/// # Getters
impl Engine {
    /// What the engine was told to be.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The routes.
    pub fn rib(&self) -> &Rib {
        &self.rib
    }

    /// Whether decisions are carried out.
    pub fn mode(&self) -> Mode {
        self.config.mode
    }

    /// Whether the operator stopped all moves.
    pub fn frozen(&self) -> bool {
        self.frozen
    }

    /// Whether the speaker is leaving.
    pub fn draining(&self) -> bool {
        !self.life.steers()
    }

    /// One peer.
    pub fn peer(&self, id: PeerId) -> PeerView<'_> {
        let peer = &self.peers[id.index()];
        let told = self.ledger.steered().iter().enumerate().map(|(at, steered)| {
            let told = self.ledger.told(id, at);
            Told { prefix: steered.prefix, signal: told.now(), lowest_held: told.lowest_held() }
        });
        PeerView {
            session: &peer.session,
            stale_until: peer.retained.until(),
            held_until: peer.held_until,
            closed: peer.standing.closed,
            told: told.collect(),
        }
    }

    /// One path.
    pub fn path(&self, id: PathId) -> PathView<'_> {
        PathView {
            verdict: self.measure.verdict(id),
            streams: self.measure.streams(id).collect(),
            full_size: self.measure.full_size(id),
            reports: self.measure.reports(id).collect(),
            reports_displaced: self.measure.reports_displaced(id),
        }
    }

    /// One service.
    pub fn service(&self, id: ServiceId) -> ServiceView<'_> {
        let service = &self.config.services[id.index()];
        let (steer, acting) = (&self.steers[id.index()], &self.acting[id.index()]);
        let paths = service.paths.iter().zip(&acting.roles);
        let announced = service.announce.iter().enumerate();
        ServiceView {
            leader: acting.leader(),
            carry: crate::load::shares(&self.config, service, &acting.carry),
            wanted: steer.wanted(),
            paths: paths
                .map(|(&path, &role)| (path, role, self.measure.score(path, service)))
                .collect(),
            decision: steer.decision(),
            announced: announced.map(|(nth, a)| (a.prefix, steer.holds(nth))).collect(),
            healthy: (0..service.checks.len()).map(|nth| steer.healthy(nth)).collect(),
        }
    }
}
