//! The RIB as the text of RFC 4271 has it: sorted maps, and everything worked out anew each time.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;
use pathvane_rib::policy::{Action, Match, PrefixRange, Term, Verdict};
use pathvane_rib::{
    Cursor, Directive, OriginAttrs, PeerConfig, PeerId, PeerUp, Policy, RibConfig, RouteView,
};
use pathvane_wire::{Attrs, BgpId, Community, Family, FamilySet, NextHop, Origin};

use super::*;

/// On what peers 2 and 4 sent, by import policy.
const OF_TWO: Community = Community::new(65000, 24);
const MARK: Community = Community::new(65000, 20);
const UNWANTED: Community = Community::new(65000, 666);

/// Attributes that tie, differ late, or are refused somewhere.
fn attrs_pool() -> Vec<Attrs> {
    let with = |community, attrs: Attrs| {
        let mut attrs = attrs;
        attrs.communities.insert(community);
        attrs
    };
    vec![
        path(&[65100, 1]),
        with_med(&[65100, 1], 10),
        with_med(&[65100, 2], 20),
        with_med(&[65101, 1], 5),
        with_med(&[65101, 2], 30),
        Attrs { origin: Origin::Incomplete, ..path(&[65101, 3]) },
        path(&[65101, 13, 3]),
        path(&[65102]),
        with(Community::NO_EXPORT, path(&[65102, 9])),
        with(UNWANTED, path(&[65102])),
        with(MARK, path(&[65102, 4])),
        path(&[65102, 65000, 4]),
    ]
}

fn tricky_import() -> Option<Arc<Policy>> {
    let longer = PrefixRange::new(net("10.0.0.0/8"), 16, 24).unwrap();
    let via = PrefixRange::exact(net("10.0.0.1/32"));
    policy(vec![
        term("unwanted", vec![Match::Community(UNWANTED.into())], vec![], Verdict::Reject),
        term(
            "ours",
            vec![Match::Prefix([longer].into_iter().collect())],
            vec![Action::SetLocalPref(200), Action::AddCommunity(MARK)],
            Verdict::Accept,
        ),
        Term {
            name: "of two".into(),
            matches: vec![Match::Peer(vec![PeerId(2), PeerId(4)])],
            actions: vec![Action::AddCommunity(OF_TWO)],
            verdict: None,
        },
        Term {
            name: "via one".into(),
            matches: vec![Match::NextHop([via].into_iter().collect())],
            actions: vec![Action::AddMed(3)],
            verdict: None,
        },
        Term {
            name: "dear".into(),
            matches: vec![Match::NeighborAs(65101.into())],
            actions: vec![Action::AddMed(10)],
            verdict: None,
        },
        term(
            "thirteen",
            vec![Match::AsPathContains(13.into())],
            vec![Action::Prepend(1)],
            Verdict::Accept,
        ),
        term("rest", vec![], vec![], Verdict::Accept),
    ])
}

fn tricky_export() -> Option<Arc<Policy>> {
    let v6 = Match::Family(Family::IPV6_UNICAST);
    policy(vec![
        term("of one", vec![Match::Peer(vec![PeerId(1)])], vec![], Verdict::Reject),
        term("six", vec![v6], vec![Action::SetMed(77)], Verdict::Accept),
        term("marked", vec![Match::Community(MARK.into())], vec![], Verdict::Reject),
        term(
            "rest",
            vec![],
            vec![Action::AddCommunity(Community::new(65000, 30)), Action::Prepend(1)],
            Verdict::Accept,
        ),
    ])
}

#[derive(Clone, Debug)]
pub enum Op {
    Announce { peer: u16, path_id: u32, prefixes: Vec<usize>, attrs: usize },
    Withdraw { peer: u16, path_id: u32, prefixes: Vec<usize> },
    Down { peer: u16, retain: bool },
    Up { peer: u16 },
    EndOfRib { peer: u16, v6: bool },
    Flush { peer: u16 },
    Policy { peer: u16, tricky: bool },
    Originate { prefix: usize, med: Option<u32> },
    WithdrawOrigin { prefix: usize },
    Services { nets: Vec<usize> },
    Direct { peer: u16, prefix: usize, directive: Option<Directive> },
    Preference { peer: u16, reach: usize, offset: i32 },
    Reachable { hop: u16, yes: bool },
    Refresh { peer: u16, v6: bool },
    Send { peer: u16, limit: usize },
    Work { routes: u32 },
}

