//! The pure part of a session-reflector: request in, reply out.

use alloc::vec::Vec;

use crate::stamp::{ErrorEstimate, LEN, Reply, Request};
use crate::{Timestamp, WireTime};

/// What the reflector saw of one request and knows of its reply.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stamps {
    /// T2: when the request was received.
    pub received: Timestamp,
    /// T3: when the reply is sent.
    pub sent: Timestamp,
    /// TTL or hop limit with which the request arrived; 0 if unknown, 255 is the sender's.
    pub ttl: u8,
    /// Sequence number of the reply ([`crate::Sessions::number`]).
    pub seq: u32,
}

/// Writes the reply to `request` into `out`, which is cleared first; `false` if it is no request.
///
/// A reply has `max(44, request)` octets and never more, so a reflector amplifies only the
/// short senders of TWAMP Light, by 30 octets at most (RFC 8762 section 4.6). Octets after the
/// 44th are TLVs of RFC 8972 section 4: of these we understand padding; others return with the U flag,
/// and what is no TLV returns with the M flag.
pub fn reflect(request: &[u8], stamps: Stamps, out: &mut Vec<u8>) -> bool {
    out.clear();
    let Some(decoded) = Request::decode(request) else { return false };
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
    out.extend_from_slice(&reply.encode());
    if let Some(tlvs) = request.get(LEN..) {
        out.extend_from_slice(tlvs);
        mark_tlvs(&mut out[LEN..]);
    }
    true
}

const TLV_HEADER: usize = 4;
const EXTRA_PADDING: u8 = 1;
const UNRECOGNISED: u8 = 0x80;
const MALFORMED: u8 = 0x40;

/// Sets the flags of each TLV as a reflector must (RFC 8972 section 4.2.1).
fn mark_tlvs(tlvs: &mut [u8]) {
    let mut at = 0;
    while at < tlvs.len() {
        let (flags, end) = match tlvs[at..] {
            [_, kind, high, low, ..] => {
                let flags = if kind == EXTRA_PADDING { 0 } else { UNRECOGNISED };
                (flags, at + TLV_HEADER + usize::from(u16::from_be_bytes([high, low])))
            }
            _ => (MALFORMED, usize::MAX),
        };
        tlvs[at] = if end > tlvs.len() { MALFORMED } else { flags };
        at = end;
    }
}
