//! The scales that calls are rated on, which must never be mixed.

/// A scale of the transmission rating R. A higher R on a wider scale is not a better call than a
/// lower one on a narrower scale.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Scale {
    /// Telephone band, ITU-T G.107.
    #[default]
    Narrowband,
    /// 50 to 7000 Hz, ITU-T G.107.1.
    Wideband,
    /// 20 to 20000 Hz, ITU-T G.107.2.
    Fullband,
}

impl Scale {
    /// The scale's word.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Narrowband => "narrowband",
            Self::Wideband => "wideband",
            Self::Fullband => "fullband",
        }
    }

    /// R of a call without delay, loss or distortion.
    pub const fn base(self) -> f64 {
        match self {
            Self::Narrowband => super::R_MAX,
            Self::Wideband => 129.0,
            Self::Fullband => 148.0,
        }
    }

    /// What impairment by loss tends to.
    pub const fn most_impaired(self) -> f64 {
        match self {
            Self::Narrowband | Self::Wideband => 95.0,
            Self::Fullband => 132.0,
        }
    }

    /// How much longer the scale is than the narrowband one.
    pub const fn stretch(self) -> f64 {
        match self {
            Self::Narrowband => 1.0,
            Self::Wideband => 1.29,
            Self::Fullband => 1.48,
        }
    }

    /// The mean opinion score of a rating on this scale, among listeners to this band, 1 to 4.5.
    pub fn mos(self, r: f64) -> f64 {
        super::mos(r / self.stretch())
    }
}
