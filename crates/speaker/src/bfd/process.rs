//! The BFD process: one thread that waits for packets, times and speakers, in this order.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::time::TimeSpec;
use pathvane_clock::Instant;
use pathvane_probe::bfd::Table;

use super::protocol::{Key, Reply, Request, SESSIONS_MAX, Session, VERSION, Wanted};
use super::socket::Sockets;
use super::visitor::Visitor;
use crate::alarm::now;
use crate::os_error::OsError;
use crate::socket_file::{MODE, Remedies, SocketFile};
use crate::sys;

/// A loop this late did not run when it should: what its peers sent may still be on the way.
const STALL: Duration = Duration::from_millis(10);
/// Sessions whose sockets could not be had are tried again after this.
const RETRY: Duration = Duration::from_secs(1);
/// Whoever claims sessions gets their counters anew after this.
const REFRESH: Duration = Duration::from_secs(5);
/// Connections at a time.
const VISITORS_MAX: usize = 16;
/// The real-time priority asked for: above everything ordinary, below the kernel's own threads.
const PRIORITY: i32 = 10;

const REMEDIES: Remedies = Remedies {
    alive: "another BFD process answers there: it serves the speaker already",
    no_socket: "a file that is no socket is there: remove it, or set `bfd_socket` to another path",
    other: "create the directory, or set `bfd_socket` to a path this user may write to",
};

/// How the process runs.
#[derive(Clone, Debug)]
pub struct Options {
    /// The unix socket on which speakers claim sessions.
    pub socket: PathBuf,
    /// Sessions that nobody claims for so long are taken down administratively.
    pub unclaimed: Duration,
}

/// Serves until a signal, a release, or until nobody has claimed anything for long enough; sessions
/// are then taken down administratively, which their peers are told first.
///
/// # Errors
///
/// If the unix socket cannot be had, or waiting for events fails.
pub fn run(options: &Options) -> Result<(), OsError> {
    let failed = |error| OsError::new("serve BFD sessions", error);
    let mut process = Process::new(options)?;
    if let Err(error) = sys::set_real_time(PRIORITY) {
        tracing::info!(
            "no real-time priority ({error}); CAP_SYS_NICE would help on a busy machine"
        );
    }
    tracing::info!(socket = %options.socket.display(), "BFD process serves");
    while !process.is_done() {
        process.turn().map_err(failed)?;
    }
    tracing::info!("BFD process ends");
    Ok(())
}

/// Everything the process has.
struct Process {
    table: Table<Key>,
    sockets: Sockets,
    listener: UnixListener,
    _file: SocketFile,
    signals: SignalFd,
    visitors: Vec<Visitor>,
    /// What was claimed last.
    wanted: BTreeMap<Key, Wanted>,
    /// Claimed sessions without sockets, and why.
    impossible: BTreeMap<Key, String>,
    retry_at: Option<Instant>,
    refresh_at: Option<Instant>,
    /// Sessions that were taken down and whose peers are being told.
    closing: BTreeSet<Key>,
    unclaimed: Duration,
    /// When what nobody claims is taken down.
    abandoned_at: Option<Instant>,
    /// Ends once the last session has told its peer.
    ending: bool,
    stalls: u64,
}

impl Process {
    fn new(options: &Options) -> Result<Self, OsError> {
        let failed = |error| OsError::new("set up the BFD process", error);
        let (listener, file) =
            SocketFile::bind(&options.socket, MODE, "the BFD socket", &REMEDIES)?;
        listener.set_nonblocking(true).map_err(failed)?;
        let seed = crate::run::seed().map_err(failed)?;
        Ok(Self {
            table: Table::new(seed),
            sockets: Sockets::new(seed.rotate_left(17)),
            listener,
            _file: file,
            signals: signals().map_err(failed)?,
            visitors: Vec::new(),
            wanted: BTreeMap::new(),
            impossible: BTreeMap::new(),
            retry_at: None,
            refresh_at: None,
            closing: BTreeSet::new(),
            unclaimed: options.unclaimed,
            abandoned_at: Some(now() + options.unclaimed),
            ending: false,
            stalls: 0,
        })
    }

    fn is_done(&self) -> bool {
        self.ending && self.table.sessions().next().is_none()
    }

