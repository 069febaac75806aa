//! Rules about one session at a time.

use core::net::IpAddr;
use core::time::Duration;

use pathvane_wire::{Family, LongLivedFamily};

use super::super::File;
use super::super::finding::Findings;
use super::super::path::Path;
use super::super::peer::{Peer, Restart};
use super::super::profile::Profile;
use super::super::service::Service;
use super::super::shell::FibMode;

pub(super) fn apply(file: &File, findings: &mut Findings) {
    for peer in file.all_peers() {
        timers(peer, findings);
        addresses(file, peer, findings);
        families(peer, findings);
        limits(peer, findings);
        ttl(peer, findings);
        restart(file, peer, findings);
        roles(file, peer, findings);
        reflection(file, peer, findings);
        policies(file, peer, findings);
    }
    ranges(file, findings);
}

/// Whoever dials has to know which range it belongs to.
fn ranges(file: &File, findings: &mut Findings) {
    for (at, peer) in file.ranges.iter().enumerate() {
        let same = |other: &&Peer| {
            let net = |peer: &Peer| peer.range.as_ref().map(|range| *range.get_ref());
            let local = |peer: &Peer| peer.local_address.as_ref().map(|local| *local.get_ref());
            net(other) == net(peer) && local(other) == local(peer)
        };
        if let Some(other) = file.ranges[..at].iter().find(same) {
            findings.error(
                peer.span.clone(),
                format!("`{}` and `{}` are the same range", other.name(), peer.name()),
                "give them different ranges; the longest that has the address counts",
            );
        }
    }
}

fn timers(peer: &Peer, findings: &mut Findings) {
    let hold = *peer.hold_time.get_ref();
    let whole = hold.subsec_nanos() == 0 && hold.as_secs() <= u64::from(u16::MAX);
    if !whole || matches!(hold.as_secs(), 1 | 2) {
        findings.error(
            peer.hold_time.span(),
            format!("the hold time of peer `{}` cannot be sent in an OPEN", peer.name()),
            "use whole seconds: 0s (never expires) or 3s and more (RFC 4271 section 4.2)",
        );
    }
    if let Some(user_timeout) = &peer.user_timeout
        && (*user_timeout.get_ref() < hold || hold.is_zero())
    {
        findings.error(
            user_timeout.span(),
            format!("`user_timeout` of peer `{}` undercuts its hold time", peer.name()),
            "remove it: TCP must not give a session up that BGP still holds",
        );
    }
    if let Some(time) = &peer.send_hold_time
        && *time.get_ref() <= hold
    {
        findings.error(
            time.span(),
            format!("`send_hold_time` of peer `{}` is not longer than its hold time", peer.name()),
            "raise it, or remove it for 8 minutes or twice the hold time (RFC 9687 section 3)",
        );
    }
    if peer.connect_retry < Duration::from_secs(1) {
        findings.error(
            peer.span.clone(),
            format!("`connect_retry` of peer `{}` is below one second", peer.name()),
            "use \"1s\" or more: dialling faster helps nobody",
        );
    }
}

fn addresses(file: &File, peer: &Peer, findings: &mut Findings) {
    let Some(address) = &peer.address else { return };
    let remote = *address.get_ref();
    if remote.is_unspecified() || remote.is_multicast() {
        findings.error(
            address.span(),
            format!("{remote} cannot be the address of peer `{}`", peer.name()),
            "write the address the peer dials from and listens on",
        );
    }
    let Some(local) = &peer.local_address else { return };
    if local.get_ref().is_ipv4() != remote.is_ipv4() {
        findings.error(
            local.span(),
            format!("peer `{}` mixes IPv4 and IPv6 in one TCP connection", peer.name()),
            "give `address` and `local_address` the same family",
        );
    }
    if *local.get_ref() == remote && peer.port == listening_port(file, remote) {
        findings.error(
            local.span(),
            format!("peer `{}` is this speaker itself", peer.name()),
            "correct `address` or `local_address`",
        );
    }
}

/// The port we accept connections on at `address`, 0 if we do not.
fn listening_port(file: &File, address: IpAddr) -> u16 {
    let reachable = |at: &&core::net::SocketAddr| {
        at.ip() == address || at.ip().is_unspecified() && at.is_ipv4() == address.is_ipv4()
    };
    file.speaker.listen.iter().find(reachable).map_or(0, |at| at.port())
}

