//! ICMP echo (RFC 792) and ICMPv6 echo (RFC 4443 section 4), as carriers of probes.
//!
//! Messages start at the ICMP type; IP headers are the shell's.

use alloc::vec::Vec;

use pnet::packet::icmp::echo_reply::EchoReplyPacket;
use pnet::packet::icmp::echo_request::MutableEchoRequestPacket;
use pnet::packet::icmp::{IcmpPacket, IcmpTypes, checksum};
use pnet::packet::icmpv6::Icmpv6Types;

use crate::stamp::tlv::pad;

/// Octets of an echo header.
pub const HEADER: usize = 8;

/// Which ICMP a stream speaks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Version {
    /// ICMP over IPv4.
    V4,
    /// ICMPv6.
    V6,
}

impl Version {
    fn request(self) -> u8 {
        match self {
            Self::V4 => IcmpTypes::EchoRequest.0,
            Self::V6 => Icmpv6Types::EchoRequest.0,
        }
    }

    fn reply(self) -> u8 {
        match self {
            Self::V4 => IcmpTypes::EchoReply.0,
            Self::V6 => Icmpv6Types::EchoReply.0,
        }
    }
}

/// An echo reply, borrowed from the datagram.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EchoReply<'a> {
    /// Tells streams of one host apart.
    pub identifier: u16,
    /// Low half of the probe's number.
    pub seq: u16,
    /// What the request carried.
    pub body: &'a [u8],
}

/// Writes an echo request into `out`, which is cleared first, padded to `size` octets if it is shorter.
///
/// The checksum is complete for IPv4. For ICMPv6 it is zero: it covers addresses that only the
/// kernel knows for certain, and the kernel always fills it in (RFC 3542 section 3.1).
pub fn encode_request(
    version: Version,
    (identifier, seq): (u16, u16),
    body: &[u8],
    size: usize,
    out: &mut Vec<u8>,
) {
    out.clear();
    out.resize(HEADER, 0);
    out.extend_from_slice(body);
    pad(out, size);
    out[0] = version.request();
    // The same layout in both versions (RFC 792, RFC 4443 section 4.1).
    if let Some(mut packet) = MutableEchoRequestPacket::new(out) {
        packet.set_identifier(identifier);
        packet.set_sequence_number(seq);
    }
    if version == Version::V4 {
        let sum = IcmpPacket::new(out).map_or(0, |packet| checksum(&packet));
        out[2..4].copy_from_slice(&sum.to_be_bytes());
    }
}

/// The echo reply in `message`; `None` for any other message, our own requests included.
///
/// The checksum is not looked at: the kernel verified it before delivery.
pub fn decode_reply(version: Version, message: &[u8]) -> Option<EchoReply<'_>> {
    let packet = EchoReplyPacket::new(message)?;
    if packet.get_icmp_type().0 != version.reply() || packet.get_icmp_code().0 != 0 {
        return None;
    }
    Some(EchoReply {
        identifier: packet.get_identifier(),
        seq: packet.get_sequence_number(),
        body: &message[HEADER..],
    })
}
