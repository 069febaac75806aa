//! Peers that a reload takes out and brings in while the speaker runs.

use pathvane_engine::config::Peer;
use pathvane_engine::{Output, PeerId};
use pathvane_sim::world::{Setup, World};

use crate::SECOND;

/// A peer that belongs to no path and waits to be dialled.
fn bystander(name: &str) -> Peer {
    let mut peer = Setup::two_regions().engine.peers[0].clone();
    peer.name = name.to_owned();
    peer.session.passive = true;
    peer
}

fn replace(world: &mut World, old: PeerId, new: &str) -> PeerId {
    world.with_engine(|engine, now| {
        engine.remove_peer(now, old);
        engine.add_peer(now, bystander(new))
    })
}

#[test]
fn a_peer_that_replaces_one_that_was_down_is_not_taken_for_it() {
    let mut setup = Setup::two_regions();
    setup.engine.peers.push(bystander("old"));
    let mut world = World::settled(setup);
    let since = world.now();
    let id = replace(&mut world, PeerId(2), "new");
    let gone = |world: &World| -> Vec<PeerId> {
        let peer = |output: &Output| match output {
            Output::Gone(peer) => Some(*peer),
            _ => None,
        };
        world.asked(since).filter_map(|(_, output)| peer(output)).collect()
    };
    assert_eq!(gone(&world), [PeerId(2)]);
    assert_ne!(id, PeerId(2), "the shell had yet to hear that this one is gone");
    let names = |id: PeerId| world.engine().config().peers[id.index()].name.clone();
    assert_eq!((names(PeerId(2)), names(id)), ("old".to_owned(), "new".to_owned()));
    // Once it has heard, the place is free again: numbers do not run out.
    world.run_for(SECOND);
    assert_eq!(replace(&mut world, id, "newer"), PeerId(2));
    assert_eq!(replace(&mut world, PeerId(2), "newest"), id);
    assert_eq!(world.engine().config().peers.len(), 4);
}
