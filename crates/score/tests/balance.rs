//! Paths that carry a service together, made by hand.

mod candidates;

use candidates::{down, path, s, state, violating};
use pathvane_clock::Duration;
use pathvane_score::{
    Candidate, Cause, Compliance, Decision, PathId, Reasons, Selector, SelectorConfig, State,
    Strategy,
};

fn selector() -> Selector {
    let config = SelectorConfig {
        strategy: Strategy::Balance,
        phase: Duration::ZERO,
        ..SelectorConfig::default()
    };
    Selector::new(s(0), config, 1)
}

/// A selector for which all of these have carried for a minute.
fn carried_by(all: &[Candidate]) -> Selector {
    let mut selector = selector();
    let first = selector.decide(s(0), all);
    assert_eq!((first.carry.len(), first.cause), (all.len(), Cause::First));
    assert!(!selector.decide(s(60), all).moved);
    selector
}

fn carry(decision: &Decision) -> Vec<u32> {
    decision.carry.iter().map(|path| path.0).collect()
}

/// Decides every second; the times and sets of changes.
fn live(selector: &mut Selector, from: u64, to: u64, all: &[Candidate]) -> Vec<(u64, Vec<u32>)> {
    let mut changes = Vec::new();
    for now in from..to {
        let decision = selector.decide(s(now), all);
        if decision.moved {
            changes.push((now, carry(decision)));
        }
    }
    changes
}

#[test]
fn all_that_are_alike_carry_from_the_first_and_scores_move_nothing() {
    let mut selector = carried_by(&[path(0, 93.0), path(1, 70.0), path(2, 80.0)]);
    assert!(
        live(&mut selector, 61, 600, &[path(0, 60.0), path(1, 93.0), path(2, 80.0)]).is_empty()
    );
    assert_eq!(selector.decision().cause, Cause::Kept);
}

#[test]
fn at_first_only_the_best_kind_carries() {
    let mut selector = selector();
    let all = [violating(path(0, 50.0)), path(1, 90.0), down(path(2, 80.0)), path(3, 80.0)];
    assert_eq!(carry(selector.decide(s(0), &all)), [1, 3]);
    let young = |id| state(path(id, 80.0), State::Init, Reasons::NONE);
    let mut selector = self::selector();
    assert_eq!(carry(selector.decide(s(0), &[young(0), young(1)])), [0, 1], "nothing is known");
}

#[test]
fn one_that_fails_leaves_at_once_and_returns_after_its_time() {
    let well = [path(0, 93.0), path(1, 90.0), path(2, 90.0)];
    let mut selector = carried_by(&well);
    let decision = selector.decide(s(100), &[path(0, 93.0), down(path(1, 80.0)), path(2, 90.0)]);
    assert_eq!((carry(decision), decision.cause), (vec![0, 2], Cause::LeaderDown));
    assert_eq!(decision.previous, Some(PathId(1)));
    let recovering = [well[0], state(path(1, 80.0), State::Recovering, Reasons::NONE), well[2]];
    assert!(live(&mut selector, 101, 150, &recovering).is_empty());
    // It is up at second 150: sustained for ten seconds, and the others have carried for thirty.
    assert_eq!(live(&mut selector, 150, 300, &well), [(160, vec![0, 1, 2])]);
    let mut selector = carried_by(&well);
    selector.decide(s(100), &[path(0, 93.0), violating(path(1, 50.0)), path(2, 90.0)]);
    assert_eq!(live(&mut selector, 101, 300, &well), [(130, vec![0, 1, 2])], "the dwell counts");
}

#[test]
fn one_that_comes_and_goes_begins_anew_each_time() {
    let mut selector = carried_by(&[path(0, 93.0), path(1, 90.0)]);
    selector.decide(s(100), &[path(0, 93.0), down(path(1, 80.0))]);
    for round in 0..20 {
        let from = 200 + round * 10;
        assert!(live(&mut selector, from, from + 9, &[path(0, 93.0), path(1, 90.0)]).is_empty());
        assert!(
            live(&mut selector, from + 9, from + 10, &[path(0, 93.0), down(path(1, 80.0))])
                .is_empty()
        );
    }
}

