//! `pathvane policy test`: what a policy of a configuration does to a route, term by term.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::net::IpAddr;

use pathvane_rib::policy::{Accepted, NextHopChange, Speaker};
use pathvane_rib::{PeerId, Policy, RibConfig};
use pathvane_speaker::config::Loaded;
use pathvane_wire::Attrs;
use serde::Serialize;

use crate::args::{Direction, PolicyTestArgs};
use crate::{Exit, check, complain};

/// What became of the route, for people and programs.
#[derive(Debug, Serialize)]
struct Trial {
    policy: String,
    direction: &'static str,
    prefix: String,
    /// The terms that were tried, in order.
    terms: Vec<Tried>,
    accepted: bool,
    /// The term that decided; absent if none did.
    decided_by: Option<String>,
    before: Shown,
    /// Absent if rejected.
    after: Option<Shown>,
}

#[derive(Debug, Serialize)]
struct Tried {
    name: String,
    matched: bool,
}

/// A route's attributes as text; what it does not have is absent.
#[derive(Clone, PartialEq, Debug, Serialize)]
struct Shown {
    origin: String,
    as_path: String,
    next_hop: String,
    med: Option<u32>,
    local_pref: Option<u32>,
    communities: Vec<String>,
    ext_communities: Vec<String>,
    large_communities: Vec<String>,
}

/// Runs the policy and says what it did.
pub(crate) fn test(args: &PolicyTestArgs) -> Exit {
    let loaded = match check::read(&args.config) {
        Ok(loaded) => loaded,
        Err(exit) => return exit,
    };
    let (policy, from) = match (policy(&loaded, &args.policy), peer(&loaded, args.peer.as_deref()))
    {
        (Ok(policy), Ok(from)) => (policy, from),
        (Err(unknown), _) | (_, Err(unknown)) => {
            complain(unknown.message, &unknown.remedy);
            return Exit::Failed;
        }
    };
    let speaker = Speaker {
        asn: loaded.engine.asn,
        default_preference: RibConfig::new(loaded.engine.asn, loaded.engine.id, 0)
            .default_preference,
    };
    let trial = run(policy, args, from, speaker);
    match args.json {
        true => println!("{}", serde_json::to_string_pretty(&trial).unwrap_or_default()),
        false => print!("{}", text(&trial)),
    }
    if trial.accepted { Exit::Done } else { Exit::Rejected }
}

/// A name that the configuration does not have.
struct Unknown {
    message: String,
    remedy: String,
}

fn policy<'l>(loaded: &'l Loaded, name: &str) -> Result<&'l Policy, Unknown> {
    let policies = &loaded.engine.policies;
    policies.iter().find(|policy| policy.name() == name).map(AsRef::as_ref).ok_or_else(|| {
        let known: Vec<&str> = policies.iter().map(|policy| policy.name()).collect();
        Unknown {
            message: format!("no policy is called {name}"),
            remedy: format!("policies: {}", known.join(", ")),
        }
    })
}

/// The peer that the route is from; without a name it is our own.
fn peer(loaded: &Loaded, name: Option<&str>) -> Result<PeerId, Unknown> {
    let Some(name) = name else { return Ok(PeerId::LOCAL) };
    let peers = &loaded.engine.peers;
    loaded.engine.peer_ids().find(|id| peers[id.index()].name == name).ok_or_else(|| {
        let known: Vec<&str> = peers.iter().map(|peer| peer.name.as_str()).collect();
        Unknown {
            message: format!("no peer is called {name}"),
            remedy: format!("peers: {}", known.join(", ")),
        }
    })
}

fn run(policy: &Policy, args: &PolicyTestArgs, from: PeerId, speaker: Speaker) -> Trial {
    let attrs = args.attrs();
    let next_hop = args.next_hop();
    let before = shown(&attrs, next_hop.to_string());
    let mut terms = Vec::new();
    let prefix = args.prefix.trunc();
    let bitmap = policy.bitmap(&prefix, from);
    let ruling = policy.walk((Cow::Owned(attrs), next_hop), bitmap, speaker, |term, matched| {
        terms.push(Tried { name: term.name.clone(), matched });
    });
    let (after, decided_by) = match ruling {
        Ok(accepted) => {
            let by = terms.last().map(|term| term.name.clone());
            (Some(outcome(&accepted, next_hop, args.direction)), by)
        }
        Err(term) => (None, term.map(str::to_owned)),
    };
    Trial {
        policy: policy.name().to_owned(),
        direction: match args.direction {
            Direction::In => "in",
            Direction::Out => "out",
        },
        prefix: prefix.to_string(),
        terms,
        accepted: after.is_some(),
        decided_by,
        before,
        after,
    }
}

fn outcome(accepted: &Accepted<'_>, received: IpAddr, direction: Direction) -> Shown {
    let next_hop = match (direction, accepted.next_hop) {
        (Direction::In, _) => received.to_string(),
        (Direction::Out, None) => "as the session has it".to_owned(),
        (Direction::Out, Some(NextHopChange::Own)) => "our own address".to_owned(),
        (Direction::Out, Some(NextHopChange::Unchanged)) => received.to_string(),
        (Direction::Out, Some(NextHopChange::Address(address))) => address.to_string(),
    };
    shown(&accepted.attrs, next_hop)
}

fn shown(attrs: &Attrs, next_hop: String) -> Shown {
    fn each<T: ToString>(items: &[T]) -> Vec<String> {
        items.iter().map(T::to_string).collect()
    }
    Shown {
        origin: attrs.origin.to_string(),
        as_path: attrs.as_path.to_string(),
        next_hop,
        med: attrs.med,
        local_pref: attrs.local_pref,
        communities: each(&attrs.communities),
        ext_communities: each(&attrs.ext_communities),
        large_communities: each(&attrs.large_communities),
    }
}

fn text(trial: &Trial) -> String {
    let way = if trial.direction == "in" { "import" } else { "export" };
    let mut out = format!("policy {}, {way} of {}\n", trial.policy, trial.prefix);
    // Writing to a String does not fail.
    for term in &trial.terms {
        let said = if term.matched { "matches" } else { "does not match" };
        let _ = writeln!(out, "  term {}: {said}", term.name);
    }
    let verdict = if trial.accepted { "accepted" } else { "rejected" };
    let _ = match &trial.decided_by {
        Some(term) => writeln!(out, "{verdict} by term {term}"),
        None => writeln!(out, "{verdict}: no term decided"),
    };
    if let Some(after) = &trial.after {
        for (name, before, after) in rows(&trial.before, after) {
            let _ = match before == after {
                true => writeln!(out, "  {name:18} {}", dash(&after)),
                false => writeln!(out, "* {name:18} {} -> {}", dash(&before), dash(&after)),
            };
        }
    }
    out
}

fn dash(text: &str) -> &str {
    if text.is_empty() { "-" } else { text }
}

fn rows(before: &Shown, after: &Shown) -> Vec<(&'static str, String, String)> {
    let number = |number: Option<u32>| number.map(|number| number.to_string()).unwrap_or_default();
    let cells = |route: &Shown| {
        [
            route.origin.clone(),
            route.as_path.clone(),
            route.next_hop.clone(),
            number(route.med),
            number(route.local_pref),
            route.communities.join(" "),
            route.ext_communities.join(" "),
            route.large_communities.join(" "),
        ]
    };
    let names = [
        "origin",
        "as path",
        "next hop",
        "med",
        "local pref",
        "communities",
        "ext communities",
        "large communities",
    ];
    let both = cells(before).into_iter().zip(cells(after));
    names.into_iter().zip(both).map(|(name, (before, after))| (name, before, after)).collect()
}
