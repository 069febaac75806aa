//! The jitter buffer a good phone would choose.

use super::{Codec, Rating, rate};

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
/// whose delay varies by more than `B` milliseconds. Once nothing is late a deeper buffer
/// only delays, so the search ends.
pub fn playout(
    codec: &Codec,
    owd_ms: f64,
    loss: f64,
    burst_r: f64,
    late: impl Fn(f64) -> f64,
) -> Playout {
    let mut best: Option<Playout> = None;
    for buffer_ms in BUFFERS_MS {
        let late = late(buffer_ms);
        let ppl = 100.0 * (1.0 - (1.0 - loss) * (1.0 - late));
        let rating = rate(codec, owd_ms + buffer_ms + codec.delay_ms, ppl, burst_r);
        if best.is_none_or(|best| rating.r > best.rating.r) {
            best = Some(Playout { buffer_ms, rating });
        }
        if late <= 0.0 {
            break;
        }
    }
    best.unwrap_or_default()
}
