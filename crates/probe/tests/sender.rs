//! A stream's behaviour: what it sends, what it believes, what it counts.

mod common;

use common::{EPOCH, MS, at, config, icmp_config, stream};
use pathvane_clock::{Duration, Instant};
use pathvane_probe::icmp::Version;
use pathvane_probe::stamp::{ErrorEstimate, Reply};
use pathvane_probe::{OneWay, Sender, WireTime};
use proptest::prelude::*;

#[test]
fn a_reply_gives_the_delay_less_the_reflectors_time_and_both_directions() {
    let (mut sender, far) = stream();
    let (seq, sent, probe) = common::next(&mut sender, at(0));
    // 30 ms out, 5 ms at the reflector, 12 ms back; the far clock is an hour ahead.
    let reply = far.reply(&probe, sent + 30 * MS, sent + 35 * MS);
    let sample = sender.handle_received(&reply, sent + 47 * MS, Some(60)).unwrap();
    assert_eq!((sample.seq, sample.sent_at, sample.received_at), (seq, sent, sent + 47 * MS));
    assert_eq!(sample.rtt_ns, 42_000_000);
    let hour = 3_600_000_000_000;
    let (fwd_delay_ns, rev_delay_ns) = (30_000_000 + hour, 12_000_000 - hour);
    assert_eq!(sample.one_way, Some(OneWay { fwd_delay_ns, rev_delay_ns }));
    assert_eq!((sample.fwd_ttl, sample.rev_ttl), (Some(61), Some(60)));
    assert!(!sample.duplicate && !sample.reordered && !sample.late && !sample.kernel_sent);
    assert_eq!(sender.counters().answered, 1);
}

#[test]
fn kernel_timestamps_replace_ours() {
    let (mut sender, far) = stream();
    let (seq, sent, probe) = common::next(&mut sender, at(0));
    sender.handle_sent(seq, sent + 3 * MS);
    let reply = far.reply(&probe, sent + 10 * MS, sent + 10 * MS);
    let sample = sender.handle_received(&reply, sent + 20 * MS, None).unwrap();
    assert!(sample.kernel_sent);
    assert_eq!(sample.sent_at, sent + 3 * MS);
    assert_eq!((sample.rtt_ns, sample.elapsed_ns), (17_000_000, 20_000_000));
    assert_eq!(sample.one_way.unwrap().fwd_delay_ns, 7_000_000 + far.ahead_ns());
}

#[test]
fn kernel_timestamps_that_cannot_be_are_not_believed() {
    let (mut sender, far) = stream();
    let (seq, sent, probe) = common::next(&mut sender, at(10_000));
    sender.handle_sent(seq, sent + Duration::from_secs(3));
    sender.handle_sent(seq, sent - Duration::from_secs(3));
    sender.handle_sent(seq.wrapping_add(1), sent);
    sender.handle_sent(seq.wrapping_sub(5), sent);
    assert_eq!(sender.counters().implausible, 2);
    let reply = far.reply(&probe, sent + MS, sent + MS);
    assert_eq!(sender.handle_received(&reply, sent + 2 * MS, None).unwrap().sent_at, sent);
    sender.handle_sent(seq, sent + MS);
    let again = sender.handle_received(&reply, sent + 2 * MS, None).unwrap();
    assert!(!again.kernel_sent, "too late to count");
}

#[test]
fn implausible_reflector_times_leave_the_plain_round_trip() {
    for (t2, t3) in [(30, 20), (10, 2_000)] {
        let (mut sender, far) = stream();
        let (_, sent, probe) = common::next(&mut sender, at(0));
        let reply = far.reply(&probe, sent + t2 * MS, sent + t3 * MS);
        let sample = sender.handle_received(&reply, sent + 40 * MS, None).unwrap();
        assert_eq!((sample.rtt_ns, sample.one_way), (40_000_000, None));
        assert_eq!(sender.counters().implausible, 1);
    }
}

