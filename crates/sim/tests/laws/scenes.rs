//! Scenes and looks that several laws share.

use std::net::IpAddr;

use ipnet::IpNet;
use pathvane_clock::Instant;
use pathvane_engine::{EventKind, Output, PeerId, Signal};
use pathvane_sim::cloud::RouterId;
use pathvane_sim::net::Loss;
use pathvane_sim::world::{Setup, World};

use crate::{MS, SECOND, settled_as};

/// 0.5 % of the packets of a round trip, in bursts: four packets on average, of which half are lost.
const AMBIENT: Loss =
    Loss::GilbertElliott { to_bad_ppm: 1_256, to_good_ppm: 250_000, bad_loss_ppm: 500_000 };

/// Two regions 60 ms away, behind 0.5 % of bursty loss on both paths for a minute: the world,
/// its leader and the other path. Seeds differ in phase as well.
pub(crate) fn far_and_lossy(seed: u64) -> (World, usize, usize) {
    let (mut world, leader, other) = settled_as(far().seed(seed));
    for path in [leader, other] {
        world.impair(path, |link| link.loss = AMBIENT);
    }
    world.run_for(60 * SECOND + 37 * MS * u32::try_from(seed).expect("small"));
    assert_eq!(world.leader(), Some(leader), "seed {seed}: ambient loss moves nothing");
    (world, leader, other)
}

/// Two regions 60 ms away.
pub(crate) fn far() -> Setup {
    Setup::regions(&[("east", 30), ("west", 30)])
}

/// Lets the delay of a path grow by 180 ms each way in small steps, none of which looks like silence.
pub(crate) fn worsen(world: &mut World, path: usize) {
    for _ in 0..36 {
        world.impair(path, |link| link.delay += 5 * MS);
        world.run_for(500 * MS);
    }
}

/// Silences or revives both reflectors of a path: it is dead, its session is not.
pub(crate) fn reflectors(world: &mut World, path: usize, alive: bool) {
    for nth in 0..2 {
        world.reflector(path, nth, alive);
    }
}

/// The path by which the VPC reaches the site from a path's own region.
pub(crate) fn way_back(world: &World, region: usize) -> Option<usize> {
    let site: IpAddr = [10, 20, 1, 1].into();
    match world.vpc().next_hops(region, site) {
        [RouterId(router)] => Some(usize::from(*router)),
        _ => None,
    }
}

/// The MED at which a router holds the probe source of a path.
pub(crate) fn probe_source_held(world: &World, router: usize, path: usize) -> Option<u32> {
    let source: IpAddr = world.engine().config().paths[path].probe_source;
    let mut routes = world.routers()[router].routes();
    let found = routes.find(|(prefix, ..)| **prefix == IpNet::from(source));
    found.map(|(_, route, _)| route.med)
}

/// Whether the peer of a path was told to forget the announced prefix since an instant.
pub(crate) fn withheld(world: &World, path: usize, since: Instant) -> bool {
    world.signals(path, since).iter().any(|(_, signal)| *signal == Signal::Withhold)
}

/// Sessions with the peer of a path that ended since an instant.
pub(crate) fn downs_of(world: &World, path: usize, since: Instant) -> usize {
    let ended = |kind: &EventKind| matches!(kind, EventKind::PeerDown { peer, .. } if *peer == peer_of(path));
    world.events().iter().filter(|event| event.at >= since && ended(&event.kind)).count()
}

/// Sessions that ended since an instant.
pub(crate) fn peers_down(world: &World, since: Instant) -> usize {
    let down = |kind: &EventKind| matches!(kind, EventKind::PeerDown { .. });
    world.events().iter().filter(|event| event.at >= since && down(&event.kind)).count()
}

/// The peer of a path.
pub(crate) fn peer_of(path: usize) -> PeerId {
    PeerId(u16::try_from(path).expect("small"))
}

/// Whether the kernel was asked to change anything since an instant.
pub(crate) fn kernel_was_asked(world: &World, since: Instant) -> bool {
    world.asked(since).any(|(_, output)| {
        matches!(output, Output::FibGroup { .. } | Output::FibRoute { .. } | Output::FibSynced)
    })
}

/// Runs until the peer of a path is told something new; when, and what.
pub(crate) fn next_signal(
    world: &mut World,
    path: usize,
    limit: std::time::Duration,
) -> Option<(Instant, Signal)> {
    let before = world.signals(path, Instant::ZERO).len();
    world.run_until(limit, |world| world.signals(path, Instant::ZERO).len() > before)?;
    world.signals(path, Instant::ZERO).last().copied()
}
