//! From loss, delay and its variation to a score for each class.

use core::cmp::Reverse;

use crate::emodel::{Codec, Playout, playout};
use crate::meter::{Histogram, Tally, surely, wilson};
use crate::{Compliance, Meter, Sla, Violations, defaults as d};

/// What is known about a path's quality: the pooled loss of its sound reflectors, and the
/// delay to the nearest of them.
pub(crate) struct Quality<'a> {
    pub(crate) loss: Tally,
    /// The share lost on the stream that loses least.
    pub(crate) least_lost: f64,
    /// The same as `loss` over minutes.
    pub(crate) usual_loss: Tally,
    /// Design effect: how many bursty samples say as much as one independent sample.
    pub(crate) design: f64,
    pub(crate) burst_ratio: f64,
    pub(crate) nearest: &'a Meter,
    /// What that is farther than the nearest of all, if the nearest is not sound.
    pub(crate) beyond_ns: u64,
    /// The loss detectors have fired.
    pub(crate) loss_alarm: bool,
    /// Some reflectors were left out, because they lose more than others.
    pub(crate) unsound: bool,
    /// Streams behind the loss.
    pub(crate) streams: f64,
    /// Probes a second that each of them gets on a path that may have to lead soon.
    pub(crate) rate: f64,
}

/// A score with its bounds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Bounded {
    pub(crate) value: f64,
    pub(crate) lcb: f64,
    pub(crate) ucb: f64,
}

/// A score, and what it is at most beyond doubt.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Judged {
    pub(crate) score: Bounded,
    pub(crate) at_most: f64,
}

/// The score of bulk where one connection carries `rate_bps`, on the scale on which `target_bps` is 100.
pub fn bulk_score(rate_bps: f64, target_bps: f64) -> f64 {
    let scale = |bps: f64| libm::log2(1.0 + bps / 1e6);
    (100.0 * scale(rate_bps) / scale(target_bps)).min(100.0)
}

