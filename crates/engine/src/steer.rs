//! One service: its candidates, its leader, and what every path is to it.
//!
//! The selector of the scoring crate chooses; this file gives it the facts, holds its wish against
//! the laws (observe, freeze, symmetric services) and names each path's role.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use pathvane_clock::Instant;
use pathvane_score::{Candidate, Cause, Compliance, Decision, Rule, Selector, State, Verdict};

use crate::config::{Config, SHARED_RISKS_MAX, Service};
use crate::event::Move;
use crate::ids::{PathId, ServiceId};
use crate::measure::Measure;
use crate::signal::Role;

/// The steering of one service.
#[derive(Debug)]
pub(crate) struct Steer {
    id: ServiceId,
    selector: Selector,
    /// What each of its paths shares with others, a bit for each risk.
    shared_risks: Vec<u64>,
    /// What each counts for where they carry together.
    weights: Vec<u64>,
    /// The paths that the selector wants, carried out or not.
    wanted: Vec<PathId>,
    /// Per announced prefix: whether its condition holds (law 4).
    holds: Vec<bool>,
    /// Per check: whether the instance is healthy; nothing is known at first.
    healthy: Vec<Option<bool>>,
    /// The cause of the last refusal to move, told once.
    kept: Cause,
}

/// What the engine knows besides measurements.
pub(crate) struct Facts<'a> {
    pub(crate) config: &'a Config,
    pub(crate) measure: &'a Measure,
    /// Whether any session that speaks for the path is Established.
    pub(crate) signalled: &'a dyn Fn(PathId) -> bool,
    /// Predicted utilisation of each of the service's paths with the whole service on it, and what of
    /// that is the service.
    pub(crate) utilisation: &'a [(Option<f64>, Option<f64>)],
}

impl Steer {
    /// `risks`: what paths of the configuration share ([`Config::shared_risks`]).
    pub(crate) fn new(
        now: Instant,
        config: &Config,
        risks: &[&str],
        id: ServiceId,
        seed: u64,
    ) -> Self {
        let service = &config.services[id.index()];
        let mut selector = config.timing.selector.clone();
        selector.strategy = service.strategy;
        Self {
            id,
            selector: Selector::new(now, selector, seed),
            shared_risks: shared_risks(config, risks, &service.paths),
            weights: crate::load::weights(config, service),
            wanted: Vec::new(),
            holds: service.announce.iter().map(|_| false).collect(),
            healthy: service.checks.iter().map(|_| None).collect(),
            kept: Cause::Kept,
        }
    }

    /// The path the selector wants; none before it chose.
    pub(crate) fn wanted(&self) -> Option<PathId> {
        self.wanted.first().copied()
    }

    /// The paths that the selector wants to carry the service, the leader first; none before it chose.
    pub(crate) fn carry(&self) -> &[PathId] {
        &self.wanted
    }

    /// The last decision.
    pub(crate) fn decision(&self) -> &Decision {
        self.selector.decision()
    }

    /// Whether the `nth` announced prefix's condition holds.
    pub(crate) fn holds(&self, nth: usize) -> bool {
        self.holds.get(nth).copied().unwrap_or(false)
    }

    /// Takes a condition's state; true if it changed.
    pub(crate) fn set_holds(&mut self, nth: usize, holds: bool) -> bool {
        match self.holds.get_mut(nth) {
            Some(before) if *before != holds => {
                *before = holds;
                true
            }
            _ => false,
        }
    }

    /// The state of the `nth` check, if it was ever told.
    pub(crate) fn healthy(&self, nth: usize) -> Option<bool> {
        self.healthy.get(nth).copied().flatten()
    }

    /// Takes a check's result; true if it changed.
    pub(crate) fn set_healthy(&mut self, nth: usize, healthy: bool) -> bool {
        match self.healthy.get_mut(nth) {
            Some(before) if *before != Some(healthy) => before.replace(healthy) != Some(healthy),
            _ => false,
        }
    }

    /// Decides again. Returns the move, if what is wanted changed.
    pub(crate) fn decide(&mut self, now: Instant, facts: &Facts<'_>) -> Option<Move> {
        let candidates = self.candidates(facts);
        let decision = self.selector.decide(now, &candidates);
        let to = path_of(decision.leader?);
        let carry = || decision.carry.iter().copied().map(path_of);
        if carry().eq(self.wanted.iter().copied()) {
            return None;
        }
        let before = core::mem::replace(&mut self.wanted, carry().collect());
        let service = &facts.config.services[self.id.index()];
        let shares = |carry: &[PathId]| crate::load::shares(facts.config, service, carry);
        Some(Move {
            id: 0,
            service: self.id,
            from: before.first().copied(),
            to,
            carry: [shares(&before), shares(&self.wanted)],
            cause: cause(decision, &before, facts.config),
            evidence: evidence(decision, facts),
            alternatives: alternatives(&candidates, decision),
            detected_at: decision.detected_at,
            decided_at: now,
            done: false,
        })
    }

