//! The E-model with every term of ITU-T G.107 (06/2015) section 7.
//!
//! For conformance only; symbols are those of the Recommendation.

use libm::{exp, log2, log10, pow, sqrt};

/// The inputs of G.107 table 2, without the codec (which gives Ie,eff).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Inputs {
    /// Send loudness rating, dB.
    pub slr: f64,
    /// Receive loudness rating, dB.
    pub rlr: f64,
    /// Sidetone masking rating, dB.
    pub stmr: f64,
    /// D-value of the telephone at the send side.
    pub ds: f64,
    /// D-value of the telephone at the receive side.
    pub dr: f64,
    /// Talker echo loudness rating, dB.
    pub telr: f64,
    /// Weighted echo path loss, dB.
    pub wepl: f64,
    /// Mean one-way delay of the echo path, ms.
    pub t: f64,
    /// Round-trip delay in a four-wire loop, ms.
    pub tr: f64,
    /// Absolute delay in echo-free connections, ms.
    pub ta: f64,
    /// Delay sensitivity.
    pub st: f64,
    /// Minimum perceivable delay, ms.
    pub mt: f64,
    /// Quantisation distortion units.
    pub qdu: f64,
    /// Effective equipment impairment.
    pub ie_eff: f64,
    /// Circuit noise referred to 0 dBr, dBm0p.
    pub nc: f64,
    /// Noise floor at the receive side, dBmp.
    pub nfor: f64,
    /// Room noise at the send side, dB(A).
    pub ps: f64,
    /// Room noise at the receive side, dB(A).
    pub pr: f64,
    /// Advantage factor.
    pub a: f64,
}

impl Default for Inputs {
    fn default() -> Self {
        Self {
            slr: 8.0,
            rlr: 2.0,
            stmr: 15.0,
            ds: 3.0,
            dr: 3.0,
            telr: 65.0,
            wepl: 110.0,
            t: 0.0,
            tr: 0.0,
            ta: 0.0,
            st: 1.0,
            mt: 100.0,
            qdu: 1.0,
            ie_eff: 0.0,
            nc: -70.0,
            nfor: -64.0,
            ps: 35.0,
            pr: 35.0,
            a: 0.0,
        }
    }
}

/// The rating with its terms.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Terms {
    /// `Ro - Is - Id - Ie,eff + A`.
    pub r: f64,
    /// Basic signal-to-noise ratio.
    pub ro: f64,
    /// Simultaneous impairments.
    pub is: f64,
    /// Talker echo.
    pub idte: f64,
    /// Listener echo.
    pub idle: f64,
    /// Absolute delay.
    pub idd: f64,
}

impl Inputs {
    /// Rates the connection.
    pub fn rate(&self) -> Terms {
        let no = self.noise();
        let ro = 15.0 - 1.5 * (self.slr + no);
        let ist = self.sidetone();
        let is = self.loudness(no) + ist + self.quantisation(ro);
        let idte = self.talker_echo(no, ist);
        let idle = self.listener_echo(ro);
        let idd = self.absolute_delay();
        Terms { r: ro - is - idte - idle - idd - self.ie_eff + self.a, ro, is, idte, idle, idd }
    }

    /// No: the power sum of all noise sources (7-3 to 7-7).
    fn noise(&self) -> f64 {
        let olr = self.slr + self.rlr;
        let nos =
            self.ps - self.slr - self.ds - 100.0 + 0.004 * square(self.ps - olr - self.ds - 14.0);
        let lstr = self.stmr + self.dr;
        let pre = self.pr + 10.0 * log10(1.0 + from_db(10.0 - lstr));
        let nor = self.rlr - 121.0 + pre + 0.008 * square(pre - 35.0);
        let nfo = self.nfor + self.rlr;
        10.0 * log10(from_db(self.nc) + from_db(nos) + from_db(nor) + from_db(nfo))
    }

    /// Iolr: too loud (7-9, 7-10).
    fn loudness(&self, no: f64) -> f64 {
        let xolr = self.slr + self.rlr + 0.2 * (64.0 + no - self.rlr);
        20.0 * (norm(xolr / 8.0, 8.0) - xolr / 8.0)
    }

    /// Ist: sidetone that is not optimal (7-11, 7-12).
    fn sidetone(&self) -> f64 {
        let stmro = -10.0 * log10(from_db(-self.stmr) + exp(-self.t / 4.0) * from_db(-self.telr));
        12.0 * norm((stmro - 13.0) / 6.0, 8.0)
            - 28.0 * norm((stmro + 1.0) / 19.4, 35.0)
            - 13.0 * norm((stmro - 3.0) / 33.0, 13.0)
            + 29.0
    }

    /// Iq: quantising distortion (7-13 to 7-17).
    fn quantisation(&self, ro: f64) -> f64 {
        let q = 37.0 - 15.0 * log10(self.qdu);
        let g = 1.07 + 0.258 * q + 0.0602 * q * q;
        let y = (ro - 100.0) / 15.0 + 46.0 / 8.4 - g / 9.0;
        let z = 46.0 / 30.0 - g / 40.0;
        15.0 * log10(1.0 + pow(10.0, y) + pow(10.0, z))
    }

    /// Idte, with the corrections for strong and weak sidetone (7-19 to 7-24).
    fn talker_echo(&self, no: f64, ist: f64) -> f64 {
        let roe = -1.5 * (no - self.rlr);
        let mut terv = self.telr - 40.0 * log10((1.0 + self.t / 10.0) / (1.0 + self.t / 150.0))
            + 6.0 * exp(-0.3 * self.t * self.t);
        if self.stmr < 9.0 {
            terv += ist / 2.0;
        }
        let half = (roe - (80.0 + 2.5 * (terv - 14.0))) / 2.0;
        let idte = (half + sqrt(half * half + 100.0) - 1.0) * (1.0 - exp(-self.t));
        if self.stmr > 20.0 { sqrt(idte * idte + ist * ist) } else { idte }
    }

    /// Idle (7-25, 7-26).
    fn listener_echo(&self, ro: f64) -> f64 {
        let rle = 10.5 * (self.wepl + 7.0) * pow(self.tr + 1.0, -0.25);
        let half = (ro - rle) / 2.0;
        half + sqrt(half * half + 169.0)
    }

    /// Idd for any delay sensitivity (7-27, 7-28).
    fn absolute_delay(&self) -> f64 {
        if self.ta <= self.mt {
            return 0.0;
        }
        let x = log2(self.ta / self.mt);
        let power = 6.0 * self.st;
        25.0 * (norm(x, power) - 3.0 * norm(x / 3.0, power) + 2.0)
    }
}

/// `(1 + x^n)^(1/n)`, the shape of most terms.
fn norm(x: f64, n: f64) -> f64 {
    pow(1.0 + pow(x, n), 1.0 / n)
}

fn from_db(x: f64) -> f64 {
    pow(10.0, x / 10.0)
}

fn square(x: f64) -> f64 {
    x * x
}
