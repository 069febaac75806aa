//! The OPEN message (RFC 4271 section 4.2).

use alloc::vec::Vec;

use bytes::{BufMut, BytesMut};
use nom::Parser;
use nom::multi::length_data;
use nom::number::complete::{be_u8, be_u16, be_u32};

use crate::frame::put_message;
use crate::parse::{Parsed, put_sized, sized, take};
use crate::{
    Asn, BgpId, Capability, Family, FamilySet, GracefulRestart, HEADER_LEN, Kind, MAX_LEN,
    Notification,
};

const VERSION: u8 = 4;
/// The type of the only optional parameter in use (RFC 5492).
const CAPABILITIES: u8 = 2;
/// A length and type of optional parameters that announce the extended form (RFC 9072).
const EXTENDED: u8 = 255;
/// Room for encoded capabilities in a message without extended length.
const ROOM: usize = MAX_LEN - HEADER_LEN - 10 - 6;

/// Who the sender is, and what it can do.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Open {
    /// The sender's AS number: that of its four-octet capability if there is one.
    pub asn: Asn,
    /// The hold time offered, in seconds: 0, or at least 3.
    pub hold_time: u16,
    /// The sender's BGP Identifier.
    pub id: BgpId,
    /// The capabilities in the order sent; unknown ones are kept.
    pub capabilities: Vec<Capability>,
}

impl Open {
    /// Reads the body of an OPEN, and checks what can be checked without knowing the peer.
    ///
    /// # Errors
    /// The NOTIFICATION to send: OPEN Message Error with the subcodes and data of RFC 4271
    /// section 6.2; AS number 0 is a Bad Peer AS (RFC 7607).
    pub fn decode(body: &[u8]) -> Result<Open, Notification> {
        let malformed = |_| Notification::open_unspecific();
        let (parameters, fixed) = fixed_part(body).map_err(malformed)?;
        if fixed.version != VERSION {
            return Err(Notification::unsupported_version());
        }
        if matches!(fixed.hold_time, 1 | 2) {
            return Err(Notification::unacceptable_hold_time());
        }
        if fixed.id == 0 {
            return Err(Notification::bad_bgp_identifier());
        }
        let capabilities = decode_parameters(parameters)?;
        let wide = capabilities.iter().find_map(|c| match c {
            Capability::FourOctetAs(asn) => Some(*asn),
            _ => None,
        });
        let asn = wide.unwrap_or(Asn(u32::from(fixed.asn)));
        if fixed.asn == 0 || asn == Asn(0) {
            return Err(Notification::bad_peer_as());
        }
        Ok(Open { asn, hold_time: fixed.hold_time, id: BgpId(fixed.id), capabilities })
    }

    /// Appends the message.
    ///
    /// An AS number that two octets cannot hold is sent as AS_TRANS; list
    /// [`Capability::FourOctetAs`] to say the real one. Capabilities go into one optional
    /// parameter, in the extended form of RFC 9072 if 255 octets do not hold them. A capability
    /// with a value longer than 255 octets, or beyond the 4096 octets of the message, is left out.
    pub fn encode(&self, out: &mut BytesMut) {
        let capabilities = self.encoded_capabilities();
        put_message(out, Kind::Open, |out| {
            out.put_u8(VERSION);
            out.put_u16(self.asn.two_octets());
            out.put_u16(self.hold_time);
            out.put_u32(self.id.0);
            put_parameters(out, &capabilities);
        });
    }

    fn encoded_capabilities(&self) -> BytesMut {
        let mut all = BytesMut::new();
        for capability in &self.capabilities {
            let before = all.len();
            if capability.encode(&mut all) && all.len() > ROOM {
                all.truncate(before);
            }
        }
        all
    }

    /// The families that the sender routes: those it listed, or IPv4 unicast if it listed none
    /// of any kind (RFC 4760 section 8).
    pub fn families(&self) -> FamilySet {
        let mut listed = self.multiprotocol().peekable();
        if listed.peek().is_none() { FamilySet::IPV4 } else { listed.collect() }
    }

    fn multiprotocol(&self) -> impl Iterator<Item = Family> {
        self.capabilities.iter().filter_map(|c| match c {
            Capability::Multiprotocol(family) => Some(*family),
            _ => None,
        })
    }

    /// Whether the sender lists exactly this capability.
    pub fn has(&self, capability: &Capability) -> bool {
        self.capabilities.contains(capability)
    }

    /// Whether the sender speaks four-octet AS numbers (RFC 6793).
    pub fn four_octet_as(&self) -> bool {
        self.capabilities.iter().any(|c| matches!(c, Capability::FourOctetAs(_)))
    }

    /// What the sender offers around restarts; the last one if it lists several
    /// (RFC 4724 section 3).
    pub fn graceful_restart(&self) -> Option<&GracefulRestart> {
        self.capabilities.iter().rev().find_map(|c| match c {
            Capability::GracefulRestart(restart) => Some(restart),
            _ => None,
        })
    }