/// The plain state: sorted maps, and nothing that is derived.
#[derive(Default)]
pub struct Model {
    /// The prefixes that operations speak of by number.
    prefixes: Vec<IpNet>,
    /// Peers 0 to this one are external, ...
    externals: u16,
    /// ... and from there to this one internal; the last gets us as next hop.
    peers: u16,
    up: BTreeSet<u16>,
    tricky: BTreeSet<u16>,
    /// Whether path identifiers are sent.
    add_path: bool,
    /// By prefix, peer and path identifier; true: stale.
    routes: BTreeMap<(IpNet, u16, u32), (Attrs, NextHop, bool)>,
    origins: BTreeMap<IpNet, Option<u32>>,
    services: Vec<IpNet>,
    directives: BTreeMap<(u16, IpNet), Directive>,
    offsets: BTreeMap<(u16, IpNet), i32>,
    unreachable: BTreeSet<IpAddr>,
    /// Over how many next hops a prefix's traffic goes, if not one, and whether of several ASes.
    pub multipath: (u8, bool),
    /// What was last heard of the routes that share the traffic of prefixes inside [`WATCHED`].
    heard: BTreeMap<IpNet, Vec<u16>>,
}

/// Changes of prefixes in here are told, if multipath is on.
const WATCHED: &str = "10.0.0.0/8";

/// A feasible route in the model.
#[derive(Clone, Debug)]
pub struct Feasible {
    peer: u16,
    path_id: u32,
    attrs: Attrs,
    next_hop: NextHop,
    preference: u32,
}

const LOCAL: u16 = u16::MAX;

impl Model {
    /// Without peers' routes; peers 0 to `externals` are external, from there to `peers` internal.
    pub fn new(prefixes: Vec<IpNet>, externals: u16, peers: u16, add_path: bool) -> Model {
        Model { prefixes, externals, peers, add_path, ..Model::default() }
    }

    fn session(&self, n: u16) -> PeerUp {
        if n < self.externals { external(n) } else { internal(n) }
    }

    fn config(&self, n: u16, tricky: bool) -> PeerConfig {
        let (import, export) =
            if tricky { (tricky_import(), tricky_export()) } else { (accept_all(), accept_all()) };
        PeerConfig { import, export, next_hop_self: n + 1 == self.peers, client: false, paths: 0 }
    }

    fn import(
        &self,
        peer: u16,
        prefix: &IpNet,
        (attrs, next_hop): (&Attrs, &NextHop),
    ) -> Option<Attrs> {
        let mut attrs = attrs.clone();
        if attrs.as_path.contains(OUR_AS) {
            return None;
        }
        if self.tricky.contains(&peer) {
            if attrs.communities.contains(&UNWANTED) {
                return None;
            }
            if net("10.0.0.0/8").contains(prefix) && (16..=24).contains(&prefix.prefix_len()) {
                attrs.local_pref = Some(200);
                attrs.communities.insert(MARK);
                return Some(attrs);
            }
            if peer == 2 || peer == 4 {
                attrs.communities.insert(OF_TWO);
            }
            if next_hop.addr == hop("10.0.0.1").addr {
                attrs.med = Some(attrs.med.unwrap_or(0) + 3);
            }
            if attrs.as_path.neighbor_as() == Some(65101.into()) {
                attrs.med = Some(attrs.med.unwrap_or(0) + 10);
            }
            if attrs.as_path.contains(13.into()) {
                attrs.as_path.prepend(OUR_AS, 1);
            }
        }
        Some(attrs)
    }

