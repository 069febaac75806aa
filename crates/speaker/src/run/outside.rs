//! Everything of the loop beside peers and probes: kernel, health checks, operators.

use std::collections::HashMap;
use std::task::Poll;

use ipnet::IpNet;
use pathvane_clock::{Duration, Instant};
use pathvane_engine::{Command, Engine, Event, Input, Report, ServiceId, Share, Via};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;

use super::bfd::Bfd;
use super::peers::Peers;
use super::probes::Probes;
use super::{Failure, Token};
use crate::alarm::now;
use crate::checks::Outcome;
use crate::config::{BfdSession, ShellConfig};
use crate::control::{Checked, Publisher, Reload, Request, Shell};
use crate::fib::{Fib, Work};
use crate::links::Links;
use crate::ready::{Class, ReadySet, Source};

/// Which of them is ready.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Which {
    /// Link, address and route events.
    Links,
    /// Routes wait to be installed.
    Routes,
    /// A health check's outcome.
    Health,
    /// A measurement from outside.
    Report,
    /// The BFD process.
    Bfd,
    /// An operator's question or wish.
    Control,
    /// Another configuration.
    Reload,
    /// A signal to leave.
    Leave,
}

/// What comes from the second runtime, and what goes there.
pub(super) struct Channels {
    /// Outcomes of health checks.
    pub(super) health: mpsc::Receiver<Outcome>,
    /// Measurements from outside.
    pub(super) reports: mpsc::Receiver<Report>,
    /// Questions and wishes from the control interface.
    pub(super) requests: mpsc::Receiver<Request>,
    /// Configurations to run by from now on.
    pub(super) reloads: mpsc::Receiver<Reload>,
    /// Events for whoever listens.
    pub(super) publisher: Publisher,
    /// The run before ended without leaving.
    pub(super) follows_a_crash: bool,
}

/// How long after a failure the kernel's routes are tried again.
const FIB_AGAIN: Duration = Duration::from_secs(1);

/// The kernel, the checks and the operators, as the loop sees them.
pub(super) struct Outside {
    fib: Fib,
    /// When to try again what the kernel did not do.
    fib_again: Option<Instant>,
    links: Links,
    bfd: Bfd,
    facts: Vec<Input<'static>>,
    /// The last answer to each check.
    checked: HashMap<(ServiceId, u16), Checked>,
    channels: Channels,
    signals: [Signal; 2],
    leaving: bool,
    sources: Sources,
}

struct Sources {
    links: Source,
    routes: Source,
    health: Source,
    reports: Source,
    control: Source,
    reload: Source,
    leave: Source,
}

impl Outside {
    pub(super) fn open(
        config: &ShellConfig,
        ready: &mut ReadySet<Token>,
        channels: Channels,
    ) -> Result<Self, Failure> {
        let mut source = |class, which| ready.add(class, Token::Outside(which));
        let sources = Sources {
            links: source(Class::Urgent, Which::Links),
            routes: source(Class::Service, Which::Routes),
            health: source(Class::Service, Which::Health),
            reports: source(Class::Bulk, Which::Report),
            control: source(Class::Bulk, Which::Control),
            reload: source(Class::Bulk, Which::Reload),
            leave: source(Class::Service, Which::Leave),
        };
        let line = source(Class::Urgent, Which::Bfd);
        Ok(Self {
            fib: Fib::open(config.fib, &config.paths)?,
            fib_again: None,
            links: Links::open(&config.paths, &config.conditions)?,
            bfd: Bfd::new(config.bfd_socket.clone(), config.bfd.clone(), line),
            facts: Vec::new(),
            checked: HashMap::new(),
            channels,
            signals: [signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?],
            leaving: false,
            sources,
        })
    }

    /// Whether this run follows another one on this machine, whose routes the kernel still has.
    pub(super) fn restarts(&self) -> bool {
        self.channels.follows_a_crash || self.fib.stats().adopted > 0
    }

    /// Serves one of them.
    pub(super) fn serve(
        &mut self,
        engine: &mut Engine,
        (peers, probes): (&Peers, &Probes),
        which: Which,
    ) -> Result<(), Failure> {
        match which {
            Which::Links => self.serve_links(engine)?,
            Which::Routes => self.serve_routes(),
            Which::Health => self.serve_health(engine),
            Which::Report => self.serve_report(engine),
            Which::Bfd => self.bfd.serve(engine),
            Which::Control => self.serve_control(engine, peers, probes),
            Which::Leave => self.serve_signals(engine)?,
            Which::Reload => {}
        }
        Ok(())
    }

    fn serve_links(&mut self, engine: &mut Engine) -> Result<(), Failure> {
        let changed = self.links.serve(&mut self.sources.links.context(), &mut self.facts)?;
        for fact in self.facts.drain(..) {
            engine.handle(now(), fact);
        }
        if changed {
            // After the switch that the facts may cause: it must not wait for repairs.
            self.fib.reconcile();
            self.sources.routes.wake();
        }
        Ok(())
    }

