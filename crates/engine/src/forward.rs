//! What the kernel is asked to do: which path carries each service, and where each learned
//! prefix inside a service's reach points.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use ipnet::IpNet;
use pathvane_rib::{Best, PeerId};

use crate::config::Config;
use crate::ids::{PathId, ServiceId};
use crate::io::{Output, Share, Via};

/// One learned prefix.
#[derive(Clone, Debug)]
struct Route {
    service: ServiceId,
    /// Who announced the best route and, with multipath, those that are as good.
    peers: Vec<PeerId>,
    /// What the kernel was told.
    via: Option<Via>,
}

/// One service's next-hop group.
#[derive(Clone, Debug, Default)]
struct Group {
    generation: u64,
    carry: Vec<Share>,
}

/// The wanted state of the kernel, and the requests that bring it about.
#[derive(Debug)]
pub(crate) struct Forward {
    groups: Vec<Group>,
    routes: BTreeMap<IpNet, Route>,
    /// Leaders changed; routes are looked at again once the Decision Process has settled.
    recheck: bool,
}

impl Forward {
    pub(crate) fn new(config: &Config) -> Self {
        let groups = config.services.iter().map(|_| Group::default()).collect();
        Self { groups, routes: BTreeMap::new(), recheck: false }
    }

    /// The paths that carry `service`; empty before the first decision.
    pub(crate) fn carry(&self, service: ServiceId) -> &[Share] {
        &self.groups[service.index()].carry
    }

    /// The number of the service's latest switch.
    pub(crate) fn generation(&self, service: ServiceId) -> u64 {
        self.groups[service.index()].generation
    }

    /// Points the service at `carry`. Returns the switch to ask for, if it is one.
    pub(crate) fn switch(&mut self, service: ServiceId, carry: &[Share]) -> Option<Output> {
        let group = &mut self.groups[service.index()];
        if group.carry == carry {
            return None;
        }
        group.carry = carry.to_vec();
        group.generation += 1;
        self.recheck = true;
        let generation = group.generation;
        Some(Output::FibGroup { service, generation, carry: carry.to_vec() })
    }

    /// The routes that share the traffic of a prefix changed; none: nobody offers it any more.
    pub(crate) fn changed(
        &mut self,
        config: &Config,
        prefix: IpNet,
        sharing: &[Best],
    ) -> Option<Output> {
        let service = service_of(config, &prefix)?;
        let before = self.routes.get(&prefix).and_then(|route| route.via);
        let peers: Vec<_> = sharing.iter().map(|best| best.peer).collect();
        let via = self.via(config, service, &peers);
        match peers.is_empty() {
            false => self.routes.insert(prefix, Route { service, peers, via }),
            true => self.routes.remove(&prefix),
        };
        (before != via).then_some(Output::FibRoute { prefix, via })
    }

    /// After a switch, when the Decision Process has settled: prefixes that not all of the paths that
    /// carry now offer stay on one that does, the others follow the group.
    pub(crate) fn settled(&mut self, config: &Config, mut ask: impl FnMut(Output)) {
        if !core::mem::take(&mut self.recheck) {
            return;
        }
        let mut moved = Vec::new();
        for (&prefix, route) in &self.routes {
            let via = self.via(config, route.service, &route.peers);
            if via != route.via {
                moved.push((prefix, via));
            }
        }
        for (prefix, via) in moved {
            if let Some(route) = self.routes.get_mut(&prefix) {
                route.via = via;
            }
            ask(Output::FibRoute { prefix, via });
        }
    }

    /// What a prefix whose routes came from `peers` points at: the service's group, if each path in it
    /// is one that these peers speak for, for packets are spread over all of them; otherwise one path
    /// that they speak for, before others one that carries the service. `None` if no path of the
    /// service leads over these peers: then the route is not ours to install.
    fn via(&self, config: &Config, service: ServiceId, peers: &[PeerId]) -> Option<Via> {
        let offers = |path: &PathId| {
            config.paths[path.index()].announce_via.iter().any(|peer| peers.contains(peer))
        };
        let carry = self.carry(service);
        if !carry.is_empty() && carry.iter().all(|share| offers(&share.path)) {
            return Some(Via::Service(service));
        }
        let paths = carry.iter().map(|share| &share.path);
        let mut paths = paths.chain(&config.services[service.index()].paths);
        paths.find(|path| offers(path)).map(|&path| Via::Path(path))
    }
}

/// The service inside whose reach a prefix lies. Reaches do not overlap, so there is at most one.
fn service_of(config: &Config, prefix: &IpNet) -> Option<ServiceId> {
    let inside = |net: &IpNet| net.contains(prefix);
    let at = config.services.iter().position(|service| service.reach.iter().any(inside))?;
    u16::try_from(at).ok().map(ServiceId)
}
