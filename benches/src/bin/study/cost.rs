//! What scoring costs: time, the fastest of many short rounds, so that a busy machine says the same
//! as an idle one; sizes.

use std::hint::black_box;
use std::time::Instant as Clock;

use pathvane_clock::{Duration, Instant};
use pathvane_score::emodel::{Codec, playout};
use pathvane_score::{Meter, PathMonitor, Sample};

use crate::table::Table;

/// Nanoseconds of one `work`, the fastest of a thousand rounds of a millisecond or so.
fn fastest(mut work: impl FnMut(u32)) -> f64 {
    const ROUND: u32 = 10_000;
    let round = |_| {
        let from = Clock::now();
        (0..ROUND).for_each(&mut work);
        from.elapsed().as_nanos() as f64 / f64::from(ROUND)
    };
    (0..1000).map(round).fold(f64::INFINITY, f64::min)
}

/// A meter fed with a probe and its reply, both directions measured.
fn update() -> f64 {
    let mut now = Instant::from_secs(1);
    let mut meter = Meter::with_ports(now, 8);
    let mut seq = 0_u32;
    fastest(|_| {
        seq = seq.wrapping_add(1);
        now += Duration::from_millis(20);
        let rtt = 30_000_000 + u64::from(seq.wrapping_mul(2_654_435_761) >> 12);
        meter.sent(now, seq);
        let at = now + Duration::from_nanos(rtt);
        let half = Some(rtt as i64 / 2);
        let sample =
            Sample { fwd_delay_ns: half, rev_delay_ns: half, ..Sample::round_trip(seq, at, rtt) };
        black_box(meter.reply(at, &sample));
    })
}

/// R, MOS and the search of the jitter buffer; `tail` decides how many depths are worth a look.
fn search(tail: impl Fn(f64) -> f64) -> f64 {
    let mut sum = 0.0;
    let time = fastest(|nth| {
        let owd = f64::from(nth % 200);
        let heard = playout(&Codec::G711_PLC, black_box(owd), 0.01, 1.3, &tail);
        sum += heard.rating.mos();
    });
    black_box(sum);
    time
}

/// Prints times and sizes.
pub(crate) fn study() -> bool {
    let mut table =
        Table::new("Cost (one core, the fastest of a thousand rounds)", "what | figure");
    let mut rate = |what: &str, ns: f64, least: f64| {
        let per_second = 1e3 / ns;
        let cells = format!("{what} | {ns:.0} ns, {per_second:.1} M/s");
        table.row(&cells, &format!(">= {least:.0} M/s"), per_second >= least);
    };
    rate("estimator update: a probe and its reply, both directions", update(), 10.0);
    rate("MOS with playout search, calm path", search(|_| 0.0), 2.0);
    let jittery = |buffer_ms: f64| 0.3 * (1.0 - buffer_ms / 120.0).max(0.0);
    rate("MOS with playout search, jitter of 120 ms", search(jittery), 2.0);
    let worst = |buffer_ms: f64| 0.2 * (1.0 - buffer_ms / 400.0);
    rate("MOS with playout search, every depth worth a look", search(worst), 2.0);
    let meter = size_of::<Meter>();
    table.row(&format!("state of a stream | {meter} bytes"), "<= 1 KiB", meter <= 1024);
    table
        .note(&format!("state of a path besides its streams | {} bytes", size_of::<PathMonitor>()));
    table.sound()
}
