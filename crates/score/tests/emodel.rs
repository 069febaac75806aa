//! The E-model against published and independently computed figures, and against the
//! mistakes other implementations are known to have made.

use pathvane_score::emodel::{self, Codec, Scale, full, idd, mos, playout, rate};

fn assert_near(got: f64, want: f64, tolerance: f64, what: &str) {
    assert!((got - want).abs() <= tolerance, "{what}: {got} is not {want} within {tolerance}");
}

/// Ta, Idd, echo-free R and MOS, full default R and MOS (T = Ta, Tr = 2T).
const DELAYS: [(f64, f64, f64, f64, f64, f64); 5] = [
    (100.0, 0.0, 93.20, 4.41, 90.66, 4.35),
    (150.0, 0.164, 93.04, 4.41, 89.54, 4.33),
    (200.0, 3.044, 90.16, 4.34, 85.80, 4.22),
    (250.0, 8.917, 84.28, 4.18, 79.18, 3.99),
    (400.0, 24.070, 69.13, 3.56, 62.25, 3.22),
];

/// MOS at 0, 1, 2 and 5 % of random loss, without delay.
const CODECS: [(Codec, [f64; 4]); 4] = [
    (Codec::G711, [4.41, 3.83, 3.26, 2.17]),
    (Codec::G711_PLC, [4.41, 4.33, 4.23, 3.92]),
    (Codec::G729A, [4.10, 3.95, 3.79, 3.34]),
    (Codec::GSM_EFR, [4.29, 4.02, 3.74, 3.01]),
];

fn full_at(t: f64) -> full::Terms {
    full::Inputs { t, ta: t, tr: 2.0 * t, ..full::Inputs::default() }.rate()
}

#[test]
fn defaults_rate_as_the_recommendation_says() {
    let terms = full::Inputs::default().rate();
    assert_near(terms.ro, 94.77, 0.005, "Ro");
    assert_near(terms.is, 1.41, 0.005, "Is");
    assert_near(terms.r, 93.2, 0.05, "R");
    assert_near(mos(terms.r), 4.41, 0.005, "MOS");
}

#[test]
fn delay_table_holds_in_both_forms() {
    for (ta, want_idd, r, want_mos, r_full, mos_full) in DELAYS {
        assert_near(idd(ta), want_idd, 0.0006, "Idd");
        let rating = rate(&Codec::G711, ta, 0.0, 1.0);
        assert_near(rating.r, r, 0.006, "R");
        assert_near(rating.mos(), want_mos, 0.0051, "MOS");
        let terms = full_at(ta);
        assert_near(terms.r, r_full, 0.006, "full R");
        assert_near(mos(terms.r), mos_full, 0.0051, "full MOS");
        assert_near(terms.idd, idd(ta), 1e-9, "fast and general Idd");
    }
}

