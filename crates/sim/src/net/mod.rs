//! A seeded network: directed links, datagrams and TCP-like streams in virtual time.
//!
//! Signal flow: what is sent passes its links one after the other, each of which may lose or
//! delay it; what survives waits in a queue for its instant and comes out of [`Net::pop`] in
//! order of time. A datagram that is lost is lost. A segment of a stream is sent again after
//! a retransmission time that doubles; streams therefore stall while a link is down and go on
//! when it is back, never lose or corrupt a byte, and end when told to or when cut.

mod link;
mod stream;
#[cfg(test)]
mod tests;

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use pathvane_clock::Instant;

pub use link::{Link, LinkId, Loss};
pub use stream::{End, StreamId};

use stream::{Segment, Stream};

/// Something that came out of the network.
#[derive(Clone, PartialEq, Debug)]
pub enum Delivery<D> {
    /// A datagram arrived.
    Datagram(D),
    /// A stream is open, as far as this end knows.
    Opened {
        /// Which stream.
        stream: StreamId,
        /// Whose end: the dialler hears one round trip after it dialled.
        end: End,
    },
    /// Bytes arrived, in order.
    Bytes {
        /// On which stream.
        stream: StreamId,
        /// At which end.
        end: End,
        /// What arrived.
        bytes: Vec<u8>,
    },
    /// The far end has all bytes up to here.
    Acked {
        /// On which stream.
        stream: StreamId,
        /// The end that sent them.
        end: End,
        /// Position, counted from the stream's first byte of this direction.
        position: u64,
    },
    /// The far end closed, or the stream was cut.
    Closed {
        /// Which stream.
        stream: StreamId,
        /// The end that learns of it.
        end: End,
    },
}

/// What waits in the queue.
#[derive(Debug)]
enum Pending<D> {
    Arrival(D),
    /// A segment is sent, for the `attempt`-th time.
    Attempt {
        stream: StreamId,
        from: End,
        segment: u64,
        attempt: u32,
    },
    Segment {
        stream: StreamId,
        from: End,
        segment: u64,
    },
    Ready(Delivery<D>),
}

#[derive(Debug)]
struct Queued<D> {
    at: Instant,
    /// First come, first served among equals.
    order: u64,
    what: Pending<D>,
}

impl<D> PartialEq for Queued<D> {
    fn eq(&self, other: &Self) -> bool {
        self.order == other.order
    }
}

impl<D> Eq for Queued<D> {}

impl<D> PartialOrd for Queued<D> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<D> Ord for Queued<D> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.order).cmp(&(other.at, other.order))
    }
}

/// The network. `D` is what a datagram carries.
#[derive(Debug)]
pub struct Net<D> {
    rng: fastrand::Rng,
    links: Vec<Link>,
    streams: Vec<Stream>,
    queue: BinaryHeap<Reverse<Queued<D>>>,
    order: u64,
}

impl<D> Net<D> {
    /// A network without links; `seed` decides what is lost and delayed.
    pub fn new(seed: u64) -> Self {
        Self {
            rng: fastrand::Rng::with_seed(seed),
            links: Vec::new(),
            streams: Vec::new(),
            queue: BinaryHeap::new(),
            order: 0,
        }
    }

    /// Adds a directed link.
    pub fn add_link(&mut self, link: Link) -> LinkId {
        self.links.push(link);
        LinkId(self.links.len() - 1)
    }

    /// A link, to impair or repair it. Changes apply to what is sent from now on.
    pub fn link_mut(&mut self, id: LinkId) -> &mut Link {
        &mut self.links[id.0]
    }

    /// Sends a datagram over links in series.
    pub fn send(&mut self, now: Instant, links: &[LinkId], datagram: D) {
        if let Some(at) = self.transit(now, links) {
            self.put(at, Pending::Arrival(datagram));
        }
    }

    /// When something sent now over links in series arrives; `None` if one of them loses it.
    /// For traffic whose arrival is only counted.
    pub fn transit(&mut self, now: Instant, links: &[LinkId]) -> Option<Instant> {
        links.iter().try_fold(now, |at, link| self.links[link.0].pass(at, &mut self.rng))
    }

    /// Opens a stream: `out` leads from the dialler to the acceptor, `back` the other way.
    pub fn dial(&mut self, now: Instant, out: &[LinkId], back: &[LinkId]) -> StreamId {
        let stream = StreamId(self.streams.len());
        self.streams.push(Stream::new(out, back));
        self.submit(now, stream, End::Dialler, Segment::Syn);
        stream
    }

    /// Sends bytes on a stream.
    pub fn write(&mut self, now: Instant, stream: StreamId, from: End, bytes: Vec<u8>) {
        if !bytes.is_empty() {
            self.submit(now, stream, from, Segment::Bytes(bytes));
        }
    }

