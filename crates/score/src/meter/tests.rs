//! A meter fed by hand.

use super::*;

const MS: u64 = 1_000_000;

fn at(ms: u64) -> Instant {
    Instant::from_millis(ms)
}

/// Sends probe `seq` at `20 ms * seq`; it is answered `rtt_ms` later.
fn probe(meter: &mut Meter, seq: u32, rtt_ms: u64) {
    let sent = 20 * u64::from(seq);
    meter.sent(at(sent), seq);
    meter.reply(at(sent + rtt_ms), &Sample::round_trip(seq, at(sent + rtt_ms), rtt_ms * MS));
}

fn calm(probes: u32, rtt_ms: u64) -> Meter {
    let mut meter = Meter::new(at(0));
    (0..probes).for_each(|seq| probe(&mut meter, seq, rtt_ms));
    meter
}

#[test]
fn a_stream_takes_at_most_one_kibibyte() {
    assert!(size_of::<Meter>() <= 1024, "{} bytes", size_of::<Meter>());
}

#[test]
fn jitter_follows_rfc_3550() {
    // 20 ms G.711, extra delays in ms, one packet lost; figures from an RTP analyser.
    let extra = [
        Some(0),
        Some(2),
        Some(0),
        Some(7),
        Some(1),
        Some(30),
        Some(0),
        Some(0),
        Some(5),
        None,
        Some(0),
        Some(12),
        Some(3),
        Some(0),
        Some(0),
    ];
    let mut meter = Meter::new(at(0));
    let mut seen = alloc::vec::Vec::new();
    for (seq, extra) in (0..).zip(extra) {
        let sent = 20 * u64::from(seq);
        meter.sent(at(sent), seq);
        if let Some(extra) = extra {
            let arrived = at(sent + 10 + extra);
            meter.reply(arrived, &Sample::round_trip(seq, arrived, (10 + extra) * MS));
            seen.push(meter.jitter_ns() as f64 / 1e6);
        }
    }
    let max = seen.iter().copied().fold(0.0, f64::max);
    let mean = seen.iter().sum::<f64>() / (seen.len() - 1) as f64;
    assert!((max - 5.021).abs() < 0.001, "max {max}");
    assert!((mean - 3.166).abs() < 0.001, "mean {mean}");
}

/// One of four ports is refused; every twentieth of the others' probes is lost.
#[test]
fn a_number_under_which_nothing_was_sent_is_neither_lost_nor_answered() {
    for start in [0, u32::MAX - 1999] {
        let mut meter = Meter::with_ports(at(0), 4);
        let (mut sent, mut lost) = (0, 0);
        // The one before is under way when a probe is sent.
        let mut before = None;
        for nth in 0..4000_u32 {
            let seq = nth.wrapping_add(start);
            if seq % 4 == 1 {
                continue;
            }
            let now = 20 * u64::from(nth);
            while meter.poll_timeout().is_some_and(|due| due <= at(now)) {
                meter.handle_timeout(at(now));
            }
            meter.sent(at(now), seq);
            sent += 1;
            lost += u32::from(sent % 20 == 0);
            let under_way = (sent % 20 > 0).then_some((seq, at(now + 41)));
            if let Some((seq, back)) = core::mem::replace(&mut before, under_way) {
                meter.reply(back, &Sample::round_trip(seq, back, 41 * MS));
            }
        }
        let counters = meter.counters();
        assert!(counters.missed >= lost - 2 && counters.missed <= lost, "{counters:?}");
        assert_eq!((counters.sent, counters.answered), (sent, sent - lost));
        assert_eq!(before, None, "the last one was lost");
        assert!((meter.tally().share() - 0.05).abs() < 0.01, "{:?}", meter.tally());
        let start = meter.loss.usual_start();
        assert!((start - 0.047).abs() < 0.004, "three of four numbers were trials: {start}");
        assert_eq!((meter.silent_ports(), meter.missed_run()), (0, meter.missed_run().min(1)));
    }
}

