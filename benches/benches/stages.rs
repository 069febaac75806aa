//! What a route costs, stage by stage: nanoseconds and bytes, the least of several runs.
//!
//! ```text
//! cargo bench --bench stages                       # every stage, one feed of 200,000 routes
//! cargo bench --bench stages -- --routes 1000000   # a full table
//! cargo bench --bench stages -- --only load        # stages whose name has "load" in it
//! ```
//!
//! For instructions, which are exact where time is noisy, only what is timed is counted:
//!
//! ```text
//! valgrind --tool=callgrind --collect-atstart=no --toggle-collect='*timed*' \
//!     target/release/deps/stages-* --runs 1 --only load
//! ```
//!
//! Times are of the processor, and include no sockets. Bytes are by the RIB's own account; resident ones are what the process
//! grew by, in the first run.

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use bytes::BytesMut;
use ipnet::{IpNet, Ipv4Net};
use pathvane_rib::{Budget, PeerConfig, PeerId, PeerUp, Policy, Rib, RibConfig};
use pathvane_wire::{
    AsPath, Asn, Attrs, BgpId, Community, DecodeContext, EncodeContext, Family, FamilySet, MAX_LEN,
    NextHop, Origin, PeerKind, UpdateView, encode_announcements, encode_withdrawals, frame,
};

const ENCODE: EncodeContext = EncodeContext {
    peer: PeerKind::External,
    four_octet_as: true,
    add_path: FamilySet::EMPTY,
    extended_next_hop: FamilySet::EMPTY,
    max_len: MAX_LEN,
};

const DECODE: DecodeContext = DecodeContext {
    peer: PeerKind::External,
    four_octet_as: true,
    families: FamilySet::IPV4,
    add_path: FamilySet::EMPTY,
    extended_next_hop: FamilySet::EMPTY,
};

/// The UPDATEs of one injector.
struct Feed {
    announce: BytesMut,
    withdraw: BytesMut,
}

/// Groups of seven prefixes on average share one attribute set and one UPDATE.
fn feed(routes: usize, asn: u32, hops: core::ops::Range<usize>) -> Feed {
    // The prefixes are the same for all injectors, the attributes are not.
    let mut rng = fastrand::Rng::with_seed(1);
    let mut attr_rng = fastrand::Rng::with_seed(u64::from(asn));
    let mut feed = Feed { announce: BytesMut::new(), withdraw: BytesMut::new() };
    let next_hop = NextHop::from(IpAddr::V4(Ipv4Addr::new(10, 77, 1, (asn % 200) as u8)));
    let mut place = 1 << 24;
    let mut prefixes: Vec<(u32, IpNet)> =
        (0..routes).map(|_| (0, prefix(&mut rng, &mut place))).collect();
    // A real table comes in no order of addresses.
    rng.shuffle(&mut prefixes);
    let mut rest = &prefixes[..];
    while !rest.is_empty() {
        let (group, after) = rest.split_at(rng.usize(1..14).min(rest.len()));
        rest = after;
        let mut bytes = BytesMut::new();
        attrs(&mut attr_rng, asn, hops.clone()).encode(&ENCODE, &mut bytes);
        let family = Family::IPV4_UNICAST;
        let nlri = group.iter().copied();
        encode_announcements(family, &next_hop, &bytes, nlri, &ENCODE, &mut feed.announce).unwrap();
        encode_withdrawals(family, group.iter().copied(), &ENCODE, &mut feed.withdraw);
    }
    feed
}

fn prefix(rng: &mut fastrand::Rng, place: &mut u32) -> IpNet {
    let len = match rng.u8(0..20) {
        0..12 => 24,
        12..14 => 23,
        14..16 => 22,
        16 => 21,
        17 => 20,
        _ => 19,
    };
    let size = 1_u32 << (32 - len);
    *place = place.next_multiple_of(size) + size;
    IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::from_bits(*place), len))
}