impl Quality<'_> {
    /// R with its bounds, and the playout behind it, of the direction that sounds worse.
    ///
    /// One-way delay is half of the least round trip: clocks are not synchronised.
    pub(crate) fn voice(&self, codec: &Codec) -> (Judged, Playout) {
        let owd_ms = self.less_beyond(self.nearest.least_rtt_ns()) as f64 / 2e6;
        let heard = |loss: f64, direction: usize| {
            let late = |buffer_ms: f64| match self.nearest.variations()[direction] {
                Some(variation) => variation.share_above((buffer_ms * 1e6) as u64),
                None => 0.0,
            };
            playout(codec, owd_ms, loss, self.burst_ratio, late)
        };
        let seen = self.loss.share();
        let (ahead, back) = (heard(seen, 0), heard(seen, 1));
        let worse = usize::from(back.rating.r < ahead.rating.r);
        let playout = [ahead, back][worse];
        let (least, most) = self.loss.bounds(self.design, d::CONFIDENCE_Z);
        let score = Bounded {
            value: playout.rating.score(),
            lcb: heard(most, worse).rating.score(),
            ucb: heard(least, worse).rating.score(),
        };
        let at_most = heard(self.surely_lost(), worse).rating.score();
        (Judged { score, at_most }, playout)
    }

    /// Keystroke response `RTT95 + p/(1-p) * RTO`, scored by the table of
    /// [`d::KEYSTROKE_SCORES`].
    pub(crate) fn interactive(&self) -> Judged {
        let variation = self.nearest.round_trip_variation();
        let least_ns = self.less_beyond(self.nearest.least_rtt_ns());
        let rtt95_ns = least_ns + variation.map_or(0, |v| v.quantile(0.95));
        let rto_ms = (self.nearest.patience().as_secs_f64() * 1e3).max(d::KEYSTROKE_RTO_MIN_MS);
        self.over_loss(|loss| {
            let again_ms = loss.min(0.99) / (1.0 - loss.min(0.99)) * rto_ms;
            piecewise(&d::KEYSTROKE_SCORES, rtt95_ns as f64 / 1e6 + again_ms)
        })
    }

    /// What one TCP connection can carry, `100 * log2(1 + X) / log2(1 + target)` in Mb/s; no more than the
    /// capacity of the path.
    pub(crate) fn bulk(&self, target_bps: f64, capacity_bps: Option<f64>) -> Judged {
        let rtt_s = (self.less_beyond(self.nearest.srtt_ns()) as f64 / 1e9).max(1e-6);
        let most_bps = capacity_bps.map_or(target_bps, |capacity| capacity.min(target_bps));
        self.over_loss(|loss| {
            let rate_bps = tcp_throughput_bps(d::BULK_SEGMENT, rtt_s, loss).min(most_bps);
            bulk_score(rate_bps, target_bps)
        })
    }

    /// A round trip less the way beyond the nearest reflector.
    fn less_beyond(&self, rtt_ns: u64) -> u64 {
        rtt_ns.saturating_sub(self.beyond_ns)
    }

    fn over_loss(&self, score: impl Fn(f64) -> f64) -> Judged {
        let (least, most) = self.loss.bounds(self.design, d::CONFIDENCE_Z);
        Judged {
            score: Bounded { value: score(self.loss.share()), lcb: score(most), ucb: score(least) },
            at_most: score(self.surely_lost()),
        }
    }

    /// Which limits are broken beyond doubt, and whether all are kept.
    pub(crate) fn comply(&self, sla: &Sla, judged: Judged) -> (Violations, Compliance) {
        let max_loss = f64::from(sla.max_loss_ppm) / 1e6;
        let srtt = self.less_beyond(self.nearest.srtt_ns());
        let steady_rtt = srtt.saturating_sub(self.nearest.rttvar_ns());
        let exceeds = |limit: Option<core::time::Duration>, ns: u64| {
            limit.is_some_and(|limit| u128::from(ns) > limit.as_nanos())
        };
        let violations = Violations {
            score: judged.at_most < sla.min_score,
            loss: self.surely_loses(max_loss) || self.steadily_loses(max_loss),
            delay_variation: exceeds(sla.max_delay_variation, self.variation_surely()),
            rtt: exceeds(sla.max_rtt, steady_rtt),
            mtu: false,
            reported: false,
        };
        let varies = match (sla.max_delay_variation, self.variation_seen()) {
            (Some(_), None) => true,
            (limit, seen) => exceeds(limit, seen.unwrap_or(0)),
        };
        let keeps = self.has_enough_probes()
            && judged.score.value >= sla.min_score
            && self.loss.share() <= max_loss
            && !varies
            && !exceeds(sla.max_rtt, srtt);
        let compliance = match (violations.any(), keeps) {
            (true, _) => Compliance::Violates,
            (false, true) => Compliance::Complies,
            (false, false) => Compliance::Unsure,
        };
        (violations, compliance)
    }

    /// Whether more than `share` is lost now, beyond doubt.
    pub(crate) fn surely_loses(&self, share: f64) -> bool {
        self.surely_lost() > share
    }

    /// The least share that is lost now, beyond doubt. Where the loss detector says so as
    /// well, less doubt is in order. Where it does not, a few bursts close together may be chance:
    /// at their peak all of them weigh one, so they count as so many of the weighed probes. Nor is it the
    /// path's loss if one stream does not show it.
    fn surely_lost(&self) -> f64 {
        if self.loss_alarm {
            return self.loss.bounds(self.design, d::CONFIDENCE_Z).0;
        }
        let probes = self.loss.effective() / 2.0 / self.design;
        surely(self.loss.share(), probes, d::CERTAIN_Z).min(self.least_lost)
    }

    /// Whether more than `share` has been lost for minutes beyond doubt, and seems to be still.
    fn steadily_loses(&self, share: f64) -> bool {
        let probes = self.usual_loss.effective() / self.design;
        self.least_lost > share && surely(self.usual_loss.share(), probes, d::CERTAIN_Z) > share
    }

    /// Whether enough probes are behind the loss to say that a limit is kept: if the rates are
    /// low, most of what a path can show that may have to lead soon.
    fn has_enough_probes(&self) -> bool {
        let weighed = d::LOSS_RECENT.as_secs_f64() / core::f64::consts::LN_2;
        let reach = 2.0 * self.rate * weighed * self.streams;
        let needed = d::COMPLY_PROBES_MIN.min(d::COMPLY_REACH * reach);
        self.loss.effective() >= needed
    }

    /// The 98th percentile of delay variation in the worse direction as it was seen; `None`
    /// while too little was seen.
    fn variation_seen(&self) -> Option<u64> {
        // Just after half of them were forgotten.
        let reach = self.rate * d::VARIATION_HALF_LIFE.as_secs_f64();
        let needed = d::COMPLY_SAMPLES_MIN.min(d::COMPLY_REACH * reach);
        let of = |it: &Histogram| (it.total() >= needed).then(|| it.quantile(0.98));
        self.nearest.variations().into_iter().flatten().map(of).min_by_key(|it| it.map(Reverse))?
    }

    /// The 98th percentile of delay variation in the worse direction that there is at least, as
    /// far as the number of samples says.
    fn variation_surely(&self) -> u64 {
        let of = |it: &Histogram| {
            let n = it.total();
            let q = wilson(0.98, n, d::CERTAIN_Z).0;
            if n < d::VARIATION_SAMPLES_MIN { 0 } else { it.quantile(q) }
        };
        self.nearest.variations().into_iter().flatten().map(of).max().unwrap_or(0)
    }
}

