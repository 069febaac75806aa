//! What each peer is told about each steered prefix, and what it may still believe.
//!
//! A path that died silently cannot carry its own withdrawal (law 2), so what was decided,
//! what is on the wire and what the peer still holds are three different things. This ledger
//! keeps the lowest MED each peer may still hold; the leader's MED is chosen to beat all of
//! those, which makes the undercut a consequence instead of a special case.

use core::time::Duration;

use pathvane_clock::Instant;

use crate::config::MedPlan;
use crate::event::Signal;

/// What a path is to a service, and so what its peers are told.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Role {
    /// Carries the traffic.
    Leader,
    /// Works and waits.
    Standby,
    /// Usable only if nothing better is.
    Degraded,
    /// Dead: withdrawn, unless it is the last usable way (law 3).
    Out,
}

impl Role {
    /// The role in a word, for people.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Leader => "leader",
            Self::Standby => "standby",
            Self::Degraded => "degraded",
            Self::Out => "out",
        }
    }
}

/// The MED for `role`, given the lowest MED that peers of other paths may still hold.
///
/// For the leader: the highest value of the plan that still wins after the receiver added its
/// largest distance cost to it and none to the other.
pub(crate) fn med_for(role: Role, plan: &MedPlan, lowest_elsewhere: Option<u32>) -> u32 {
    let wins = |med: &u32| lowest_elsewhere.is_none_or(|low| med + plan.cost_bound < low);
    match role {
        Role::Leader => {
            [plan.primary, plan.undercut].into_iter().find(wins).unwrap_or(plan.undercut_last)
        }
        Role::Standby => plan.backup,
        Role::Degraded | Role::Out => plan.degraded,
    }
}

/// The ledger's entry for one peer and one prefix.
#[derive(Clone, Debug, Default)]
pub(crate) struct Told {
    /// The latest decision since the session came up.
    now: Option<Signal>,
    /// The lowest MED the peer may still hold; `None` if it can hold nothing.
    lowest_held: Option<u32>,
    /// When a decision last made the prefix look worse, and better.
    worse_at: Option<Instant>,
    better_at: Option<Instant>,
    /// When an undercut that is no longer needed is given back.
    pub(crate) relax_at: Option<Instant>,
}

/// Why a change of signal is made, which says whether a budget applies (law 9).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Urgency {
    /// Withdrawals, undercuts, and whatever carries out a move: at once.
    Now,
    /// A re-ranking among paths that do not carry the traffic.
    Paced,
}

impl Told {
    /// The latest decision, if one was made on this session.
    pub(crate) fn now(&self) -> Option<Signal> {
        self.now
    }

    /// The lowest MED the peer may still hold.
    pub(crate) fn lowest_held(&self) -> Option<u32> {
        self.lowest_held
    }

    /// When `signal` may be sent: now, later (the pace of law 9), or not at all since nothing changes.
    pub(crate) fn due(
        &self,
        signal: Signal,
        urgency: Urgency,
        degrade: Duration,
        improve: Duration,
    ) -> Option<Instant> {
        let Some(before) = self.now else { return Some(Instant::ZERO) };
        if before == signal {
            return None;
        }
        if urgency == Urgency::Now {
            return Some(Instant::ZERO);
        }
        let (last, interval) = match worsens(before, signal) {
            true => (self.worse_at, degrade),
            false => (self.better_at, improve),
        };
        Some(last.map_or(Instant::ZERO, |last| last + interval))
    }

    /// Records that `signal` was decided at `now`.
    pub(crate) fn tell(&mut self, now: Instant, signal: Signal) {
        if let Some(before) = self.now {
            match worsens(before, signal) {
                true => self.worse_at = Some(now),
                false => self.better_at = Some(now),
            }
        }
        self.now = Some(signal);
        if let Signal::Announce { med } = signal {
            self.lowest_held = Some(self.lowest_held.map_or(med, |held| held.min(med)));
        }
    }

