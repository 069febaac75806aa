//! Choices among candidates made by hand.

mod candidates;

use candidates::{down, path, s, state, violating};
use pathvane_clock::{Duration, Instant};
use pathvane_score::{
    Candidate, Cause, Compliance, Decision, PathId, Reasons, Rule, Selector, SelectorConfig, State,
    Strategy,
};

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// Moves that are not urgent are made for certain, with no random wait.
fn exact() -> SelectorConfig {
    SelectorConfig { phase: Duration::ZERO, eagerness: f64::INFINITY, ..SelectorConfig::default() }
}

/// A selector whose leader has been path 0 for a minute.
fn led_by_first(config: SelectorConfig, candidates: &[Candidate]) -> Selector {
    let mut selector = Selector::new(s(0), config, 1);
    let first = selector.decide(s(0), candidates);
    assert_eq!((first.leader, first.cause), (Some(PathId(0)), Cause::First));
    selector
}

/// Decides at every `next_check` and every second until `end`; returns the moves.
fn live(selector: &mut Selector, from: Instant, end: Instant, all: &[Candidate]) -> Vec<Decision> {
    let mut now = from;
    let mut moves = Vec::new();
    while now <= end {
        let decision = selector.decide(now, all).clone();
        let check = decision.next_check.filter(|&at| at > now).unwrap_or(Instant::MAX);
        now = check.min(now + Duration::from_secs(1));
        if decision.moved {
            moves.push(decision);
        }
    }
    moves
}

#[test]
fn the_best_is_first_and_order_decides_ties() {
    let mut selector = Selector::new(s(0), exact(), 1);
    let decision = selector.decide(s(0), &[path(7, 80.0), path(3, 90.0), path(5, 90.0)]);
    assert_eq!(decision.leader, Some(PathId(3)));
    assert_eq!(decision.standbys, [PathId(5), PathId(7)]);
    assert!(decision.moved && decision.out.is_empty());
}

#[test]
fn before_anything_is_measured_the_operators_order_decides() {
    let young = |id| state(path(id, 0.0), State::Init, Reasons::NONE);
    let mut selector = led_by_first(exact(), &[young(0), young(1)]);
    // The second is known a moment earlier: no reason to move.
    assert!(live(&mut selector, s(1), s(9), &[young(0), path(1, 93.0)]).is_empty());
}

#[test]
fn a_dead_leader_is_left_at_once() {
    let all = [down(path(0, 0.0)), path(1, 70.0), path(2, 90.0)];
    let mut selector = led_by_first(exact(), &[path(0, 93.0), path(1, 70.0), path(2, 90.0)]);
    let decision = selector.decide(s(1), &all);
    assert_eq!((decision.leader, decision.cause), (Some(PathId(2)), Cause::LeaderDown));
    assert_eq!(decision.previous, Some(PathId(0)));
    assert_eq!(
        (decision.standbys.as_slice(), decision.out.as_slice()),
        ([PathId(1)].as_slice(), [PathId(0)].as_slice())
    );
}

#[test]
fn a_lone_reflectors_silence_moves() {
    let silent = state(path(0, 0.0), State::Degraded, Reasons::SILENCE);
    let mut selector = led_by_first(exact(), &[path(0, 93.0), path(1, 90.0)]);
    let decision = selector.decide(s(1), &[silent, path(1, 90.0)]);
    assert_eq!((decision.leader, decision.cause), (Some(PathId(1)), Cause::LeaderDown));
}

#[test]
fn the_old_leader_returns_only_by_margin() {
    let mut selector = led_by_first(exact(), &[path(0, 93.0), path(1, 90.0)]);
    selector.decide(s(1), &[down(path(0, 0.0)), path(1, 90.0)]);
    assert!(live(&mut selector, s(2), s(600), &[path(0, 93.0), path(1, 90.0)]).is_empty());
}

#[test]
fn a_violating_leader_is_left_for_one_that_complies() {
    let before = [path(0, 93.0), path(1, 80.0), path(2, 75.0)];
    let mut selector = led_by_first(exact(), &before);
    let mut unsure = path(1, 80.0);
    unsure.score.compliance = Compliance::Unsure;
    let all = [violating(path(0, 68.0)), unsure, path(2, 75.0)];
    let decision = selector.decide(s(1), &all);
    assert_eq!((decision.leader, decision.cause), (Some(PathId(2)), Cause::LeaderViolates));
}