    /// What the sender offers for long absences; the last one if it lists several, and nothing
    /// without graceful restart (RFC 9494 section 4.1).
    pub fn long_lived(&self) -> Option<&[crate::LongLivedFamily]> {
        self.graceful_restart()?;
        self.capabilities.iter().rev().find_map(|c| match c {
            Capability::LongLived(families) => Some(families.as_slice()),
            _ => None,
        })
    }

    /// The families in which the sender can send several paths for one prefix (RFC 7911).
    pub fn add_path_send(&self) -> FamilySet {
        self.add_path().filter(|(_, mode)| mode.sends()).map(|(family, _)| family).collect()
    }

    /// The families in which the sender can receive several paths for one prefix (RFC 7911).
    pub fn add_path_receive(&self) -> FamilySet {
        self.add_path().filter(|(_, mode)| mode.receives()).map(|(family, _)| family).collect()
    }

    fn add_path(&self) -> impl Iterator<Item = (Family, crate::AddPathMode)> {
        self.capabilities
            .iter()
            .filter_map(|c| match c {
                Capability::AddPath(families) => Some(families.iter().copied()),
                _ => None,
            })
            .flatten()
    }

    /// The families whose next hop the sender takes from the other protocol (RFC 8950).
    pub fn extended_next_hop(&self) -> FamilySet {
        self.capabilities
            .iter()
            .filter_map(|c| match c {
                Capability::ExtendedNextHop(encodings) => Some(encodings.iter()),
                _ => None,
            })
            .flatten()
            .filter(|encoding| **encoding == crate::NextHopEncoding::IPV4_OVER_IPV6)
            .map(|encoding| encoding.family)
            .collect()
    }
}

struct Fixed {
    version: u8,
    asn: u16,
    hold_time: u16,
    id: u32,
}

fn fixed_part(input: &[u8]) -> Parsed<'_, Fixed> {
    let (rest, (version, asn, hold_time, id)) = (be_u8, be_u16, be_u16, be_u32).parse(input)?;
    Ok((rest, Fixed { version, asn, hold_time, id }))
}

/// The capabilities of all optional parameters, in either form.
fn decode_parameters(input: &[u8]) -> Result<Vec<Capability>, Notification> {
    let malformed = |_| Notification::open_unspecific();
    let (mut parameters, extended) = parameter_area(input).map_err(malformed)?;
    let mut capabilities = Vec::new();
    while !parameters.is_empty() {
        let (rest, (kind, value)) = parameter(parameters, extended).map_err(malformed)?;
        if kind != CAPABILITIES {
            return Err(Notification::unsupported_optional_parameter());
        }
        decode_capabilities(value, &mut capabilities)?;
        parameters = rest;
    }
    Ok(capabilities)
}

fn decode_capabilities(mut value: &[u8], all: &mut Vec<Capability>) -> Result<(), Notification> {
    while !value.is_empty() {
        let (rest, (code, content)) =
            capability(value).map_err(|_| Notification::open_unspecific())?;
        all.push(Capability::decode(code, content));
        value = rest;
    }
    Ok(())
}

fn capability(input: &[u8]) -> Parsed<'_, (u8, &[u8])> {
    (be_u8, length_data(be_u8)).parse(input)
}

/// The optional parameters, which must fill the rest of the message, and whether their lengths
/// have two octets (RFC 9072 section 2).
fn parameter_area(input: &[u8]) -> Parsed<'_, bool> {
    let (after_len, len) = be_u8(input)?;
    if let Ok((rest, EXTENDED)) = be_u8::<_, ()>(after_len)
        && len != 0
    {
        let (end, area) = sized(rest)?;
        return only(end, area).map(|(area, ())| (area, true));
    }
    let (end, area) = take(after_len, usize::from(len))?;
    only(end, area).map(|(area, ())| (area, false))
}

fn only<'a>(end: &'a [u8], area: &'a [u8]) -> Parsed<'a, ()> {
    if end.is_empty() { Ok((area, ())) } else { Err(nom::Err::Error(())) }
}

fn parameter(input: &[u8], extended: bool) -> Parsed<'_, (u8, &[u8])> {
    let (input, kind) = be_u8(input)?;
    let (input, value) = if extended { sized(input)? } else { length_data(be_u8).parse(input)? };
    Ok((input, (kind, value)))
}

fn put_parameters(out: &mut BytesMut, capabilities: &[u8]) {
    match u8::try_from(capabilities.len()) {
        Ok(0) => out.put_u8(0),
        Ok(len) if len <= 253 => {
            out.put_slice(&[len + 2, CAPABILITIES, len]);
            out.put_slice(capabilities);
        }
        _ => {
            out.put_slice(&[EXTENDED, EXTENDED]);
            put_sized(out, |out| {
                out.put_u8(CAPABILITIES);
                put_sized(out, |out| out.put_slice(capabilities));
            });
        }
    }
}