#[test]
fn a_reflector_with_ptp_timestamps_is_understood() {
    let (mut sender, far) = stream();
    let (_, sent, probe) = common::next(&mut sender, at(0));
    let mut reply = Reply::decode(&far.reply(&probe, sent + 10 * MS, sent + 11 * MS)).unwrap();
    reply.error = ErrorEstimate(0x4001);
    reply.received = WireTime((1_700_000_000 << 32) | 999_500_000);
    reply.time = WireTime((1_700_000_001 << 32) | 500_000);
    let sample = sender.handle_received(&reply.encode(), sent + 21 * MS, None).unwrap();
    assert_eq!(sample.rtt_ns, 20_000_000, "one millisecond across the full second");
}

#[test]
fn duplicates_are_flagged_and_counted_and_change_nothing_else() {
    let (mut sender, far) = stream();
    let (_, sent, probe) = common::next(&mut sender, at(0));
    let reply = far.reply(&probe, sent + MS, sent + MS);
    assert!(!sender.handle_received(&reply, sent + 2 * MS, None).unwrap().duplicate);
    for _ in 0..3 {
        assert!(sender.handle_received(&reply, sent + 3 * MS, None).unwrap().duplicate);
    }
    let counters = sender.counters();
    assert_eq!((counters.answered, counters.duplicates), (1, 3));
}

#[test]
fn overtaken_replies_are_reordered_and_duplicates_are_not() {
    let (mut sender, far) = stream();
    let probes: Vec<_> = (0..3).map(|_| common::next(&mut sender, at(0))).collect();
    let last = probes[2].1;
    let mut flags = Vec::new();
    for index in [0, 2, 1, 1] {
        let reply = far.reply(&probes[index].2, last, last);
        let sample = sender.handle_received(&reply, last + MS, None).unwrap();
        flags.push((sample.reordered, sample.duplicate));
    }
    assert_eq!(flags, [(false, false), (false, false), (true, false), (false, true)]);
    assert_eq!(sender.counters().reordered, 1);
}

#[test]
fn silence_is_reported_once_per_probe_in_order_and_a_late_reply_is_late() {
    let (mut sender, far) = stream();
    let probes: Vec<_> = (0..4).map(|_| common::next(&mut sender, at(0))).collect();
    let answered = far.reply(&probes[1].2, probes[1].1 + MS, probes[1].1 + MS);
    sender.handle_received(&answered, probes[1].1 + 2 * MS, None).unwrap();

    let due = probes[3].1 + config().timeout;
    assert_eq!(sender.poll_lost(probes[0].1 + config().timeout - MS), None);
    let lost: Vec<_> = std::iter::from_fn(|| sender.poll_lost(due)).map(|lost| lost.seq).collect();
    assert_eq!(lost, [probes[0].0, probes[2].0, probes[3].0]);
    assert_eq!(sender.poll_lost(due), None);

    let late = far.reply(&probes[0].2, due, due);
    let sample = sender.handle_received(&late, due + MS, None).unwrap();
    assert!(sample.late && sample.reordered && !sample.duplicate);
    assert!(sender.handle_received(&late, due + MS, None).unwrap().duplicate);
    let counters = sender.counters();
    assert_eq!((counters.lost, counters.late, counters.answered), (3, 1, 1));
}

#[test]
fn the_alarm_is_the_next_probe_or_the_next_loss() {
    let (mut sender, far) = stream();
    let (_, sent, probe) = common::next(&mut sender, at(0));
    assert_eq!(sender.poll_timeout(), sent + config().interval);
    sender.set_interval(sent, Duration::from_secs(60));
    assert_eq!(sender.poll_timeout(), sent + config().timeout, "the loss comes first");
    let reply = far.reply(&probe, sent + MS, sent + MS);
    sender.handle_received(&reply, sent + MS, None).unwrap();
    assert_eq!(sender.poll_timeout(), sent + Duration::from_secs(60));
}

#[test]
fn what_could_not_be_sent_is_not_lost() {
    let (mut sender, far) = stream();
    let (seq, sent, probe) = common::next(&mut sender, at(0));
    sender.handle_send_failed(seq);
    sender.handle_send_failed(seq);
    assert_eq!(sender.poll_lost(sent + Duration::from_secs(60)), None);
    let counters = sender.counters();
    assert_eq!((counters.sent, counters.send_failed, counters.lost), (0, 1, 0));
    let forged = far.reply(&probe, sent, sent);
    assert_eq!(sender.handle_received(&forged, sent + MS, None), None);
    assert_eq!(sender.counters().unsolicited, 1);
}

