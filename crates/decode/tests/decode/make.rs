//! Messages, captures and MRT files, made by the rules of their formats.

use bytes::BytesMut;
use etherparse::PacketBuilder;
use ipnet::IpNet;
use pathvane_wire::{
    AddPathMode, Aggregator, Asn, Attrs, BgpId, Capability, Community, EncodeContext, Family,
    FamilySet, LargeCommunity, MAX_LEN, NextHop, Open, Origin, PeerKind, encode_announcements,
    encode_keepalive, encode_withdrawals,
};

/// How many octets AS numbers have, and whether prefixes have path identifiers.
pub(crate) fn to(four_octet_as: bool, add_path: bool) -> EncodeContext {
    EncodeContext {
        peer: PeerKind::External,
        four_octet_as,
        add_path: if add_path { FamilySet::ALL } else { FamilySet::EMPTY },
        extended_next_hop: FamilySet::EMPTY,
        max_len: MAX_LEN,
    }
}

/// An OPEN of that AS, with what most peers offer.
pub(crate) fn open(asn: u32, four_octet_as: bool, add_path: bool) -> Vec<u8> {
    let mut capabilities = vec![
        Capability::Multiprotocol(Family::IPV4_UNICAST),
        Capability::Multiprotocol(Family::IPV6_UNICAST),
    ];
    if four_octet_as {
        capabilities.push(Capability::FourOctetAs(Asn(asn)));
    }
    if add_path {
        let both = [Family::IPV4_UNICAST, Family::IPV6_UNICAST].map(|f| (f, AddPathMode::Both));
        capabilities.push(Capability::AddPath(both.to_vec()));
    }
    let open = Open { asn: Asn(asn), hold_time: 90, id: BgpId(asn), capabilities };
    let mut bytes = BytesMut::new();
    open.encode(&mut bytes);
    bytes.to_vec()
}

pub(crate) fn keepalive() -> Vec<u8> {
    let mut bytes = BytesMut::new();
    encode_keepalive(&mut bytes);
    bytes.to_vec()
}

/// Numbers that look like chance and are the same every time.
pub(crate) struct Numbers(u64);

impl Numbers {
    pub(crate) fn new(seed: u64) -> Numbers {
        Numbers(seed)
    }

    pub(crate) fn below(&mut self, limit: u32) -> u32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        u32::try_from((self.0 >> 33) % u64::from(limit)).expect("below a u32")
    }
}

/// A route: its attributes, next hop and prefixes.
pub(crate) struct Route {
    pub(crate) family: Family,
    pub(crate) attrs: Attrs,
    pub(crate) next_hop: NextHop,
    pub(crate) prefixes: Vec<(u32, IpNet)>,
}

/// Routes with every attribute that other programs read too.
pub(crate) fn routes(count: usize, wide: bool) -> Vec<Route> {
    let mut numbers = Numbers::new(7);
    (0..count).map(|number| route(number, wide, &mut numbers)).collect()
}

fn route(number: usize, wide: bool, numbers: &mut Numbers) -> Route {
    let v6 = number % 3 == 2;
    let path: Vec<Asn> = (0..=numbers.below(6))
        .map(|_| {
            Asn(if wide && numbers.below(2) == 0 { 4_200_000_000 } else { 64_512 }
                + numbers.below(500))
        })
        .collect();
    let mut attrs = Attrs {
        origin: [Origin::Igp, Origin::Egp, Origin::Incomplete][numbers.below(3) as usize],
        as_path: pathvane_wire::AsPath::sequence(path),
        med: (numbers.below(2) == 0).then(|| numbers.below(100_000)),
        atomic_aggregate: numbers.below(4) == 0,
        ..Attrs::default()
    };
    if numbers.below(4) == 0 {
        attrs.aggregator = Some(Aggregator { asn: Asn(64_600), addr: [10, 9, 8, 7].into() });
    }
    attrs.communities = (0..numbers.below(5))
        .map(|_| Community::new(64_512, numbers.below(60_000) as u16))
        .collect();
    attrs.large_communities = (0..numbers.below(3))
        .map(|_| LargeCommunity {
            global: 4_200_000_000 + numbers.below(9),
            local1: numbers.below(u32::MAX),
            local2: numbers.below(9),
        })
        .collect();
    let prefixes = (0..=numbers.below(4)).map(|_| (1 + numbers.below(9), prefix(v6, numbers)));
    let next_hop: std::net::IpAddr =
        if v6 { "2001:db8::9".parse() } else { "192.0.2.9".parse() }.expect("an address");
    Route {
        family: if v6 { Family::IPV6_UNICAST } else { Family::IPV4_UNICAST },
        attrs,
        next_hop: NextHop::from(next_hop),
        prefixes: prefixes.collect(),
    }
}

