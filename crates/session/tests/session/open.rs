//! OPEN messages: what is refused and how, what is agreed on.

use std::time::Duration;

use crate::lone::{Lone, encoded, open_for, plain};
use crate::net::config;
use pathvane_session::{Config, GracefulRestart, Negotiated};
use pathvane_wire::{
    AddPathMode, Asn, BgpId, Capability, Family, FamilySet, GrFamily, Kind, LongLivedFamily,
    MAX_LEN, MAX_LEN_EXTENDED, NextHopEncoding, Open, PeerKind, Role,
};

const V4: Family = Family::IPV4_UNICAST;
const V6: Family = Family::IPV6_UNICAST;

/// The NOTIFICATION with which an OPEN is refused.
fn refusal(config: Config, bytes: &[u8]) -> Option<(u8, u8, Vec<u8>)> {
    let mut lone = Lone::open_sent(config);
    lone.feed(bytes);
    let (kinds, notification) = lone.sent();
    assert!(kinds.contains(&Kind::Notification) != kinds.contains(&Kind::Keepalive));
    notification.map(|n| (n.code, n.subcode, n.data))
}

fn agreed(config: Config, open: &Open) -> Negotiated {
    let lone = Lone::established(config, open);
    lone.session.established().expect("Established").1.clone()
}

#[test]
fn unacceptable_opens_are_refused_with_the_right_subcode() {
    let good = open_for(&config(1, 2), plain(&config(1, 2)));
    let bytes = encoded(|out| good.encode(out));
    assert_eq!(refusal(config(1, 2), &bytes), None);

    let with = |at: usize, value: &[u8]| {
        let mut bytes = bytes.clone();
        bytes[at..at + value.len()].copy_from_slice(value);
        refusal(config(1, 2), &bytes)
    };
    const VERSION: usize = 19;
    const HOLD_TIME: usize = 22;
    const ID: usize = 24;
    assert_eq!(with(VERSION, &[3]), Some((2, 1, vec![0, 4])));
    assert_eq!(with(HOLD_TIME, &[0, 1]), Some((2, 6, vec![])));
    assert_eq!(with(HOLD_TIME, &[0, 2]), Some((2, 6, vec![])));
    assert_eq!(with(HOLD_TIME, &[0, 3]), None);
    assert_eq!(with(ID, &[0; 4]), Some((2, 3, vec![])));

    let other_as = Open { asn: Asn(64_999), capabilities: Vec::new(), ..good.clone() };
    assert_eq!(refusal(config(1, 2), &encoded(|o| other_as.encode(o))), Some((2, 2, vec![])));
}

#[test]
fn identifiers_are_unique_within_an_as_only() {
    let internal = Config::new(Asn(65_001), BgpId(77), Asn(65_001));
    let mut open = open_for(&internal, plain(&internal));
    open.id = BgpId(77);
    assert_eq!(refusal(internal.clone(), &encoded(|o| open.encode(o))), Some((2, 3, vec![])));
    open.id = BgpId(78);
    assert_eq!(agreed(internal, &open).kind, PeerKind::Internal);

    let external = Config::new(Asn(65_001), BgpId(77), Asn(65_002));
    let mut open = open_for(&external, plain(&external));
    open.id = BgpId(77);
    assert_eq!(agreed(external, &open).kind, PeerKind::External);
}

#[test]
fn without_a_common_family_the_wanted_ones_are_named() {
    let mut config = config(1, 2);
    config.families = FamilySet::IPV6;
    let open = open_for(&config, vec![Capability::Multiprotocol(V4)]);
    let wanted = vec![1, 4, 0, 2, 0, 1];
    assert_eq!(refusal(config.clone(), &encoded(|o| open.encode(o))), Some((2, 7, wanted.clone())));
    let silent = open_for(&config, Vec::new());
    assert_eq!(refusal(config, &encoded(|o| silent.encode(o))), Some((2, 7, wanted)));
}

#[test]
fn a_peer_without_capabilities_gets_ipv4_and_two_octets() {
    let terms = agreed(config(1, 2), &open_for(&config(1, 2), Vec::new()));
    assert_eq!(terms.families, FamilySet::IPV4);
    assert!(!terms.decode.four_octet_as && !terms.encode.four_octet_as);
    assert!(!terms.refresh && !terms.enhanced_refresh);
    assert_eq!((terms.graceful_restart, terms.encode.max_len), (None, MAX_LEN));
}

