//! Which of several routes is used (RFC 4271 section 9.1.2.2, RFC 4456 section 9), in any order of arrival.

use ipnet::IpNet;

use crate::octets::{self, NEXT_HOP, attribute};
use crate::peer::{Class, Peer};
use crate::row::Level::{Choice, Must, Should};
use crate::row::{Row, row};
use crate::world::{ANOTHER, EXTERNAL, INTERNAL, WIDE, World};

/// A route in the contest: who sends it, with which ORIGIN, path and attributes.
#[derive(Clone)]
struct Entry {
    class: Class,
    /// The peer's BGP Identifier, if it is not its address.
    id: Option<[u8; 4]>,
    origin: u8,
    path: Vec<u32>,
    more: Vec<u8>,
}

fn entry(class: Class) -> Entry {
    let path = if class == INTERNAL { vec![] } else { vec![class.asn] };
    Entry { class, id: None, origin: 0, path, more: vec![] }
}

impl Entry {
    fn with(mut self, more: Vec<u8>) -> Entry {
        self.more.extend(more);
        self
    }

    fn id(mut self, last: u8) -> Entry {
        self.id = Some([1, 0, 0, last]);
        self
    }

    /// An Established session with the one who sends it.
    fn peer(&self, world: &World) -> Peer {
        let mut peer = world.connect(self.class);
        let mut open = peer.open(&[]);
        if let Some(id) = self.id {
            open[24..28].copy_from_slice(&id);
        }
        peer.establish_by(&open);
        peer
    }

    fn path(mut self, path: &[u32]) -> Entry {
        self.path = path.to_vec();
        self
    }

    fn origin(mut self, origin: u8) -> Entry {
        self.origin = origin;
        self
    }

    /// Sends it, marked with a community.
    fn send(&self, peer: &mut Peer, prefix: IpNet, nth: usize) {
        let origin = [0x40, 1, 1, self.origin];
        let mark = octets::communities(&[mark(nth)]);
        let attributes =
            [&origin[..], &octets::as_path(&self.path), NEXT_HOP, &self.more, &mark].concat();
        peer.send(&octets::update(&[], &attributes, &octets::nlri(prefix)));
    }
}

fn mark(nth: usize) -> u32 {
    0xfde9_0000 + u32::try_from(nth).expect("a few")
}

/// The first entry wins, whatever comes first; when it goes, the next one takes its place.
///
/// Later entries have lower identifiers and addresses, so the first one cannot win by those.
fn best(world: &World, entries: &[Entry]) {
    let mut peers: Vec<_> = entries.iter().rev().map(|entry| entry.peer(world)).collect();
    peers.reverse();
    contest(world, entries, peers);
}

/// The same with peers that are there.
fn contest(world: &World, entries: &[Entry], mut peers: Vec<Peer>) {
    let all_external = entries.iter().all(|entry| entry.class != INTERNAL);
    let observer = if all_external { &world.internal } else { &world.external };
    let wanted = mark(0).to_be_bytes();
    for turn in 0..entries.len() {
        let prefix = world.prefix();
        for at in 0..entries.len() {
            let at = (at + turn) % entries.len();
            entries[at].send(&mut peers[at], prefix, at);
            world.settled(&mut peers[at]);
        }
        let route = observer.route(prefix);
        assert_eq!(route.attribute(8), Some((0xc0, &wanted[..])), "arrival from {turn} on");
        peers[0].withdraw(prefix);
        let next: Vec<_> = mark(1).to_be_bytes().to_vec();
        observer.route_where(prefix, |route| {
            entries.len() > 2 || route.attribute(8) == Some((0xc0, &next))
        });
    }
}

fn preference(value: u32) -> Vec<u8> {
    octets::local_pref(value)
}