#[test]
fn a_probe_that_could_not_be_sent_leaves_no_gap_in_the_numbers() {
    let (mut sender, far) = stream();
    let (first, at_first, probe) = common::next(&mut sender, at(0));
    let (failed, ..) = common::next(&mut sender, at_first);
    sender.handle_send_failed(failed);
    let (again, ..) = common::next(&mut sender, at_first);
    assert_eq!((failed, again), (first + 1, first + 1));
    let reply = far.reply(&probe, at_first, at_first);
    assert_eq!(
        sender.handle_received(&reply, at_first + MS, None).map(|sample| sample.seq),
        Some(first)
    );
    // Only the newest number is given back.
    let (newest, ..) = common::next(&mut sender, at_first);
    sender.handle_send_failed(again);
    let (after, ..) = common::next(&mut sender, at_first);
    assert_eq!((newest, after), (again + 1, again + 2));
    let late = at_first + Duration::from_secs(60);
    let lost = std::iter::from_fn(|| sender.poll_lost(late)).map(|lost| lost.seq);
    assert_eq!(lost.collect::<Vec<_>>(), [newest, after], "what never left is not lost");
}

#[test]
fn forged_replies_are_counted_by_what_gives_them_away() {
    let (mut sender, far) = stream();
    let (seq, sent, probe) = common::next(&mut sender, at(0));
    let good = Reply::decode(&far.reply(&probe, sent + MS, sent + MS)).unwrap();
    let mut forge = |change: &dyn Fn(&mut Reply)| {
        let mut reply = good;
        change(&mut reply);
        assert_eq!(sender.handle_received(&reply.encode(), sent + 2 * MS, None), None);
        *sender.counters()
    };
    assert_eq!(forge(&|r| r.sender_seq = seq.wrapping_add(1)).unsolicited, 1);
    assert_eq!(forge(&|r| r.sender_seq = seq.wrapping_sub(1)).unsolicited, 2);
    assert_eq!(forge(&|r| r.sender_time.0 ^= 1).mismatched, 1);
    assert_eq!(forge(&|r| r.ssid ^= 1).mismatched, 2);
    assert_eq!(sender.handle_received(&good.encode()[..40], sent, None), None);
    assert_eq!(sender.counters().malformed, 1);
    assert!(sender.handle_received(&good.encode(), sent + 2 * MS, None).is_some());
}

#[test]
fn reflectors_without_ssid_and_of_twamp_light_are_accepted() {
    let (mut sender, far) = stream();
    let (_, sent, probe) = common::next(&mut sender, at(0));
    let mut reply = Reply::decode(&far.reply(&probe, sent + MS, sent + MS)).unwrap();
    reply.ssid = 0;
    assert!(sender.handle_received(&reply.encode()[..41], sent + 2 * MS, None).is_some());
}

/// How a reflector numbers its reply to a probe of this number.
type Numbering = fn(u32) -> u32;

/// Whether each reply of `own` numbers shows a reflector that numbers by itself, after those before.
fn recognised(own: impl IntoIterator<Item = Numbering>) -> Vec<bool> {
    let (mut sender, mut far) = stream();
    let mut found = Vec::new();
    for own in own {
        let (seq, sent, probe) = common::next(&mut sender, at(0));
        far.seq = own(seq);
        let reply = far.reply(&probe, sent + MS, sent + MS);
        let sample = sender.handle_received(&reply, sent + 2 * MS, None).unwrap();
        assert_eq!(sample.reflector_seq, Some(far.seq));
        found.push(sample.reflector_stateful);
    }
    found
}

#[test]
fn a_stateful_reflector_is_recognised_by_its_first_reply() {
    // It counts from 0, and nothing was lost.
    let own: Numbering = |seq| seq - 1;
    assert_eq!(recognised([own, own]), [true, true]);
    assert_eq!(recognised([(|seq| seq) as Numbering; 2]), [false, false]);
}

