//! Packets of the Simple Two-way Active Measurement Protocol, both modes.
//!
//! Layouts of RFC 8762 sections 4.2 and 4.3, with the session identifier of RFC 8972 section 3;
//! its extensions in [`tlv`]. Senders of TWAMP Light (shorter than 44 octets) are understood
//! (RFC 8762 section 4.6). Authenticated packets carry the same fields further apart, and a tag.

mod key;
pub(crate) mod tlv;

pub use key::{Key, TAG_LEN};
pub use tlv::{ClassOfService, Direct, Options, Told};

use nom::number::complete::{be_u16, be_u32, be_u64, u8 as octet};
use nom::{IResult, Parser, bytes::complete::take};

use crate::WireTime;

/// Octets of a request and of a reply, unauthenticated.
pub const LEN: usize = 44;
/// Octets of a request and of a reply, authenticated.
pub const SIGNED_LEN: usize = 112;
/// Octets that the tag covers, which comes right behind them (RFC 8762 section 4.4).
const SIGNED: usize = SIGNED_LEN - TAG_LEN;
/// Octets of the shortest request: sequence number, timestamp, error estimate.
pub const MIN_REQUEST: usize = 14;
/// Octets of the shortest reply (of a TWAMP Light reflector, up to the sender's TTL).
pub const MIN_REPLY: usize = 41;
/// The UDP port of reflectors (RFC 8762 section 4.1).
pub const PORT: u16 = 862;

/// The error estimate of RFC 4656 section 4.1.2 with the Z bit of RFC 8186.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ErrorEstimate(pub u16);

impl ErrorEstimate {
    /// What we write: an NTP timestamp of a clock that claims no synchronisation, good to a second.
    pub const UNSYNCHRONISED: Self = Self(0x2001);

    /// S bit: the clock is synchronised to UTC.
    pub const fn is_synchronised(self) -> bool {
        self.0 & 0x8000 != 0
    }

    /// Z bit: the timestamp beside it is in the PTPv2 format, not the NTP format.
    pub const fn is_ptp(self) -> bool {
        self.0 & 0x4000 != 0
    }
}

/// A session-sender's packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Request {
    /// Counts the packets of the session from zero.
    pub seq: u32,
    /// T1: when it was sent, by the sender's clock.
    pub time: WireTime,
    /// Quality and format of `time`.
    pub error: ErrorEstimate,
    /// Session identifier; zero where the sender knows none.
    pub ssid: u16,
}

impl Request {
    /// Decodes a request of at least [`MIN_REQUEST`] octets; what follows octet 44 is not looked at.
    ///
    /// Below 44 octets the sender speaks TWAMP Light: octets 14 and 15 are padding, the SSID is zero.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (_, mut request) = request(bytes).ok()?;
        if bytes.len() >= LEN {
            let (high, low) = (bytes[14], bytes[15]);
            request.ssid = u16::from_be_bytes([high, low]);
        }
        Some(request)
    }

    /// The packet.
    pub fn encode(&self) -> [u8; LEN] {
        let mut out = [0; LEN];
        put(&mut out, 0, &self.seq.to_be_bytes());
        put(&mut out, 4, &self.time.0.to_be_bytes());
        put(&mut out, 12, &self.error.0.to_be_bytes());
        put(&mut out, 14, &self.ssid.to_be_bytes());
        out
    }

    /// Decodes an authenticated request; `None` if it is too short or `key` did not sign it.
    pub fn decode_signed(bytes: &[u8], key: &Key) -> Option<Self> {
        let (_, request) = signed_request(verified(bytes, key)?).ok()?;
        Some(request)
    }

    /// The authenticated packet.
    pub fn encode_signed(&self, key: &Key) -> [u8; SIGNED_LEN] {
        let mut out = [0; SIGNED_LEN];
        put(&mut out, 0, &self.seq.to_be_bytes());
        put(&mut out, 16, &self.time.0.to_be_bytes());
        put(&mut out, 24, &self.error.0.to_be_bytes());
        put(&mut out, 26, &self.ssid.to_be_bytes());
        sign(out, key)
    }
}

/// A session-reflector's packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Reply {
    /// The reflector's own count of replies (stateful) or a copy of the sender's (stateless).
    pub seq: u32,
    /// T3: when the reply was sent, by the reflector's clock.
    pub time: WireTime,
    /// Quality and format of `time` and `received`.
    pub error: ErrorEstimate,
    /// The request's session identifier; zero from reflectors that know none.
    pub ssid: u16,
    /// T2: when the request was received, by the reflector's clock.
    pub received: WireTime,
    /// The request's sequence number.
    pub sender_seq: u32,
    /// The request's timestamp, T1, bit by bit.
    pub sender_time: WireTime,
    /// The request's error estimate.
    pub sender_error: ErrorEstimate,
    /// TTL or hop limit with which the request arrived.
    pub sender_ttl: u8,
}

