//! Many alarms by key, for cores that own many state machines.

use alloc::collections::{BTreeMap, BTreeSet};

use crate::Instant;

/// One optional alarm per key, with the earliest at hand.
///
/// Setting costs O(log n); asking for the earliest likewise. Equal instants come out
/// in key order, so replays are exact.
#[derive(Clone, Debug)]
pub struct Alarms<K> {
    by_time: BTreeSet<(Instant, K)>,
    by_key: BTreeMap<K, Instant>,
}

impl<K: Ord + Copy> Default for Alarms<K> {
    fn default() -> Self {
        Self { by_time: BTreeSet::new(), by_key: BTreeMap::new() }
    }
}

impl<K: Ord + Copy> Alarms<K> {
    /// Sets, moves or (with `None`) removes the alarm of `key`.
    pub fn set(&mut self, key: K, at: Option<Instant>) {
        let old = match at {
            Some(at) => self.by_key.insert(key, at),
            None => self.by_key.remove(&key),
        };
        if old == at {
            return;
        }
        if let Some(old) = old {
            self.by_time.remove(&(old, key));
        }
        if let Some(at) = at {
            self.by_time.insert((at, key));
        }
    }

    /// The instant of the earliest alarm.
    pub fn next(&self) -> Option<Instant> {
        self.by_time.first().map(|&(at, _)| at)
    }

    /// Removes and returns the earliest alarm due at `now`; call until `None`.
    pub fn expire(&mut self, now: Instant) -> Option<K> {
        let &(at, key) = self.by_time.first()?;
        if at > now {
            return None;
        }
        self.by_time.pop_first();
        self.by_key.remove(&key);
        Some(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn earliest_first_ties_by_key_each_once() {
        let mut alarms = Alarms::default();
        alarms.set(2, Some(Instant::from_secs(1)));
        alarms.set(1, Some(Instant::from_secs(1)));
        alarms.set(3, Some(Instant::from_secs(4)));
        assert_eq!(alarms.expire(Instant::from_secs(1)), Some(1));
        assert_eq!(alarms.expire(Instant::from_secs(1)), Some(2));
        assert_eq!(alarms.expire(Instant::from_secs(1)), None);
        assert_eq!(alarms.next(), Some(Instant::from_secs(4)));
    }

    #[test]
    fn moving_and_removing_leave_no_trace() {
        let mut alarms = Alarms::default();
        alarms.set(7, Some(Instant::from_secs(1)));
        alarms.set(7, Some(Instant::from_secs(9)));
        assert_eq!(alarms.expire(Instant::from_secs(8)), None);
        alarms.set(7, None);
        assert_eq!(alarms.next(), None);
    }
}
