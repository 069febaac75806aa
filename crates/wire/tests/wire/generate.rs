//! Generated messages for the properties.

use bytes::BytesMut;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use pathvane_wire::{
    AddPathMode, Aggregator, AsPath, Asn, AttrFlags, Attrs, BgpId, Capability, Community,
    DecodeContext, ExtCommunity, Family, FamilySet, GrFamily, GracefulRestart, LargeCommunity,
    LongLivedFamily, NextHop, NextHopEncoding, Notification, Open, Origin, PeerKind, Role,
    UnknownAttr, encode_announcements, encode_withdrawals,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use crate::common::mirror;

fn family() -> impl Strategy<Value = Family> {
    prop_oneof![
        Just(Family::IPV4_UNICAST),
        Just(Family::IPV6_UNICAST),
        (any::<u16>(), any::<u8>()).prop_map(|(afi, safi)| Family { afi, safi }),
    ]
}

fn family_set() -> impl Strategy<Value = FamilySet> {
    prop::sample::select(vec![FamilySet::EMPTY, FamilySet::IPV4, FamilySet::IPV6, FamilySet::ALL])
}

pub(crate) fn context() -> impl Strategy<Value = DecodeContext> {
    let peer = prop_oneof![Just(PeerKind::Internal), Just(PeerKind::External)];
    (peer, any::<bool>(), family_set(), family_set(), family_set()).prop_map(
        |(peer, four_octet_as, families, add_path, extended_next_hop)| DecodeContext {
            peer,
            four_octet_as,
            families,
            add_path,
            extended_next_hop,
        },
    )
}

fn asn() -> impl Strategy<Value = Asn> {
    prop_oneof![1u32..=65_535, 1u32..].prop_map(Asn)
}

fn add_path() -> impl Strategy<Value = AddPathMode> {
    prop_oneof![Just(AddPathMode::Receive), Just(AddPathMode::Send), Just(AddPathMode::Both)]
}

fn graceful_restart() -> impl Strategy<Value = GracefulRestart> {
    let entry =
        (family(), any::<bool>()).prop_map(|(family, forwarding)| GrFamily { family, forwarding });
    (any::<bool>(), any::<bool>(), 0u16..4096, vec(entry, 0..4)).prop_map(
        |(restarting, notification, restart_time, families)| GracefulRestart {
            restarting,
            notification,
            restart_time,
            families,
        },
    )
}

fn capability() -> impl Strategy<Value = Capability> {
    let encoding = (family(), any::<u16>())
        .prop_map(|(family, next_hop_afi)| NextHopEncoding { family, next_hop_afi });
    let long_lived = (family(), any::<bool>(), 0..=LongLivedFamily::MOST).prop_map(
        |(family, forwarding, stale_time)| LongLivedFamily { family, forwarding, stale_time },
    );
    prop_oneof![
        family().prop_map(Capability::Multiprotocol),
        Just(Capability::RouteRefresh),
        Just(Capability::EnhancedRouteRefresh),
        Just(Capability::ExtendedMessages),
        vec(encoding, 0..4).prop_map(Capability::ExtendedNextHop),
        graceful_restart().prop_map(Capability::GracefulRestart),
        any::<u8>().prop_map(|role| Capability::Role(Role(role))),
        vec((family(), add_path()), 0..4).prop_map(Capability::AddPath),
        vec(long_lived, 0..4).prop_map(Capability::LongLived),
        (72u8.., vec(any::<u8>(), 0..255))
            .prop_map(|(code, value)| Capability::Unknown { code, value }),
    ]
}

pub(crate) fn open() -> impl Strategy<Value = Open> {
    let hold_time = prop_oneof![Just(0u16), 3u16..];
    (asn(), hold_time, 1u32.., vec(capability(), 0..10)).prop_map(
        |(asn, hold_time, id, mut list)| {
            list.push(Capability::FourOctetAs(asn));
            Open { asn, hold_time, id: BgpId(id), capabilities: list }
        },
    )
}

pub(crate) fn notification() -> impl Strategy<Value = Notification> {
    (any::<u8>(), any::<u8>(), vec(any::<u8>(), 0..300))
        .prop_map(|(code, subcode, data)| Notification { code, subcode, data })
}

/// Paths are made from their text, which reads as canonical.
pub(crate) fn as_path() -> impl Strategy<Value = AsPath> {
    let segment = (0..3, vec(asn(), 1..6)).prop_map(|(kind, asns)| {
        let members: Vec<String> = asns.iter().map(Asn::to_string).collect();
        let members = members.join(" ");
        if kind == 0 { format!("{{{members}}}") } else { members }
    });
    vec(segment, 0..4).prop_map(|segments| segments.join(" ").parse().expect("a path"))
}

fn unknown() -> impl Strategy<Value = UnknownAttr> {
    let flags = prop_oneof![
        Just(AttrFlags::OPTIONAL),
        Just(AttrFlags::OPTIONAL | AttrFlags::TRANSITIVE),
        Just(AttrFlags::OPTIONAL | AttrFlags::TRANSITIVE | AttrFlags::PARTIAL),
    ];
    (flags, vec(any::<u8>(), 0..300)).prop_map(|(flags, value)| UnknownAttr {
        flags,
        code: 0,
        value: value.into(),
    })
}

/// Attributes such as a peer of that context can send.
pub(crate) fn attrs(ctx: DecodeContext) -> impl Strategy<Value = Attrs> {
    let internal = ctx.peer == PeerKind::Internal;
    let origin = prop_oneof![Just(Origin::Igp), Just(Origin::Egp), Just(Origin::Incomplete)];
    let aggregator =
        (asn(), any::<[u8; 4]>()).prop_map(|(asn, addr)| Aggregator { asn, addr: addr.into() });
    let large = any::<[u32; 3]>().prop_map(|[global, local1, local2]| LargeCommunity {
        global,
        local1,
        local2,
    });
    let first =
        (origin, as_path(), option::of(any::<u32>()), any::<bool>(), option::of(aggregator));
    let sets = (
        vec(any::<u32>().prop_map(Community), 0..20),
        vec(any::<[u8; 8]>().prop_map(ExtCommunity), 0..10),
        vec(large, 0..30),
    );
    let inside = (option::of(any::<u32>()), option::of(any::<u32>()), vec(any::<u32>(), 0..4));
    let last = (
        option::of(asn()),
        option::of(vec(any::<u8>(), 1..20)),
        prop::collection::btree_map(40u8.., unknown(), 0..3),
    );
    (first, sets, inside, last).prop_map(move |(first, sets, inside, last)| {
        let (origin, as_path, med, atomic_aggregate, aggregator) = first;
        let unknown = |(code, attribute)| UnknownAttr { code, ..attribute };
        Attrs {
            origin,
            as_path,
            med,
            atomic_aggregate,
            aggregator,
            communities: sets.0.into_iter().collect(),
            ext_communities: sets.1.into_iter().collect(),
            large_communities: sets.2.into_iter().collect(),
            local_pref: inside.0.filter(|_| internal),
            originator_id: inside.1.map(BgpId).filter(|_| internal),
            cluster_list: inside.2.into_iter().filter(|_| internal).map(BgpId).collect(),
            otc: last.0,
            aigp: last.1,
            unknown: last.2.into_iter().map(unknown).collect(),
            ..Attrs::default()
        }
    })
}

pub(crate) fn prefix(family: Family) -> BoxedStrategy<IpNet> {
    if family == Family::IPV4_UNICAST {
        let net = |(bits, len): (u32, u8)| Ipv4Net::new(bits.into(), len).expect("short").trunc();
        (any::<u32>(), 0u8..=32).prop_map(net).prop_map(IpNet::V4).boxed()
    } else {
        let net = |(bits, len): (u128, u8)| Ipv6Net::new(bits.into(), len).expect("short").trunc();
        (any::<u128>(), 0u8..=128).prop_map(net).prop_map(IpNet::V6).boxed()
    }
}

/// Prefixes with path identifiers.
pub(crate) fn prefixes(family: Family) -> impl Strategy<Value = Vec<(u32, IpNet)>> {
    vec((any::<u32>(), prefix(family)), 1..40)
}

/// A next hop that routes of the family can have under the context.
pub(crate) fn next_hop(family: Family, ctx: &DecodeContext) -> BoxedStrategy<NextHop> {
    let v4 = (1u32..0xe000_0000).prop_map(|bits| NextHop::from(std::net::IpAddr::V4(bits.into())));
    let local = (0u64..).prop_map(|bits| (0xfe80_u128 << 112 | u128::from(bits)).into());
    let v6 = (1u128..0xff << 120, option::of(local)).prop_map(|(bits, link_local)| NextHop {
        addr: std::net::IpAddr::V6(bits.into()),
        link_local,
    });
    match (family, ctx.extended_next_hop.contains(family)) {
        (Family::IPV4_UNICAST, false) => v4.boxed(),
        (Family::IPV4_UNICAST, true) => prop_oneof![v4, v6].boxed(),
        _ => v6.boxed(),
    }
}

/// A context in which both families are routed, and the bytes of one sound UPDATE message.
pub(crate) fn update() -> impl Strategy<Value = (DecodeContext, Vec<u8>)> {
    let family = prop_oneof![Just(Family::IPV4_UNICAST), Just(Family::IPV6_UNICAST)];
    (context(), family).prop_flat_map(|(ctx, family)| {
        let ctx = DecodeContext { families: FamilySet::ALL, ..ctx };
        let parts = (prefixes(family), attrs(ctx), next_hop(family, &ctx), any::<bool>());
        parts.prop_map(move |(prefixes, attrs, hop, withdraw)| {
            let mut bytes = BytesMut::new();
            let to = mirror(&ctx);
            if withdraw {
                encode_withdrawals(family, prefixes, &to, &mut bytes);
            } else {
                let mut attributes = BytesMut::new();
                attrs.encode(&to, &mut attributes);
                encode_announcements(family, &hop, &attributes, prefixes, &to, &mut bytes)
                    .expect("generated attributes are short");
            }
            (ctx, bytes.to_vec())
        })
    })
}