/// Every fourth second 20 probes are struck, of which every other is lost; or as many are lost, far apart; or by chance.
#[test]
fn bursts_that_spare_some_probes_say_less_than_lone_losses() {
    let mut rng = fastrand::Rng::with_seed(7);
    let lossy = |lost: &mut dyn FnMut(u32) -> bool| {
        let mut meter = Meter::new(at(0));
        for seq in 0..20_000 {
            let now = at(20 * u64::from(seq));
            while meter.poll_timeout().is_some_and(|due| due <= now) {
                meter.handle_timeout(now);
            }
            if lost(seq) {
                meter.sent(now, seq);
            } else {
                probe(&mut meter, seq, 10);
            }
        }
        meter.design_effect()
    };
    let bursts = lossy(&mut |seq| seq % 200 < 20 && seq % 2 == 0);
    let lone = lossy(&mut |seq| seq % 20 == 0);
    let random = lossy(&mut |_| rng.f64() < 0.05);
    assert!(bursts > 2.5, "ten at a time, less what chance would make of them: {bursts}");
    assert!((1.0..1.1).contains(&lone) && (1.0..1.5).contains(&random), "{lone}, {random}");
}

#[test]
fn a_missed_probe_counts_at_the_instant_it_announced() {
    let mut meter = calm(100, 30);
    meter.sent(at(2000), 100);
    let due = meter.poll_timeout().unwrap();
    assert_eq!(due, at(2035), "SRTT 30 ms and the least margin of 5 ms");
    meter.handle_timeout(due - Duration::from_nanos(1));
    assert_eq!((meter.counters().missed, meter.missed_run()), (0, 0));
    meter.handle_timeout(due);
    assert_eq!((meter.counters().missed, meter.missed_run()), (1, 1));
    assert_eq!(meter.poll_timeout(), None, "nothing else was sent");
}

#[test]
fn late_duplicate_reordered_and_strange_replies_are_counted_apart() {
    let mut meter = calm(100, 30);
    for seq in 100..104 {
        meter.sent(at(20 * u64::from(seq)), seq);
    }
    let reply = |meter: &mut Meter, seq: u32, ms: u64| {
        let rtt = (ms - 20 * u64::from(seq)) * MS;
        meter.reply(at(ms), &Sample::round_trip(seq, at(ms), rtt))
    };
    meter.handle_timeout(at(2036));
    assert_eq!(reply(&mut meter, 101, 2050), Arrival::OnTime);
    assert_eq!(reply(&mut meter, 101, 2051), Arrival::Ignored);
    assert_eq!(reply(&mut meter, 100, 2060), Arrival::Late);
    assert_eq!(reply(&mut meter, 103, 2090), Arrival::OnTime);
    assert_eq!(reply(&mut meter, 102, 2091), Arrival::OnTime);
    assert_eq!(meter.reply(at(2092), &Sample::round_trip(777, at(2092), MS)), Arrival::Ignored);
    let counters = *meter.counters();
    assert_eq!((counters.sent, counters.answered, counters.missed), (104, 104, 1));
    assert_eq!((counters.late, counters.duplicates), (1, 1));
    assert_eq!((counters.reordered, counters.unknown), (2, 1));
    assert_eq!(meter.tally().losses, 0.0, "the late one is not lost");
}

#[test]
fn a_dead_prober_leaves_everything_as_it_was() {
    let mut meter = calm(100, 30);
    meter.handle_timeout(at(3_600_000));
    assert_eq!(meter.missed_run(), 0);
    assert_eq!(meter.counters().missed, 0);
}

