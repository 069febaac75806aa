//! The laws of steering, each as a short scenario.

use std::time::Duration;

use pathvane_sim::cloud::Status;
use pathvane_sim::world::{Setup, World};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_fresh_speaker_finds_its_feet() {
    let world = World::settled(Setup::two_regions());
    assert!(world.routers().iter().all(|router| router.status() == Status::Up));
    let leader = world.leader().expect("a leader");
    assert_eq!((world.held(leader), world.held(1 - leader)), (Some(20_000), Some(30_000)));
    let lately = world.now() - 30 * SECOND;
    assert_eq!((world.up().lost(lately), world.down().lost(lately)), (0, 0));
    assert_eq!((world.up().path(), world.down().path()), (Some(leader), Some(leader)));
}