#[test]
fn each_direction_of_add_path_needs_a_sender_and_a_receiver() {
    let mut ours = config(1, 2);
    ours.families = FamilySet::ALL;
    ours.add_path_receive = FamilySet::ALL;
    ours.add_path_send = FamilySet::IPV4;
    let mut capabilities = plain(&ours);
    capabilities
        .push(Capability::AddPath(vec![(V4, AddPathMode::Receive), (V6, AddPathMode::Both)]));
    let terms = agreed(ours.clone(), &open_for(&ours, capabilities));
    assert_eq!(terms.decode.add_path, FamilySet::IPV6);
    assert_eq!(terms.encode.add_path, FamilySet::IPV4);
}

#[test]
fn extended_messages_and_next_hops_take_two() {
    let mut ours = config(1, 2);
    let mut capabilities = plain(&ours);
    capabilities.push(Capability::ExtendedMessages);
    capabilities.push(Capability::ExtendedNextHop(vec![NextHopEncoding::IPV4_OVER_IPV6]));
    let open = open_for(&ours, capabilities);
    let terms = agreed(ours.clone(), &open);
    assert_eq!((terms.encode.max_len, terms.max_len_in), (MAX_LEN, MAX_LEN));
    assert!(terms.encode.extended_next_hop.is_empty());
    ours.extended_messages = true;
    ours.extended_next_hop = FamilySet::IPV4;
    let terms = agreed(ours.clone(), &open);
    assert_eq!((terms.encode.max_len, terms.max_len_in), (MAX_LEN_EXTENDED, MAX_LEN_EXTENDED));
    assert_eq!(terms.encode.extended_next_hop, FamilySet::IPV4);
    let terms = agreed(ours.clone(), &open_for(&ours, plain(&ours)));
    assert_eq!((terms.encode.max_len, terms.max_len_in), (MAX_LEN, MAX_LEN_EXTENDED));
}

#[test]
fn graceful_restart_covers_the_negotiated_families_the_peer_lists() {
    let mut ours = config(1, 2);
    ours.graceful_restart = Some(GracefulRestart {
        restart_time: 5,
        restarting: false,
        notification: true,
        families: FamilySet::EMPTY,
        forwarding: FamilySet::EMPTY,
    });
    let gr = pathvane_wire::GracefulRestart {
        restarting: true,
        notification: false,
        restart_time: 120,
        families: vec![
            GrFamily { family: V4, forwarding: true },
            GrFamily { family: V6, forwarding: true },
        ],
    };
    let mut capabilities = plain(&ours);
    capabilities.push(Capability::GracefulRestart(gr));
    let open = open_for(&ours, capabilities);
    let terms = agreed(ours.clone(), &open).graceful_restart.expect("both know it");
    assert_eq!(terms.restart_time, Duration::from_secs(120));
    assert_eq!((terms.families, terms.forwarding), (FamilySet::IPV4, FamilySet::IPV4));
    assert!(terms.restarting && !terms.notification, "the N bit needs both");
    ours.graceful_restart = None;
    assert_eq!(agreed(ours, &open).graceful_restart, None);
}

