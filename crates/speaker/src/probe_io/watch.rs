//! Which of many probe sockets have something to read: one question for all of them.
//!
//! A speaker has a socket for each path and source port, thousands in all. Each is asked only when
//! the kernel says that something waits there, and the kernel says so in one call.

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
    /// The set itself, as the runtime sees it.
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

    /// An empty set. Call within a tokio runtime.
    pub fn new() -> Result<Self, OsError> {
        let failed = |error: io::Error| OsError::new("watch the probe sockets", error);
        let sockets = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC);
        let sockets = sockets.map_err(|error| failed(error.into()))?;
        let any = sockets.0.try_clone().and_then(sys::watch).map_err(failed)?;
        Ok(Self { sockets, any, found: Box::new([EpollEvent::empty(); Self::AT_ONCE]) })
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
        let Self { sockets, any, found } = self;
        loop {
            let mut guard = ready!(any.poll_read_ready(cx))?;
            let waits =
                guard.try_io(|_| match sockets.wait(&mut found[..1], EpollTimeout::ZERO)? {
                    0 => Err(io::ErrorKind::WouldBlock.into()),
                    _ => Ok(()),
                });
            if let Ok(waits) = waits {
                return Poll::Ready(waits);
            }
        }
    }
}