/// R of other inputs than the defaults, each alone where it can be and then all together. Computed with an
/// implementation of somebody else's (github.com/manucorporat/e-model, commit e6b8411), which knows no delay
/// sensitivity and is given LSTR for STMR + Dr; the defaults rate 93.2062 there.
#[rustfmt::skip]
fn ratings() -> Vec<(full::Inputs, f64)> {
    use full::Inputs;
    let default = Inputs::default();
    vec![
        (default, 93.2062),
        (Inputs { slr: 0.0, ..default }, 90.1622),
        (Inputs { slr: 15.0, ..default }, 83.3232),
        (Inputs { rlr: -5.0, ..default }, 89.7607),
        (Inputs { rlr: 12.0, ..default }, 79.7008),
        (Inputs { stmr: 10.0, ..default }, 93.1882),
        (Inputs { stmr: 8.0, t: 50.0, ..default }, 91.8597),
        (Inputs { stmr: 22.0, t: 50.0, ..default }, 90.9682),
        (Inputs { ds: -1.0, ..default }, 92.8433),
        (Inputs { dr: -1.0, ..default }, 93.1982),
        (Inputs { dr: 8.0, pr: 60.0, ..default }, 81.2059),
        (Inputs { telr: 40.0, t: 50.0, ..default }, 74.1341),
        (Inputs { telr: 55.0, t: 20.0, ..default }, 92.1035),
        (Inputs { telr: 45.0, t: 200.0, ta: 200.0, tr: 400.0, ..default }, 54.8663),
        (Inputs { wepl: 20.0, tr: 60.0, ..default }, 83.2707),
        (Inputs { wepl: 45.0, tr: 400.0, ..default }, 88.1476),
        (Inputs { nc: -45.0, ..default }, 69.1792),
        (Inputs { nfor: -50.0, ..default }, 73.7346),
        (Inputs { ps: 65.0, ..default }, 62.1259),
        (Inputs { pr: 65.0, ..default }, 70.3978),
        (Inputs { qdu: 14.0, ..default }, 66.2621),
        (Inputs { a: 10.0, ..default }, 103.2062),
        (Inputs { ta: 120.0, t: 120.0, tr: 240.0, ..default }, 90.2643),
        (Inputs { ta: 500.0, ..default }, 62.5703),
        (Inputs { slr: 5.0, rlr: 5.0, stmr: 9.0, ds: 2.0, dr: 1.0, telr: 50.0, wepl: 60.0, t: 80.0, tr: 160.0, ta: 150.0, qdu: 4.0, nc: -60.0, nfor: -58.0, ps: 50.0, pr: 55.0, a: 5.0, ..default }, 73.4397),
        (Inputs { slr: 12.0, rlr: -2.0, stmr: 21.0, ds: 0.0, dr: 5.0, telr: 48.0, wepl: 35.0, t: 150.0, tr: 300.0, ta: 300.0, qdu: 2.0, nc: -55.0, nfor: -62.0, ps: 60.0, pr: 45.0, a: 20.0, ..default }, 58.7489),
        (Inputs { slr: 10.0, rlr: 4.0, stmr: 7.0, ds: 1.0, dr: 2.0, telr: 58.0, wepl: 80.0, t: 30.0, tr: 90.0, ta: 60.0, qdu: 9.0, nc: -50.0, nfor: -55.0, ps: 45.0, pr: 62.0, a: 0.0, ..default }, 50.9293),
    ]
}

#[test]
fn every_input_counts_as_in_another_implementation() {
    for (inputs, want) in ratings() {
        assert_near(inputs.rate().r, want, 6e-5, &format!("{inputs:?}"));
    }
}

/// Classes of delay sensitivity (G.107 table 1): default, low, very low; at 200 and 400 ms.
#[test]
fn who_is_less_sensitive_to_delay_suffers_less_from_it() {
    for (st, mt, want) in [
        (1.0, 100.0, [3.0444, 24.0701]),
        (0.55, 120.0, [2.2530, 16.8945]),
        (0.4, 150.0, [0.9498, 11.1972]),
    ] {
        for (ta, want) in [200.0, 400.0].into_iter().zip(want) {
            let terms = full::Inputs { ta, st, mt, ..full::Inputs::default() }.rate();
            assert_near(terms.idd, want, 6e-5, "Idd");
            let plain = full::Inputs::default().rate();
            assert_near(plain.r - terms.r, want - plain.idd, 6e-5, "R");
        }
    }
}

#[test]
fn codec_table_holds() {
    for (codec, want) in CODECS {
        for (ppl, want) in [0.0, 1.0, 2.0, 5.0].into_iter().zip(want) {
            assert_near(rate(&codec, 0.0, ppl, 1.0).mos(), want, 0.0051, codec.name);
        }
    }
}

#[test]
fn opus_follows_its_published_fit_and_says_that_it_is_provisional() {
    for (ppl, want) in [(1.0, 8.77), (2.0, 12.56), (5.0, 18.60)] {
        assert_near(Codec::OPUS.effective_impairment(ppl, 1.0), want, 0.006, "Ie,eff");
    }
    assert!(Codec::ALL.iter().all(|codec| codec.provisional == (codec.name == "opus")));
}

