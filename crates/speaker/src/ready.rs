//! Which sources of the hot loop have something to do, in order of urgency.
//!
//! One task serves every socket. Were each polled on each wake, a wake would cost O(all sockets);
//! here every source has a waker of its own that queues the source's token and wakes the task
//! once, so a wake costs O(ready sources).
//!
//! ```text
//! loop {
//!     while let Some(token) = set.take_urgent() { serve it fully }
//!     if let Some(token) = set.take_fresh() { serve a slice; continue }
//!     if let Some(token) = set.take_again() { serve a slice }
//!     yield to the reactor, then wait until set.poll_any(cx) is ready
//! }
//! ```
//!
//! A source that had its turn and has more to do is served *again*, after all that became ready of
//! themselves: who says little never waits for who says much. Those turns make rounds. A
//! source is fresh at most once in a round, so who says a little very often starves nobody.
//!
//! Serving means calling `poll_*` with [`Source::context`], which re-arms the waker whenever it
//! answers "pending"; whoever stops early calls [`Source::wake`] to be served again. Run the task
//! under [`tokio::task::unconstrained`]: tokio's cooperative budget would otherwise answer
//! "pending" for ready sources.
//!
//! Cost, measured on one core: about 40 ns for a wake and its `take`, no allocation once the
//! queues have grown to the number of sources.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

/// How urgent a source is; served in this order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Class {
    /// Link events, probes, the alarm.
    Urgent,
    /// Peers that speak for a path.
    Service,
    /// Everybody else.
    Bulk,
}

const CLASSES: usize = 3;

/// The ready sources, each known by a token `T` of the caller's.
#[derive(Debug)]
pub struct ReadySet<T> {
    shared: Arc<Mutex<Shared<T>>>,
}

#[derive(Debug)]
struct Shared<T> {
    /// By class: became ready of themselves.
    fresh: [Queue<T>; CLASSES],
    /// By class: had their turn in this round.
    again: [Queue<T>; CLASSES],
    /// Counts the turns that sources of class bulk were given again.
    round: u64,
    /// The last turn that was given again went to a service.
    served_service: bool,
    /// The task, if it waits and was not woken yet.
    waiting: Option<Waker>,
}

type Queue<T> = VecDeque<Arc<Entry<T>>>;

#[derive(Debug)]
struct Entry<T> {
    token: T,
    class: Class,
    /// In a queue, or about to be: further wakes add nothing.
    queued: AtomicBool,
    /// The round of its last turn.
    served: AtomicU64,
    shared: Arc<Mutex<Shared<T>>>,
}

/// One source's place in the set. Dropping it ends its wakes; a token already queued may still
/// come out once.
#[derive(Debug)]
pub struct Source {
    waker: Waker,
}

impl<T> Default for ReadySet<T> {
    fn default() -> Self {
        let shared = Shared {
            fresh: Default::default(),
            again: Default::default(),
            round: 1,
            served_service: false,
            waiting: None,
        };
        Self { shared: Arc::new(Mutex::new(shared)) }
    }
}