    /// Waits, then serves packets, times and speakers.
    fn turn(&mut self) -> io::Result<()> {
        let due = [self.table.poll_timeout(), self.retry_at, self.refresh_at, self.abandoned_at];
        let due = due.into_iter().flatten().min();
        let asked = self.visitors.iter().any(Visitor::has_asked);
        self.wait(if asked { Some(now()) } else { due })?;
        let lag = due.map_or(Duration::ZERO, |due| now().since(due));
        // What has arrived is read before anybody counts as lost.
        self.receive();
        if lag > STALL {
            self.stalls += 1;
            tracing::warn!(?lag, stalls = self.stalls, "this machine stood still");
            self.table.handle_stall(now());
        }
        self.table.handle_timeout(now());
        self.speak();
        self.serve_visitors();
        self.serve_times(now());
        if self.signals.read_signal()?.is_some() {
            self.end();
        }
        self.speak();
        Ok(())
    }

    /// Sleeps until something comes or is due.
    fn wait(&self, due: Option<Instant>) -> io::Result<()> {
        let fixed: [BorrowedFd<'_>; 2] = [self.listener.as_fd(), self.signals.as_fd()];
        let reading = fixed.into_iter().chain(self.sockets.watched());
        let mut fds: Vec<_> = reading.map(|fd| PollFd::new(fd, PollFlags::POLLIN)).collect();
        for visitor in &self.visitors {
            let mut events = PollFlags::empty();
            events.set(PollFlags::POLLOUT, visitor.waits());
            events.set(PollFlags::POLLIN, visitor.listens());
            fds.push(PollFd::new(visitor.fd(), events));
        }
        let timeout = due.map(|due| TimeSpec::from_duration(due.since(now())));
        match ppoll(&mut fds, timeout, None) {
            Ok(_) | Err(nix::Error::EINTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    fn receive(&mut self) {
        let table = &mut self.table;
        self.sockets.receive(|arrival, bytes| {
            // Why it was discarded is counted by the table.
            if let Err(why) = table.handle_packet(now(), arrival, bytes) {
                tracing::debug!(from = %arrival.key.remote, "discarded: {why}");
            }
        });
    }

    /// Tells what changed, then sends what is to be sent.
    fn speak(&mut self) {
        while let Some((key, session)) = self.table.poll_change() {
            let told = Session::of(key, session);
            tracing::info!(remote = %key.remote, state = told.state, diagnostic = told.diagnostic,
                remote_state = told.remote_state, "session");
            let reply = Reply::Session(told);
            for visitor in self.visitors.iter_mut().filter(|visitor| visitor.claims) {
                visitor.say(&reply);
            }
        }
        while let Some((key, packet)) = self.table.poll_transmit(now()) {
            self.sockets.send(&key, &packet);
        }
    }

    fn serve_visitors(&mut self) {
        let mut visitors = std::mem::take(&mut self.visitors);
        for at in 0..visitors.len() {
            visitors[at].write();
            if let Some(request) = visitors[at].next() {
                let claimed =
                    visitors.iter().enumerate().any(|(n, v)| n != at && v.claims && !v.is_gone());
                self.serve(&mut visitors[at], request, claimed);
            }
        }
        let claimed = visitors.iter().any(|visitor| visitor.claims);
        visitors.retain(|visitor| !visitor.is_gone());
        self.visitors = visitors;
        if claimed && !self.visitors.iter().any(|visitor| visitor.claims) {
            tracing::info!("the speaker is gone; its sessions go on for {:?}", self.unclaimed);
            self.abandoned_at = Some(now() + self.unclaimed);
        }
        while let Ok((stream, _)) = self.listener.accept() {
            let Ok(visitor) = Visitor::new(stream) else { break };
            if self.visitors.len() == VISITORS_MAX {
                // Whoever looks on longest makes room: they must not keep a speaker out.
                let idle = self.visitors.iter().position(|visitor| !visitor.claims);
                idle.map(|idle| self.visitors.remove(idle));
            }
            self.visitors.push(visitor);
        }
    }

    /// Does what a visitor asks; `claimed` says that another one has claimed the sessions.
    fn serve(&mut self, visitor: &mut Visitor, request: Request, claimed: bool) {
        match request {
            Request::Show => self.show(visitor),
            Request::Release if visitor.claims => self.end(),
            Request::Release => visitor.refuse("only the speaker that claimed sessions may"),
            Request::Claim { version, .. } if version != VERSION => {
                visitor.refuse(&format!("this process speaks version {VERSION}, not {version}"));
            }
            Request::Claim { .. } if claimed => visitor.refuse("another speaker has the sessions"),
            Request::Claim { sessions, .. } => match sound(&sessions) {
                Ok(()) => {
                    visitor.claims = true;
                    self.abandoned_at = None;
                    self.refresh_at = Some(now() + REFRESH);
                    self.ending = false;
                    self.claim(sessions);
                    self.show(visitor);
                }
                Err(reason) => visitor.refuse(reason),
            },
        }
    }

    fn show(&self, visitor: &mut Visitor) {
        for (key, session) in self.table.sessions() {
            visitor.say(&Reply::Session(Session::of(key, session)));
        }
        for (key, reason) in &self.impossible {
            visitor.say(&Reply::Impossible { key: key.clone(), reason: reason.clone() });
        }
        visitor.say(&Reply::Complete { version: VERSION });
    }

    /// These sessions, and no others.
    fn claim(&mut self, sessions: Vec<Wanted>) {
        let wanted: BTreeMap<Key, Wanted> =
            sessions.into_iter().map(|wanted| (wanted.key.clone(), wanted)).collect();
        let before = std::mem::replace(&mut self.wanted, wanted);
        for key in before.into_keys() {
            if !self.wanted.contains_key(&key) {
                self.take_down(key);
            }
        }
        self.impossible.clear();
        for wanted in self.wanted.clone().into_values() {
            self.begin(&wanted);
        }
    }

    /// Opens and starts a session, or lets it go on; one that cannot be had is tried again.
    fn begin(&mut self, wanted: &Wanted) {
        match self.sockets.open(&wanted.key) {
            Ok(()) => {
                self.impossible.remove(&wanted.key);
                self.closing.remove(&wanted.key);
                self.table.set(now(), wanted.key.clone(), wanted.config());
            }
            Err(error) => {
                let reason = error.to_string();
                if self.impossible.insert(wanted.key.clone(), reason.clone()).is_none() {
                    tracing::warn!(remote = %wanted.key.remote, "{reason}; tried again every second");
                }
                self.retry_at = Some(now() + RETRY);
            }
        }
    }

    fn take_down(&mut self, key: Key) {
        self.table.take_down(now(), &key);
        self.closing.insert(key);
    }

    /// Takes everything down; the process ends when the peers have been told.
    fn end(&mut self) {
        self.ending = true;
        self.abandoned_at = None;
        self.impossible.clear();
        for key in std::mem::take(&mut self.wanted).into_keys() {
            self.take_down(key);
        }
    }

    /// Tells every session to whoever claims them, for the counters.
    fn refresh(&mut self, at: Instant) {
        let mut claims = self.visitors.iter_mut().filter(|visitor| visitor.claims).peekable();
        self.refresh_at = claims.peek().map(|_| at + REFRESH);
        for visitor in claims {
            for (key, session) in self.table.sessions() {
                visitor.say(&Reply::Session(Session::of(key, session)));
            }
        }
    }

    fn serve_times(&mut self, at: Instant) {
        if self.abandoned_at.is_some_and(|due| due <= at) {
            tracing::warn!("nobody claims the sessions: they are taken down");
            self.end();
        }
        if self.retry_at.is_some_and(|due| due <= at) {
            self.retry_at = None;
            let again: Vec<Wanted> =
                self.impossible.keys().filter_map(|key| self.wanted.get(key).cloned()).collect();
            again.iter().for_each(|wanted| self.begin(wanted));
        }
        if self.refresh_at.is_some_and(|due| due <= at) {
            self.refresh(at);
        }
        let over: Vec<Key> =
            self.closing.iter().filter(|key| self.table.get(key).is_none()).cloned().collect();
        for key in over {
            self.closing.remove(&key);
            self.sockets.close(&key);
        }
    }
}

/// Whether sessions can be claimed at all.
fn sound(sessions: &[Wanted]) -> Result<(), &'static str> {
    if sessions.len() > SESSIONS_MAX {
        return Err("too many sessions");
    }
    if sessions.iter().any(|wanted| wanted.interval_us == 0 || wanted.multiplier == 0) {
        return Err("an interval or multiplier is zero");
    }
    Ok(())
}

/// The signals to end, as a descriptor.
fn signals() -> io::Result<SignalFd> {
    let mut set = SigSet::empty();
    set.add(Signal::SIGTERM);
    set.add(Signal::SIGINT);
    set.thread_block()?;
    Ok(SignalFd::with_flags(&set, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)?)
}
