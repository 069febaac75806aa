//! What cloud routers demand of their peers.

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

use ipnet::IpNet;
use pathvane_wire::Asn;

use super::super::File;
use super::super::finding::Findings;
use super::super::path::Path;
use super::super::peer::{Peer, Profile};

/// AS number of every partner interconnect.
const PARTNER: Asn = Asn(16550);

/// Cloud routers close a session above 5,000 prefixes, and it stays closed; kept at a distance.
const SESSION_PREFIXES: usize = 4_500;

/// Cloud regions drop prefixes above 250, longest first; kept at a distance.
const REGION_PREFIXES: usize = 200;

/// Their maintenance may take this long without harm to forwarding.
const MAINTENANCE: Duration = Duration::from_secs(60);

pub(super) fn apply(file: &File, findings: &mut Findings) {
    let cloud = |peer: &&Peer| peer.profile == Profile::CloudRouter;
    for peer in file.peers.iter().filter(cloud) {
        asn(file, peer, findings);
        hold_time(peer, findings);
        transport(peer, findings);
        session_quota(file, peer, findings);
    }
    region_quotas(file, findings);
}

fn asn(file: &File, peer: &Peer, findings: &mut Findings) {
    let Some(asn) = &peer.asn else { return };
    if file.speaker.asn.as_ref().is_some_and(|ours| ours.get_ref() == asn.get_ref()) {
        findings.error(
            asn.span(),
            format!("cloud router `{}` has our own AS number", peer.name()),
            "cloud routers speak external BGP only: use different AS numbers",
        );
    } else if *asn.get_ref() != PARTNER && !asn.get_ref().is_private() {
        findings.error(
            asn.span(),
            format!("AS {} cannot be a cloud router's", asn.get_ref()),
            "use 16550 (partner interconnect) or a private number: 64512-65534, \
             4200000000-4294967294 (RFC 6996)",
        );
    }
}

fn hold_time(peer: &Peer, findings: &mut Findings) {
    let hold = *peer.hold_time.get_ref();
    if hold < MAINTENANCE && !hold.is_zero() {
        findings.warning(
            peer.hold_time.span(),
            format!("cloud router `{}`: a hold time below 60 s breaks maintenance", peer.name()),
            "use \"60s\": probes find a dead path sooner than any hold time does",
        );
    }
}

fn transport(peer: &Peer, findings: &mut Findings) {
    if let Some(security) = &peer.ttl_security {
        findings.warning(
            security.span(),
            format!("cloud router `{}` does not send with TTL 255", peer.name()),
            "remove `ttl_security`, or the session will not come up",
        );
    }
    if let Some(password) = &peer.password {
        let key = password.get_ref().expose();
        if !key.chars().all(|c| c.is_ascii_graphic()) {
            findings.error(
                password.span(),
                format!("cloud router `{}` will not take this password", peer.name()),
                "use printable ASCII without blanks",
            );
        }
    }
}

/// What is announced over a path: the prefixes of its services and its probe source.
fn announced_over(file: &File, path: &Path) -> BTreeSet<IpNet> {
    let services = file.services.iter().filter(|service| service.uses(path.name()));
    let mut prefixes: BTreeSet<IpNet> = services
        .flat_map(|service| service.announce.iter().map(|each| *each.prefix.get_ref()))
        .collect();
    prefixes.extend(path.probe_source.as_ref().map(|source| IpNet::from(*source.get_ref())));
    prefixes
}

fn session_quota(file: &File, peer: &Peer, findings: &mut Findings) {
    let paths = file.paths.iter().filter(|path| path.announced_via(peer.name()));
    let prefixes: BTreeSet<IpNet> = paths.flat_map(|path| announced_over(file, path)).collect();
    if prefixes.len() > SESSION_PREFIXES {
        findings.error(
            peer.span.clone(),
            format!("cloud router `{}` would get {} prefixes", peer.name(), prefixes.len()),
            format!(
                "announce at most {SESSION_PREFIXES}: above 5,000 the session closes and stays closed"
            ),
        );
    }
}

fn region_quotas(file: &File, findings: &mut Findings) {
    let cloud = |path: &&Path| {
        let via = |peer: &Peer| path.announced_via(peer.name());
        file.peers.iter().any(|peer| peer.profile == Profile::CloudRouter && via(peer))
    };
    let mut regions: BTreeMap<&str, (BTreeSet<IpNet>, &Path)> = BTreeMap::new();
    for path in file.paths.iter().filter(cloud) {
        let entry = regions.entry(&path.region).or_insert_with(|| (BTreeSet::new(), path));
        entry.0.extend(announced_over(file, path));
    }
    for (region, (prefixes, path)) in regions {
        if prefixes.len() > REGION_PREFIXES {
            findings.error(
                path.span.clone(),
                format!("region `{region}` would get {} different prefixes", prefixes.len()),
                format!(
                    "announce at most {REGION_PREFIXES}, by shorter prefixes: above 250 the cloud \
                     drops the longest masks"
                ),
            );
        }
    }
}
