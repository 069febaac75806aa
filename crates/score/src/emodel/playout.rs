//! The jitter buffer a good phone would choose.

use super::{Codec, Rating, idd};

/// Buffer depths tried, in milliseconds.
pub const BUFFERS_MS: [f64; 8] = [20.0, 30.0, 40.0, 60.0, 80.0, 120.0, 160.0, 200.0];

/// The best buffer and the rating it gives.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub struct Playout {
    /// Depth of the buffer, in milliseconds.
    pub buffer_ms: f64,
    /// The call as heard through it.
    pub rating: Rating,
}

/// Finds the buffer depth with the best rating: `R = max_B R(Ta, Ppl)` where
/// `Ta = owd + B + codec` and `Ppl = 1 - (1 - loss)(1 - late(B))`.
///
/// `owd_ms` is the least one-way delay, `loss` a share of 1, `late(B)` the share of packets
/// whose delay varies by more than `B` milliseconds. The search ends when no deeper buffer
/// could win, even if it were late for nothing, and passes over those that would not win even
/// if they cost no more delay than the one before.
pub fn playout(
    codec: &Codec,
    owd_ms: f64,
    loss: f64,
    burst_r: f64,
    late: impl Fn(f64) -> f64,
) -> Playout {
    let least_impairment = codec.effective_impairment(100.0 * loss, burst_r);
    let mut best: Option<Playout> = None;
    let (mut least, mut idd_before) = (f64::INFINITY, 0.0);
    for buffer_ms in BUFFERS_MS {
        if best.is_some() && idd_before + least_impairment >= least {
            break;
        }
        let ppl = 100.0 * (1.0 - (1.0 - loss) * (1.0 - late(buffer_ms)));
        let ie_eff = codec.effective_impairment(ppl, burst_r);
        if idd_before + ie_eff >= least {
            continue;
        }
        let ta_ms = owd_ms + buffer_ms + codec.delay_ms;
        let idd = idd(ta_ms);
        idd_before = idd;
        if idd + ie_eff < least {
            least = idd + ie_eff;
            let rating = Rating::of(codec.scale, ta_ms, idd, (ppl, burst_r, ie_eff));
            best = Some(Playout { buffer_ms, rating });
        }
    }
    best.unwrap_or_default()
}
