//! Rules about services that several paths carry together.

use super::super::File;
use super::super::finding::Findings;
use super::super::path::Path;
use super::super::service::Service;
use super::services::paths_of;

pub(super) fn apply(file: &File, findings: &mut Findings) {
    if !file.services.iter().any(Service::is_balanced) {
        relaxed(file, findings);
    }
    for service in file.services.iter().filter(|service| service.is_balanced()) {
        let used = paths_of(file, service);
        spreading(service, findings);
        capacities(service, &used, findings);
        neighbours(file, service, &used, findings);
    }
}

/// Routes that need not be of one AS to be equal, where no two share anything.
fn relaxed(file: &File, findings: &mut Findings) {
    let speaker = &file.speaker;
    if *speaker.multipath_relax.get_ref() && speaker.multipath.0 == 1 {
        findings.warning(
            speaker.multipath_relax.span(),
            "`multipath_relax` changes nothing: one route has all the traffic of its prefix",
            "add `multipath = 2`, or as many next hops as there are, or remove it",
        );
    }
}

/// What an operator may not expect of packets that take several ways.
fn spreading(service: &Service, findings: &mut Findings) {
    findings.note(
        service.strategy.span(),
        format!(
            "the flows of service `{}` are spread blindly: here by addresses alone unless the sysctl \
             net.ipv4.fib_multipath_hash_policy is 1, there by equal MEDs; each flow meets the delay of \
             its own path",
            service.name()
        ),
        "set the sysctl (and net.ipv6.fib_multipath_hash_policy) to 1; to keep calls together on the \
         best path, use `strategy = \"best\"`",
    );
}

/// Parts by capacity need the capacity of every path.
fn capacities(service: &Service, used: &[&Path], findings: &mut Findings) {
    let (known, unknown): (Vec<&Path>, Vec<&Path>) =
        used.iter().partition(|path| path.capacity.is_some());
    if let (Some(_), Some(without)) = (known.first(), unknown.first()) {
        findings.warning(
            service.strategy.span(),
            format!(
                "path `{}` has no capacity, so all paths of service `{}` carry equal parts",
                without.name(),
                service.name()
            ),
            "give all of its paths a `capacity`, or none",
        );
    }
}

/// Routes by different ASes are equal only if that is allowed.
fn neighbours(file: &File, service: &Service, used: &[&Path], findings: &mut Findings) {
    let peers =
        file.peers.iter().filter(|peer| used.iter().any(|it| it.announced_via(peer.name())));
    let mut asns: Vec<_> = peers.filter_map(|peer| Some(*peer.asn.as_ref()?.get_ref())).collect();
    asns.sort_unstable();
    asns.dedup();
    if asns.len() > 1 && !service.reach.is_empty() && !*file.speaker.multipath_relax.get_ref() {
        let told: Vec<_> = asns.iter().map(ToString::to_string).collect();
        findings.warning(
            service.strategy.span(),
            format!(
                "the paths of service `{}` lead to different ASes ({}): what they tell is not equal, \
                 and each prefix goes over one path",
                service.name(),
                told.join(", ")
            ),
            "add `multipath_relax = true` to [speaker] if their routes lead to the same network",
        );
    }
}