    fn offset(&self, peer: u16, prefix: &IpNet) -> i32 {
        let mine = self.offsets.iter().filter(|((p, net), _)| *p == peer && net.contains(prefix));
        mine.max_by_key(|((_, net), _)| net.prefix_len()).map_or(0, |(_, offset)| *offset)
    }

    fn feasible(&self, prefix: &IpNet) -> Vec<Feasible> {
        let learned = self.routes.range((*prefix, 0, 0)..=(*prefix, u16::MAX, u32::MAX));
        let mut all: Vec<Feasible> = learned
            .filter(|(_, (_, next_hop, _))| !self.unreachable.contains(&next_hop.addr))
            .filter_map(|((_, peer, path_id), (attrs, next_hop, _))| {
                let attrs = self.import(*peer, prefix, (attrs, next_hop))?;
                let own = attrs.local_pref.unwrap_or(100);
                let preference = own.saturating_add_signed(self.offset(*peer, prefix));
                let (peer, path_id, next_hop) = (*peer, *path_id, *next_hop);
                Some(Feasible { peer, path_id, attrs, next_hop, preference })
            })
            .collect();
        if let Some(med) = self.origins.get(prefix) {
            let attrs = Attrs { med: *med, ..Attrs::default() };
            let next_hop = hop("0.0.0.0");
            all.push(Feasible { peer: LOCAL, path_id: 0, attrs, next_hop, preference: 100 });
        }
        all
    }

    fn best(&self, prefix: &IpNet) -> Option<Feasible> {
        self.equals(prefix)?.into_iter().next()
    }

    /// The peers whose routes share the traffic of a prefix.
    fn sharing(&self, prefix: &IpNet) -> Vec<u16> {
        let equals = self.equals(prefix).unwrap_or_default();
        let near = |r: &Feasible| r.attrs.as_path.neighbor_as();
        let (most, relax) = (usize::from(self.multipath.0.max(1)), self.multipath.1);
        let same: Vec<_> = equals.iter().filter(|r| relax || near(r) == near(&equals[0])).collect();
        let mut hops: Vec<NextHop> = Vec::new();
        for route in &same {
            if !hops.contains(&route.next_hop) {
                hops.push(route.next_hop);
            }
        }
        hops.truncate(most);
        let shares = |r: &&Feasible| hops.contains(&r.next_hop);
        let sharing: Vec<u16> = same.into_iter().filter(shares).map(|r| r.peer).collect();
        // Without multipath there is one route, and not all of one next hop.
        if most == 1 { sharing.into_iter().take(1).collect() } else { sharing }
    }

    /// RFC 4271 section 9.1.2.2, item by item, down to those that only break ties; in their order.
    fn equals(&self, prefix: &IpNet) -> Option<Vec<Feasible>> {
        let mut left = self.feasible(prefix);
        if let Some(local) = left.iter().find(|r| r.peer == LOCAL) {
            return Some(vec![local.clone()]);
        }
        let highest = left.iter().map(|r| r.preference).max()?;
        left.retain(|r| r.preference == highest);
        let shortest = left.iter().map(|r| r.attrs.as_path.len()).min()?;
        left.retain(|r| r.attrs.as_path.len() == shortest);
        let lowest = left.iter().map(|r| r.attrs.origin).min()?;
        left.retain(|r| r.attrs.origin == lowest);
        // "for m = all routes still under consideration; for n = all; if neighborAS(m) ==
        // neighborAS(n) and MED(n) < MED(m), remove m"
        let med = |r: &Feasible| r.attrs.med.unwrap_or(0);
        let before = left.clone();
        left.retain(|m| {
            let near = |r: &Feasible| r.attrs.as_path.neighbor_as();
            !before.iter().any(|n| near(m) == near(n) && med(n) < med(m))
        });
        if left.iter().any(|r| r.peer < self.externals) {
            left.retain(|r| r.peer < self.externals);
        }
        // Identifiers and addresses of the test's peers are in the order of their numbers.
        left.sort_by_key(|r| (r.peer, r.path_id));
        Some(left)
    }

