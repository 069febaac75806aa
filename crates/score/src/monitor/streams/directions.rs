//! In which direction delay or its variation stepped up, where the reflector has a clock.
//!
//! A step ahead of the reflector lengthens the way there and not the way back, whatever its clock says:
//! `forward - reverse` moves by as much as the round trip if the step is ahead, by as much the other way
//! if it is behind, and stays if both ways share it. Clocks that drift move it too, so slowly that what
//! is usual follows.

use crate::{Meter, Reasons, Sample, defaults as d};

/// The asymmetry of one stream's delays.
#[derive(Clone, Debug)]
pub(super) struct Directions {
    /// The first forward delay, from which others are counted, for clocks may be years apart; `MAX` before.
    base: i64,
    /// Delays of the last reply, beyond the base.
    forward: f32,
    reverse: f32,
    /// `forward - reverse`, smoothed as the round trip is, and as it usually is.
    lately: f32,
    usually: f32,
    /// Differences between neighbours in each direction, smoothed as jitter is (RFC 3550).
    jitter: [f32; 2],
    /// What was told at the alarms that hold.
    told: Reasons,
}

impl Default for Directions {
    fn default() -> Self {
        Self {
            base: i64::MAX,
            forward: 0.0,
            reverse: 0.0,
            lately: 0.0,
            usually: 0.0,
            jitter: [0.0; 2],
            told: Reasons::NONE,
        }
    }
}

impl Directions {
    /// Takes a reply that `meter` has taken.
    pub(super) fn reply(&mut self, sample: &Sample, meter: &Meter) {
        let Some(delay) = sample.fwd_delay_ns.filter(|_| sample.rtt_ns <= d::RTT_BELIEVED_NS)
        else {
            return;
        };
        if self.base == i64::MAX {
            self.base = delay;
            self.reverse = sample.rtt_ns as f32;
            (self.lately, self.usually) = (-self.reverse, -self.reverse);
            return;
        }
        let forward = delay.saturating_sub(self.base) as f32;
        let reverse = sample.rtt_ns as f32 - forward;
        let differences = [forward - self.forward, reverse - self.reverse];
        for (jitter, difference) in self.jitter.iter_mut().zip(differences) {
            *jitter += (libm::fabsf(difference) - *jitter) / 16.0;
        }
        (self.forward, self.reverse) = (forward, reverse);
        self.lately += (forward - reverse - self.lately) / 8.0;
        self.follow(meter);
        self.name(meter);
    }

    /// Lets the usual asymmetry follow the clocks, unless delay is stepping up.
    fn follow(&mut self, meter: &Meter) {
        let moved = self.lately - self.usually;
        if libm::fabsf(moved) > d::SHIFT_MIN_NS && 2.0 * step(meter) < libm::fabsf(moved) {
            // Of the round trip not as much: a clock was set.
            self.usually = self.lately;
        } else if meter.delay_calm() {
            let weight = meter.period().as_secs_f32() / d::ASYMMETRY_USUAL_S;
            self.usually += moved * weight.min(0.125);
        }
    }

    /// Names a direction at an alarm or soon after; what was named stands until the alarm ends.
    fn name(&mut self, meter: &Meter) {
        let unnamed = |told: Reasons, of: Reasons, alarm: bool| alarm && !told.intersects(of);
        if !meter.delay_shifted() {
            self.told = self.told.without(Reasons::DELAY_WAYS);
        }
        if !meter.jitter_shifted() {
            self.told = self.told.without(Reasons::JITTER_WAYS);
        }
        if unnamed(self.told, Reasons::DELAY_WAYS, meter.delay_shifted()) {
            // A step of which a share `s` is ahead moves the asymmetry by `2 s - 1` of itself.
            let needed = (2.0 * d::DELAY_DIRECTION - 1.0) * step(meter);
            let moved = self.lately - self.usually;
            self.told = self
                .told
                .with_if(moved >= needed, Reasons::DELAY_FWD)
                .with_if(-moved >= needed, Reasons::DELAY_REV);
        }
        if unnamed(self.told, Reasons::JITTER_WAYS, meter.jitter_shifted()) {
            let [forward, reverse] = self.jitter;
            let needed = d::DELAY_DIRECTION * (forward + reverse);
            self.told = self
                .told
                .with_if(forward >= needed, Reasons::JITTER_FWD)
                .with_if(reverse >= needed, Reasons::JITTER_REV);
        }
    }

    /// The directions of the alarms that hold.
    pub(super) fn told(&self) -> Reasons {
        self.told
    }
}

/// By how much the smoothed round trip is above the usual one.
fn step(meter: &Meter) -> f32 {
    (meter.srtt_ns() as f32 - meter.usual_rtt_ns() as f32).max(0.0)
}

#[cfg(test)]
mod tests {
    use pathvane_clock::{Duration, Instant};

    use super::*;

    const MS: i64 = 1_000_000;

    /// A stream with 50 probes a second to a reflector whose clock is years off.
    struct Lab {
        meter: Meter,
        directions: Directions,
        seq: u32,
        /// What its clock is ahead, and by how much more after each probe.
        clock_ns: i64,
        drift_ns: i64,
    }

