//! The speaker's line to the BFD process: claims sessions, hears of changes, starts the process.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::unix::net::UnixStream as StdStream;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use pathvane_clock::Instant;
use pathvane_engine::{BfdUser, Engine, Input};
use pathvane_score::BfdState;
use socket2::SockRef;
use tokio::net::UnixStream;

use crate::alarm::now;
use crate::bfd::protocol::{Key, LINE_MAX, Liveness, Reply, Request, Session, VERSION, Wanted};
use crate::config::BfdSession;
use crate::control::{dto, path_name, peer_name};
use crate::ready::Source;

#[cfg(test)]
mod tests;

/// How soon a process that was just started is tried, and one that did not answer.
const SOON: Duration = Duration::from_millis(20);
const LATER: Duration = Duration::from_secs(1);
/// Tries in a row at the faster pace.
const HASTY: u32 = 50;

/// One open connection.
struct Open {
    stream: UnixStream,
    inbox: Vec<u8>,
}

/// The line, and what was last heard on it.
pub(super) struct Bfd {
    socket: PathBuf,
    sessions: Vec<BfdSession>,
    source: Source,
    open: Option<Open>,
    child: Option<Child>,
    /// When to connect again, and how often that failed in a row.
    retry: Option<Instant>,
    tries: u32,
    heard: BTreeMap<Key, Session>,
    /// How long after its last change of state the engine had taken each.
    taken_after: BTreeMap<Key, Duration>,
    impossible: BTreeMap<Key, String>,
}

impl Bfd {
    /// Without sessions nothing is started or asked.
    pub(super) fn new(socket: PathBuf, sessions: Vec<BfdSession>, source: Source) -> Self {
        let retry = (!sessions.is_empty()).then(now);
        Self {
            socket,
            sessions,
            source,
            open: None,
            child: None,
            retry,
            tries: 0,
            heard: BTreeMap::new(),
            taken_after: BTreeMap::new(),
            impossible: BTreeMap::new(),
        }
    }

    /// When [`Self::tick`] has something to do.
    pub(super) fn next(&self) -> Option<Instant> {
        self.retry
    }

    /// Connects where that is due, and starts the process if nobody answers.
    pub(super) fn tick(&mut self, at: Instant) {
        if self.retry.is_none_or(|due| due > at) {
            return;
        }
        match self.connect() {
            Ok(open) => {
                (self.open, self.retry, self.tries) = (Some(open), None, 0);
                self.source.wake();
            }
            Err(error) => {
                self.start_process(&error);
                self.tries += 1;
                let wait = if self.tries < HASTY { SOON } else { LATER };
                self.retry = Some(at + wait);
            }
        }
    }

    fn connect(&self) -> io::Result<Open> {
        let stream = StdStream::connect(&self.socket)?;
        stream.set_nonblocking(true)?;
        let open = Open { stream: UnixStream::from_std(stream)?, inbox: Vec::new() };
        open.say(&self.claim())?;
        Ok(open)
    }

    fn claim(&self) -> Request {
        let sessions = self.sessions.iter().map(|session| session.wanted.clone()).collect();
        Request::Claim { version: VERSION, sessions }
    }

    /// Wants these sessions from now on, and no others; false if nothing changes. Those that were
    /// wanted before go on. Whom one informed and does not any more hears that BFD says nothing.
    pub(super) fn follow(&mut self, engine: &mut Engine, sessions: Vec<BfdSession>) -> bool {
        if self.sessions == sessions {
            return false;
        }
        let before = std::mem::replace(&mut self.sessions, sessions);
        for (key, user) in users(&before) {
            if !users(&self.sessions).any(|now| now == (key, user)) {
                let (state, independent) = (BfdState::Off, false);
                engine.handle(now(), Input::Bfd { user, state, independent });
            }
        }
        let wanted: BTreeSet<&Key> = self.sessions.iter().map(|it| &it.wanted.key).collect();
        self.heard.retain(|key, _| wanted.contains(key));
        self.taken_after.retain(|key, _| wanted.contains(key));
        self.impossible.retain(|key, _| wanted.contains(key));
        if self.sessions.is_empty() {
            self.release();
        } else if let Some(open) = &self.open {
            if let Err(error) = open.say(&self.claim()) {
                self.lose(engine, &error);
            }
        } else {
            self.retry = self.retry.or_else(|| Some(now()));
        }
        true
    }

