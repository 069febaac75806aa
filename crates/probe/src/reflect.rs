//! The pure part of a session-reflector: request in, reply out.

use alloc::vec::Vec;

use crate::stamp::{ErrorEstimate, Key, LEN, Reply, Request, SIGNED_LEN, tlv};
use crate::{Timestamp, WireTime};

/// What the reflector saw of one request and knows of its reply.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Stamps {
    /// T2: when the request was received.
    pub received: Timestamp,
    /// T3: when the reply is sent.
    pub sent: Timestamp,
    /// TTL or hop limit with which the request arrived; 0 if unknown, 255 is the sender's.
    pub ttl: u8,
    /// Traffic class with which the request arrived: DSCP in the upper six bits, ECN below.
    pub class: u8,
    /// Sequence number of the reply ([`crate::Sessions::number`]).
    pub seq: u32,
    /// Requests of the session received and replies sent, this one included (Direct Measurement).
    pub counts: (u32, u32),
}

/// How a reply is to be sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Reflected {
    /// The DSCP: the one that a Class of Service TLV asks for, else the request's.
    pub dscp: u8,
}

/// Writes the reply to `request` into `out`, which is cleared first; `None` if it is no request, or
/// with a `key` if it is none that the key has signed.
///
/// A reply has as many octets as its request, with one exception: the short senders of TWAMP Light
/// (14 to 43 octets) get 44 (RFC 8762 section 4.6), so a reflector for strangers leaves them out.
/// TLVs (RFC 8972 section 4) of unknown types return with the U flag, malformed ones with the M flag
/// and, in the authenticated mode, those without a right HMAC with the I flag.
pub fn reflect(
    request: &[u8],
    key: Option<&Key>,
    stamps: &Stamps,
    out: &mut Vec<u8>,
) -> Option<Reflected> {
    out.clear();
    let decoded = match key {
        Some(key) => Request::decode_signed(request, key)?,
        None => Request::decode(request)?,
    };
    let reply = Reply {
        seq: stamps.seq,
        time: WireTime::ntp(stamps.sent),
        error: ErrorEstimate::UNSYNCHRONISED,
        ssid: decoded.ssid,
        received: WireTime::ntp(stamps.received),
        sender_seq: decoded.seq,
        sender_time: decoded.time,
        sender_error: decoded.error,
        sender_ttl: stamps.ttl,
    };
    let base = match key {
        Some(key) => {
            out.extend_from_slice(&reply.encode_signed(key));
            SIGNED_LEN
        }
        None => {
            out.extend_from_slice(&reply.encode());
            LEN
        }
    };
    out.extend_from_slice(request.get(base..).unwrap_or_default());
    let facts =
        tlv::Facts { class: stamps.class, counts: stamps.counts, seqs: (decoded.seq, stamps.seq) };
    Some(Reflected { dscp: tlv::answer(&mut out[base..], key, &facts) })
}
