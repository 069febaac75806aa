//! One connection to the BFD process: lines in, lines out, neither without bound.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;

use super::protocol::{LINE_MAX, Reply, Request};

/// What may wait for one who does not read; then it is dropped.
const UNREAD_MAX: usize = 4 * LINE_MAX;
/// What is read of one in a turn: packets do not wait for who says much.
const READ_MAX: usize = 64 * 1024;

/// A speaker or a command that is connected.
#[derive(Debug)]
pub(super) struct Visitor {
    stream: UnixStream,
    inbox: Vec<u8>,
    /// Octets of the inbox in which there is no end of a line.
    searched: usize,
    outbox: Vec<u8>,
    /// It has said what sessions it wants.
    pub(super) claims: bool,
    /// It says no more.
    ended: bool,
    gone: bool,
}

impl Visitor {
    pub(super) fn new(stream: UnixStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        let (inbox, outbox) = (Vec::new(), Vec::new());
        Ok(Self { stream, inbox, searched: 0, outbox, claims: false, ended: false, gone: false })
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

    /// Whether it has asked something that can be served in the next turn.
    pub(super) fn has_asked(&self) -> bool {
        self.has_line() && self.outbox.is_empty() && !self.gone
    }

    /// Whether to listen to it: what it has asked is served first, and answers are taken first.
    pub(super) fn listens(&self) -> bool {
        !self.has_line() && self.outbox.is_empty()
    }

    fn has_line(&self) -> bool {
        self.searched < self.inbox.len()
    }

    /// Says something, now if the other side reads.
    pub(super) fn say(&mut self, reply: &Reply) {
        if self.gone {
            return;
        }
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

    /// Reads what has come, and takes the next request, if there is one and the answers to those
    /// before it are on their way. A line that is no request ends the connection.
    pub(super) fn next(&mut self) -> Option<Request> {
        if self.listens() {
            self.read();
        }
        if !self.has_asked() {
            self.gone |= self.ended && self.listens();
            return None;
        }
        let end = self.searched;
        let request = serde_json::from_slice(&self.inbox[..end]);
        self.inbox.drain(..=end);
        self.search(0);
        request.map_err(|error| self.refuse(&format!("not a request: {error}"))).ok()
    }

    fn read(&mut self) {
        let (mut buffer, begin) = ([0; 16 * 1024], self.inbox.len());
        while !self.gone && !self.ended && self.inbox.len() < begin + READ_MAX {
            match self.stream.read(&mut buffer) {
                Ok(0) => self.ended = true,
                Ok(len) => self.inbox.extend_from_slice(&buffer[..len]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => self.gone = true,
            }
        }
        self.search(begin);
        if self.searched > LINE_MAX {
            self.refuse("a line is too long");
        }
    }

    /// Looks for the end of the first line from here on.
    fn search(&mut self, from: usize) {
        let rest = &self.inbox[from..];
        self.searched = from + rest.iter().position(|&byte| byte == b'\n').unwrap_or(rest.len());
    }

    /// Says why, and ends the connection.
    pub(super) fn refuse(&mut self, reason: &str) {
        self.say(&Reply::Refused { reason: reason.to_owned() });
        self.gone = true;
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};

    use super::super::protocol::VERSION;
    use super::*;

    fn visitor() -> (Visitor, UnixStream) {
        let (ours, theirs) = UnixStream::pair().expect("a pair");
        (Visitor::new(ours).expect("a visitor"), theirs)
    }

    /// The lines that somebody was told before the connection ended.
    fn told(visitor: Visitor, theirs: UnixStream) -> Vec<String> {
        drop(visitor);
        BufReader::new(theirs).lines().map(|line| line.expect("text")).collect()
    }

    #[test]
    fn requests_are_taken_one_a_turn_and_none_is_lost() {
        let (mut visitor, mut theirs) = visitor();
        theirs.write_all(&b"{\"ask\":\"show\"}\n".repeat(100)).expect("written");
        for nth in 0..100 {
            assert_eq!(visitor.next(), Some(Request::Show), "{nth}");
            assert_eq!(visitor.has_asked(), nth < 99, "it is served without being woken");
        }
        assert_eq!(visitor.next(), None);
        theirs.write_all(b"{\"ask\":").expect("written");
        assert_eq!(visitor.next(), None);
        theirs.write_all(b"\"release\"}\n").expect("written");
        assert_eq!(visitor.next(), Some(Request::Release));
        assert!(!visitor.is_gone());
    }

    #[test]
    fn who_says_no_more_is_answered_first() {
        let (mut visitor, mut theirs) = visitor();
        theirs.write_all(b"{\"ask\":\"show\"}\n{\"ask\":\"release\"}\n{\"ask\"").expect("written");
        theirs.shutdown(std::net::Shutdown::Write).expect("half-closed");
        assert_eq!(visitor.next(), Some(Request::Show));
        visitor.say(&Reply::Complete { version: VERSION });
        assert_eq!(visitor.next(), Some(Request::Release));
        assert!(!visitor.is_gone());
        assert_eq!(visitor.next(), None);
        assert!(visitor.is_gone());
        assert_eq!(told(visitor, theirs).len(), 1);
    }

    #[test]
    fn a_flood_of_nonsense_is_refused_once() {
        let (mut visitor, mut theirs) = visitor();
        theirs.write_all(&vec![b'\n'; 50_000]).expect("written");
        assert_eq!(visitor.next(), None);
        assert!(visitor.is_gone());
        for _ in 0..3 {
            assert_eq!(visitor.next(), None);
            visitor.refuse("again");
        }
        let told = told(visitor, theirs);
        assert!(told.len() == 1 && told[0].contains("not a request"), "{told:?}");
    }

    #[test]
    fn who_takes_no_answers_is_asked_for_no_more_requests_and_not_listened_to() {
        let (mut visitor, mut theirs) = visitor();
        theirs.write_all(&b"{\"ask\":\"show\"}\n".repeat(3)).expect("written");
        assert_eq!(visitor.next(), Some(Request::Show));
        let complete = Reply::Complete { version: VERSION };
        while !visitor.waits() {
            visitor.say(&complete);
        }
        assert_eq!(visitor.next(), None);
        assert!(!visitor.has_asked() && !visitor.listens() && !visitor.is_gone());
        let mut taken = [0; 64 * 1024];
        while visitor.waits() {
            assert!(theirs.read(&mut taken).expect("answers") > 0);
            visitor.write();
        }
        assert_eq!(visitor.next(), Some(Request::Show));
    }

    #[test]
    fn the_longest_line_comes_in_pieces_and_a_longer_one_is_refused() {
        let (mut visitor, mut theirs) = visitor();
        let mut line = b"{\"ask\":\"show\"}".to_vec();
        line.resize(LINE_MAX, b' ');
        let writer = std::thread::spawn(move || {
            theirs.write_all(&line).and_then(|()| theirs.write_all(b"\n")).expect("taken");
            // Refused halfway.
            theirs.write_all(&vec![b' '; 4 * LINE_MAX]).expect_err("closed");
        });
        let mut asked = Vec::new();
        while !visitor.is_gone() {
            asked.extend(visitor.next());
            assert!(visitor.inbox.len() <= LINE_MAX + READ_MAX + 16 * 1024, "no more is kept");
        }
        assert_eq!(asked, [Request::Show]);
        drop(visitor);
        writer.join().expect("no panic");
    }
}