    /// Closes one end: what was written still arrives, then the far end learns of it. This
    /// end hears nothing more.
    pub fn close(&mut self, now: Instant, stream: StreamId, from: End) {
        self.streams[stream.0].leave(from);
        self.submit(now, stream, from, Segment::Fin);
    }

    /// Cuts a stream at once: both ends that still listen learn of it now.
    pub fn cut(&mut self, now: Instant, stream: StreamId) {
        for end in [End::Dialler, End::Acceptor] {
            self.put(now, Pending::Ready(Delivery::Closed { stream, end }));
        }
        self.streams[stream.0].cut = true;
    }

    /// When something is next to come out or to be done.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.queue.peek().map(|Reverse(queued)| queued.at)
    }

    /// What came out by `now`; call until `None`.
    pub fn pop(&mut self, now: Instant) -> Option<Delivery<D>> {
        loop {
            let due = self.queue.peek().is_some_and(|Reverse(queued)| queued.at <= now);
            let Reverse(Queued { at, what, .. }) =
                if due { self.queue.pop()? } else { return None };
            match what {
                Pending::Arrival(datagram) => return Some(Delivery::Datagram(datagram)),
                Pending::Ready(delivery) => {
                    if self.heard(&delivery) {
                        return Some(delivery);
                    }
                }
                Pending::Attempt { stream, from, segment, attempt } => {
                    self.attempt(at, stream, from, segment, attempt);
                }
                Pending::Segment { stream, from, segment } => {
                    self.arrive(at, stream, from, segment);
                }
            }
        }
    }
}

impl<D> Net<D> {
    fn put(&mut self, at: Instant, what: Pending<D>) {
        self.order += 1;
        self.queue.push(Reverse(Queued { at, order: self.order, what }));
    }

    fn submit(&mut self, now: Instant, stream: StreamId, from: End, what: Segment) {
        let segment = self.streams[stream.0].push(from, what);
        self.put(now, Pending::Attempt { stream, from, segment, attempt: 0 });
    }

    fn attempt(&mut self, at: Instant, id: StreamId, from: End, segment: u64, attempt: u32) {
        let stream = &self.streams[id.0];
        if stream.cut {
            return;
        }
        let (links, again) =
            (stream.links(from).to_vec(), stream.retransmit(from, segment, attempt));
        match self.transit(at, &links) {
            Some(there) => self.put(there, Pending::Segment { stream: id, from, segment }),
            None => {
                let attempt = attempt + 1;
                self.put(at + again, Pending::Attempt { stream: id, from, segment, attempt });
            }
        }
    }

    /// A segment is there: hands over all that is now in order, and acknowledges it.
    fn arrive(&mut self, at: Instant, id: StreamId, from: End, segment: u64) {
        let stream = &mut self.streams[id.0];
        if stream.cut {
            return;
        }
        for segment in stream.receive(from, segment) {
            let (stream, end) = (id, from.other());
            match segment {
                Segment::Syn => {
                    self.put(at, Pending::Ready(Delivery::Opened { stream, end }));
                    self.submit(at, id, end, Segment::SynAck);
                }
                Segment::SynAck => self.put(at, Pending::Ready(Delivery::Opened { stream, end })),
                Segment::Bytes(bytes) => {
                    let position = self.streams[id.0].advance(from, bytes.len());
                    self.put(at, Pending::Ready(Delivery::Bytes { stream, end, bytes }));
                    self.acknowledge(at, id, from, position);
                }
                Segment::Fin => self.put(at, Pending::Ready(Delivery::Closed { stream, end })),
            }
        }
    }

    /// An acknowledgment that is lost is made up for by the next one, as in TCP.
    fn acknowledge(&mut self, at: Instant, stream: StreamId, end: End, position: u64) {
        let links = self.streams[stream.0].links(end.other()).to_vec();
        if let Some(there) = self.transit(at, &links) {
            self.put(there, Pending::Ready(Delivery::Acked { stream, end, position }));
        }
    }

    /// Whether an end still listens; after `Closed` it does not.
    fn heard(&mut self, delivery: &Delivery<D>) -> bool {
        match delivery {
            Delivery::Datagram(_) => true,
            Delivery::Opened { stream, end }
            | Delivery::Bytes { stream, end, .. }
            | Delivery::Acked { stream, end, .. } => self.streams[stream.0].listens(*end),
            Delivery::Closed { stream, end } => {
                let listened = self.streams[stream.0].listens(*end);
                self.streams[stream.0].leave(*end);
                listened
            }
        }
    }
}