#[test]
fn a_stall_holds_the_verdict_until_the_sockets_were_read() {
    let mut meter = calm(100, 30);
    for seq in 100..103 {
        meter.sent(at(20 * u64::from(seq)), seq);
    }
    meter.stalled(at(2400));
    meter.handle_timeout(at(2400));
    assert_eq!(meter.missed_run(), 0);
    // The replies had waited in the socket; user space stamped them late.
    for seq in 100..103 {
        let rtt = 2400 - 20 * u64::from(seq);
        meter.reply(at(2401), &Sample::round_trip(seq, at(2400), rtt * MS));
    }
    meter.handle_timeout(at(2500));
    assert_eq!(meter.counters().missed, 0);
    assert!(meter.srtt_ns() < 31 * MS, "delays across the stall are not believed");
}

#[test]
fn a_step_of_delay_ends_as_delay_and_not_as_loss() {
    let mut meter = calm(500, 20);
    // From probe 500 on everything takes 170 ms.
    let step = 500;
    for ms in 10_000..12_000 {
        meter.handle_timeout(at(ms));
        if ms % 20 == 0 {
            meter.sent(at(ms), (ms / 20) as u32);
        }
        if ms >= 10_170 && (ms - 170) % 20 == 0 {
            let seq = ((ms - 170) / 20) as u32;
            meter.reply(at(ms), &Sample::round_trip(seq, at(ms), 170 * MS));
        }
        if ms == 10_165 {
            assert!(meter.missed_run() >= 6, "silence until the first late reply");
        }
        if ms == 10_170 {
            assert_eq!(meter.missed_run(), 0);
            assert!(!meter.delay_shifted(), "one reply may be late by itself");
        }
        if ms == 10_190 {
            assert!(meter.delay_shifted(), "two late replies are enough");
        }
    }
    assert!(meter.delay_shifted());
    assert_eq!(meter.tally().losses, 0.0);
    assert!(meter.loss_evidence().0 < 1.0);
    assert!(meter.counters().late >= 6 && meter.counters().sent == step + 100);
}

#[test]
fn one_late_reply_in_a_gap_is_no_step_of_delay() {
    let mut meter = calm(500, 20);
    // A probe takes 120 ms, and the six behind it are lost.
    for ms in 10_000..10_400 {
        meter.handle_timeout(at(ms));
        if ms % 20 == 0 {
            meter.sent(at(ms), (ms / 20) as u32);
        }
        let seq = (ms.saturating_sub(20) / 20) as u32;
        if ms == 10_120 {
            meter.reply(at(ms), &Sample::round_trip(500, at(ms), 120 * MS));
            assert!(!meter.delay_calm(), "it may be");
        } else if ms % 20 == 0 && seq > 506 {
            meter.reply(at(ms), &Sample::round_trip(seq, at(ms), 20 * MS));
        }
        assert!(!meter.delay_shifted(), "at {ms} ms");
    }
    assert!(meter.delay_calm());
    // What was told as an outage and ends with a late reply was a step.
    meter.delay_stepped(at(10_400), &Sample::round_trip(519, at(10_400), 120 * MS));
    assert!(meter.delay_shifted());
}

#[test]
fn a_late_reply_takes_back_all_that_its_probe_weighed() {
    let mut meter = Meter::new(at(0));
    meter.usual_period(Duration::from_millis(100));
    // A standby: ten probes a second, of which two are lost and one is late, and 200 a second as long as it is.
    let (mut now, mut seq) = (0, 0);
    for nth in 0..200_u32 {
        meter.handle_timeout(at(now));
        meter.sent(at(now), seq);
        if nth == 50 || nth == 60 {
            now += 100;
        } else if nth != 100 {
            now += 20;
            meter.reply(at(now), &Sample::round_trip(seq, at(now), 20 * MS));
            now += 80;
        } else {
            let late = seq;
            for _ in 0..16 {
                now += 5;
                meter.handle_timeout(at(now));
                seq += 1;
                meter.sent(at(now), seq);
            }
            let before = meter.tally().losses;
            meter.reply(at(now), &Sample::round_trip(late, at(now), 80 * MS));
            let taken = before - meter.tally().losses;
            assert!((taken - 0.1).abs() < 0.001, "those behind it weigh 5 ms: {taken}");
            for young in late + 1..=seq {
                meter.reply(at(now + 20), &Sample::round_trip(young, at(now + 20), 20 * MS));
            }
            now += 100;
        }
        seq += 1;
    }
    // Of the two that were lost what is left after 15 and 14 s, and no less.
    let losses = meter.tally().losses;
    assert!((0.024..0.030).contains(&losses), "{losses}");
}

