//! The few named timers of one state machine.

use crate::Instant;

/// A timer's name: an enum whose variants number the slots of a [`Timers`] table.
pub trait TimerKey: Copy {
    /// The slot, below the table's `N`.
    fn slot(self) -> usize;
    /// The timer of a slot; only called with slots that [`TimerKey::slot`] returned.
    fn from_slot(slot: usize) -> Self;
}

/// One optional instant per timer. Setting, stopping and reading cost a store or a
/// scan of `N` words; use it where `N` is small (a session has about eight).
#[derive(Clone, Debug)]
pub struct Timers<const N: usize> {
    at: [Option<Instant>; N],
}

impl<const N: usize> Default for Timers<N> {
    fn default() -> Self {
        Self { at: [None; N] }
    }
}

impl<const N: usize> Timers<N> {
    /// Starts or restarts `timer` so that it fires at `at`.
    pub fn set<K: TimerKey>(&mut self, timer: K, at: Instant) {
        self.at[timer.slot()] = Some(at);
    }

    /// Stops `timer`; nothing happens if it does not run.
    pub fn stop<K: TimerKey>(&mut self, timer: K) {
        self.at[timer.slot()] = None;
    }

    /// Stops every timer.
    pub fn stop_all(&mut self) {
        self.at = [None; N];
    }

    /// When `timer` fires, if it runs.
    pub fn get<K: TimerKey>(&self, timer: K) -> Option<Instant> {
        self.at[timer.slot()]
    }

    /// When the first of the running timers fires.
    pub fn next(&self) -> Option<Instant> {
        self.at.iter().flatten().min().copied()
    }

    /// Stops and returns the earliest timer due at `now`; call until `None`.
    /// Of two due at the same instant the lower slot comes first.
    pub fn expire<K: TimerKey>(&mut self, now: Instant) -> Option<K> {
        let (slot, at) = self
            .at
            .iter()
            .enumerate()
            .filter_map(|(slot, at)| at.map(|at| (slot, at)))
            .min_by_key(|&(slot, at)| (at, slot))?;
        if at > now {
            return None;
        }
        self.at[slot] = None;
        Some(K::from_slot(slot))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Copy, Debug, PartialEq)]
    enum Which {
        Hold,
        Keepalive,
    }

    impl TimerKey for Which {
        fn slot(self) -> usize {
            self as usize
        }
        fn from_slot(slot: usize) -> Self {
            [Self::Hold, Self::Keepalive][slot]
        }
    }

    #[test]
    fn due_timers_come_out_in_order_and_once() {
        let mut timers = Timers::<2>::default();
        timers.set(Which::Hold, Instant::from_secs(9));
        timers.set(Which::Keepalive, Instant::from_secs(3));
        assert_eq!(timers.next(), Some(Instant::from_secs(3)));
        assert_eq!(timers.expire::<Which>(Instant::from_secs(2)), None);
        assert_eq!(timers.expire(Instant::from_secs(9)), Some(Which::Keepalive));
        assert_eq!(timers.expire(Instant::from_secs(9)), Some(Which::Hold));
        assert_eq!(timers.expire::<Which>(Instant::MAX), None);
    }

    #[test]
    fn restarting_moves_and_stopping_silences() {
        let mut timers = Timers::<2>::default();
        timers.set(Which::Hold, Instant::from_secs(1));
        timers.set(Which::Hold, Instant::from_secs(5));
        assert_eq!(timers.get(Which::Hold), Some(Instant::from_secs(5)));
        timers.stop(Which::Hold);
        assert_eq!(timers.next(), None);
    }
}