#[test]
fn if_nothing_complies_the_least_bad_leads() {
    let mut selector = led_by_first(exact(), &[path(0, 93.0), path(1, 93.0)]);
    let all = [violating(path(0, 60.0)), violating(path(1, 62.0))];
    assert!(live(&mut selector, s(1), s(300), &all).is_empty(), "not better by the margin");
    let all = [violating(path(0, 40.0)), violating(path(1, 62.0))];
    let moves = live(&mut selector, s(301), s(400), &all);
    assert_eq!(moves.len(), 1);
    assert_eq!((moves[0].leader, moves[0].cause), (Some(PathId(1)), Cause::Better));
}

#[test]
fn a_better_path_must_be_better_by_both_margins() {
    for (leader, challenger, moves) in [
        (50.0, 56.5, true),
        (50.0, 55.9, false), // 4.9 points between the bounds
        (80.0, 88.5, false), // 7.5 points, but 9.3 %
        (20.0, 25.0, false), // 20 %, but 4 points
        (80.0, 89.2, true),
    ] {
        let all = [path(0, leader), path(1, challenger)];
        let mut selector = led_by_first(exact(), &[path(0, 93.0), path(1, 93.0)]);
        let got = live(&mut selector, s(100), s(200), &all);
        assert_eq!(got.len(), usize::from(moves), "{challenger} against {leader}");
    }
}

#[test]
fn wide_bounds_hold_a_move_back() {
    let mut vague = path(1, 93.0);
    vague.score.lcb = 70.0;
    let mut selector = led_by_first(exact(), &[path(0, 93.0), path(1, 93.0)]);
    assert!(live(&mut selector, s(100), s(200), &[path(0, 75.0), vague]).is_empty());
}

#[test]
fn better_must_last_and_the_leader_dwells() {
    let all = [path(0, 60.0), path(1, 93.0)];
    let mut selector = led_by_first(exact(), &[path(0, 93.0), path(1, 93.0)]);
    let moves = live(&mut selector, s(5), s(60), &all);
    assert_eq!((moves.len(), moves[0].cause), (1, Cause::Better));
    assert_eq!((moves[0].detected_at, moves[0].since), (s(5), s(30)), "dwell of 30 s");

    let mut selector = led_by_first(exact(), &[path(0, 93.0), path(1, 93.0)]);
    assert!(live(&mut selector, s(100), s(109), &all).is_empty());
    selector.decide(s(109) + ms(500), &[path(0, 93.0), path(1, 93.0)]);
    assert!(!selector.decide(s(110), &all).moved, "the advantage was gone meanwhile");
    assert_eq!(live(&mut selector, s(111), s(120), &all)[0].since, s(120), "ten seconds");
}

#[test]
fn moves_that_are_not_urgent_come_at_random_and_not_for_certain() {
    let all = [path(0, 60.0), path(1, 93.0)];
    let time = |seed| {
        let mut selector = Selector::new(s(0), SelectorConfig::default(), seed);
        selector.decide(s(0), &[path(0, 93.0), path(1, 93.0)]);
        let mut now = s(100);
        loop {
            let decision = selector.decide(now, &all);
            if decision.moved {
                return now.since(s(100));
            }
            now = decision.next_check.unwrap();
        }
    };
    let times: Vec<Duration> = (0..200).map(time).collect();
    assert_eq!(time(3), times[3], "the same seed, the same moment");
    assert!(times.iter().all(|&it| it >= ms(10_000)));
    // Gaining 33 points of the 40 that are missing, a draw says yes once in twelve times.
    let early = times.iter().filter(|&&it| it < ms(15_000)).count();
    assert!((5..40).contains(&early), "{early} of 200 in the first phase");
    let mean = times.iter().sum::<Duration>() / 200;
    assert!((ms(30_000)..ms(52_000)).contains(&mean), "{mean:?}");
}