impl<T: Copy + Send + Sync + 'static> ReadySet<T> {
    /// Adds a source. It counts as ready, so that its first service arms its waker.
    pub fn add(&mut self, class: Class, token: T) -> Source {
        let shared = Arc::clone(&self.shared);
        let (queued, served) = (AtomicBool::new(false), AtomicU64::new(0));
        let entry = Arc::new(Entry { token, class, queued, served, shared });
        let source = Source { waker: entry.into() };
        source.wake();
        source
    }

    /// Takes the urgent source that has been ready for longest.
    pub fn take_urgent(&self) -> Option<T> {
        let mut shared = lock(&self.shared);
        let entry = shared.fresh[Class::Urgent as usize].pop_front()?;
        Some(entry.taken(&shared))
    }

    /// Takes a source that became ready and has not been served in this round: one of class service,
    /// if there is any, and the one that has been ready for longest.
    pub fn take_fresh(&self) -> Option<T> {
        let mut shared = lock(&self.shared);
        let [_, service, bulk] = &mut shared.fresh;
        let entry = service.pop_front().or_else(|| bulk.pop_front())?;
        Some(entry.taken(&shared))
    }

    /// Takes a source that had its turn and has more to do: of class service and of class bulk by
    /// turns, and the one that has waited for longest.
    pub fn take_again(&self) -> Option<T> {
        let mut shared = lock(&self.shared);
        let service_first = !shared.served_service;
        let [_, service, bulk] = &mut shared.again;
        let entry = match service_first || bulk.is_empty() {
            true => service.pop_front().or_else(|| bulk.pop_front())?,
            false => bulk.pop_front()?,
        };
        shared.served_service = entry.class == Class::Service;
        shared.round += u64::from(entry.class == Class::Bulk);
        Some(entry.taken(&shared))
    }

    /// Ready while any source is; otherwise wakes the task when one becomes so.
    pub fn poll_any(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut shared = lock(&self.shared);
        if shared.fresh.iter().chain(&shared.again).any(|queue| !queue.is_empty()) {
            return Poll::Ready(());
        }
        match &mut shared.waiting {
            Some(waker) => waker.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
        Poll::Pending
    }
}

impl Source {
    /// The context whose waker marks this source; for `poll_*` calls.
    pub fn context(&self) -> Context<'_> {
        Context::from_waker(&self.waker)
    }

    /// Marks the source ready by hand: there is more to do for it.
    pub fn wake(&self) {
        self.waker.wake_by_ref();
    }
}

impl<T: Copy> Entry<T> {
    /// Its token. Called before it is served, so that a wake during service queues it again.
    fn taken(&self, shared: &Shared<T>) -> T {
        self.served.store(shared.round, Ordering::Release);
        self.queued.store(false, Ordering::Release);
        self.token
    }
}

impl<T: Send + Sync> Wake for Entry<T> {
    fn wake(self: Arc<Self>) {
        if self.queued.swap(true, Ordering::AcqRel) {
            return;
        }
        let mut shared = lock(&self.shared);
        let waiting = shared.waiting.take();
        let entry = Arc::clone(&self);
        let had_its_turn = self.served.load(Ordering::Acquire) == shared.round;
        let queues = match had_its_turn && self.class != Class::Urgent {
            true => &mut shared.again,
            false => &mut shared.fresh,
        };
        queues[self.class as usize].push_back(entry);
        drop(shared);
        if let Some(task) = waiting {
            task.wake();
        }
    }
}

