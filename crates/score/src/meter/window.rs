//! Which probes were sent, answered, lost: the last 1024 of a stream in 256 bytes and a few.

use pathvane_clock::{Duration, Instant};

/// Probes whose fate can still be told apart.
const SPAN: u32 = 1024;

/// Probes that may be under way at once. The monitor keeps its advice on intervals above
/// the round trip divided by this.
pub(crate) const MAX_OUTSTANDING: u32 = 64;

/// Send times are kept as gaps in units of 2^16 ns (66 us), 4.3 s at most.
const GAP_SHIFT: u32 = 16;

/// The gap of a number under which nothing was sent.
const SKIPPED: u16 = u16::MAX;

/// What a reply is to the window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mark {
    /// Never sent, or too long ago to tell.
    Unknown,
    /// Answered before.
    Duplicate,
    /// In time.
    OnTime,
    /// The probe had been counted lost.
    Late,
}

/// Probes in order of their numbers: below `head` the fate is settled, from `head` to
/// `next` they are under way.
#[derive(Clone, Debug)]
pub(crate) struct Window {
    answered: [u64; (SPAN / 64) as usize],
    gaps: [u16; MAX_OUTSTANDING as usize],
    first: u32,
    head: u32,
    next: u32,
    /// When `head` was sent, if it is below `next`.
    head_sent: Instant,
    /// When `next - 1` was sent, as the gaps say it: their rounding must not add up.
    last_sent: Instant,
}

impl Window {
    pub(crate) fn new() -> Self {
        Self {
            answered: [0; (SPAN / 64) as usize],
            gaps: [0; MAX_OUTSTANDING as usize],
            first: 0,
            head: 0,
            next: 0,
            head_sent: Instant::ZERO,
            last_sent: Instant::ZERO,
        }
    }

    /// Whether one more probe would push out one whose fate is open.
    pub(crate) fn is_full(&self) -> bool {
        self.outstanding() >= MAX_OUTSTANDING
    }

    /// Notes probe `seq`, and says whether it follows the last one. If not, the window starts
    /// anew.
    pub(crate) fn sent(&mut self, now: Instant, seq: u32) -> bool {
        let follows = seq == self.next;
        if !follows {
            *self = Self { first: seq, head: seq, next: seq, ..Self::new() };
        }
        let longest = u128::from(SKIPPED - 1);
        let gap = (now.since(self.last_sent).as_nanos() >> GAP_SHIFT).min(longest) as u16;
        self.gaps[(seq % MAX_OUTSTANDING) as usize] = gap;
        if self.outstanding() == 0 {
            self.head_sent = now;
            self.last_sent = now;
        } else {
            self.last_sent += nanos(gap);
        }
        self.set_answered(seq, false);
        self.pass(seq);
        follows
    }

    /// The number that the next probe should have.
    pub(crate) fn next(&self) -> u32 {
        self.next
    }

    /// Nothing is sent under the next number.
    pub(crate) fn skip(&mut self) {
        let seq = self.next;
        let idle = self.outstanding() == 0;
        self.gaps[(seq % MAX_OUTSTANDING) as usize] = SKIPPED;
        // Nobody can answer it either.
        self.set_answered(seq, true);
        self.pass(seq);
        if idle {
            self.head = self.next;
        }
    }

    fn pass(&mut self, seq: u32) {
        self.next = seq.wrapping_add(1);
        if self.next.wrapping_sub(self.first) > SPAN {
            self.first = self.next.wrapping_sub(SPAN);
        }
    }

    /// Whether nothing was sent under the number of the oldest probe under way.
    pub(crate) fn is_head_skipped(&self) -> bool {
        self.gaps[(self.head % MAX_OUTSTANDING) as usize] == SKIPPED
    }

    /// Notes a reply to probe `seq`.
    pub(crate) fn mark(&mut self, seq: u32) -> Mark {
        let age = self.next.wrapping_sub(seq);
        if age == 0 || age > self.next.wrapping_sub(self.first) {
            return Mark::Unknown;
        }
        if self.is_answered(seq) {
            return Mark::Duplicate;
        }
        self.set_answered(seq, true);
        if age > self.outstanding() { Mark::Late } else { Mark::OnTime }
    }

    /// When the oldest probe under way was sent.
    pub(crate) fn head_sent(&self) -> Option<Instant> {
        (self.outstanding() > 0).then_some(self.head_sent)
    }

    /// The number of the oldest probe under way, and whether its answer is here.
    pub(crate) fn head(&self) -> Option<(u32, bool)> {
        (self.outstanding() > 0).then(|| (self.head, self.is_answered(self.head)))
    }

