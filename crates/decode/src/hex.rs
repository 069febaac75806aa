//! Messages in hexadecimal digits, or as they are: one direction of one session.
//!
//! Digits may stand in groups of whole octets, in any number of lines. `#` begins a comment; lines
//! that begin with `>` are notes. A line `context: internal two-octet ipv4 ipv6 add-path
//! extended-next-hop` says what was negotiated; without it that is guessed. `fixtures/wire` is
//! written so.

use std::io::{self, BufRead, BufReader, Read};

use pathvane_wire::{DecodeContext, FamilySet, HEADER_LEN, PeerKind, frame};

use crate::context::Context;
use crate::record::{Place, Record, What};
use crate::stream::{Found, Stream};
use crate::{Sink, message};

/// The longest line read as digits; what has none is not written by people or tools for them.
const LONGEST_LINE: u64 = 1 << 20;

/// Messages with nobody around them.
struct Messages<'a, 's> {
    stream: Stream,
    context: Context,
    sink: &'a mut Sink<'s>,
}

impl Messages<'_, '_> {
    fn push(&mut self, octets: &[u8]) -> io::Result<()> {
        self.stream.push(octets);
        while let Some(found) = self.stream.next() {
            let (offset, what) = told(&found, self.context);
            (self.sink)(Record { place: Place { offset, ..Place::default() }, what })?;
        }
        Ok(())
    }

    fn damage(&mut self, detail: String) -> io::Result<()> {
        let place = Place { offset: self.stream.end(), ..Place::default() };
        (self.sink)(Record { place, what: What::Damage { detail } })
    }

    fn finish(&mut self) -> io::Result<()> {
        match self.stream.rest() {
            0 => Ok(()),
            rest => self.damage(format!("the input ends {rest} octets into a message")),
        }
    }
}

/// The record of what was found in a stream, and its offset.
pub(crate) fn told(found: &Found, context: Context) -> (u64, What) {
    match found {
        Found::Message(at, octets) => match frame(octets, usize::from(u16::MAX)) {
            Ok(Some(frame)) => (*at, message::read(frame, context)),
            // A stream gives whole messages with sound headers.
            _ => (*at, What::Damage { detail: format!("{} octets are no message", octets.len()) }),
        },
        Found::Bad(at, error) => {
            (*at, What::Error(message::wrong("message header", Some(HEADER_LEN), error)))
        }
        Found::Skipped(at, lost) => {
            let detail = format!("{lost} octets before this one begin no message: skipped");
            (*at, What::Damage { detail })
        }
    }
}

/// Reads digits.
pub(crate) fn read(input: impl Read, sink: &mut Sink<'_>) -> io::Result<()> {
    let mut messages = Messages { stream: Stream::default(), context: Context::Unknown, sink };
    let mut input = BufReader::new(input);
    let mut line = Vec::new();
    for number in 1_u64.. {
        line.clear();
        input.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut line)?;
        if line.is_empty() {
            break;
        }
        let text = String::from_utf8_lossy(&line);
        if let Some(words) = text.strip_prefix("context:") {
            messages.context = Context::Known(context(words));
        } else if !text.starts_with('>') {
            let words = text.split('#').next().unwrap_or_default().split_whitespace();
            for word in words {
                match octets(word) {
                    Some(octets) => messages.push(&octets)?,
                    None => {
                        let word = word.chars().take(20).collect::<String>();
                        let detail = format!(
                            "line {number}: \"{word}\" is no octet in two hexadecimal digits: skipped"
                        );
                        messages.damage(detail)?;
                    }
                }
            }
        }
    }
    messages.finish()
}

/// Reads messages as they are on the wire.
pub(crate) fn read_octets(mut input: impl Read, sink: &mut Sink<'_>) -> io::Result<()> {
    let mut messages = Messages { stream: Stream::default(), context: Context::Unknown, sink };
    let mut buf = vec![0; 1 << 16];
    loop {
        match input.read(&mut buf) {
            Ok(0) => return messages.finish(),
            Ok(len) => messages.push(&buf[..len])?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// The octets of a word of digits.
fn octets(word: &str) -> Option<Vec<u8>> {
    let word = word.strip_prefix("0x").unwrap_or(word).as_bytes();
    let (pairs, rest) = word.as_chunks::<2>();
    let digit = |digit: u8| char::from(digit).to_digit(16).and_then(|d| u8::try_from(d).ok());
    let octet = |pair: &[u8; 2]| Some(digit(pair[0])? << 4 | digit(pair[1])?);
    if rest.is_empty() { pairs.iter().map(octet).collect() } else { None }
}

fn context(words: &str) -> DecodeContext {
    let has = |word| words.split_whitespace().any(|w| w == word);
    let set = |word, set| if has(word) { set } else { FamilySet::EMPTY };
    DecodeContext {
        peer: if has("internal") { PeerKind::Internal } else { PeerKind::External },
        four_octet_as: !has("two-octet"),
        families: set("ipv4", FamilySet::IPV4) | set("ipv6", FamilySet::IPV6),
        add_path: set("add-path", FamilySet::ALL),
        extended_next_hop: set("extended-next-hop", FamilySet::ALL),
    }
}
