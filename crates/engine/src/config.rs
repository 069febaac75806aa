//! What the engine is told to do: plain data, already read and spelt out by the shell.
//!
//! The shell's configuration file has names; here they are indices, and whoever builds a
//! [`Config`] has checked that they are in range.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;

use alloc::sync::Arc;
use ipnet::IpNet;

use pathvane_probe::stamp::Options;
use pathvane_rib::Policy;
use pathvane_wire::{Asn, BgpId};

use crate::ids::{PathId, PeerId, ServiceId, StreamId};

/// The whole of a speaker's behaviour.
#[derive(Clone, Debug)]
pub struct Config {
    /// Our AS number.
    pub asn: Asn,
    /// Our BGP Identifier (RFC 4271 section 1.1, RFC 6286).
    pub id: BgpId,
    /// What our cluster is called where we reflect routes (RFC 4456 section 7).
    pub cluster_id: BgpId,
    /// How many next hops share the traffic of a prefix at most (RFC 4271 section 9.1.2.2); 1: one.
    pub multipath: u8,
    /// They may be told by different neighbouring ASes.
    pub multipath_relax: bool,
    /// Whether decisions are carried out.
    pub mode: Mode,
    /// The peers; a [`PeerId`] is an index into this list.
    pub peers: Vec<Peer>,
    /// The forwarding paths; a [`PathId`] is an index into this list.
    pub paths: Vec<Path>,
    /// The services; a [`crate::ServiceId`] is an index into this list.
    pub services: Vec<Service>,
    /// Named policies, referred to by index from [`Peer::import`] and [`Peer::export`].
    pub policies: Vec<Arc<Policy>>,
    /// How preference towards cloud routers is spelt as MED.
    pub med: MedPlan,
    /// How long moves, dwells and recoveries take.
    pub timing: Timing,
    /// How long a probe waits for its reply before it counts as lost.
    pub probe_timeout: Duration,
    /// Whether measurements from outside ([`crate::Report`]) may degrade a path, or are only shown.
    pub trust_reports: bool,
    /// The most probes a second of all streams together. Streams that would exceed it keep the
    /// rate they have until others slow down.
    pub probe_rate: u32,
}

impl Config {
    /// Every peer's number.
    pub fn peer_ids(&self) -> impl Iterator<Item = PeerId> + use<> {
        (0..count(self.peers.len())).map(PeerId)
    }

    /// Every path's number.
    pub fn path_ids(&self) -> impl Iterator<Item = PathId> + use<> {
        (0..count(self.paths.len())).map(PathId)
    }

    /// Every service's number.
    pub fn service_ids(&self) -> impl Iterator<Item = ServiceId> + use<> {
        (0..count(self.services.len())).map(ServiceId)
    }

    /// What the operator calls the class of a service.
    pub fn class_name(&self, service: &Service) -> &str {
        let own = service.own_class.and_then(|nth| self.timing.monitor.own.get(nth));
        own.map_or(service.class.name(), |own| &own.name)
    }

    /// Every probe stream with its path and its place among the path's probes.
    pub fn streams(&self) -> impl Iterator<Item = (StreamId, PathId, usize)> + '_ {
        let of_path =
            |path: PathId| (0..self.paths[path.index()].probes.len()).map(move |nth| (path, nth));
        (0u16..)
            .zip(self.path_ids().flat_map(of_path))
            .map(|(id, (path, nth))| (StreamId(id), path, nth))
    }

    /// What two paths and more name in [`Path::shared_risk`], each once; at most
    /// [`SHARED_RISKS_MAX`] count.
    pub fn shared_risks(&self) -> Vec<&str> {
        shared_risks(self.paths.iter().map(|path| &path.shared_risk[..]))
    }

    /// Every full-size probe with its path.
    pub fn full_size_streams(&self) -> impl Iterator<Item = (StreamId, PathId)> + '_ {
        let first = count(self.paths.iter().map(|path| path.probes.len()).sum());
        let probed = |path: &PathId| self.paths[path.index()].mtu_probe.is_some();
        (first..).map(StreamId).zip(self.path_ids().filter(probed))
    }
}

