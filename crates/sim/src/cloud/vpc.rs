//! The VPC: which router's peer gets the traffic for a prefix, seen from each region.
//!
//! Signal flow: a router's [`Change`] enters the control plane at once; the next hops that
//! follow from it are programmed after a delay of their own, in order.

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::time::Duration;

use ipnet::IpNet;
use pathvane_clock::Instant;

use super::table::{Change, Route};

/// A router in a VPC, by the order of [`Vpc::add_router`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct RouterId(pub u16);

/// How routes of different routers are compared.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum BestPath {
    /// Between sessions only MED plus the inter-region cost counts.
    #[default]
    Legacy,
    /// AS_PATH length, ORIGIN, MED, and only then the inter-region cost.
    Standard,
}

/// How long the VPC takes to program what its routers know.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ProgrammingDelay {
    /// A router learns a prefix that it did not have.
    pub add: Duration,
    /// A route changes, for instance its MED.
    pub change: Duration,
    /// A route goes.
    pub withdraw: Duration,
}

/// The settings of a VPC.
#[derive(Clone, PartialEq, Debug)]
pub struct VpcConfig {
    /// The regions in which somebody sends traffic.
    pub regions: Vec<String>,
    /// Global dynamic routing: a region uses the routers of other regions, too.
    pub global: bool,
    /// What a route of another region costs on top of its MED, from 201 to 9999.
    pub region_cost: u32,
    /// How routes are compared.
    pub best_path: BestPath,
    /// Spread over equally good next hops; otherwise the lowest [`RouterId`] gets it all.
    pub ecmp: bool,
    /// How long programming takes.
    pub delay: ProgrammingDelay,
}

impl VpcConfig {
    /// Global routing, cost 250, legacy comparison, ECMP, no delay.
    pub fn new(regions: &[&str]) -> Self {
        Self {
            regions: regions.iter().map(|&region| region.to_owned()).collect(),
            global: true,
            region_cost: 250,
            best_path: BestPath::default(),
            ecmp: true,
            delay: ProgrammingDelay::default(),
        }
    }
}

/// New next hops for one prefix in one region, in force since `at`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Programmed {
    /// When the data plane changed.
    pub at: Instant,
    /// When the router's change that caused it came in.
    pub known_at: Instant,
    /// Index into [`VpcConfig::regions`].
    pub region: usize,
    /// The prefix.
    pub prefix: IpNet,
    /// The routers whose peers get the traffic; none: it is dropped.
    pub next_hops: Vec<RouterId>,
}

/// The VPC's routing.
#[derive(Debug)]
pub struct Vpc {
    config: VpcConfig,
    /// The region of each router.
    routers: Vec<String>,
    known: BTreeMap<IpNet, BTreeMap<RouterId, Route>>,
    /// Next hops on their way into the data plane, in order of time.
    pending: VecDeque<Programmed>,
    /// What the last of `pending` will have made of it.
    wanted: BTreeMap<(usize, IpNet), Vec<RouterId>>,
    programmed: BTreeMap<(usize, IpNet), Vec<RouterId>>,
    events: VecDeque<Programmed>,
}

impl Vpc {
    /// A VPC without routers.
    pub fn new(config: VpcConfig) -> Self {
        Self {
            config,
            routers: Vec::new(),
            known: BTreeMap::new(),
            pending: VecDeque::new(),
            wanted: BTreeMap::new(),
            programmed: BTreeMap::new(),
            events: VecDeque::new(),
        }
    }

    /// Adds a router of `region`.
    pub fn add_router(&mut self, region: &str) -> RouterId {
        let id = RouterId(u16::try_from(self.routers.len()).unwrap_or(u16::MAX));
        self.routers.push(region.to_owned());
        id
    }

    /// The settings.
    pub fn config(&self) -> &VpcConfig {
        &self.config
    }

