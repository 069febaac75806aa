//! What a world is made of: by default one site, two regions, and a path to each.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use ipnet::{IpNet, Ipv4Net};
use pathvane_engine::config::{
    Announce, Check, Condition, Config, MaxPrefixes, MedPlan, Mode, Path, Peer, Probe, ProbeKind,
    Ranking, Service, Timing,
};
use pathvane_engine::{PathId, PeerId};
use pathvane_probe::stamp::Options;
use pathvane_rib::Policy;
use pathvane_score::{Class, Strategy};
use pathvane_session::GracefulRestart;
use pathvane_wire::{Asn, BgpId, FamilySet};

use crate::cloud::{Advertised, RouterConfig, VpcConfig};

/// The site's AS number.
const SITE_ASN: Asn = Asn(65_010);
/// The emulated routers' AS number.
const CLOUD_ASN: Asn = Asn(16_550);
/// STAMP's port (RFC 8762).
const STAMP: u16 = 862;

/// Everything that makes a [`super::World`]; change what a scenario needs changed.
#[derive(Clone, Debug)]
pub struct Setup {
    /// The speaker: a path and a peer per region and one voice service over all of them.
    pub engine: Config,
    /// The routers; number `n` is the far end of path `n`.
    pub routers: Vec<RouterConfig>,
    /// The VPC.
    pub vpc: VpcConfig,
    /// The one-way delay of each path.
    pub delays: Vec<Duration>,
    /// How long the kernel takes to switch a next-hop group.
    pub fib_delay: Duration,
    /// Decides all chance.
    pub seed: u64,
}

impl Setup {
    /// A site with paths `east` (10 ms) and `west` (20 ms), each with a router and two
    /// reflectors in its region; steering acts.
    pub fn two_regions() -> Self {
        Self::regions(&[("east", 10), ("west", 20)])
    }

    /// A site with one path for each region, named after it, with this many milliseconds of
    /// one-way delay.
    pub fn regions(regions: &[(&str, u64)]) -> Self {
        let names: Vec<&str> = regions.iter().map(|(name, _)| *name).collect();
        Self {
            engine: engine(&names),
            routers: (0..names.len()).map(|nth| router(&names, nth)).collect(),
            vpc: VpcConfig::new(&names),
            delays: regions.iter().map(|(_, delay)| Duration::from_millis(*delay)).collect(),
            fib_delay: Duration::from_micros(100),
            seed: 1,
        }
    }

    /// The same, and the first hop of each path, where the paths part, is probed as well.
    pub fn first_hops(mut self) -> Self {
        for path in &mut self.engine.paths {
            path.probes.push(Probe {
                kind: ProbeKind::Icmp,
                target: SocketAddr::new(path.next_hop, 0),
                first_hop: true,
                ..path.probes[0].clone()
            });
        }
        self
    }

    /// The same world with other chances.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }
}

/// The prefix of the site that the service announces.
pub fn site_prefix() -> IpNet {
    net([10, 20, 0, 0], 16)
}

/// A host in the site.
pub(super) fn site_host() -> IpAddr {
    IpAddr::from([10, 20, 1, 1])
}

/// The subnet of a region.
pub fn region_prefix(region: usize) -> IpNet {
    net([10, 128 + number(region) * 4, 0, 0], 20)
}

/// The address of a region's `nth` reflector.
pub(super) fn reflector(region: usize, nth: u8) -> IpAddr {
    IpAddr::from([10, 128 + number(region) * 4, nth, 9])
}

/// The region that an address of the VPC is in.
pub(super) fn region_of(address: IpAddr, regions: usize) -> Option<usize> {
    (0..regions).find(|region| region_prefix(*region).contains(&address))
}

fn net(octets: [u8; 4], len: u8) -> IpNet {
    IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::from(octets), len))
}

fn number(nth: usize) -> u8 {
    u8::try_from(nth).unwrap_or(u8::MAX)
}

fn router_address(nth: usize) -> IpAddr {
    IpAddr::from([169, 254, 10 + number(nth), 1])
}

