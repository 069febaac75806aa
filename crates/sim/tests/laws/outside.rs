//! Measurements from outside that are trusted: judged by the limits of the services that use the path.

use pathvane_engine::{Input, PathId, Report, ServiceId, Subject};
use pathvane_score::emodel::Codec;
use pathvane_score::{Class, OwnClass, ProbeRates, Reasons, Sla};
use pathvane_sim::world::{Setup, World};

use crate::{SECOND, settled_as};

/// A world whose service is of a class of its own, scored like voice, that bears so much loss.
fn bearing(max_loss_ppm: u32) -> Setup {
    let mut setup = Setup::two_regions();
    setup.engine.trust_reports = true;
    let own = OwnClass {
        name: "calls".to_owned(),
        like: Class::Voice,
        sla: Sla { max_loss_ppm, ..Sla::of(Class::Voice) },
        codec: Codec::G711_PLC,
        bulk_target_bps: 1e6,
    };
    setup.engine.timing.monitor.own.push(own);
    setup.engine.timing.own_rates.push(ProbeRates::of(Class::Voice));
    setup.engine.services[0].own_class = Some(0);
    setup
}

/// Two phones say that so much of their calls over a path is lost.
fn say(world: &mut World, path: usize, loss_ppm: u32) {
    for source in ["phone-1", "phone-2"] {
        world.tell(Input::Report(Report {
            on: Subject::Path(PathId(u16::try_from(path).expect("small"))),
            source: source.to_owned(),
            class: Class::Voice,
            delay: None,
            jitter: None,
            loss_ppm: Some(loss_ppm),
            mos: None,
            valid_for: 60 * SECOND,
        }));
    }
    world.run_for(5 * SECOND);
}

/// The verdict's reasons, and whether each report breaks a limit.
fn view(world: &World, path: usize) -> (Reasons, Vec<bool>) {
    let view = world.engine().path(PathId(u16::try_from(path).expect("small")));
    (view.verdict.reasons, view.reports.iter().map(|(_, breaks)| *breaks).collect())
}

#[test]
fn a_class_of_its_own_is_judged_by_limits_of_its_own() {
    let (mut world, leader, other) = settled_as(bearing(50_000));
    // Too much for voice, and not for those who use the path.
    say(&mut world, leader, 20_000);
    assert_eq!(view(&world, leader), (Reasons::NONE, vec![false, false]));
    assert_eq!(world.leader(), Some(leader));
    say(&mut world, leader, 60_000);
    assert_eq!(view(&world, leader), (Reasons::REPORTED, vec![true, true]));
    assert_eq!(world.leader(), Some(other));
}

#[test]
fn what_is_too_much_for_one_service_does_not_move_another() {
    let mut setup = bearing(5_000);
    let strict = setup.engine.services[0].clone();
    setup.engine.services[0].own_class = None;
    setup.engine.services.push(pathvane_engine::config::Service {
        name: "strict".to_owned(),
        announce: vec![],
        reach: vec![],
        ..strict
    });
    let (mut world, leader, other) = settled_as(setup);
    let strict = |world: &World| world.engine().service(ServiceId(1)).leader.map(PathId::index);
    assert_eq!(strict(&world), Some(leader));
    say(&mut world, leader, 8_000);
    assert_eq!((world.leader(), strict(&world)), (Some(leader), Some(other)));
    assert_eq!(view(&world, leader).1, [true, true], "somebody's limit");
}