/// Probes `every` ms from `from` on, of which `lost` says which are; answered after 20 ms. When it ended.
fn paced(
    meter: &mut Meter,
    from: (u64, u32),
    every: u64,
    probes: u32,
    lost: impl Fn(u32) -> bool,
) -> (u64, u32) {
    let (mut now, first) = from;
    for seq in first..first + probes {
        meter.handle_timeout(at(now));
        meter.sent(at(now), seq);
        if !lost(seq) {
            meter.reply(at(now + 20), &Sample::round_trip(seq, at(now + 20), 20 * MS));
        }
        now += every;
    }
    (now, first + probes)
}

#[test]
fn who_looks_closer_believes_what_is_seen_then() {
    let mut meter = Meter::new(at(0));
    meter.usual_period(Duration::from_secs(2));
    let calm = paced(&mut meter, (0, 0), 2000, 60, |_| false);
    let known = meter.tally().effective();
    meter.usual_period(Duration::from_millis(100));
    assert!((meter.tally().effective() - known).abs() < 0.01, "what is known stays known");
    let lossy = paced(&mut meter, calm, 100, 30, |seq| seq % 5 == 0);
    assert!(meter.tally().share() > 0.15, "3 s of a fifth: {:?}", meter.tally());
    // And seldom again: what was seen is not drowned by the next slow probe.
    let (known, share) = (meter.tally().effective(), meter.tally().share());
    meter.usual_period(Duration::from_secs(2));
    let next = paced(&mut meter, lossy, 2000, 1, |_| false);
    let tally = meter.tally();
    assert!((7.0..8.0).contains(&tally.trials), "the seconds that are remembered: {tally:?}");
    assert!(tally.effective() > known / 3.0 && tally.share() > share / 1.5, "{known}: {tally:?}");
    paced(&mut meter, next, 2000, 10, |_| false);
    assert!(meter.tally().share() < 0.02, "{:?}", meter.tally());
}

#[test]
fn a_late_reply_takes_back_what_its_probe_weighed_in_another_role() {
    let mut meter = Meter::new(at(0));
    meter.usual_period(Duration::from_millis(100));
    let (now, seq) = paced(&mut meter, (0, 0), 100, 100, |_| false);
    meter.sent(at(now), seq);
    meter.handle_timeout(at(now + 60));
    assert!(meter.tally().losses > 0.09);
    meter.usual_period(Duration::from_millis(20));
    meter.reply(at(now + 70), &Sample::round_trip(seq, at(now + 70), 70 * MS));
    paced(&mut meter, (now + 100, seq + 1), 100, 1, |_| false);
    assert!(meter.tally().share() < 1e-4, "{:?}", meter.tally());
}

/// Delay steps up so far that hundreds of probes are late before patience has followed.
#[test]
fn probes_that_were_late_leave_what_is_known_of_losses() {
    let mut meter = Meter::new(at(0));
    let (start, seq) = paced(&mut meter, (0, 0), 20, 600, |seq| seq % 100 < 3);
    let figures = |meter: &Meter| [meter.loss.usual_start(), meter.loss.usual_continuation(0.02)];
    let before = (figures(&meter), meter.tally().losses);
    for ms in 0..1000 {
        meter.handle_timeout(at(start + ms));
        if ms % 5 == 0 {
            meter.sent(at(start + ms), seq + (ms / 5) as u32);
        }
        if ms >= 420 && ms % 5 == 0 {
            let late = seq + ((ms - 420) / 5) as u32;
            meter.reply(at(start + ms), &Sample::round_trip(late, at(start + ms), 420 * MS));
        }
    }
    assert!(meter.counters.late > 50, "{:?}", meter.counters);
    for (before, after) in before.0.into_iter().zip(figures(&meter)) {
        assert!((after / before - 1.0).abs() < 0.2, "{before} became {after}");
    }
    assert!(meter.tally().losses > before.1 * 0.8, "{} became {}", before.1, meter.tally().losses);
}