    /// The peer's TCP acknowledged everything up to the latest decision.
    pub(crate) fn confirm(&mut self) {
        self.lowest_held = match self.now {
            Some(Signal::Announce { med }) => Some(med),
            Some(Signal::Withhold) => None,
            None => self.lowest_held,
        };
    }

    /// The session went down; what the peer holds is unknown until [`Self::purge`] or the next
    /// confirmation.
    pub(crate) fn lose(&mut self) {
        self.now = None;
        self.relax_at = None;
    }

    /// The peer holds nothing of ours any more.
    pub(crate) fn purge(&mut self) {
        self.now = None;
        self.lowest_held = None;
    }
}

/// Whether going from `before` to `after` makes the prefix look worse to the peer.
fn worsens(before: Signal, after: Signal) -> bool {
    let rank = |signal| match signal {
        Signal::Announce { med } => u64::from(med),
        Signal::Withhold => u64::MAX,
    };
    rank(after) > rank(before)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAN: MedPlan = MedPlan {
        primary: 20_000,
        backup: 30_000,
        degraded: 40_000,
        undercut: 10_000,
        undercut_last: 0,
        cost_bound: 9_999,
    };
    const fn announce(med: u32) -> Signal {
        Signal::Announce { med }
    }

    #[test]
    fn leader_beats_whatever_may_be_held_elsewhere_with_the_least_drama() {
        assert_eq!(med_for(Role::Leader, &PLAN, None), 20_000);
        assert_eq!(med_for(Role::Leader, &PLAN, Some(30_000)), 20_000);
        assert_eq!(med_for(Role::Leader, &PLAN, Some(20_000)), 10_000);
        assert_eq!(med_for(Role::Leader, &PLAN, Some(10_000)), 0);
        assert_eq!(med_for(Role::Leader, &PLAN, Some(0)), 0);
        assert_eq!(med_for(Role::Standby, &PLAN, Some(0)), 30_000);
        assert_eq!(med_for(Role::Degraded, &PLAN, None), 40_000);
    }

    #[test]
    fn a_raise_that_was_not_acknowledged_does_not_count() {
        let mut told = Told::default();
        told.tell(Instant::ZERO, announce(20_000));
        told.confirm();
        told.tell(Instant::from_secs(1), announce(40_000));
        assert_eq!(told.lowest_held(), Some(20_000));
        told.confirm();
        assert_eq!(told.lowest_held(), Some(40_000));
        told.tell(Instant::from_secs(2), Signal::Withhold);
        assert_eq!(told.lowest_held(), Some(40_000));
        told.confirm();
        assert_eq!(told.lowest_held(), None);
    }

    #[test]
    fn a_lost_session_leaves_its_routes_behind_until_they_are_known_to_be_gone() {
        let mut told = Told::default();
        told.tell(Instant::ZERO, announce(20_000));
        told.confirm();
        told.lose();
        assert_eq!((told.now(), told.lowest_held()), (None, Some(20_000)));
        told.purge();
        assert_eq!(told.lowest_held(), None);
    }

    #[test]
    fn budgets_slow_re_ranking_but_never_a_move() {
        let (degrade, improve) = (Duration::from_secs(5), Duration::from_secs(60));
        let mut told = Told::default();
        let due = |told: &Told, signal, urgency| told.due(signal, urgency, degrade, improve);
        assert_eq!(due(&told, announce(30_000), Urgency::Paced), Some(Instant::ZERO));
        told.tell(Instant::from_secs(1), announce(30_000));
        assert_eq!(due(&told, announce(30_000), Urgency::Now), None);
        told.tell(Instant::from_secs(10), announce(40_000));
        told.tell(Instant::from_secs(11), announce(30_000));
        assert_eq!(due(&told, announce(40_000), Urgency::Paced), Some(Instant::from_secs(15)));
        assert_eq!(due(&told, announce(40_000), Urgency::Now), Some(Instant::ZERO));
        told.tell(Instant::from_secs(16), announce(40_000));
        assert_eq!(due(&told, announce(30_000), Urgency::Paced), Some(Instant::from_secs(71)));
    }
}