fn attrs(rng: &mut fastrand::Rng, asn: u32, hops: core::ops::Range<usize>) -> Attrs {
    let further = (0..rng.usize(hops)).map(|_| {
        Asn(if rng.u8(0..5) == 0 { rng.u32(200_000..400_000) } else { rng.u32(1..64_000) })
    });
    Attrs {
        origin: Origin::Igp,
        as_path: AsPath::sequence(std::iter::once(Asn(asn)).chain(further.collect::<Vec<_>>())),
        med: rng.bool().then(|| rng.u32(0..1000)),
        communities: if rng.bool() {
            (0..rng.usize(1..5)).map(|_| Community(rng.u32(..))).collect()
        } else {
            Default::default()
        },
        ..Attrs::default()
    }
}

/// A RIB with peers 0 to `peers`, all of one kind and accepting everything.
fn rib(peers: u16) -> Rib {
    let mut rib = Rib::new(RibConfig::new(Asn(65000), BgpId(1), 42));
    let open = Some(Arc::new(Policy::accept_all("all")));
    for peer in (0..peers).map(PeerId) {
        let config = PeerConfig {
            import: open.clone(),
            export: open.clone(),
            next_hop_self: false,
            client: false,
            paths: 0,
        };
        rib.add_peer(peer, config);
        rib.peer_up(peer, session(peer));
    }
    drain(&mut rib, peers, &mut BytesMut::new());
    rib
}

fn session(peer: PeerId) -> PeerUp {
    PeerUp {
        asn: Asn(65100 + u32::from(peer.0)),
        id: BgpId(100 + u32::from(peer.0)),
        address: IpAddr::V4(Ipv4Addr::new(10, 77, 0, peer.0 as u8)),
        families: FamilySet::IPV4,
        encode: ENCODE,
        local_v4: Some(Ipv4Addr::new(10, 77, 0, 254)),
        local_v6: None,
        local_link: None,
        enhanced_refresh: false,
        knows_long_lived: false,
    }
}

/// Reads what a peer sent, 16 KiB a turn, and drains everyone after each turn.
fn take_in(rib: &mut Rib, peers: u16, from: u16, bytes: &[u8]) {
    let mut out = BytesMut::with_capacity(64 * 1024);
    let (mut rest, mut turn) = (bytes, 0);
    while let Ok(Some(message)) = frame(rest, MAX_LEN) {
        let view = UpdateView::parse(message.body, &DECODE).unwrap();
        rib.update(PeerId(from), &view, &DECODE);
        rest = &rest[message.len..];
        turn += message.len;
        if turn > 16 * 1024 {
            turn = 0;
            drain(rib, peers, &mut out);
        }
    }
    drain(rib, peers, &mut out);
}

fn drain(rib: &mut Rib, peers: u16, out: &mut BytesMut) {
    for peer in (0..peers).map(PeerId) {
        loop {
            let more = rib.poll_transmit(peer, out, 32 * 1024);
            black_box(&out);
            out.clear();
            if !more {
                break;
            }
        }
    }
}

fn loaded(peers: u16, feeds: &[&Feed]) -> Rib {
    let mut rib = rib(peers);
    for (from, feed) in (0..).zip(feeds) {
        take_in(&mut rib, peers, from, &feed.announce);
    }
    rib
}

fn lose(rib: &mut Rib, peers: u16) {
    let mut out = BytesMut::with_capacity(64 * 1024);
    rib.peer_down(PeerId(0), FamilySet::EMPTY);
    while rib.work(Budget { routes: 1000 }) {
        drain(rib, peers, &mut out);
    }
    drain(rib, peers, &mut out);
}

#[inline(never)]
fn timed<T>(mut subject: T, work: &mut dyn FnMut(&mut T)) -> (f64, T) {
    let begin = on_cpu();
    work(&mut subject);
    ((on_cpu() - begin) as f64, subject)
}

/// Nanoseconds that this thread has been on a processor.
fn on_cpu() -> u64 {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    stat.split(' ').next().and_then(|spent| spent.parse().ok()).unwrap_or(0)
}

struct Stages {
    runs: usize,
    only: Option<String>,
    routes: f64,
}

