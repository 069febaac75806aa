mod sim;
use pathvane_score::*;
use sim::*;

fn blackhole(rtt: u64, loss: f64, burst: f64, n: u64) {
    let mut times = vec![];
    let mut states = vec![];
    for seed in 0..n {
        let mut path = Path::new(MonitorConfig::default(), &[0, 1], seed);
        let mut g = [Gilbert::new(loss, burst); 2];
        path.run_for(secs(60), &mut |_, s, rng| (!g[s].loses(rng)).then(|| wobble(ms(rtt), rng)));
        let fault = path.now + std::time::Duration::from_micros(seed * 7919 % 20_000);
        path.run_until(fault, &mut |_, s, rng| (!g[s].loses(rng)).then(|| wobble(ms(rtt), rng)));
        states.push(path.state());
        path.run_for(secs(1), &mut |_, _, _| None);
        if let Some((at, _)) = path.first(fault, |v| v.state == State::Down) {
            times.push(at.since(fault).as_secs_f64() * 1e3);
        }
    }
    times.sort_by(f64::total_cmp);
    println!(
        "rtt {rtt} loss {loss} burst {burst}: {} of {n}, median {:.1} p95 {:.1} p99 {:.1} max {:.1}; up {}",
        times.len(),
        times[times.len() / 2],
        times[times.len() * 95 / 100],
        times[times.len() * 99 / 100],
        times[times.len() - 1],
        states.iter().filter(|s| **s == State::Up).count()
    );
}

#[test]
#[ignore]
fn explore_blackhole() {
    for rtt in [5, 20, 40, 60] {
        blackhole(rtt, 0.0001, 1.0, 200);
        blackhole(rtt, 0.005, 3.5, 200);
    }
    blackhole(20, 0.02, 1.0, 200);
    blackhole(20, 0.05, 1.0, 200);
    blackhole(20, 0.2, 1.0, 200);
}

#[test]
#[ignore]
fn explore_quiet() {
    for (shared, rtt, loss, burst) in [
        (false, 20, 0.005, 3.5),
        (true, 20, 0.005, 3.5),
        (true, 5, 0.005, 3.5),
        (false, 60, 0.005, 3.5),
        (true, 60, 0.005, 3.5),
        (false, 20, 0.02, 1.0),
        (false, 20, 0.05, 1.0),
        (false, 20, 0.1, 1.0),
        (false, 60, 0.2, 1.0),
    ] {
        let t = std::time::Instant::now();
        let mut path = Path::new(MonitorConfig::default(), &[0, 1], 5);
        let mut g = [Gilbert::new(loss, burst); 2];
        path.run_for(secs(3600 * 3), &mut |_, s, rng| {
            (!g[if shared { 0 } else { s }].loses(rng)).then(|| wobble(ms(rtt), rng))
        });
        println!(
            "shared {shared} rtt {rtt} loss {loss} burst {burst}: down {} degraded {} suspect {} suppressed {} pps {:.1} {:?} took {:?}",
            path.entries(State::Down),
            path.entries(State::Degraded),
            path.entries(State::Suspect),
            path.entries(State::Suppressed),
            path.sent as f64 / 10800.0 / 2.0,
            path.monitor.verdict(),
            t.elapsed()
        );
    }
}
#[test]
#[ignore]
fn explore_loss() {
    for (ambient, loss) in
        [(0.001, 0.2), (0.001, 0.1), (0.001, 0.05), (0.02, 0.2), (0.02, 0.1), (0.02, 0.05)]
    {
        let mut times = vec![];
        for seed in 0..200 {
            let mut path = Path::new(MonitorConfig::default(), &[0, 1], seed);
            let mut g = [Gilbert::random(ambient); 2];
            path.run_for(secs(60), &mut |_, s, rng| {
                (!g[s].loses(rng)).then(|| wobble(ms(20), rng))
            });
            let from = path.now;
            let mut g = [Gilbert::random(loss); 2];
            path.run_for(secs(20), &mut |_, s, rng| {
                (!g[s].loses(rng)).then(|| wobble(ms(20), rng))
            });
            if let Some((at, _)) =
                path.first(from, |v| v.state == State::Degraded || v.state == State::Down)
            {
                times.push(at.since(from).as_secs_f64());
            }
        }
        times.sort_by(f64::total_cmp);
        let n = times.len();
        println!(
            "ambient {ambient} loss {loss}: {} median {:.2} p95 {:.2}",
            n,
            times[n / 2],
            times[n * 95 / 100]
        );
    }
}
