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
    /// In bursts: a two-state chain stepped once per packet; the bad state loses all.
    GilbertElliott {
        /// Probability of going from good to bad, per packet.
        enter: f64,
        /// Probability of going from bad to good, per packet.
        leave: f64,
    },
}

impl Loss {
    /// Bursty loss with the given long-run ratio (0 to below 1) and mean burst length in packets (1 or more).
    pub fn bursty(ratio: f64, mean_burst: f64) -> Self {
        if ratio <= 0.0 {
            return Self::None;
        }
        let leave = 1.0 / mean_burst.max(1.0);
        let enter = (leave * ratio / (1.0 - ratio.min(0.99))).min(1.0);
        Self::GilbertElliott { enter, leave }
    }

    /// The share of packets lost in the long run.
    pub fn ratio(self) -> f64 {
        match self {
            Self::None => 0.0,
            Self::Bernoulli { p } => p,
            Self::GilbertElliott { enter, leave } => enter / (enter + leave),
        }
    }
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
        let kept = self.ambient.keeps(&mut self.rng) & self.fault_loss.keeps(&mut self.rng);
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
}

impl Process {
    fn new(loss: Loss) -> Self {
        Self { loss, bad: false }
    }

    /// Steps once; whether this packet survives.
    fn keeps(&mut self, rng: &mut fastrand::Rng) -> bool {
        match self.loss {
            Loss::None => true,
            Loss::Bernoulli { p } => rng.f64() >= p,
            Loss::GilbertElliott { enter, leave } => {
                let flips = rng.f64() < if self.bad { leave } else { enter };
                self.bad ^= flips;
                !self.bad
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const N: usize = 200_000;

    fn survivors(loss: Loss) -> Vec<bool> {
        let mut line = Line::new(Duration::ZERO, loss, 7);
        (0..N).map(|_| line.admit(Instant::ZERO).is_some()).collect()
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
        let kept = survivors(Loss::Bernoulli { p: 0.2 });
        assert!((ratio(&kept) - 0.2).abs() < 0.005, "{}", ratio(&kept));
        assert!((mean_burst(&kept) - 1.25).abs() < 0.03, "{}", mean_burst(&kept));
    }

    #[test]
    fn bursty_loss_has_the_asked_ratio_and_burst_length() {
        let loss = Loss::bursty(0.02, 4.0);
        assert!((loss.ratio() - 0.02).abs() < 1e-9);
        let kept = survivors(loss);
        assert!((ratio(&kept) - 0.02).abs() < 0.003, "{}", ratio(&kept));
        assert!((mean_burst(&kept) - 4.0).abs() < 0.3, "{}", mean_burst(&kept));
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