#[test]
fn suppressed_is_waived_when_nothing_else_works() {
    let damped = |id| state(path(id, 93.0), State::Suppressed, Reasons::DAMPED);
    let mut selector = led_by_first(exact(), &[path(0, 93.0), path(1, 90.0)]);
    let decision = selector.decide(s(1), &[damped(0), path(1, 90.0)]);
    assert_eq!((decision.leader, decision.cause), (Some(PathId(1)), Cause::LeaderDamped));
    let decision = selector.decide(s(2), &[damped(0), down(path(1, 0.0))]);
    assert_eq!((decision.leader, decision.cause), (Some(PathId(0)), Cause::LeaderDown));
    let decision = selector.decide(s(3), &[damped(0), damped(1)]);
    assert!(!decision.moved, "no better than the leader");
}

#[test]
fn a_recovering_leader_stays_and_a_recovering_challenger_waits() {
    let recovering = |id| state(path(id, 93.0), State::Recovering, Reasons::NONE);
    let mut selector = led_by_first(exact(), &[path(0, 93.0), path(1, 60.0)]);
    assert!(live(&mut selector, s(1), s(200), &[recovering(0), path(1, 93.0)]).is_empty());
    assert!(live(&mut selector, s(201), s(400), &[path(0, 60.0), recovering(1)]).is_empty());
}

#[test]
fn health_moves_on_a_majority_of_two_and_only_to_a_served_region() {
    let served = |mut it: Candidate, healthy, all| {
        it.instances = (healthy, all);
        it
    };
    let mut selector = led_by_first(exact(), &[path(0, 93.0), path(1, 60.0)]);
    for (healthy, all) in [(0, 1), (1, 2), (2, 4)] {
        let candidates = [served(path(0, 93.0), healthy, all), served(path(1, 60.0), 2, 2)];
        assert!(!selector.decide(s(1), &candidates).moved, "{healthy} of {all}");
    }
    // All that is known of the other region is that it does not serve.
    for all in [1, 2] {
        let sick = [served(path(0, 93.0), 1, 3), served(path(1, 60.0), 0, all)];
        assert!(!selector.decide(s(2), &sick).moved, "0 of {all}");
        let lossy = [served(violating(path(0, 50.0)), 1, 1), served(path(1, 60.0), 0, all)];
        assert!(!selector.decide(s(2), &lossy).moved, "0 of {all}");
    }
    let sick = [served(path(0, 93.0), 1, 3), served(path(1, 60.0), 0, 2)];
    assert!(!selector.decide(s(2), &sick).moved, "the other region serves no better");
    let sick = [served(path(0, 93.0), 1, 3), served(path(1, 60.0), 1, 2)];
    let decision = selector.decide(s(3), &sick);
    assert_eq!((decision.leader, decision.cause), (Some(PathId(1)), Cause::LeaderUnserved));
}

#[test]
fn ordered_returns_to_the_earlier_path_in_time() {
    let config = SelectorConfig { strategy: Strategy::Ordered, ..exact() };
    let mut selector = led_by_first(config, &[path(0, 75.0), path(1, 93.0)]);
    assert!(live(&mut selector, s(1), s(300), &[path(0, 75.0), path(1, 93.0)]).is_empty());
    assert!(selector.decide(s(301), &[down(path(0, 0.0)), path(1, 93.0)]).moved);
    let moves = live(&mut selector, s(302), s(400), &[path(0, 75.0), path(1, 93.0)]);
    assert_eq!((moves[0].leader, moves[0].cause), (Some(PathId(0)), Cause::Preferred));
    assert_eq!(selector.decision().leader, Some(PathId(0)));
}

#[test]
fn a_full_path_takes_over_only_from_a_dead_one() {
    let full = |mut it: Candidate, load| {
        it.utilisation = Some(load);
        it
    };
    let mut selector = led_by_first(exact(), &[path(0, 93.0), path(1, 90.0)]);
    let all = [violating(path(0, 60.0)), full(path(1, 93.0), 0.9)];
    assert!(live(&mut selector, s(1), s(100), &all).is_empty());
    let all = [down(path(0, 0.0)), full(path(1, 93.0), 0.9)];
    assert!(selector.decide(s(101), &all).moved);
    // A leader that is full gives way, but not in a hurry.
    let all = [path(0, 80.0), full(path(1, 93.0), 0.9)];
    let moves = live(&mut selector, s(102), s(200), &all);
    assert_eq!((moves.len(), moves[0].cause), (1, Cause::LeaderFull));
}

