//! A RIB with remote ends: what they say is encoded, what they hear is decoded, by the wire crate.
#![allow(dead_code, unreachable_pub, reason = "each test file uses a part")]

pub mod model;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use bytes::BytesMut;
use ipnet::IpNet;
use pathvane_rib::policy::{Action, Match, Term, Verdict};
use pathvane_rib::{Budget, PeerConfig, PeerId, PeerUp, Policy, Rib, RibConfig};
use pathvane_wire::{
    AsPath, Asn, Attrs, BgpId, DecodeContext, EncodeContext, Family, FamilySet, HEADER_LEN, Kind,
    MAX_LEN, MAX_LEN_EXTENDED, NextHop, PeerKind, RouteRefresh, UpdateView, encode_announcements,
    encode_end_of_rib, encode_withdrawals, frame,
};

pub const OUR_AS: Asn = Asn(65000);

pub fn net(text: &str) -> IpNet {
    text.parse().unwrap()
}

pub fn hop(text: &str) -> NextHop {
    NextHop::from(text.parse::<IpAddr>().unwrap())
}

pub fn path(asns: &[u32]) -> Attrs {
    Attrs { as_path: AsPath::sequence(asns.iter().map(|asn| Asn(*asn))), ..Attrs::default() }
}

pub fn with_med(asns: &[u32], med: u32) -> Attrs {
    Attrs { med: Some(med), ..path(asns) }
}

pub fn accept_all() -> Option<Arc<Policy>> {
    Some(Arc::new(Policy::accept_all("all")))
}

pub fn open_config() -> PeerConfig {
    PeerConfig {
        import: accept_all(),
        export: accept_all(),
        next_hop_self: false,
        client: false,
        paths: 0,
    }
}

pub fn term(name: &str, matches: Vec<Match>, actions: Vec<Action>, verdict: Verdict) -> Term {
    Term { name: name.into(), matches, actions, verdict: Some(verdict) }
}

pub fn policy(terms: Vec<Term>) -> Option<Arc<Policy>> {
    Some(Arc::new(Policy::new("test", terms).unwrap()))
}

/// The session of the external peer `n`: AS 65100 + n, 10.0.0.n.
pub fn external(n: u16) -> PeerUp {
    PeerUp {
        asn: Asn(65100 + u32::from(n)),
        id: BgpId(u32::from(n) + 1),
        address: IpAddr::V4(Ipv4Addr::new(10, 0, (n >> 8) as u8, n as u8)),
        families: FamilySet::ALL,
        encode: EncodeContext {
            peer: PeerKind::External,
            four_octet_as: true,
            add_path: FamilySet::EMPTY,
            extended_next_hop: FamilySet::EMPTY,
            max_len: MAX_LEN,
        },
        local_v4: Some(Ipv4Addr::new(10, 0, 255, 1)),
        local_v6: Some("2001:db8:ffff::1".parse::<Ipv6Addr>().unwrap()),
        local_link: None,
        enhanced_refresh: false,
        knows_long_lived: false,
    }
}

/// The session of the internal peer `n`.
pub fn internal(n: u16) -> PeerUp {
    let mut up = external(n);
    up.asn = OUR_AS;
    up.encode.peer = PeerKind::Internal;
    up
}

/// The other end of a session.
#[derive(Debug)]
pub struct Remote {
    pub up: PeerUp,
    pub decode: DecodeContext,
    /// What it has been told.
    pub table: BTreeMap<IpNet, (NextHop, Attrs)>,
    /// What it heard, in order: `+prefix`, `-prefix`, `EoR family`, `refresh ...`.
    pub heard: Vec<String>,
    pub messages: usize,
}

pub struct Lab {
    pub rib: Rib,
    pub remotes: BTreeMap<PeerId, Remote>,
    /// Whether remotes send path identifiers.
    pub add_path: FamilySet,
}

impl Lab {
    pub fn new() -> Lab {
        Lab::with(RibConfig::new(OUR_AS, BgpId(0x0aff_0001), 7))
    }

    pub fn with(config: RibConfig) -> Lab {
        Lab { rib: Rib::new(config), remotes: BTreeMap::new(), add_path: FamilySet::EMPTY }
    }

    /// External peers 0..n that accept and announce everything.
    pub fn open(n: u16) -> Lab {
        let mut lab = Lab::new();
        for peer in 0..n {
            lab.add(peer, open_config(), external(peer));
        }
        lab
    }

    pub fn add(&mut self, n: u16, config: PeerConfig, up: PeerUp) -> PeerId {
        let peer = PeerId(n);
        self.rib.add_peer(peer, config);
        self.up(n, up);
        peer
    }

    pub fn up(&mut self, n: u16, up: PeerUp) {
        let decode = DecodeContext {
            peer: up.encode.peer,
            four_octet_as: up.encode.four_octet_as,
            families: up.families,
            add_path: up.encode.add_path,
            extended_next_hop: up.encode.extended_next_hop,
        };
        self.rib.peer_up(PeerId(n), up.clone());
        let remote = Remote { up, decode, table: BTreeMap::new(), heard: Vec::new(), messages: 0 };
        self.remotes.insert(PeerId(n), remote);
    }

    pub fn down(&mut self, n: u16, retain: FamilySet) {
        self.rib.peer_down(PeerId(n), retain);
        self.remotes.remove(&PeerId(n));
    }

    fn sending(&self, n: u16) -> EncodeContext {
        let encode = self.remotes[&PeerId(n)].up.encode;
        EncodeContext { add_path: self.add_path, max_len: MAX_LEN_EXTENDED, ..encode }
    }

