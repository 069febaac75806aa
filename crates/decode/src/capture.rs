//! Captures: packets out of pcap and pcapng, TCP segments out of packets.

use std::io::{self, Read};
use std::net::{IpAddr, SocketAddr};

use etherparse::{EtherType, LaxNetSlice, LaxSlicedPacket, TransportSlice};
use pcap_parser::pcapng::InterfaceDescriptionBlock;
use pcap_parser::traits::{PcapNGPacketBlock, PcapReaderIterator};
use pcap_parser::{Block, Linktype, PcapBlockOwned, PcapError, create_reader};

use crate::Sink;
use crate::mrt::time;
use crate::record::{Place, Record, What};
use crate::tcp::{Segment, Sessions};

/// Room for one block of the file to begin with, and at most.
const ROOM: usize = 1 << 16;
const MOST_ROOM: usize = 1 << 26;

/// An interface of a pcapng file.
struct Interface {
    link: Linktype,
    /// Ticks of its clock in a second, and the second it counts from.
    resolution: u64,
    offset: i64,
}

/// How far a capture was read.
struct Capture<'a, 's> {
    sink: &'a mut Sink<'s>,
    interfaces: Vec<Interface>,
    /// The link type of a pcap file, and whether its clock counts nanoseconds.
    legacy: (Linktype, bool),
    packets: u64,
    sessions: Sessions,
}

/// Reads a capture to its end.
pub(crate) fn read(input: impl Read + Send, sink: &mut Sink<'_>) -> io::Result<()> {
    let mut capture = Capture {
        sink,
        interfaces: Vec::new(),
        legacy: (Linktype::ETHERNET, false),
        packets: 0,
        sessions: Sessions::default(),
    };
    let end = match create_reader(ROOM, input) {
        Ok(mut reader) => capture.blocks(&mut *reader)?,
        Err(error) => Some(format!("the header of the capture cannot be read: {}", said(&error))),
    };
    let Capture { sessions, sink, packets, .. } = &mut capture;
    sessions.finish(*sink)?;
    if let Some(detail) = end {
        let place = Place { packet: Some(*packets), ..Place::default() };
        sink(Record { place, what: What::Damage { detail } })?;
    }
    Ok(())
}

fn said<I>(error: &PcapError<I>) -> &'static str {
    match error {
        PcapError::Eof | PcapError::UnexpectedEof | PcapError::Incomplete(_) => {
            "the file ends early"
        }
        PcapError::ReadError => "reading failed",
        PcapError::BufferTooSmall => "a block is longer than 64 MiB",
        _ => "it is not as the format demands",
    }
}

impl Capture<'_, '_> {
    /// All blocks; what is wrong with the last, if something is.
    fn blocks(
        &mut self,
        reader: &mut (dyn PcapReaderIterator + Send),
    ) -> io::Result<Option<String>> {
        let mut room = ROOM;
        loop {
            let used = match reader.next() {
                Ok((used, block)) => {
                    self.block(&block)?;
                    used
                }
                Err(PcapError::Eof) => return Ok(None),
                Err(PcapError::Incomplete(_)) if room < MOST_ROOM => {
                    let before = reader.data().len();
                    if reader.refill().is_err() {
                        return Ok(Some(self.stopped("reading failed")));
                    }
                    // At the end of the file the next turn tells whether a block was cut short.
                    if reader.data().len() == before && !reader.reader_exhausted() {
                        room *= 2;
                        reader.grow(room);
                    }
                    continue;
                }
                Err(PcapError::BufferTooSmall) if room < MOST_ROOM => {
                    room *= 2;
                    reader.grow(room);
                    continue;
                }
                Err(error) => return Ok(Some(self.stopped(said(&error)))),
            };
            reader.consume(used);
        }
    }

    fn stopped(&self, why: &str) -> String {
        format!("behind packet {}: {why}; nothing behind this place can be found", self.packets)
    }