/// The sending rate of TCP (RFC 5348 section 3.1, b = 1, t_RTO = 4 R), in bits per second.
pub(crate) fn tcp_throughput_bps(segment: f64, rtt_s: f64, loss: f64) -> f64 {
    if loss <= 0.0 {
        return f64::INFINITY;
    }
    let windows = libm::sqrt(2.0 * loss / 3.0);
    let timeouts = 12.0 * libm::sqrt(3.0 * loss / 8.0) * loss * (1.0 + 32.0 * loss * loss);
    8.0 * segment / (rtt_s * (windows + timeouts))
}

/// Linear between the points, level outside.
fn piecewise(points: &[(f64, f64)], x: f64) -> f64 {
    let mut before = points[0];
    for &point in points {
        if x <= point.0 {
            let width = point.0 - before.0;
            let part = if width > 0.0 { (x - before.0) / width } else { 1.0 };
            return before.1 + part.max(0.0) * (point.1 - before.1);
        }
        before = point;
    }
    before.1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tcp_throughput_matches_the_vectors_of_rfc_5348() {
        for (loss, mbps) in [(1e-3, 8.97), (1e-2, 2.62)] {
            let got = tcp_throughput_bps(1460.0, 0.05, loss) / 1e6;
            assert!((got - mbps).abs() < 0.005, "{loss}: {got}");
        }
        let mathis = 8.0 * 1460.0 / 0.05 * libm::sqrt(1.5 / 1e-3);
        assert!((mathis / 1e6 - 9.05).abs() < 0.005);
        assert!(tcp_throughput_bps(1460.0, 0.05, 1e-3) < mathis);
        assert_eq!(tcp_throughput_bps(1460.0, 0.05, 0.0), f64::INFINITY);
    }

    #[test]
    fn keystroke_scores_bend_where_people_do() {
        let score = |ms| piecewise(&d::KEYSTROKE_SCORES, ms);
        let got = [0.0, 100.0, 125.0, 150.0, 200.0, 400.0, 700.0, 1000.0, 5000.0].map(score);
        assert_eq!(got, [100.0, 100.0, 90.0, 80.0, 70.0, 40.0, 20.0, 0.0, 0.0]);
    }
}
