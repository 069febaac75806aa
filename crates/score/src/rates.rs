//! How often to probe: a path that carries traffic more often than one that stands by,
//! and more often still while something looks wrong.

use pathvane_clock::Duration;

use crate::{Class, defaults};

/// What a path does for the services that use it; the highest role wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Role {
    /// Ready to take over.
    #[default]
    Standby,
    /// Carries traffic.
    Active,
    /// Something is wrong with the leader: this path may have to lead soon.
    Alerted,
}

/// Probes per second and stream. Rates are in thousandths, so that one every two
/// seconds can be said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ProbeRates {
    /// While the path leads, in thousandths of a probe per second.
    pub active_mpps: u32,
    /// While it stands by.
    pub standby_mpps: u32,
    /// While a detector has seen something, or the leader is suspect.
    pub boost_mpps: u32,
}

impl ProbeRates {
    /// The default rates of a class of service.
    pub const fn of(class: Class) -> Self {
        let (active_mpps, standby_mpps, boost_mpps) = match class {
            Class::Voice => defaults::RATES_VOICE,
            Class::Interactive => defaults::RATES_INTERACTIVE,
            Class::Bulk => defaults::RATES_BULK,
        };
        Self { active_mpps, standby_mpps, boost_mpps }
    }

    /// The faster of both, rate by rate: one probe stream serves every class on a path.
    pub fn fastest(self, other: Self) -> Self {
        Self {
            active_mpps: self.active_mpps.max(other.active_mpps),
            standby_mpps: self.standby_mpps.max(other.standby_mpps),
            boost_mpps: self.boost_mpps.max(other.boost_mpps),
        }
    }

    /// The time between two probes of one stream.
    pub fn interval(&self, role: Role, boost: bool) -> Duration {
        let mpps = match role {
            _ if boost => self.boost_mpps.max(self.active_mpps),
            Role::Standby => self.standby_mpps,
            Role::Active => self.active_mpps,
            Role::Alerted => self.active_mpps.max(self.boost_mpps.min(defaults::RATE_ALERTED)),
        };
        Duration::from_nanos(1_000_000_000_000 / u64::from(mpps.max(1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_follow_role_and_boost() {
        let rates = ProbeRates::of(Class::Voice);
        assert_eq!(rates.interval(Role::Active, false), Duration::from_millis(20));
        assert_eq!(rates.interval(Role::Standby, false), Duration::from_millis(100));
        assert_eq!(rates.interval(Role::Alerted, false), Duration::from_millis(20));
        assert_eq!(rates.interval(Role::Standby, true), Duration::from_millis(5));
        let bulk = ProbeRates::of(Class::Bulk);
        assert_eq!(bulk.interval(Role::Active, false), Duration::from_secs(1));
        assert_eq!(bulk.interval(Role::Alerted, false), Duration::from_millis(100));
        let none = ProbeRates { active_mpps: 0, standby_mpps: 0, boost_mpps: 0 };
        assert_eq!(none.interval(Role::Active, false), Duration::from_secs(1000));
    }

    #[test]
    fn a_shared_path_is_probed_for_its_neediest_class() {
        let both = ProbeRates::of(Class::Bulk).fastest(ProbeRates::of(Class::Interactive));
        assert_eq!(both, ProbeRates::of(Class::Interactive));
    }
}