/// Names that several paths may have in [`Path::shared_risk`]; those of one path alone are not counted.
pub const SHARED_RISKS_MAX: usize = 64;

/// The names that two paths and more have, each once, in the order in which they come to be shared.
pub fn shared_risks<'a>(paths: impl Iterator<Item = &'a [String]>) -> Vec<&'a str> {
    // The path that has a name first, and whether another has it as well.
    let (mut seen, mut shared) = (BTreeMap::new(), Vec::new());
    for (path, names) in paths.enumerate() {
        for name in names.iter().map(String::as_str) {
            let (first, told) = seen.entry(name).or_insert((path, false));
            if *first != path && !core::mem::replace(told, true) {
                shared.push(name);
            }
        }
    }
    shared
}

/// List lengths as numbers; configurations are far smaller than the bound.
fn count(len: usize) -> u16 {
    u16::try_from(len).unwrap_or(u16::MAX)
}

/// Whether decisions touch the network (law 11).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Mode {
    /// Decide and record; routes and next hops stay as the configuration's order says.
    #[default]
    Observe,
    /// Decide, record and do.
    Act,
}

/// One BGP peer.
#[derive(Clone, Debug)]
pub struct Peer {
    /// The name operators use.
    pub name: String,
    /// The peer's address, for tie-breaking and display.
    pub address: IpAddr,
    /// Everything the session needs.
    pub session: pathvane_session::Config,
    /// Next hop announced for IPv4 prefixes; the session's local address if `None`.
    pub next_hop_v4: Option<IpAddr>,
    /// Next hop announced for IPv6 prefixes; the session's local address if `None`.
    pub next_hop_v6: Option<IpAddr>,
    /// Index of the import policy; without one nothing is accepted from an external peer (RFC 8212).
    pub import: Option<usize>,
    /// Index of the export policy; without one an external peer gets service and probe prefixes only.
    pub export: Option<usize>,
    /// Set our own address as next hop towards internal peers too.
    pub next_hop_self: bool,
    /// An internal peer for which we reflect routes (RFC 4456).
    pub client: bool,
    /// How many routes of a prefix the peer is told where it takes several (RFC 7911); 0: the best.
    pub paths: u8,
    /// The session is open only while BFD with the peer is up; without this a failure of BFD ends
    /// it, and it may come back before BFD does.
    pub bfd_strict: bool,
    /// The routing domain (VPC, region, routing mode) in which "the last usable way" is counted (law 3).
    pub domain: String,
    /// How many prefixes the peer may announce.
    pub max_in: MaxPrefixes,
    /// How many prefixes of each family (IPv4, IPv6) the peer is told at most.
    pub max_out: [Option<u32>; 2],
    /// At how many percent of those an event tells.
    pub warn_out_at: u8,
    /// What the peer ranks our routes by.
    pub ranking: Ranking,
    /// A route with GRACEFUL_SHUTDOWN from this peer is the least preferred (RFC 8326).
    pub graceful_shutdown: bool,
    /// It came by a range of addresses, and goes with its last connection.
    pub dynamic: bool,
}

/// What a peer ranks our routes by, beside MED, which everybody is told.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Ranking {
    /// MED.
    #[default]
    Med,
    /// Direct Connect's communities for low, medium and high preference, which it heeds before
    /// AS path and MED.
    AwsCommunities,
    /// The length of the AS path; MED is not looked at.
    AsPath,
}

/// A limit on the prefixes that a peer announces (RFC 4271 section 6.7).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct MaxPrefixes {
    /// At most so many by family (IPv4, IPv6); `None`: any number.
    pub most: [Option<u32>; 2],
    /// At this share of the limit it is told once, in percent.
    pub warn_at: u8,
    /// What happens beyond the limit.
    pub beyond: Beyond,
}

/// What happens when a peer announces more prefixes than it may.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Beyond {
    /// It is told, and nothing else.
    Warn,
    /// The session is closed and stays closed until the operator resets it.
    #[default]
    Close,
    /// The session is closed and opened again after this time.
    Reopen(Duration),
}

