//! BGP sessions out of TCP segments: put in order, with gaps told, and each side's OPEN kept.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::io;
use std::net::SocketAddr;

use pathvane_wire::{Kind, MAX_LEN_EXTENDED, Open, frame};

use crate::Sink;
use crate::context::Context;
use crate::hex::told;
use crate::record::{Place, Record, What};
use crate::stream::{Found, Stream};

/// The port of BGP.
const PORT: u16 = 179;
/// Octets of one direction that wait for others before them, at most; then those are missing.
const WAITING: usize = 1 << 20;
/// Connections followed at once; of more, the oldest are forgotten.
const MOST: usize = 16_384;

/// One TCP segment.
pub(crate) struct Segment<'a> {
    pub(crate) packet: u64,
    pub(crate) time: Option<String>,
    pub(crate) from: SocketAddr,
    pub(crate) to: SocketAddr,
    pub(crate) sequence: u32,
    pub(crate) syn: bool,
    pub(crate) fin: bool,
    pub(crate) rst: bool,
    pub(crate) payload: &'a [u8],
}

/// Both ends, the lower first.
type Ends = (SocketAddr, SocketAddr);

/// All connections that look like BGP.
#[derive(Default)]
pub(crate) struct Sessions {
    open: HashMap<Ends, Connection>,
    order: VecDeque<Ends>,
}

/// One connection: what the lower end sends, and what the other does.
#[derive(Default)]
struct Connection {
    sides: [Side; 2],
    opens: [Option<Open>; 2],
}

/// What one end sends.
#[derive(Default)]
struct Side {
    stream: Stream,
    /// The sequence number of the octet at the end of the stream, once it is known.
    next: Option<u32>,
    /// Segments ahead of it, by their distance from the first octet of the stream.
    ahead: BTreeMap<u64, Piece>,
    waiting: usize,
    /// Where in the stream packets began, for the place of a message.
    packets: VecDeque<(u64, u64, Option<String>)>,
}

struct Piece {
    packet: u64,
    time: Option<String>,
    octets: Vec<u8>,
}

impl Sessions {
    /// Takes a segment, and tells every message that it completes.
    pub(crate) fn take(&mut self, segment: &Segment<'_>, sink: &mut Sink<'_>) -> io::Result<()> {
        let lower = segment.from <= segment.to;
        let ends = if lower { (segment.from, segment.to) } else { (segment.to, segment.from) };
        let side = usize::from(!lower);
        if !self.open.contains_key(&ends) {
            let bgp = [segment.from, segment.to].iter().any(|end| end.port() == PORT)
                || segment.payload.starts_with(&[0xff; 16]);
            if !bgp {
                return Ok(());
            }
            self.remember(ends, sink)?;
        }
        let Some(connection) = self.open.get_mut(&ends) else { return Ok(()) };
        if segment.syn
            && connection.sides[side]
                .next
                .is_some_and(|next| next != segment.sequence.wrapping_add(1))
        {
            // The same ports again: another connection.
            connection.finish(ends, sink)?;
            *connection = Connection::default();
        }
        connection.take(side, segment, ends, sink)?;
        if segment.rst {
            connection.finish(ends, sink)?;
            self.open.remove(&ends);
            self.order.retain(|other| *other != ends);
        }
        Ok(())
    }

    fn remember(&mut self, ends: Ends, sink: &mut Sink<'_>) -> io::Result<()> {
        if self.order.len() >= MOST
            && let Some(oldest) = self.order.pop_front()
            && let Some(mut connection) = self.open.remove(&oldest)
        {
            connection.finish(oldest, sink)?;
        }
        self.order.push_back(ends);
        self.open.insert(ends, Connection::default());
        Ok(())
    }

    /// The capture has ended: tells what is left.
    pub(crate) fn finish(&mut self, sink: &mut Sink<'_>) -> io::Result<()> {
        for ends in std::mem::take(&mut self.order) {
            if let Some(mut connection) = self.open.remove(&ends) {
                connection.finish(ends, sink)?;
            }
        }
        Ok(())
    }
}

impl Connection {
    fn take(
        &mut self,
        side: usize,
        segment: &Segment<'_>,
        ends: Ends,
        sink: &mut Sink<'_>,
    ) -> io::Result<()> {
        let own = &mut self.sides[side];
        if segment.syn {
            own.next = Some(segment.sequence.wrapping_add(1));
        } else if own.next.is_none() && !segment.payload.is_empty() {
            own.next = Some(segment.sequence);
            own.stream = Stream::in_the_middle();
        }
        own.place(segment);
        self.tell(side, ends, sink)?;
        while self.sides[side].waiting > WAITING {
            self.skip_gap(side, ends, sink)?;
        }
        if segment.fin && self.sides[side].ahead.is_empty() {
            self.end_of(side, ends, sink)?;
        }
        Ok(())
    }

