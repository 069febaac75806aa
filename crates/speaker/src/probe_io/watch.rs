//! Which of many probe sockets have something to read: one question for all of them.
//!
//! A speaker has a socket for each path and source port, thousands in all. Each is asked only when
//! the kernel says that something waits there, and the kernel says so in one call.
//!
//! Being woken for a reply costs more than reading it. Who is going to look soon anyway lets the set
//! rest ([`Watch::rest`]): what arrives then wakes nobody, and its time is the kernel's in any case.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::task::{Context, Poll, ready};

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use tokio::io::unix::AsyncFd;

use super::ProbeSocket;
use crate::os_error::OsError;
use crate::sys;

/// A set of probe sockets.
pub struct Watch {
    sockets: Epoll,
    /// Between the set and the runtime: holds nothing but the set.
    gate: Epoll,
    /// Whether the gate lets news of the set through.
    open: bool,
    /// The gate, as the runtime sees it.
    any: AsyncFd<OwnedFd>,
    found: Box<[EpollEvent; Watch::AT_ONCE]>,
}

/// What waits in one socket.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Waiting {
    /// The number it was added with.
    pub number: usize,
    /// Departures ([`ProbeSocket::drain_sent`]).
    pub departures: bool,
    /// Datagrams, or an error that reading tells.
    pub arrivals: bool,
}

impl Watch {
    /// Sockets told at once; there may be more.
    pub const AT_ONCE: usize = 128;

    /// An empty set, at rest. Call within a tokio runtime.
    pub fn new() -> Result<Self, OsError> {
        let failed = |error| OsError::new("watch probe sockets", error);
        let open = || Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).map_err(|e| failed(e.into()));
        let (sockets, gate) = (open()?, open()?);
        let closed = EpollEvent::new(EpollFlags::empty(), 0);
        gate.add(&sockets.0, closed).map_err(|error| failed(error.into()))?;
        let any = gate.0.try_clone().and_then(sys::watch).map_err(failed)?;
        let found = Box::new([EpollEvent::empty(); Self::AT_ONCE]);
        Ok(Self { sockets, gate, open: false, any, found })
    }

    /// Adds `socket` as `number`; it leaves the set when it is dropped.
    pub fn add(&mut self, socket: &ProbeSocket, number: usize) -> Result<(), OsError> {
        // Departures come as errors, which are told unasked.
        let event = EpollEvent::new(EpollFlags::EPOLLIN, number as u64);
        let added = self.sockets.add(socket.as_fd(), event);
        added.map_err(|error| OsError::new("watch a probe socket", error.into()))
    }

    /// The sockets in which something waits now, [`Self::AT_ONCE`] at most. A socket is told
    /// again until it is empty, so little may be read of each.
    pub fn ready(&mut self) -> impl Iterator<Item = Waiting> + '_ {
        let count = self.sockets.wait(&mut self.found[..], EpollTimeout::ZERO).unwrap_or(0);
        self.found[..count].iter().map(|event| {
            let flags = event.events();
            Waiting {
                number: event.data() as usize,
                departures: flags.contains(EpollFlags::EPOLLERR),
                arrivals: flags.intersects(EpollFlags::EPOLLIN | EpollFlags::EPOLLHUP),
            }
        })
    }

    /// Ready when something waits in some socket; otherwise the task is woken when it does.
    pub fn poll_any(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // To a gate that opens, what has come before is no news.
        if self.set_gate(true)? && waits(&self.sockets, &mut self.found[..])? {
            return Poll::Ready(Ok(()));
        }
        let Self { sockets, any, found, .. } = self;
        loop {
            let mut guard = ready!(any.poll_read_ready(cx))?;
            let waits = guard.try_io(|_| match waits(sockets, &mut found[..])? {
                true => Ok(()),
                false => Err(io::ErrorKind::WouldBlock.into()),
            });
            if let Ok(waits) = waits {
                return Poll::Ready(waits);
            }
        }
    }

    /// What arrives wakes nobody until [`Self::poll_any`] is called again; nothing is lost.
    pub fn rest(&mut self) -> io::Result<()> {
        self.set_gate(false).map(|_| ())
    }

    /// Opens or closes the gate; says whether that changed something.
    fn set_gate(&mut self, open: bool) -> io::Result<bool> {
        let changed = self.open != open;
        if changed {
            let flags = if open { EpollFlags::EPOLLIN } else { EpollFlags::empty() };
            self.gate.modify(&self.sockets.0, &mut EpollEvent::new(flags, 0))?;
            self.open = open;
        }
        Ok(changed)
    }
}

/// Whether something waits in some socket now.
fn waits(sockets: &Epoll, found: &mut [EpollEvent]) -> io::Result<bool> {
    Ok(sockets.wait(&mut found[..1], EpollTimeout::ZERO)? > 0)
}
