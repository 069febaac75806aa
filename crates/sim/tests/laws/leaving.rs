//! Law 10: leaving is gentle, dying is survivable.

use pathvane_engine::{Command, Input, Signal};
use pathvane_session::DownCause;
use pathvane_sim::cloud::Status;
use pathvane_wire::code;

use crate::{SECOND, settled};

#[test]
fn a_drain_raises_med_waits_withdraws_and_says_cease() {
    let (mut world, leader, _) = settled();
    let start = world.now();
    world.tell(Input::Command(Command::Drain));
    world.run_for(30 * SECOND);
    assert!(world.drained());
    let signals = world.signals(leader, start);
    let [(raised, Signal::Announce { med: 40_000 }), (withdrawn, Signal::Withhold)] = signals[..]
    else {
        panic!("{signals:?}");
    };
    assert!(withdrawn.since(raised) >= world.engine().config().timing.drain_wait);
    for router in world.routers() {
        assert_ne!(router.status(), Status::Up);
        let Some(DownCause::Received(told)) = router.last_down().map(|down| &down.cause) else {
            panic!("{:?}", router.last_down());
        };
        assert_eq!(told.code, code::CEASE);
        assert_eq!(router.routes().count(), 0);
    }
}