/// One forwarding path.
#[derive(Clone, Debug)]
pub struct Path {
    /// The name operators use.
    pub name: String,
    /// The interface its traffic leaves through, if it is pinned to one.
    pub interface: Option<String>,
    /// The next hop of its traffic.
    pub next_hop: IpAddr,
    /// The sessions that speak for this path.
    pub announce_via: Vec<PeerId>,
    /// What it may fail of together with others that name the same (a conduit, a carrier): such
    /// paths are no refuge for each other.
    pub shared_risk: Vec<String>,
    /// The cloud region it reaches.
    pub region: String,
    /// The source address of its probes, outside every service (law 1).
    pub probe_source: IpAddr,
    /// Its probe streams; at least two targets before silence may withdraw (law 3).
    pub probes: Vec<Probe>,
    /// Preference cost in score points, 0 to 100.
    pub cost: u8,
    /// What it can carry, in bits a second, not zero; `None`: room for everything.
    pub capacity: Option<u64>,
    /// Whether packets of full size are sent as well, once a second.
    pub mtu_probe: Option<MtuProbe>,
}

/// A probe of full size that nobody may fragment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MtuProbe {
    /// Which of the path's probes it shares the far end with: STAMP or ICMP.
    pub like: usize,
    /// Octets of the IP packet; `None`: what the path takes as far as the kernel knows
    /// ([`crate::Input::PathMtu`]).
    pub octets: Option<u16>,
}

/// One probe stream's far end.
#[derive(Clone, Debug)]
pub struct Probe {
    /// The protocol spoken.
    pub kind: ProbeKind,
    /// The far end; the port is unused by ICMP.
    pub target: SocketAddr,
    /// Constant source ports used in turn (probe `seq` leaves from port `seq % ports`), 1 to [`pathvane_score::MAX_PORTS`]; ICMP and TCP have none, say 1.
    pub ports: u8,
    /// Time between its probes at least, whatever the role of the path asks. Other than zero makes
    /// a slow stream ([`pathvane_score::StreamSpec::slow`]).
    pub slowest: Duration,
    /// It goes to the first hop of the path, not to a far end: evidence of where a fault is, and of
    /// nothing else. At most [`FIRST_HOP_RATE`] a second.
    pub first_hop: bool,
    /// What its packets carry besides; of these ICMP knows the size only, STUN and TCP nothing. At most
    /// [`crate::ProbePacket::MAX`] octets.
    pub options: Options,
}

/// Probes a second of a first hop at most: routers answer them when they have time.
pub const FIRST_HOP_RATE: u32 = 20;

impl Probe {
    /// Time between its probes at least.
    pub fn shortest_interval(&self) -> Duration {
        let polite =
            if self.first_hop { Duration::from_secs(1) / FIRST_HOP_RATE } else { Duration::ZERO };
        self.slowest.max(polite)
    }
}

/// A probe protocol.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ProbeKind {
    /// STAMP (RFC 8762); authenticated if [`Probe::options`] have a key.
    Stamp,
    /// ICMP or ICMPv6 echo (RFC 792, RFC 4443).
    Icmp,
    /// STUN binding requests (RFC 8489), which media relays answer.
    Stun,
    /// TCP connections, accepted or refused (RFC 9293); they carry nothing.
    Tcp,
}

/// One service: what we announce, what we reach, over which paths.
#[derive(Clone, Debug)]
pub struct Service {
    /// The name operators use.
    pub name: String,
    /// How its paths are scored.
    pub class: pathvane_score::Class,
    /// The class of the operator's own that it belongs to, by its index in
    /// [`pathvane_score::MonitorConfig::own`]; it is scored like `class`.
    pub own_class: Option<usize>,
    /// The prefixes announced to the cloud, each with the condition that makes it true (law 4).
    pub announce: Vec<Announce>,
    /// The destinations whose routes and next hops this service steers.
    pub reach: Vec<IpNet>,
    /// The paths it may use; order decides ties.
    pub paths: Vec<PathId>,
    /// How the leader is chosen.
    pub strategy: pathvane_score::Strategy,
    /// What it is expected to carry, in bits a second; `None`: nothing that counts, and it is
    /// never short of room.
    pub load: Option<u64>,
    /// The instance health checks; results arrive as [`crate::Input::Health`] by index.
    pub checks: Vec<Check>,
    /// Move for quality only when both directions can (law 7).
    pub symmetric: bool,
    /// Permit withdrawing the last usable way of a prefix in a domain (law 3).
    pub withdraw_last: bool,
}

