//! What it costs to read and write UPDATE messages, beside the cost of copying them.
//!
//! The table is made up like one of the Internet: groups of about seven prefixes share a set of
//! attributes; paths of two to six ASes, MED on half of the sets, one to four communities on half.

use std::hint::black_box;

use bytes::BytesMut;
use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};
use ipnet::{IpNet, Ipv4Net};
use pathvane_wire::{
    AsPath, Asn, Attrs, Community, DecodeContext, EncodeContext, Family, FamilySet, MAX_LEN,
    NextHop, PeerKind, RawAttrs, UpdateView, encode_announcements, encode_withdrawals, frame,
};

const DECODE: DecodeContext = DecodeContext {
    peer: PeerKind::External,
    four_octet_as: true,
    families: FamilySet::IPV4,
    add_path: FamilySet::EMPTY,
    extended_next_hop: FamilySet::EMPTY,
};

const ENCODE: EncodeContext = EncodeContext {
    peer: PeerKind::External,
    four_octet_as: true,
    add_path: FamilySet::EMPTY,
    extended_next_hop: FamilySet::EMPTY,
    max_len: MAX_LEN,
};

const FAMILY: Family = Family::IPV4_UNICAST;
const UPDATES: usize = 2000;

/// One UPDATE before it is written.
struct Group {
    attrs: Attrs,
    attributes: BytesMut,
    prefixes: Vec<(u32, IpNet)>,
}

fn groups(per_group: impl Fn(&mut fastrand::Rng) -> usize) -> Vec<Group> {
    let mut rng = fastrand::Rng::with_seed(1);
    (0..UPDATES)
        .map(|_| {
            let attrs = attrs(&mut rng);
            let mut attributes = BytesMut::new();
            attrs.encode(&ENCODE, &mut attributes);
            let count = per_group(&mut rng);
            let prefixes = (0..count).map(|_| (0, prefix(&mut rng))).collect();
            Group { attrs, attributes, prefixes }
        })
        .collect()
}

fn attrs(rng: &mut fastrand::Rng) -> Attrs {
    let hops = rng.usize(2..=6);
    let communities = if rng.bool() { rng.usize(1..=4) } else { 0 };
    Attrs {
        as_path: AsPath::sequence((0..hops).map(|_| Asn(rng.u32(1..400_000)))),
        med: rng.bool().then(|| rng.u32(..)),
        communities: (0..communities).map(|_| Community(rng.u32(..))).collect(),
        ..Attrs::default()
    }
}

fn prefix(rng: &mut fastrand::Rng) -> IpNet {
    let len = if rng.u8(..10) < 6 { 24 } else { rng.u8(16..24) };
    Ipv4Net::new(rng.u32(0x0100_0000..0xdf00_0000).into(), len).expect("short").trunc().into()
}

fn next_hop() -> NextHop {
    NextHop::from(std::net::IpAddr::from([192, 0, 2, 1]))
}

fn write_all(groups: &[Group], out: &mut BytesMut) {
    for group in groups {
        let prefixes = group.prefixes.iter().copied();
        encode_announcements(FAMILY, &next_hop(), &group.attributes, prefixes, &ENCODE, out)
            .expect("it fits");
    }
}

/// Reads all messages, hands each to `look`, and adds up what it returns.
fn read_all<'a>(stream: &'a [u8], look: impl Fn(&UpdateView<'a>) -> usize) -> usize {
    let mut rest = stream;
    let mut sum = 0;
    while let Ok(Some(message)) = frame(rest, MAX_LEN) {
        let view = UpdateView::parse(message.body, &DECODE).expect("sound");
        sum += look(&view);
        rest = &rest[message.len..];
    }
    sum
}

fn prefixes_of(view: &UpdateView<'_>) -> usize {
    let len = |nlri: pathvane_wire::Nlri| usize::from(nlri.prefix.prefix_len());
    view.reaches().flat_map(|reach| reach.nlri).map(len).sum()
}

fn per_update(c: &mut Criterion) {
    let groups = groups(|rng| rng.usize(1..=13));
    let mut stream = BytesMut::new();
    write_all(&groups, &mut stream);
    let mut group = c.benchmark_group("update");
    group.throughput(Throughput::Elements(UPDATES as u64));
    group.bench_function("copy", |b| b.iter(|| black_box(stream.to_vec())));
    group.bench_function("frame", |b| {
        b.iter(|| {
            let mut rest = &stream[..];
            while let Ok(Some(message)) = frame(black_box(rest), MAX_LEN) {
                rest = &rest[message.len..];
            }
        });
    });
    group.bench_function("parse", |b| b.iter(|| read_all(&stream, |view| view.attrs().len())));
    group.bench_function("parse_and_walk", |b| b.iter(|| read_all(&stream, prefixes_of)));
    group.bench_function("check_attributes", |b| {
        b.iter(|| {
            for group in &groups {
                black_box(RawAttrs::from_bytes(&group.attributes).check(&DECODE));
            }
        });
    });
    write(&mut group, &groups);
    group.finish();
}

fn write(group: &mut BenchmarkGroup<'_, criterion::measurement::WallTime>, groups: &[Group]) {
    let mut out = BytesMut::with_capacity(1 << 20);
    group.bench_function("encode_attributes", |b| {
        b.iter(|| {
            out.clear();
            groups.iter().for_each(|group| group.attrs.encode(&ENCODE, &mut out));
        });
    });
    group.bench_function("encode", |b| {
        b.iter(|| {
            out.clear();
            write_all(groups, &mut out);
        });
    });
}

fn per_prefix(c: &mut Criterion) {
    let groups = groups(|_| 700);
    let prefixes: usize = groups.iter().map(|group| group.prefixes.len()).sum();
    let mut stream = BytesMut::new();
    write_all(&groups, &mut stream);
    let mut group = c.benchmark_group("prefix");
    group.sample_size(20);
    group.throughput(Throughput::Elements(prefixes as u64));
    group.bench_function("copy", |b| b.iter(|| black_box(stream.to_vec())));
    group.bench_function("parse", |b| b.iter(|| read_all(&stream, |view| view.attrs().len())));
    group.bench_function("parse_and_walk", |b| b.iter(|| read_all(&stream, prefixes_of)));
    let mut out = BytesMut::with_capacity(stream.len());
    group.bench_function("encode", |b| {
        b.iter(|| {
            out.clear();
            write_all(&groups, &mut out);
        });
    });
    let all: Vec<(u32, IpNet)> = groups.into_iter().flat_map(|group| group.prefixes).collect();
    group.bench_function("withdraw", |b| {
        b.iter(|| {
            out.clear();
            encode_withdrawals(FAMILY, all.iter().copied(), &ENCODE, &mut out)
        });
    });
    group.finish();
}

criterion_group!(benches, per_update, per_prefix);
criterion_main!(benches);
