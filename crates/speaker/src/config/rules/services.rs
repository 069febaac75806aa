//! Rules about services and what they share.

use std::collections::BTreeMap;

use pathvane_wire::Family;
use toml::Spanned;

use super::super::File;
use super::super::finding::{Finding, Findings, Severity};
use super::super::path::Path;
use super::super::peer::Peer;
use super::super::service::{Announced, Service};

pub(super) fn apply(file: &File, findings: &mut Findings) {
    classes(file, findings);
    for service in &file.services {
        purpose(service, findings);
        paths(file, service, findings);
        families(file, service, findings);
        checks(file, service, findings);
        last_way(file, service, findings);
    }
}

fn purpose(service: &Service, findings: &mut Findings) {
    if service.announce.is_empty() && service.reach.is_empty() {
        findings.error(
            service.span.clone(),
            format!("service `{}` has nothing to steer", service.name()),
            "add `announce` (what the cloud reaches here) or `reach` (what we reach there)",
        );
    }
    if service.paths.is_empty() {
        findings.error(
            service.span.clone(),
            format!("service `{}` has no path", service.name()),
            "add `paths = [\"PATH\", ...]`",
        );
    }
}

fn paths(file: &File, service: &Service, findings: &mut Findings) {
    for (at, name) in service.paths.iter().enumerate() {
        let earlier = service.paths[..at].iter().find(|other| other.get_ref() == name.get_ref());
        if let Some(earlier) = earlier {
            let message =
                format!("service `{}` names path `{}` twice", service.name(), name.get_ref());
            findings.push(
                Finding::new(Severity::Error, name.span(), message, "remove one of them")
                    .other(earlier.span(), "first named here"),
            );
        }
    }
    let used = paths_of(file, service);
    if used.len() == 1 {
        findings.warning(
            service.span.clone(),
            format!("service `{}` has one path: there is nothing to move to", service.name()),
            "name a second path in `paths`",
        );
    }
    one_risk(service, &used, findings);
    shared_sessions(service, &used, findings);
}

/// What all paths of a service share takes all of them with it.
fn one_risk(service: &Service, used: &[&Path], findings: &mut Findings) {
    let [first, others @ ..] = used else { return };
    let has = |path: &Path, name: &str| path.shared_risk.iter().any(|it| it.get_ref() == name);
    let shared = |name: &&Spanned<String>| others.iter().all(|path| has(path, name.get_ref()));
    let common = first.shared_risk.iter().filter(shared);
    let common: Vec<String> = common.map(|name| format!("`{}`", name.get_ref())).collect();
    if !others.is_empty() && !common.is_empty() {
        findings.warning(
            service.span.clone(),
            format!(
                "all paths of service `{}` fail together: they share {}",
                service.name(),
                common.join(" and ")
            ),
            "add a path that does not share it: what fails cannot carry its own withdrawal",
        );
    }
}

/// A session that speaks for two paths of a service cannot tell the cloud which one is meant.
fn shared_sessions(service: &Service, used: &[&Path], findings: &mut Findings) {
    for (at, path) in used.iter().enumerate() {
        for peer in &path.announce_via {
            let shares =
                |other: &&&Path| other.name() != path.name() && other.announced_via(peer.get_ref());
            let other = used[..at].iter().find(shares);
            if let Some(other) = other {
                findings.error(
                    peer.span(),
                    format!(
                        "peer `{}` speaks for paths `{}` and `{}` of service `{}`",
                        peer.get_ref(),
                        other.name(),
                        path.name(),
                        service.name()
                    ),
                    "use one session per path: one announcement cannot rank two paths",
                );
            }
        }
    }
}

pub(super) fn paths_of<'f>(file: &'f File, service: &Service) -> Vec<&'f Path> {
    let find =
        |name: &Spanned<String>| file.paths.iter().find(|path| path.name() == name.get_ref());
    service.paths.iter().filter_map(find).collect()
}

