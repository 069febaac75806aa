//! Several routes of a prefix for one peer (RFC 7911).

mod common;

use std::collections::BTreeMap;

use bytes::BytesMut;
use common::*;
use ipnet::IpNet;
use pathvane_rib::{Cursor, PeerConfig, PeerId, PeerUp};
use pathvane_wire::{
    Attrs, Community, DecodeContext, FamilySet, Kind, MAX_LEN_EXTENDED, UpdateView, frame,
};

const RECEIVER: PeerId = PeerId(9);
const PREFIX: &str = "20.0.0.0/24";

/// The receiver, and what it holds.
#[derive(Default)]
struct Receiver {
    held: BTreeMap<(IpNet, u32), Attrs>,
    heard: Vec<String>,
}

fn receiver() -> PeerUp {
    let mut up = external(9);
    up.encode.add_path = FamilySet::ALL;
    up
}

/// Peers 0 to `sources`, and the receiver, which is told up to `paths` routes.
fn lab(sources: u16, paths: u8) -> Lab {
    let mut lab = Lab::open(sources);
    lab.rib.add_peer(RECEIVER, PeerConfig { paths, ..open_config() });
    lab.rib.peer_up(RECEIVER, receiver());
    lab
}

impl Receiver {
    /// Takes what is pending, in messages of about `limit` octets.
    fn take(&mut self, lab: &mut Lab, limit: usize) {
        lab.work();
        let ctx = receiver().encode;
        let decode = DecodeContext {
            peer: ctx.peer,
            four_octet_as: true,
            families: FamilySet::ALL,
            add_path: FamilySet::ALL,
            extended_next_hop: FamilySet::EMPTY,
        };
        let mut calls = 0;
        while lab.rib.has_pending(RECEIVER) {
            let mut out = BytesMut::new();
            lab.rib.poll_transmit(RECEIVER, &mut out, limit);
            let mut rest = &out[..];
            while let Some(message) = frame(rest, MAX_LEN_EXTENDED).unwrap() {
                assert_eq!(message.kind, Kind::Update);
                self.hear(message.body, &decode);
                rest = &rest[message.len..];
            }
            calls += 1;
            assert!(calls < 10_000, "transmission does not end");
        }
    }

    fn hear(&mut self, body: &[u8], decode: &DecodeContext) {
        let view = UpdateView::parse(body, decode).unwrap();
        for nlri in view.withdrawn() {
            self.heard.push(format!("-{} {}", nlri.prefix, nlri.path_id));
            let held = self.held.remove(&(nlri.prefix, nlri.path_id));
            assert!(held.is_some(), "{} {} was not held", nlri.prefix, nlri.path_id);
        }
        let attrs = view.attrs().check(decode).attrs;
        for reach in view.reaches() {
            for nlri in reach.nlri {
                self.heard.push(format!("+{} {}", nlri.prefix, nlri.path_id));
                self.held.insert((nlri.prefix, nlri.path_id), attrs.clone());
            }
        }
    }

    /// The path identifiers that it holds for a prefix, with the lengths of their AS paths.
    fn paths(&self, prefix: &str) -> Vec<(u32, usize)> {
        let of = |((net, id), attrs): (&(IpNet, u32), &Attrs)| {
            (*net == prefix.parse().unwrap()).then(|| (*id, attrs.as_path.len()))
        };
        self.held.iter().filter_map(of).collect()
    }
}

/// An AS path of `length` that begins with the source's AS.
fn long(source: u16, length: usize) -> Attrs {
    let mut asns = vec![65100 + u32::from(source)];
    asns.extend((1..length).map(|nth| 1000 + nth as u32));
    path(&asns)
}

#[test]
fn the_best_routes_are_told_under_identifiers_that_stay() {
    let (mut lab, mut it) = (lab(4, 2), Receiver::default());
    for (source, length) in [(0, 3), (1, 1), (2, 2)] {
        lab.say(source, &[PREFIX], &long(source, length));
    }
    it.take(&mut lab, 8192);
    // Lengths with our AS in front.
    assert_eq!(it.paths(PREFIX), [(2, 2), (3, 3)]);
    // The best one goes: the second keeps its identifier, the third moves up.
    it.heard.clear();
    lab.unsay(1, &[PREFIX]);
    it.take(&mut lab, 8192);
    assert_eq!(it.paths(PREFIX), [(1, 4), (3, 3)]);
    assert!(it.heard.contains(&format!("-{PREFIX} 2")));
    // A change of what is not the best route is told as well.
    lab.say(0, &[PREFIX], &long(0, 5));
    it.take(&mut lab, 8192);
    assert_eq!(it.paths(PREFIX), [(1, 6), (3, 3)]);
    let page = lab.rib.adj_rib_out(RECEIVER, Cursor::default(), 10);
    let shown: Vec<_> = page.items.iter().map(|told| told.path_id).collect();
    assert_eq!(shown, [3, 1], "best first");
    // With the last route the prefix is gone for good.
    lab.unsay(0, &[PREFIX]);
    lab.unsay(2, &[PREFIX]);
    it.take(&mut lab, 8192);
    assert_eq!(it.paths(PREFIX), []);
    lab.settle();
    assert_eq!(lab.rib.totals().prefixes, 0);
}

