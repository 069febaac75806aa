//! TCP connections as probes: how long the far end takes to accept or refuse one.
//!
//! Nothing is sent on them. Who is answered closes at once and without a farewell (linger 0), so nothing
//! lingers on either side.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd};

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use pathvane_clock::{Duration, Instant};
use socket2::Socket;

use super::open::{Spec, open_tcp};
use crate::os_error::OsError;

/// Connections under way, from one source over one path.
pub(super) struct Connects {
    spec: Spec,
    /// The sockets under way, by their place in `attempts`.
    sockets: Epoll,
    attempts: Vec<Option<Attempt>>,
    found: [EpollEvent; Connects::AT_ONCE],
}

struct Attempt {
    socket: Socket,
    ticket: Box<[u8]>,
    to: SocketAddr,
    began: Instant,
    /// It was refused before we could wait, as on loopback.
    refused: bool,
}

/// A connection that was accepted or refused.
pub(super) struct Answer {
    /// What it was begun with.
    pub(super) ticket: Box<[u8]>,
    pub(super) from: SocketAddr,
}

impl Connects {
    /// Then the kernel asks anew (RFC 6298 section 2): whose answer came later is not known, and
    /// what was lost would look like a delay.
    const PATIENCE: Duration = Duration::from_secs(1);
    /// Connections told at once.
    const AT_ONCE: usize = 16;

    /// Shows at once whether connections can be pinned as asked.
    pub(super) fn open(spec: &Spec) -> Result<Self, OsError> {
        drop(open_tcp(spec)?);
        let sockets = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)
            .map_err(|error| OsError::new("watch TCP probes", error.into()))?;
        let found = [EpollEvent::empty(); Self::AT_ONCE];
        Ok(Self { spec: spec.clone(), sockets, attempts: Vec::new(), found })
    }

    /// Asks `to` for a connection; [`Self::answers`] gives `ticket` back.
    pub(super) fn begin(&mut self, ticket: &[u8], to: SocketAddr, now: Instant) -> io::Result<()> {
        self.give_up(now);
        let socket = open_tcp(&self.spec).map_err(io::Error::other)?;
        let refused = match socket.connect(&to.into()) {
            Ok(()) => false,
            Err(error) if error.raw_os_error() == Some(libc::EINPROGRESS) => false,
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => true,
            Err(error) => return Err(error),
        };
        let free = self.attempts.iter().position(Option::is_none);
        let place = free.unwrap_or(self.attempts.len());
        let event = EpollEvent::new(EpollFlags::EPOLLOUT, place as u64);
        self.sockets.add(&socket, event)?;
        let attempt = Attempt { socket, ticket: ticket.into(), to, began: now, refused };
        match free {
            Some(place) => self.attempts[place] = Some(attempt),
            None => self.attempts.push(Some(attempt)),
        }
        Ok(())
    }

    /// Hands over who answered by `now`, `limit` at most: `None` for a connection that the network
    /// refused, or that was answered too late. As many as `limit` means there may be more.
    pub(super) fn answers(
        &mut self,
        limit: usize,
        now: Instant,
        mut each: impl FnMut(Option<Answer>),
    ) -> usize {
        let limit = limit.min(Self::AT_ONCE);
        let found = self.sockets.wait(&mut self.found[..limit], EpollTimeout::ZERO).unwrap_or(0);
        for event in &self.found[..found] {
            let attempt = self.attempts.get_mut(event.data() as usize).and_then(Option::take);
            each(attempt.and_then(|attempt| attempt.end(now)));
        }
        found
    }

    /// Drops connections that were not answered in time.
    fn give_up(&mut self, now: Instant) {
        for slot in &mut self.attempts {
            if slot.as_ref().is_some_and(|attempt| attempt.is_over(now)) {
                *slot = None;
            }
        }
    }
}

impl Attempt {
    fn is_over(&self, now: Instant) -> bool {
        now.since(self.began) >= Connects::PATIENCE
    }

    /// The answer, if it is the far end's and came in time.
    fn end(self, now: Instant) -> Option<Answer> {
        let answered = self.refused
            || match self.socket.take_error() {
                Ok(None) => true,
                Ok(Some(error)) => error.kind() == io::ErrorKind::ConnectionRefused,
                Err(_) => false,
            };
        let in_time = !self.is_over(now);
        (answered && in_time).then_some(Answer { ticket: self.ticket, from: self.to })
    }
}

impl AsFd for Connects {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.sockets.0.as_fd()
    }
}