    /// Starts the process unless one that we started runs.
    fn start_process(&mut self, error: &io::Error) {
        if let Some(child) = &mut self.child
            && matches!(child.try_wait(), Ok(None))
        {
            return;
        }
        tracing::info!(socket = %self.socket.display(), "no BFD process answers ({error}): starting one");
        // The binary that runs, even if its file has been replaced; a group of its own, so that
        // a signal to ours does not reach it.
        let mut command = Command::new("/proc/self/exe");
        command.arg0("pathvane").arg("bfd").arg("--listen").arg(&self.socket);
        command.stdin(Stdio::null()).process_group(0);
        match command.spawn() {
            Ok(child) => self.child = Some(child),
            Err(error) => tracing::error!("cannot start the BFD process: {error}"),
        }
    }

    /// The connection may have something to read.
    pub(super) fn serve(&mut self, engine: &mut Engine) {
        while let Some(open) = &mut self.open {
            let taken = match open.stream.poll_read_ready(&mut self.source.context()) {
                std::task::Poll::Pending => return,
                std::task::Poll::Ready(ready) => ready.and_then(|()| open.read()),
            };
            match taken {
                Ok(replies) => replies.into_iter().for_each(|reply| self.hear(engine, reply)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => self.lose(engine, &error),
            }
        }
    }

    fn hear(&mut self, engine: &mut Engine, reply: Reply) {
        match reply {
            Reply::Session(session) => {
                self.impossible.remove(&session.key);
                self.tell(engine, &session.key, session.liveness, session.independent);
                // One that is not wanted any more is told of until its peer knows.
                if users(&self.sessions).any(|(key, _)| *key == session.key) {
                    self.note(session);
                }
            }
            Reply::Impossible { key, reason } => {
                tracing::warn!(remote = %key.remote, "no BFD session: {reason}");
                self.tell(engine, &key, Liveness::Off, false);
                self.impossible.insert(key, reason);
            }
            Reply::Complete { .. } => {
                tracing::info!(sessions = self.sessions.len(), "BFD sessions are claimed");
            }
            Reply::Refused { reason } => {
                tracing::error!("the BFD process refuses: {reason}; tried again every second");
                self.tries = HASTY;
            }
        }
    }

    /// Remembers a session, and, if it changed while we were listening, how soon it was taken.
    fn note(&mut self, session: Session) {
        let after = now().as_nanos().saturating_sub(session.since_ns);
        let before = self.heard.insert(session.key.clone(), session);
        if let Some(before) = before
            && self.heard[&before.key].since_ns != before.since_ns
        {
            self.taken_after.insert(before.key, Duration::from_nanos(after));
        }
    }

    /// Tells everybody who has an interest in a session.
    fn tell(&self, engine: &mut Engine, key: &Key, liveness: Liveness, independent: bool) {
        let state = match liveness {
            Liveness::Off => BfdState::Off,
            Liveness::Up => BfdState::Up,
            Liveness::Down => BfdState::Down,
        };
        for session in self.sessions.iter().filter(|session| session.wanted.key == *key) {
            for &user in &session.users {
                engine.handle(now(), Input::Bfd { user, state, independent });
            }
        }
    }

    /// The process is gone, which says nothing about anybody's path.
    fn lose(&mut self, engine: &mut Engine, error: &io::Error) {
        tracing::warn!("the line to the BFD process is cut: {error}");
        self.open = None;
        let wait = if self.tries < HASTY { SOON } else { LATER };
        self.retry = Some(now() + wait);
        for key in std::mem::take(&mut self.heard).into_keys() {
            self.tell(engine, &key, Liveness::Off, false);
        }
    }

    /// The speaker leaves for good: its sessions are taken down administratively.
    pub(super) fn release(&mut self) {
        self.retry = None;
        if let Some(open) = self.open.take()
            && let Err(error) = open.say(&Request::Release)
        {
            tracing::warn!("the BFD process was not told that we leave: {error}");
        }
    }

    /// Every session as people want to see it.
    pub(super) fn show(&self, engine: &Engine) -> Vec<dto::Bfd> {
        self.sessions.iter().map(|session| self.show_one(engine, session)).collect()
    }

    fn show_one(&self, engine: &Engine, session: &BfdSession) -> dto::Bfd {
        let Wanted { key, interval_us, multiplier } = &session.wanted;
        let peer = |user: &BfdUser| match user {
            BfdUser::Peer(peer) => Some(peer_name(engine, *peer)),
            BfdUser::Path(_) => None,
        };
        let path = |user: &BfdUser| match user {
            BfdUser::Path(path) => Some(path_name(engine, *path)),
            BfdUser::Peer(_) => None,
        };
        let problem = match &self.open {
            None => Some("the BFD process does not answer".to_owned()),
            Some(_) => self.impossible.get(key).cloned(),
        };
        dto::Bfd {
            peers: session.users.iter().filter_map(peer).collect(),
            paths: session.users.iter().filter_map(path).collect(),
            local: key.local,
            remote: key.remote,
            interface: key.interface.clone(),
            multihop: key.multihop,
            interval_ns: u64::from(*interval_us) * 1000,
            multiplier: *multiplier,
            session: self.heard.get(key).map(|session| self.shown(session)),
            problem,
        }
    }

    fn shown(&self, session: &Session) -> dto::BfdSession {
        let says = match session.liveness {
            Liveness::Off => "off",
            Liveness::Up => "up",
            Liveness::Down => "down",
        };
        dto::BfdSession {
            says: says.to_owned(),
            state: session.state.clone(),
            diagnostic: session.diagnostic.clone(),
            remote_state: session.remote_state.clone(),
            remote_diagnostic: session.remote_diagnostic.clone(),
            independent: session.independent,
            state_for_ns: now().as_nanos().saturating_sub(session.since_ns),
            transmit_ns: session.transmit_us * 1000,
            detection_ns: session.detection_us * 1000,
            sent: session.sent,
            received: session.received,
            failures: session.failures,
            taken_after_ns: self
                .taken_after
                .get(&session.key)
                .map(|after| u64::try_from(after.as_nanos()).unwrap_or(u64::MAX)),
        }
    }
}

/// Whom sessions inform, and of which.
fn users(sessions: &[BfdSession]) -> impl Iterator<Item = (&Key, BfdUser)> {
    sessions.iter().flat_map(|it| it.users.iter().map(|&user| (&it.wanted.key, user)))
}

impl Open {
    /// Says something; what does not go at once fails, since the process reads before all else.
    fn say(&self, request: &Request) -> io::Result<()> {
        let mut line = serde_json::to_vec(request)?;
        line.push(b'\n');
        let mut rest = line.as_slice();
        while !rest.is_empty() {
            // Asked of the kernel itself: the runtime does not know yet that the socket is writable.
            let written = SockRef::from(&self.stream).send(rest)?;
            rest = &rest[written..];
        }
        Ok(())
    }

    /// The lines that have come.
    fn read(&mut self) -> io::Result<Vec<Reply>> {
        let mut buffer = [0; 16 * 1024];
        let len = self.stream.try_read(&mut buffer)?;
        if len == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.inbox.extend_from_slice(&buffer[..len]);
        let mut replies = Vec::new();
        while let Some(end) = self.inbox.iter().position(|&byte| byte == b'\n') {
            let line: Vec<u8> = self.inbox.drain(..=end).collect();
            replies.push(serde_json::from_slice(&line)?);
        }
        match self.inbox.len() > LINE_MAX {
            true => Err(io::ErrorKind::InvalidData.into()),
            false => Ok(replies),
        }
    }
}
