//! The hot loop: one task that serves links and probes, then whoever became ready, peers that matter
//! to services first, then a slice of what there is much of; and lets nothing cross a thread
//! between a cause and the bytes of its consequence.
//!
//! The reactor is asked for news after every slice, so nothing waits longer than one slice takes
//! (`pace.rs`). The reasons are in `docs/adr/0011-small-turns.md`.

use std::future::poll_fn;
use std::task::{Context, Poll};
use std::time::Duration;

use pathvane_clock::Instant;
use pathvane_engine::{Command, Engine, Input, Output};
use pathvane_rib::Budget;

use super::outside::{Outside, Which};
use super::pace::{Pace, TURN};
use super::peers::Peers;
use super::probes::Probes;
use super::reload::Running;
use super::{Failure, Token};
use crate::alarm::{Alarm, now};
use crate::ready::{Class, ReadySet, Source};

/// A loop this late has not been reading replies: pending silence is void. Half the time between
/// two probes of a voice path.
const STALL: Duration = Duration::from_millis(10);
/// An alarm further away than this may be set too early. Above the time between two probes, whose
/// deadlines move with each reply: an alarm that rings in vain costs more than setting it does.
const FAR: Duration = Duration::from_millis(100);
/// Replies to probes wait this long for the loop to wake by itself. Their times are the kernel's, and
/// whatever is due is due after they were read: only what a reply says to our face is told that much
/// later. With hundreds of paths probes are due every half millisecond, and being woken for each
/// reply would cost more than all the rest of measuring.
const SOON: Duration = Duration::from_millis(1);
/// Routes that are worked on in one turn.
const ROUTES: Pace = Pace::new(64, 8192);
/// Slices that peers are told for one that is read or worked on, where both wait, if fewer peers are
/// in line: what was read should not pile up.
const TOLD_IN_A_ROW: usize = 3;

/// Everything the loop owns.
pub(super) struct Hot {
    engine: Engine,
    ready: ReadySet<Token>,
    peers: Peers,
    probes: Probes,
    outside: Outside,
    alarm: Alarm,
    alarm_source: Source,
    /// What the alarm is set to: when something is due, or earlier.
    armed: Option<Instant>,
    /// Whether replies wake the loop; unknown after they did.
    listening: Option<bool>,
    /// Ready while routes wait for their turn.
    work: Source,
    working: Pace,
    /// Slices that may be told before the next one is read or worked on.
    tellings: usize,
    drained: bool,
    /// What it runs by.
    running: Running,
}

impl Hot {
    pub(super) fn new(
        engine: Engine,
        mut ready: ReadySet<Token>,
        peers: Peers,
        probes: Probes,
        outside: Outside,
        (alarm, alarm_source): (Alarm, Source),
        running: Running,
    ) -> Self {
        let work = ready.add(Class::Bulk, Token::Work);
        Self {
            engine,
            ready,
            peers,
            probes,
            outside,
            alarm,
            alarm_source,
            armed: None,
            listening: None,
            work,
            working: ROUTES,
            tellings: 0,
            drained: false,
            running,
        }
    }

    /// Runs until the speaker has left.
    pub(super) async fn run(mut self) -> Result<(), Failure> {
        self.engine.handle(now(), Input::Command(Command::Start));
        self.obey()?;
        tokio::task::unconstrained(poll_fn(|cx| self.turn(cx))).await
    }

    /// Serves who became ready, or one slice of what there is much of; then lets the reactor look for
    /// more.
    fn turn(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        let begin = now();
        loop {
            while let Some(token) = self.ready.take_urgent() {
                self.serve(token)?;
            }
            let Some(token) = self.ready.take_fresh() else {
                self.go_on()?;
                break;
            };
            self.serve(token)?;
            if now().since(begin) > TURN {
                break;
            }
        }
        if self.ready.poll_any(cx).is_ready() || self.peers.in_line() > 0 {
            cx.waker().wake_by_ref();
        } else if self.drained && self.peers.idle() {
            return Poll::Ready(Ok(()));
        }
        Poll::Pending
    }

    /// One slice of what there is much of: told, read or worked on. While there is something to read,
    /// bulk is told some of at a time, and to everyone in line before more is read: what like
    /// peers share is encoded for a state of the routes.
    fn go_on(&mut self) -> Result<(), Failure> {
        if self.tellings > 0 && self.peers.bulk_is_due(now()) {
            self.tellings -= 1;
        } else if let Some(token) = self.ready.take_again() {
            self.tellings = self.peers.in_line().max(TOLD_IN_A_ROW);
            return self.serve(token);
        }
        self.peers.tell(&mut self.ready, &mut self.engine);
        self.obey()
    }

