//! The hot loop's clock and its one alarm, exact to microseconds.
//!
//! tokio's timers count milliseconds; a timerfd rings when the kernel's timer does. Measured on a
//! busy virtual machine, in the task: 50 microseconds late at the median. Setting costs one
//! system call, there some 6 microseconds as the hypervisor's timer is set, and none if the time
//! is unchanged.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
use pathvane_clock::Instant;
use tokio::io::unix::AsyncFd;

use crate::sys;

/// The time by `CLOCK_MONOTONIC`, whose origin (boot) is the origin of the shell's [`Instant`]s.
pub fn now() -> Instant {
    // The clock exists on every Linux, and its pointer is valid: the call cannot fail.
    let now = nix::time::clock_gettime(nix::time::ClockId::CLOCK_MONOTONIC).map(Duration::from);
    Instant::ZERO + now.unwrap_or_default()
}

/// One alarm, set to an [`Instant`] on the scale of [`now`].
#[derive(Debug)]
pub struct Alarm {
    timer: TimerFd,
    rings: AsyncFd<OwnedFd>,
    at: Option<Instant>,
}

impl Alarm {
    /// An alarm that is not set. Needs a tokio runtime with I/O.
    pub fn new() -> io::Result<Self> {
        let flags = TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC;
        let timer = TimerFd::new(ClockId::CLOCK_MONOTONIC, flags)?;
        let rings = sys::watch(timer.as_fd().try_clone_to_owned()?)?;
        Ok(Self { timer, rings, at: None })
    }

    /// Sets, moves or (with `None`) silences the alarm. A time that has passed rings at once.
    pub fn set(&mut self, at: Option<Instant>) -> io::Result<()> {
        let at = at.filter(|&at| at != Instant::MAX);
        if at == self.at {
            return Ok(());
        }
        match at {
            Some(at) => {
                // Zero would silence it.
                let at = TimeSpec::from_duration(Duration::from_nanos(at.as_nanos().max(1)));
                self.timer.set(Expiration::OneShot(at), TimerSetTimeFlags::TFD_TIMER_ABSTIME)?;
            }
            None => self.timer.unset()?,
        }
        self.at = at;
        Ok(())
    }

    /// Ready once when the time has come; the alarm is then unset.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            let mut readable = ready!(self.rings.poll_read_ready(cx))?;
            let mut count = [0; 8];
            let read = readable.try_io(|fd| Ok(nix::unistd::read(fd.get_ref(), &mut count)?));
            match read {
                Ok(Ok(_)) => {
                    // One reading empties it.
                    readable.clear_ready();
                    self.at = None;
                    return Poll::Ready(Ok(()));
                }
                Ok(Err(error)) => return Poll::Ready(Err(error)),
                Err(_would_block) => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    fn in_runtime(test: impl Future<Output = ()>) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(test);
    }

    #[test]
    fn rings_at_its_time_and_not_before() {
        in_runtime(async {
            let mut alarm = Alarm::new().expect("an alarm");
            let at = now() + Duration::from_micros(2500);
            alarm.set(Some(at)).expect("set");
            poll_fn(|cx| alarm.poll(cx)).await.expect("rung");
            assert!(now() >= at);
        });
    }

    #[test]
    fn a_time_that_has_passed_rings_at_once_even_twice() {
        in_runtime(async {
            let mut alarm = Alarm::new().expect("an alarm");
            for _ in 0..2 {
                alarm.set(Some(Instant::ZERO)).expect("set");
                poll_fn(|cx| alarm.poll(cx)).await.expect("rung");
            }
        });
    }

    #[test]
    fn never_is_not_now() {
        in_runtime(async {
            let mut alarm = Alarm::new().expect("an alarm");
            for never in [None, Some(Instant::MAX), Some(Instant::from_nanos(u64::MAX - 1))] {
                alarm.set(never).expect("set");
                let rung = poll_fn(|cx| alarm.poll(cx));
                assert!(tokio::time::timeout(Duration::from_millis(5), rung).await.is_err());
            }
        });
    }

    #[test]
    fn a_silenced_or_moved_alarm_does_not_ring_early() {
        in_runtime(async {
            let mut alarm = Alarm::new().expect("an alarm");
            alarm.set(Some(now() + Duration::from_millis(1))).expect("set");
            alarm.set(None).expect("unset");
            let rung = poll_fn(|cx| alarm.poll(cx));
            assert!(tokio::time::timeout(Duration::from_millis(20), rung).await.is_err());

            let late = now() + Duration::from_millis(30);
            alarm.set(Some(now() + Duration::from_millis(1))).expect("set");
            alarm.set(Some(late)).expect("moved");
            poll_fn(|cx| alarm.poll(cx)).await.expect("rung");
            assert!(now() >= late);
        });
    }
}