#[test]
fn wideband_and_fullband_have_scales_of_their_own() {
    let rating = rate(&Codec::AMR_WB, 0.0, 2.0, 1.0);
    assert_near(rating.ie_eff, 43.81, 0.006, "Ie,eff of AMR-WB 12.65 at 2 %");
    assert_near(rating.mos(), 3.406, 0.0006, "its MOS");
    assert_near(rating.score(), (129.0 - rating.ie_eff) / 1.29, 1e-12, "its score");
    for (scale, base) in [(Scale::Wideband, 129.0), (Scale::Fullband, 148.0)] {
        assert_eq!((scale.base(), scale.mos(base)), (base, 4.5));
        assert!(scale.mos(93.2) < Scale::Narrowband.mos(93.2), "the same R is another call");
    }
    assert_eq!(Scale::Fullband.most_impaired(), 132.0);
    let wide = Codec::ALL.iter().filter(|codec| codec.scale != Scale::Narrowband);
    assert_eq!(wide.map(|codec| codec.name).collect::<Vec<_>>(), ["amr-wb"]);
}

#[test]
fn mos_matches_annex_b_and_is_held_between_its_ends() {
    for (r, want) in [(90.0, 4.34), (80.0, 4.03), (70.0, 3.60), (60.0, 3.10), (50.0, 2.58)] {
        assert_near(mos(r), want, 0.01, "MOS");
    }
    assert_eq!([mos(-5.0), mos(0.0), mos(3.0), mos(6.4)], [1.0; 4], "the cubic's dip");
    assert_eq!([mos(100.0), mos(120.0)], [4.5; 2]);
    let rising = (0..=1000).map(|i| mos(f64::from(i) / 10.0));
    assert!(rising.clone().zip(rising.skip(1)).all(|(a, b)| a <= b));
}

#[test]
fn bursts_hurt_more_than_random_loss_of_the_same_rate() {
    let random = rate(&Codec::G711_PLC, 0.0, 2.0, 1.0).r;
    let bursty = rate(&Codec::G711_PLC, 0.0, 2.0, emodel::burst_ratio(0.006, 0.294)).r;
    assert!(bursty < random - 0.1);
    assert_near(emodel::burst_ratio(0.02, 0.98), 1.0, 1e-12, "random loss");
    assert_near(emodel::burst_ratio(0.0, 0.0), 1.0, 1e-12, "no loss");
    assert_near(emodel::burst_ratio(0.05, 0.20), 4.0, 1e-12, "bursts");
}

#[test]
fn buffer_is_as_deep_as_jitter_needs_and_no_deeper() {
    let at = |late: &dyn Fn(f64) -> f64| playout(&Codec::G711_PLC, 30.0, 0.0, 1.0, late);
    assert_eq!(at(&|_| 0.0).buffer_ms, 20.0, "calm");
    assert_eq!(at(&|b| if b < 60.0 { 0.2 } else { 0.0 }).buffer_ms, 60.0, "jittery");
    // 2 % beyond 40 ms cost less than the delay of 200 ms that would catch them.
    let tail = |b: f64| {
        if b < 40.0 {
            0.3
        } else if b < 200.0 {
            0.02
        } else {
            0.0
        }
    };
    let chosen = playout(&Codec::G711_PLC, 120.0, 0.0, 1.0, tail);
    assert_eq!(chosen.buffer_ms, 40.0);
    assert_near(chosen.rating.ta_ms, 120.0 + 40.0 + 25.0, 1e-9, "Ta");
    assert_near(chosen.rating.ppl, 2.0, 1e-9, "Ppl");
    assert_near(
        chosen.rating.r,
        93.2 - chosen.rating.idd - chosen.rating.ie_eff,
        1e-9,
        "terms add up",
    );
}

#[test]
fn loss_and_lateness_combine_as_independent() {
    let heard = playout(&Codec::G711_PLC, 30.0, 0.10, 1.0, |_| 0.20);
    assert_near(heard.rating.ppl, 28.0, 1e-9, "Ppl");
}

/// Mistakes found in other implementations, each as the formula it amounts to. A mutant
/// that no vector of the tables above rejects would mean that the tables prove nothing.
mod mutants {
    use super::*;