/// A reflector that counts tells of an outage of the way back when it is over, and forgiven, on each stream and port.
#[test]
fn what_was_lost_before_it_was_forgiven_has_no_direction() {
    for ports in [1, 4, 8, 16] {
        let mut meter = Meter::with_ports(at(0), ports);
        let (now, seq) = paced(&mut meter, (0, 0), 20, 512, |_| false);
        let (now, seq) = paced(&mut meter, (now, seq), 20, 128, |_| true);
        meter.forgive(at(now));
        for nth in 0..100 {
            let sent = now + 20 * u64::from(nth);
            meter.handle_timeout(at(sent));
            meter.sent(at(sent), seq + nth);
            if nth < 20 || nth % 10 != 5 {
                let first = nth < u32::from(ports);
                let rev_lost = Some(if first { 128 / i32::from(ports) } else { 0 });
                let rtt = Sample::round_trip(seq + nth, at(sent + 20), 20 * MS);
                meter.reply(at(sent + 20), &Sample { rev_lost, ..rtt });
            }
        }
        let tally = meter.tally();
        assert!(tally.losses > 0.1 && tally.reverse == 0.0, "{ports}: all ahead: {tally:?}");
    }
}

#[test]
fn a_step_of_30_ms_is_seen_within_seven_probes_and_spikes_are_not() {
    let mut meter = calm(500, 20);
    for seq in 500..1500 {
        probe(&mut meter, seq, if seq % 100 == 0 { 220 } else { 20 });
        assert!(!meter.delay_shifted(), "1 % of spikes are not a step");
    }
    let seen = (1500..1520).find(|&seq| {
        probe(&mut meter, seq, 50);
        meter.delay_shifted()
    });
    assert!(seen.is_some_and(|seq| seq < 1507), "{seen:?}");
}

#[test]
fn a_lasting_step_becomes_the_usual_delay() {
    let mut meter = calm(500, 20);
    (500..1000).for_each(|seq| probe(&mut meter, seq, 60));
    assert!(meter.delay_shifted());
    (1000..2600).for_each(|seq| probe(&mut meter, seq, 60));
    assert!(!meter.delay_shifted());
    assert!(meter.usual_rtt_ns() > 58 * MS);
    // Falling is an improvement, and the old level is a step again.
    (2600..2700).for_each(|seq| probe(&mut meter, seq, 20));
    assert!(!meter.delay_shifted());
    (2700..2710).for_each(|seq| probe(&mut meter, seq, 60));
    assert!(meter.delay_shifted());
}

#[test]
fn jitter_shift_needs_more_than_one_step() {
    let mut meter = calm(500, 20);
    probe(&mut meter, 500, 170);
    assert!(!meter.jitter_shifted());
    for seq in 501..530 {
        probe(&mut meter, seq, if seq % 2 == 0 { 20 } else { 60 });
    }
    assert!(meter.jitter_shifted());
}

/// Of ten probes one is lost on the way there and three on the way back.
#[test]
fn a_reflector_that_counts_tells_which_way_most_was_lost() {
    let mut meter = Meter::new(at(0));
    let mut back = 0;
    for seq in 0..500_u32 {
        let sent = 20 * u64::from(seq);
        meter.handle_timeout(at(sent));
        meter.sent(at(sent), seq);
        if seq % 10 == 3 {
            continue;
        }
        if (5..8).contains(&(seq % 10)) {
            back += 1;
            continue;
        }
        let arrived = at(sent + 10);
        let rev_lost = Some(core::mem::take(&mut back));
        let sample = Sample { rev_lost, ..Sample::round_trip(seq, arrived, 10 * MS) };
        meter.reply(arrived, &sample);
    }
    let tally = meter.tally();
    assert!((tally.share() - 0.4).abs() < 0.02);
    assert!((tally.reverse / tally.losses - 0.75).abs() < 0.05);
}

