//! One connection to the BFD process: lines in, lines out, neither without bound.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;

use super::protocol::{LINE_MAX, Reply, Request};

/// What may wait for one who does not read; then it is dropped.
const UNREAD_MAX: usize = 4 * LINE_MAX;

/// A speaker or a command that is connected.
#[derive(Debug)]
pub(super) struct Visitor {
    stream: UnixStream,
    inbox: Vec<u8>,
    outbox: Vec<u8>,
    /// It has said what sessions it wants.
    pub(super) claims: bool,
    gone: bool,
}

impl Visitor {
    pub(super) fn new(stream: UnixStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        Ok(Self { stream, inbox: Vec::new(), outbox: Vec::new(), claims: false, gone: false })
    }

    pub(super) fn is_gone(&self) -> bool {
        self.gone
    }

    /// Whether something waits to be written.
    pub(super) fn waits(&self) -> bool {
        !self.outbox.is_empty()
    }

    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }

    /// Says something, now if the other side reads.
    pub(super) fn say(&mut self, reply: &Reply) {
        // Plain data: it always becomes text.
        let Ok(line) = serde_json::to_vec(reply) else { return };
        self.outbox.extend(line);
        self.outbox.push(b'\n');
        self.write();
    }

    /// Writes what waits, as far as the socket takes it.
    pub(super) fn write(&mut self) {
        while !self.outbox.is_empty() && !self.gone {
            match self.stream.write(&self.outbox) {
                Ok(0) => self.gone = true,
                Ok(written) => drop(self.outbox.drain(..written)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => self.gone = true,
            }
        }
        self.gone |= self.outbox.len() > UNREAD_MAX;
    }

    /// Reads what has come. A line that is no request ends the connection.
    pub(super) fn read(&mut self) -> Vec<Request> {
        let mut buffer = [0; 16 * 1024];
        while !self.gone {
            match self.stream.read(&mut buffer) {
                Ok(0) => self.gone = true,
                Ok(len) => {
                    self.inbox.extend_from_slice(&buffer[..len]);
                    if self.inbox.len() > LINE_MAX {
                        self.refuse("a line is too long");
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => self.gone = true,
            }
        }
        self.requests()
    }

    fn requests(&mut self) -> Vec<Request> {
        let mut requests = Vec::new();
        while let Some(end) = self.inbox.iter().position(|&byte| byte == b'\n') {
            let line: Vec<u8> = self.inbox.drain(..=end).collect();
            match serde_json::from_slice(&line) {
                Ok(request) => requests.push(request),
                Err(error) => self.refuse(&format!("not a request: {error}")),
            }
        }
        requests
    }

    /// Says why, and ends the connection.
    pub(super) fn refuse(&mut self, reason: &str) {
        self.say(&Reply::Refused { reason: reason.to_owned() });
        self.gone = true;
    }
}