    impl Lab {
        /// After a minute and a half with 10 ms each way, but for `noise`.
        fn settled(drift_ns: i64, noise: fn(u32) -> [i64; 2]) -> Self {
            let (meter, directions) = (Meter::new(Instant::ZERO), Directions::default());
            let clock_ns = 1_000_000_000_000_000_000;
            let mut lab = Self { meter, directions, seq: 0, clock_ns, drift_ns };
            lab.probe(4500, |seq| noise(seq).map(|more| 10 * MS + more));
            assert_eq!(lab.directions.told(), Reasons::NONE);
            lab
        }

        /// So many probes, which take so long there and back.
        fn probe(&mut self, probes: u32, mut way: impl FnMut(u32) -> [i64; 2]) -> Reasons {
            for _ in 0..probes {
                let sent = Instant::from_millis(20 * u64::from(self.seq) + 1000);
                let [there, back] = way(self.seq);
                self.meter.sent(sent, self.seq);
                let rtt_ns = (there + back) as u64;
                let arrived = sent + Duration::from_nanos(rtt_ns);
                let sample = Sample {
                    fwd_delay_ns: Some(there + self.clock_ns),
                    rev_delay_ns: Some(back - self.clock_ns),
                    ..Sample::round_trip(self.seq, arrived, rtt_ns)
                };
                self.meter.reply(arrived, &sample);
                self.directions.reply(&sample, &self.meter);
                self.clock_ns += self.drift_ns;
                self.seq += 1;
            }
            self.directions.told()
        }
    }

    /// As far as 0.9 ms more each way, in no order.
    fn noise(seq: u32) -> [i64; 2] {
        [seq.wrapping_mul(7919) % 10, seq.wrapping_mul(104_729) % 10]
            .map(|it| i64::from(it) * MS / 10)
    }

    /// Clocks that agree in their rate, and that drift by 50 millionths either way.
    const DRIFTS: [i64; 3] = [0, 1000, -1000];

    #[test]
    fn a_step_of_delay_is_ahead_or_behind_whatever_the_clocks_do() {
        for drift_ns in DRIFTS {
            for step in [12 * MS, 30 * MS, 100 * MS] {
                for (more, named) in [
                    ([step, 0], Reasons::DELAY_FWD),
                    ([0, step], Reasons::DELAY_REV),
                    ([step / 2, step / 2], Reasons::NONE),
                ] {
                    let mut lab = Lab::settled(drift_ns, noise);
                    let way = |seq| {
                        let noise = noise(seq);
                        [0, 1].map(|way| 10 * MS + more[way] + noise[way])
                    };
                    assert_eq!(lab.probe(200, way), named, "{drift_ns} {more:?}");
                    assert!(lab.meter.delay_shifted());
                    let calm = |seq| noise(seq).map(|more| 10 * MS + more);
                    assert_eq!(lab.probe(200, calm), Reasons::NONE, "the alarm is over");
                }
            }
        }
    }

    #[test]
    fn jitter_is_named_by_where_it_is() {
        for drift_ns in DRIFTS {
            for (ways, named) in [
                ([40, 0], Reasons::JITTER_FWD),
                ([0, 40], Reasons::JITTER_REV),
                ([40, 40], Reasons::NONE),
            ] {
                let mut lab = Lab::settled(drift_ns, noise);
                let mut rng = fastrand::Rng::with_seed(7);
                let way = |_| ways.map(|ms| 10 * MS + rng.i64(0..=ms * MS));
                let told = lab.probe(200, way);
                assert!(lab.meter.jitter_shifted());
                assert_eq!(told.common(Reasons::JITTER_WAYS), named, "{drift_ns} {ways:?}");
            }
        }
    }

    #[test]
    fn a_clock_that_is_set_is_no_step_and_blames_nobody_later() {
        for set in [40 * MS, -40 * MS] {
            for (more, named) in
                [([30 * MS, 0], Reasons::DELAY_FWD), ([0, 30 * MS], Reasons::DELAY_REV)]
            {
                let mut lab = Lab::settled(0, noise);
                lab.clock_ns += set;
                assert_eq!(lab.probe(50, |_| [10 * MS; 2]), Reasons::NONE);
                let told = lab.probe(50, |_| [0, 1].map(|way| 10 * MS + more[way]));
                assert_eq!(told, named, "{set} {more:?}");
            }
        }
    }

    #[test]
    fn without_the_reflectors_clock_there_is_no_direction() {
        let mut lab = Lab::settled(0, noise);
        for _ in 0..200 {
            let sent = Instant::from_millis(20 * u64::from(lab.seq) + 1000);
            lab.meter.sent(sent, lab.seq);
            let arrived = sent + Duration::from_millis(60);
            let sample = Sample::round_trip(lab.seq, arrived, 60_000_000);
            lab.meter.reply(arrived, &sample);
            lab.directions.reply(&sample, &lab.meter);
            lab.seq += 1;
        }
        assert!(lab.meter.delay_shifted());
        assert_eq!(lab.directions.told(), Reasons::NONE);
    }
}
