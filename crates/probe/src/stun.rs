//! STUN binding requests and their responses (RFC 8489), as carriers of probes.
//!
//! Media relays answer them without knowing us, so they measure the way that voice takes.
//! Nothing but the header and the mapped address is looked at: no authentication, and
//! FINGERPRINT is neither sent nor verified, since our socket hears STUN alone (section 7).

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use nom::bytes::complete::take;
use nom::combinator::{map, verify};
use nom::number::complete::{be_u16, be_u32, be_u128, u8 as octet};
use nom::{IResult, Parser};

/// The UDP port of STUN servers (RFC 8489 section 18.6).
pub const PORT: u16 = 3478;
/// Octets of a header, and of a request of ours (section 5).
pub const HEADER: usize = 20;

/// Tells STUN from what else may come on a port (section 5).
const MAGIC_COOKIE: u32 = 0x2112_a442;
/// Method Binding, class request.
const REQUEST: u16 = 0x0001;
/// Method Binding, class success response.
const SUCCESS: u16 = 0x0101;
/// Method Binding, class error response.
const ERROR: u16 = 0x0111;
/// XOR-MAPPED-ADDRESS (section 14.2).
const XOR_MAPPED_ADDRESS: u16 = 0x0020;

/// The 96 bits that tie a response to its request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TransactionId(pub [u8; 12]);

/// A response to a binding request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Response {
    /// The request's.
    pub id: TransactionId,
    /// It is an error response: the server refuses, which proves the path all the same.
    pub error: bool,
    /// The address the server sees us by (XOR-MAPPED-ADDRESS), if it tells.
    pub mapped: Option<SocketAddr>,
}

/// A binding request without attributes.
pub fn encode_request(id: TransactionId) -> [u8; HEADER] {
    let mut out = [0; HEADER];
    out[..2].copy_from_slice(&REQUEST.to_be_bytes());
    out[4..8].copy_from_slice(&MAGIC_COOKIE.to_be_bytes());
    out[8..].copy_from_slice(&id.0);
    out
}

/// The response in `datagram`; `None` for anything else, requests and indications included.
///
/// The length field has to be the datagram's and the attributes have to fill it (section 14);
/// of several mapped addresses the first counts, attributes not known are skipped.
pub fn decode_response(datagram: &[u8]) -> Option<Response> {
    let (body, (class, length, id)) = header(datagram).ok()?;
    if usize::from(length) != body.len() || body.len() % 4 != 0 {
        return None;
    }
    let error = match class {
        SUCCESS => false,
        ERROR => true,
        _ => return None,
    };
    Some(Response { id, error, mapped: mapped_address(body, id).ok()? })
}

fn header(input: &[u8]) -> IResult<&[u8], (u16, u16, TransactionId)> {
    let cookie = verify(be_u32, |&cookie| cookie == MAGIC_COOKIE);
    let (rest, (class, length, _, id)) = (be_u16, be_u16, cookie, take(12usize)).parse(input)?;
    let mut octets = [0; 12];
    octets.copy_from_slice(id);
    Ok((rest, (class, length, TransactionId(octets))))
}

/// The first mapped address among `attributes`; an error if they do not fill their space.
fn mapped_address(
    mut attributes: &[u8],
    id: TransactionId,
) -> Result<Option<SocketAddr>, nom::Err<nom::error::Error<&[u8]>>> {
    let mut mapped = None;
    while !attributes.is_empty() {
        let (rest, (kind, length)) = (be_u16, be_u16).parse(attributes)?;
        let (rest, value) = take(length).parse(rest)?;
        let (rest, _) = take((4 - usize::from(length) % 4) % 4).parse(rest)?;
        if kind == XOR_MAPPED_ADDRESS && mapped.is_none() {
            mapped = Some(xor_address(value, id)?.1);
        }
        attributes = rest;
    }
    Ok(mapped)
}

/// The value of XOR-MAPPED-ADDRESS: port and address, masked with cookie and transaction id.
fn xor_address(input: &[u8], id: TransactionId) -> IResult<&[u8], SocketAddr> {
    let (rest, (_, family, port)) =
        (octet, verify(octet, |family| matches!(family, 1 | 2)), be_u16).parse(input)?;
    let port = port ^ (MAGIC_COOKIE >> 16) as u16;
    let (rest, ip) = if family == 1 {
        map(be_u32, |bits| IpAddr::V4(Ipv4Addr::from(bits ^ MAGIC_COOKIE))).parse(rest)?
    } else {
        let mut mask = [0; 16];
        mask[..4].copy_from_slice(&MAGIC_COOKIE.to_be_bytes());
        mask[4..].copy_from_slice(&id.0);
        let mask = u128::from_be_bytes(mask);
        map(be_u128, |bits| IpAddr::V6(Ipv6Addr::from(bits ^ mask))).parse(rest)?
    };
    Ok((rest, SocketAddr::new(ip, port)))
}
