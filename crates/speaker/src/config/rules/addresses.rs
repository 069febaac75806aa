//! Rules about addresses and prefixes that must not meet.

use core::net::IpAddr;
use core::ops::Range;

use ipnet::IpNet;
use toml::Spanned;

use super::super::File;
use super::super::finding::{Finding, Findings, Severity};

pub(super) fn apply(file: &File, findings: &mut Findings) {
    duplicate_peers(file, findings);
    duplicate_sources(file, findings);
    duplicate_marks(file, findings);
    overlapping_reaches(file, findings);
    announced_twice(file, findings);
    sources_inside_services(file, findings);
}

fn clash(
    findings: &mut Findings,
    at: Range<usize>,
    other: Range<usize>,
    message: String,
    remedy: &str,
) {
    findings.push(
        Finding::new(Severity::Error, at, message, remedy).other(other, "the other one is here"),
    );
}

/// Every pair of elements, the earlier one first.
fn pairs<T>(list: &[T]) -> impl Iterator<Item = (&T, &T)> {
    list.iter().enumerate().flat_map(|(at, one)| list[at + 1..].iter().map(move |two| (one, two)))
}

fn duplicate_peers(file: &File, findings: &mut Findings) {
    for (one, two) in pairs(&file.peers) {
        let (Some(first), Some(second)) = (&one.address, &two.address) else { continue };
        let local = |peer: &super::super::peer::Peer| {
            peer.local_address.as_ref().map(|address| *address.get_ref())
        };
        let told_apart = local(one) != local(two) && local(one).is_some() && local(two).is_some();
        let dialled_apart = one.port != two.port && file.speaker.listen.is_empty();
        if first.get_ref() == second.get_ref() && !told_apart && !dialled_apart {
            clash(
                findings,
                second.span(),
                first.span(),
                format!("peers `{}` and `{}` have the same address", one.name(), two.name()),
                "give each its own `address` or `local_address`: an incoming connection is known \
                 by them alone",
            );
        }
    }
}

/// Law 1: a path is measured on itself.
fn duplicate_sources(file: &File, findings: &mut Findings) {
    for (one, two) in pairs(&file.paths) {
        let (Some(first), Some(second)) = (&one.probe_source, &two.probe_source) else { continue };
        if first.get_ref() == second.get_ref() {
            clash(
                findings,
                second.span(),
                first.span(),
                format!("paths `{}` and `{}` share a probe source", one.name(), two.name()),
                "give each path an address of its own: replies must come back over the path \
                 that is measured",
            );
        }
    }
}

fn duplicate_marks(file: &File, findings: &mut Findings) {
    for (one, two) in pairs(&file.paths) {
        if one.mark.get_ref() == two.mark.get_ref() {
            let message = format!("paths `{}` and `{}` share a mark", one.name(), two.name());
            clash(
                findings,
                two.mark.span(),
                one.mark.span(),
                message,
                "give each its own, or none",
            );
        }
        if one.table.get_ref().0 == two.table.get_ref().0 {
            let message = format!("paths `{}` and `{}` share a table", one.name(), two.name());
            clash(
                findings,
                two.table.span(),
                one.table.span(),
                message,
                "give each its own, or none",
            );
        }
    }
    for path in &file.paths {
        if (253..=255).contains(&path.table.get_ref().0) || *path.mark.get_ref() == 0 {
            findings.error(
                path.table.span(),
                format!("path `{}` would probe through a table of the kernel's own", path.name()),
                "use a table other than 253, 254 and 255 and a mark other than 0, or neither key",
            );
        }
    }
}

fn overlap(one: &IpNet, two: &IpNet) -> bool {
    one.contains(two) || two.contains(one)
}

/// Prefixes of one kind with the service they belong to.
fn of_services(
    file: &File,
    pick: impl Fn(&super::super::service::Service) -> Vec<Spanned<IpNet>>,
) -> Vec<(&str, Spanned<IpNet>)> {
    let with_name = |service| pick(service).into_iter().map(move |net| (service.name(), net));
    file.services.iter().flat_map(with_name).collect()
}

fn reaches(file: &File) -> Vec<(&str, Spanned<IpNet>)> {
    of_services(file, |service| service.reach.clone())
}

fn announced(file: &File) -> Vec<(&str, Spanned<IpNet>)> {
    of_services(file, |service| service.announce.iter().map(|each| each.prefix.clone()).collect())
}

fn overlapping_reaches(file: &File, findings: &mut Findings) {
    for ((one, first), (two, second)) in pairs(&reaches(file)) {
        if overlap(first.get_ref(), second.get_ref()) {
            clash(
                findings,
                second.span(),
                first.span(),
                format!(
                    "{} of service `{two}` overlaps {} of service `{one}`",
                    second.get_ref(),
                    first.get_ref()
                ),
                "let each destination be reached by one service: two cannot steer one route",
            );
        }
    }
}

fn announced_twice(file: &File, findings: &mut Findings) {
    for ((one, first), (two, second)) in pairs(&announced(file)) {
        if first.get_ref() == second.get_ref() {
            clash(
                findings,
                second.span(),
                first.span(),
                format!("{} is announced by `{one}` and by `{two}`", first.get_ref()),
                "announce each prefix once",
            );
        }
    }
    let reaches = reaches(file);
    for (owner, prefix) in announced(file) {
        for (reacher, reach) in &reaches {
            if overlap(prefix.get_ref(), reach.get_ref()) {
                clash(
                    findings,
                    prefix.span(),
                    reach.span(),
                    format!(
                        "service `{owner}` announces {}, which service `{reacher}` reaches over there",
                        prefix.get_ref()
                    ),
                    "a prefix is either here or there: correct one of them",
                );
            }
        }
    }
}

/// Law 1: what is measured must not be what is moved.
fn sources_inside_services(file: &File, findings: &mut Findings) {
    let prefixes: Vec<_> = announced(file).into_iter().chain(reaches(file)).collect();
    for path in &file.paths {
        let Some(source) = &path.probe_source else { continue };
        let ip: IpAddr = *source.get_ref();
        for (owner, net) in prefixes.iter().filter(|(_, net)| net.get_ref().contains(&ip)) {
            clash(
                findings,
                source.span(),
                net.span(),
                format!(
                    "the probe source of path `{}` lies inside {} of service `{owner}`",
                    path.name(),
                    net.get_ref()
                ),
                "use an address outside every service: a path must stay measured when its \
                 service has left it",
            );
        }
    }
}
