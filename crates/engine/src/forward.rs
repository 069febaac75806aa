//! What the kernel is asked to do: which path carries each service, and where each learned
//! prefix inside a service's reach points.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use ipnet::IpNet;
use pathvane_rib::{Best, PeerId};

use crate::config::Config;
use crate::ids::{PathId, ServiceId};
use crate::io::{Output, Via};

/// One learned prefix.
#[derive(Clone, Copy, Debug)]
struct Route {
    service: ServiceId,
    /// Who announced the best route.
    peer: PeerId,
    /// What the kernel was told.
    via: Option<Via>,
}

/// One service's next-hop group.
#[derive(Clone, Debug, Default)]
struct Group {
    generation: u64,
    carry: Vec<PathId>,
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
    pub(crate) fn carry(&self, service: ServiceId) -> &[PathId] {
        &self.groups[service.index()].carry
    }

    /// The number of the service's latest switch.
    pub(crate) fn generation(&self, service: ServiceId) -> u64 {
        self.groups[service.index()].generation
    }

    /// Points the service at `carry`. Returns the switch to ask for, if it is one.
    pub(crate) fn switch(&mut self, service: ServiceId, carry: &[PathId]) -> Option<Output> {
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

    /// The best route of a prefix changed.
    pub(crate) fn changed(
        &mut self,
        config: &Config,
        prefix: IpNet,
        best: Option<&Best>,
    ) -> Option<Output> {
        let service = service_of(config, &prefix)?;
        let before = self.routes.get(&prefix).and_then(|route| route.via);
        let via = best.and_then(|best| self.via(config, service, best.peer));
        match best {
            Some(best) => self.routes.insert(prefix, Route { service, peer: best.peer, via }),
            None => self.routes.remove(&prefix),
        };
        (before != via).then_some(Output::FibRoute { prefix, via })
    }

    /// After a leader changed and the Decision Process has settled: prefixes that the new leader's
    /// peers do not offer stay on a path that does, the others follow the group.
    pub(crate) fn settled(&mut self, config: &Config, mut ask: impl FnMut(Output)) {
        if !core::mem::take(&mut self.recheck) {
            return;
        }
        let mut moved = Vec::new();
        for (&prefix, route) in &self.routes {
            let via = self.via(config, route.service, route.peer);
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

    /// What a prefix whose best route came from `peer` points at; `None` if no path of the service
    /// leads over this peer: then the route is not ours to install.
    fn via(&self, config: &Config, service: ServiceId, peer: PeerId) -> Option<Via> {
        let speaks_for = |path: &&PathId| config.paths[path.index()].announce_via.contains(&peer);
        if self.carry(service).iter().any(|path| speaks_for(&path)) {
            return Some(Via::Service(service));
        }
        let paths = &config.services[service.index()].paths;
        paths.iter().find(speaks_for).map(|&path| Via::Path(path))
    }
}

/// The service inside whose reach a prefix lies. Reaches do not overlap, so there is at most one.
fn service_of(config: &Config, prefix: &IpNet) -> Option<ServiceId> {
    let inside = |net: &IpNet| net.contains(prefix);
    let at = config.services.iter().position(|service| service.reach.iter().any(inside))?;
    u16::try_from(at).ok().map(ServiceId)
}
