//! Health checks of a service's instances: HTTP, HTTPS and TCP, in the slow runtime.
//!
//! Each [`Check`] asks at its interval, names are resolved anew each time, and every answer becomes an
//! [`Outcome`] on a bounded channel. Whether an instance counts as healthy follows only after several
//! equal answers ([`Check::fall`], [`Check::rise`]); the first answer of all decides at once.
//!
//! Knows instances only by service and index; what health means for routes is the engine's.

mod ask;
mod judge;
#[cfg(test)]
mod tests;
mod tls;

use std::future::Future;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use pathvane_engine::ServiceId;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval_at};

use ask::Asker;
use judge::Judge;

pub use ask::{Ask, Endpoint, Http};
pub use tls::Roots;

/// One instance, and how it is asked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Check {
    /// Whose instance.
    pub service: ServiceId,
    /// Which of the service's checks.
    pub check: u16,
    /// What is asked.
    pub ask: Ask,
    /// The source address, if fixed; it also fixes the family of the instance's address.
    pub source: Option<IpAddr>,
    /// The interface to leave through, if fixed.
    pub device: Option<String>,
    /// Time between two questions, not zero.
    pub interval: Duration,
    /// Time for resolving, connecting and the whole answer.
    pub timeout: Duration,
    /// Failures in a row until unhealthy; 2 is usual.
    pub fall: u8,
    /// Successes in a row until healthy again; 3 is usual.
    pub rise: u8,
}

/// One answer of an instance.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Outcome {
    /// Whose instance.
    pub service: ServiceId,
    /// Which of the service's checks.
    pub check: u16,
    /// This answer was as expected.
    pub ok: bool,
    /// The instance counts as healthy, after rise and fall.
    pub healthy: bool,
    /// `healthy` is new with this answer.
    pub changed: bool,
    /// What the instance said, or what went wrong, for people.
    pub detail: String,
    /// Time from the question to the head of an HTTP answer, if it came.
    pub first_byte: Option<Duration>,
    /// Time from the question to the end of the answer, or to the failure.
    pub response_time: Duration,
}

/// Asks all instances until `shutdown` completes or nobody listens to `outcomes` any more.
///
/// The first questions are spread over each check's interval. A full channel holds questions
/// back, never the receiver. A check whose certificates cannot be read fails with that as its detail.
pub async fn run(
    checks: Vec<Check>,
    outcomes: mpsc::Sender<Outcome>,
    shutdown: impl Future<Output = ()>,
) {
    let total = u32::try_from(checks.len()).unwrap_or(u32::MAX).max(1);
    let mut tasks = JoinSet::new();
    for (turn, check) in (0..).zip(checks) {
        let delay = check.interval / total * turn;
        tasks.spawn(watch(check, delay, outcomes.clone()));
    }
    drop(outcomes);
    let ended = async { while tasks.join_next().await.is_some() {} };
    tokio::select! {
        () = shutdown => {}
        () = ended => {}
    }
}

/// Asks one instance for ever.
async fn watch(check: Check, delay: Duration, outcomes: mpsc::Sender<Outcome>) {
    let asker = Arc::new(Asker::new(&check));
    let mut judge = Judge::new(check.fall, check.rise);
    let mut ticks = interval_at((Instant::now() + delay).into(), check.interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = outcomes.closed() => return,
        }
        let asked = Instant::now();
        let mut head = None;
        let answer = tokio::time::timeout(check.timeout, asker.ask(&mut head)).await;
        let answer =
            answer.unwrap_or_else(|_| Err(format!("no answer within {:?}", check.timeout)));
        let ok = answer.is_ok();
        let (healthy, changed) = judge.hear(ok);
        let outcome = Outcome {
            service: check.service,
            check: check.check,
            ok,
            healthy,
            changed,
            detail: answer.unwrap_or_else(|failure| failure),
            first_byte: head.map(|head| head.duration_since(asked)),
            response_time: asked.elapsed(),
        };
        if outcomes.send(outcome).await.is_err() {
            return;
        }
    }
}