#[test]
fn a_reflector_that_becomes_stateless_is_believed_after_some_replies() {
    let (own, copied): (Numbering, Numbering) = (|seq| seq - 1, |seq| seq);
    let found = recognised([own].into_iter().chain([copied; 40]));
    assert!(found[..32].iter().all(|stateful| *stateful), "a duplicated probe looks so once");
    assert!(found[32..].iter().all(|stateful| !stateful));
    assert!(recognised([own].into_iter().chain([copied; 20]).chain([own]))[21]);
}

#[test]
fn icmp_streams_match_by_identifier_number_and_payload() {
    for version in [Version::V4, Version::V6] {
        let mut sender = Sender::new(at(0), &icmp_config(version));
        let (seq, sent, request) = common::next(&mut sender, at(0));
        let reply = common::echo(version, &request);
        assert_eq!(sender.handle_received(&request, sent + MS, None), None, "our own request");
        let mut other = reply.clone();
        other[5] ^= 1;
        assert_eq!(sender.handle_received(&other, sent + MS, None), None, "another's identifier");
        assert_eq!(sender.counters().foreign, 2);
        let mut forged = reply.clone();
        forged[14] ^= 1;
        assert_eq!(sender.handle_received(&forged, sent + MS, None), None, "another payload");
        assert_eq!(sender.counters().mismatched, 1);
        assert_eq!(sender.handle_received(&reply[..12], sent + MS, None), None, "cut short");
        assert_eq!(sender.counters().malformed, 1);
        let sample = sender.handle_received(&reply, sent + 9 * MS, Some(57)).unwrap();
        assert_eq!((sample.seq, sample.rtt_ns), (seq, 9_000_000));
        assert_eq!((sample.one_way, sample.reflector_seq, sample.rev_ttl), (None, None, Some(57)));
    }
}

#[test]
fn a_stall_skips_turns_and_sends_no_burst() {
    let (mut sender, _) = stream();
    let (first, sent, _) = common::next(&mut sender, at(0));
    let mut out = Vec::new();
    assert_eq!(sender.poll_transmit(sent + 105 * MS, &mut out), Some(first + 1));
    assert_eq!(sender.poll_transmit(sent + 105 * MS, &mut out), None);
    assert_eq!(sender.counters().skipped, 4);
    assert_eq!(sender.counters().sent, 2);
}

#[test]
fn numbers_wrap_and_replies_still_match() {
    let mut sender = Sender::new(at(0), &icmp_config(Version::V4));
    let mut now = at(0);
    // ICMP has 16 bits of number; run past them.
    for turn in 0..70_000_u32 {
        let (seq, sent, request) = common::next(&mut sender, now);
        let turn = turn + 1;
        assert_eq!(seq, turn);
        now = sent;
        let sample =
            sender.handle_received(&common::echo(Version::V4, &request), now + MS, None).unwrap();
        assert_eq!((sample.seq, sample.rtt_ns, sample.reordered), (turn, 1_000_000, false));
    }
    assert_eq!(sender.counters().answered, 70_000);
}

#[test]
fn a_blackhole_at_full_rate_loses_every_probe_and_skips_none() {
    let (mut sender, _) = stream();
    sender.set_interval(at(0), Duration::from_millis(5));
    let (mut now, mut sent, mut lost) = (at(0), 0, 0);
    let mut out = Vec::new();
    while now < at(10_000) {
        now = sender.poll_timeout();
        lost += std::iter::from_fn(|| sender.poll_lost(now)).count();
        sent += usize::from(sender.poll_transmit(now, &mut out).is_some());
    }
    let pending = (config().timeout.as_millis() / 5) as usize;
    assert!((1999..=2001).contains(&sent), "{sent}");
    assert!(sent - lost <= pending + 1, "{sent} sent, {lost} lost");
    assert_eq!(sender.counters().skipped, 0);
}

