//! The E-model (ITU-T G.107, 06/2015): from delay and loss to the rating R and a MOS.
//!
//! Ranking uses the echo-free form `R = 93.2 - Idd - Ie,eff`, since the choice of a path
//! cannot change an echo. [`full`] has every term and exists to be compared with others.
//! Wideband (G.107.1) and fullband (G.107.2) codecs are rated on scales of their own, which
//! [`Scale`] keeps apart.

pub mod full;
mod playout;
mod root;
mod scale;

pub use playout::{BUFFERS_MS, Playout, playout};
use root::sixth_root;
pub use scale::Scale;

/// R of a call without delay, loss or distortion, all other inputs at their defaults
/// (G.107 table 2).
pub const R_MAX: f64 = 93.2;

/// mT: the delay that people do not notice, for the default class of delay sensitivity.
pub const MIN_PERCEIVABLE_DELAY_MS: f64 = 100.0;

/// How a codec suffers from loss.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Impairment {
    /// `Ie,eff = Ie + (95 - Ie) * Ppl / (Ppl / BurstR + Bpl)` (G.107 equation 7-29), with
    /// [`Scale::most_impaired`] for 95.
    PacketLoss {
        /// Equipment impairment without loss.
        ie: f64,
        /// Robustness against loss.
        bpl: f64,
    },
    /// `Ie,eff = offset + scale * log10(1 + slope * Ppl)`: a published fit where the ITU
    /// gives no Ie and Bpl.
    Logarithmic {
        /// Impairment without loss.
        offset: f64,
        /// Points per decade.
        scale: f64,
        /// Per percent of loss.
        slope: f64,
    },
}

/// What a call's codec adds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Codec {
    /// The codec's name, in lower case.
    pub name: &'static str,
    /// How it suffers from loss.
    pub impairment: Impairment,
    /// The scale it is rated on.
    pub scale: Scale,
    /// Delay of packetisation and coding, in milliseconds.
    pub delay_ms: f64,
    /// The impairment is not an ITU figure: do not compare its MOS with other codecs'.
    pub provisional: bool,
}

impl Codec {
    /// G.711 without loss concealment (G.113 Appendix I), 20 ms packets.
    pub const G711: Self = Self::itu("g711", 0.0, 4.3, 25.0);
    /// G.711 with the concealment of its Appendix I, 20 ms packets.
    pub const G711_PLC: Self = Self::itu("g711-plc", 0.0, 25.1, 25.0);
    /// G.729A with voice activity detection, two 10 ms frames a packet and 5 ms look-ahead.
    pub const G729A: Self = Self::itu("g729a", 11.0, 19.0, 35.0);
    /// GSM enhanced full rate, 20 ms frames.
    pub const GSM_EFR: Self = Self::itu("gsm-efr", 5.0, 10.0, 25.0);
    /// AMR-WB at 12.65 kbit/s, 20 ms frames and 5 ms look-ahead; rated wideband, heard with both
    /// ears (G.113 Appendix IV).
    pub const AMR_WB: Self = Self {
        name: "amr-wb",
        impairment: Impairment::PacketLoss { ie: 20.0, bpl: 4.3 },
        scale: Scale::Wideband,
        delay_ms: 30.0,
        provisional: false,
    };
    /// Opus in its SILK mode, 20 ms frames and 6.5 ms look-ahead; the fit of QCMan 2013.
    pub const OPUS: Self = Self {
        name: "opus",
        impairment: Impairment::Logarithmic { offset: 1.31953, scale: 18.3442, slope: 1.54894 },
        scale: Scale::Narrowband,
        delay_ms: 31.5,
        provisional: true,
    };
    /// Every codec known by name.
    pub const ALL: [Self; 6] =
        [Self::G711, Self::G711_PLC, Self::G729A, Self::GSM_EFR, Self::AMR_WB, Self::OPUS];

    const fn itu(name: &'static str, ie: f64, bpl: f64, delay_ms: f64) -> Self {
        let impairment = Impairment::PacketLoss { ie, bpl };
        Self { name, impairment, scale: Scale::Narrowband, delay_ms, provisional: false }
    }

