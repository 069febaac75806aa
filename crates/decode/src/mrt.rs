//! MRT files: tables and messages as route collectors keep them (RFC 6396, RFC 8050).

use std::io::{self, Read};
use std::net::{IpAddr, Ipv4Addr};

use ipnet::IpNet;
use nom::bytes::complete::take;
use nom::multi::{count, length_data};
use nom::number::complete::{be_u8, be_u16, be_u32};
use nom::{IResult, Parser};
use pathvane_wire::{DecodeContext, FamilySet, MAX_LEN_EXTENDED, PeerKind, RawAttrs, frame};

use crate::context::{Context, PLAIN};
use crate::record::{Place, Prefix, Record, RibEntry, What};
use crate::{Sink, attributes, message};

const HEADER_LEN: usize = 12;
/// The longest record believed: a table entry with every peer of a large collector is far shorter.
const LONGEST: u32 = 1 << 24;

const TABLE_DUMP_V2: u16 = 13;
const BGP4MP: u16 = 16;
const BGP4MP_ET: u16 = 17;

type Parsed<'a, T> = IResult<&'a [u8], T, ()>;

/// The common header of a record (RFC 6396 section 2).
struct Header {
    seconds: u32,
    kind: u16,
    subtype: u16,
    length: u32,
}

fn header(input: &[u8]) -> Parsed<'_, Header> {
    let (rest, (seconds, kind, subtype, length)) = (be_u32, be_u16, be_u16, be_u32).parse(input)?;
    Ok((rest, Header { seconds, kind, subtype, length }))
}

/// Whether an input begins with an MRT record of a type that exists.
pub(crate) fn begins(start: &[u8]) -> bool {
    header(start).is_ok_and(|(_, header)| {
        matches!(
            (header.kind, header.subtype),
            (11..=13 | BGP4MP | BGP4MP_ET, 0..=14) | (32 | 33 | 48 | 49, _)
        ) && header.length <= LONGEST
    })
}

/// A peer that table entries refer to by number.
struct Peer {
    address: IpAddr,
    asn: u32,
}

struct Mrt<'a, 's> {
    sink: &'a mut Sink<'s>,
    place: Place,
    peers: Vec<Peer>,
}

/// Reads records to the end of the input.
pub(crate) fn read(mut input: impl Read, sink: &mut Sink<'_>) -> io::Result<()> {
    let mut mrt = Mrt { sink, place: Place::default(), peers: Vec::new() };
    let mut offset = 0;
    let mut body = Vec::new();
    loop {
        let mut start = Vec::with_capacity(HEADER_LEN);
        input.by_ref().take(HEADER_LEN as u64).read_to_end(&mut start)?;
        mrt.place = Place { offset, ..Place::default() };
        let Ok((_, header)) = header(&start) else {
            return match start.len() {
                0 => Ok(()),
                rest => {
                    mrt.damage(format!("the file ends {rest} octets into the header of a record"))
                }
            };
        };
        if header.length > LONGEST {
            let detail = format!(
                "a record of {} octets cannot be: nothing behind this place can be found",
                header.length
            );
            return mrt.damage(detail);
        }
        body.clear();
        input.by_ref().take(u64::from(header.length)).read_to_end(&mut body)?;
        mrt.record(&header, &body)?;
        if body.len() < header.length as usize {
            let (there, due) = (body.len(), header.length);
            return mrt.damage(format!("the file ends {there} octets into a record of {due}"));
        }
        offset += (HEADER_LEN + body.len()) as u64;
    }
}

impl Mrt<'_, '_> {
    fn tell(&mut self, what: What) -> io::Result<()> {
        (self.sink)(Record { place: self.place.clone(), what })
    }

    fn damage(&mut self, detail: String) -> io::Result<()> {
        self.tell(What::Damage { detail })
    }

    fn record(&mut self, header: &Header, body: &[u8]) -> io::Result<()> {
        let (body, nanos) = match header.kind {
            BGP4MP_ET => match be_u32::<_, ()>(body) {
                Ok((rest, micros)) => (rest, micros.saturating_mul(1000)),
                Err(_) => return self.malformed(header),
            },
            _ => (body, 0),
        };
        self.place.time = Some(time(header.seconds, nanos));
        match (header.kind, header.subtype) {
            (TABLE_DUMP_V2, 1) => self.peer_index(header, body),
            (TABLE_DUMP_V2, 2 | 3) => self.rib(header, body, false, false),
            (TABLE_DUMP_V2, 4 | 5) => self.rib(header, body, true, false),
            (TABLE_DUMP_V2, 8 | 9) => self.rib(header, body, false, true),
            (TABLE_DUMP_V2, 10 | 11) => self.rib(header, body, true, true),
            (BGP4MP | BGP4MP_ET, 0 | 5) => self.state_change(header, body),
            (BGP4MP | BGP4MP_ET, 1 | 4 | 6..=11) => self.message(header, body),
            (kind, subtype) => {
                let detail =
                    format!("a record of type {kind}, subtype {subtype} is not read here: skipped");
                self.damage(detail)
            }
        }
    }