    fn serve_routes(&mut self) {
        match self.fib.work() {
            Work::More => self.sources.routes.wake(),
            Work::Failed => self.fib_again = Some(now() + FIB_AGAIN),
            Work::Done => {}
        }
    }

    fn serve_health(&mut self, engine: &mut Engine) {
        let mut cx = self.sources.health.context();
        while let Poll::Ready(Some(outcome)) = self.channels.health.poll_recv(&mut cx) {
            let Outcome { service, check, healthy, .. } = outcome;
            engine.handle(now(), Input::Health { service, check, healthy });
            self.checked.insert((service, check), Checked { at: now(), outcome });
        }
    }

    /// One measurement a turn.
    fn serve_report(&mut self, engine: &mut Engine) {
        let mut cx = self.sources.reports.context();
        if let Poll::Ready(Some(report)) = self.channels.reports.poll_recv(&mut cx) {
            self.sources.reports.wake();
            engine.handle(now(), Input::Report(report));
        }
    }

    /// One request a turn: an answer may be a page of routes.
    fn serve_control(&mut self, engine: &mut Engine, peers: &Peers, probes: &Probes) {
        let mut cx = self.sources.control.context();
        if let Poll::Ready(Some(request)) = self.channels.requests.poll_recv(&mut cx) {
            self.sources.control.wake();
            let shell = Shell {
                fib: &|| self.fib.stats(),
                tcp: &|conn| peers.facts(conn),
                source_port: &|stream, nth| probes.source_port(stream, nth),
                checked: &|service, check| self.checked.get(&(service, check)).cloned(),
            };
            let bfd = || self.bfd.show(engine);
            if let Some(command) = request.answer(engine, shell, bfd) {
                engine.handle(now(), Input::Command(command));
            }
        }
    }

    /// The configuration that is to be followed now, if one is.
    pub(super) fn reload(&mut self) -> Option<Reload> {
        let mut cx = self.sources.reload.context();
        match self.channels.reloads.poll_recv(&mut cx) {
            Poll::Ready(reload) => {
                self.sources.reload.wake();
                reload
            }
            Poll::Pending => None,
        }
    }

    /// Wants these BFD sessions from now on; false if nothing changes.
    pub(super) fn claim_bfd(&mut self, engine: &mut Engine, sessions: Vec<BfdSession>) -> bool {
        self.bfd.follow(engine, sessions)
    }

    /// The first signal drains (law 10), the second ends at once.
    fn serve_signals(&mut self, engine: &mut Engine) -> Result<(), Failure> {
        let mut cx = self.sources.leave.context();
        for signal in &mut self.signals {
            while signal.poll_recv(&mut cx).is_ready() {
                if std::mem::replace(&mut self.leaving, true) {
                    return Err(Failure::Interrupted);
                }
                tracing::info!("leaving: MED is raised, prefixes are withdrawn, sessions closed");
                engine.handle(now(), Input::Command(Command::Drain { text: String::new() }));
            }
        }
        Ok(())
    }

    /// Switches a service's next hops and tells the engine what came of it.
    pub(super) fn fib_group(
        &mut self,
        engine: &mut Engine,
        service: ServiceId,
        generation: u64,
        carry: &[Share],
    ) {
        let switched = self.fib.switch(service, carry);
        // Routes that waited for the group, or lost theirs, go in next.
        self.sources.routes.wake();
        if let Err(error) = &switched {
            let service = &engine.config().services[service.index()].name;
            tracing::error!(service, "{error}");
        }
        let ok = switched.is_ok();
        engine.handle(now(), Input::FibDone { service, generation, ok });
    }

    /// Installs or removes a route, in its turn.
    pub(super) fn fib_route(&mut self, prefix: IpNet, via: Option<Via>) {
        self.fib.route(prefix, via);
        self.sources.routes.wake();
    }

    /// Routes of an earlier run that were not named may go.
    pub(super) fn fib_synced(&mut self) {
        self.fib.synced();
        self.sources.routes.wake();
    }

    /// When [`Self::tick`] has something to do.
    pub(super) fn next(&self) -> Option<Instant> {
        [self.bfd.next(), self.fib_again].into_iter().flatten().min()
    }

    /// Connects to the BFD process, and tries routes again, where that is due.
    pub(super) fn tick(&mut self, at: Instant) {
        self.bfd.tick(at);
        if self.fib_again.take_if(|again| *again <= at).is_some() {
            self.sources.routes.wake();
        }
    }

    /// The speaker has left.
    pub(super) fn release(&mut self) {
        self.bfd.release();
    }

    /// Tells everybody who listens, and the log.
    pub(super) fn publish(&mut self, engine: &Engine, event: Event) {
        self.channels.publisher.publish(engine, event);
    }
}