    /// The codec of that name.
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|codec| codec.name == name)
    }

    /// Whether it matters how losses cluster: a published fit may know their share alone.
    pub const fn knows_bursts(&self) -> bool {
        matches!(self.impairment, Impairment::PacketLoss { .. })
    }

    /// Ie,eff at `ppl` percent of loss that comes in bursts `burst_r` times as long as
    /// those of random loss (1 is random).
    pub fn effective_impairment(&self, ppl: f64, burst_r: f64) -> f64 {
        match self.impairment {
            Impairment::PacketLoss { ie, bpl } => {
                ie + (self.scale.most_impaired() - ie) * ppl / (ppl / burst_r.max(1.0) + bpl)
            }
            Impairment::Logarithmic { offset, scale, slope } => {
                offset + scale * libm::log10(1.0 + slope * ppl)
            }
        }
    }
}

/// A rating with the terms it is made of.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub struct Rating {
    /// The transmission rating, from 0 to [`Scale::base`].
    pub r: f64,
    /// The scale of `r`.
    pub scale: Scale,
    /// Mouth-to-ear delay, in milliseconds.
    pub ta_ms: f64,
    /// Loss after the jitter buffer, in percent.
    pub ppl: f64,
    /// Burst ratio.
    pub burst_r: f64,
    /// Impairment by delay.
    pub idd: f64,
    /// Impairment by codec and loss.
    pub ie_eff: f64,
}

impl Rating {
    /// Puts the terms together.
    fn of(scale: Scale, ta_ms: f64, idd: f64, (ppl, burst_r, ie_eff): (f64, f64, f64)) -> Self {
        let r = (scale.base() - idd - ie_eff).max(0.0);
        Self { r, scale, ta_ms, ppl, burst_r, idd, ie_eff }
    }

    /// The MOS of this rating, by its own scale: not to be compared with that of another scale.
    pub fn mos(&self) -> f64 {
        self.scale.mos(self.r)
    }

    /// The rating as a score from 0 to 100, for the same codec on different paths.
    pub fn score(&self) -> f64 {
        self.r / self.scale.stretch()
    }
}

/// Rates a call by the echo-free form: mouth-to-ear delay in milliseconds, loss in percent.
pub fn rate(codec: &Codec, ta_ms: f64, ppl: f64, burst_r: f64) -> Rating {
    let ie_eff = codec.effective_impairment(ppl, burst_r);
    Rating::of(codec.scale, ta_ms, idd(ta_ms), (ppl, burst_r, ie_eff))
}

/// Idd, the impairment by pure delay for the default class of delay sensitivity (sT = 1,
/// mT = 100 ms; G.107 equations 7-27 and 7-28).
///
/// The sixth power is a product here and its root a Newton iteration, which makes it several
/// times as fast as the general form of [`full`].
pub fn idd(ta_ms: f64) -> f64 {
    if ta_ms <= MIN_PERCEIVABLE_DELAY_MS {
        return 0.0;
    }
    let x = libm::log2(ta_ms / MIN_PERCEIVABLE_DELAY_MS);
    let sixth_norm = |x: f64| sixth_root(1.0 + (x * x * x) * (x * x * x));
    25.0 * (sixth_norm(x) - 3.0 * sixth_norm(x / 3.0) + 2.0)
}

/// The mean opinion score estimated from a rating (G.107 Annex B), 1 to 4.5.
///
/// The cubic dips below 1 between R = 0 and 6.5; it is held at 1 there.
pub fn mos(r: f64) -> f64 {
    if r <= 0.0 {
        1.0
    } else if r >= 100.0 {
        4.5
    } else {
        (1.0 + 0.035 * r + r * (r - 60.0) * (100.0 - r) * 7e-6).max(1.0)
    }
}

/// BurstR of a two-state loss process: `1 / (p + q)` with the probabilities of entering and
/// of leaving loss (G.107). At least 1: less bursty than random is rated as random.
pub fn burst_ratio(p: f64, q: f64) -> f64 {
    if p + q <= 0.0 { 1.0 } else { (1.0 / (p + q)).max(1.0) }
}