#[test]
fn a_decision_tells_what_it_took_its_leader_before_and_for_what() {
    let full = Candidate { utilisation: Some(0.9), ..path(2, 95.0) };
    let damped = state(path(2, 95.0), State::Suppressed, Reasons::DAMPED);
    let rivals = [
        (damped, Rule::Standing),
        (violating(path(2, 95.0)), Rule::Limits),
        (full, Rule::Room),
        (path(2, 70.0), Rule::Score),
        (path(2, 90.0), Rule::Order),
    ];
    for (rival, rule) in rivals {
        let mut selector = led_by_first(exact(), &[path(0, 96.0), path(1, 90.0), rival]);
        let decision = selector.decide(s(1), &[down(path(0, 0.0)), path(1, 90.0), rival]);
        let over = Some((PathId(2), rule));
        assert_eq!((decision.leader, decision.over), (Some(PathId(1)), over));
    }
    let mut selector = led_by_first(exact(), &[path(0, 96.0), path(1, 90.0)]);
    assert_eq!(selector.decide(s(1), &[down(path(0, 0.0)), path(1, 90.0)]).over, None);
}

#[test]
fn cost_and_load_take_points_off() {
    let mut dear = path(0, 93.0);
    dear.cost = 30.0;
    let mut loaded = path(1, 93.0);
    loaded.utilisation = Some(0.85);
    let mut selector = Selector::new(s(0), exact(), 1);
    let decision = selector.decide(s(0), &[dear, loaded]);
    assert_eq!(decision.leader, Some(PathId(1)));
    assert!((decision.leader_score - 83.0).abs() < 1e-9, "half of the 20 points");
    assert!((decision.other_score - 63.0).abs() < 1e-9);
}

#[test]
fn when_everything_is_down_nothing_moves() {
    let mut selector = led_by_first(exact(), &[path(0, 93.0), path(1, 90.0)]);
    let all = [down(path(0, 0.0)), down(path(1, 0.0))];
    assert!(live(&mut selector, s(1), s(100), &all).is_empty());
    assert_eq!(selector.decision().cause, Cause::SharedFault);
    assert_eq!(selector.decision().out, [PathId(1)]);
}

/// A leader that went silent at second 10, and a challenger whose newest answered probe left
/// `fresh` after the leader's first missed one (or before).
fn fault(fresh: bool, missing: bool, risk: u64) -> [Candidate; 2] {
    let mut leader = down(path(0, 0.0));
    leader.verdict.evidence.missed_since = Some(s(10));
    leader.shared_risk = risk;
    let mut other = path(1, 90.0);
    other.verdict.evidence.missing = missing;
    other.verdict.evidence.not_before = Some(if fresh { s(10) + ms(20) } else { s(10) - ms(20) });
    other.shared_risk = risk;
    [leader, other]
}

fn changed_at(mut all: [Candidate; 2], state: State, since: Instant) -> [Candidate; 2] {
    all[1].verdict.state = state;
    all[1].verdict.since = since;
    all
}

#[test]
fn a_challenger_that_may_fail_of_the_same_fault_is_waited_for() {
    let now = s(10) + ms(150);
    for (all, waits) in [
        (fault(true, false, 0), false),
        (fault(false, false, 0), true), // not heard of since: it may be the same fault
        (fault(true, true, 0), true),
        (fault(false, false, 0b100), true),
        (fault(true, false, 0b100), false),
        (changed_at(fault(true, false, 0), State::Degraded, s(9)), false),
        (changed_at(fault(true, false, 0), State::Degraded, now), true),
        (changed_at(fault(true, false, 0), State::Recovering, now), true),
    ] {
        let mut selector = led_by_first(exact(), &[path(0, 93.0), path(1, 90.0)]);
        let decision = selector.decide(now, &all);
        assert_eq!(decision.moved, !waits, "{all:?}");
        if waits {
            assert_eq!(decision.cause, Cause::Waiting);
            let check = decision.next_check.unwrap();
            assert!(check > now && check <= now + ms(10));
        }
    }
}

