//! Alarms of many alike, by number, for what sets one at every packet.

use alloc::vec::Vec;

use crate::Instant;

/// One optional alarm for each number from 0 on, with the earliest at hand.
///
/// Does what [`Alarms`](crate::Alarms) does for keys that are numbers: a heap that knows where each
/// number stands in it. Nothing is allocated once all numbers were set; setting costs O(log n) steps
/// through one array, a tenth of what two trees cost for thousands of alarms. Equal instants come
/// out in the order of the numbers, so replays are exact.
#[derive(Clone, Debug, Default)]
pub struct Roster {
    /// No entry is earlier than the one at `(place - 1) / CHILDREN`.
    heap: Vec<(Instant, u32)>,
    /// Where each number stands in `heap`.
    places: Vec<u32>,
}

impl Roster {
    /// Four children lie in one line of the cache, and a heap of thousands is six levels deep.
    const CHILDREN: usize = 4;
    /// The place of a number without an alarm.
    const NOWHERE: u32 = u32::MAX;

    /// Sets, moves or (with `None`) removes the alarm of `number`, which is below `u32::MAX`.
    pub fn set(&mut self, number: usize, at: Option<Instant>) {
        if number >= self.places.len() {
            self.places.resize(number + 1, Self::NOWHERE);
        }
        match (self.places[number], at) {
            (Self::NOWHERE, None) => {}
            (Self::NOWHERE, Some(at)) => {
                self.heap.push((at, number as u32));
                self.rise(self.heap.len() - 1);
            }
            (place, Some(at)) => {
                let place = place as usize;
                let before = core::mem::replace(&mut self.heap[place].0, at);
                if at < before {
                    self.rise(place);
                } else if at > before {
                    self.sink(place);
                }
            }
            (place, None) => self.remove(place as usize),
        }
    }

    /// The instant of the earliest alarm.
    pub fn next(&self) -> Option<Instant> {
        self.heap.first().map(|&(at, _)| at)
    }

    /// Removes the earliest alarm due at `now` and returns its number; call until `None`.
    pub fn expire(&mut self, now: Instant) -> Option<usize> {
        let &(at, number) = self.heap.first()?;
        if at > now {
            return None;
        }
        self.remove(0);
        Some(number as usize)
    }

    fn remove(&mut self, place: usize) {
        let (_, number) = self.heap.swap_remove(place);
        self.places[number as usize] = Self::NOWHERE;
        if place < self.heap.len() {
            self.places[self.heap[place].1 as usize] = place as u32;
            // What came from the end may belong above or below.
            let place = self.rise(place);
            self.sink(place);
        }
    }

    /// Moves an entry up to where it belongs; returns its place.
    fn rise(&mut self, mut place: usize) -> usize {
        let entry = self.heap[place];
        while place > 0 {
            let above = (place - 1) / Self::CHILDREN;
            if self.heap[above] <= entry {
                break;
            }
            self.put(place, self.heap[above]);
            place = above;
        }
        self.put(place, entry);
        place
    }

    /// Moves an entry down to where it belongs.
    fn sink(&mut self, mut place: usize) {
        let entry = self.heap[place];
        loop {
            let first = Self::CHILDREN * place + 1;
            let children = first..(first + Self::CHILDREN).min(self.heap.len());
            let Some(least) = children.min_by_key(|&child| self.heap[child]) else { break };
            if entry <= self.heap[least] {
                break;
            }
            self.put(place, self.heap[least]);
            place = least;
        }
        self.put(place, entry);
    }

    fn put(&mut self, place: usize, entry: (Instant, u32)) {
        self.heap[place] = entry;
        self.places[entry.1 as usize] = place as u32;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Alarms;

    fn at(ms: u64) -> Instant {
        Instant::from_millis(ms)
    }

    #[test]
    fn earliest_first_ties_by_number_each_once() {
        let mut roster = Roster::default();
        roster.set(2, Some(at(1)));
        roster.set(1, Some(at(1)));
        roster.set(3, Some(at(4)));
        assert_eq!(roster.next(), Some(at(1)));
        assert_eq!(roster.expire(at(1)), Some(1));
        assert_eq!(roster.expire(at(1)), Some(2));
        assert_eq!(roster.expire(at(1)), None);
        assert_eq!(roster.next(), Some(at(4)));
        roster.set(3, None);
        roster.set(9, None);
        assert_eq!(roster.next(), None);
    }

    /// Set, moved and removed at random, it tells the same as the table with two trees.
    #[test]
    fn it_agrees_with_the_alarms_by_key() {
        let (mut roster, mut alarms) = (Roster::default(), Alarms::default());
        let mut state = 1_u64;
        let mut draw = |below: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 33) % below
        };
        for turn in 0..20_000 {
            let number = draw(60) as usize;
            let due = (draw(5) > 0).then(|| at(turn / 10 + draw(40)));
            roster.set(number, due);
            alarms.set(number, due);
            assert_eq!(roster.next(), alarms.next());
            if draw(4) == 0 {
                let now = at(turn / 10 + draw(10));
                loop {
                    let expired = roster.expire(now);
                    assert_eq!(expired, alarms.expire(now));
                    if expired.is_none() {
                        break;
                    }
                }
            }
        }
    }
}