impl Stages {
    fn stage<T>(&self, name: &str, set_up: impl Fn() -> T, mut work: impl FnMut(&mut T)) {
        if self.only.as_ref().is_some_and(|only| !name.contains(only.as_str())) {
            return;
        }
        let mut all: Vec<f64> =
            (0..self.runs).map(|_| timed(set_up(), &mut work).0 / self.routes).collect();
        all.sort_unstable_by(f64::total_cmp);
        println!("{name:<44} {:>7.1} ns {:>7.1} ns", all[0], all[all.len() / 2]);
    }
}

fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    statm.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok()).unwrap_or(0) * 4096
}

fn layout(what: &str, before: usize, rib: &Rib, paths: usize) {
    let (totals, grown) = (rib.totals(), resident().saturating_sub(before));
    let per = |bytes: usize| bytes as f64 / paths as f64;
    println!(
        "{what:<44} {:>7.1} B resident; prefixes and routes {:.1}, attributes {:.1}, peers {:.1}",
        per(grown),
        per(totals.route_bytes),
        per(totals.attribute_bytes),
        per(totals.peer_bytes),
    );
}

fn value<T: std::str::FromStr>(name: &str) -> Option<T> {
    let mut args = std::env::args().skip_while(|arg| arg != name).skip(1);
    args.next()?.parse().ok()
}

fn main() {
    let routes: usize = value("--routes").unwrap_or(200_000);
    let stages =
        Stages { runs: value("--runs").unwrap_or(5), only: value("--only"), routes: routes as f64 };
    let (short, long) = (feed(routes, 65101, 1..6), feed(routes, 65102, 7..9));
    if stages.only.is_none() {
        let before = resident();
        let rib = loaded(2, &[&short]);
        layout("one feed, one receiver", before, &rib, routes);
        drop(rib);
        let before = resident();
        layout("two feeds, one receiver, a path", before, &loaded(3, &[&short, &long]), 2 * routes);
    }
    println!("{:<44} {:>10} {:>10}", "a route", "least", "median");
    stages.stage(
        "decode",
        || (),
        |()| {
            let mut rest = &short.announce[..];
            while let Ok(Some(message)) = frame(rest, MAX_LEN) {
                let view = UpdateView::parse(message.body, &DECODE).unwrap();
                view.reaches().for_each(|reach| reach.nlri.for_each(|nlri| _ = black_box(nlri)));
                rest = &rest[message.len..];
            }
        },
    );
    for peers in [1, 2, 3, 11] {
        let name = format!("load, {} receivers", peers - 1);
        stages.stage(&name, || rib(peers), |rib| take_in(rib, peers, 0, &short.announce));
    }
    stages.stage(
        "announced again, nothing new",
        || loaded(2, &[&short]),
        |rib| {
            take_in(rib, 2, 0, &short.announce);
        },
    );
    stages.stage(
        "other attributes, 1 receiver",
        || loaded(2, &[&short]),
        |rib| {
            take_in(rib, 2, 0, &long.announce);
        },
    );
    stages.stage(
        "worse route of another peer",
        || loaded(3, &[&short]),
        |rib| {
            take_in(rib, 3, 1, &long.announce);
        },
    );
    let swapped = || {
        let mut rib = rib(3);
        take_in(&mut rib, 3, 1, &long.announce);
        rib
    };
    stages.stage("better route of another peer", swapped, |rib| {
        take_in(rib, 3, 0, &short.announce);
    });
    stages.stage(
        "initial table for a new peer",
        || loaded(2, &[&short]),
        |rib| {
            rib.peer_up(PeerId(1), session(PeerId(1)));
            drain(rib, 2, &mut BytesMut::with_capacity(64 * 1024));
        },
    );
    for peers in [1, 2] {
        let name = format!("withdraw, {} receivers", peers - 1);
        stages.stage(
            &name,
            || loaded(peers, &[&short]),
            |rib| {
                take_in(rib, peers, 0, &short.withdraw);
            },
        );
    }
    stages.stage(
        "lost peer, another takes over",
        || loaded(3, &[&short, &long]),
        |rib| lose(rib, 3),
    );
    stages.stage("lost peer, the only one", || loaded(2, &[&short]), |rib| lose(rib, 2));
}