/// RFC 9494: what the peer asks for, up to what we grant, and nothing without graceful restart.
#[test]
fn long_lived_restart_is_capped_by_family_and_needs_graceful_restart() {
    let mut ours = config(1, 2);
    ours.graceful_restart = Some(GracefulRestart {
        restart_time: 0,
        restarting: false,
        notification: false,
        families: FamilySet::EMPTY,
        forwarding: FamilySet::EMPTY,
    });
    ours.long_lived = Some(Duration::from_secs(600));
    let listed =
        |family, forwarding, stale_time| LongLivedFamily { family, forwarding, stale_time };
    let long = Capability::LongLived(vec![listed(V4, true, 3600), listed(V6, false, 3600)]);
    let gr = Capability::GracefulRestart(pathvane_wire::GracefulRestart::default());
    let open = |more: &[&Capability]| {
        let mut capabilities = plain(&ours);
        capabilities.extend(more.iter().map(|capability| (*capability).clone()));
        open_for(&ours, capabilities)
    };
    let terms = agreed(ours.clone(), &open(&[&gr, &long]));
    assert!(terms.knows_long_lived);
    let kept = terms.graceful_restart.expect("both know it").long_lived;
    assert_eq!(kept.time(V4), Duration::from_secs(600));
    assert_eq!((kept.families(), kept.forwarding), (FamilySet::IPV4, FamilySet::IPV4));
    assert_eq!(kept.time(V6), Duration::ZERO, "not a family of the session");
    let without = agreed(ours.clone(), &open(&[&long]));
    assert!(!without.knows_long_lived && without.graceful_restart.is_none());
    // We never grant what we did not offer; the peer may still be told such routes.
    let mut silent = ours.clone();
    silent.long_lived = None;
    let terms = agreed(silent, &open(&[&gr, &long]));
    assert!(terms.knows_long_lived);
    assert!(terms.graceful_restart.expect("both know it").long_lived.families().is_empty());
    ours.stale_time = 3600;
    assert_eq!(ours.check().expect_err("nothing is kept at first").field, "stale_time");
    if let Some(restart) = &mut ours.graceful_restart {
        restart.families = FamilySet::IPV4;
    }
    assert!(ours.check().is_ok());
    ours.graceful_restart = None;
    assert_eq!(ours.check().expect_err("it needs graceful restart").field, "long_lived");
}

#[test]
fn settings_no_peer_could_agree_to_are_refused() {
    type Spoil = fn(&mut Config);
    let broken: [(&str, Spoil); 6] = [
        ("asn", |c| c.remote_asn = Asn(0)),
        ("bgp_identifier", |c| c.local_id = BgpId(0)),
        ("hold_time", |c| c.hold_time = 2),
        ("connect_retry", |c| c.connect_retry = Duration::ZERO),
        ("idle_hold", |c| c.idle_hold.max = Duration::ZERO),
        ("families", |c| c.families = FamilySet::EMPTY),
    ];
    for (field, spoil) in broken {
        let mut config = config(1, 2);
        spoil(&mut config);
        assert_eq!(config.check().expect_err(field).field, field);
    }
    assert_eq!(config(1, 2).check(), Ok(()));
}

/// The peer's OPEN with these roles in it, to a speaker of the role `ours`.
fn roles(ours: Option<Role>, strict: bool, said: &[Role]) -> Result<Option<Role>, (u8, u8)> {
    let mut config = config(1, 2);
    config.role = ours;
    config.role_strict = strict;
    let mut capabilities = plain(&config);
    capabilities.extend(said.iter().map(|role| Capability::Role(*role)));
    let open = open_for(&config, capabilities);
    match refusal(config.clone(), &encoded(|out| open.encode(out))) {
        Some((code, subcode, _)) => Err((code, subcode)),
        None => Ok(agreed(config, &open).remote_role),
    }
}

#[test]
fn only_roles_that_fit_make_a_session() {
    const MISMATCH: Result<Option<Role>, (u8, u8)> = Err((2, 11));
    let all = (0..=5).map(Role);
    let fit = [(0, 3), (1, 2), (2, 1), (3, 0), (4, 4)];
    for ours in all.clone().take(5) {
        for theirs in all.clone() {
            let expected = match fit.contains(&(ours.0, theirs.0)) {
                true => Ok(Some(theirs)),
                false => MISMATCH,
            };
            assert_eq!(roles(Some(ours), false, &[theirs]), expected, "{ours:?} {theirs:?}");
        }
    }
    let (customer, provider) = (Some(Role::CUSTOMER), Role::PROVIDER);
    assert_eq!(roles(customer, false, &[]), Ok(None), "no role is taken for the fitting one");
    assert_eq!(roles(customer, true, &[]), MISMATCH, "unless strict");
    assert_eq!(roles(customer, false, &[provider, provider]), Ok(Some(provider)));
    assert_eq!(roles(customer, false, &[provider, Role::PEER]), MISMATCH, "it cannot be both");
    assert_eq!(roles(None, false, &[provider]), Ok(None), "we have none, and do not mind");
}

#[test]
fn internal_sessions_have_no_roles() {
    let mut internal = Config::new(Asn(65_001), BgpId(77), Asn(65_001));
    internal.role = Some(Role::PEER);
    let mut open = open_for(&internal, plain(&internal));
    open.id = BgpId(78);
    assert_eq!(refusal(internal, &encoded(|out| open.encode(out))), None);
}