#[test]
fn ipdv_is_between_probes_that_follow_each_other() {
    // Every other probe is lost, and those between are 20 and 60 ms under way by turns.
    let mut meter = Meter::new(at(0));
    for seq in (0..400_u32).step_by(2) {
        let sent = 100 * u64::from(seq);
        let arrived = sent + if seq % 4 == 0 { 20 } else { 60 };
        meter.sent(at(sent), seq);
        meter.reply(at(arrived), &Sample::round_trip(seq, at(arrived), (arrived - sent) * MS));
        meter.sent(at(sent + 100), seq + 1);
        meter.handle_timeout(at(sent + 199));
    }
    assert_eq!(meter.figures().ipdv_ns, [0; 3], "no two that follow each other were answered");
    let mut meter = Meter::new(at(0));
    (0..400).for_each(|seq| probe(&mut meter, seq, if seq % 2 == 0 { 20 } else { 60 }));
    let median = meter.figures().ipdv_ns[0] / MS;
    assert!((33..=47).contains(&median), "{median} ms, not 40");
}

#[test]
fn variation_is_per_direction_and_ignores_the_offset_of_clocks() {
    let mut meter = Meter::new(at(0));
    for seq in 0..500_u32 {
        let arrived = at(20 * u64::from(seq) + 30);
        meter.sent(at(20 * u64::from(seq)), seq);
        let wobble = i64::from(seq % 10) * 5 * MS as i64;
        let sample = Sample {
            fwd_delay_ns: Some(-3_600_000_000_000 + wobble),
            rev_delay_ns: Some(3_600_000_000_000),
            ..Sample::round_trip(seq, arrived, 30 * MS)
        };
        meter.reply(arrived, &sample);
    }
    let [forward, reverse] = meter.variations();
    let p95 = |histogram: Option<&Histogram>| histogram.unwrap().quantile(0.95) / MS;
    assert!((35..=55).contains(&p95(forward)), "{}", p95(forward));
    assert_eq!(p95(reverse), 0);
}

/// A sample of `seq` with a wobble towards the reflector, whose clock is `offset_ms` ahead.
fn one_way(meter: &mut Meter, seq: u32, rtt_ms: u64, offset_ms: i64) {
    let arrived = at(20 * u64::from(seq) + rtt_ms);
    meter.sent(at(20 * u64::from(seq)), seq);
    let (half, offset) = (rtt_ms as i64 / 2, offset_ms);
    let sample = Sample {
        fwd_delay_ns: Some((half + offset) * MS as i64),
        rev_delay_ns: Some((half - offset) * MS as i64),
        ..Sample::round_trip(seq, arrived, rtt_ms * MS)
    };
    meter.reply(arrived, &sample);
}

#[test]
fn a_step_of_the_reflectors_clock_is_no_variation() {
    for step in [200, -200, 40, -40] {
        let mut meter = Meter::new(at(0));
        (0..500).for_each(|seq| one_way(&mut meter, seq, 30, 0));
        for seq in 500..1000 {
            one_way(&mut meter, seq, 30, step);
            let p95 = meter.variations().map(|it| it.unwrap().quantile(0.95) / MS);
            assert_eq!(p95, [0, 0], "{step} ms, probe {seq}");
        }
        assert!(meter.variations()[0].unwrap().total() > 100.0, "counted anew");
    }
}

#[test]
fn a_shorter_way_is_no_variation() {
    let mut meter = Meter::new(at(0));
    (0..500).for_each(|seq| one_way(&mut meter, seq, 90, 5));
    for seq in 500..1000 {
        one_way(&mut meter, seq, 30, 5);
        let p95 = meter.variations().map(|it| it.unwrap().quantile(0.95) / MS);
        let round_trip = meter.round_trip_variation().unwrap().quantile(0.95) / MS;
        assert_eq!((p95, round_trip), ([0, 0], 0), "probe {seq}");
    }
    assert_eq!(meter.least_rtt_ns(), 30 * MS);
}

