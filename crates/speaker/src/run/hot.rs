//! The hot loop: one task that serves links and probes, then peers that speak for paths, then
//! bulk, and lets nothing cross a thread between a cause and the bytes of its consequence.

use std::future::poll_fn;
use std::task::{Context, Poll};
use std::time::Duration;

use pathvane_clock::Instant;
use pathvane_engine::{Command, Engine, Input, Output};
use pathvane_rib::Budget;

use super::outside::{Outside, Which};
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
/// One slice of route work should take about this long.
const SLICE: Duration = Duration::from_micros(300);
/// Bounds of the slice, in routes.
const SLICE_MIN: u32 = 64;
const SLICE_MAX: u32 = 8192;

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
    /// Routes per slice of work, adjusted to take about [`SLICE`].
    slice: u32,
    drained: bool,
    /// What it runs by.
    running: Running,
}

impl Hot {
    pub(super) fn new(
        engine: Engine,
        ready: ReadySet<Token>,
        peers: Peers,
        probes: Probes,
        outside: Outside,
        (alarm, alarm_source): (Alarm, Source),
        running: Running,
    ) -> Self {
        Self {
            engine,
            ready,
            peers,
            probes,
            outside,
            alarm,
            alarm_source,
            armed: None,
            slice: SLICE_MIN,
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

    /// Serves everything urgent and one slice of the rest, then lets the reactor look for more.
    fn turn(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        while let Some(token) = self.ready.take(Class::Urgent) {
            self.serve(token)?;
        }
        let next = self.ready.take(Class::Service).or_else(|| self.ready.take(Class::Bulk));
        if let Some(token) = next {
            self.serve(token)?;
        } else if self.engine.busy() {
            self.work()?;
        }
        if self.engine.busy() || self.ready.poll_any(cx).is_ready() {
            cx.waker().wake_by_ref();
        } else if self.drained && self.peers.idle() {
            return Poll::Ready(Ok(()));
        }
        Poll::Pending
    }

    fn serve(&mut self, token: Token) -> Result<(), Failure> {
        let Self { engine, ready, peers, probes, outside, running, .. } = self;
        match token {
            Token::Alarm => self.ring()?,
            Token::Probes => probes.serve(engine)?,
            Token::Dial(peer) => peers.serve_dial(ready, engine, peer),
            Token::Listener(at) => peers.serve_listener(ready, engine, at),
            Token::Conn(conn) => peers.serve(ready, engine, conn),
            Token::Outside(Which::Reload) => {
                if let Some(reload) = outside.reload() {
                    running.reload(engine, peers, reload);
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
    fn work(&mut self) -> Result<(), Failure> {
        let begin = now();
        self.engine.work(begin, Budget { routes: self.slice });
        let took = now().since(begin);
        self.slice = match took > SLICE {
            true => (self.slice / 2).max(SLICE_MIN),
            false => (self.slice * 2).min(SLICE_MAX),
        };
        self.obey()
    }

    /// Does what the engine asks, until it asks no more.
    fn obey(&mut self) -> Result<(), Failure> {
        let Self { engine, ready, peers, probes, outside, .. } = self;
        let wake = loop {
            match engine.poll() {
                Output::Connect(peer) => peers.dial(ready, engine, peer),
                Output::CancelConnect(peer) => peers.cancel_dial(peer),
                Output::Transmit { conn, .. } => peers.wants(ready, engine, conn),
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
        let due = [wake, peers.next(), outside.next()].into_iter().flatten().min();
        self.arm(due)
    }

    /// Sets the alarm. One that is set for earlier, and still far, stays: each message moves a
    /// HoldTimer. If nothing moves it until it rings, nothing is due, and it is set anew.
    fn arm(&mut self, due: Option<Instant>) -> Result<(), Failure> {
        let earlier = self.armed.filter(|armed| due.is_none_or(|due| *armed < due));
        if due != self.armed && earlier.is_none_or(|armed| armed <= now() + FAR) {
            self.armed = due;
            self.alarm.set(due)?;
        }
        Ok(())
    }
}
