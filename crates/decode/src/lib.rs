//! BGP in files, message by message: hexadecimal, MRT (RFC 6396, RFC 8050) and packet captures.
//!
//! # What it promises
//!
//! - Any input is read to its end where that is possible at all: what is damaged becomes a
//!   [`What::Damage`] or [`What::Error`] record that says where, and reading goes on behind it.
//! - Every attribute is told with its offset, its value, and what RFC 7606 makes of it, by the same
//!   code that the speaker runs on what its peers send.
//! - Memory does not grow with the input: one record, or 1 MiB of a TCP stream out of order.
//!
//! # What it does not know
//!
//! Files, terminals and the speaker: it takes any reader and gives [`Record`]s, which print as text
//! ([`std::fmt::Display`]) and as JSON (`serde`).

mod attributes;
mod capture;
mod context;
mod hex;
mod message;
mod mrt;
mod record;
mod stream;
mod tcp;
mod text;

use std::io::{self, Chain, Cursor, Read};

pub use record::{
    Attribute, Capability, ErrorRecord, OpenRecord, Place, Prefix, Record, RibEntry, UpdateRecord,
    What,
};

/// Takes records as they are read; an error, such as a closed pipe, ends the reading.
pub type Sink<'s> = dyn FnMut(Record) -> io::Result<()> + 's;

/// How much of the input is looked at to tell what it is.
const PEEK: usize = 4096;

/// What an input turned out to be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Format {
    /// BGP messages in hexadecimal digits.
    Hex,
    /// BGP messages as they are on the wire.
    Messages,
    /// Records of MRT.
    Mrt,
    /// pcap or pcapng.
    Capture,
}

/// Reads an input of whatever format to its end.
///
/// # Errors
/// Of the reader and of the sink; and `InvalidData`, with a remedy, for an input that is in none of
/// the formats.
pub fn decode(mut input: impl Read + Send, sink: &mut Sink<'_>) -> io::Result<Format> {
    let mut start = Vec::new();
    input.by_ref().take(PEEK as u64).read_to_end(&mut start)?;
    let format = format_of(&start)?;
    let whole: Chain<Cursor<Vec<u8>>, _> = Cursor::new(start).chain(input);
    match format {
        Format::Hex => hex::read(whole, sink)?,
        Format::Messages => hex::read_octets(whole, sink)?,
        Format::Mrt => mrt::read(whole, sink)?,
        Format::Capture => capture::read(whole, sink)?,
    }
    Ok(format)
}

/// Tells the format by the first octets.
fn format_of(start: &[u8]) -> io::Result<Format> {
    let invalid = |text: &str| Err(io::Error::new(io::ErrorKind::InvalidData, text));
    match start {
        [] => invalid("the input is empty"),
        [0x1f, 0x8b, ..] => invalid("compressed with gzip: use zcat FILE | pathvane decode -"),
        [b'B', b'Z', b'h', ..] => {
            invalid("compressed with bzip2: use bzcat FILE | pathvane decode -")
        }
        [0xd4, 0xc3, 0xb2, 0xa1, ..]
        | [0xa1, 0xb2, 0xc3, 0xd4, ..]
        | [0x4d, 0x3c, 0xb2, 0xa1, ..]
        | [0xa1, 0xb2, 0x3c, 0x4d, ..]
        | [0x0a, 0x0d, 0x0d, 0x0a, ..] => Ok(Format::Capture),
        _ if start.starts_with(&[0xff; 16]) => Ok(Format::Messages),
        _ if mrt::begins(start) => Ok(Format::Mrt),
        _ if start.iter().all(|octet| matches!(octet, b'\t' | b'\n' | b'\r' | 0x20..=0x7e)) => {
            Ok(Format::Hex)
        }
        _ => invalid("neither hexadecimal digits, BGP messages, MRT, pcap nor pcapng"),
    }
}
