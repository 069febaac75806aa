//! The daemon that rows speak to, how it is configured, and whom else it serves meanwhile.

use std::fmt::Write as _;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Condvar, Mutex};
use std::time::Duration;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use crate::observer::Observer;
use crate::octets;
use crate::peer::{Class, Peer, dial_narrow, fresh};
use crate::speaker::Speaker;

const fn class(net: u8, asn: u32) -> Class {
    Class { net, asn }
}

/// The speaker's own AS number; its BGP Identifier is 10.255.0.1.
pub(crate) const OUR_AS: u32 = 65010;
/// External peers of three neighbouring ASes, one of which needs four octets.
pub(crate) const EXTERNAL: Class = class(1, 65001);
pub(crate) const ANOTHER: Class = class(2, 65002);
pub(crate) const WIDE: Class = class(13, 4_200_000_001);
/// Peers of our own AS.
pub(crate) const INTERNAL: Class = class(3, OUR_AS);
/// At most three IPv4 prefixes.
pub(crate) const LIMITED: Class = class(4, 65001);
/// The speaker is provider (strictly), customer, peer, route server, its client (RFC 9234).
pub(crate) const AS_PROVIDER: Class = class(5, 65005);
pub(crate) const AS_CUSTOMER: Class = class(6, 65006);
pub(crate) const AS_PEER: Class = class(7, 65007);
pub(crate) const AS_SERVER: Class = class(8, 65008);
pub(crate) const AS_CLIENT: Class = class(9, 65009);
/// Without any policy.
pub(crate) const NO_POLICY: Class = class(10, 65011);
/// GRACEFUL_SHUTDOWN is heeded.
pub(crate) const HEEDED: Class = class(12, 65012);
/// The speaker offers a hold time of 3 s.
pub(crate) const SHORT_HOLD: Class = class(14, 65014);
/// TTL security for direct neighbours.
pub(crate) const NEAR: Class = class(16, 65016);
/// The speaker waits 2 s for the peer's OPEN.
pub(crate) const DELAYED: Class = class(17, 65017);
/// Extended messages, several routes per prefix, routes kept for long; clients of reflection.
pub(crate) const LONG: Class = class(22, 65022);
pub(crate) const MANY: Class = class(23, 65023);
pub(crate) const PATIENT: Class = class(24, 65024);
pub(crate) const CLIENT: Class = class(25, OUR_AS);
/// TCP MD5; up to three routes per prefix are told; a limit that only warns; a SendHoldTime of 4 s.
pub(crate) const KEYED: Class = class(26, 65026);
pub(crate) const SEVERAL: Class = class(27, 65027);
pub(crate) const WARNED: Class = class(28, 65028);
pub(crate) const DEAF: Class = class(29, 65029);
/// All routes of a prefix are told.
pub(crate) const EVERY: Class = class(30, 65030);
/// Nobody.
pub(crate) const STRANGER: Class = class(99, 65099);
/// Observers: external, and external with two-octet AS numbers.
const OBSERVER: Class = class(20, 65020);
const OLD_OBSERVER: Class = class(21, 65021);
/// Peers with an address of their own: passive ones whose routes may be kept over a restart, the
/// same with NOTIFICATIONs that keep them (RFC 8538), one with a limit, and those that are dialled.
pub(crate) const RESTARTING: Class = class(110, 65110);
pub(crate) const SOFT: Class = class(111, 65111);
pub(crate) const CLOSING: Class = class(112, 65112);
pub(crate) const DIALLED: Class = class(100, 65100);
/// Their routes are kept for long: 3 s, and a minute.
pub(crate) const KEPT: Class = class(113, 65113);
pub(crate) const KEPT_LONG: Class = class(114, 65114);

/// Asked to keep our routes for an hour beyond our restart time.
pub(crate) const LASTING: Class = class(116, 65116);
/// Closed for their prefixes, for 2 s: peers with sections, and of a range.
pub(crate) const REOPENED: Class = class(115, 65115);
pub(crate) const PAUSED: Class = class(31, 65031);

/// How many of each there are.
const OF_EACH: u8 = 12;