pub(super) fn rows() -> Vec<Row> {
    vec![
        row(
            "4271-9.1.1-preference",
            Must,
            "the higher LOCAL_PREF wins, before the shorter path",
            |w| {
                best(
                    w,
                    &[
                        entry(INTERNAL).path(&[7, 8, 9]).with(preference(200)),
                        entry(INTERNAL).with(preference(150)),
                    ],
                );
            },
        ),
        row("4271-9.1.1-default", Choice, "a missing LOCAL_PREF is 100", |w| {
            best(w, &[entry(INTERNAL).path(&[7, 8]), entry(INTERNAL).with(preference(99))]);
        }),
        row("4271-9.1.2.2-a", Must, "the shorter AS_PATH wins, before ORIGIN", |w| {
            best(w, &[entry(ANOTHER).origin(2), entry(EXTERNAL).path(&[65001, 7])]);
        }),
        row("4271-9.1.2.2-a-set", Must, "a set counts as one AS number", |w| {
            let (mut first, mut second, prefix) = (w.up(EXTERNAL), w.up(ANOTHER), w.prefix());
            let set = attribute(
                0x40,
                2,
                &[2, 1, 0, 0, 0xfd, 0xe9, 1, 3, 0, 0, 0, 7, 0, 0, 0, 8, 0, 0, 0, 9],
            );
            let attributes = [octets::ORIGIN_IGP, &set, NEXT_HOP].concat();
            first.send(&octets::update(&[], &attributes, &octets::nlri(prefix)));
            entry(ANOTHER).path(&[65002, 7, 8]).send(&mut second, prefix, 1);
            w.settled(&mut first);
            w.settled(&mut second);
            w.internal.route(prefix).lacks(8);
        }),
        row("4271-9.1.2.2-b", Must, "the lower ORIGIN wins, before MULTI_EXIT_DISC", |w| {
            best(
                w,
                &[
                    entry(EXTERNAL).origin(0).with(octets::med(9)),
                    entry(EXTERNAL).origin(1).with(octets::med(1)),
                ],
            );
            best(w, &[entry(ANOTHER).origin(1), entry(ANOTHER).origin(2)]);
        }),
        row("4271-9.1.2.2-c", Must, "the lower MULTI_EXIT_DISC of one neighbouring AS wins", |w| {
            best(
                w,
                &[entry(EXTERNAL).with(octets::med(10)), entry(EXTERNAL).with(octets::med(20))],
            );
        }),
        row("4271-9.1.2.2-c-missing", Must, "a missing one is the lowest", |w| {
            best(w, &[entry(EXTERNAL), entry(EXTERNAL).with(octets::med(1))]);
        }),
        row("4271-9.1.2.2-c-other", Must, "those of different ASes are not compared", |w| {
            best(w, &[entry(EXTERNAL).with(octets::med(500)), entry(ANOTHER).with(octets::med(1))]);
        }),
        row(
            "4271-9.1.2.2-c-order",
            Must,
            "and no order of arrival changes what three routes of two ASes come to",
            |w| {
                // The first loses to the third one's MED only where that is still in the contest.
                best(
                    w,
                    &[
                        entry(ANOTHER).id(2).with(octets::med(5)),
                        entry(EXTERNAL).id(3).with(octets::med(1)),
                        entry(EXTERNAL).id(1).with(octets::med(3)),
                    ],
                );
                best(
                    w,
                    &[
                        entry(EXTERNAL).id(2).with(octets::med(1)),
                        entry(ANOTHER).id(3).with(octets::med(0)),
                        entry(EXTERNAL).id(1).with(octets::med(3)),
                    ],
                );
            },
        ),
        row("4271-9.1.2.2-d", Must, "an external route wins over an internal one", |w| {
            best(w, &[entry(WIDE), entry(INTERNAL).path(&[7])]);
        }),
        row("4271-9.1.2.2-f", Must, "the lower BGP Identifier wins", |w| {
            best(w, &[entry(WIDE).id(1), entry(ANOTHER).id(2), entry(EXTERNAL).id(3)]);
        }),
        row("4456-9-originator", Must, "ORIGINATOR_ID stands for the identifier", |w| {
            best(
                w,
                &[
                    entry(INTERNAL).with(attribute(0x80, 9, &[1, 0, 0, 1])),
                    entry(INTERNAL).with(attribute(0x80, 9, &[1, 0, 0, 2])),
                ],
            );
            best(w, &[entry(INTERNAL).with(attribute(0x80, 9, &[1, 0, 0, 1])), entry(INTERNAL)]);
        }),
        row("4456-9-cluster", Should, "then the shorter CLUSTER_LIST", |w| {
            let id = attribute(0x80, 9, &[1, 0, 0, 1]);
            best(
                w,
                &[
                    entry(INTERNAL).with([id.clone(), attribute(0x80, 10, &[9, 9, 9, 9])].concat()),
                    entry(INTERNAL)
                        .with([id, attribute(0x80, 10, &[9, 9, 9, 9, 8, 8, 8, 8])].concat()),
                ],
            );
        }),
        row("4271-9.1.2.2-g", Must, "then the lower address of the peer", |w| {
            let id = attribute(0x80, 9, &[1, 0, 0, 1]);
            let entries = [entry(INTERNAL).with(id.clone()), entry(INTERNAL).with(id)];
            let peers = entries.iter().map(|entry| entry.peer(w)).collect();
            contest(w, &entries, peers);
        }),
    ]
}
