//! What clouds demand of a session.

use core::net::IpAddr;
use core::time::Duration;

use pathvane_wire::Asn;

use super::super::File;
use super::super::finding::Findings;
use super::super::peer::{Peer, Restart};
use super::super::profile::Profile;

/// AS number of every partner interconnect.
const PARTNER: Asn = Asn(16550);

/// AS number of every Azure Route Server.
const ROUTE_SERVER: Asn = Asn(65515);

/// Cloud routers' maintenance may take this long without harm to forwarding.
const MAINTENANCE: Duration = Duration::from_secs(60);

/// A bare FIN or RST makes a cloud keep our routes for our restart time, dead or alive.
const LONGEST_RESTART: Duration = Duration::from_secs(10);

pub(super) fn apply(file: &File, findings: &mut Findings) {
    for peer in file.all_peers().filter(|peer| peer.profile.is_cloud()) {
        is_external(file, peer, findings);
        asn(peer, findings);
        our_asn(file, peer, findings);
        hold_time(peer, findings);
        hops(peer, findings);
        password(peer, findings);
        restart_time(peer, findings);
        address(peer, findings);
        second_session(file, peer, findings);
    }
}

fn is_external(file: &File, peer: &Peer, findings: &mut Findings) {
    let (Some(asn), Some(ours)) = (&peer.asn, &file.speaker.asn) else { return };
    if ours.get_ref() == asn.get_ref() {
        let title = peer.profile.title();
        findings.error(
            asn.span(),
            format!("{title} `{}` has our own AS number", peer.name()),
            format!("{title}s speak external BGP only: use different AS numbers"),
        );
    }
}

fn asn(peer: &Peer, findings: &mut Findings) {
    let Some(asn) = &peer.asn else { return };
    let theirs = *asn.get_ref();
    match peer.profile {
        Profile::CloudRouter | Profile::CloudRouterAppliance
            if theirs != PARTNER && !theirs.is_private() =>
        {
            findings.error(
                asn.span(),
                format!("AS {theirs} cannot be a cloud router's"),
                "use 16550 (partner interconnect) or a private number: 64512-65534, \
                 4200000000-4294967294 (RFC 6996)",
            );
        }
        Profile::AzureRouteServer if theirs != ROUTE_SERVER => findings.error(
            asn.span(),
            format!("AS {theirs} cannot be a route server's"),
            "every Azure Route Server has AS 65515",
        ),
        _ => {}
    }
}

/// Azure takes numbers of two octets, but for those that it uses itself.
fn our_asn(file: &File, peer: &Peer, findings: &mut Findings) {
    let Some(ours) = file.speaker.asn.as_ref() else { return };
    let number = ours.get_ref().0;
    let taken = matches!(number, 8074 | 8075 | 12076 | 65515 | 65517..=65520);
    if peer.profile == Profile::AzureRouteServer && (number > 65_535 || taken) {
        findings.error(
            ours.span(),
            format!("route server `{}` does not peer with AS {number}", peer.name()),
            "use a number of two octets that Azure does not use: not 8074, 8075, 12076, 65515 and \
             65517-65520",
        );
    }
}

fn hold_time(peer: &Peer, findings: &mut Findings) {
    let hold = *peer.hold_time.get_ref();
    if hold.is_zero() {
        findings.warning(
            peer.hold_time.span(),
            format!(
                "{} `{}`: without a hold time a session may be dead for good, and nobody knows",
                peer.profile.title(),
                peer.name()
            ),
            format!("use \"{}s\", as the product does", peer.profile.hold_time().as_secs()),
        );
    } else if peer.profile.is_cloud_router() && hold < MAINTENANCE {
        findings.warning(
            peer.hold_time.span(),
            format!("cloud router `{}`: a hold time below 60 s breaks maintenance", peer.name()),
            "use \"60s\": probes find a dead path sooner than any hold time does",
        );
    }
}

fn hops(peer: &Peer, findings: &mut Findings) {
    let title = peer.profile.title();
    let far = !matches!(peer.profile, Profile::AwsDirectConnect | Profile::AwsVpn);
    if let Some(security) = peer.ttl_security.as_ref().filter(|_| far) {
        findings.warning(
            security.span(),
            format!("{title} `{}` does not send with TTL 255", peer.name()),
            "remove `ttl_security`, or the session will not come up",
        );
    }
    if let Some(multihop) = peer.multihop.as_ref().filter(|hops| !far && hops.get_ref().0 > 1) {
        findings.warning(
            multihop.span(),
            format!("{title} `{}` is one hop away", peer.name()),
            "remove `multihop`: AWS speaks BGP over a single hop",
        );
    }
}

fn password(peer: &Peer, findings: &mut Findings) {
    let Some(password) = &peer.password else { return };
    if !password.get_ref().expose().chars().all(|c| c.is_ascii_graphic()) {
        findings.error(
            password.span(),
            format!("{} `{}` will not take this password", peer.profile.title(), peer.name()),
            "use printable ASCII without blanks",
        );
    }
}

fn restart_time(peer: &Peer, findings: &mut Findings) {
    if peer.graceful_restart == Restart::Full && *peer.restart_time.get_ref() > LONGEST_RESTART {
        findings.warning(
            peer.restart_time.span(),
            format!(
                "{} `{}` may keep dead routes for the restart time",
                peer.profile.title(),
                peer.name()
            ),
            "use \"10s\" or less: a connection that ends without a word starts this clock, too",
        );
    }
}

/// Appliances speak with addresses of their subnet.
fn address(peer: &Peer, findings: &mut Findings) {
    let Some(address) = &peer.address else { return };
    let link_local = matches!(address.get_ref(), IpAddr::V4(v4) if v4.is_link_local());
    if peer.profile == Profile::CloudRouterAppliance && link_local {
        findings.error(
            address.span(),
            format!("cloud router `{}` does not reach appliances from 169.254.0.0/16", peer.name()),
            "write the address of its interface in the appliance's subnet",
        );
    }
}

/// An appliance and a route server's peer have two sessions that are told the same.
fn second_session(file: &File, peer: &Peer, findings: &mut Findings) {
    let pairs = matches!(peer.profile, Profile::CloudRouterAppliance | Profile::AzureRouteServer);
    let like = |name: &str| {
        let same = |other: &&Peer| other.name() == name && other.profile == peer.profile;
        name != peer.name() && file.peers.iter().any(|other| same(&other))
    };
    for path in file.paths.iter().filter(|path| pairs && path.announced_via(peer.name())) {
        if !file.peers.iter().any(|other| path.announced_via(other.name()) && like(other.name())) {
            findings.warning(
                path.span.clone(),
                format!(
                    "path `{}` announces over one session with {} `{}`",
                    path.name(),
                    peer.profile.title(),
                    peer.name()
                ),
                "add its second address as a peer, and to `announce_via`: both are told the same",
            );
        }
    }
}
