//! The policies of a peer: what the configuration names, and what it implies besides.
//!
//! In front of the operator's terms stand those that roles (RFC 9234) and graceful shutdown
//! (RFC 8326) call for, and one that accepts what services and paths announce over the peer.

use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;

use ipnet::IpNet;
use pathvane_rib::policy::{Action, Match, Otc, PrefixRange, Term, Verdict};
use pathvane_rib::{PeerConfig, PeerId, Policy};
use pathvane_wire::{Asn, Community, Role};

use crate::config::{Config, Peer};

/// What a peer's routes and ours to it go through. `leaving`: everything we say is marked with
/// GRACEFUL_SHUTDOWN.
pub(crate) fn peer_config(config: &Config, id: PeerId, leaving: bool) -> PeerConfig {
    let peer = &config.peers[id.index()];
    let named = |index: Option<usize>| index.map(|index| config.policies[index].clone());
    PeerConfig {
        import: import(peer, named(peer.import)),
        export: export(config, id, named(peer.export), leaving),
        next_hop_self: peer.next_hop_self,
        client: peer.client,
        paths: peer.paths,
    }
}

fn is_internal(peer: &Peer) -> bool {
    peer.session.local_asn == peer.session.remote_asn
}

/// The role we play, which external sessions alone have.
fn role(peer: &Peer) -> Option<Role> {
    peer.session.role.filter(|_| !is_internal(peer))
}

fn import(peer: &Peer, policy: Option<Arc<Policy>>) -> Option<Arc<Policy>> {
    let mut terms = Vec::new();
    if let Some(role) = role(peer) {
        terms.extend(otc_in(role, peer.session.remote_asn));
    }
    if peer.graceful_shutdown {
        terms.push(Term {
            name: "graceful shutdown".into(),
            matches: vec![Match::Community(Community::GRACEFUL_SHUTDOWN.into())],
            actions: vec![Action::SetLocalPref(0)],
            verdict: None,
        });
    }
    // Without a policy, an external peer's routes are rejected whatever stands in front.
    let policy = match (policy, is_internal(peer)) {
        (None, true) if !terms.is_empty() => Some(Arc::new(Policy::accept_all("internal"))),
        (policy, _) => policy,
    };
    policy.map(|policy| preceded(terms, policy))
}

fn export(
    config: &Config,
    id: PeerId,
    policy: Option<Arc<Policy>>,
    leaving: bool,
) -> Option<Arc<Policy>> {
    let peer = &config.peers[id.index()];
    let mut terms = Vec::new();
    if leaving {
        terms.push(Term {
            name: "leaving".into(),
            actions: vec![Action::AddCommunity(Community::GRACEFUL_SHUTDOWN)],
            ..Term::default()
        });
    }
    if let Some(role) = role(peer) {
        terms.extend(otc_out(role, config.asn));
    }
    let own = own_prefixes(config, id);
    let policy = match policy {
        Some(policy) => policy,
        None if is_internal(peer) && (leaving || !own.is_empty()) => {
            Arc::new(Policy::accept_all("internal"))
        }
        None if own.is_empty() => return None,
        None => Arc::new(Policy::new("services", Vec::new()).ok()?),
    };
    if !own.is_empty() {
        terms.push(Term {
            name: "services".into(),
            matches: vec![Match::Prefix(own.into_iter().map(PrefixRange::exact).collect())],
            actions: Vec::new(),
            verdict: Some(Verdict::Accept),
        });
    }
    Some(preceded(terms, policy))
}

/// A policy with terms in front of its own.
fn preceded(mut terms: Vec<Term>, policy: Arc<Policy>) -> Arc<Policy> {
    if terms.is_empty() {
        return policy;
    }
    terms.extend(policy.terms().iter().cloned());
    // The configuration leaves room for one more match on prefixes.
    Policy::new(policy.name(), terms).map_or(policy, Arc::new)
}

