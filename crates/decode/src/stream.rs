//! A stream of BGP messages, with what is broken in it told and skipped.

use bytes::{Buf, BytesMut};
use pathvane_wire::{Frame, MAX_LEN_EXTENDED, Notification, frame};

/// Octets of the marker that begins every message.
const MARKER: [u8; 16] = [0xff; 16];

/// Messages as they are cut from octets.
#[derive(Debug, Default)]
pub(crate) struct Stream {
    buf: BytesMut,
    /// Octets of the stream before `buf`.
    start: u64,
    /// Looking for the beginning of a message; so many octets were passed over.
    lost: Option<u64>,
}

/// What comes next in a stream.
#[derive(Debug)]
pub(crate) enum Found {
    /// A whole message, with its first octet counted in the stream.
    Message(u64, BytesMut),
    /// A header that is wrong there. The search for the next one begins.
    Bad(u64, Notification),
    /// So many octets until there were no beginning of a message.
    Skipped(u64, u64),
}

impl Stream {
    /// A stream of which the beginning is missing: the first message has to be searched for.
    pub(crate) fn in_the_middle() -> Stream {
        Stream { lost: Some(0), ..Stream::default() }
    }

    /// Octets of the stream so far.
    pub(crate) fn end(&self) -> u64 {
        self.start + self.buf.len() as u64
    }

    /// Octets that are no whole message yet.
    pub(crate) fn rest(&self) -> usize {
        self.buf.len()
    }

    pub(crate) fn push(&mut self, octets: &[u8]) {
        self.buf.extend_from_slice(octets);
    }

    /// So many octets are missing: what was begun is lost, and the next message searched for.
    pub(crate) fn gap(&mut self, missing: u64) {
        let begun = self.buf.len() as u64;
        self.start += begun + missing;
        self.buf.clear();
        self.lost = Some(self.lost.unwrap_or(0) + begun);
    }

    /// The next message or trouble; `None` until more octets come.
    pub(crate) fn next(&mut self) -> Option<Found> {
        if let Some(lost) = self.lost {
            return self.search(lost);
        }
        let at = self.start;
        match frame(&self.buf, MAX_LEN_EXTENDED) {
            Ok(None) => None,
            Ok(Some(Frame { len, .. })) => {
                self.start += len as u64;
                Some(Found::Message(at, self.buf.split_to(len)))
            }
            Err(error) => {
                self.pass(1);
                self.lost = Some(1);
                Some(Found::Bad(at, error))
            }
        }
    }

    /// Passes over octets until a header begins that is not wrong.
    fn search(&mut self, mut lost: u64) -> Option<Found> {
        loop {
            let found = self.buf.windows(MARKER.len()).position(|window| window == MARKER);
            // The beginning of a marker may be at the end of what there is.
            let keep = self.buf.len().saturating_sub(MARKER.len() - 1);
            let passed = found.unwrap_or(keep);
            self.pass(passed);
            lost += passed as u64;
            self.lost = Some(lost);
            found?;
            match frame(&self.buf, MAX_LEN_EXTENDED) {
                Ok(None) if self.buf.len() < pathvane_wire::HEADER_LEN => return None,
                Ok(_) => break,
                Err(_) => {
                    self.pass(1);
                    lost += 1;
                }
            }
        }
        self.lost = None;
        if lost == 0 { self.next() } else { Some(Found::Skipped(self.start, lost)) }
    }

    fn pass(&mut self, octets: usize) {
        self.buf.advance(octets);
        self.start += octets as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEEPALIVE: &[u8] =
        b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x00\x13\x04";

    fn all(stream: &mut Stream) -> Vec<String> {
        let mut said = Vec::new();
        while let Some(found) = stream.next() {
            said.push(match found {
                Found::Message(at, octets) => format!("message {} at {at}", octets.len()),
                Found::Bad(at, error) => format!("{error} at {at}"),
                Found::Skipped(at, lost) => format!("skipped {lost} until {at}"),
            });
        }
        said
    }

    #[test]
    fn octets_one_by_one_make_the_same_messages() {
        let mut stream = Stream::default();
        let mut said = Vec::new();
        for octet in [KEEPALIVE, KEEPALIVE].concat() {
            stream.push(&[octet]);
            said.extend(all(&mut stream));
        }
        assert_eq!(said, ["message 19 at 0", "message 19 at 19"]);
    }

    #[test]
    fn a_broken_header_is_told_and_reading_goes_on_behind_it() {
        let mut stream = Stream::default();
        let mut bad = KEEPALIVE.to_vec();
        bad[18] = 9;
        stream.push(&[&bad, KEEPALIVE, &[1, 2, 3], KEEPALIVE].concat());
        assert_eq!(
            all(&mut stream),
            [
                "Message Header Error/Bad Message Type at 0",
                "skipped 19 until 19",
                "message 19 at 19",
                "Message Header Error/Connection Not Synchronized at 38",
                "skipped 3 until 41",
                "message 19 at 41",
            ]
        );
        assert_eq!((stream.rest(), stream.end()), (0, 60));
    }

    #[test]
    fn a_stream_without_beginning_is_searched_for_one() {
        let mut stream = Stream::in_the_middle();
        stream.push(&[0, 1, 2, 0xff, 0xff]);
        assert_eq!(all(&mut stream), Vec::<String>::new());
        stream.push(&[0]);
        stream.push(KEEPALIVE);
        assert_eq!(all(&mut stream), ["skipped 6 until 6", "message 19 at 6"]);
        stream.push(&KEEPALIVE[..10]);
        stream.gap(100);
        stream.push(&KEEPALIVE[5..]);
        stream.push(KEEPALIVE);
        assert_eq!(all(&mut stream), ["skipped 24 until 149", "message 19 at 149"]);
    }
}
