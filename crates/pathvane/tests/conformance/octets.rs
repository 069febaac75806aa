//! BGP spelt out in octets, without the code under test: what is sent, and how what comes is cut apart.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

/// Message types (RFC 4271 section 4.1, RFC 2918).
pub(crate) const OPEN: u8 = 1;
pub(crate) const UPDATE: u8 = 2;
pub(crate) const NOTIFICATION: u8 = 3;
pub(crate) const KEEPALIVE: u8 = 4;
pub(crate) const ROUTE_REFRESH: u8 = 5;

/// A message with a right header.
pub(crate) fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(19 + body.len()).expect("a length");
    header([0xff; 16], length, kind, body)
}

/// A message with any header.
pub(crate) fn header(marker: [u8; 16], length: u16, kind: u8, body: &[u8]) -> Vec<u8> {
    [&marker[..], &length.to_be_bytes(), &[kind], body].concat()
}

pub(crate) fn keepalive() -> Vec<u8> {
    message(KEEPALIVE, &[])
}

/// An OPEN: version, AS number, hold time, BGP Identifier, optional parameters with their length.
pub(crate) fn open(version: u8, asn: u16, hold: u16, id: [u8; 4], parameters: &[u8]) -> Vec<u8> {
    let length = u8::try_from(parameters.len()).expect("short parameters");
    let fixed = [&[version], &asn.to_be_bytes()[..], &hold.to_be_bytes(), &id].concat();
    message(OPEN, &[&fixed[..], &[length], parameters].concat())
}

/// One optional parameter with capabilities (RFC 5492).
pub(crate) fn capabilities(capabilities: &[&[u8]]) -> Vec<u8> {
    let all = capabilities.concat();
    [&[2, u8::try_from(all.len()).expect("short capabilities")], &all[..]].concat()
}

/// Multiprotocol (RFC 4760), route refresh (RFC 2918), enhanced (RFC 7313).
pub(crate) const MP_IPV4: &[u8] = &[1, 4, 0, 1, 0, 1];
pub(crate) const MP_IPV6: &[u8] = &[1, 4, 0, 2, 0, 1];
pub(crate) const REFRESH: &[u8] = &[2, 0];
pub(crate) const ENHANCED_REFRESH: &[u8] = &[70, 0];

/// Four-octet AS numbers (RFC 6793).
pub(crate) fn four_octets(asn: u32) -> Vec<u8> {
    [&[65, 4], &asn.to_be_bytes()[..]].concat()
}

/// An UPDATE of its three fields.
pub(crate) fn update(withdrawn: &[u8], attributes: &[u8], nlri: &[u8]) -> Vec<u8> {
    let sized = |field: &[u8]| {
        let length = u16::try_from(field.len()).expect("a short field");
        [&length.to_be_bytes()[..], field].concat()
    };
    message(UPDATE, &[&sized(withdrawn)[..], &sized(attributes), nlri].concat())
}

/// A path attribute, with extended length where it needs it.
pub(crate) fn attribute(flags: u8, code: u8, value: &[u8]) -> Vec<u8> {
    match u8::try_from(value.len()) {
        Ok(length) => [&[flags, code, length], value].concat(),
        Err(_) => {
            let length = u16::try_from(value.len()).expect("a length");
            [&[flags | 0x10, code], &length.to_be_bytes()[..], value].concat()
        }
    }
}

pub(crate) const ORIGIN_IGP: &[u8] = &[0x40, 1, 1, 0];
/// 192.0.2.1
pub(crate) const NEXT_HOP: &[u8] = &[0x40, 3, 4, 192, 0, 2, 1];

/// AS_PATH: one AS_SEQUENCE of four-octet numbers; empty without any.
pub(crate) fn as_path(numbers: &[u32]) -> Vec<u8> {
    attribute(0x40, 2, &sequence(numbers))
}

/// The value of such a path.
pub(crate) fn sequence(numbers: &[u32]) -> Vec<u8> {
    if numbers.is_empty() {
        return Vec::new();
    }
    let count = u8::try_from(numbers.len()).expect("a short path");
    let octets = numbers.iter().flat_map(|number| number.to_be_bytes());
    [2, count].into_iter().chain(octets).collect()
}

pub(crate) fn med(value: u32) -> Vec<u8> {
    attribute(0x80, 4, &value.to_be_bytes())
}

pub(crate) fn local_pref(value: u32) -> Vec<u8> {
    attribute(0x40, 5, &value.to_be_bytes())
}

/// COMMUNITIES (RFC 1997).
pub(crate) fn communities(all: &[u32]) -> Vec<u8> {
    let value: Vec<_> = all.iter().flat_map(|community| community.to_be_bytes()).collect();
    attribute(0xc0, 8, &value)
}

/// A prefix as NLRI.
pub(crate) fn nlri(prefix: IpNet) -> Vec<u8> {
    let octets = match prefix.addr() {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets().to_vec(),
    };
    let length = prefix.prefix_len();
    [&[length], &octets[..usize::from(length.div_ceil(8))]].concat()
}

