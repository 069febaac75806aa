//! The message header: cutting a byte stream into messages, and writing messages into it.

use bytes::{BufMut, BytesMut};

use crate::Notification;
use crate::parse::{Parsed, octets, patch_u16};

/// Octets of the message header (RFC 4271 section 4.1).
pub const HEADER_LEN: usize = 19;
/// The longest message, unless extended messages were negotiated (RFC 4271 section 4.1).
pub const MAX_LEN: usize = 4096;
/// The longest message with extended messages (RFC 8654).
pub const MAX_LEN_EXTENDED: usize = 65_535;

const MARKER: [u8; 16] = [0xff; 16];

/// The types of messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// RFC 4271 section 4.2.
    Open,
    /// RFC 4271 section 4.3.
    Update,
    /// RFC 4271 section 4.5.
    Notification,
    /// RFC 4271 section 4.4.
    Keepalive,
    /// RFC 2918.
    RouteRefresh,
}

impl Kind {
    const fn from_code(code: u8) -> Option<Kind> {
        Some(match code {
            1 => Kind::Open,
            2 => Kind::Update,
            3 => Kind::Notification,
            4 => Kind::Keepalive,
            5 => Kind::RouteRefresh,
            _ => return None,
        })
    }

    /// The type octet (RFC 4271 section 4.1).
    pub const fn code(self) -> u8 {
        match self {
            Kind::Open => 1,
            Kind::Update => 2,
            Kind::Notification => 3,
            Kind::Keepalive => 4,
            Kind::RouteRefresh => 5,
        }
    }

    /// The lengths a message of this kind can have (RFC 4271 section 6.1, RFC 8654 section 4).
    ///
    /// A ROUTE-REFRESH that is too short is an error of its own (RFC 7313), found in its body.
    const fn lengths(self, max_len: usize) -> (usize, usize) {
        match self {
            Kind::Open => (HEADER_LEN + 10, MAX_LEN),
            Kind::Update => (HEADER_LEN + 4, max_len),
            Kind::Notification => (HEADER_LEN + 2, max_len),
            Kind::Keepalive => (HEADER_LEN, HEADER_LEN),
            Kind::RouteRefresh => (HEADER_LEN, max_len),
        }
    }
}

/// One whole message at the start of a buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// What the body is.
    pub kind: Kind,
    /// The message without its header.
    pub body: &'a [u8],
    /// Octets of the message with its header: how far to advance the buffer.
    pub len: usize,
}

/// Finds the message at the start of `buf`; `None` until all of it is there.
///
/// A bad header is reported as soon as it is complete, without waiting for the body. `max_len` is
/// [`MAX_LEN`] or [`MAX_LEN_EXTENDED`]; OPEN and KEEPALIVE never use the latter (RFC 8654).
///
/// # Errors
/// The NOTIFICATION to send: Message Header Error with the data of RFC 4271 section 6.1.
pub fn frame(buf: &[u8], max_len: usize) -> Result<Option<Frame<'_>>, Notification> {
    let Ok((_, (marker, len, code))) = header(buf) else {
        return Ok(None);
    };
    if marker != MARKER {
        return Err(Notification::connection_not_synchronized());
    }
    let size = usize::from(len);
    if size < HEADER_LEN || size > max_len {
        return Err(Notification::bad_message_length(len));
    }
    let kind = Kind::from_code(code).ok_or_else(|| Notification::bad_message_type(code))?;
    let (least, most) = kind.lengths(max_len);
    if size < least || size > most {
        return Err(Notification::bad_message_length(len));
    }
    Ok(buf.get(HEADER_LEN..size).map(|body| Frame { kind, body, len: size }))
}

fn header(input: &[u8]) -> Parsed<'_, ([u8; 16], u16, u8)> {
    let (input, marker) = octets(input)?;
    let (input, len) = octets(input)?;
    let (input, [code]) = octets(input)?;
    Ok((input, (marker, u16::from_be_bytes(len), code)))
}

/// Appends a message whose body `write` appends.
///
/// A body that makes it longer than 65535 octets is for the caller to prevent.
pub(crate) fn put_message(out: &mut BytesMut, kind: Kind, write: impl FnOnce(&mut BytesMut)) {
    let start = out.len();
    out.put_slice(&MARKER);
    out.put_u16(0);
    out.put_u8(kind.code());
    write(out);
    let len = out.len() - start;
    patch_u16(out, start + MARKER.len(), len);
}

/// Appends a KEEPALIVE (RFC 4271 section 4.4).
pub fn encode_keepalive(out: &mut BytesMut) {
    put_message(out, Kind::Keepalive, |_| {});
}