    /// What a peer is to be told, where this is the best route.
    fn told(&self, peer: u16, prefix: &IpNet, best: &Feasible) -> Option<(NextHop, Attrs)> {
        if best.peer == peer {
            return None;
        }
        let to_external = peer < self.externals;
        let from_internal = (self.externals..self.peers).contains(&best.peer);
        let mut attrs = best.attrs.clone();
        if to_external && attrs.communities.contains(&Community::NO_EXPORT) {
            return None;
        }
        if !to_external && from_internal {
            return None;
        }
        if to_external {
            attrs.local_pref = None;
            if best.peer != LOCAL {
                attrs.med = None;
            }
        } else {
            attrs.local_pref = Some(best.preference);
        }
        if self.tricky.contains(&peer) {
            if best.peer == 1 {
                return None;
            }
            if Family::of(prefix) == Family::IPV6_UNICAST {
                attrs.med = Some(77);
            } else if attrs.communities.contains(&MARK) {
                return None;
            } else {
                attrs.communities.insert(Community::new(65000, 30));
                attrs.as_path.prepend(OUR_AS, 1);
            }
        }
        let service = self.services.iter().any(|net| net.contains(prefix));
        match self.directives.get(&(peer, *prefix)).filter(|_| service) {
            Some(Directive::Withhold) => return None,
            Some(Directive::Announce { med, communities, prepend }) => {
                attrs.med = med.or(attrs.med);
                attrs.as_path.prepend(OUR_AS, usize::from(*prepend));
                communities.iter().for_each(|community| {
                    attrs.communities.insert(*community);
                });
            }
            None => {}
        }
        let own = match prefix {
            IpNet::V4(_) => hop("10.0.255.1"),
            IpNet::V6(_) => hop("2001:db8:ffff::1"),
        };
        let next_hop = if to_external {
            attrs.as_path.prepend(OUR_AS, 1);
            own
        } else if peer + 1 == self.peers || best.peer == LOCAL {
            own
        } else {
            best.next_hop
        };
        Some((next_hop, attrs))
    }

    fn down(&mut self, peer: u16, retain: bool) {
        if self.up.remove(&peer) {
            self.routes.retain(|(_, p, _), (_, _, stale)| *p != peer || (retain && !*stale));
            let theirs = self.routes.iter_mut().filter(|((_, p, _), _)| *p == peer);
            theirs.for_each(|(_, (_, _, stale))| *stale = true);
        }
    }

    fn flush(&mut self, peer: u16, of: impl Fn(&IpNet) -> bool) {
        self.routes.retain(|(prefix, p, _), (_, _, stale)| *p != peer || !*stale || !of(prefix));
    }
}

fn next_hop_of(peer: u16, prefix: &IpNet) -> NextHop {
    match prefix {
        IpNet::V4(_) => hop(&format!("10.0.0.{peer}")),
        IpNet::V6(_) => hop(&format!("2001:db8:ffff::a{peer}")),
    }
}

/// A RIB and a model with the same peers, all of them up.
pub fn both(mut model: Model) -> (Lab, Model) {
    let (multipath, multipath_relax) = (model.multipath.0.max(1), model.multipath.1);
    let basic = RibConfig::new(OUR_AS, BgpId(0x0aff_0001), 7);
    let mut lab = Lab::with(RibConfig { multipath, multipath_relax, ..basic });
    if multipath > 1 {
        lab.rib.watch(&[net(WATCHED)]);
    }
    lab.add_path = if model.add_path { FamilySet::ALL } else { FamilySet::EMPTY };
    for peer in 0..model.peers {
        lab.add(peer, model.config(peer, false), model.session(peer));
        model.up.insert(peer);
    }
    (lab, model)
}