#[test]
fn losses_that_nobody_polls_stop_the_stream_but_not_the_program() {
    let (mut sender, _) = stream();
    let mut out = Vec::new();
    let mut sent = 0_u64;
    for turn in 0..1000 {
        sent += u64::from(sender.poll_transmit(at(20 * turn + 20), &mut out).is_some());
    }
    assert_eq!(sent, 256, "the ring");
    assert_eq!(sender.counters().skipped, 1000 - sent);
}

#[test]
fn absurd_configurations_are_moved_into_range() {
    let zero = Duration::ZERO;
    for (interval, fastest, timeout) in
        [(zero, zero, zero), (zero, zero, Duration::MAX), (Duration::MAX, zero, zero)]
    {
        let mut sender =
            Sender::new(at(5), &pathvane_probe::Config { interval, fastest, timeout, ..config() });
        let mut out = Vec::new();
        for turn in 0..10 {
            sender.poll_transmit(at(turn * 100), &mut out);
            sender.poll_lost(at(turn * 100));
        }
        assert!(sender.interval() >= MS);
    }
}

proptest! {
    /// Whatever arrives, nothing panics, and the books balance.
    #[test]
    fn any_bytes_and_times_are_counted(
        steps in proptest::collection::vec(
            (0_u64..100, 0_u8..6, any::<u8>(), proptest::collection::vec(any::<u8>(), 0..60)),
            0..200,
        ),
    ) {
        let (mut sender, mut far) = stream();
        let (mut now, mut out, mut probes) = (Instant::ZERO, Vec::new(), Vec::new());
        let (mut lost, mut datagrams) = (0, 0);
        for (wait, act, pick, bytes) in steps {
            now += Duration::from_millis(wait);
            lost += std::iter::from_fn(|| sender.poll_lost(now)).count() as u64;
            match act {
                0..=2 => if let Some(seq) = sender.poll_transmit(now, &mut out) {
                    probes.push((seq, out.clone()));
                },
                3 => {
                    sender.handle_received(&bytes, now, None);
                    datagrams += 1;
                }
                4 if !probes.is_empty() => {
                    let (_, probe) = &probes[usize::from(pick) % probes.len()];
                    far.seq = pick.into();
                    let reply = far.reply(probe, now, now);
                    sender.handle_received(&reply, now, None);
                    datagrams += 1;
                }
                _ => if let Some((seq, _)) = probes.last() {
                    if pick % 2 == 0 { sender.handle_sent(*seq, now) } else { sender.handle_send_failed(*seq) }
                    sender.set_interval(now, Duration::from_millis(pick.into()));
                },
            }
        }
        let c = *sender.counters();
        prop_assert_eq!(c.lost, lost);
        prop_assert_eq!(c.sent + c.send_failed, probes.len() as u64);
        prop_assert!(c.answered + c.lost <= c.sent);
        prop_assert!(c.late <= c.lost);
        let told = c.answered + c.late + c.duplicates + c.malformed + c.unsolicited + c.mismatched;
        prop_assert_eq!(told, datagrams);
    }
}

#[test]
fn the_packet_carries_the_wall_clock_of_the_epoch() {
    let (mut sender, _) = stream();
    let (_, sent, probe) = common::next(&mut sender, at(0));
    let time = WireTime(u64::from_be_bytes(probe[4..12].try_into().unwrap()));
    let read = time.read(ErrorEstimate::UNSYNCHRONISED);
    assert_eq!(read.since(EPOCH), i64::try_from(sent.as_nanos()).unwrap());
}

#[test]
fn a_source_port_that_is_refused_does_not_stop_the_others() {
    let mut sender = Sender::new(Instant::ZERO, &pathvane_probe::Config { ports: 8, ..config() });
    let mut out = Vec::new();
    let mut left = [0; 8];
    for ms in 0..60_000 {
        let now = Instant::from_millis(ms);
        while sender.poll_lost(now).is_some() {}
        while let Some(seq) = sender.poll_transmit(now, &mut out) {
            match seq % 8 {
                3 => sender.handle_send_failed(seq),
                port => left[port as usize] += 1,
            }
        }
    }
    assert!((0..8).all(|port| port == 3 || left[port] > 300), "{left:?}");
    assert!(sender.counters().send_failed > 300);
}