#[test]
fn when_all_fail_alike_nothing_moves() {
    let mut selector = carried_by(&[path(0, 93.0), path(1, 90.0)]);
    assert!(live(&mut selector, 100, 200, &[down(path(0, 80.0)), down(path(1, 80.0))]).is_empty());
    assert_eq!(selector.decision().cause, Cause::SharedFault);
    assert!(
        live(&mut selector, 200, 400, &[violating(path(0, 50.0)), violating(path(1, 50.0))])
            .is_empty()
    );
}

#[test]
fn one_that_may_fail_of_the_same_fault_is_waited_for() {
    let ms = Duration::from_millis;
    let now = s(100) + ms(150);
    let mut dead = down(path(0, 80.0));
    dead.verdict.evidence.missed_since = Some(s(100));
    let mut other = path(1, 90.0);
    other.verdict.evidence.not_before = Some(s(100) - ms(20));
    let mut selector = carried_by(&[path(0, 93.0), path(1, 90.0)]);
    let decision = selector.decide(now, &[dead, other]);
    assert_eq!((decision.moved, decision.cause), (false, Cause::Waiting));
    assert!(decision.next_check.is_some_and(|check| check <= now + ms(10)));
    assert!(!selector.decide(now + ms(199), &[dead, other]).moved);
    assert!(!selector.decide(now + ms(199), &[dead, down(path(1, 80.0))]).moved, "the same fault");
    assert!(!selector.decide(now + ms(200), &[dead, other]).moved, "the doubt is new");
    assert_eq!(carry(selector.decide(now + ms(400), &[dead, other])), [1]);
    let mut fresh = other;
    fresh.verdict.evidence.not_before = Some(s(100) + ms(20));
    let mut selector = carried_by(&[path(0, 93.0), path(1, 90.0)]);
    assert_eq!(carry(selector.decide(now, &[dead, fresh])), [1], "it was heard of since");
}

#[test]
fn if_nobody_who_carries_can_take_over_a_standby_comes_in() {
    let mut selector = selector();
    selector.decide(s(0), &[path(0, 93.0), violating(path(1, 40.0))]);
    assert_eq!(carry(selector.decision()), [0]);
    let decision = selector.decide(s(60), &[down(path(0, 80.0)), violating(path(1, 40.0))]);
    assert_eq!((carry(decision), decision.cause), (vec![1], Cause::LeaderDown));
}

#[test]
fn where_none_keeps_the_limits_the_least_bad_ones_carry() {
    let mut selector = carried_by(&[path(0, 93.0), path(1, 90.0)]);
    let all = [violating(path(0, 30.0)), violating(path(1, 60.0))];
    assert_eq!(live(&mut selector, 100, 300, &all), [(110, vec![1])]);
    assert_eq!(selector.decision().standbys, [PathId(0)]);
    let all = [path(0, 90.0), violating(path(1, 60.0))];
    assert_eq!(live(&mut selector, 300, 301, &all), [(300, vec![0])], "one keeps them again");
}

#[test]
fn who_has_no_room_for_a_part_does_not_come_in_and_leaves_in_time() {
    // 60 of 100 for the service alone, and 50 for others: half of the service makes 80.
    let loaded = |id, others: f64| Candidate {
        utilisation: Some(0.6 + others),
        load: Some(0.6),
        ..path(id, 90.0)
    };
    let mut selector = carried_by(&[loaded(0, 0.1), loaded(1, 0.5)]);
    assert!(live(&mut selector, 100, 200, &[loaded(0, 0.1), loaded(1, 0.5)]).is_empty());
    let full = [loaded(0, 0.1), loaded(1, 0.6)];
    assert_eq!(live(&mut selector, 200, 400, &full), [(210, vec![0])]);
    assert_eq!(selector.decision().cause, Cause::Kept);
    assert!(live(&mut selector, 400, 500, &full).is_empty(), "no room for half of it");
    assert_eq!(live(&mut selector, 500, 600, &[loaded(0, 0.1), loaded(1, 0.5)]).len(), 1);
    // A path that merely breaks a limit is not left for others that would be overloaded.
    let bad = Candidate { score: violating(path(0, 50.0)).score, ..loaded(0, 0.1) };
    assert!(!selector.decide(s(700), &[bad, loaded(1, 0.5)]).moved);
    let dead = Candidate { verdict: down(path(0, 80.0)).verdict, ..loaded(0, 0.1) };
    assert_eq!(carry(selector.decide(s(701), &[dead, loaded(1, 0.5)])), [1]);
}