    fn malformed(&mut self, header: &Header) -> io::Result<()> {
        let Header { kind, subtype, length, .. } = header;
        self.damage(format!(
            "the record of type {kind}, subtype {subtype} and {length} octets does not hold what it \
             should: skipped"
        ))
    }

    fn peer_index(&mut self, header: &Header, body: &[u8]) -> io::Result<()> {
        let Ok((_, (collector, view, peers))) = peer_index(body) else {
            return self.malformed(header);
        };
        self.peers = peers;
        self.tell(What::PeerIndex {
            collector: Ipv4Addr::from_bits(collector).to_string(),
            view: String::from_utf8_lossy(view).into_owned(),
            peers: self.peers.len(),
        })
    }

    fn rib(&mut self, header: &Header, body: &[u8], v6: bool, paths: bool) -> io::Result<()> {
        let Ok((mut rest, (sequence, prefix, entries))) = rib_head(body, v6) else {
            return self.malformed(header);
        };
        for number in 1..=entries {
            let Ok((after, entry)) = rib_entry(rest, paths) else {
                let detail = format!(
                    "entry {number} of {entries} for {prefix} does not end within its record: skipped"
                );
                return self.damage(detail);
            };
            rest = after;
            let what = entry.told(sequence, prefix);
            match self.peers.get(usize::from(entry.peer)) {
                Some(peer) => {
                    (self.place.from, self.place.peer_as) =
                        (Some(peer.address.to_string()), Some(peer.asn));
                }
                None => {
                    (self.place.from, self.place.peer_as) =
                        (Some(format!("peer {}", entry.peer)), None);
                }
            }
            self.tell(what)?;
        }
        Ok(())
    }

    fn state_change(&mut self, header: &Header, body: &[u8]) -> io::Result<()> {
        let wide = header.subtype == 5;
        let parsed = peering(body, wide).and_then(|(rest, peering)| {
            (be_u16, be_u16).parse(rest).map(|(_, states)| (peering, states))
        });
        let Ok((peering, (old, new))) = parsed else { return self.malformed(header) };
        self.between(&peering, false);
        self.tell(What::StateChange { old: state(old), new: state(new) })
    }

    fn message(&mut self, header: &Header, body: &[u8]) -> io::Result<()> {
        let wide = matches!(header.subtype, 4 | 7 | 9 | 11);
        let local = matches!(header.subtype, 6 | 7 | 10 | 11);
        let Ok((octets, peering)) = peering(body, wide) else { return self.malformed(header) };
        self.between(&peering, local);
        let context = DecodeContext {
            peer: if peering.peer_as == peering.local_as {
                PeerKind::Internal
            } else {
                PeerKind::External
            },
            four_octet_as: wide,
            add_path: if header.subtype >= 8 { FamilySet::ALL } else { FamilySet::EMPTY },
            ..PLAIN
        };
        let what = match frame(octets, MAX_LEN_EXTENDED) {
            Ok(Some(frame)) => message::read(frame, Context::Known(context)),
            Ok(None) => {
                return self
                    .damage(format!("the record ends {} octets into a message", octets.len()));
            }
            Err(error) => What::Error(message::wrong("message header", None, &error)),
        };
        self.tell(what)
    }

    /// Who sent it to whom.
    fn between(&mut self, peering: &Peering, local: bool) {
        let (peer, us) = (Some(peering.peer.to_string()), Some(peering.local.to_string()));
        (self.place.from, self.place.to) = if local { (us, peer) } else { (peer, us) };
        self.place.peer_as = Some(peering.peer_as);
    }
}

/// A moment in UTC.
pub(crate) fn time(seconds: u32, nanos: u32) -> String {
    let nanos = i32::try_from(nanos).unwrap_or(0).min(999_999_999);
    jiff::Timestamp::new(i64::from(seconds), nanos)
        .map_or_else(|_| seconds.to_string(), |t| t.to_string())
}

fn state(code: u16) -> String {
    let names = ["Idle", "Connect", "Active", "OpenSent", "OpenConfirm", "Established"];
    let name = usize::from(code).checked_sub(1).and_then(|at| names.get(at));
    name.map_or_else(|| format!("state {code}"), |name| (*name).to_owned())
}