fn prefix(v6: bool, numbers: &mut Numbers) -> IpNet {
    let net = if v6 {
        let bits = 0x2001_0db8_u128 << 96 | u128::from(numbers.below(u32::MAX)) << 64;
        IpNet::new(std::net::Ipv6Addr::from_bits(bits).into(), 33 + numbers.below(32) as u8)
    } else {
        let bits = 0x0a00_0000 | numbers.below(1 << 24);
        IpNet::new(std::net::Ipv4Addr::from_bits(bits).into(), 9 + numbers.below(24) as u8)
    };
    net.expect("a prefix").trunc()
}

/// The UPDATE that announces a route.
pub(crate) fn announce(route: &Route, to: &EncodeContext) -> Vec<u8> {
    let (mut attributes, mut bytes) = (BytesMut::new(), BytesMut::new());
    route.attrs.encode(to, &mut attributes);
    let prefixes = route.prefixes.iter().copied();
    encode_announcements(route.family, &route.next_hop, &attributes, prefixes, to, &mut bytes)
        .expect("short");
    bytes.to_vec()
}

/// The UPDATE that withdraws it.
pub(crate) fn withdraw(route: &Route, to: &EncodeContext) -> Vec<u8> {
    let mut bytes = BytesMut::new();
    encode_withdrawals(route.family, route.prefixes.iter().copied(), to, &mut bytes);
    bytes.to_vec()
}

/// Every route announced, every fourth withdrawn again.
pub(crate) fn session(count: usize, wide: bool, add_path: bool) -> Vec<Vec<u8>> {
    let to = to(wide, add_path);
    let mut messages = Vec::new();
    for (number, route) in routes(count, wide).iter().enumerate() {
        messages.push(announce(route, &to));
        if number % 4 == 3 {
            messages.push(withdraw(route, &to));
        }
    }
    messages
}

/// One TCP segment of the session between 192.0.2.1:179 and 192.0.2.2:50000.
#[derive(Clone)]
pub(crate) struct Packet {
    pub(crate) from_server: bool,
    pub(crate) sequence: u32,
    pub(crate) syn: bool,
    pub(crate) payload: Vec<u8>,
}

impl Packet {
    fn octets(&self) -> Vec<u8> {
        let (server, client) = (([192, 0, 2, 1], 179), ([192, 0, 2, 2], 50_000));
        let (from, to) = if self.from_server { (server, client) } else { (client, server) };
        let tcp = PacketBuilder::ethernet2([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2])
            .ipv4(from.0, to.0, 64)
            .tcp(from.1, to.1, self.sequence, 8192);
        let tcp = if self.syn { tcp.syn() } else { tcp.ack(1) };
        let mut octets = Vec::new();
        tcp.write(&mut octets, &self.payload).expect("memory");
        octets
    }
}

/// Where sequence numbers begin: close to where they wrap.
const FIRST: u32 = u32::MAX - 100;

/// A session from its SYN on: both OPENs, KEEPALIVEs, then these pieces of the server.
pub(crate) fn packets(opens: [Vec<u8>; 2], pieces: &[Vec<u8>]) -> Vec<Packet> {
    let mut packets = Vec::new();
    let mut next = [FIRST; 2];
    let mut send = |from_server: bool, syn: bool, payload: &[u8]| {
        let sequence = &mut next[usize::from(from_server)];
        let packet = Packet { from_server, sequence: *sequence, syn, payload: payload.to_vec() };
        *sequence = sequence.wrapping_add(payload.len() as u32 + u32::from(syn));
        packets.push(packet);
    };
    send(false, true, &[]);
    send(true, true, &[]);
    let [server, client] = opens;
    send(false, false, &client);
    send(true, false, &server);
    send(false, false, &keepalive());
    send(true, false, &keepalive());
    pieces.iter().for_each(|piece| send(true, false, piece));
    packets
}

/// A pcap file, a millisecond between packets.
pub(crate) fn pcap(packets: &[Packet]) -> Vec<u8> {
    let mut file = Vec::new();
    file.extend(0xa1b2_c3d4_u32.to_le_bytes());
    file.extend([2, 0, 4, 0]);
    file.extend([0; 8]);
    file.extend(65_535_u32.to_le_bytes());
    file.extend(1_u32.to_le_bytes());
    for (number, packet) in packets.iter().enumerate() {
        let octets = packet.octets();
        file.extend(1_700_000_000_u32.to_le_bytes());
        file.extend((number as u32 * 1000).to_le_bytes());
        file.extend((octets.len() as u32).to_le_bytes());
        file.extend((octets.len() as u32).to_le_bytes());
        file.extend(octets);
    }
    file
}