/// The service prefixes and probe sources announced over the paths that a peer speaks for.
pub(crate) fn own_prefixes(config: &Config, peer: PeerId) -> Vec<IpNet> {
    let speaks = |path: &&crate::config::Path| path.announce_via.contains(&peer);
    let probes = config.paths.iter().filter(speaks).map(|path| IpNet::from(path.probe_source));
    let services = config
        .services
        .iter()
        .filter(|service| service.paths.iter().any(|path| speaks(&&config.paths[path.index()])));
    let announced = services.flat_map(|service| service.announce.iter().map(|a| a.prefix));
    announced.chain(probes).collect()
}

fn otc(name: &str, otc: Otc, actions: Vec<Action>, verdict: Option<Verdict>) -> Term {
    Term { name: name.into(), matches: vec![Match::Otc(otc)], actions, verdict }
}

/// What a peer in the counterpart of our role may send (RFC 9234 section 5, ingress).
fn otc_in(ours: Role, theirs: Asn) -> Vec<Term> {
    let leak = |what| otc("route leak", what, Vec::new(), Some(Verdict::Reject));
    let mark = || otc("only to customers", Otc::Absent, vec![Action::SetOtc(theirs)], None);
    match ours {
        Role::PROVIDER | Role::ROUTE_SERVER => vec![leak(Otc::Present)],
        Role::PEER => vec![leak(Otc::NotBy(theirs)), mark()],
        _ => vec![mark()],
    }
}

/// What we may send in our role (RFC 9234 section 5, egress).
fn otc_out(ours: Role, asn: Asn) -> Vec<Term> {
    let leak = || otc("route leak", Otc::Present, Vec::new(), Some(Verdict::Reject));
    let mark = || otc("only to customers", Otc::Absent, vec![Action::SetOtc(asn)], None);
    match ours {
        Role::PROVIDER | Role::ROUTE_SERVER => vec![mark()],
        Role::PEER => vec![leak(), mark()],
        _ => vec![leak()],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: Asn = Asn(65010);
    const THEIRS: Asn = Asn(65001);

    /// What terms make of a route with this OTC: `None` rejected, else its OTC.
    fn otc_after(terms: &[Term], mut value: Option<Asn>) -> Option<Option<Asn>> {
        for term in terms {
            let holds = term.matches.iter().all(|matching| match matching {
                Match::Otc(Otc::Absent) => value.is_none(),
                Match::Otc(Otc::Present) => value.is_some(),
                Match::Otc(Otc::NotBy(asn)) => value.is_some_and(|value| value != *asn),
                _ => panic!("{matching:?}"),
            });
            if !holds {
                continue;
            }
            for action in &term.actions {
                let Action::SetOtc(asn) = action else { panic!("{action:?}") };
                value = Some(*asn);
            }
            if term.verdict == Some(Verdict::Reject) {
                return None;
            }
        }
        Some(value)
    }

    /// RFC 9234 section 5, row by row: our role, OTC before, after ingress, after egress.
    #[test]
    fn otc_is_set_and_checked_by_role() {
        const OTHER: Option<Asn> = Some(Asn(65099));
        const REJECTED: Option<Option<Asn>> = None;
        for (role, before, came, left) in [
            (Role::PROVIDER, None, Some(None), Some(Some(OURS))),
            (Role::PROVIDER, OTHER, REJECTED, Some(OTHER)),
            (Role::ROUTE_SERVER, None, Some(None), Some(Some(OURS))),
            (Role::ROUTE_SERVER, OTHER, REJECTED, Some(OTHER)),
            (Role::PEER, None, Some(Some(THEIRS)), Some(Some(OURS))),
            (Role::PEER, Some(THEIRS), Some(Some(THEIRS)), REJECTED),
            (Role::PEER, OTHER, REJECTED, REJECTED),
            (Role::CUSTOMER, None, Some(Some(THEIRS)), Some(None)),
            (Role::CUSTOMER, OTHER, Some(OTHER), REJECTED),
            (Role::ROUTE_SERVER_CLIENT, None, Some(Some(THEIRS)), Some(None)),
            (Role::ROUTE_SERVER_CLIENT, OTHER, Some(OTHER), REJECTED),
        ] {
            assert_eq!(otc_after(&otc_in(role, THEIRS), before), came, "{role:?} {before:?} in");
            assert_eq!(otc_after(&otc_out(role, OURS), before), left, "{role:?} {before:?} out");
        }
    }
}