/// MP_REACH_NLRI for IPv6 unicast with this next hop field.
pub(crate) fn reach_ipv6(next_hop: &[u8], prefix: IpNet) -> Vec<u8> {
    attribute(0x80, 14, &reach_value(2, next_hop, &nlri(prefix)))
}

/// The value of MP_REACH_NLRI, unicast.
pub(crate) fn reach_value(afi: u8, next_hop: &[u8], nlri: &[u8]) -> Vec<u8> {
    let length = u8::try_from(next_hop.len()).expect("a short next hop");
    [&[0, afi, 1, length], next_hop, &[0], nlri].concat()
}

/// MP_UNREACH_NLRI for IPv6 unicast.
pub(crate) fn unreach_ipv6(prefix: IpNet) -> Vec<u8> {
    attribute(0x80, 15, &[&[0, 2, 1][..], &nlri(prefix)].concat())
}

/// An attribute as it came: flags without Extended Length, code, value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Attribute {
    pub(crate) flags: u8,
    pub(crate) code: u8,
    pub(crate) value: Vec<u8>,
}

/// What an UPDATE says.
#[derive(Debug, Default)]
pub(crate) struct Told {
    pub(crate) withdrawn: Vec<IpNet>,
    pub(crate) announced: Vec<IpNet>,
    /// All attributes, less the prefixes of MP_REACH_NLRI.
    pub(crate) attributes: Vec<Attribute>,
}

fn be16(octets: &[u8]) -> usize {
    usize::from(u16::from_be_bytes([octets[0], octets[1]]))
}

/// The three fields of an UPDATE's body: withdrawn routes, attributes, NLRI.
pub(crate) fn fields(body: &[u8]) -> (&[u8], &[u8], &[u8]) {
    let (withdrawn, rest) = body[2..].split_at(be16(body));
    let (attributes, nlri) = rest[2..].split_at(be16(rest));
    (withdrawn, attributes, nlri)
}

impl Told {
    /// An UPDATE of nothing (RFC 4724 section 2); of other families an empty MP_UNREACH_NLRI.
    pub(crate) fn is_end_of_rib(&self) -> bool {
        let nothing = self.announced.is_empty() && self.withdrawn.is_empty();
        nothing && self.attributes.iter().all(|one| one.code == 15)
    }
}

/// Cuts the body of an UPDATE apart; panics where it is not well-formed, since we send no such thing.
pub(crate) fn read_update(body: &[u8]) -> Told {
    let (withdrawn, attributes, nlri) = fields(body);
    let mut told = Told::default();
    told.withdrawn.extend(read_nlri(1, withdrawn));
    told.announced.extend(read_nlri(1, nlri));
    for mut attribute in read_attributes(attributes) {
        let value = &mut attribute.value;
        match attribute.code {
            14 => {
                let end = 5 + usize::from(value[3]);
                told.announced.extend(read_nlri(value[1], &value[end..]));
                value.truncate(end);
            }
            15 => told.withdrawn.extend(read_nlri(value[1], &value[3..])),
            _ => {}
        }
        told.attributes.push(attribute);
    }
    told
}

/// The attributes of an UPDATE.
pub(crate) fn read_attributes(mut list: &[u8]) -> Vec<Attribute> {
    let mut all = Vec::new();
    while let [flags, code, after @ ..] = list {
        let (length, after) = match flags & 0x10 {
            0 => (usize::from(after[0]), &after[1..]),
            _ => (be16(after), &after[2..]),
        };
        let (value, after) = after.split_at(length);
        list = after;
        // Whether a length takes one octet or two is the sender's choice.
        all.push(Attribute { flags: *flags & 0xef, code: *code, value: value.to_vec() });
    }
    all
}

/// IPv4 prefixes with path identifiers (RFC 7911).
pub(crate) fn read_numbered(mut field: &[u8]) -> Vec<(u32, IpNet)> {
    let mut all = Vec::new();
    while let [a, b, c, d, rest @ ..] = field {
        let (prefix, after) = rest.split_at(1 + usize::from(rest[0].div_ceil(8)));
        all.extend(
            read_nlri(1, prefix).into_iter().map(|net| (u32::from_be_bytes([*a, *b, *c, *d]), net)),
        );
        field = after;
    }
    all
}

fn read_nlri(afi: u8, mut field: &[u8]) -> Vec<IpNet> {
    let mut all = Vec::new();
    while let [length, rest @ ..] = field {
        let (octets, rest) = rest.split_at(usize::from(length.div_ceil(8)));
        field = rest;
        let mut address = [0; 16];
        address[..octets.len()].copy_from_slice(octets);
        let address = match afi {
            1 => Ipv4Addr::from([address[0], address[1], address[2], address[3]]).into(),
            _ => IpAddr::V6(Ipv6Addr::from(address)),
        };
        all.push(IpNet::new(address, *length).expect("a prefix"));
    }
    all
}