/// A pcapng file of the same.
pub(crate) fn pcapng(packets: &[Packet]) -> Vec<u8> {
    let block = |kind: u32, body: &[u8]| {
        let mut body = body.to_vec();
        body.resize(body.len().next_multiple_of(4), 0);
        let len = (body.len() as u32 + 12).to_le_bytes();
        [&kind.to_le_bytes(), &len, &body[..], &len].concat()
    };
    let mut file = block(
        0x0a0d_0d0a,
        &[&0x1a2b_3c4d_u32.to_le_bytes()[..], &[1, 0, 0, 0], &[0xff; 8]].concat(),
    );
    file.extend(block(1, &[1, 0, 0, 0, 0, 0, 0, 0]));
    for (number, packet) in packets.iter().enumerate() {
        let octets = packet.octets();
        let ticks = 1_700_000_000_000_000_u64 + number as u64 * 1000;
        let mut body = 0_u32.to_le_bytes().to_vec();
        body.extend(((ticks >> 32) as u32).to_le_bytes());
        body.extend((ticks as u32).to_le_bytes());
        body.extend((octets.len() as u32).to_le_bytes());
        body.extend((octets.len() as u32).to_le_bytes());
        body.extend(octets);
        file.extend(block(6, &body));
    }
    file
}

/// One MRT record.
pub(crate) fn mrt(kind: u16, subtype: u16, body: &[u8]) -> Vec<u8> {
    let mut record = 1_700_000_000_u32.to_be_bytes().to_vec();
    record.extend(kind.to_be_bytes());
    record.extend(subtype.to_be_bytes());
    record.extend((body.len() as u32).to_be_bytes());
    record.extend(body);
    record
}

/// The head of BGP4MP records: peer 192.0.2.9 of AS 64900, local 192.0.2.1 of AS 64901.
pub(crate) fn peering(wide: bool) -> Vec<u8> {
    let mut head = Vec::new();
    for asn in [64_900_u32, 64_901] {
        head.extend(&asn.to_be_bytes()[if wide { 0 } else { 2 }..]);
    }
    head.extend([0, 0, 0, 1, 192, 0, 2, 9, 192, 0, 2, 1]);
    head
}

/// The messages of a session as BGP4MP records.
pub(crate) fn bgp4mp(messages: &[Vec<u8>], wide: bool) -> Vec<u8> {
    let record = |message: &Vec<u8>| {
        let body = [peering(wide), message.clone()].concat();
        mrt(16, if wide { 4 } else { 1 }, &body)
    };
    messages.iter().flat_map(record).collect()
}

/// Routes as a TABLE_DUMP_V2 with two peers; each prefix has an entry of either.
pub(crate) fn table(routes: &[Route], add_path: bool) -> Vec<u8> {
    let mut index = vec![10, 0, 0, 1, 0, 4];
    index.extend(b"main");
    index.extend([0, 2]);
    for (number, asn) in [(9, 64_900_u32), (10, 4_200_000_900)] {
        index.extend([2, 10, 0, 0, number, 192, 0, 2, number]);
        index.extend(asn.to_be_bytes());
    }
    let mut file = mrt(13, 1, &index);
    let mut sequence = 0_u32;
    for route in routes {
        let v6 = route.family == Family::IPV6_UNICAST;
        let mut attributes = BytesMut::new();
        route.attrs.encode(&to(true, false), &mut attributes);
        let mut attributes = attributes.to_vec();
        match route.next_hop.addr {
            std::net::IpAddr::V4(v4) => {
                attributes.extend([&[0x40, 3, 4][..], &v4.octets()].concat())
            }
            std::net::IpAddr::V6(v6) => {
                attributes.extend([&[0x80, 14, 17, 16][..], &v6.octets()].concat())
            }
        }
        for (path_id, prefix) in &route.prefixes {
            let octets = match prefix.addr() {
                std::net::IpAddr::V4(v4) => v4.octets().to_vec(),
                std::net::IpAddr::V6(v6) => v6.octets().to_vec(),
            };
            let mut body = sequence.to_be_bytes().to_vec();
            sequence += 1;
            body.push(prefix.prefix_len());
            body.extend(&octets[..usize::from(prefix.prefix_len().div_ceil(8))]);
            body.extend([0, 2]);
            for peer in [0_u8, 1] {
                body.extend([0, peer]);
                body.extend(1_699_999_000_u32.to_be_bytes());
                if add_path {
                    body.extend(path_id.to_be_bytes());
                }
                body.extend((attributes.len() as u16).to_be_bytes());
                body.extend(&attributes);
            }
            let subtype = match (v6, add_path) {
                (false, false) => 2,
                (true, false) => 4,
                (false, true) => 8,
                (true, true) => 10,
            };
            file.extend(mrt(13, subtype, &body));
        }
    }
    file
}