#[test]
fn what_was_waited_for_while_the_leader_passed_traffic_says_nothing_of_its_silence() {
    for strategy in [Strategy::Best, Strategy::Balance] {
        let config = SelectorConfig { strategy, ..exact() };
        let out = [at_risk(path(0, 93.0), 1), at_risk(down(path(1, 0.0)), 1)];
        let mut selector = led_by_first(config, &out);
        // It degrades, and half a second later both fall silent; the other one has not shown it yet.
        let mut bad = at_risk(violating(path(0, 50.0)), 1);
        bad.verdict.since = s(60);
        let decision = selector.decide(s(60), &[bad, at_risk(path(1, 90.0), 1)]);
        assert_eq!(decision.cause, Cause::Waiting);
        let now = s(60) + ms(500);
        let [mut dead, mut other] = fault(false, true, 1);
        dead.verdict.evidence.missed_since = Some(now - ms(100));
        other.verdict.evidence.not_before = Some(now - ms(120));
        let decision = selector.decide(now, &[dead, other]);
        assert_eq!((decision.moved, decision.cause), (false, Cause::Waiting), "{strategy:?}");
        assert!(selector.decide(now + ms(200), &[dead, other]).moved, "{strategy:?}");
    }
}

#[test]
fn who_is_probed_seldom_is_waited_for_until_it_has_shown() {
    for strategy in [Strategy::Best, Strategy::Balance] {
        let mut all = fault(false, true, 0);
        let config = SelectorConfig { strategy, ..exact() };
        let mut out = all;
        out[0] = path(0, 93.0);
        out[1] = down(out[1]);
        let mut selector = led_by_first(config, &out);
        all[1].verdict.evidence.shows_within = ms(4100);
        assert_eq!(selector.decide(s(60), &all).cause, Cause::Waiting);
        assert_eq!(selector.decide(s(64), &all).cause, Cause::Waiting, "{strategy:?}");
        assert!(selector.decide(s(64) + ms(100), &all).moved, "{strategy:?}");
    }
}

#[test]
fn waiting_ends_with_an_answer_a_verdict_or_its_time() {
    let now = s(10) + ms(150);
    let doubtful = fault(false, true, 0);
    let waiting = || {
        let mut selector = led_by_first(exact(), &[path(0, 93.0), path(1, 90.0)]);
        assert!(!selector.decide(now, &doubtful).moved);
        selector
    };
    assert!(waiting().decide(now + ms(10), &fault(true, false, 0)).moved);
    let both = [doubtful[0], down(doubtful[1])];
    assert!(!waiting().decide(now + ms(20), &both).moved);
    let mut selector = waiting();
    assert!(!selector.decide(now + ms(199), &doubtful).moved);
    assert!(selector.decide(now + ms(200), &doubtful).moved);
}

#[test]
fn paths_that_share_a_fate_are_given_time_to_degrade_together() {
    let grouped = |mut it: Candidate| {
        it.shared_risk = 1;
        it
    };
    let mut bad = grouped(violating(path(0, 50.0)));
    bad.verdict.since = s(10);
    let mut selector = led_by_first(exact(), &[path(0, 93.0), path(1, 90.0)]);
    assert!(!selector.decide(s(10), &[bad, grouped(path(1, 90.0))]).moved);
    let both = [bad, grouped(violating(path(1, 50.0)))];
    assert!(!selector.decide(s(10) + ms(300), &[bad, grouped(path(1, 90.0))]).moved, "too early");
    assert!(!selector.decide(s(10) + ms(400), &both).moved, "it showed");
    assert!(selector.decide(s(12), &[bad, grouped(path(1, 90.0))]).moved, "it did not");
}