/// No code panics while it holds the lock, so a poisoned one is still whole.
fn lock<T>(shared: &Mutex<Shared<T>>) -> MutexGuard<'_, Shared<T>> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    #[derive(Default)]
    struct Counter(AtomicUsize);

    impl Wake for Counter {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn urgent(set: &ReadySet<u32>) -> Vec<u32> {
        std::iter::from_fn(|| set.take_urgent()).collect()
    }

    fn fresh(set: &ReadySet<u32>) -> Vec<u32> {
        std::iter::from_fn(|| set.take_fresh()).collect()
    }

    /// What the loop does: who is fresh first.
    fn take(set: &ReadySet<u32>) -> Option<u32> {
        set.take_fresh().or_else(|| set.take_again())
    }

    fn all(set: &ReadySet<u32>) -> Vec<u32> {
        std::iter::from_fn(|| take(set)).collect()
    }

    #[test]
    fn a_new_source_is_ready_once_so_that_it_gets_armed() {
        let mut set = ReadySet::default();
        let _link = set.add(Class::Urgent, 1);
        let _bulk = set.add(Class::Bulk, 2);
        let _service = set.add(Class::Service, 3);
        assert_eq!(urgent(&set), [1]);
        assert_eq!(fresh(&set), [3, 2], "services first");
        assert_eq!(set.take_again(), None);
    }

    #[test]
    fn many_wakes_of_a_source_make_it_ready_once() {
        let mut set = ReadySet::default();
        let source = set.add(Class::Bulk, 7);
        source.wake();
        source.wake();
        assert_eq!(all(&set), [7]);
        source.wake();
        assert_eq!(all(&set), [7]);
    }

    #[test]
    fn who_has_more_to_do_is_served_after_all_who_became_ready() {
        let mut set = ReadySet::default();
        let (stream, lone) = (set.add(Class::Bulk, 1), set.add(Class::Bulk, 2));
        assert_eq!(all(&set), [1, 2]);
        stream.wake();
        for _ in 0..3 {
            assert_eq!(take(&set), Some(1));
            // There is more, and meanwhile somebody else got something.
            stream.wake();
            lone.wake();
            assert_eq!(take(&set), Some(2), "before the next slice of the stream");
        }
    }

    #[test]
    fn who_says_little_without_end_gets_one_turn_for_each_of_the_others() {
        let mut set = ReadySet::default();
        let (stream, chatter) = (set.add(Class::Bulk, 1), set.add(Class::Bulk, 2));
        assert_eq!(all(&set), [1, 2]);
        let (mut turns, sources) = (Vec::new(), [&stream, &chatter]);
        sources.iter().for_each(|source| source.wake());
        for _ in 0..100 {
            let token = take(&set).expect("both are always ready");
            sources[token as usize - 1].wake();
            turns.push(token);
        }
        assert_eq!(turns.iter().filter(|token| **token == 1).count(), 50);
    }

    #[test]
    fn a_bulky_service_takes_half_and_a_service_waits_for_one_slice_at_most() {
        let mut set = ReadySet::default();
        let service = set.add(Class::Service, 0);
        let bulk: Vec<_> = (1..=8).map(|token| set.add(Class::Bulk, token)).collect();
        all(&set);
        service.wake();
        bulk.iter().for_each(Source::wake);
        let mut turns = Vec::new();
        for _ in 0..32 {
            let token = take(&set).expect("all are always ready");
            match token {
                0 => service.wake(),
                nth => bulk[nth as usize - 1].wake(),
            }
            turns.push(token);
        }
        assert!(turns.windows(2).all(|pair| pair.contains(&0)), "{turns:?}");
        assert_eq!(turns.iter().filter(|token| **token == 8).count(), 2, "{turns:?}");
    }

    #[test]
    fn the_task_is_woken_once_per_wait() {
        let mut set = ReadySet::default();
        let (one, two) = (set.add(Class::Urgent, 1), set.add(Class::Service, 2));
        let task = Arc::new(Counter::default());
        let waker = Waker::from(Arc::clone(&task));
        let mut cx = Context::from_waker(&waker);

        assert!(set.poll_any(&mut cx).is_ready());
        urgent(&set);
        all(&set);
        assert!(set.poll_any(&mut cx).is_pending());
        one.wake();
        two.wake();
        assert_eq!(task.0.load(Ordering::Relaxed), 1);
        assert!(set.poll_any(&mut cx).is_ready());
    }

    #[test]
    fn wakes_from_other_threads_are_never_lost() {
        let mut set = ReadySet::default();
        let source = Arc::new(set.add(Class::Bulk, 1));
        all(&set);
        let task = Arc::new(Counter::default());
        let waker = Waker::from(Arc::clone(&task));
        for round in 1..=1000 {
            let waits = set.poll_any(&mut Context::from_waker(&waker)).is_pending();
            assert!(waits, "round {round}: nothing was ready");
            let remote = Arc::clone(&source);
            std::thread::spawn(move || remote.wake()).join().expect("the waking thread");
            assert_eq!(task.0.load(Ordering::Relaxed), round);
            assert_eq!(all(&set), [1]);
        }
    }
}
