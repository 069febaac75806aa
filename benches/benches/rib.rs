//! The RIB from UPDATE bytes in to UPDATE bytes out, without sockets.
//!
//! The table is the one that today's daemons were measured with: groups of seven prefixes on
//! average share one attribute set and one UPDATE; AS paths of two to six, MED on half of the sets,
//! one to four communities on half. Times are per route.

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use ipnet::{IpNet, Ipv4Net};
use pathvane_rib::{Budget, PeerConfig, PeerId, PeerUp, Policy, Rib, RibConfig};
use pathvane_wire::{
    AsPath, Asn, Attrs, BgpId, Community, DecodeContext, EncodeContext, Family, FamilySet, MAX_LEN,
    NextHop, Origin, PeerKind, UpdateView, encode_announcements, encode_withdrawals, frame,
};

const ROUTES: usize = 200_000;
const FEED: PeerId = PeerId(0);
const SECOND: PeerId = PeerId(1);
const MONITOR: PeerId = PeerId(2);

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
    routes: usize,
}

fn feed(routes: usize, asn: u32, hops: core::ops::Range<usize>) -> Feed {
    // The prefixes are the same for all injectors, the attributes are not.
    let mut rng = fastrand::Rng::with_seed(1);
    let mut attr_rng = fastrand::Rng::with_seed(u64::from(asn));
    let mut feed = Feed { announce: BytesMut::new(), withdraw: BytesMut::new(), routes };
    let next_hop = NextHop::from(IpAddr::V4(Ipv4Addr::new(10, 77, 1, (asn % 200) as u8)));
    let mut place = 0_u32;
    let mut left = routes;
    while left > 0 {
        let size = rng.usize(1..14).min(left);
        let prefixes: Vec<(u32, IpNet)> =
            (0..size).map(|_| (0, prefix(&mut rng, &mut place))).collect();
        let mut bytes = BytesMut::new();
        attrs(&mut attr_rng, asn, hops.clone()).encode(&ENCODE, &mut bytes);
        let family = Family::IPV4_UNICAST;
        let nlri = prefixes.iter().copied();
        encode_announcements(family, &next_hop, &bytes, nlri, &ENCODE, &mut feed.announce).unwrap();
        encode_withdrawals(family, prefixes, &ENCODE, &mut feed.withdraw);
        left -= size;
    }
    feed
}

/// Mostly /24; in the order of addresses, as a table dump would be.
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

fn rib() -> Rib {
    let mut rib = Rib::new(RibConfig::new(Asn(65000), BgpId(1), 42));
    let open = Some(Arc::new(Policy::accept_all("all")));
    for peer in [FEED, SECOND, MONITOR] {
        let config = PeerConfig {
            import: open.clone(),
            export: open.clone(),
            next_hop_self: false,
            client: false,
        };
        rib.add_peer(peer, config);
        rib.peer_up(peer, session(peer));
    }
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
fn take_in(rib: &mut Rib, peer: PeerId, bytes: &[u8], out: &mut BytesMut) {
    let mut rest = bytes;
    let mut turn = 0;
    while let Ok(Some(message)) = frame(rest, MAX_LEN) {
        let view = UpdateView::parse(message.body, &DECODE).unwrap();
        rib.update(peer, &view, &DECODE);
        rest = &rest[message.len..];
        turn += message.len;
        if turn > 16 * 1024 {
            turn = 0;
            drain(rib, out);
        }
    }
    drain(rib, out);
}

fn drain(rib: &mut Rib, out: &mut BytesMut) {
    for peer in [MONITOR, FEED, SECOND] {
        while rib.poll_transmit(peer, out, 32 * 1024) {
            out.clear();
        }
        out.clear();
    }
}

fn loaded(feeds: &[(PeerId, &Feed)]) -> Rib {
    let mut rib = rib();
    let mut out = BytesMut::new();
    for (peer, feed) in feeds {
        take_in(&mut rib, *peer, &feed.announce, &mut out);
    }
    rib
}

fn layout(feed: &Feed) {
    let rib = loaded(&[(FEED, feed)]);
    let totals = rib.totals();
    let per = |bytes: usize| bytes as f64 / feed.routes as f64;
    eprintln!(
        "layout, {} routes in {} attribute sets: {:.1} octets a route (prefixes and routes {:.1}, \
         attributes {:.1}, peers {:.1})",
        feed.routes,
        totals.attribute_sets,
        per(totals.route_bytes + totals.attribute_bytes + totals.peer_bytes),
        per(totals.route_bytes),
        per(totals.attribute_bytes),
        per(totals.peer_bytes),
    );
}

fn routes(c: &mut Criterion) {
    let short = feed(ROUTES, 65101, 1..6);
    let long = feed(ROUTES, 65102, 7..9);
    layout(&short);
    let mut group = c.benchmark_group("rib");
    group.throughput(Throughput::Elements(ROUTES as u64));
    group.sample_size(10).measurement_time(Duration::from_secs(5));
    group.bench_function("load", |b| {
        b.iter_batched(rib, |rib| with(rib, FEED, &short.announce), BatchSize::PerIteration);
    });
    group.bench_function("withdraw", |b| {
        b.iter_batched(
            || loaded(&[(FEED, &short)]),
            |rib| with(rib, FEED, &short.withdraw),
            BatchSize::PerIteration,
        );
    });
    group.bench_function("second feed, worse", |b| {
        b.iter_batched(
            || loaded(&[(FEED, &short)]),
            |rib| with(rib, SECOND, &long.announce),
            BatchSize::PerIteration,
        );
    });
    group.bench_function("failover", |b| {
        b.iter_batched(
            || loaded(&[(FEED, &short), (SECOND, &long)]),
            |mut rib| {
                let mut out = BytesMut::new();
                rib.peer_down(FEED, FamilySet::EMPTY);
                while rib.work(Budget { routes: 1000 }) {
                    drain(&mut rib, &mut out);
                }
                drain(&mut rib, &mut out);
                rib
            },
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

fn with(mut rib: Rib, peer: PeerId, bytes: &[u8]) -> Rib {
    let mut out = BytesMut::with_capacity(64 * 1024);
    take_in(&mut rib, peer, black_box(bytes), &mut out);
    rib
}

criterion_group!(benches, routes);
criterion_main!(benches);
