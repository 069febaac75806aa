//! Pages of the tables, and explanations of prefixes.

use ipnet::IpNet;
use pathvane_engine::{Engine, PeerId};
use pathvane_rib::{Advertised, Cursor, Outcome, RouteView};
use pathvane_wire::{Attrs, NextHop};

use super::super::dto::{Candidate, ExplainPrefix, Recipient, Route};
use super::super::{Answer, PAGE, Reply, Table};
use super::{peer_id, peer_name};

pub(super) fn page(engine: &Engine, table: &Table, from: Cursor, limit: usize) -> Reply {
    let limit = limit.clamp(1, PAGE);
    let rib = engine.rib();
    let (routes, next) = match table {
        Table::Loc => {
            let page = rib.loc_rib(from, limit);
            (page.items.iter().map(|view| route(engine, view)).collect(), page.next)
        }
        Table::In(name) => {
            let page = rib.adj_rib_in(peer_id(engine, name)?, from, limit);
            (page.items.iter().map(|view| route(engine, view)).collect(), page.next)
        }
        Table::Out(name) => {
            let peer = peer_id(engine, name)?;
            let page = rib.adj_rib_out(peer, from, limit);
            (page.items.iter().map(|told| told_route(engine, peer, told)).collect(), page.next)
        }
    };
    Ok(Answer::Routes(routes, next))
}

pub(super) fn explain(engine: &Engine, asked: IpNet) -> ExplainPrefix {
    let prefix = covering(engine, asked).unwrap_or(asked);
    let explained = engine.rib().explain(&prefix);
    let candidates = explained.map(|explained| explained.candidates).unwrap_or_default();
    let candidate = |candidate: &pathvane_rib::Candidate| {
        let (outcome, why) = outcome(&candidate.outcome);
        Candidate {
            route: route(engine, &candidate.route),
            outcome: outcome.to_owned(),
            why,
            sharing: candidate.sharing.map(|sharing| sharing.to_string()),
        }
    };
    ExplainPrefix {
        asked,
        prefix,
        service: service_of(engine, &prefix),
        candidates: candidates.iter().map(candidate).collect(),
        recipients: engine.peers().map(|id| recipient(engine, id, &prefix)).collect(),
    }
}

/// The longest prefix with a route that covers `asked`, itself included.
fn covering(engine: &Engine, asked: IpNet) -> Option<IpNet> {
    let shorter = (0..=asked.prefix_len()).rev();
    let mut nets =
        shorter.filter_map(|len| IpNet::new(asked.addr(), len).ok()).map(|net| net.trunc());
    nets.find(|net| engine.rib().explain(net).is_some())
}

fn outcome(outcome: &Outcome) -> (&'static str, String) {
    match outcome {
        Outcome::Best(step) => ("best", step.to_string()),
        Outcome::Lost(step) => ("lost", format!("{step} elsewhere")),
        Outcome::NotFeasible(reason) => ("not feasible", reason.to_string()),
    }
}

fn recipient(engine: &Engine, id: PeerId, prefix: &IpNet) -> Recipient {
    let rib = engine.rib();
    let session = engine.peer(id).session;
    let why_not = match session.established() {
        Some(_) => rib.not_advertised(id, prefix).map(|reason| reason.to_string()),
        None => Some(format!("its session is {}", session.state_name())),
    };
    Recipient {
        peer: peer_name(engine, id),
        route: rib.advertised(id, prefix).map(|told| told_route(engine, id, &told)),
        why_not,
    }
}

/// The service that announces the prefix or inside whose reach it lies.
fn service_of(engine: &Engine, prefix: &IpNet) -> Option<String> {
    let services = &engine.config().services;
    let steers = |service: &&pathvane_engine::config::Service| {
        service.announce.iter().any(|announce| announce.prefix == *prefix)
            || service.reach.iter().any(|net| net.contains(prefix))
    };
    services.iter().find(steers).map(|service| service.name.clone())
}

fn route(engine: &Engine, view: &RouteView) -> Route {
    Route {
        path_id: view.path_id,
        preference: Some(view.preference),
        offset: view.offset,
        best: view.best,
        shares: view.shares,
        accepted: view.accepted,
        stale: view.stale,
        ..bare(engine, view.peer, view.prefix, &view.attrs, view.next_hop)
    }
}

fn told_route(engine: &Engine, peer: PeerId, told: &Advertised) -> Route {
    let (pending, path_id) = (told.pending, told.path_id);
    Route { pending, path_id, ..bare(engine, peer, told.prefix, &told.attrs, told.next_hop) }
}

fn bare(engine: &Engine, peer: PeerId, prefix: IpNet, attrs: &Attrs, next_hop: NextHop) -> Route {
    let communities = attrs.communities.iter().map(ToString::to_string);
    let extended = attrs.ext_communities.iter().map(ToString::to_string);
    let large = attrs.large_communities.iter().map(ToString::to_string);
    Route {
        prefix,
        peer: peer_name(engine, peer),
        next_hop: (!next_hop.addr.is_unspecified()).then_some(next_hop.addr),
        path_id: 0,
        origin: attrs.origin.to_string(),
        as_path: attrs.as_path.to_string(),
        med: attrs.med,
        local_pref: attrs.local_pref,
        communities: communities.chain(extended).chain(large).collect(),
        originator_id: attrs.originator_id.map(|id| id.to_string()),
        cluster_list: attrs.cluster_list.iter().map(ToString::to_string).collect(),
        preference: None,
        offset: 0,
        best: false,
        shares: false,
        accepted: true,
        stale: false,
        pending: false,
    }
}