/// A session that does not carry a prefix's family cannot announce it.
fn families(file: &File, service: &Service, findings: &mut Findings) {
    let used = paths_of(file, service);
    let speaks = |peer: &&Peer| used.iter().any(|path| path.announced_via(peer.name()));
    for peer in file.peers.iter().filter(speaks) {
        let family = |announced: &&Announced| Family::of(announced.prefix.get_ref());
        let carried = peer.family_set();
        let missing = service.announce.iter().find(|each| !carried.contains(family(each)));
        if let Some(announced) = missing {
            let prefix = &announced.prefix;
            findings.warning(
                prefix.span(),
                format!("peer `{}` does not carry {}", peer.name(), Family::of(prefix.get_ref())),
                "add the family to `families` of the peer, and our next hop in that family",
            );
        }
    }
}

fn checks(file: &File, service: &Service, findings: &mut Findings) {
    let used = paths_of(file, service);
    for check in &service.checks {
        let Some(region) = &check.region else {
            if used.iter().any(|path| path.region != used[0].region) {
                findings.error(
                    check.span.clone(),
                    format!(
                        "a check of service `{}` does not say which region it is in",
                        service.name()
                    ),
                    "add `region`, as the paths to that region have it",
                );
            }
            continue;
        };
        if !used.iter().any(|path| path.region == *region.get_ref()) {
            let known: Vec<&str> = used.iter().map(|path| path.region.as_str()).collect();
            findings.error(
                region.span(),
                format!(
                    "no path of service `{}` leads to region `{}`",
                    service.name(),
                    region.get_ref()
                ),
                format!("write one of the regions of its paths: {}", known.join(", ")),
            );
        }
    }
    if service.checks.len() == 1 {
        findings.note(
            service.checks[0].span.clone(),
            format!(
                "service `{}` has one check: its failure is told, and moves nothing",
                service.name()
            ),
            "a region is left on a majority of at least two instances: add a check",
        );
    }
}

/// Law 3: the last usable way of a prefix in a domain is not withdrawn.
fn last_way(file: &File, service: &Service, findings: &mut Findings) {
    if service.announce.is_empty() {
        return;
    }
    if *service.withdraw_last.get_ref() {
        findings.warning(
            service.withdraw_last.span(),
            format!(
                "the last usable way to service `{}` may be withdrawn: the cloud then has no route",
                service.name()
            ),
            "remove `withdraw_last` unless another site announces the same prefixes",
        );
    } else {
        only_ways(file, service, findings);
    }
}

/// Tells where a service has a single way, and so one that stays however bad it is.
fn only_ways(file: &File, service: &Service, findings: &mut Findings) {
    let used = paths_of(file, service);
    let mut domains: BTreeMap<&str, Vec<&Path>> = BTreeMap::new();
    for path in &used {
        let peers = file.peers.iter().filter(|peer| path.announced_via(peer.name()));
        let mut of_path: Vec<&str> = peers.map(|peer| peer.domain.as_str()).collect();
        of_path.sort_unstable();
        of_path.dedup();
        of_path.into_iter().for_each(|domain| domains.entry(domain).or_default().push(path));
    }
    for (domain, paths) in domains.into_iter().filter(|_| used.len() > 1) {
        if let [only] = paths[..] {
            findings.note(
                service.span.clone(),
                format!(
                    "path `{}` is the only way to service `{}` in domain `{domain}`: it is never \
                     withdrawn there, even when dead",
                    only.name(),
                    service.name()
                ),
                "if one network learns the other paths' routes too, give their peers one `domain`",
            );
        }
    }
}

/// Classes of the operator's own that no service is of.
fn classes(file: &File, findings: &mut Findings) {
    let used = |name: &str| {
        file.services
            .iter()
            .any(|it| it.class.as_ref().is_some_and(|class| class.get_ref() == name))
    };
    for name in file.classes.iter().filter(|name| !used(name.get_ref())) {
        findings.warning(
            name.span(),
            format!("no service is of class `{}`", name.get_ref()),
            "write `class = \"...\"` in a service, or remove the class",
        );
    }
}
