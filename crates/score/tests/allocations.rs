//! What measures a path allocates when the path is set up, and never again: no probe, no reply, no loss and no
//! verdict asks the allocator for anything.

#![allow(unsafe_code)] // an allocator that counts

mod sim;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use fastrand::Rng;
use pathvane_clock::{Duration, Instant};
use pathvane_score::emodel::Codec;
use pathvane_score::{
    Class, Meter, MonitorConfig, OwnClass, PathMonitor, Role, Sample, Sla, StreamSpec,
};
use sim::{Gilbert, ms};

thread_local! {
    /// Calls of this thread: tests run beside each other.
    static CALLS: Cell<u64> = const { Cell::new(0) };
}

/// The system's allocator, and a count.
struct Counting;

// SAFETY: every call is handed on as it came; the count lies in a thread's own storage, which needs no
// allocation and no destructor.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        CALLS.with(|calls| calls.set(calls.get() + 1));
        // SAFETY: as the caller promised.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: as the caller promised.
        unsafe { System.dealloc(memory, layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        CALLS.with(|calls| calls.set(calls.get() + 1));
        // SAFETY: as the caller promised.
        unsafe { System.realloc(memory, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// How often `act` asks for memory.
fn allocations(act: impl FnOnce()) -> u64 {
    let before = CALLS.get();
    act();
    CALLS.get() - before
}

/// What a network does at this moment.
type Weather = fn(u32, &mut Rng) -> Option<Duration>;

fn calm(_: u32, rng: &mut Rng) -> Option<Duration> {
    Some(Duration::from_micros(20_000 + rng.u64(0..1_000)))
}

/// Weathers that make every detector speak.
const WEATHERS: [Weather; 7] = [
    calm,
    |_, _| None,
    |seq, rng| (!Gilbert::random(0.2).loses(rng)).then_some(ms(20 + u64::from(seq % 2))),
    |_, _| Some(ms(170)),
    |_, rng| Some(ms(20 + rng.u64(0..80))),
    |seq, rng| (seq % 8 != 3).then(|| calm(seq, rng)).flatten(),
    calm,
];

/// A reply with all that a reflector may tell.
fn sample(seq: u32, sent: Instant, rtt: Duration, rng: &mut Rng) -> Sample {
    let (at, rtt_ns) = (sent + rtt, rtt.as_nanos() as u64);
    Sample {
        fwd_delay_ns: Some(5_000_000_000 + rtt_ns as i64 / 2),
        rev_delay_ns: Some(rtt_ns as i64 / 2 - 5_000_000_000),
        rev_lost: Some(rng.i32(0..2)),
        remarked: rng.u8(..) == 0,
        ..Sample::round_trip(seq, at, rtt_ns)
    }
}

#[test]
fn the_count_counts() {
    assert_eq!(allocations(|| drop(std::hint::black_box(vec![0_u8; 100]))), 1);
    assert_eq!(allocations(|| ()), 0);
}

#[test]
fn a_meter_allocates_nothing() {
    let mut rng = Rng::with_seed(7);
    let mut meter = Meter::with_ports(Instant::ZERO, 8);
    let mut seq = 0;
    let calls = allocations(|| {
        for weather in WEATHERS {
            for _ in 0..5_000 {
                seq += 1;
                let sent = Instant::from_millis(20 * u64::from(seq));
                meter.handle_timeout(sent);
                meter.sent(sent, seq);
                if let Some(rtt) = weather(seq, &mut rng) {
                    let sample = sample(seq, sent, rtt, &mut rng);
                    meter.reply(sample.at, &sample);
                }
                std::hint::black_box(meter.figures());
            }
        }
    });
    let counters = *meter.counters();
    assert!(counters.missed > 5_000 && counters.answered > 20_000, "{counters:?}");
    assert_eq!(calls, 0);
}

#[test]
fn a_path_allocates_when_it_is_set_up_and_never_again() {
    let own = OwnClass {
        name: "calls".to_owned(),
        like: Class::Voice,
        sla: Sla::of(Class::Voice),
        codec: Codec::G729A,
        bulk_target_bps: 1e6,
    };
    let config = MonitorConfig { own: vec![own], ..MonitorConfig::default() };
    let streams = [StreamSpec::new(0, 8), StreamSpec::new(1, 1), StreamSpec::first_hop()];
    let mut path = PathMonitor::new(Instant::ZERO, config, &streams);
    let mut rng = Rng::with_seed(9);
    let (mut seq, mut verdicts) = (0, 0);
    let calls = allocations(|| {
        for (turn, weather) in WEATHERS.into_iter().enumerate() {
            for _ in 0..5_000 {
                seq += 1;
                let sent = Instant::from_millis(20 * u64::from(seq));
                path.handle_timeout(sent);
                for stream in 0..streams.len() {
                    path.sent(sent, stream, seq);
                    if let Some(rtt) = weather(seq, &mut rng) {
                        let sample = sample(seq, sent, rtt, &mut rng);
                        path.reply(sample.at, stream, &sample);
                    }
                }
                verdicts += u64::from(path.poll_verdict().is_some());
                std::hint::black_box(path.probe_interval(Role::Active));
                std::hint::black_box((path.score(Class::Bulk), path.own_score(0, Class::Voice)));
            }
            let now = Instant::from_millis(20 * u64::from(seq));
            path.set_role(now, [Role::Active, Role::Alerted, Role::Standby][turn % 3]);
        }
    });
    assert!(verdicts > 20, "the weather was bad: {verdicts}");
    assert_eq!(calls, 0);
}