/// The configuration of the speaker.
pub(crate) fn configuration() -> String {
    let mut text = String::from(
        r#"
[speaker]
asn = 65010
bgp_identifier = "10.255.0.1"
steering = "act"
control = "CONTROL"
fib = "report"
drain_wait = "1s"
listen = ["127.0.0.1:PORT", "[::1]:PORT"]

[groups.open]
families = ["ipv4", "ipv6"]
next_hop_ipv6 = "2001:db8::1"
import = "accept-all"
export = "accept-all"

[peers.six]
address = "::1"
port = DIALLED
passive = true
asn = 65019
families = ["ipv4", "ipv6"]
next_hop_ipv6 = "2001:db8::1"
import = "accept-all"
export = "accept-all"
"#,
    );
    let ranges = [
        ("external", EXTERNAL, ""),
        ("another", ANOTHER, ""),
        ("wide", WIDE, ""),
        ("paused", PAUSED, "max_prefixes = { ipv4 = 1, restart = \"2s\" }"),
        ("limited", LIMITED, "max_prefixes = { ipv4 = 3 }"),
        ("as-provider", AS_PROVIDER, "role = \"provider\"\nrole_strict = true"),
        ("as-customer", AS_CUSTOMER, "role = \"customer\""),
        ("as-peer", AS_PEER, "role = \"peer\""),
        ("as-server", AS_SERVER, "role = \"rs\""),
        ("as-client", AS_CLIENT, "role = \"rs-client\""),
        ("heeded", HEEDED, "graceful_shutdown = true"),
        ("short", SHORT_HOLD, "hold_time = \"3s\""),
        ("near", NEAR, "ttl_security = 1"),
        ("delayed", DELAYED, "delay_open = \"2s\""),
        ("long", LONG, "extended_messages = true"),
        ("many", MANY, "add_path_receive = true"),
        ("patient", PATIENT, "long_lived_stale_time = \"5s\""),
        ("keyed", KEYED, "password = \"sesame\""),
        ("several", SEVERAL, "add_path_send = 3"),
        ("every", EVERY, "add_path_send = \"all\""),
        ("warned", WARNED, "max_prefixes = { ipv4 = 1, beyond = \"warn\" }"),
        ("deaf", DEAF, "hold_time = \"3s\"\nsend_hold_time = \"4s\"\nuser_timeout = \"60s\""),
        ("observer", OBSERVER, ""),
        ("old", OLD_OBSERVER, ""),
    ];
    for (name, Class { net, asn }, more) in ranges {
        let _ = writeln!(
            text,
            "[peers.{name}]\ngroup = \"open\"\nrange = \"127.{net}.0.0/16\"\nmax_peers = 5000\nasn = {asn}\n{more}\n"
        );
    }
    let bare = [
        ("internal", INTERNAL, ""),
        ("client", CLIENT, "route_reflector_client = true"),
        ("no-policy", NO_POLICY, ""),
    ];
    for (name, Class { net, asn }, more) in bare {
        let _ = writeln!(
            text,
            "[peers.{name}]\nrange = \"127.{net}.0.0/16\"\nmax_peers = 5000\nasn = {asn}\n\
             families = [\"ipv4\", \"ipv6\"]\nnext_hop_ipv6 = \"2001:db8::1\"\n{more}\n"
        );
    }
    let singles = [
        ("restarting", RESTARTING, "passive = true"),
        (
            "soft",
            SOFT,
            "passive = true\ngraceful_restart = \"full\"\nrestart_after_notification = true",
        ),
        ("closing", CLOSING, "passive = true\nmax_prefixes = { ipv4 = 1 }"),
        ("kept", KEPT, "passive = true\nlong_lived_stale_time = \"3s\""),
        ("kept-long", KEPT_LONG, "passive = true\nlong_lived_stale_time = \"1m\""),
        (
            "lasting",
            LASTING,
            "passive = true\ngraceful_restart = \"full\"\nlong_lived_restart_time = \"1h\"",
        ),
        ("reopened", REOPENED, "passive = true\nmax_prefixes = { ipv4 = 1, restart = \"2s\" }"),
        ("dialled", DIALLED, "connect_retry = \"1s\""),
    ];
    for (name, Class { net, asn }, more) in singles {
        for nth in 1..=OF_EACH {
            let _ = writeln!(
                text,
                "[peers.{name}-{nth}]\ngroup = \"open\"\naddress = \"127.{net}.0.{nth}\"\nport = DIALLED\nasn = {asn}\n{more}\n"
            );
        }
    }
    text
}

/// The daemon, and the sessions that must not notice anything.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) speaker: Speaker,
    /// Of another AS, with four-octet numbers.
    pub(crate) external: Observer,
    /// Of our AS.
    pub(crate) internal: Observer,
    /// Of another AS, with two-octet numbers.
    pub(crate) old: Observer,
    /// Which of the peers with an address of their own are taken.
    taken: [AtomicU32; 256],
    prefixes: AtomicU32,
    dialled: Dialled,
}

/// Connections that the speaker opened, by where it found us.
type Dialled = std::sync::Arc<(Mutex<Vec<(Ipv4Addr, TcpStream)>>, Condvar)>;

impl World {
    /// Starts the daemon and its other peers.
    pub(crate) fn new() -> World {
        let speaker = Speaker::start(&configuration());
        let observe = |class| {
            let mut peer = Peer::connect(speaker.address(), class);
            peer.establish(&[]);
            Observer::of(peer)
        };
        let (external, internal) = (observe(OBSERVER), observe(INTERNAL));
        let mut old = Peer::connect(speaker.address(), OLD_OBSERVER);
        establish_old(&mut old);
        World {
            external,
            internal,
            old: Observer::of(old),
            taken: [const { AtomicU32::new(0) }; 256],
            prefixes: AtomicU32::new(0),
            dialled: listen(speaker.dialled_port),
            speaker,
        }
    }