fn address(input: &[u8], v6: bool) -> Parsed<'_, IpAddr> {
    if v6 {
        let (rest, octets) = take(16_usize).parse(input)?;
        let octets: [u8; 16] = octets.try_into().map_err(|_| nom::Err::Error(()))?;
        Ok((rest, octets.into()))
    } else {
        let (rest, bits) = be_u32(input)?;
        Ok((rest, Ipv4Addr::from_bits(bits).into()))
    }
}

fn asn(input: &[u8], wide: bool) -> Parsed<'_, u32> {
    if wide { be_u32(input) } else { be_u16.map(u32::from).parse(input) }
}

/// Collector, name of the view, peers (RFC 6396 section 4.3.1).
fn peer_index(input: &[u8]) -> Parsed<'_, (u32, &[u8], Vec<Peer>)> {
    let (input, (collector, view, peers)) = (be_u32, length_data(be_u16), be_u16).parse(input)?;
    let (input, peers) = count(index_entry, usize::from(peers)).parse(input)?;
    Ok((input, (collector, view, peers)))
}

fn index_entry(input: &[u8]) -> Parsed<'_, Peer> {
    let (input, (kind, _id)) = (be_u8, be_u32).parse(input)?;
    let (input, address) = address(input, kind & 1 != 0)?;
    let (input, asn) = asn(input, kind & 2 != 0)?;
    Ok((input, Peer { address, asn }))
}

/// Sequence number, prefix, number of entries (RFC 6396 section 4.3.2).
fn rib_head(input: &[u8], v6: bool) -> Parsed<'_, (u32, IpNet, u16)> {
    let (input, (sequence, bits)) = (be_u32, be_u8).parse(input)?;
    let (input, octets) = take(usize::from(bits.div_ceil(8))).parse(input)?;
    let mut whole = [0; 16];
    let address: IpAddr = match (whole.get_mut(..octets.len()), v6) {
        (Some(start), true) => {
            start.copy_from_slice(octets);
            whole.into()
        }
        (Some(start), false) => {
            start.copy_from_slice(octets);
            let [a, b, c, d, ..] = whole;
            [a, b, c, d].into()
        }
        (None, _) => return Err(nom::Err::Error(())),
    };
    let net = IpNet::new(address, bits).map_err(|_| nom::Err::Error(()))?;
    let (input, entries) = be_u16(input)?;
    Ok((input, (sequence, net.trunc(), entries)))
}

/// One route of a table (RFC 6396 section 4.3.4, RFC 8050 section 4.1).
struct Entry<'a> {
    peer: u16,
    originated: u32,
    path_id: Option<u32>,
    attributes: &'a [u8],
}

fn rib_entry(input: &[u8], paths: bool) -> Parsed<'_, Entry<'_>> {
    let (input, (peer, originated)) = (be_u16, be_u32).parse(input)?;
    let (input, path_id) = if paths { be_u32.map(Some).parse(input)? } else { (input, None) };
    let (input, attributes) = length_data(be_u16).parse(input)?;
    Ok((input, Entry { peer, originated, path_id, attributes }))
}

impl Entry<'_> {
    /// The entry as a record; its AS numbers have four octets, whatever the peer had.
    fn told(&self, sequence: u32, prefix: IpNet) -> What {
        // Whether the peer was internal is not written down; nothing is lost by reading it so.
        let ctx = DecodeContext { peer: PeerKind::Internal, ..PLAIN };
        let checked = RawAttrs::from_bytes(self.attributes).check(&ctx);
        let (attributes, faults) = attributes::list(self.attributes, 0, &ctx, &checked.faults);
        What::Rib(RibEntry {
            sequence,
            prefix: Prefix {
                prefix,
                path_id: self.path_id,
                next_hop: attributes::table_next_hop(self.attributes),
            },
            originated: time(self.originated, 0),
            attributes,
            faults,
            disposition: checked.disposition().to_string(),
        })
    }
}

/// Between whom a message went (RFC 6396 section 4.4.1).
struct Peering {
    peer_as: u32,
    local_as: u32,
    peer: IpAddr,
    local: IpAddr,
}

fn peering(input: &[u8], wide: bool) -> Parsed<'_, Peering> {
    let (input, peer_as) = asn(input, wide)?;
    let (input, local_as) = asn(input, wide)?;
    let (input, (_interface, afi)) = (be_u16, be_u16).parse(input)?;
    if !matches!(afi, 1 | 2) {
        return Err(nom::Err::Error(()));
    }
    let (input, peer) = address(input, afi == 2)?;
    let (input, local) = address(input, afi == 2)?;
    Ok((input, Peering { peer_as, local_as, peer, local }))
}