    /// Where traffic for `to` goes now from the region with this index.
    pub fn next_hops(&self, region: usize, to: IpAddr) -> &[RouterId] {
        let bits = if to.is_ipv4() { 32 } else { 128 };
        let matching = |len| IpNet::new(to, len).ok().map(|net| net.trunc());
        (0..=bits)
            .rev()
            .filter_map(matching)
            .find_map(|prefix| self.programmed.get(&(region, prefix)))
            .map_or(&[], Vec::as_slice)
    }

    /// Everything programmed: region index, prefix, next hops.
    pub fn programmed(&self) -> impl Iterator<Item = (usize, IpNet, &[RouterId])> {
        self.programmed.iter().map(|((region, prefix), hops)| (*region, *prefix, hops.as_slice()))
    }

    /// A router's routes changed.
    pub fn handle_change(&mut self, router: RouterId, change: &Change) {
        let Change { at, prefix, route, .. } = change;
        let routes = self.known.entry(*prefix).or_default();
        let delay = self.config.delay;
        let delay = match route {
            Some(route) => match routes.insert(router, route.clone()) {
                None => delay.add,
                Some(_) => delay.change,
            },
            None => {
                routes.remove(&router);
                delay.withdraw
            }
        };
        for region in 0..self.config.regions.len() {
            self.want(region, *prefix, *at, *at + delay);
        }
        if self.known.get(prefix).is_some_and(BTreeMap::is_empty) {
            self.known.remove(prefix);
        }
        self.handle_timeout(*at);
    }

    /// Puts in force what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(due) = self.pending.pop_front_if(|next| next.at <= now) {
            let key = (due.region, due.prefix);
            if due.next_hops.is_empty() {
                self.programmed.remove(&key);
            } else {
                self.programmed.insert(key, due.next_hops.clone());
            }
            self.events.push_back(due);
        }
    }

    /// When to call [`Self::handle_timeout`].
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.pending.front().map(|next| next.at)
    }

    /// The next change of the data plane, for the record.
    pub fn poll_event(&mut self) -> Option<Programmed> {
        self.events.pop_front()
    }

    /// Orders the next hops of `prefix` into the data plane of `region` if they are new.
    fn want(&mut self, region: usize, prefix: IpNet, known_at: Instant, due: Instant) {
        let next_hops = self.best(region, prefix);
        let key = (region, prefix);
        if self.wanted.get(&key).map_or(&[][..], Vec::as_slice) == next_hops {
            return;
        }
        if next_hops.is_empty() {
            self.wanted.remove(&key);
        } else {
            self.wanted.insert(key, next_hops.clone());
        }
        // Programming is first-in first-out for each prefix.
        let earlier = self.pending.iter().rfind(|p| (p.region, p.prefix) == key);
        let at = earlier.map_or(due, |earlier| due.max(earlier.at));
        let place = self.pending.partition_point(|pending| pending.at <= at);
        self.pending.insert(place, Programmed { at, known_at, region, prefix, next_hops });
    }

    /// The next hops that follow from what the routers know, in order of [`RouterId`].
    fn best(&self, region: usize, prefix: IpNet) -> Vec<RouterId> {
        let Some(routes) = self.known.get(&prefix) else { return Vec::new() };
        let ranked =
            routes.iter().filter_map(|(&id, route)| Some((self.rank(region, id, route)?, id)));
        let Some(best) = ranked.clone().map(|(rank, _)| rank).min() else { return Vec::new() };
        let most = if self.config.ecmp { usize::MAX } else { 1 };
        ranked.filter(|(rank, _)| *rank == best).map(|(_, id)| id).take(most).collect()
    }

    /// A route's rank as seen from a region, the lowest being the best; `None` if it is not
    /// used there.
    fn rank(&self, region: usize, router: RouterId, route: &Route) -> Option<[u64; 4]> {
        let home = self.config.regions.get(region)? == self.routers.get(usize::from(router.0))?;
        if !home && !self.config.global {
            return None;
        }
        let med = u64::from(route.med);
        let cost = if home { 0 } else { u64::from(self.config.region_cost) };
        Some(match self.config.best_path {
            BestPath::Legacy => [med + cost, 0, 0, 0],
            BestPath::Standard => [route.as_path_len as u64, route.origin as u64, med, cost],
        })
    }
}