pub fn apply(lab: &mut Lab, model: &mut Model, op: &Op) {
    let all = model.prefixes.clone();
    let family = |v6: bool| if v6 { Family::IPV6_UNICAST } else { Family::IPV4_UNICAST };
    match op {
        Op::Announce { peer, path_id, prefixes, attrs } if model.up.contains(peer) => {
            let path_id = if model.add_path { *path_id } else { 0 };
            let attrs = &attrs_pool()[*attrs];
            // One UPDATE for each family; it may name a prefix twice.
            for v6 in [false, true] {
                let of_family = |prefix: &IpNet| Family::of(prefix) == family(v6);
                let some: Vec<IpNet> =
                    prefixes.iter().map(|at| all[*at]).filter(of_family).collect();
                let Some(first) = some.first() else { continue };
                let next_hop = next_hop_of(*peer, first);
                lab.announce_path(*peer, path_id, &some, attrs, next_hop);
                for prefix in some {
                    model.routes.insert((prefix, *peer, path_id), (attrs.clone(), next_hop, false));
                }
            }
        }
        Op::Withdraw { peer, path_id, prefixes } if model.up.contains(peer) => {
            let path_id = if model.add_path { *path_id } else { 0 };
            for v6 in [false, true] {
                let of_family = |prefix: &IpNet| Family::of(prefix) == family(v6);
                let some: Vec<IpNet> =
                    prefixes.iter().map(|at| all[*at]).filter(of_family).collect();
                if !some.is_empty() {
                    lab.withdraw_path(*peer, path_id, &some);
                }
                for prefix in some {
                    model.routes.remove(&(prefix, *peer, path_id));
                }
            }
        }
        Op::Down { peer, retain } => {
            let families = if *retain { FamilySet::ALL } else { FamilySet::EMPTY };
            lab.down(*peer, families);
            model.down(*peer, *retain);
        }
        Op::Up { peer } if !model.up.contains(peer) => {
            lab.up(*peer, model.session(*peer));
            model.up.insert(*peer);
        }
        Op::EndOfRib { peer, v6 } if model.up.contains(peer) => {
            lab.end_of_rib(*peer, family(*v6));
            model.flush(*peer, |prefix| Family::of(prefix) == family(*v6));
        }
        Op::Flush { peer } => {
            lab.rib.flush_stale(PeerId(*peer));
            model.flush(*peer, |_| true);
        }
        Op::Policy { peer, tricky } => {
            lab.rib.set_policy(PeerId(*peer), model.config(*peer, *tricky));
            model.tricky.remove(peer);
            model.tricky.extend(tricky.then_some(*peer));
        }
        Op::Originate { prefix, med } => {
            let attrs = OriginAttrs { med: *med, ..OriginAttrs::default() };
            lab.rib.originate(all[*prefix], &attrs);
            model.origins.insert(all[*prefix], *med);
        }
        Op::WithdrawOrigin { prefix } => {
            lab.rib.withdraw_origin(all[*prefix]);
            model.origins.remove(&all[*prefix]);
        }
        Op::Services { nets } => {
            model.services = nets.iter().map(|at| all[*at]).collect();
            lab.rib.set_services(&model.services);
        }
        Op::Direct { peer, prefix, directive } => {
            let key = (*peer, all[*prefix]);
            lab.rib.direct(PeerId(*peer), key.1, directive.clone());
            model.directives.remove(&key);
            model.directives.extend(directive.clone().map(|directive| (key, directive)));
        }
        Op::Preference { peer, reach, offset } => {
            let key = (*peer, all[*reach]);
            lab.rib.set_preference(PeerId(*peer), &[key.1], *offset);
            model.offsets.remove(&key);
            model.offsets.extend((*offset != 0).then_some((key, *offset)));
        }
        Op::Reachable { hop, yes } => {
            let addr = next_hop_of(*hop, &all[0]).addr;
            lab.rib.set_next_hop_reachable(addr, *yes);
            model.unreachable.remove(&addr);
            model.unreachable.extend((!yes).then_some(addr));
        }
        Op::Refresh { peer, v6 } => lab.rib.refresh(PeerId(*peer), family(*v6)),
        Op::Send { peer, limit } if model.up.contains(peer) => {
            lab.send_some(*peer, *limit);
        }
        Op::Work { routes } => {
            lab.rib.work(pathvane_rib::Budget { routes: *routes });
        }
        _ => {}
    }
    hear(lab, model);
}

