//! One directed link: delay, jitter, loss, and not working at all.

use std::time::Duration;

use pathvane_clock::Instant;

/// A link of a [`super::Net`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct LinkId(pub(super) usize);

/// How a link loses packets. Shares are in parts per million.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Loss {
    /// Never.
    #[default]
    None,
    /// Each packet by itself.
    Bernoulli {
        /// The share lost.
        ppm: u32,
    },
    /// In bursts: the model of Gilbert and Elliott with a good and a bad state, of which only
    /// the bad one loses packets. One step per packet.
    GilbertElliott {
        /// Chance to turn bad.
        to_bad_ppm: u32,
        /// Chance to turn good again; the mean burst is a million divided by this.
        to_good_ppm: u32,
        /// The share lost while bad.
        bad_loss_ppm: u32,
    },
    /// Everything for a while, whoever sends: the same model by time, one step each 20 ms.
    Gaps {
        /// Chance to turn bad.
        to_bad_ppm: u32,
        /// Chance to turn good again; the mean gap is 20 ms times a million divided by this.
        to_good_ppm: u32,
    },
}

/// A directed link. Change its fields at any time.
#[derive(Clone, Debug)]
pub struct Link {
    /// The least time a packet takes.
    pub delay: Duration,
    /// What chance adds to it, evenly distributed from nothing to this.
    pub jitter: Duration,
    /// How it loses packets.
    pub loss: Loss,
    /// The share of packets that take another 20 to 120 ms, in parts per million.
    pub spikes_ppm: u32,
    /// Whether it takes packets and delivers none.
    pub blackhole: bool,
    /// Whether the loss model is in its bad state.
    bad: bool,
    /// Until when that state holds, if it is one of time.
    until: Instant,
}

/// The step of [`Loss::Gaps`]: the spacing of a call's packets.
const STEP: Duration = Duration::from_millis(20);

impl Link {
    /// A link that only takes its time.
    pub fn new(delay: Duration) -> Self {
        Self {
            delay,
            jitter: Duration::ZERO,
            loss: Loss::None,
            spikes_ppm: 0,
            blackhole: false,
            bad: false,
            until: Instant::ZERO,
        }
    }

    /// When a packet sent now arrives; `None` if it is lost.
    pub(super) fn pass(&mut self, now: Instant, rng: &mut fastrand::Rng) -> Option<Instant> {
        let jitter = u64::try_from(self.jitter.as_nanos()).unwrap_or(u64::MAX);
        let jitter = Duration::from_nanos(rng.u64(0..=jitter));
        // Chance is asked even of a blackhole, so that its repair finds the model going on.
        let lost = self.loses(now, rng);
        let spike = match self.spikes_ppm {
            0 => 0,
            ppm if rng.u32(0..1_000_000) < ppm => rng.u64(20..120),
            _ => 0,
        };
        let arrives = now + self.delay + jitter + Duration::from_millis(spike);
        (!lost && !self.blackhole).then_some(arrives)
    }

    fn loses(&mut self, now: Instant, rng: &mut fastrand::Rng) -> bool {
        let mut chance = |ppm: u32| rng.u32(0..1_000_000) < ppm;
        match self.loss {
            Loss::None => false,
            Loss::Bernoulli { ppm } => chance(ppm),
            Loss::GilbertElliott { to_bad_ppm, to_good_ppm, bad_loss_ppm } => {
                self.bad = if self.bad { !chance(to_good_ppm) } else { chance(to_bad_ppm) };
                self.bad && chance(bad_loss_ppm)
            }
            Loss::Gaps { to_bad_ppm, to_good_ppm } => {
                if self.until == Instant::ZERO {
                    self.until = now;
                }
                while self.until <= now {
                    self.bad = if self.bad { !chance(to_good_ppm) } else { chance(to_bad_ppm) };
                    self.until += STEP;
                }
                self.bad
            }
        }
    }
}