#[test]
fn its_own_routes_are_not_told_and_take_no_place() {
    let (mut lab, mut it) = (lab(2, 2), Receiver::default());
    lab.up(9, receiver());
    lab.say(9, &[PREFIX], &path(&[65109]));
    lab.say(0, &[PREFIX], &long(0, 2));
    lab.say(1, &[PREFIX], &long(1, 3));
    it.take(&mut lab, 8192);
    assert_eq!(it.paths(PREFIX), [(1, 3), (2, 4)]);
}

#[test]
fn a_lost_source_takes_its_routes_along() {
    let (mut lab, mut it) = (lab(3, 3), Receiver::default());
    for source in 0..3 {
        lab.say(source, &[PREFIX, "20.0.1.0/24"], &long(source, 2));
    }
    it.take(&mut lab, 8192);
    assert_eq!(it.held.len(), 6);
    lab.down(1, FamilySet::EMPTY);
    it.take(&mut lab, 8192);
    assert_eq!(it.held.keys().map(|(_, id)| *id).collect::<Vec<_>>(), [1, 3, 1, 3]);
    lab.rib.set_policy(RECEIVER, PeerConfig { paths: 2, export: policy(vec![]), ..open_config() });
    it.take(&mut lab, 8192);
    assert!(it.held.is_empty(), "a policy that accepts nothing");
}

#[test]
fn a_route_that_does_not_fit_costs_the_others_nothing() {
    let (mut lab, mut it) = (lab(2, 2), Receiver::default());
    let mut big = long(0, 1);
    (0..1200).for_each(|nth| {
        big.communities.insert(Community(nth));
    });
    lab.say(0, &[PREFIX], &long(0, 1));
    lab.say(1, &[PREFIX], &long(1, 2));
    it.take(&mut lab, 8192);
    assert_eq!(it.paths(PREFIX), [(1, 2), (2, 3)]);
    lab.say(0, &[PREFIX], &big);
    it.take(&mut lab, 8192);
    assert_eq!(it.paths(PREFIX), [(2, 3)]);
    lab.say(0, &[PREFIX], &long(0, 1));
    it.take(&mut lab, 8192);
    assert_eq!(it.paths(PREFIX), [(1, 2), (2, 3)]);
}

/// Random changes and little room, against a table of what was said.
#[test]
fn whatever_happens_it_holds_the_shortest() {
    let mut rng = fastrand::Rng::with_seed(7);
    let (mut lab, mut it) = (lab(5, 3), Receiver::default());
    let prefixes: Vec<String> = (0..6).map(|nth| format!("20.0.{nth}.0/24")).collect();
    let mut said: BTreeMap<(usize, u16), usize> = BTreeMap::new();
    for step in 0..3000 {
        let (nth, source) = (rng.usize(0..prefixes.len()), rng.u16(0..5));
        if rng.bool() {
            // No two sources say the same length.
            let length = 1 + usize::from(source) + 5 * rng.usize(0..4);
            lab.say(source, &[&prefixes[nth]], &long(source, length));
            said.insert((nth, source), length);
        } else if said.remove(&(nth, source)).is_some() {
            lab.unsay(source, &[&prefixes[nth]]);
        }
        if step % 7 == 0 {
            it.take(&mut lab, rng.usize(30..400));
            for (nth, prefix) in prefixes.iter().enumerate() {
                let mut best: Vec<_> = said
                    .iter()
                    .filter(|((at, _), _)| *at == nth)
                    .map(|((_, s), l)| (l, s))
                    .collect();
                best.sort_unstable();
                let mut expected: Vec<_> =
                    best.iter().take(3).map(|(l, s)| (u32::from(**s) + 1, **l + 1)).collect();
                expected.sort_unstable();
                assert_eq!(it.paths(prefix), expected, "step {step}, {prefix}");
            }
        }
    }
}