    /// The reason why nothing moves although something is wrong, when it is a new one.
    pub(crate) fn refusal(&mut self) -> Option<&'static str> {
        let cause = self.selector.decision().cause;
        let before = core::mem::replace(&mut self.kept, cause);
        if before == cause {
            return None;
        }
        match cause {
            Cause::SharedFault => Some("every path that could take over fails at the same moment"),
            Cause::Frozen => Some("nothing is measured at present: the last action stands"),
            _ => None,
        }
    }

    /// What each of the service's paths is to it, in the service's order, if these `carry` it. A dead
    /// leader with nothing to yield to keeps its role, unless the operator opted in (law 3).
    pub(crate) fn roles(&self, facts: &Facts<'_>, carry: &[PathId]) -> Vec<Role> {
        let service = &facts.config.services[self.id.index()];
        let nothing_passes = || !service.paths.iter().any(|p| facts.measure.verdict(*p).passes());
        let role = |&path: &PathId| {
            let verdict = facts.measure.verdict(path);
            let given_up = service.withdraw_last && verdict.may_withdraw() && nothing_passes();
            if carry.contains(&path) && !given_up {
                return Role::Leader;
            }
            let compliance = facts.measure.score(path, service).compliance;
            standing(verdict, compliance)
        };
        service.paths.iter().map(role).collect()
    }

    fn candidates(&self, facts: &Facts<'_>) -> Vec<Candidate> {
        let service = &facts.config.services[self.id.index()];
        let passes = |path: &PathId| facts.measure.verdict(*path).passes();
        let leader_passes = self.wanted.is_empty() || self.wanted.iter().any(passes);
        let candidate = |(nth, (&path, &shared_risk)): (usize, (&PathId, &u64))| {
            let at = &facts.config.paths[path.index()];
            Candidate {
                path: pathvane_score::PathId(u32::from(path.0)),
                verdict: *facts.measure.verdict(path),
                score: facts.measure.score(path, service),
                shared_risk,
                instances: self.instances(service, &at.region),
                utilisation: facts.utilisation.get(nth).and_then(|(used, _)| *used),
                load: facts.utilisation.get(nth).and_then(|(_, own)| *own),
                weight: self.weights[nth] as f64,
                cost: f64::from(at.cost),
            }
        };
        // Law 7: while the leader still passes, a symmetric service goes only where the return
        // direction can follow.
        let admissible = |(_, (path, _)): &(usize, (&PathId, &u64))| {
            !service.symmetric
                || !leader_passes
                || self.wanted.contains(path)
                || (facts.signalled)(**path)
        };
        let paths = service.paths.iter().zip(&self.shared_risks).enumerate();
        paths.filter(admissible).map(candidate).collect()
    }

    /// Healthy instances in `region`, and all of them. An instance not heard of counts as healthy.
    pub(crate) fn instances(&self, service: &Service, region: &str) -> (u16, u16) {
        let checks = service.checks.iter().zip(&self.healthy);
        let in_region = checks.filter(|(check, _)| check.region == region);
        in_region.fold((0, 0), |(healthy, all), (_, state)| {
            (healthy + u16::from(*state != Some(false)), all + 1)
        })
    }
}

/// The role of a path that does not lead.
fn standing(verdict: &Verdict, compliance: Compliance) -> Role {
    match verdict.state {
        _ if verdict.may_withdraw() => Role::Out,
        State::Down | State::Degraded | State::Recovering | State::Suppressed | State::Admin => {
            Role::Degraded
        }
        State::Init | State::Up | State::Suspect if compliance == Compliance::Violates => {
            Role::Degraded
        }
        State::Init | State::Up | State::Suspect => Role::Standby,
    }
}

/// What each path shares with others of the configuration, a bit for each of `names`.
fn shared_risks(config: &Config, names: &[&str], paths: &[PathId]) -> Vec<u64> {
    let bits = |path: &PathId| {
        let own = &config.paths[path.index()].shared_risk;
        let bits = names.iter().take(SHARED_RISKS_MAX).enumerate();
        let bits = bits.filter(|(_, name)| own.iter().any(|own| own == *name));
        bits.fold(0, |set, (bit, _)| set | 1 << bit)
    };
    paths.iter().map(bits).collect()
}

/// A path of the selector in our numbers.
pub(crate) fn path_of(path: pathvane_score::PathId) -> PathId {
    PathId(u16::try_from(path.0).unwrap_or(u16::MAX))
}