    /// Gives up the octets that are missing before the next piece.
    fn skip_gap(&mut self, side: usize, ends: Ends, sink: &mut Sink<'_>) -> io::Result<()> {
        let own = &mut self.sides[side];
        let Some((&start, _)) = own.ahead.first_key_value() else { return Ok(()) };
        let missing = start.saturating_sub(own.stream.end());
        let detail = format!("{missing} octets are not in the capture");
        let place = own.place_of(own.stream.end());
        own.stream.gap(missing);
        own.next = own.next.map(|next| next.wrapping_add(missing as u32));
        own.drain();
        self.say(side, ends, place, What::Damage { detail }, sink)?;
        self.tell(side, ends, sink)
    }

    /// Tells all that is complete.
    fn tell(&mut self, side: usize, ends: Ends, sink: &mut Sink<'_>) -> io::Result<()> {
        while let Some(found) = self.sides[side].stream.next() {
            if let Found::Message(_, octets) = &found {
                self.heed_open(side, octets);
            }
            let context = match &self.opens {
                [Some(low), Some(high)] if side == 0 => Context::negotiated(low, high),
                [Some(low), Some(high)] => Context::negotiated(high, low),
                _ => Context::Unknown,
            };
            let (offset, what) = told(&found, context);
            let place = self.sides[side].place_of(offset);
            self.sides[side].forget(offset);
            self.say(side, ends, place, what, sink)?;
        }
        Ok(())
    }

    fn heed_open(&mut self, side: usize, octets: &[u8]) {
        if let Ok(Some(message)) = frame(octets, MAX_LEN_EXTENDED)
            && message.kind == Kind::Open
        {
            self.opens[side] = Open::decode(message.body).ok();
        }
    }

    fn say(
        &self,
        side: usize,
        ends: Ends,
        place: Place,
        what: What,
        sink: &mut Sink<'_>,
    ) -> io::Result<()> {
        let (from, to) = if side == 0 { ends } else { (ends.1, ends.0) };
        let place = Place { from: Some(from.to_string()), to: Some(to.to_string()), ..place };
        sink(Record { place, what })
    }

    /// One side says no more: what it left unfinished.
    fn end_of(&mut self, side: usize, ends: Ends, sink: &mut Sink<'_>) -> io::Result<()> {
        while !self.sides[side].ahead.is_empty() {
            self.skip_gap(side, ends, sink)?;
        }
        let rest = self.sides[side].stream.rest();
        if rest > 0 {
            let end = self.sides[side].stream.end();
            let place = self.sides[side].place_of(end - rest as u64);
            let detail = format!("the connection or the capture ends {rest} octets into a message");
            self.say(side, ends, place, What::Damage { detail }, sink)?;
            self.sides[side].stream.gap(0);
        }
        Ok(())
    }

    fn finish(&mut self, ends: Ends, sink: &mut Sink<'_>) -> io::Result<()> {
        self.end_of(0, ends, sink)?;
        self.end_of(1, ends, sink)
    }
}

impl Side {
    /// Puts a segment where it belongs.
    fn place(&mut self, segment: &Segment<'_>) {
        let Some(next) = self.next.filter(|_| !segment.payload.is_empty()) else { return };
        let sequence = segment.sequence.wrapping_add(u32::from(segment.syn));
        // How far the segment is ahead of the stream, in the arithmetic of sequence numbers.
        let ahead = i64::from(sequence.wrapping_sub(next).cast_signed());
        let end = self.stream.end();
        let Some(start) = end.checked_add_signed(ahead) else { return };
        let piece = Piece {
            packet: segment.packet,
            time: segment.time.clone(),
            octets: segment.payload.to_vec(),
        };
        self.waiting += piece.octets.len();
        // Of two pieces at one place the longer stays.
        if let Some(before) = self.ahead.insert(start, piece) {
            let now = self.ahead.get(&start).map_or(0, |piece| piece.octets.len());
            self.waiting -= before.octets.len().min(now);
            if before.octets.len() > now {
                self.ahead.insert(start, before);
            }
        }
        self.drain();
    }

    /// Moves what is in order into the stream.
    fn drain(&mut self) {
        while let Some(entry) = self.ahead.first_entry() {
            let end = self.stream.end();
            if *entry.key() > end {
                break;
            }
            let (start, piece) = entry.remove_entry();
            self.waiting -= piece.octets.len().min(self.waiting);
            let known = usize::try_from(end - start).unwrap_or(usize::MAX);
            let Some(fresh) = piece.octets.get(known..).filter(|fresh| !fresh.is_empty()) else {
                continue;
            };
            self.packets.push_back((end, piece.packet, piece.time));
            self.stream.push(fresh);
            self.next = self.next.map(|next| next.wrapping_add(fresh.len() as u32));
        }
    }

    /// The packet in which an octet of the stream came, and when.
    fn place_of(&self, offset: u64) -> Place {
        let of = self.packets.iter().rev().find(|(start, ..)| *start <= offset);
        let of = of.or(self.packets.front());
        Place {
            offset,
            packet: of.map(|(_, packet, _)| *packet),
            time: of.and_then(|(_, _, time)| time.clone()),
            ..Place::default()
        }
    }

    /// Forgets packets before the one with this octet.
    fn forget(&mut self, offset: u64) {
        while self.packets.get(1).is_some_and(|(start, ..)| *start <= offset) {
            self.packets.pop_front();
        }
    }
}