#[test]
fn of_full_ones_none_leaves_where_the_others_would_be_fuller() {
    let loaded = |id| Candidate { utilisation: Some(1.4), load: Some(0.8), ..path(id, 90.0) };
    let mut selector = carried_by(&[loaded(0), loaded(1)]);
    assert!(live(&mut selector, 100, 300, &[loaded(0), loaded(1)]).is_empty());
}

#[test]
fn a_heavier_path_takes_more_and_so_leaves_less() {
    let weighed = |id, weight, whole: f64| Candidate {
        utilisation: Some(whole),
        load: Some(whole),
        weight,
        ..path(id, 90.0)
    };
    // Eight parts of nine on the large one leave 20 % of 1.8 on the small one.
    let mut selector = carried_by(&[weighed(0, 8.0, 0.2), weighed(1, 1.0, 1.8)]);
    assert!(
        live(&mut selector, 100, 300, &[weighed(0, 8.0, 0.2), weighed(1, 1.0, 1.8)]).is_empty()
    );
    let equal = [weighed(0, 1.0, 0.2), weighed(1, 1.0, 1.8)];
    assert_eq!(live(&mut selector, 300, 500, &equal), [(310, vec![0])]);
}

#[test]
fn of_two_that_violate_at_once_one_stays_where_the_others_have_no_room_for_both() {
    let loaded = |it: Candidate| Candidate { utilisation: Some(0.9), load: Some(0.6), ..it };
    let well = [0, 1, 2].map(|id| loaded(path(id, 90.0)));
    let mut selector = carried_by(&well);
    let bad = |id| loaded(violating(path(id, 50.0)));
    selector.decide(s(100), &[bad(0), bad(1), well[2]]);
    for now in 101..160 {
        let decision = selector.decide(s(now), &[bad(0), bad(1), well[2]]);
        assert_eq!(decision.carry.len(), 2, "a third of nine tenths, then half, never all");
    }
}

#[test]
fn paths_that_recover_together_come_in_one_after_the_other() {
    let mut selector = carried_by(&[path(0, 93.0)]);
    let all = [path(0, 93.0), path(1, 90.0), path(2, 90.0)];
    let joined = live(&mut selector, 100, 300, &all);
    assert_eq!(joined.len(), 2);
    assert!(joined[1].0 >= joined[0].0 + 30, "{joined:?}");
}

#[test]
fn nobody_measured_nothing_moves() {
    let stale = |id| state(path(id, 80.0), State::Up, Reasons::STALE);
    let mut selector = carried_by(&[path(0, 93.0), path(1, 90.0)]);
    let mut bad = stale(1);
    bad.score.compliance = Compliance::Violates;
    assert!(live(&mut selector, 100, 300, &[stale(0), bad]).is_empty());
    assert_eq!(selector.decision().cause, Cause::Frozen);
}

#[test]
fn the_operator_takes_paths_out_and_adds_them() {
    let mut selector = carried_by(&[path(0, 93.0), path(1, 90.0)]);
    let admin = state(path(0, 80.0), State::Admin, Reasons::NONE);
    let decision = selector.decide(s(100), &[admin, path(1, 90.0)]);
    assert_eq!((carry(decision), decision.cause), (vec![1], Cause::LeaderRemoved));
    assert_eq!(live(&mut selector, 101, 200, &[path(0, 90.0), path(1, 90.0)]).len(), 1);
    assert_eq!(carry(selector.decide(s(200), &[path(1, 90.0)])), [1]);
    let decision = selector.decide(s(201), &[]);
    assert_eq!((decision.leader, decision.carry.len(), decision.moved), (None, 0, false));
}