#[test]
fn a_leader_that_nobody_measures_stays() {
    let stale = |it: Candidate| state(it, State::Up, Reasons::STALE);
    let mut selector = led_by_first(exact(), &[path(0, 93.0), path(1, 90.0)]);
    let all = [stale(violating(path(0, 30.0))), path(1, 93.0)];
    assert!(live(&mut selector, s(1), s(300), &all).is_empty());
    assert_eq!(selector.decision().cause, Cause::Frozen);
    // Nor does anything move to a path that nobody measures, unless there is no other.
    let all = [path(0, 60.0), stale(path(1, 93.0))];
    assert!(live(&mut selector, s(301), s(600), &all).is_empty());
    assert!(selector.decide(s(601), &[down(path(0, 0.0)), stale(path(1, 93.0))]).moved);
}

#[test]
fn the_operator_removes_paths() {
    let mut selector = led_by_first(exact(), &[path(0, 93.0), path(1, 90.0)]);
    let admin = state(path(0, 0.0), State::Admin, Reasons::NONE);
    let decision = selector.decide(s(1), &[admin, path(1, 90.0)]);
    assert_eq!((decision.leader, decision.cause), (Some(PathId(1)), Cause::LeaderRemoved));
    let decision = selector.decide(s(2), &[path(0, 93.0)]);
    assert_eq!((decision.leader, decision.cause), (Some(PathId(0)), Cause::LeaderRemoved));
    let decision = selector.decide(s(3), &[]);
    assert_eq!((decision.leader, decision.moved), (None, false));
    assert!(decision.standbys.is_empty());
}

#[test]
fn a_standby_that_shares_the_leaders_fate_counts_for_less() {
    let all = [at_risk(path(0, 93.0), 0b101), at_risk(path(1, 92.0), 0b110), path(2, 85.0)];
    let selector = led_by_first(exact(), &all);
    assert_eq!(selector.decision().standbys, [PathId(2), PathId(1)]);
}

fn at_risk(mut it: Candidate, risks: u64) -> Candidate {
    it.shared_risk = risks;
    it
}

/// Three paths, of which the first fails and the second shares one of several risks with it.
fn sharers() -> [Candidate; 3] {
    [at_risk(path(0, 93.0), 0b011), at_risk(path(1, 92.0), 0b110), at_risk(path(2, 85.0), 0b1000)]
}

#[test]
fn a_fault_is_not_fled_from_to_a_path_that_shares_its_risk_while_another_works_as_well() {
    for strategy in [Strategy::Best, Strategy::Ordered] {
        let config = SelectorConfig { strategy, ..exact() };
        let mut selector = led_by_first(config.clone(), &sharers());
        let [leader, sharer, other] = sharers();
        let failed = [down(leader), sharer, other];
        let decision = selector.decide(s(10), &failed);
        assert_eq!((decision.leader, decision.cause), (Some(PathId(2)), Cause::LeaderDown));
        assert_eq!(decision.over, Some((PathId(1), Rule::Risk)));
        // One that breaks the limits is left for the path apart, too.
        let mut selector = led_by_first(config.clone(), &sharers());
        let decision = selector.decide(s(10), &[violating(leader), sharer, other]);
        assert_eq!((decision.leader, decision.cause), (Some(PathId(2)), Cause::LeaderViolates));
        // Limits and standing come first: a path that shares a risk and works is better.
        for worse in [violating(other), down(other)] {
            let mut selector = led_by_first(config.clone(), &sharers());
            let decision = selector.decide(s(10), &[down(leader), sharer, worse]);
            assert_eq!(decision.leader, Some(PathId(1)));
        }
    }
}

#[test]
fn a_risk_counts_only_on_the_flight_from_a_fault() {
    let [leader, sharer, other] = sharers();
    let removed = state(leader, State::Admin, Reasons::NONE);
    let mut selector = led_by_first(exact(), &sharers());
    let decision = selector.decide(s(10), &[removed, sharer, other]);
    assert_eq!((decision.leader, decision.cause), (Some(PathId(1)), Cause::LeaderRemoved));
    assert_eq!(decision.over, Some((PathId(2), Rule::Score)));
}

#[test]
fn a_fault_of_all_that_share_a_risk_moves_nothing_among_them() {
    let [leader, sharer, _] = sharers();
    let mut selector = led_by_first(exact(), &[leader, sharer]);
    let both = [down(leader), down(sharer)];
    assert!(live(&mut selector, s(10), s(60), &both).is_empty());
    assert_eq!(selector.decision().cause, Cause::SharedFault);
}