/// One announced prefix.
#[derive(Clone, Debug)]
pub struct Announce {
    /// The prefix, host bits zero.
    pub prefix: IpNet,
    /// What has to hold for it to be announced.
    pub condition: Condition,
}

/// What makes an announced prefix true (law 4).
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Condition {
    /// A route for exactly this prefix is in the kernel's main table, and not ours.
    KernelRoute,
    /// An accepted route for exactly this prefix came from this peer.
    PeerRoute(PeerId),
    /// The named interface is up.
    InterfaceUp(String),
}

/// One instance health check.
#[derive(Clone, Debug)]
pub struct Check {
    /// How messages call it (its URL).
    pub name: String,
    /// The region the instance serves; compared with [`Path::region`].
    pub region: String,
}

/// MED values towards cloud routers. Each step is worth more than any
/// inter-region cost (201 to 9999), so order survives it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MedPlan {
    /// The leader.
    pub primary: u32,
    /// A working standby.
    pub backup: u32,
    /// A path that violates its class.
    pub degraded: u32,
    /// The leader while another peer may still hold a better-looking dead route.
    pub undercut: u32,
    /// The leader while even an undercut may be held elsewhere.
    pub undercut_last: u32,
    /// What the receiver may add to a MED for distance.
    pub cost_bound: u32,
}

impl Default for MedPlan {
    fn default() -> Self {
        Self {
            primary: 20_000,
            backup: 30_000,
            degraded: 40_000,
            undercut: 10_000,
            undercut_last: 0,
            cost_bound: 9_999,
        }
    }
}

/// Durations that shape steering.
#[derive(Clone, Debug)]
pub struct Timing {
    /// An undercut is given back this long after the dead route is known to be gone.
    pub undercut_restore: Duration,
    /// At most one worsening UPDATE per prefix and peer in this time (law 9).
    pub degrade_interval: Duration,
    /// At most one improving UPDATE per prefix and peer in this time (law 9).
    pub improve_interval: Duration,
    /// How long a drain waits between raising MED and withdrawing (law 10).
    pub drain_wait: Duration,
    /// Kernel routes of an earlier run are pruned at the latest this long after start (law 10).
    pub prune_after: Duration,
    /// Probe rates by class, in the order of [`pathvane_score::Class::ALL`].
    pub rates: [pathvane_score::ProbeRates; 3],
    /// Probe rates of the operator's own classes, in the order of
    /// [`pathvane_score::MonitorConfig::own`].
    pub own_rates: Vec<pathvane_score::ProbeRates>,
    /// Recovery, start-up, damping and the limits of classes; its class and rates follow from the
    /// services that use the path.
    pub monitor: pathvane_score::MonitorConfig,
    /// Margins, dwell and phases; the strategy is each service's own.
    pub selector: pathvane_score::SelectorConfig,
}

impl Timing {
    /// How often a class is probed for; `own` is its index among the operator's own.
    pub fn rates_of(
        &self,
        class: pathvane_score::Class,
        own: Option<usize>,
    ) -> pathvane_score::ProbeRates {
        let own = own.and_then(|nth| self.own_rates.get(nth));
        own.copied().unwrap_or(self.rates[class.index()])
    }
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            undercut_restore: Duration::from_secs(10),
            degrade_interval: Duration::from_secs(5),
            improve_interval: Duration::from_secs(60),
            drain_wait: Duration::from_secs(2),
            prune_after: Duration::from_secs(120),
            rates: pathvane_score::Class::ALL.map(pathvane_score::ProbeRates::of),
            own_rates: Vec::new(),
            monitor: pathvane_score::MonitorConfig::default(),
            selector: pathvane_score::SelectorConfig::default(),
        }
    }
}