    fn block(&mut self, block: &PcapBlockOwned<'_>) -> io::Result<()> {
        match block {
            PcapBlockOwned::LegacyHeader(header) => {
                self.legacy = (header.network, header.is_nanosecond_precision());
                Ok(())
            }
            PcapBlockOwned::Legacy(packet) => {
                let (link, exact) = self.legacy;
                let nanos = packet.ts_usec.saturating_mul(if exact { 1 } else { 1000 });
                self.packet(link, packet.data, Some(time(packet.ts_sec, nanos)))
            }
            PcapBlockOwned::NG(Block::SectionHeader(_)) => {
                self.interfaces.clear();
                Ok(())
            }
            PcapBlockOwned::NG(Block::InterfaceDescription(interface)) => {
                self.interfaces.push(Interface::of(interface));
                Ok(())
            }
            PcapBlockOwned::NG(Block::EnhancedPacket(packet)) => {
                let interface = self.interfaces.get(packet.if_id as usize);
                let link = interface.map_or(Linktype::ETHERNET, |interface| interface.link);
                let ticks = u64::from(packet.ts_high) << 32 | u64::from(packet.ts_low);
                let at = interface.map(|interface| interface.time(ticks));
                self.packet(link, packet.packet_data(), at)
            }
            PcapBlockOwned::NG(Block::SimplePacket(packet)) => {
                let link = self.interfaces.first().map_or(Linktype::ETHERNET, |first| first.link);
                self.packet(link, packet.packet_data(), None)
            }
            PcapBlockOwned::NG(_) => Ok(()),
        }
    }

    fn packet(&mut self, link: Linktype, octets: &[u8], at: Option<String>) -> io::Result<()> {
        self.packets += 1;
        let Some(packet) = slices(link, octets) else { return Ok(()) };
        let (Some(net), Some(TransportSlice::Tcp(tcp))) = (&packet.net, &packet.transport) else {
            return Ok(());
        };
        let (from, to): (IpAddr, IpAddr) = match net {
            LaxNetSlice::Ipv4(ip) => {
                (ip.header().source_addr().into(), ip.header().destination_addr().into())
            }
            LaxNetSlice::Ipv6(ip) => {
                (ip.header().source_addr().into(), ip.header().destination_addr().into())
            }
            LaxNetSlice::Arp(_) => return Ok(()),
        };
        let segment = Segment {
            packet: self.packets,
            time: at,
            from: SocketAddr::new(from, tcp.source_port()),
            to: SocketAddr::new(to, tcp.destination_port()),
            sequence: tcp.sequence_number(),
            syn: tcp.syn(),
            fin: tcp.fin(),
            rst: tcp.rst(),
            payload: tcp.payload(),
        };
        self.sessions.take(&segment, self.sink)
    }
}

impl Interface {
    fn of(block: &InterfaceDescriptionBlock<'_>) -> Interface {
        Interface {
            link: block.linktype,
            resolution: block.ts_resolution().filter(|ticks| *ticks > 0).unwrap_or(1_000_000),
            offset: block.ts_offset(),
        }
    }

    fn time(&self, ticks: u64) -> String {
        let seconds = (ticks / self.resolution).saturating_add_signed(self.offset);
        let part =
            u128::from(ticks % self.resolution) * 1_000_000_000 / u128::from(self.resolution);
        time(u32::try_from(seconds).unwrap_or(u32::MAX), u32::try_from(part).unwrap_or(0))
    }
}

/// The layers of a packet of these links: Ethernet, Linux cooked (both forms), raw IP, loopback.
fn slices(link: Linktype, octets: &[u8]) -> Option<LaxSlicedPacket<'_>> {
    const RAW: Linktype = Linktype(12);
    const LINUX_SLL2: Linktype = Linktype(276);
    let cooked = |at: usize, header: usize| {
        let kind = u16::from_be_bytes(*octets.get(at..)?.first_chunk()?);
        Some(LaxSlicedPacket::from_ether_type(EtherType(kind), octets.get(header..)?))
    };
    match link {
        Linktype::ETHERNET => LaxSlicedPacket::from_ethernet(octets).ok(),
        Linktype::LINUX_SLL => cooked(14, 16),
        LINUX_SLL2 => cooked(0, 20),
        Linktype::RAW | RAW | Linktype::IPV4 | Linktype::IPV6 => {
            LaxSlicedPacket::from_ip(octets).ok()
        }
        Linktype::NULL | Linktype::LOOP => LaxSlicedPacket::from_ip(octets.get(4..)?).ok(),
        _ => None,
    }
}
