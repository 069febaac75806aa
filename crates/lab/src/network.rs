//! The whole emulated network of one play: two paths, two regions, the cloud and a call.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use crate::cloud::{Cloud, RouterSpec};
use crate::configuration::{Layout, PathLayout};
use crate::links::{Direction, Flow, Link, Loss, Spec};
use crate::region::{Instance, Reflectors};
use crate::scenario::Step;
use crate::seen::{Reporter, What};
use crate::voice::{Call, Endpoints};

/// The paths' names, the preferred one first.
pub const PATHS: [&str; 2] = ["east", "west"];
/// The regions they lead to.
const REGIONS: [&str; 2] = ["us-east1", "us-west1"];
/// How the network is to be.
#[derive(Clone, Debug)]
pub struct NetworkSpec {
    /// Round-trip delay of each path.
    pub rtt: [Duration; 2],
    /// Round-trip loss of each path without faults, 0 to 1.
    pub ambient_loss: f64,
    /// Mean length of the bursts it comes in.
    pub mean_burst: Duration,
    /// From a route's change in a router to its use by the VPC.
    pub programming_delay: Duration,
    /// Makes losses and delays repeatable.
    pub seed: u64,
}

/// A running network; stops when dropped.
#[derive(Debug)]
pub struct Network {
    links: Vec<Link>,
    instances: Vec<Vec<Instance>>,
    call: Arc<Call>,
    layout: Layout,
    reporter: Reporter,
    _reflectors: Vec<Reflectors>,
    _cloud: Cloud,
}

impl Network {
    /// Starts all of it.
    ///
    /// # Errors
    /// The operating system's; most likely it has no 127.0.0.0/8 to bind in.
    pub async fn start(spec: &NetworkSpec, reporter: &Reporter) -> io::Result<Self> {
        let endpoints = Endpoints::bind(host(0, 1), &[host(1, 50), host(2, 50)])?;
        let routers = (0..PATHS.len()).map(|index| RouterSpec {
            address: host(block(index), 60),
            region: REGIONS[index].to_owned(),
        });
        let mut cloud = Cloud::bind(routers.collect(), spec.programming_delay).await?;
        let (mut links, mut reflectors, mut instances) = (Vec::new(), Vec::new(), Vec::new());
        for index in 0..PATHS.len() {
            let block = block(index);
            let bound = Reflectors::start(&[host(block, 31), host(block, 32)])?;
            let ill_or_well = [41, 42].map(|last| Instance::start(host(block, last)));
            let [first, second] = ill_or_well;
            instances.push(vec![first.await?, second.await?]);
            let router = cloud.address(index)?;
            links.push(Link::start(&link(spec, index, router, &bound, &endpoints)?)?);
            reflectors.push(bound);
        }
        let voice = links.iter().map(|link| link.flows()[0]).collect();
        let call = Arc::new(Call::start(endpoints, voice)?);
        cloud.start(Arc::clone(&call), reporter.clone());
        let layout = layout(&links, &instances);
        let reporter = reporter.clone();
        Ok(Self {
            links,
            instances,
            call,
            layout,
            reporter,
            _reflectors: reflectors,
            _cloud: cloud,
        })
    }

    /// Where the speaker finds things.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The call.
    pub fn call(&self) -> &Arc<Call> {
        &self.call
    }

    /// The most that any link was late since this was last asked.
    pub fn take_lateness(&self) -> Duration {
        self.links.iter().map(Link::take_lateness).max().unwrap_or_default()
    }

    /// Does one step of a scenario, and reports it.
    pub fn apply(&self, step: &Step) {
        for (index, link) in self.links.iter().enumerate() {
            if let Some(change) = step.line.filter(|change| change.path.includes(index)) {
                Direction::BOTH
                    .into_iter()
                    .filter(|direction| change.direction.includes(*direction))
                    .for_each(|direction| link.set_fault(direction, change.fault()));
            }
            if step.reset.is_some_and(|path| path.includes(index)) {
                link.cut_connections();
            }
            if let Some(change) = step.instances.filter(|change| change.path.includes(index)) {
                self.instances[index].iter().for_each(|instance| instance.set_well(change.well));
            }
        }
        self.reporter.now(What::Did(step.describe()));
    }
}

/// The loopback address of a thing: 127.84.`block`.`last`; block 0 is the site, block n path n.
fn host(block: u8, last: u8) -> Ipv4Addr {
    Ipv4Addr::new(127, 84, block, last)
}

fn block(index: usize) -> u8 {
    index as u8 + 1
}

/// A link: its first flow is voice, the others are probes.
fn link(
    spec: &NetworkSpec,
    index: usize,
    router: SocketAddr,
    reflectors: &Reflectors,
    endpoints: &Endpoints,
) -> io::Result<Spec> {
    let block = block(index);
    let (site, region) = (Some(endpoints.site()?), endpoints.region(index)?);
    let mut flows = vec![Flow { near: host(block, 20), site, region }];
    let probes = reflectors.addresses().iter().zip([11, 12]);
    flows.extend(probes.map(|(region, last)| Flow {
        near: host(block, last),
        site: None,
        region: *region,
    }));
    // Two independent directions with this loss each lose `ambient_loss` of the round trips.
    let ratio = 1.0 - (1.0 - spec.ambient_loss).sqrt();
    Ok(Spec {
        near: host(block, 1),
        far: host(block, 2),
        delay: spec.rtt[index] / 2,
        ambient: Loss::Bursts { ratio, mean: spec.mean_burst },
        seed: spec.seed.wrapping_mul(31).wrapping_add(u64::from(block)),
        flows,
        router,
    })
}

fn layout(links: &[Link], instances: &[Vec<Instance>]) -> Layout {
    let path = |(index, (link, instances)): (usize, (&Link, &Vec<Instance>))| PathLayout {
        name: PATHS[index].to_owned(),
        region: REGIONS[index].to_owned(),
        router: link.bgp(),
        probe_source: IpAddr::V4(host(block(index), 100)),
        reflectors: link.flows()[1..].iter().map(|flow| flow.near).collect(),
        instances: instances.iter().map(Instance::url).collect(),
    };
    Layout { paths: links.iter().zip(instances).enumerate().map(path).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::PathRef;
    use crate::scripted::{Site, until_choice};

    #[tokio::test]
    async fn a_reset_session_leaves_its_routes_with_the_router_and_moves_nothing() {
        let spec = NetworkSpec {
            rtt: [Duration::from_millis(4); 2],
            ambient_loss: 0.0,
            mean_burst: Duration::ZERO,
            programming_delay: Duration::ZERO,
            seed: 1,
        };
        let (reporter, mut seen) = Reporter::new();
        let network = Network::start(&spec, &reporter).await.expect("loopback");
        let paths = &network.layout().paths;
        assert_eq!(paths.iter().map(|path| path.reflectors.len()).sum::<usize>(), 4);
        let mut east = Site::connect(paths[0].router).await;
        let mut west = Site::connect(paths[1].router).await;
        east.announce(20_000).await;
        west.announce(30_000).await;
        until_choice(&mut seen, &[0]).await;

        let reset = Step { at_ms: 0, line: None, instances: None, reset: Some(PathRef::Leader) };
        network.apply(&reset);
        let mut down = false;
        while let Ok(Some(seen)) =
            tokio::time::timeout(Duration::from_millis(500), seen.recv()).await
        {
            let moved = matches!(&seen.what, What::Return { routers } if routers != &[0]);
            assert!(!moved, "{seen:?}");
            down |= matches!(seen.what, What::Session { router: 0, up: false, .. });
        }
        assert!(down, "the router noticed");
    }
}