/// Looks up what shares a prefix's traffic when a change of it is told, and only then.
fn hear(lab: &mut Lab, model: &mut Model) {
    while let Some(change) = lab.rib.poll_change() {
        model.heard.insert(change.prefix, sharing(lab, &change.prefix));
    }
}

fn sharing(lab: &Lab, prefix: &IpNet) -> Vec<u16> {
    lab.rib.multipath(prefix).iter().map(|best| best.peer.0).collect()
}

fn pages(lab: &Lab) -> BTreeMap<IpNet, RouteView> {
    let mut all = BTreeMap::new();
    let mut next = Some(Cursor::default());
    while let Some(cursor) = next {
        let page = lab.rib.loc_rib(cursor, 3);
        all.extend(page.items.into_iter().map(|route| (route.prefix, route)));
        next = page.next;
    }
    all
}

/// After everything is settled.
pub fn compare(lab: &mut Lab, model: &mut Model) {
    hear(lab, model);
    let loc_rib = pages(lab);
    for prefix in &model.prefixes {
        let expected = model.best(prefix);
        let got = loc_rib.get(prefix);
        let brief = |peer: u16, preference, attrs: &Attrs| (peer, preference, attrs.clone());
        assert_eq!(
            got.map(|r| brief(r.peer.0, r.preference, &r.attrs)),
            expected.as_ref().map(|r| brief(r.peer, r.preference, &r.attrs)),
            "best route of {prefix}: {:#?}",
            lab.rib.explain(prefix)
        );
        assert_eq!(sharing(lab, prefix), model.sharing(prefix), "who shares {prefix}");
        if model.multipath.0 > 1 && net(WATCHED).contains(prefix) {
            let heard = model.heard.get(prefix).cloned().unwrap_or_default();
            assert_eq!(heard, model.sharing(prefix), "as last heard of {prefix}");
        }
        for peer in &model.up {
            let told = lab.remote(*peer).table.get(prefix).cloned();
            let due = expected.as_ref().and_then(|best| model.told(*peer, prefix, best));
            assert_eq!(told, due, "{prefix} as told to {peer}");
            let advertised = lab.rib.advertised(PeerId(*peer), prefix);
            let advertised = advertised.map(|a| {
                assert!(!a.pending);
                (a.next_hop, a.attrs)
            });
            assert_eq!(advertised, told, "{prefix} as advertised to {peer}");
        }
    }
    counts_agree(lab, model);
}

fn counts_agree(lab: &Lab, model: &Model) {
    for (peer, family) in (0..model.peers).flat_map(|p| FamilySet::ALL.iter().map(move |f| (p, f)))
    {
        let counts = lab.rib.counts(PeerId(peer), family);
        let theirs = || {
            model.routes.iter().filter(|((net, p, _), _)| *p == peer && Family::of(net) == family)
        };
        let accepted = theirs().filter(|((prefix, p, _), (attrs, hop, _))| {
            model.import(*p, prefix, (attrs, hop)).is_some()
        });
        assert_eq!(counts.received as usize, theirs().count(), "received from {peer}");
        assert_eq!(counts.accepted as usize, accepted.count(), "accepted from {peer}");
        let stale = theirs().filter(|(_, (_, _, stale))| *stale).count();
        assert_eq!(counts.stale as usize, stale, "stale from {peer}");
        let remote = lab.remotes.get(&PeerId(peer));
        let told = remote.map_or(0, |r| r.table.keys().filter(|p| Family::of(p) == family).count());
        assert_eq!(counts.advertised as usize, told, "advertised to {peer}");
    }
}

/// Takes everything away; then nothing is left behind.
pub fn end(lab: &mut Lab, model: &Model) {
    for peer in 0..model.peers {
        lab.down(peer, FamilySet::EMPTY);
        lab.rib.flush_stale(PeerId(peer));
    }
    model.prefixes.iter().for_each(|prefix| lab.rib.withdraw_origin(*prefix));
    lab.settle();
    let totals = lab.rib.totals();
    assert_eq!((totals.prefixes, totals.attribute_sets, totals.peer_bytes), (0, 0, 0));
}
