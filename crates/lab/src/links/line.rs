//! What one direction of a path does to packets: delay, delay variation, loss, silence.

use core::time::Duration;

use pathvane_clock::Instant;

/// How a line loses packets.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub enum Loss {
    /// Not at all.
    #[default]
    None,
    /// Each packet alike and independently of the others.
    Bernoulli {
        /// Probability of loss, 0 to 1.
        p: f64,
    },
    /// In bursts: good and bad stretches of random length, the bad ones losing all (the model of
    /// Gilbert and Elliott, in time: a burst lasts as long on an idle line as on a busy one).
    Bursts {
        /// The share of time, and so of packets, that is lost; 0 to below 1.
        ratio: f64,
        /// How long a burst lasts on average; none is more than [`Loss::LONGEST`] times as long.
        mean: Duration,
    },
}

impl Loss {
    /// The longest burst, as a multiple of the mean: longer ones are outages, not loss.
    pub const LONGEST: f64 = 3.0;
}

/// What a scenario does to a line, on top of the line's own delay and loss.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Fault {
    /// Nothing passes, and nobody is told.
    pub blackhole: bool,
    /// Added to the delay of every packet.
    pub extra_delay: Duration,
    /// Half the width of a uniform delay variation around the mean; packets may overtake each other.
    pub jitter: Duration,
    /// Loss in addition to the line's own.
    pub loss: Loss,
}

/// One direction of a path.
#[derive(Clone, Debug)]
pub struct Line {
    delay: Duration,
    ambient: Process,
    fault: Fault,
    fault_loss: Process,
    rng: fastrand::Rng,
}

impl Line {
    /// A line with the given one-way delay and loss of its own; equal seeds and equal calls give equal answers.
    pub fn new(delay: Duration, ambient: Loss, seed: u64) -> Self {
        Self {
            delay,
            ambient: Process::new(ambient),
            fault: Fault::default(),
            fault_loss: Process::default(),
            rng: fastrand::Rng::with_seed(seed),
        }
    }

    /// Puts `fault` in place of whatever fault was there.
    pub fn set_fault(&mut self, fault: Fault) {
        self.fault = fault;
        self.fault_loss = Process::new(fault.loss);
    }

    /// Whether nothing passes.
    pub fn is_blackhole(&self) -> bool {
        self.fault.blackhole
    }

    /// When a packet entering at `now` leaves at the other end; `None` if it does not.
    pub fn admit(&mut self, now: Instant) -> Option<Instant> {
        let kept =
            self.ambient.keeps(now, &mut self.rng) & self.fault_loss.keeps(now, &mut self.rng);
        if self.fault.blackhole || !kept {
            return None;
        }
        Some(now + self.transit())
    }

    /// The delay of the next packet.
    fn transit(&mut self) -> Duration {
        let mean = self.delay + self.fault.extra_delay;
        let swing = self.fault.jitter.as_secs_f64() * (2.0 * self.rng.f64() - 1.0);
        Duration::from_secs_f64((mean.as_secs_f64() + swing).max(0.0))
    }
}

/// A loss model and where it stands.
#[derive(Clone, Copy, Debug, Default)]
struct Process {
    loss: Loss,
    bad: bool,
    /// When the present stretch ends.
    until: Instant,
}

impl Process {
    fn new(loss: Loss) -> Self {
        Self { loss, ..Self::default() }
    }

    /// Whether a packet at `now` survives.
    fn keeps(&mut self, now: Instant, rng: &mut fastrand::Rng) -> bool {
        match self.loss {
            Loss::None => true,
            Loss::Bernoulli { p } => rng.f64() >= p,
            Loss::Bursts { ratio, mean } => {
                if ratio <= 0.0 {
                    return true;
                }
                if self.until == Instant::ZERO {
                    self.until = now;
                    self.bad = true;
                }
                while self.until <= now {
                    self.bad = !self.bad;
                    self.until += stretch(self.bad, ratio, mean, rng);
                }
                !self.bad
            }
        }
    }
}

/// The length of a stretch: exponential, bad ones cut off at the longest burst.
fn stretch(bad: bool, ratio: f64, mean: Duration, rng: &mut fastrand::Rng) -> Duration {
    let mean_s = mean.as_secs_f64().max(1e-6);
    let drawn = -(1.0 - rng.f64()).ln();
    // Cutting off takes a share of e^-longest from the mean, which good stretches make up for.
    let shortened = 1.0 - (-Loss::LONGEST).exp();
    let length = match bad {
        true => drawn.min(Loss::LONGEST) * mean_s / shortened,
        false => drawn * mean_s * (1.0 - ratio) / ratio,
    };
    Duration::from_secs_f64(length.max(1e-9))
}

