//! Waiting for something to become true, without asserting how fast.

use std::time::{Duration, Instant};

/// Asks every 50 ms until there is an answer; panics with `what` after `secs` seconds.
pub(crate) fn until<T>(secs: u64, what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + Duration::from_secs(secs);
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < end, "not within {secs} s: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Like [`until`], for a condition.
pub(crate) fn until_true(secs: u64, what: &str, mut ask: impl FnMut() -> bool) {
    until(secs, what, || ask().then_some(()));
}
