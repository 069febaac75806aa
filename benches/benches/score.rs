//! Scoring: what a probe, a verdict, a score and a decision cost.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use pathvane_clock::{Duration, Instant};
use pathvane_score::emodel::{self, Codec};
use pathvane_score::{
    Candidate, Class, Meter, MonitorConfig, PathId, PathMonitor, Sample, Selector, SelectorConfig,
};

/// A stream of probes 20 ms apart, each answered after about 30 ms.
struct Feed {
    seq: u32,
    now: Instant,
}

impl Feed {
    fn new() -> Self {
        Self { seq: 0, now: Instant::from_secs(1) }
    }

    fn next(&mut self) -> (Instant, Sample) {
        self.seq = self.seq.wrapping_add(1);
        self.now += Duration::from_millis(20);
        let rtt = 30_000_000 + u64::from(self.seq.wrapping_mul(2_654_435_761) >> 12);
        let at = self.now + Duration::from_nanos(rtt);
        let one_way = rtt as i64 / 2;
        let sample = Sample {
            fwd_delay_ns: Some(one_way),
            rev_delay_ns: Some(one_way),
            ..Sample::round_trip(self.seq, at, rtt)
        };
        (self.now, sample)
    }
}

fn settled_path() -> (PathMonitor, Feed) {
    let mut feed = Feed::new();
    let mut monitor = PathMonitor::new(feed.now, MonitorConfig::default(), &[0, 1]);
    for _ in 0..3000 {
        probe(&mut monitor, &mut feed);
    }
    (monitor, feed)
}

/// One probe and its reply on each of two reflectors.
fn probe(monitor: &mut PathMonitor, feed: &mut Feed) {
    let (sent, sample) = feed.next();
    for stream in 0..2 {
        monitor.sent(sent, stream, sample.seq);
    }
    for stream in 0..2 {
        monitor.reply(sample.at, stream, &sample);
    }
}

fn samples(c: &mut Criterion) {
    let mut group = c.benchmark_group("sample");
    group.throughput(Throughput::Elements(1));
    group.bench_function("meter", |b| {
        let mut feed = Feed::new();
        let mut meter = Meter::new(feed.now);
        b.iter(|| {
            let (sent, sample) = feed.next();
            meter.sent(sent, sample.seq);
            meter.reply(sample.at, &sample)
        });
    });
    group.throughput(Throughput::Elements(2));
    group.bench_function("path", |b| {
        let (mut monitor, mut feed) = settled_path();
        b.iter(|| {
            probe(&mut monitor, &mut feed);
            black_box(monitor.poll_timeout())
        });
    });
    group.finish();
}

/// From the deadline of the probe that makes silence certain to the verdict.
fn verdict(c: &mut Criterion) {
    let (mut monitor, mut feed) = settled_path();
    let mut last = feed.now;
    for _ in 0..200 {
        let (sent, sample) = feed.next();
        while let Some(due) = monitor.poll_timeout().filter(|&due| due <= sent) {
            let before = monitor.clone();
            monitor.handle_timeout(due);
            if !monitor.verdict().passes() {
                monitor = before;
                last = due;
                break;
            }
        }
        if last > sent - Duration::from_millis(20) {
            break;
        }
        (0..2).for_each(|stream| monitor.sent(sent, stream, sample.seq));
    }
    c.bench_function("verdict/last miss to down", |b| {
        b.iter_batched_ref(
            || monitor.clone(),
            |monitor| {
                monitor.handle_timeout(last);
                assert!(monitor.poll_verdict().is_some_and(|it| it.may_withdraw()));
            },
            criterion::BatchSize::SmallInput,
        );
    });
}

fn scores(c: &mut Criterion) {
    let mut group = c.benchmark_group("score");
    group.throughput(Throughput::Elements(1));
    let mut ta = 0.0;
    group.bench_function("rating and MOS", |b| {
        b.iter(|| {
            ta = if ta > 400.0 { 20.0 } else { ta + 1.7 };
            emodel::rate(&Codec::G711_PLC, black_box(ta), 1.5, 1.3).mos()
        });
    });
    group.bench_function("playout search and MOS", |b| {
        b.iter(|| {
            ta = if ta > 200.0 { 20.0 } else { ta + 1.7 };
            let late = |buffer: f64| 0.2 * (1.0 - buffer / 400.0);
            emodel::playout(&Codec::G711_PLC, black_box(ta), 0.01, 1.3, late).rating.mos()
        });
    });
    group.finish();
}

fn decisions(c: &mut Criterion) {
    let (monitor, feed) = settled_path();
    let candidate = |id| Candidate {
        path: PathId(id),
        verdict: *monitor.verdict(),
        score: monitor.score(Class::Voice),
        shared_risk: 0,
        instances: (2, 2),
        utilisation: None,
        load: None,
        weight: 1.0,
        cost: f64::from(id),
    };
    let candidates: Vec<Candidate> = (0..4).map(candidate).collect();
    let mut selector = Selector::new(feed.now, SelectorConfig::default(), 1);
    c.bench_function("decision/four paths", |b| {
        b.iter(|| selector.decide(black_box(feed.now), black_box(&candidates)).leader);
    });
}

criterion_group!(benches, samples, verdict, scores, decisions);
criterion_main!(benches);
