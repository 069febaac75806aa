//! What clouds demand of the routes that they are told.

use std::collections::{BTreeMap, BTreeSet};

use ipnet::IpNet;
use pathvane_engine::config::Ranking;
use pathvane_rib::Policy;
use pathvane_rib::policy::{Action, Term, Verdict};
use toml::Spanned;

use super::super::File;
use super::super::finding::Findings;
use super::super::path::Path;
use super::super::peer::Peer;
use super::super::profile::Profile;

/// Google's regions drop prefixes above 250, longest first; kept at a distance.
const REGION_PREFIXES: usize = 200;

pub(super) fn apply(file: &File, findings: &mut Findings) {
    for peer in file.all_peers().filter(|peer| peer.profile.is_cloud()) {
        session_quota(file, peer, findings);
        written_quota(peer, findings);
        if let Some((name, policy)) = export(file, peer) {
            no_med(peer, name, policy, findings);
            no_effect(peer, name, policy, findings);
        }
    }
    region_quotas(file, findings);
    more_specifics(file, findings);
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
    let Some(budget) = peer.profile.budget() else { return };
    let paths = file.paths.iter().filter(|path| path.announced_via(peer.name()));
    let prefixes: BTreeSet<IpNet> = paths.flat_map(|path| announced_over(file, path)).collect();
    if prefixes.len() > budget as usize {
        findings.error(
            peer.span.clone(),
            format!("{} `{}` would get {} prefixes", title(peer), peer.name(), prefixes.len()),
            format!("announce at most {budget}: {}", why(peer.profile)),
        );
    }
}

fn written_quota(peer: &Peer, findings: &mut Findings) {
    let Some((span, written)) = &peer.max_prefixes_out.written else { return };
    let most: u64 = written.iter().flatten().map(|most| u64::from(*most)).sum();
    if let Some(budget) = peer.profile.budget()
        && most > u64::from(budget)
    {
        findings.warning(
            span.clone(),
            format!("{} `{}` bears no {most} prefixes", title(peer), peer.name()),
            format!("write at most {budget} in all: {}", why(peer.profile)),
        );
    }
}

fn title(peer: &Peer) -> &'static str {
    peer.profile.title()
}

/// What happens beyond a product's budget.
fn why(profile: Profile) -> &'static str {
    match profile {
        Profile::AwsDirectConnect | Profile::AwsVpn => "above 100 AWS closes the session",
        Profile::AzureRouteServer => {
            "above 1,000 Azure closes the session, and a prefix announced again may count twice"
        }
        _ => "above 5,000 the session closes and stays closed",
    }
}

/// The policy that an export names, with its name.
fn export<'f>(file: &'f File, peer: &'f Peer) -> Option<(&'f Spanned<String>, &'f Policy)> {
    let name = peer.export.as_ref()?;
    let at = file.names.policies.position(name.get_ref())?;
    file.policies.get(at).map(|policy| (name, policy))
}

/// The first term that accepts a route which may not have a MED.
fn without_med(policy: &Policy) -> Option<&Term> {
    let sets = |term: &Term| {
        term.actions.iter().any(|action| matches!(action, Action::SetMed(_) | Action::AddMed(_)))
    };
    for term in policy.terms() {
        let has = sets(term);
        if has && term.matches.is_empty() && term.verdict.is_none() {
            return None;
        }
        if !has && term.verdict == Some(Verdict::Accept) {
            return Some(term);
        }
    }
    None
}

/// A missing MED is the best there is.
fn no_med(peer: &Peer, name: &Spanned<String>, policy: &Policy, findings: &mut Findings) {
    if peer.profile.ranking() == Ranking::AsPath {
        return;
    }
    if let Some(term) = without_med(policy) {
        findings.warning(
            name.span(),
            format!(
                "term {} of policy `{}` announces to {} `{}` without MED, which counts as 0: the best",
                term.name,
                policy.name(),
                title(peer),
                peer.name()
            ),
            "set `med`, at 20000 or above, so that what services announce can still undercut it",
        );
    }
}

/// Changes that the product does not heed.
fn no_effect(peer: &Peer, name: &Spanned<String>, policy: &Policy, findings: &mut Findings) {
    let mut actions = policy.terms().iter().flat_map(|term| &term.actions);
    let communities = |action: &Action| {
        use Action::{AddCommunity, AddLargeCommunity, SetCommunities, SetLargeCommunities};
        matches!(
            action,
            AddCommunity(_) | AddLargeCommunity(_) | SetCommunities(_) | SetLargeCommunities(_)
        )
    };
    if peer.profile.is_cloud_router()
        && actions.clone().any(|action| matches!(action, Action::Prepend(_)))
    {
        findings.warning(
            name.span(),
            format!("policy `{}` prepends towards cloud router `{}`", policy.name(), peer.name()),
            "set MED instead: in LEGACY best-path selection AS paths of different tunnels are not \
             compared",
        );
    }
    if peer.profile == Profile::CloudRouterAppliance && actions.any(communities) {
        findings.warning(
            name.span(),
            format!(
                "policy `{}` sets communities for cloud router `{}`",
                policy.name(),
                peer.name()
            ),
            "remove them: Network Connectivity Center does not pass communities on",
        );
    }
}

/// The paths whose peers are cloud routers.
fn cloud_paths(file: &File) -> impl Iterator<Item = &Path> {
    let cloud = |path: &&Path| {
        let via = |peer: &Peer| path.announced_via(peer.name());
        file.peers.iter().any(|peer| peer.profile.is_cloud_router() && via(peer))
    };
    file.paths.iter().filter(cloud)
}

fn region_quotas(file: &File, findings: &mut Findings) {
    let mut regions: BTreeMap<&str, (BTreeSet<IpNet>, &Path)> = BTreeMap::new();
    for path in cloud_paths(file) {
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

/// A longer prefix wins whatever MED says, and is the first to be dropped at the quota.
fn more_specifics(file: &File, findings: &mut Findings) {
    let steered: BTreeSet<&str> = cloud_paths(file).map(Path::name).collect();
    let services: Vec<_> = file
        .services
        .iter()
        .filter(|service| steered.iter().any(|path| service.uses(path)))
        .collect();
    let all = || services.iter().flat_map(|service| &service.announce).map(|each| &each.prefix);
    for inner in all() {
        let covers = |outer: &&Spanned<IpNet>| {
            outer.get_ref() != inner.get_ref() && outer.get_ref().contains(inner.get_ref())
        };
        if let Some(outer) = all().find(covers) {
            findings.warning(
                inner.span(),
                format!("{} is announced to a cloud beside {}", inner.get_ref(), outer.get_ref()),
                "announce one of them: the longer one wins whatever MED says, even over a path that \
                 died, and is dropped first at the region's quota",
            );
        }
    }
}