/// Eight of ten lost there, two back, at 200 probes a second.
#[test]
fn the_direction_of_loss_is_told_right_however_fast_it_is_probed() {
    let mut meter = Meter::new(at(0));
    let mut back = 0;
    for seq in 0..4000_u32 {
        let sent = 5 * u64::from(seq);
        meter.handle_timeout(at(sent));
        meter.sent(at(sent), seq);
        if seq % 20 < 8 {
            continue;
        }
        if seq % 20 < 10 {
            back += 1;
            continue;
        }
        let arrived = at(sent + 4);
        let rev_lost = Some(core::mem::take(&mut back));
        let sample = Sample { rev_lost, ..Sample::round_trip(seq, arrived, 4 * MS) };
        meter.reply(arrived, &sample);
    }
    let tally = meter.tally();
    assert!((tally.share() - 0.5).abs() < 0.05);
    assert!((tally.reverse / tally.losses - 0.2).abs() < 0.05, "{tally:?}");
}

#[test]
fn whatever_arrives_the_meter_stands() {
    let mut rng = fastrand::Rng::with_seed(7);
    let mut meter = Meter::new(at(0));
    let mut seq = 0_u32;
    for step in 0..200_000_u64 {
        let now = Instant::from_nanos(step * rng.u64(1..2_000_000));
        match rng.u8(0..4) {
            0 => {
                seq = if rng.u8(..) == 0 { rng.u32(..) } else { seq.wrapping_add(1) };
                meter.sent(now, seq);
            }
            1 => meter.handle_timeout(now),
            _ => {
                let sample = Sample {
                    fwd_delay_ns: Some(rng.i64(..)),
                    rev_delay_ns: Some(rng.i64(..)),
                    rev_lost: Some(rng.i32(..)),
                    ..Sample::round_trip(
                        seq.wrapping_sub(rng.u32(0..70)),
                        Instant::from_nanos(rng.u64(..)),
                        rng.u64(..),
                    )
                };
                meter.reply(now, &sample);
            }
        }
    }
    let figures = meter.figures();
    assert!(figures.loss_ppm <= 1_000_000 && figures.burst_ratio.is_finite());
}

#[test]
fn figures_tell_directions_apart_and_how_losses_cluster() {
    let mut meter = Meter::new(at(0));
    for seq in 0..10_000_u32 {
        let sent = 20 * u64::from(seq);
        meter.handle_timeout(at(sent));
        meter.sent(at(sent), seq);
        // Four in a row of each hundred.
        if seq % 100 < 4 {
            continue;
        }
        // The way there takes 10 or 15 ms, the way back, by another clock, always 3.
        let there = 10 + 5 * u64::from(seq % 2);
        let arrived = at(sent + there + 3);
        let sample = Sample {
            fwd_delay_ns: Some((there * MS) as i64 - 7_000_000_000),
            rev_delay_ns: Some(7_003_000_000),
            ..Sample::round_trip(seq, arrived, (there + 3) * MS)
        };
        meter.reply(arrived, &sample);
    }
    let figures = meter.figures();
    let near = |got: f64, want: f64| (got / want - 1.0).abs() < 0.1;
    let [fwd, rev] = [figures.fwd_pdv_ns, figures.rev_pdv_ns].map(|it| it.expect("a clock")[2]);
    assert!(near(fwd as f64 / MS as f64, 5.0) && rev < MS / 10, "{figures:?}");
    assert!(near(figures.burst_probes, 4.0) && near(figures.gap_probes, 96.0), "{figures:?}");
    assert!(near(figures.burst_ratio, 3.85), "{figures:?}");
    assert_eq!(calm(100, 20).figures().fwd_pdv_ns, None, "no clock there");
}
