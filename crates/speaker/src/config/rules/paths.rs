//! Rules about one path at a time.

use core::net::IpAddr;

use ipnet::IpNet;
use pathvane_engine::config::{SHARED_RISKS_MAX, shared_risks};
use pathvane_score::{Class, ProbeRates};
use pathvane_wire::Family;

use super::super::File;
use super::super::finding::{Finding, Findings, Severity};
use super::super::path::{MtuProbe, Path, Probe};
use super::super::peer::Peer;
use super::super::service::Service;

pub(super) fn apply(file: &File, findings: &mut Findings) {
    for path in &file.paths {
        peers(path, findings);
        reflectors(path, findings);
        first_hops(path, findings);
        families(path, findings);
        full_size(path, findings);
        announced(file, path, findings);
        used(file, path, findings);
        risks_twice(path, findings);
    }
    risks(file, findings);
    rate(file, findings);
}

/// The standing rate of all probes, boosts not counted: each path on standby, and the neediest
/// path of each service leading.
fn rate(file: &File, findings: &mut Findings) {
    let rates = |path: &Path| {
        let users = file.services.iter().filter(|service| service.uses(path.name()));
        let of = |(class, own)| file.timing.rates_of(class, own);
        let rates = users.filter_map(|service| file.class_of(service)).map(of);
        let rates = rates.reduce(ProbeRates::fastest);
        let rates = rates.unwrap_or(of((Class::Voice, None)));
        let at = |rate: u32| path.probes.iter().map(|probe| probe.rate(rate)).sum::<u64>();
        let (standby, active) = (at(rates.standby_mpps), at(rates.active_mpps));
        let full_size = u64::from(path.full_size_like().is_some()) * 1_000;
        (standby + full_size, active.saturating_sub(standby))
    };
    let standby: u64 = file.paths.iter().map(|path| rates(path).0).sum();
    let leading = |service: &Service| {
        let own = file.paths.iter().filter(|path| service.uses(path.name()));
        own.map(|path| rates(path).1).max().unwrap_or(0)
    };
    let leading: u64 = file.services.iter().map(leading).sum();
    let (total, limit) = ((standby + leading) / 1_000, file.speaker.probe_rate.get_ref().0);
    if total > u64::from(limit) {
        findings.warning(
            file.speaker.probe_rate.span(),
            format!("the paths want {total} probes a second, more than the {limit} of `probe_rate`"),
            "leave out probes or paths, or set `probe_rate` in [speaker] higher: above it paths are \
             probed no faster than on standby, and faults are found later",
        );
    }
}

/// Each name of a risk that paths share is a bit.
fn risks(file: &File, findings: &mut Findings) {
    let names: Vec<Vec<String>> = file.paths.iter().map(Path::risks).collect();
    let shared = shared_risks(names.iter().map(Vec::as_slice));
    let Some(beyond) = shared.get(SHARED_RISKS_MAX) else { return };
    let mut all = file.paths.iter().rev().flat_map(|path| &path.shared_risk);
    let Some(last) = all.find(|name| name.get_ref() == beyond) else { return };
    findings.error(
        last.span(),
        format!(
            "paths share {} risks, and more than {SHARED_RISKS_MAX} cannot be told apart",
            shared.len()
        ),
        "join names that always come together, or leave out what no two paths of a service share",
    );
}

fn risks_twice(path: &Path, findings: &mut Findings) {
    for (at, name) in path.shared_risk.iter().enumerate() {
        let earlier = path.shared_risk[..at].iter().find(|it| it.get_ref() == name.get_ref());
        if let Some(earlier) = earlier {
            let message =
                format!("path `{}` names the risk `{}` twice", path.name(), name.get_ref());
            findings.push(
                Finding::new(Severity::Error, name.span(), message, "remove one of them")
                    .other(earlier.span(), "first named here"),
            );
        }
    }
}

fn peers(path: &Path, findings: &mut Findings) {
    if path.announce_via.is_empty() {
        findings.error(
            path.span.clone(),
            format!("no peer speaks for path `{}`", path.name()),
            "add `announce_via = [\"PEER\"]`: without a session nothing moves to \
             the path or away from it",
        );
    }
}