#[cfg(test)]
mod tests {
    use super::*;

    const N: usize = 200_000;

    /// What becomes of packets sent every `period`.
    fn survivors(loss: Loss, period: Duration, n: usize) -> Vec<bool> {
        let mut line = Line::new(Duration::ZERO, loss, 7);
        let mut now = Instant::from_secs(1);
        let mut kept = Vec::with_capacity(n);
        for _ in 0..n {
            kept.push(line.admit(now).is_some());
            now += period;
        }
        kept
    }

    fn ratio(kept: &[bool]) -> f64 {
        kept.iter().filter(|kept| !**kept).count() as f64 / kept.len() as f64
    }

    fn mean_burst(kept: &[bool]) -> f64 {
        let lost = kept.iter().filter(|kept| !**kept).count();
        let bursts = kept.windows(2).filter(|pair| pair[0] && !pair[1]).count();
        lost as f64 / bursts as f64
    }

    #[test]
    fn independent_loss_has_the_asked_ratio_and_no_bursts() {
        let kept = survivors(Loss::Bernoulli { p: 0.2 }, Duration::from_millis(1), N);
        assert!((ratio(&kept) - 0.2).abs() < 0.005, "{}", ratio(&kept));
        assert!((mean_burst(&kept) - 1.25).abs() < 0.03, "{}", mean_burst(&kept));
    }

    #[test]
    fn bursts_last_as_long_however_often_packets_come() {
        let loss = Loss::Bursts { ratio: 0.05, mean: Duration::from_millis(20) };
        for (period_ms, mean_packets, longest) in [(1, 20.5, 130), (20, 1.6, 12)] {
            let kept = survivors(loss, Duration::from_millis(period_ms), 10 * N);
            assert!((ratio(&kept) - 0.05).abs() < 0.008, "{}", ratio(&kept));
            let mean = mean_burst(&kept);
            assert!((mean / mean_packets - 1.0).abs() < 0.1, "{mean} packets, {period_ms} ms");
            // Two bursts may touch.
            let most = kept.split(|kept| *kept).map(<[bool]>::len).max();
            assert!(most.is_some_and(|most| most <= longest), "{most:?} packets, {period_ms} ms");
        }
    }

    #[test]
    fn delay_varies_evenly_around_the_mean_and_never_below_zero() {
        let mut line = Line::new(Duration::from_millis(20), Loss::None, 3);
        line.set_fault(Fault { jitter: Duration::from_millis(60), ..Fault::default() });
        let delays: Vec<f64> = (0..N)
            .filter_map(|_| line.admit(Instant::ZERO))
            .map(|at| at.since(Instant::ZERO).as_secs_f64() * 1e3)
            .collect();
        assert_eq!(delays.len(), N);
        let largest = delays.iter().copied().fold(0.0, f64::max);
        let at_zero = delays.iter().filter(|d| **d == 0.0).count() as f64 / N as f64;
        assert!(largest > 79.0 && largest <= 80.0, "{largest}");
        assert!((at_zero - 1.0 / 3.0).abs() < 0.01, "{at_zero}");
    }

    #[test]
    fn a_blackhole_swallows_all_and_a_cleared_fault_leaves_no_trace() {
        let mut line = Line::new(Duration::from_millis(5), Loss::None, 1);
        line.set_fault(Fault { blackhole: true, ..Fault::default() });
        assert!((0..100).all(|_| line.admit(Instant::ZERO).is_none()));
        line.set_fault(Fault::default());
        assert_eq!(line.admit(Instant::from_secs(1)), Some(Instant::from_millis(1_005)));
    }

    #[test]
    fn ambient_and_fault_loss_add_up() {
        let mut line = Line::new(Duration::ZERO, Loss::Bernoulli { p: 0.1 }, 5);
        line.set_fault(Fault { loss: Loss::Bernoulli { p: 0.2 }, ..Fault::default() });
        let kept: Vec<bool> = (0..N).map(|_| line.admit(Instant::ZERO).is_some()).collect();
        assert!((ratio(&kept) - 0.28).abs() < 0.006, "{}", ratio(&kept));
    }
}