pub(super) fn site_address(nth: usize) -> IpAddr {
    IpAddr::from([169, 254, 10 + number(nth), 2])
}

fn engine(regions: &[&str]) -> Config {
    let path_ids = (0..).map(PathId).take(regions.len());
    Config {
        asn: SITE_ASN,
        id: BgpId::from(Ipv4Addr::new(10, 255, 0, 1)),
        cluster_id: BgpId::from(Ipv4Addr::new(10, 255, 0, 1)),
        multipath: 1,
        multipath_relax: false,
        mode: Mode::Act,
        peers: (0..regions.len()).map(|nth| peer(regions[nth], nth)).collect(),
        paths: (0..regions.len()).map(|nth| path(regions[nth], nth)).collect(),
        services: vec![Service {
            name: "voice".to_owned(),
            class: Class::Voice,
            own_class: None,
            announce: vec![Announce { prefix: site_prefix(), condition: Condition::KernelRoute }],
            reach: (0..regions.len()).map(region_prefix).collect(),
            paths: path_ids.collect(),
            strategy: Strategy::Best,
            load: None,
            checks: (0..regions.len()).map(|nth| check(regions[nth])).collect(),
            symmetric: false,
            withdraw_last: false,
        }],
        policies: vec![Arc::new(Policy::accept_all("all"))],
        med: MedPlan::default(),
        timing: Timing::default(),
        probe_timeout: Duration::from_secs(1),
        trust_reports: false,
        probe_rate: 50_000,
    }
}

fn check(region: &str) -> Check {
    Check { name: format!("http://instance.{region}/healthz"), region: region.to_owned() }
}

fn peer(region: &str, nth: usize) -> Peer {
    let id = BgpId::from(Ipv4Addr::new(10, 255, 0, 1));
    let mut session = pathvane_session::Config::new(SITE_ASN, id, CLOUD_ASN);
    session.hold_time = 60;
    session.graceful_restart = Some(GracefulRestart {
        restart_time: 10,
        restarting: false,
        notification: false,
        families: FamilySet::IPV4,
        forwarding: FamilySet::IPV4,
    });
    Peer {
        name: format!("cr-{region}"),
        address: router_address(nth),
        session,
        next_hop_v4: None,
        next_hop_v6: None,
        import: Some(0),
        export: None,
        next_hop_self: false,
        client: false,
        paths: 0,
        bfd_strict: false,
        domain: "vpc".to_owned(),
        max_in: MaxPrefixes::default(),
        max_out: [None; 2],
        warn_out_at: 80,
        ranking: Ranking::Med,
        graceful_shutdown: false,
        dynamic: false,
    }
}

fn path(region: &str, nth: usize) -> Path {
    let target = |of| SocketAddr::new(reflector(nth, of), STAMP);
    let probe = |of| Probe {
        kind: ProbeKind::Stamp,
        target: target(of),
        ports: 1,
        slowest: Duration::ZERO,
        first_hop: false,
        options: Options::default(),
    };
    Path {
        name: region.to_owned(),
        interface: Some(format!("vti-{region}")),
        next_hop: router_address(nth),
        announce_via: vec![PeerId(u16::from(number(nth)))],
        shared_risk: vec![format!("tunnel-{region}")],
        region: region.to_owned(),
        probe_source: IpAddr::from([10, 255, 1 + number(nth), 1]),
        probes: vec![probe(0), probe(1)],
        cost: 0,
        capacity: None,
        mtu_probe: None,
    }
}

fn router(regions: &[&str], nth: usize) -> RouterConfig {
    let address = router_address(nth);
    let id = BgpId(0xa9fe_0001 + (10 + u32::from(number(nth))) * 256);
    let mut router = RouterConfig::new(regions[nth], id, SITE_ASN, address);
    router.asn = CLOUD_ASN;
    router.advertised = (0..regions.len())
        .map(|of| Advertised { prefix: region_prefix(of), region: regions[of].to_owned() })
        .collect();
    router
}