    fn serve(&mut self, token: Token) -> Result<(), Failure> {
        let Self { engine, ready, peers, probes, outside, running, .. } = self;
        match token {
            Token::Alarm => self.ring()?,
            Token::Work => self.do_work(),
            Token::Probes => {
                probes.read_all(engine);
                self.listening = None;
            }
            Token::Dial(peer) => peers.serve_dial(ready, engine, peer),
            Token::Listener(at) => peers.serve_listener(ready, engine, at),
            Token::Conn(conn) => peers.serve(ready, engine, conn),
            Token::Outside(Which::Reload) => {
                if let Some(reload) = outside.reload() {
                    running.reload(engine, (peers, outside), reload);
                }
            }
            Token::Outside(which) => outside.serve(engine, (peers, probes), which)?,
        }
        self.obey()
    }

    /// The alarm rang: what has arrived is read first, then timers fire.
    fn ring(&mut self) -> Result<(), Failure> {
        if self.alarm.poll(&mut self.alarm_source.context())?.is_pending() {
            return Ok(());
        }
        self.alarm_source.wake();
        let at = now();
        let lag = at.since(self.armed.take().unwrap_or(at));
        if lag > STALL {
            self.engine.handle(at, Input::Stalled { lag });
        }
        self.probes.read_all(&mut self.engine);
        self.engine.handle(now(), Input::Timeout);
        self.peers.tick(&mut self.engine, now());
        self.outside.tick(now());
        Ok(())
    }

    /// One slice of work on routes.
    fn do_work(&mut self) {
        if self.engine.busy() {
            let begin = now();
            let more = self.engine.work(begin, Budget { routes: self.working.amount() });
            self.working.learn(now().since(begin), more);
        }
    }

    /// Does what the engine asks, until it asks no more.
    fn obey(&mut self) -> Result<(), Failure> {
        let Self { engine, ready, peers, probes, outside, .. } = self;
        let wake = loop {
            match engine.poll() {
                Output::Connect(peer) => peers.dial(ready, engine, peer),
                Output::CancelConnect(peer) => peers.cancel_dial(peer),
                Output::Transmit { conn, urgent, .. } => peers.wants(ready, engine, conn, urgent),
                Output::Close { conn, .. } => peers.close(ready, engine, conn),
                Output::Probe(probe) => probes.send(engine, &probe),
                Output::FibGroup { service, generation, carry } => {
                    outside.fib_group(engine, service, generation, &carry);
                }
                Output::FibRoute { prefix, via } => outside.fib_route(prefix, via),
                Output::FibSynced => outside.fib_synced(),
                Output::Event(event) => outside.publish(engine, event),
                Output::Gone(peer) => peers.remove(peer),
                Output::Drained => {
                    self.drained = true;
                    outside.release();
                }
                Output::Timeout(at) => break at,
            }
        };
        if engine.busy() {
            self.work.wake();
        }
        let due = [wake, peers.next(), outside.next()].into_iter().flatten().min();
        self.arm(due)?;
        self.listen()
    }

    /// Lets replies wake the loop, unless it wakes soon by itself.
    fn listen(&mut self) -> Result<(), Failure> {
        let listening = self.armed.is_none_or(|armed| armed > now() + SOON);
        if self.listening != Some(listening) {
            self.listening = Some(listening);
            self.probes.listen(listening)?;
        }
        Ok(())
    }

    /// Sets the alarm. One that is set for earlier, and still far, stays: each message moves a
    /// HoldTimer. If nothing moves it until it rings, nothing is due, and it is set anew.
    fn arm(&mut self, due: Option<Instant>) -> Result<(), Failure> {
        if due != self.armed && !may_stay(self.armed, due, now()) {
            self.armed = due;
            self.alarm.set(due)?;
        }
        Ok(())
    }
}

/// Whether an alarm is good enough though it is not set to what is due: it rings earlier, and not
/// soon.
fn may_stay(armed: Option<Instant>, due: Option<Instant>, at: Instant) -> bool {
    armed.is_some_and(|armed| due.is_none_or(|due| armed < due) && armed > at + FAR)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alarm_may_ring_in_vain_but_neither_late_nor_soon_in_vain() {
        let at = |ms| Some(Instant::from_millis(ms));
        let now = Instant::from_millis(1_000);
        assert!(may_stay(at(30_000), at(60_000), now), "each message moves a HoldTimer");
        assert!(may_stay(at(30_000), None, now));
        assert!(!may_stay(at(60_000), at(30_000), now), "something is due earlier");
        assert!(!may_stay(None, at(30_000), now));
        assert!(!may_stay(at(1_050), at(60_000), now), "it would ring in vain soon");
        assert!(!may_stay(at(900), at(60_000), now), "it has rung");
    }
}
