//! Records made by hand, and what the judge makes of them.

use super::*;

fn ms(n: u64) -> Instant {
    Instant::from_millis(n)
}

/// The fault of every record is at 10 s, the end at 14 s.
const BEGIN: u64 = 10_000;
const END: u64 = 14_000;

fn scenario(expect: &str) -> Scenario {
    let text = format!(
        "name = 'x'\ntitle = 'X'\nabout = 'x'\nexpect = '{expect}'\nobserve_ms = 4000\n\
         max_moves = 4\nsteps = []"
    );
    Scenario::parse(&text).expect("sound")
}

/// A call of 20 ms packets from 7 s to the end; `outages` are lost, `moves` change the path.
fn ledger(outages: &[(u64, u64)], moves: &[(u64, u8)]) -> Ledger {
    let mut ledger = Ledger::default();
    for at in (7_000..END).step_by(20) {
        let path = moves.iter().rfind(|(from, _)| at >= *from).map_or(0, |(_, path)| *path);
        let seq = ledger.sent(ms(at), path);
        if !outages.iter().any(|(from, to)| (*from..*to).contains(&at)) {
            ledger.arrived(seq, ms(at + 30));
        }
    }
    ledger
}

fn at(millis: u64, what: What) -> Seen {
    Seen { at: ms(BEGIN + millis), what }
}

fn moved_to(path: PathIndex, detected: u64) -> What {
    let detected_at = ms(BEGIN + detected);
    What::Moved { to: Some(path), cause: String::new(), detected_at, done: true }
}

/// A move both ways at the given milliseconds after the fault.
fn a_move(path: PathIndex, forward: u64, back: u64) -> Vec<Seen> {
    vec![
        at(forward - 10, moved_to(path, forward - 20)),
        at(forward - 5, What::Wire { router: 1 }),
        at(forward, What::Forward { path }),
        at(back, What::Return { routers: vec![path] }),
    ]
}

fn judged(expect: &str, seen: &[Seen], forward: &Ledger, back: &Ledger) -> Outcome {
    let scenario = scenario(expect);
    judge(&Play {
        scenario: &scenario,
        begin: ms(BEGIN),
        cleared: (expect == "return").then(|| ms(BEGIN + 500)),
        end: ms(END),
        seen,
        ledgers: [forward, back],
        return_hold: Duration::from_millis(1_500),
        lossy: false,
        link_late: Duration::ZERO,
    })
}

#[test]
fn a_quick_move_both_ways_is_good_and_its_figures_are_right() {
    let forward = ledger(&[(BEGIN, BEGIN + 120)], &[(BEGIN + 120, 1)]);
    let back = ledger(&[(BEGIN, BEGIN + 160)], &[(BEGIN + 160, 1)]);
    let outcome = judged("move", &a_move(1, 120, 160), &forward, &back);
    assert_eq!(outcome.faults, Vec::<String>::new());
    assert_eq!(outcome.detected_ms, Some(100.0));
    assert_eq!(outcome.wire_ms, Some(115.0));
    assert_eq!(outcome.forward_ms, Some(120.0));
    assert_eq!(outcome.return_ms, Some(160.0));
    assert_eq!(outcome.lost, [6, 8]);
    assert_eq!(outcome.outage_ms, [120.0, 160.0]);
    assert!(outcome.mos[0].during < outcome.mos[0].before - 0.3);
    assert!((outcome.mos[0].after - outcome.mos[0].before).abs() < 0.01);
}

#[test]
fn a_move_that_never_comes_is_late_or_stops_half_way_is_a_fault() {
    let still = ledger(&[(BEGIN, END)], &[]);
    let outcome = judged("move", &[], &still, &still);
    assert_eq!(outcome.faults.len(), 6, "{:?}", outcome.faults);

    let slow = ledger(&[], &[(BEGIN + 1_200, 1)]);
    let outcome = judged("move", &a_move(1, 1_200, 400), &slow, &slow);
    assert_eq!(outcome.faults, vec!["the forward next hop took 1200 ms"]);

    let gone = ledger(&[], &[(BEGIN + 100, 1), (BEGIN + 900, 0)]);
    let there = ledger(&[], &[(BEGIN + 100, 1)]);
    let outcome = judged("move", &a_move(1, 100, 100), &there, &gone);
    assert_eq!(outcome.faults, vec!["return voice ends on the wrong path"]);
}

#[test]
fn where_nothing_should_move_any_move_is_a_fault() {
    let call = ledger(&[], &[]);
    assert!(judged("stay", &[], &call, &call).is_good());
    let kept = at(100, What::Return { routers: vec![0] });
    assert!(judged("stay", &[kept], &call, &call).is_good(), "the same choice anew");
    let shared = at(100, What::Return { routers: vec![0, 1] });
    assert!(!judged("stay", &[shared], &call, &call).is_good());
    assert!(!judged("stay", &a_move(1, 100, 100), &call, &call).is_good());
}

#[test]
fn a_return_waits_for_the_hold_and_loses_nothing() {
    let call = ledger(&[(BEGIN, BEGIN + 100)], &[(BEGIN + 100, 1), (BEGIN + 2_600, 0)]);
    let seen = [a_move(1, 100, 110), a_move(0, 2_600, 2_620)].concat();
    let outcome = judged("return", &seen, &call, &call);
    assert_eq!(outcome.faults, Vec::<String>::new());
    assert_eq!(outcome.back_ms, Some(2_100.0));

    let hasty = [a_move(1, 100, 110), a_move(0, 900, 910)].concat();
    assert_eq!(judged("return", &hasty, &call, &call).faults.len(), 1);

    let broken = ledger(
        &[(BEGIN, BEGIN + 100), (BEGIN + 2_400, BEGIN + 2_440)],
        &[(BEGIN + 100, 1), (BEGIN + 2_600, 0)],
    );
    let outcome = judged("return", &seen, &broken, &call);
    assert_eq!(outcome.faults, vec!["the return cost 2 / 0 packets"]);
}

#[test]
fn damping_bounds_the_moves_and_ends_off_the_path() {
    let off = ledger(&[], &[(BEGIN + 100, 1)]);
    let flap = |n: u64| -> Vec<Seen> {
        (0..n).flat_map(|i| a_move(usize::from(i % 2 == 0), 100 + i * 500, 110 + i * 500)).collect()
    };
    assert!(judged("damped", &flap(3), &off, &off).is_good());
    assert!(!judged("damped", &flap(5), &off, &off).is_good());
    let on = ledger(&[], &[]);
    assert!(!judged("damped", &flap(3), &on, &off).is_good());
}

#[test]
fn verdicts_that_have_to_stay_are_watched() {
    let mut scenario = scenario("stay");
    scenario.verdicts_stay = true;
    let call = ledger(&[], &[]);
    let verdict = |to: &str| {
        at(
            50,
            What::Verdict {
                path: 0,
                from: "up".into(),
                to: to.into(),
                evidence: String::new(),
                detected_at: ms(BEGIN + 40),
            },
        )
    };
    let play = |seen: &[Seen]| {
        judge(&Play {
            scenario: &scenario,
            begin: ms(BEGIN),
            cleared: None,
            end: ms(END),
            seen,
            ledgers: [&call, &call],
            return_hold: Duration::ZERO,
            lossy: false,
            link_late: Duration::ZERO,
        })
    };
    assert_eq!(play(&[verdict("degraded")]).faults, vec!["path 1 was judged degraded"]);
    assert_eq!(play(&[verdict("degraded")]).detected_ms, Some(40.0));
    assert!(play(&[verdict("suspect")]).is_good());
}