fn families(peer: &Peer, findings: &mut Findings) {
    let hops = [
        (&peer.next_hop_ipv4, "next_hop_ipv4", true),
        (&peer.next_hop_ipv6, "next_hop_ipv6", false),
    ];
    for (hop, key, is_v4) in hops {
        if let Some(hop) = hop
            && hop.get_ref().is_ipv4() != is_v4
        {
            findings.error(
                hop.span(),
                format!("`{key}` of peer `{}` is of the other family", peer.name()),
                "write an address of the family in the key's name",
            );
        }
    }
    if peer.families.as_ref().is_some_and(Vec::is_empty) {
        findings.error(
            peer.span.clone(),
            format!("peer `{}` has no family", peer.name()),
            "write `families = [\"ipv4\"]`, or remove the key",
        );
    }
    let session_v6 = peer.address.as_ref().is_some_and(|address| address.get_ref().is_ipv6());
    let carries_v6 = peer.family_set().contains(Family::IPV6_UNICAST);
    if carries_v6 && !session_v6 && peer.next_hop_ipv6.is_none() {
        findings.warning(
            peer.span.clone(),
            format!("peer `{}` carries IPv6 over an IPv4 session without a next hop", peer.name()),
            "add `next_hop_ipv6 = \"...\"`; without it no IPv6 prefix is announced to this peer",
        );
    }
}

/// A limit for routes that never come.
fn limits(peer: &Peer, findings: &mut Findings) {
    let written = [
        ("max_prefixes", peer.max_prefixes.written.as_ref()),
        ("max_prefixes_out", peer.max_prefixes_out.written.as_ref()),
    ];
    for (key, (span, most)) in written.into_iter().filter_map(|(key, it)| Some((key, it?))) {
        let families = [(Family::IPV4_UNICAST, "ipv4"), (Family::IPV6_UNICAST, "ipv6")];
        for ((family, name), _) in families.into_iter().zip(most).filter(|(_, most)| most.is_some())
        {
            if !peer.family_set().contains(family) {
                findings.warning(
                    span.clone(),
                    format!("`{key}` of peer `{}` limits {name}, which is not spoken", peer.name()),
                    format!("remove `{name}`, or add it to `families`"),
                );
            }
        }
    }
}

fn ttl(peer: &Peer, findings: &mut Findings) {
    if let (Some(security), Some(multihop)) = (&peer.ttl_security, &peer.multihop) {
        findings.error(
            multihop.span(),
            format!("peer `{}` has both `ttl_security` and `multihop`", peer.name()),
            format!(
                "keep one; `ttl_security = {}` already allows that many hops",
                security.get_ref().0
            ),
        );
    }
}

/// Law 10: graceful restart claims only what is true.
fn restart(file: &File, peer: &Peer, findings: &mut Findings) {
    let time = *peer.restart_time.get_ref();
    if time.subsec_nanos() != 0 || !(1..=4095).contains(&time.as_secs()) {
        findings.error(
            peer.restart_time.span(),
            format!("the restart time of peer `{}` cannot be sent in an OPEN", peer.name()),
            "use whole seconds, from 1s to 4095s (RFC 4724 section 3)",
        );
    }
    if peer.restart_after_notification && peer.graceful_restart == Restart::Off {
        findings.error(
            peer.span.clone(),
            format!(
                "peer `{}` has `restart_after_notification` without graceful restart",
                peer.name()
            ),
            "remove it, or `graceful_restart = \"off\"` (RFC 8538 section 2)",
        );
    }
    long_lived(peer, findings);
    kept_for_long(peer, findings);
    if peer.graceful_restart == Restart::Full && *file.speaker.fib.get_ref() == FibMode::Report {
        findings.note(
            peer.span.clone(),
            format!("peer `{}` is told that we forward on without the speaker", peer.name()),
            "that is true only with `fib = \"kernel\"`; elsewhere use `graceful_restart = \"helper\"`",
        );
    }
}

/// RFC 9494: what is kept for long is dead more often than not.
fn long_lived(peer: &Peer, findings: &mut Findings) {
    let Some(time) = &peer.long_lived_stale_time else { return };
    let longest = Duration::from_secs(u64::from(LongLivedFamily::MOST));
    if peer.graceful_restart == Restart::Off {
        findings.error(
            time.span(),
            format!(
                "peer `{}` has long-lived graceful restart without graceful restart",
                peer.name()
            ),
            "remove `graceful_restart = \"off\"` or `long_lived_stale_time` (RFC 9494 section 4.1)",
        );
    }
    if !(Duration::from_secs(1)..=longest).contains(time.get_ref()) {
        findings.error(
            time.span(),
            format!("the long-lived stale time of peer `{}` is out of range", peer.name()),
            "use 1s to 4660h; remove the key to keep nothing beyond the restart time",
        );
    }
    findings.warning(
        time.span(),
        format!("routes of peer `{}` may be kept long after it is dead", peer.name()),
        "keep `long_lived_stale_time` only for routes that have no other way: they are used as the \
         last resort, and lead nowhere if the peer stopped forwarding",
    );
}