/// The cause of a move as a sentence; `before`: what carried before.
fn cause(decision: &Decision, before: &[PathId], config: &Config) -> String {
    let name = |path: Option<PathId>| match path {
        Some(path) => config.paths[path.index()].name.as_str(),
        None => "nothing",
    };
    let (from, to) = (name(decision.previous.map(path_of)), name(decision.leader.map(path_of)));
    let told = match decision.cause {
        Cause::First => format!("{to} is the first choice"),
        Cause::LeaderDown => format!("nothing gets through {from}"),
        Cause::LeaderRemoved => format!("{from} was taken out"),
        Cause::LeaderDamped => format!("{from} failed too often lately"),
        Cause::LeaderUnserved => {
            format!("the region of {from} no longer serves: most instances are unhealthy")
        }
        Cause::LeaderViolates => format!("{from} breaks the limits of the class, {to} keeps them"),
        Cause::LeaderFull => format!("{from} is full"),
        Cause::Better => format!("{to} has been better by both margins for long enough"),
        Cause::Preferred => format!("{to} comes earlier in the order and works again"),
        Cause::Joins => {
            let mut carry = decision.carry.iter().copied().map(path_of);
            let joined = carry.find(|path| !before.contains(path));
            let name = joined.map_or(to, |path| config.paths[path.index()].name.as_str());
            format!("{name} works and has room, and carries its part")
        }
        Cause::Kept | Cause::SharedFault | Cause::Waiting | Cause::Frozen => format!("{to} stays"),
    };
    match decision.over {
        Some((full, Rule::Room)) => {
            format!("{told}; {to} has room, {} has not", name(Some(path_of(full))))
        }
        Some((other, Rule::Risk)) => {
            let other = path_of(other);
            let risks = common_risks(config, other, decision.previous.map(path_of));
            format!("{told}; {} shares {risks} with it, {to} does not", name(Some(other)))
        }
        _ => told,
    }
}

/// What a path shares with the one that was left, for people.
fn common_risks(config: &Config, path: PathId, left: Option<PathId>) -> String {
    let risks = |path: PathId| config.paths[path.index()].shared_risk.iter();
    let common = |name: &&String| left.is_some_and(|left| risks(left).any(|of| of == *name));
    risks(path).filter(common).map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" and ")
}

/// The numbers behind a move: the path that was left, and those that carry now.
fn evidence(decision: &Decision, facts: &Facts<'_>) -> String {
    let left = decision.previous.filter(|path| !decision.carry.contains(path));
    let all = left.into_iter().chain(decision.carry.iter().copied());
    let told = all.map(path_of).map(|path| {
        let name = &facts.config.paths[path.index()].name;
        format!("{name}: {}", numbers(facts.measure.verdict(path)))
    });
    told.collect::<Vec<_>>().join("; ")
}

/// A verdict in one line.
pub(crate) fn numbers(verdict: &Verdict) -> String {
    let evidence = &verdict.evidence;
    let mut text = format!("{}", verdict.state);
    if !verdict.reasons.is_empty() {
        text += &format!(" ({})", verdict.reasons);
    }
    text += &format!(", MOS {:.2}", verdict.mos);
    if verdict.n > 0 {
        let Verdict { r_lcb, r_ucb, n, .. } = verdict;
        text += &format!(" (R {r_lcb:.1} to {r_ucb:.1} by {n} probes)");
    }
    text += &format!(
        ", RTT {:.1} ms, jitter {:.1} ms, loss {:.2} %",
        evidence.rtt_ns as f64 / 1e6,
        evidence.jitter_ns as f64 / 1e6,
        f64::from(evidence.loss_ppm) / 1e4,
    );
    if evidence.silent > 0 {
        text += &format!(", {} of {} reflectors silent", evidence.silent, evidence.reflectors);
    }
    text
}

/// The candidates, best first, each with what speaks for or against it.
fn alternatives(candidates: &[Candidate], decision: &Decision) -> Vec<(PathId, String)> {
    let order = decision.carry.iter().chain(&decision.standbys).chain(&decision.out);
    let told = order.filter_map(|id| candidates.iter().find(|candidate| candidate.path == *id));
    told.map(|candidate| {
        let score = &candidate.score;
        let text = format!(
            "{} {:.0} ({:.0} to {:.0}), {}",
            score.class,
            score.value,
            score.lcb,
            score.ucb,
            numbers(&candidate.verdict)
        );
        let text = match candidate.utilisation {
            Some(used) => format!("{text}, {:.0} % of its capacity used", used * 100.0),
            None => text,
        };
        (path_of(candidate.path), text)
    })
    .collect()
}