    /// Settles the oldest probe under way.
    pub(crate) fn settle(&mut self) {
        if self.outstanding() == 0 {
            return;
        }
        self.head = self.head.wrapping_add(1);
        if self.outstanding() > 0 {
            self.head_sent += self.head_gap();
        }
    }

    /// The time between the oldest probe under way and the one before it, 4.3 s at most.
    pub(crate) fn head_gap(&self) -> Duration {
        nanos(self.gaps[(self.head % MAX_OUTSTANDING) as usize])
    }

    /// The time between probe `seq` and the one before it, if it is one of the last that may be under way.
    pub(crate) fn gap(&self, seq: u32) -> Option<Duration> {
        let age = self.next.wrapping_sub(seq);
        let known = (1..=MAX_OUTSTANDING.min(self.next.wrapping_sub(self.first))).contains(&age);
        known.then(|| nanos(self.gaps[(seq % MAX_OUTSTANDING) as usize]))
    }

    fn outstanding(&self) -> u32 {
        self.next.wrapping_sub(self.head)
    }

    fn is_answered(&self, seq: u32) -> bool {
        self.answered[word(seq)] & bit(seq) != 0
    }

    fn set_answered(&mut self, seq: u32, answered: bool) {
        if answered {
            self.answered[word(seq)] |= bit(seq);
        } else {
            self.answered[word(seq)] &= !bit(seq);
        }
    }
}

fn nanos(gap: u16) -> Duration {
    let gap = if gap == SKIPPED { 0 } else { gap };
    Duration::from_nanos(u64::from(gap) << GAP_SHIFT)
}

fn word(seq: u32) -> usize {
    (seq % SPAN / 64) as usize
}

fn bit(seq: u32) -> u64 {
    1 << (seq % 64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Instant {
        Instant::from_millis(ms)
    }

    #[test]
    fn every_kind_of_reply_is_told_apart_across_the_wrap() {
        for start in [0, u32::MAX - 2] {
            let mut window = Window::new();
            for i in 0..5 {
                window.sent(ms(20 * u64::from(i)), start.wrapping_add(i));
            }
            let seq = |i| start.wrapping_add(i);
            window.settle();
            assert_eq!(window.mark(seq(0)), Mark::Late);
            assert_eq!(window.mark(seq(0)), Mark::Duplicate);
            assert_eq!(window.mark(seq(2)), Mark::OnTime);
            assert_eq!(window.mark(seq(5)), Mark::Unknown, "not sent yet");
            assert_eq!(window.mark(seq(u32::MAX)), Mark::Unknown, "before the first");
        }
    }

    #[test]
    fn a_reply_older_than_the_window_is_unknown() {
        let mut window = Window::new();
        for seq in 0..2000 {
            window.sent(ms(u64::from(seq)), seq);
            window.settle();
        }
        assert_eq!(window.mark(2000 - SPAN - 1), Mark::Unknown);
        assert_eq!(window.mark(2000 - SPAN), Mark::Late);
    }

    #[test]
    fn send_times_do_not_drift() {
        let mut window = Window::new();
        let odd = Duration::from_nanos(20_033_333);
        let mut now = ms(5);
        let mut times = alloc::vec::Vec::new();
        for seq in 0..10_000_u32 {
            window.sent(now, seq);
            times.push(now);
            if seq >= 5 {
                window.settle();
            }
            now += odd;
            let head = window.head().unwrap().0 as usize;
            let error = times[head].since(window.head_sent().unwrap());
            assert!(error < Duration::from_micros(66), "{error:?} at {seq}");
        }
    }

    #[test]
    fn what_is_skipped_is_neither_late_nor_under_way() {
        let mut window = Window::new();
        window.sent(ms(0), 10);
        window.skip();
        assert!(window.sent(ms(20), 12));
        window.settle();
        assert!(window.is_head_skipped());
        assert_eq!((window.mark(11), window.head_sent()), (Mark::Duplicate, Some(ms(0))));
        window.settle();
        assert!(!window.is_head_skipped());
        let error = ms(20).since(window.head_sent().unwrap());
        assert!(error < Duration::from_micros(66), "{error:?}");
        window.settle();
        window.skip();
        assert_eq!((window.head(), window.head_sent()), (None, None));
        assert!(window.sent(ms(500), 14));
        assert_eq!((window.head(), window.head_sent()), (Some((14, false)), Some(ms(500))));
    }

    #[test]
    fn a_jump_in_numbers_starts_anew() {
        let mut window = Window::new();
        window.sent(ms(0), 10);
        window.sent(ms(20), 11);
        window.sent(ms(40), 500);
        assert_eq!(window.mark(11), Mark::Unknown);
        assert_eq!(window.head(), Some((500, false)));
        assert_eq!(window.head_sent(), Some(ms(40)));
    }
}
