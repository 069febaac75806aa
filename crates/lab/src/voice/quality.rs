//! What a call sounds like: the E-model fed with what arrived.

use std::time::Duration;

use pathvane_score::emodel::{self, Codec};

use super::ledger::Account;

/// The codec of the lab's calls: G.711 with loss concealment.
const CODEC: Codec = Codec::G711_PLC;

/// A stretch of one direction of a call as the listener hears it.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Quality {
    /// Mean opinion score, 1 to 4.5 (ITU-T G.107 Annex B).
    pub mos: f64,
    /// The least one-way delay, in milliseconds.
    pub delay_ms: f64,
    /// Packets lost or too late for the best jitter buffer, in percent.
    pub loss_percent: f64,
}

impl Quality {
    /// Rates the packets of `account`, whose arrivals took `delays`; `None` if none was sent.
    pub fn of(account: Account, delays: impl Iterator<Item = Duration>) -> Option<Self> {
        if account.sent == 0 {
            return None;
        }
        let mut delays_ms: Vec<f64> = delays.map(|delay| delay.as_secs_f64() * 1e3).collect();
        delays_ms.sort_by(f64::total_cmp);
        let Some(&least) = delays_ms.first() else {
            return Some(Self { mos: 1.0, delay_ms: 0.0, loss_percent: 100.0 });
        };
        let late = |buffer_ms: f64| {
            let in_time = delays_ms.partition_point(|delay| delay - least <= buffer_ms);
            1.0 - in_time as f64 / delays_ms.len() as f64
        };
        let heard = emodel::playout(&CODEC, least, account.loss(), account.burst_ratio(), late);
        Some(Self { mos: heard.rating.mos(), delay_ms: least, loss_percent: heard.rating.ppl })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quality(lost: u32, bursts: u32, delays_ms: &[u64]) -> Quality {
        let sent = delays_ms.len() as u32 + lost;
        let delays = delays_ms.iter().map(|ms| Duration::from_millis(*ms));
        Quality::of(Account { sent, lost, bursts }, delays).expect("packets were sent")
    }

    #[test]
    fn a_clean_call_is_as_good_as_it_gets() {
        let clean = quality(0, 0, &[20; 100]);
        assert!((clean.mos - 4.41).abs() < 0.01, "{clean:?}");
        assert!((clean.delay_ms - 20.0).abs() < 1e-9);
    }

    #[test]
    fn loss_delay_and_variation_each_cost() {
        let clean = quality(0, 0, &[20; 100]).mos;
        assert!(quality(20, 20, &[20; 80]).mos < clean - 1.0);
        assert!(quality(0, 0, &[320; 100]).mos < clean - 0.4);
        let varying: Vec<u64> = (0..100).map(|i| 20 + (i * 37) % 241).collect();
        assert!(quality(0, 0, &varying).mos < clean - 0.02);
    }

    #[test]
    fn silence_is_the_worst_and_no_call_is_nothing() {
        assert!((quality(50, 1, &[]).mos - 1.0).abs() < 1e-9);
        assert_eq!(Quality::of(Account::default(), std::iter::empty()), None);
    }
}
