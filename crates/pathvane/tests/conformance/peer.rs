//! A peer that does exactly what it is told: a TCP connection, octets out, messages in.

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use ipnet::IpNet;
use socket2::{Domain, Socket, Type};

use crate::octets::{
    self, KEEPALIVE, MP_IPV4, MP_IPV6, NEXT_HOP, NOTIFICATION, OPEN, ORIGIN_IGP, REFRESH, UPDATE,
};

/// How long an answer may take on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// A kind of peer: the range of loopback addresses it comes from, 127.NET.0.0/16, and its AS number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Class {
    pub(crate) net: u8,
    pub(crate) asn: u32,
}

/// What came next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// A message: its type and body.
    Message(u8, Vec<u8>),
    Closed,
    Nothing,
}

/// One connection with the speaker.
#[derive(Debug)]
pub(crate) struct Peer {
    stream: TcpStream,
    buffer: Vec<u8>,
    pub(crate) class: Class,
    pub(crate) address: Ipv4Addr,
}

/// An address that no other row has used.
pub(crate) fn fresh(class: Class) -> Ipv4Addr {
    static NEXT: AtomicU16 = AtomicU16::new(1);
    let [high, low] = NEXT.fetch_add(1, Ordering::Relaxed).to_be_bytes();
    Ipv4Addr::new(127, class.net, high, low)
}

/// Connects from one of our addresses.
pub(crate) fn dial(from: IpAddr, to: SocketAddr, ttl: Option<u32>) -> TcpStream {
    try_dial(from, to, ttl, PATIENCE).expect("connect")
}

/// The same with the smallest receive buffer: what is not read soon waits at the sender.
pub(crate) fn dial_narrow(from: IpAddr, to: SocketAddr) -> TcpStream {
    let socket = Socket::new(Domain::for_address(to), Type::STREAM, None).expect("a socket");
    socket.set_recv_buffer_size(1).expect("a small buffer");
    socket.bind(&SocketAddr::new(from, 0).into()).expect("bind to our address");
    socket.connect_timeout(&to.into(), PATIENCE).expect("connect");
    socket.into()
}

/// The same, unless there is no answer for so long.
pub(crate) fn try_dial(
    from: IpAddr,
    to: SocketAddr,
    ttl: Option<u32>,
    patience: Duration,
) -> Option<TcpStream> {
    let socket = Socket::new(Domain::for_address(to), Type::STREAM, None).expect("a socket");
    if let Some(ttl) = ttl {
        socket.set_ttl_v4(ttl).expect("set the TTL");
    }
    socket.bind(&SocketAddr::new(from, 0).into()).expect("bind to our address");
    socket.connect_timeout(&to.into(), patience).ok()?;
    Some(socket.into())
}

impl Peer {
    /// On a connection that is there.
    pub(crate) fn on(stream: TcpStream, class: Class, address: Ipv4Addr) -> Peer {
        stream.set_nodelay(true).expect("no delay");
        Peer { stream, buffer: Vec::new(), class, address }
    }

    /// Connects from an address of its class that no other row uses.
    pub(crate) fn connect(to: SocketAddr, class: Class) -> Peer {
        Peer::connect_from(to, class, fresh(class))
    }

    /// The same from a given address.
    pub(crate) fn connect_from(to: SocketAddr, class: Class, address: Ipv4Addr) -> Peer {
        Peer::on(dial(address.into(), to, None), class, address)
    }

    /// An OPEN that is right for its class: hold time 0, its address for an identifier.
    pub(crate) fn open(&self, more: &[&[u8]]) -> Vec<u8> {
        let wide = octets::four_octets(self.class.asn);
        let all = [&[MP_IPV4, MP_IPV6, REFRESH, &wide][..], more].concat();
        self.open_with(0, &octets::capabilities(&all))
    }

    /// An OPEN with this hold time and these parameters.
    pub(crate) fn open_with(&self, hold: u16, parameters: &[u8]) -> Vec<u8> {
        let narrow = u16::try_from(self.class.asn).unwrap_or(23456);
        octets::open(4, narrow, hold, self.address.octets(), parameters)
    }

    /// Sends octets; a connection that is closed meanwhile is for the reader to find.
    pub(crate) fn send(&mut self, octets: &[u8]) {
        let _ = self.stream.write_all(octets);
    }

    /// What comes within `patience`.
    pub(crate) fn hear(&mut self, patience: Duration) -> Heard {
        let end = Instant::now() + patience;
        loop {
            if let Some(&[high, low]) = self.buffer.get(16..18) {
                let length = usize::from(u16::from_be_bytes([high, low]));
                if self.buffer.len() >= length {
                    let message: Vec<_> = self.buffer.drain(..length).collect();
                    assert_eq!(message[..16], [0xff; 16], "the marker (RFC 4271 section 4.1)");
                    return Heard::Message(message[18], message[19..].to_vec());
                }
            }
            let Some(left) = end.checked_duration_since(Instant::now()).filter(|d| !d.is_zero())
            else {
                return Heard::Nothing;
            };
            self.stream.set_read_timeout(Some(left)).expect("set a timeout");
            let mut chunk = [0; 16 * 1024];
            match self.stream.read(&mut chunk) {
                Ok(0) => return Heard::Closed,
                Ok(count) => self.buffer.extend_from_slice(&chunk[..count]),
                Err(error)
                    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(_) => return Heard::Closed,
            }
        }
    }

