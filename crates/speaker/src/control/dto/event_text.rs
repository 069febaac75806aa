//! Events as people read them.

use core::fmt;

use super::event::Kind;

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PeerAdded { peer } => write!(f, "peer {peer} is added"),
            Self::PeerChanged { peer } => {
                write!(f, "peer {peer} is changed: its session is opened anew")
            }
            Self::PeerRemoved { peer } => write!(f, "peer {peer} is removed"),
            Self::PeerUp { peer, detail } => write!(f, "peer {peer} is Established: {detail}"),
            Self::PeerDown { peer, reason, retained: false } => {
                write!(f, "peer {peer} went down: {reason}")
            }
            Self::PeerDown { peer, reason, retained: true } => {
                write!(f, "peer {peer} went down: {reason}; its routes are kept for now")
            }
            Self::PeerFailed { peer, reason } => {
                write!(f, "peer {peer} could not be reached: {reason}")
            }
            Self::LongLived { peer, family } => {
                write!(f, "peer {peer}: its {family} routes are kept on, as the least preferred")
            }
            Self::StaleDropped { peer } => write!(f, "peer {peer}: kept routes were dropped"),
            Self::PrefixLimit { .. } => self.fmt_limit(f),
            Self::Fault { peer, detail } => write!(f, "peer {peer} sent a faulty UPDATE: {detail}"),
            Self::Verdict { path, from, to, evidence, .. } if from == to => {
                write!(f, "path {path} is {to} still: {evidence}")
            }
            Self::Verdict { path, from, to, evidence, .. } => {
                write!(f, "path {path}: {from} -> {to}: {evidence}")
            }
            Self::Move { .. } => self.fmt_move(f),
            Self::Wire { move_id, peer, .. } => {
                write!(f, "move {move_id}: every UPDATE to {peer} is on the wire")
            }
            Self::Kernel { move_id, ok: true, .. } => {
                write!(f, "move {move_id}: next hops are switched")
            }
            Self::Kernel { move_id, ok: false, .. } => {
                write!(f, "move {move_id}: the kernel refused to switch next hops")
            }
            Self::FibGroup { service, carry, weights, .. } => {
                write!(f, "service {service} leaves by {}", super::shares(carry, weights))
            }
            Self::Signal { peer, prefix, med: Some(med), reason, .. } => {
                write!(f, "{prefix} is announced to {peer} with MED {med}: {reason}")
            }
            Self::Signal { peer, prefix, med: None, reason, .. } => {
                write!(f, "{prefix} is not announced to {peer}: {reason}")
            }
            Self::PathMtu { path, octets, wanted: Some(wanted) } if wanted > octets => write!(
                f,
                "path {path} takes packets of {octets} octets, not of {wanted} as configured"
            ),
            Self::PathMtu { path, octets, .. } => {
                write!(f, "path {path} takes packets of {octets} octets")
            }
            Self::FirstHopMute { path, target } => write!(
                f,
                "{target}, the first hop of path {path}, answers no probes: faults before and \
                 beyond it are not told apart"
            ),
            Self::ReportsDisplaced { path, count } => write!(
                f,
                "measurements of path {path} from outside made room for newer ones ({count}): more \
                 sources report than are kept"
            ),
            Self::Link { path, up } => write!(f, "the link of path {path} is {}", updown(*up)),
            Self::Bfd { peer, path, says } => {
                let (what, name) = match (peer, path) {
                    (Some(peer), _) => ("peer", peer.as_str()),
                    (None, path) => ("path", path.as_deref().unwrap_or_default()),
                };
                match says.as_str() {
                    "off" => write!(f, "BFD of {what} {name} says nothing"),
                    says => write!(f, "BFD of {what} {name} is {says}"),
                }
            }
            Self::Condition { service, prefix, holds: true } => {
                write!(f, "service {service}: {prefix} may be announced")
            }
            Self::Condition { service, prefix, holds: false } => {
                write!(f, "service {service}: the condition of {prefix} does not hold")
            }
            Self::Health { service, check, region, healthy } => {
                let state = if *healthy { "healthy" } else { "unhealthy" };
                write!(f, "service {service}: {check} in {region} is {state}")
            }
            Self::Held { service, reason } => write!(f, "service {service} stays: {reason}"),
            Self::Frozen { frozen: true } => f.write_str("all moves are stopped"),
            Self::Frozen { frozen: false } => f.write_str("moves are carried out again"),
            Self::Drain { step } => write!(f, "leaving: {step}"),
            Self::Missed { count } => write!(f, "{count} events are missing here"),
            Self::Unknown => f.write_str("an event of a kind that this program does not know"),
        }
    }
}

impl Kind {
    fn fmt_limit(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::PrefixLimit { peer, family, count, limit, step, reopens_in_ns } = self else {
            return Ok(());
        };
        match step.as_str() {
            "near" => {
                write!(f, "peer {peer} announces {count} {family} prefixes of at most {limit}")
            }
            "beyond" => write!(f, "peer {peer} announces {count} {family} prefixes, above {limit}"),
            "nearly-full" => {
                write!(f, "peer {peer} is told {count} {family} prefixes of at most {limit}")
            }
            "withheld" => {
                write!(f, "peer {peer} may be told {limit} {family} prefixes: others are withheld")
            }
            "room" => write!(f, "peer {peer}: no {family} prefixes are withheld any more"),
            _ => {
                write!(f, "peer {peer} announced more than {limit} {family} prefixes: closed")?;
                match reopens_in_ns {
                    Some(pause) => write!(f, " for {} s", pause / 1_000_000_000),
                    None => write!(f, " until `pathvane reset {peer}`"),
                }
            }
        }
    }

    fn fmt_move(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Move { move_id, service, from, to, carry, cause, evidence, done, .. } = self
        else {
            return Ok(());
        };
        let verb = if *done { "moved" } else { "would have moved" };
        write!(f, "move {move_id}: service {service} {verb}")?;
        match from.as_ref().filter(|from| *from != to) {
            _ if carry.len() > 1 => write!(f, " to {}: {cause}", carry.join(" and "))?,
            Some(from) => write!(f, " from {from} to {to}: {cause}")?,
            None => write!(f, " to {to}: {cause}")?,
        }
        if evidence.is_empty() { Ok(()) } else { write!(f, " [{evidence}]") }
    }
}

/// Paths that carry a service, with their parts where these differ.
pub fn shares(carry: &[String], weights: &[u8]) -> String {
    let alike = weights.windows(2).all(|pair| pair[0] == pair[1]);
    let all: u32 = weights.iter().copied().map(u32::from).sum();
    let name = |(nth, path): (usize, &String)| match weights.get(nth) {
        Some(weight) if !alike => {
            format!("{path} ({} %)", (u32::from(*weight) * 100 + all / 2) / all.max(1))
        }
        _ => path.clone(),
    };
    carry.iter().enumerate().map(name).collect::<Vec<_>>().join(", ")
}

const fn updown(up: bool) -> &'static str {
    if up { "up" } else { "down" }
}
