//! Several routes per prefix for those who take them (RFC 7911).

use std::collections::BTreeMap;

use ipnet::IpNet;

use crate::octets::{self, UPDATE};
use crate::peer::{Class, Peer};
use crate::row::Level::{Choice, Must};
use crate::row::{Row, row};
use crate::world::{ANOTHER, EVERY, EXTERNAL, SEVERAL, WIDE, World};

/// The peer takes several routes per prefix of IPv4.
const TAKES_MANY: &[u8] = &[69, 4, 0, 1, 1, 1];

/// A peer that takes several routes, and what it holds of one prefix: by path identifier the mark of
/// the route, a community.
struct Taker {
    peer: Peer,
    prefix: IpNet,
    held: BTreeMap<u32, u32>,
    withdrawn: Vec<u32>,
}

impl Taker {
    fn new(world: &World) -> Taker {
        Taker::of(world, SEVERAL)
    }

    fn of(world: &World, class: Class) -> Taker {
        let (mut peer, prefix) = (world.connect(class), world.prefix());
        peer.establish(&[TAKES_MANY]);
        Taker { peer, prefix, held: BTreeMap::new(), withdrawn: Vec::new() }
    }

    /// Reads UPDATEs until it holds routes with exactly these marks.
    fn holds(&mut self, marks: &[u32]) {
        let held = |taker: &Taker| {
            let mut held: Vec<_> = taker.held.values().copied().collect();
            held.sort_unstable();
            held
        };
        while held(self) != marks {
            let body = self.peer.message(UPDATE);
            self.take(&body);
        }
    }

    fn take(&mut self, body: &[u8]) {
        let (withdrawn, attributes, announced) = octets::fields(body);
        for (number, prefix) in octets::read_numbered(withdrawn) {
            if prefix == self.prefix {
                self.held.remove(&number);
                self.withdrawn.push(number);
            }
        }
        let attributes = octets::read_attributes(attributes);
        let mark = attributes.iter().find(|attribute| attribute.code == 8);
        let mark = mark.and_then(|mark| mark.value.as_slice().try_into().ok());
        let mark = mark.map_or(0, u32::from_be_bytes);
        for (number, prefix) in octets::read_numbered(announced) {
            if prefix == self.prefix {
                self.held.insert(number, mark);
            }
        }
    }

    /// The path identifier of the route with this mark.
    fn number(&self, mark: u32) -> u32 {
        let found = self.held.iter().find(|(_, held)| **held == mark);
        *found.expect("a route with this mark").0
    }
}

/// A peer that announces the prefix with this mark.
fn source(world: &World, class: Class, prefix: IpNet, mark: u32) -> Peer {
    let mut peer = world.up(class);
    peer.announce(prefix, &octets::communities(&[mark]));
    peer
}

/// A path that is longer than others of the same peer.
fn prepended(peer: &mut Peer, prefix: IpNet, mark: u32) {
    let path = octets::as_path(&[peer.class.asn; 4]);
    let attributes =
        [octets::ORIGIN_IGP, &path, octets::NEXT_HOP, &octets::communities(&[mark])].concat();
    peer.send(&octets::update(&[], &attributes, &octets::nlri(prefix)));
}

pub(super) fn rows() -> Vec<Row> {
    vec![
        row(
            "7911-4-send",
            Must,
            "sending several routes per prefix is offered where that is configured",
            |w| {
                assert!(w.offers(SEVERAL, &[69, 8, 0, 1, 1, 2, 0, 2, 1, 2]));
                assert!(!w.offers(EXTERNAL, &[69, 8]));
            },
        ),
        row(
            "7911-3-told",
            Must,
            "routes of two peers are told with an identifier each; others are told one, without",
            |w| {
                let mut taker = Taker::new(w);
                let _first = source(w, EXTERNAL, taker.prefix, 1);
                taker.holds(&[1]);
                let _second = source(w, ANOTHER, taker.prefix, 2);
                taker.holds(&[1, 2]);
                assert!(taker.withdrawn.is_empty());
                let one = w.external.route(taker.prefix);
                assert_eq!(one.attribute(8), Some((0xc0, &[0, 0, 0, 1][..])));
            },
        ),
        row(
            "7911-3-told-replaced",
            Must,
            "a change of a route keeps its identifier, though another route is the best then",
            |w| {
                let mut taker = Taker::new(w);
                let mut first = source(w, EXTERNAL, taker.prefix, 1);
                let _second = source(w, ANOTHER, taker.prefix, 2);
                taker.holds(&[1, 2]);
                let (one, two) = (taker.number(1), taker.number(2));
                prepended(&mut first, taker.prefix, 3);
                taker.holds(&[2, 3]);
                assert_eq!((taker.number(3), taker.number(2)), (one, two));
                assert!(taker.withdrawn.is_empty(), "a route replaces another by its identifier");
            },
        ),
        row(
            "7911-3-told-withdrawn",
            Must,
            "a withdrawal names the identifier, and the other route stays",
            |w| {
                let mut taker = Taker::new(w);
                let mut first = source(w, EXTERNAL, taker.prefix, 1);
                let _second = source(w, ANOTHER, taker.prefix, 2);
                taker.holds(&[1, 2]);
                let one = taker.number(1);
                first.withdraw(taker.prefix);
                taker.holds(&[2]);
                assert_eq!(taker.withdrawn, [one]);
            },
        ),
        row(
            "7911-3-told-most",
            Choice,
            "no more routes are told than are configured, the best ones",
            |w| {
                let mut taker = Taker::new(w);
                let mut worst = w.up(EXTERNAL);
                prepended(&mut worst, taker.prefix, 9);
                taker.holds(&[9]);
                let _first = source(w, EXTERNAL, taker.prefix, 1);
                let _second = source(w, ANOTHER, taker.prefix, 2);
                let _third = source(w, WIDE, taker.prefix, 3);
                taker.holds(&[1, 2, 3]);
            },
        ),
        row("7911-3-told-all", Choice, "or all of them, one of each peer that has one", |w| {
            let mut taker = Taker::of(w, EVERY);
            let mut worst = w.up(EXTERNAL);
            prepended(&mut worst, taker.prefix, 9);
            let _others: Vec<_> =
                (1..=5).map(|mark| source(w, EXTERNAL, taker.prefix, mark)).collect();
            taker.holds(&[1, 2, 3, 4, 5, 9]);
        }),
        row(
            "7911-3-untaken",
            Must,
            "a peer that does not take several is told one, without an identifier",
            |w| {
                let (mut peer, prefix) = (w.up(SEVERAL), w.prefix());
                let _first = source(w, EXTERNAL, prefix, 1);
                peer.told_of(prefix);
            },
        ),
    ]
}