/// Law 3: silence of a single reflector may be the reflector's own.
fn reflectors(path: &Path, findings: &mut Findings) {
    match path.reflectors().len() {
        0 if !path.probes.is_empty() => findings.error(
            path.probes_span.clone(),
            format!("path `{}` is measured to its first hop only", path.name()),
            "add a probe to what lies at its far end, better two of them: that the first hop answers \
             proves no path",
        ),
        0 => findings.error(
            path.probes_span.clone(),
            format!("path `{}` is not measured", path.name()),
            "add `probes = [{ kind = \"stamp\", target = \"...\" }]`, better two of them",
        ),
        1 => findings.warning(
            path.probes_span.clone(),
            format!(
                "path `{}` has one reflector: its silence moves, but never withdraws",
                path.name()
            ),
            "add a probe to a second target, so that a dead path and a dead reflector differ",
        ),
        _ => {}
    }
}

/// A path has one first hop, and that is no far end.
fn first_hops(path: &Path, findings: &mut Findings) {
    let mut hops = path.probes.iter().filter_map(|it| Some((it, it.first_hop.as_ref()?)));
    let Some((hop, span)) = hops.next() else { return };
    if let Some((_, second)) = hops.next() {
        let message = format!("path `{}` has two probes with `first_hop`", path.name());
        let remedy = "remove one of them: a path leaves by one first hop";
        findings.push(
            Finding::new(Severity::Error, second.clone(), message, remedy)
                .other(span.clone(), "the other one is here"),
        );
    }
    let target = *hop.target.get_ref();
    let same = |it: &&Probe| it.first_hop.is_none() && *it.target.get_ref() == target;
    if let Some(far) = path.probes.iter().find(same) {
        let message = format!("{target} is first hop and far end of path `{}`", path.name());
        let remedy =
            "remove one of the two probes: a fault before it and one beyond it look the same";
        findings.push(
            Finding::new(Severity::Error, span.clone(), message, remedy)
                .other(far.target.span(), "the far end is here"),
        );
    }
}

/// Full-size probes go where others go whose packets can have any size.
fn full_size(path: &Path, findings: &mut Findings) {
    let wanted = *path.mtu_probe.get_ref() != MtuProbe::Off;
    if wanted && path.full_size_like().is_none() {
        findings.error(
            path.mtu_probe.span(),
            format!("path `{}` has no probe that full-size probes could share", path.name()),
            "add a probe of kind \"stamp\" or \"icmp\": a STUN request has no size of choice",
        );
    }
}

fn families(path: &Path, findings: &mut Findings) {
    let Some(source) = &path.probe_source else { return };
    let ours = source.get_ref().is_ipv4();
    if path.next_hop.as_ref().is_some_and(|hop| hop.get_ref().is_ipv4() != ours) {
        findings.error(
            source.span(),
            format!(
                "probes of path `{}` cannot leave through a next hop of another family",
                path.name()
            ),
            "give `probe_source` and `next_hop` the same family",
        );
    }
    for probe in path.probes.iter().filter(|probe| probe.target.get_ref().is_ipv4() != ours) {
        findings.error(
            probe.target.span(),
            format!("path `{}` probes a target of another family than `probe_source`", path.name()),
            "give `target` and `probe_source` the same family",
        );
    }
    for address in [Some(source), path.next_hop.as_ref()].into_iter().flatten() {
        let ip: IpAddr = *address.get_ref();
        if ip.is_unspecified() || ip.is_multicast() {
            findings.error(
                address.span(),
                format!("{ip} cannot be used by path `{}`", path.name()),
                "write the address of one machine",
            );
        }
    }
}

/// The probe source is announced over this path's peers, if one of them carries its family.
fn announced(file: &File, path: &Path, findings: &mut Findings) {
    let Some(source) = &path.probe_source else { return };
    let family = Family::of(&IpNet::from(*source.get_ref()));
    let speaks = |peer: &&Peer| path.announced_via(peer.name());
    let mut peers = file.peers.iter().filter(speaks).peekable();
    if peers.peek().is_some() && !peers.any(|peer| peer.family_set().contains(family)) {
        findings.warning(
            source.span(),
            format!("no peer of path `{}` can announce its probe source", path.name()),
            "add the family to `families` of a peer; without it answers come back by other ways",
        );
    }
}

fn used(file: &File, path: &Path, findings: &mut Findings) {
    if !file.services.iter().any(|service| service.uses(path.name())) {
        findings.note(
            path.span.clone(),
            format!("path `{}` is measured, but no service uses it", path.name()),
            "name it in `paths` of a service",
        );
    }
}