    /// Feeds the bytes of whole messages to the RIB as those of a peer.
    pub fn feed(&mut self, n: u16, bytes: &[u8]) {
        let decode = DecodeContext { add_path: self.add_path, ..self.remotes[&PeerId(n)].decode };
        let mut rest = bytes;
        while let Some(message) = frame(rest, MAX_LEN_EXTENDED).unwrap() {
            assert_eq!(message.kind, Kind::Update);
            let view = UpdateView::parse(message.body, &decode).unwrap();
            self.rib.update(PeerId(n), &view, &decode);
            rest = &rest[message.len..];
        }
        assert!(rest.is_empty());
    }

    pub fn announce(&mut self, n: u16, prefixes: &[IpNet], attrs: &Attrs, next_hop: NextHop) {
        self.announce_path(n, 0, prefixes, attrs, next_hop);
    }

    pub fn announce_path(
        &mut self,
        n: u16,
        path_id: u32,
        prefixes: &[IpNet],
        attrs: &Attrs,
        next_hop: NextHop,
    ) {
        let ctx = self.sending(n);
        let (mut bytes, mut out) = (BytesMut::new(), BytesMut::new());
        attrs.encode(&ctx, &mut bytes);
        let family = Family::of(&prefixes[0]);
        let nlri = prefixes.iter().map(|prefix| (path_id, *prefix));
        encode_announcements(family, &next_hop, &bytes, nlri, &ctx, &mut out).unwrap();
        self.feed(n, &out);
    }

    /// Announces IPv4 prefixes with the peer as next hop.
    pub fn say(&mut self, n: u16, prefixes: &[&str], attrs: &Attrs) {
        let prefixes: Vec<IpNet> = prefixes.iter().map(|text| net(text)).collect();
        let next_hop = NextHop::from(self.remotes[&PeerId(n)].up.address);
        self.announce(n, &prefixes, attrs, next_hop);
    }

    pub fn unsay(&mut self, n: u16, prefixes: &[&str]) {
        let prefixes: Vec<IpNet> = prefixes.iter().map(|text| net(text)).collect();
        self.withdraw_path(n, 0, &prefixes);
    }

    pub fn withdraw_path(&mut self, n: u16, path_id: u32, prefixes: &[IpNet]) {
        let ctx = self.sending(n);
        let mut out = BytesMut::new();
        let nlri = prefixes.iter().map(|prefix| (path_id, *prefix));
        encode_withdrawals(Family::of(&prefixes[0]), nlri, &ctx, &mut out);
        self.feed(n, &out);
    }

    pub fn end_of_rib(&mut self, n: u16, family: Family) {
        let mut out = BytesMut::new();
        encode_end_of_rib(family, &mut out);
        self.feed(n, &out);
    }

    pub fn work(&mut self) {
        let mut calls = 0;
        while self.rib.work(Budget { routes: 100 }) {
            calls += 1;
            assert!(calls < 1_000_000, "work does not end");
        }
    }

    /// One call of `poll_transmit`, delivered; returns the octets.
    pub fn send_some(&mut self, n: u16, limit: usize) -> usize {
        let mut out = BytesMut::new();
        self.rib.poll_transmit(PeerId(n), &mut out, limit);
        let remote = self.remotes.get_mut(&PeerId(n)).unwrap();
        remote.hear(&out);
        out.len()
    }

    /// Delivers all that is pending for a peer.
    pub fn send(&mut self, n: u16) {
        let mut calls = 0;
        while self.rib.has_pending(PeerId(n)) {
            self.send_some(n, 8192);
            calls += 1;
            assert!(calls < 100_000, "transmission does not end");
        }
    }

    /// Does all work and delivers everything to everyone.
    pub fn settle(&mut self) {
        self.work();
        let all: Vec<u16> = self.remotes.keys().map(|peer| peer.0).collect();
        all.into_iter().for_each(|n| self.send(n));
    }

    pub fn remote(&self, n: u16) -> &Remote {
        &self.remotes[&PeerId(n)]
    }

    /// Settles, and returns what the peer heard since the last time.
    pub fn heard(&mut self, n: u16) -> Vec<String> {
        self.settle();
        std::mem::take(&mut self.remotes.get_mut(&PeerId(n)).unwrap().heard)
    }

    pub fn told(&self, n: u16, prefix: &str) -> Option<&(NextHop, Attrs)> {
        self.remote(n).table.get(&net(prefix))
    }
}

impl Remote {
    pub fn hear(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while let Some(message) = frame(rest, self.up.encode.max_len).unwrap() {
            assert!(message.len >= HEADER_LEN);
            self.messages += 1;
            match message.kind {
                Kind::Update => self.hear_update(message.body),
                Kind::RouteRefresh => {
                    let refresh = RouteRefresh::decode(message.body).unwrap();
                    self.heard.push(format!("refresh {:?} {}", refresh.subtype, refresh.family));
                }
                kind => panic!("unexpected {kind:?}"),
            }
            rest = &rest[message.len..];
        }
        assert!(rest.is_empty());
    }

    fn hear_update(&mut self, body: &[u8]) {
        let view = UpdateView::parse(body, &self.decode).unwrap();
        assert_eq!(view.fault(), None);
        if let Some(family) = view.end_of_rib() {
            self.heard.push(format!("EoR {family}"));
        }
        for nlri in view.withdrawn() {
            self.heard.push(format!("-{}", nlri.prefix));
            assert!(self.table.remove(&nlri.prefix).is_some(), "{} was not held", nlri.prefix);
        }
        let checked = view.attrs().check(&self.decode);
        assert_eq!(checked.faults, []);
        for reach in view.reaches() {
            for nlri in reach.nlri {
                self.heard.push(format!("+{}", nlri.prefix));
                self.table.insert(nlri.prefix, (reach.next_hop, checked.attrs.clone()));
            }
        }
    }
}