    /// The next message of a type, others being passed over; panics if the connection ends first.
    pub(crate) fn message(&mut self, kind: u8) -> Vec<u8> {
        loop {
            match self.hear(PATIENCE) {
                Heard::Message(found, body) if found == kind => return body,
                Heard::Message(NOTIFICATION, body) => {
                    panic!("NOTIFICATION {body:02x?}, not a {kind}")
                }
                Heard::Message(..) => {}
                other => panic!("{other:?} instead of a message of type {kind}"),
            }
        }
    }

    /// Reads as far as the End-of-RIB of its initial table.
    pub(crate) fn after_its_table(&mut self) {
        while !octets::read_update(&self.message(octets::UPDATE)).is_end_of_rib() {}
    }

    /// Expects exactly this NOTIFICATION, and the end of the connection.
    pub(crate) fn notified(&mut self, code: u8, subcode: u8, data: &[u8]) {
        loop {
            match self.hear(PATIENCE) {
                Heard::Message(NOTIFICATION, body) => {
                    assert_eq!(body, [&[code, subcode], data].concat(), "code, subcode, data");
                    return self.closed();
                }
                Heard::Message(..) => {}
                other => panic!("{other:?} instead of NOTIFICATION {code}/{subcode}"),
            }
        }
    }

    /// Expects the end of the connection, and no NOTIFICATION before it.
    pub(crate) fn closed(&mut self) {
        loop {
            match self.hear(PATIENCE) {
                Heard::Closed => return,
                Heard::Message(NOTIFICATION, body) => panic!("NOTIFICATION {body:02x?}"),
                Heard::Message(..) => {}
                Heard::Nothing => panic!("the connection stays open"),
            }
        }
    }

    /// Whether nothing of a type, and no end, comes within `time`.
    pub(crate) fn quiet(&mut self, kind: u8, time: Duration) -> bool {
        let end = Instant::now() + time;
        loop {
            match self.hear(end.saturating_duration_since(Instant::now())) {
                Heard::Nothing => return true,
                Heard::Message(found, _) if found != kind && found != NOTIFICATION => {}
                _ => return false,
            }
        }
    }

    /// Opens the session, with capabilities besides the usual ones; our OPEN's body.
    pub(crate) fn establish(&mut self, more: &[&[u8]]) -> Vec<u8> {
        let open = self.open(more);
        self.establish_by(&open)
    }

    /// Opens the session with this OPEN.
    pub(crate) fn establish_by(&mut self, open: &[u8]) -> Vec<u8> {
        self.send(open);
        let theirs = self.message(OPEN);
        self.message(KEEPALIVE);
        self.send(&octets::keepalive());
        theirs
    }

    /// Opens the session where our OPEN has been read.
    pub(crate) fn establish_by_answer(&mut self, more: &[&[u8]]) {
        let open = self.open(more);
        self.send(&open);
        self.message(KEEPALIVE);
        self.send(&octets::keepalive());
    }

    /// The usual attributes of its routes, without NEXT_HOP.
    pub(crate) fn attributes(&self) -> Vec<u8> {
        let path = if self.class.asn == 65010 { vec![] } else { vec![self.class.asn] };
        [ORIGIN_IGP, &octets::as_path(&path)].concat()
    }

    /// Announces a prefix with the usual attributes and `more`.
    pub(crate) fn announce(&mut self, prefix: IpNet, more: &[u8]) {
        let attributes = match prefix.addr() {
            IpAddr::V4(_) => [&self.attributes()[..], NEXT_HOP, more].concat(),
            IpAddr::V6(_) => {
                let next_hop = [&[0x20, 1, 0x0d, 0xb8], &[0; 11][..], &[9]].concat();
                let reach = octets::reach_ipv6(&next_hop, prefix);
                [&self.attributes()[..], more, &reach].concat()
            }
        };
        let classic = if prefix.addr().is_ipv4() { octets::nlri(prefix) } else { Vec::new() };
        self.send(&octets::update(&[], &attributes, &classic));
    }

    /// Withdraws a prefix.
    pub(crate) fn withdraw(&mut self, prefix: IpNet) {
        match prefix.addr() {
            IpAddr::V4(_) => self.send(&octets::update(&octets::nlri(prefix), &[], &[])),
            IpAddr::V6(_) => self.send(&octets::update(&[], &octets::unreach_ipv6(prefix), &[])),
        }
    }

    /// Reads UPDATEs until one says something of `prefix`.
    pub(crate) fn told_of(&mut self, prefix: IpNet) -> octets::Told {
        loop {
            let told = octets::read_update(&self.message(UPDATE));
            if told.announced.contains(&prefix) || told.withdrawn.contains(&prefix) {
                return told;
            }
        }
    }
}