    /// A connection from a peer of a range.
    pub(crate) fn connect(&self, class: Class) -> Peer {
        Peer::connect(self.speaker.address(), class)
    }

    /// Whether these octets are in the OPEN for such a peer.
    pub(crate) fn offers(&self, class: Class, wanted: &[u8]) -> bool {
        let open = self.connect(class).message(octets::OPEN);
        open.windows(wanted.len()).any(|found| found == wanted)
    }

    /// An Established session with a peer of a range.
    pub(crate) fn up(&self, class: Class) -> Peer {
        let mut peer = self.connect(class);
        peer.establish(&[]);
        peer
    }

    /// A connection whose TCP takes next to nothing as long as the peer does not read.
    pub(crate) fn narrow(&self, class: Class) -> Peer {
        let address = fresh(class);
        Peer::on(dial_narrow(address.into(), self.speaker.address()), class, address)
    }

    /// Such peers, one beside each observer, who are told the same.
    pub(crate) fn deaf(&self) -> [Peer; 3] {
        let [mut external, mut internal, mut old] =
            [OBSERVER, INTERNAL, OLD_OBSERVER].map(|class| self.narrow(class));
        external.establish(&[]);
        internal.establish(&[]);
        establish_old(&mut old);
        [external, internal, old]
    }

    /// The address of a peer with one of its own that no other row uses.
    pub(crate) fn single(&self, class: Class) -> Ipv4Addr {
        let nth = self.taken[usize::from(class.net)].fetch_add(1, Ordering::Relaxed) + 1;
        let nth = u8::try_from(nth).expect("a peer left");
        assert!(nth <= OF_EACH, "more peers of {class:?} are needed");
        Ipv4Addr::new(127, class.net, 0, nth)
    }

    /// A connection from such a peer.
    pub(crate) fn connect_single(&self, class: Class, address: Ipv4Addr) -> Peer {
        Peer::connect_from(self.speaker.address(), class, address)
    }

    /// The next connection that the speaker opens to that peer.
    pub(crate) fn dialled(&self, address: Ipv4Addr) -> Peer {
        let (lock, arrived) = &*self.dialled;
        let mut all = lock.lock().expect("the connections");
        loop {
            if let Some(at) = all.iter().position(|(found, _)| *found == address) {
                return Peer::on(all.swap_remove(at).1, DIALLED, address);
            }
            let (guard, timeout) =
                arrived.wait_timeout(all, Duration::from_secs(10)).expect("the connections");
            assert!(!timeout.timed_out(), "the speaker does not dial {address}");
            all = guard;
        }
    }

    /// An IPv4 prefix that no other row uses.
    pub(crate) fn prefix(&self) -> IpNet {
        let [_, high, middle, low] = self.prefixes.fetch_add(1, Ordering::Relaxed).to_be_bytes();
        assert_eq!(high, 0, "prefixes are used up");
        Ipv4Net::new(Ipv4Addr::new(10, middle, low, 0), 24).expect("a prefix").into()
    }

    /// An IPv6 prefix that no other row uses.
    pub(crate) fn prefix_v6(&self) -> IpNet {
        let nth = self.prefixes.fetch_add(1, Ordering::Relaxed);
        let nth = u16::try_from(nth).expect("a prefix left");
        let address = [0x2001, 0xdb8, nth, 0, 0, 0, 0, 0].into();
        Ipv6Net::new(address, 48).expect("a prefix").into()
    }

    /// Returns when everything that `peer` sent so far has been judged, and told to the observers.
    pub(crate) fn settled(&self, peer: &mut Peer) {
        for _ in 0..2 {
            let marker = self.prefix();
            peer.announce(marker, &[]);
            self.internal_or_external(peer).route(marker);
        }
    }

    /// An observer that hears of the peer's routes.
    fn internal_or_external(&self, peer: &Peer) -> &Observer {
        if peer.class == INTERNAL { &self.external } else { &self.internal }
    }

    /// Whether the other peers' sessions are as they were.
    pub(crate) fn undisturbed(&self) {
        let all = [("external", &self.external), ("internal", &self.internal), ("old", &self.old)];
        for (name, observer) in all {
            assert_eq!(observer.ended(), None, "the session of the {name} observer");
        }
    }
}

/// With two-octet AS numbers, and IPv4 alone.
fn establish_old(peer: &mut Peer) {
    peer.establish_by(&peer.open_with(0, &octets::capabilities(&[octets::MP_IPV4])));
}

fn listen(port: u16) -> Dialled {
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).expect("listen");
    let dialled = Dialled::default();
    let shared = dialled.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let Ok(std::net::SocketAddr::V4(local)) = stream.local_addr() else { continue };
            shared.0.lock().expect("the connections").push((*local.ip(), stream));
            shared.1.notify_all();
        }
    });
    dialled
}
