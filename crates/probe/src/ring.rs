//! The probes under way, in a ring of fixed size.

use alloc::boxed::Box;

use pathvane_clock::{Duration, Instant};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum State {
    /// Never sent, or the shell could not send it.
    Unsent,
    Pending,
    Answered,
    Lost,
}

/// One probe: 16 octets.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Slot {
    /// When it was written; what its packet says.
    pub(crate) stamped_at: Instant,
    /// How much later the kernel says it left; `None` until it does.
    lag_ns: i32,
    pub(crate) kernel_sent: bool,
    pub(crate) state: State,
}

impl Slot {
    const EMPTY: Self =
        Self { stamped_at: Instant::ZERO, lag_ns: 0, kernel_sent: false, state: State::Unsent };

    /// When the probe left, as well as is known.
    pub(crate) fn sent_at(&self) -> Instant {
        let lag = Duration::from_nanos(u64::from(self.lag_ns.unsigned_abs()));
        if self.lag_ns < 0 { self.stamped_at - lag } else { self.stamped_at + lag }
    }

    /// Notes the kernel's time; `false` if it is more than two seconds off and so not this probe's.
    pub(crate) fn set_sent(&mut self, at: Instant) -> bool {
        let lag = i128::from(at.as_nanos()) - i128::from(self.stamped_at.as_nanos());
        let Ok(lag) = i32::try_from(lag) else { return false };
        self.lag_ns = lag;
        self.kernel_sent = true;
        true
    }
}

/// The last `capacity` probes by number. Numbers wrap.
#[derive(Clone, Debug)]
pub(crate) struct Ring {
    slots: Box<[Slot]>,
    next: u32,
    /// The oldest pending probe, or `next`.
    oldest: u32,
}

impl Ring {
    /// A ring of `capacity` slots, rounded up to a power of two so that numbers wrap with it.
    pub(crate) fn new(capacity: usize, first: u32) -> Self {
        let slots = alloc::vec![Slot::EMPTY; capacity.next_power_of_two()].into_boxed_slice();
        Self { slots, next: first, oldest: first }
    }

    /// The number of the next probe.
    pub(crate) fn next(&self) -> u32 {
        self.next
    }

    /// Whether the next probe would overwrite one that is pending.
    pub(crate) fn is_full(&self) -> bool {
        self.next.wrapping_sub(self.oldest) as usize >= self.slots.len()
    }

    /// Enters the next probe as pending.
    pub(crate) fn push(&mut self, stamped_at: Instant) {
        let index = self.index(self.next);
        self.slots[index] = Slot { stamped_at, state: State::Pending, ..Slot::EMPTY };
        self.next = self.next.wrapping_add(1);
        self.settle();
    }

    /// Gives the number of the newest probe back, if that is `seq`.
    pub(crate) fn take_back(&mut self, seq: u32) {
        if seq.wrapping_add(1) == self.next {
            if self.oldest == self.next {
                self.oldest = seq;
            }
            self.next = seq;
        }
    }

    /// The probe `seq`, if it is one of the last `capacity`.
    pub(crate) fn get(&mut self, seq: u32) -> Option<&mut Slot> {
        let age = self.next.wrapping_sub(1).wrapping_sub(seq) as usize;
        if age >= self.slots.len() {
            return None;
        }
        let index = self.index(seq);
        Some(&mut self.slots[index])
    }

    /// The oldest pending probe.
    pub(crate) fn oldest(&self) -> Option<(u32, &Slot)> {
        (self.oldest != self.next).then(|| (self.oldest, &self.slots[self.index(self.oldest)]))
    }

    /// Moves `oldest` past probes that are no longer pending; call after changing a state.
    pub(crate) fn settle(&mut self) {
        while self.oldest != self.next
            && self.slots[self.index(self.oldest)].state != State::Pending
        {
            self.oldest = self.oldest.wrapping_add(1);
        }
    }

    fn index(&self, seq: u32) -> usize {
        seq as usize & (self.slots.len() - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    fn at(ms: u64) -> Instant {
        Instant::from_millis(ms)
    }

    #[test]
    fn only_the_last_probes_are_known_across_the_wrap_of_numbers() {
        let mut ring = Ring::new(4, u32::MAX - 2);
        let mut known = Vec::new();
        for turn in 0..6_u32 {
            let seq = ring.next();
            assert_eq!(seq, (u32::MAX - 2).wrapping_add(turn));
            ring.push(at(turn.into()));
            ring.get(seq).unwrap().state = State::Answered;
            ring.settle();
            let last = (0..8).map(|age| seq.wrapping_sub(age));
            known.push(last.filter(|&seq| ring.get(seq).is_some()).count());
            assert!(ring.get(seq.wrapping_add(1)).is_none(), "not sent yet");
            assert_eq!(ring.get(seq).unwrap().stamped_at, at(turn.into()));
        }
        assert_eq!(known, [4; 6], "slots never sent are there, but empty");
        assert_eq!(ring.oldest().map(|(seq, _)| seq), None);
    }

    #[test]
    fn the_oldest_pending_probe_survives_the_wrap_and_fills_the_ring() {
        let mut ring = Ring::new(3, u32::MAX - 1);
        for ms in 0..4 {
            assert!(!ring.is_full());
            ring.push(at(ms));
        }
        assert!(ring.is_full(), "three slots are rounded up to four");
        ring.get(u32::MAX).unwrap().state = State::Answered;
        ring.settle();
        assert_eq!(ring.oldest().map(|(seq, _)| seq), Some(u32::MAX - 1));
        ring.get(u32::MAX - 1).unwrap().state = State::Lost;
        ring.settle();
        assert_eq!(ring.oldest().map(|(seq, _)| seq), Some(0));
        assert!(!ring.is_full());
    }

    #[test]
    fn the_kernel_may_be_earlier_or_later_than_we_were() {
        let mut slot = Slot { stamped_at: at(5_000), ..Slot::EMPTY };
        assert!(slot.set_sent(at(4_999)));
        assert_eq!(slot.sent_at(), at(4_999));
        assert!(slot.set_sent(at(5_007)));
        assert_eq!(slot.sent_at(), at(5_007));
        assert!(!slot.set_sent(at(8_000)));
        assert_eq!(slot.sent_at(), at(5_007));
        assert!(core::mem::size_of::<Slot>() <= 16);
    }
}