/// RFC 9494 the other way round: what we ask a peer to keep.
fn kept_for_long(peer: &Peer, findings: &mut Findings) {
    let Some(time) = &peer.long_lived_restart_time else { return };
    let longest = Duration::from_secs(u64::from(LongLivedFamily::MOST));
    if peer.graceful_restart != Restart::Full {
        findings.error(
            time.span(),
            format!("peer `{}` is asked to keep our routes for long, but not at first", peer.name()),
            "add `graceful_restart = \"full\"`, if our kernel routes forward on without the speaker",
        );
    }
    if time.get_ref().subsec_nanos() != 0
        || !(Duration::from_secs(1)..=longest).contains(time.get_ref())
    {
        findings.error(
            time.span(),
            format!("the long-lived restart time of peer `{}` is out of range", peer.name()),
            "use whole seconds, from 1s to 4660h; remove the key to ask for nothing beyond `restart_time`",
        );
    }
    findings.warning(
        time.span(),
        format!("peer `{}` may keep our routes long after we are dead", peer.name()),
        "keep `long_lived_restart_time` only where the peer has no other way to us: until it is over we \
         take it for granted that it still sends by us",
    );
}

fn roles(file: &File, peer: &Peer, findings: &mut Findings) {
    let Some(role) = &peer.role else {
        if peer.role_strict {
            findings.error(
                peer.span.clone(),
                format!("peer `{}` has to have a role, and we have none", peer.name()),
                "add `role = \"...\"`, what we are to the peer, or remove `role_strict`",
            );
        }
        return;
    };
    let internal = peer.asn.as_ref().zip(file.speaker.asn.as_ref());
    if internal.is_some_and(|(theirs, ours)| theirs.get_ref() == ours.get_ref()) {
        findings.error(
            role.span(),
            format!("peer `{}` is internal: roles are between ASes (RFC 9234)", peer.name()),
            "remove `role`",
        );
    }
}

/// RFC 4456: reflection is between internal peers.
fn reflection(file: &File, peer: &Peer, findings: &mut Findings) {
    let asns = peer.asn.as_ref().zip(file.speaker.asn.as_ref());
    if peer.client && asns.is_some_and(|(theirs, ours)| theirs.get_ref() != ours.get_ref()) {
        findings.error(
            peer.span.clone(),
            format!("peer `{}` is external, and so no route reflector's client", peer.name()),
            "remove `route_reflector_client`: external peers are told everything that policy lets pass",
        );
    }
}

fn policies(file: &File, peer: &Peer, findings: &mut Findings) {
    let known = |name: &str| file.names.policies.position(name).is_some();
    for policy in [&peer.import, &peer.export].into_iter().flatten() {
        if !known(policy.get_ref()) {
            let user = format!("peer `{}`", peer.name());
            findings.push(file.names.policies.unknown(&user, policy));
        }
    }
    if let Some(import) = &peer.import
        && let Some(policy) = file.policies.iter().find(|policy| policy.name() == import.get_ref())
        && policy.sets_next_hop()
    {
        findings.warning(
            import.span(),
            format!("policy `{}` sets a next hop, which import does not heed", policy.name()),
            "set next hops in export policies",
        );
    }
    let internal = peer.asn.as_ref().zip(file.speaker.asn.as_ref());
    if internal.is_some_and(|(theirs, ours)| theirs.get_ref() == ours.get_ref()) {
        return;
    }
    if peer.import.is_none() {
        not_accepted(file, peer, findings);
    }
    if peer.export.is_none() && peer.profile == Profile::Generic {
        findings.note(
            peer.span.clone(),
            format!(
                "peer `{}` has no export policy: it gets prefixes of services and probes only",
                peer.name()
            ),
            "to announce more (RFC 8212), add `export = \"accept-all\"` or a policy of your own",
        );
    }
}

/// RFC 8212: worse than a note where a service needs the peer's routes.
fn not_accepted(file: &File, peer: &Peer, findings: &mut Findings) {
    match wanting(file, peer) {
        Some(service) => findings.warning(
            peer.span.clone(),
            format!(
                "service `{}` reaches over `{}`, whose routes are not accepted",
                service.name(),
                peer.name()
            ),
            "add `import = \"accept-all\"`, or a policy that accepts the service's `reach`",
        ),
        None => findings.note(
            peer.span.clone(),
            format!("peer `{}` has no import policy: its routes are not accepted", peer.name()),
            "to accept them (RFC 8212), add `import = \"accept-all\"` or a policy of your own",
        ),
    }
}

/// A service that wants to reach something over `peer`.
fn wanting<'f>(file: &'f File, peer: &Peer) -> Option<&'f Service> {
    let speaks = |path: &&Path| path.announced_via(peer.name());
    let mut paths = file.paths.iter().filter(speaks);
    let wants = |path: &Path| {
        let reaches = |service: &&Service| !service.reach.is_empty() && service.uses(path.name());
        file.services.iter().find(reaches)
    };
    paths.find_map(wants)
}
