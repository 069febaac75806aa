//! What one emulated cloud router is told to be.

use std::net::IpAddr;
use std::time::Duration;

use ipnet::IpNet;
use pathvane_session::{Config, GracefulRestart};
use pathvane_wire::{Asn, BgpId, FamilySet};

/// One session of a cloud router. The defaults of [`RouterConfig::new`] are the product's.
#[derive(Clone, Debug)]
pub struct RouterConfig {
    /// The region the router stands in.
    pub region: String,
    /// Its AS number.
    pub asn: Asn,
    /// Its BGP Identifier.
    pub id: BgpId,
    /// The AS number expected of its peer.
    pub peer_asn: Asn,
    /// The hold time it offers, in seconds; it sends a KEEPALIVE every third of what is agreed.
    pub hold_time: u16,
    /// The families it offers.
    pub families: FamilySet,
    /// Whether it only waits for the peer to dial.
    pub passive: bool,
    /// Whether it offers route refresh.
    pub route_refresh: bool,
    /// How long its peer should keep its routes while it is gone, in seconds.
    pub restart_time: u16,
    /// How long it keeps a restarted peer's old routes when no End-of-RIB comes.
    pub stale_time: Duration,
    /// More prefixes than this close the session for good (Cease, 6/1).
    pub max_prefixes: usize,
    /// The MED of prefixes in its own region.
    pub base_priority: u32,
    /// What prefixes of other regions cost on top of that.
    pub region_cost: u32,
    /// The prefixes it announces.
    pub advertised: Vec<Advertised>,
    /// The next hop of its IPv4 announcements.
    pub next_hop_v4: IpAddr,
    /// The next hop of its IPv6 announcements, if it has an address for them.
    pub next_hop_v6: Option<IpAddr>,
    /// Decides its jitter.
    pub seed: u64,
}

/// A prefix that the VPC announces to its peers: a subnet, or a custom one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Advertised {
    /// The prefix.
    pub prefix: IpNet,
    /// The region it is in.
    pub region: String,
}

impl RouterConfig {
    /// A router as it comes: AS 16550, KEEPALIVE 20 s, hold time 60 s, IPv4, graceful restart
    /// with 120 s, MED 100 at home and 350 abroad, at most 5,000 prefixes.
    pub fn new(region: &str, id: BgpId, peer_asn: Asn, next_hop: IpAddr) -> Self {
        Self {
            region: region.to_owned(),
            asn: Asn(16550),
            id,
            peer_asn,
            hold_time: 60,
            families: FamilySet::IPV4,
            passive: false,
            route_refresh: false,
            restart_time: 120,
            stale_time: Duration::from_secs(300),
            max_prefixes: 5_000,
            base_priority: 100,
            region_cost: 250,
            advertised: Vec::new(),
            next_hop_v4: next_hop,
            next_hop_v6: None,
            seed: 0,
        }
    }

    /// The MED that `advertised` is announced with.
    pub fn med(&self, advertised: &Advertised) -> u32 {
        let cost = if advertised.region == self.region { 0 } else { self.region_cost };
        self.base_priority.saturating_add(cost)
    }

    pub(super) fn session(&self) -> Config {
        let mut config = Config::new(self.asn, self.id, self.peer_asn);
        config.hold_time = self.hold_time;
        config.families = self.families;
        config.passive = self.passive;
        config.route_refresh = self.route_refresh;
        config.enhanced_refresh = self.route_refresh;
        config.graceful_restart = Some(GracefulRestart {
            restart_time: self.restart_time,
            restarting: false,
            notification: false,
            families: self.families,
            // The router is not in the data path: forwarding goes on without it.
            forwarding: self.families,
        });
        config
    }
}