impl Reply {
    /// Decodes a reply of at least [`MIN_REPLY`] octets; reserved octets and what follows are not looked at.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        reply(bytes).ok().map(|(_, reply)| reply)
    }

    /// The packet.
    pub fn encode(&self) -> [u8; LEN] {
        let mut out = [0; LEN];
        put(&mut out, 0, &self.seq.to_be_bytes());
        put(&mut out, 4, &self.time.0.to_be_bytes());
        put(&mut out, 12, &self.error.0.to_be_bytes());
        put(&mut out, 14, &self.ssid.to_be_bytes());
        put(&mut out, 16, &self.received.0.to_be_bytes());
        put(&mut out, 24, &self.sender_seq.to_be_bytes());
        put(&mut out, 28, &self.sender_time.0.to_be_bytes());
        put(&mut out, 36, &self.sender_error.0.to_be_bytes());
        out[40] = self.sender_ttl;
        out
    }

    /// Decodes an authenticated reply; `None` if it is too short or `key` did not sign it.
    pub fn decode_signed(bytes: &[u8], key: &Key) -> Option<Self> {
        signed_reply(verified(bytes, key)?).ok().map(|(_, reply)| reply)
    }

    /// The authenticated packet.
    pub fn encode_signed(&self, key: &Key) -> [u8; SIGNED_LEN] {
        let mut out = [0; SIGNED_LEN];
        put(&mut out, 0, &self.seq.to_be_bytes());
        put(&mut out, 16, &self.time.0.to_be_bytes());
        put(&mut out, 24, &self.error.0.to_be_bytes());
        put(&mut out, 26, &self.ssid.to_be_bytes());
        put(&mut out, 32, &self.received.0.to_be_bytes());
        put(&mut out, 48, &self.sender_seq.to_be_bytes());
        put(&mut out, 64, &self.sender_time.0.to_be_bytes());
        put(&mut out, 72, &self.sender_error.0.to_be_bytes());
        out[80] = self.sender_ttl;
        sign(out, key)
    }
}

fn put(out: &mut [u8], at: usize, field: &[u8]) {
    out[at..at + field.len()].copy_from_slice(field);
}

/// Writes the tag of the signed part behind it.
fn sign(mut out: [u8; SIGNED_LEN], key: &Key) -> [u8; SIGNED_LEN] {
    let tag = key.tag(&[&out[..SIGNED]]);
    put(&mut out, SIGNED, &tag);
    out
}

/// The signed part of an authenticated packet, if the tag behind it is right.
fn verified<'a>(bytes: &'a [u8], key: &Key) -> Option<&'a [u8]> {
    let (signed, rest) = bytes.split_at_checked(SIGNED)?;
    key.verifies(&[signed], rest.first_chunk()?).then_some(signed)
}

fn request(input: &[u8]) -> IResult<&[u8], Request> {
    let (rest, (seq, time, error)) = (be_u32, be_u64, be_u16).parse(input)?;
    let request = Request { seq, time: WireTime(time), error: ErrorEstimate(error), ssid: 0 };
    Ok((rest, request))
}

fn reply(input: &[u8]) -> IResult<&[u8], Reply> {
    let (rest, (seq, time, error, ssid, received)) =
        (be_u32, be_u64, be_u16, be_u16, be_u64).parse(input)?;
    let (rest, (sender_seq, sender_time, sender_error, _, sender_ttl)) =
        (be_u32, be_u64, be_u16, take(2usize), octet).parse(rest)?;
    let reply = Reply {
        seq,
        time: WireTime(time),
        error: ErrorEstimate(error),
        ssid,
        received: WireTime(received),
        sender_seq,
        sender_time: WireTime(sender_time),
        sender_error: ErrorEstimate(sender_error),
        sender_ttl,
    };
    Ok((rest, reply))
}

fn signed_request(input: &[u8]) -> IResult<&[u8], Request> {
    let (rest, (seq, _, time, error, ssid)) =
        (be_u32, take(12usize), be_u64, be_u16, be_u16).parse(input)?;
    Ok((rest, Request { seq, time: WireTime(time), error: ErrorEstimate(error), ssid }))
}

fn signed_reply(input: &[u8]) -> IResult<&[u8], Reply> {
    let (rest, (seq, _, time, error, ssid, _, received, _)) =
        (be_u32, take(12usize), be_u64, be_u16, be_u16, take(4usize), be_u64, take(8usize))
            .parse(input)?;
    let (rest, (sender_seq, _, sender_time, sender_error, _, sender_ttl)) =
        (be_u32, take(12usize), be_u64, be_u16, take(6usize), octet).parse(rest)?;
    let reply = Reply {
        seq,
        time: WireTime(time),
        error: ErrorEstimate(error),
        ssid,
        received: WireTime(received),
        sender_seq,
        sender_time: WireTime(sender_time),
        sender_error: ErrorEstimate(sender_error),
        sender_ttl,
    };
    Ok((rest, reply))
}