    fn idd_by(ta: f64, power: f64, root: f64) -> f64 {
        if ta <= 100.0 {
            return 0.0;
        }
        let x = libm::log2(ta / 100.0);
        let norm = |x: f64| libm::pow(1.0 + libm::pow(x, power), root);
        25.0 * (norm(x) - 3.0 * norm(x / 3.0) + 2.0)
    }

    fn delay_table_rejects(mutant: impl Fn(f64) -> f64) -> bool {
        DELAYS.iter().any(|&(ta, want, ..)| (mutant(ta) - want).abs() > 0.0006)
    }

    fn codec_table_rejects(mutant: impl Fn(&Codec, f64) -> f64) -> bool {
        CODECS.iter().any(|(codec, want)| {
            let losses = [0.0, 1.0, 2.0, 5.0].into_iter().zip(want);
            losses.into_iter().any(|(ppl, want)| (mutant(codec, ppl) - want).abs() > 0.0051)
        })
    }

    fn ie_bpl(codec: &Codec) -> (f64, f64) {
        match codec.impairment {
            emodel::Impairment::PacketLoss { ie, bpl } => (ie, bpl),
            emodel::Impairment::Logarithmic { .. } => unreachable!("not in the table"),
        }
    }

    #[test]
    fn the_right_formulas_pass_the_same_sieve() {
        assert!(!delay_table_rejects(|ta| idd_by(ta, 6.0, 1.0 / 6.0)));
        assert!(!codec_table_rejects(|codec, ppl| rate(codec, 0.0, ppl, 1.0).mos()));
    }

    #[test]
    fn exponent_six_minus_st_is_rejected() {
        assert!(delay_table_rejects(|ta| idd_by(ta, 5.0, 1.0 / 5.0)));
        assert!(delay_table_rejects(|ta| idd_by(ta, 5.0, 1.0 / 6.0)));
    }

    #[test]
    fn integer_division_of_the_root_is_rejected() {
        assert!(delay_table_rejects(|ta| idd_by(ta, 6.0, 0.0)));
    }

    #[test]
    fn a_lost_packet_count_taken_for_percent_is_rejected() {
        let packets = 1000.0;
        assert!(codec_table_rejects(|codec, ppl| {
            rate(codec, 0.0, ppl / 100.0 * packets, 1.0).mos()
        }));
    }

    #[test]
    fn a_share_of_one_taken_for_percent_is_rejected() {
        assert!(codec_table_rejects(|codec, ppl| rate(codec, 0.0, ppl / 100.0, 1.0).mos()));
    }

    #[test]
    fn bpl_of_one_is_rejected() {
        assert!(codec_table_rejects(|codec, ppl| {
            let (ie, _) = ie_bpl(codec);
            mos(93.2 - (ie + (95.0 - ie) * ppl / (ppl + 1.0)))
        }));
    }

    #[test]
    fn latency_over_forty_is_not_the_e_model() {
        // The rule of thumb found in several media proxies and ping tools.
        let r = |ta: f64, ppl: f64| {
            let delay = ta + 10.0;
            let by_delay = if delay < 160.0 { delay / 40.0 } else { (delay - 120.0) / 10.0 };
            93.2 - by_delay - 2.5 * ppl
        };
        assert!(codec_table_rejects(|_, ppl| mos(r(0.0, ppl))));
        assert!(DELAYS.iter().any(|&(ta, _, want, ..)| (r(ta, 0.0) - want).abs() > 0.5));
    }

    #[test]
    fn cole_rosenbluth_is_close_below_300_ms_and_rejected_above() {
        let r = |ta: f64| {
            let bend = if ta > 177.3 { 0.11 * (ta - 177.3) } else { 0.0 };
            93.2 - 0.024 * ta - bend
        };
        for (ta, .., r_full, _) in DELAYS {
            let off = (r(ta) - r_full).abs();
            assert_eq!(off > 0.2, ta > 300.0, "at {ta} ms it is {off} off");
        }
    }

    #[test]
    fn an_unclamped_mos_is_rejected_near_zero() {
        let cubic = |r: f64| 1.0 + 0.035 * r + r * (r - 60.0) * (100.0 - r) * 7e-6;
        assert!(cubic(3.0) < 1.0 && mos(3.0) >= 1.0);
    }
}
