//! Services, and why each of their paths is what it is.

use pathvane_clock::Instant;
use pathvane_engine::config::Condition;
use pathvane_engine::{Engine, PathId, Role, ServiceId, ServiceView};
use pathvane_score::{Cause, ClassScore, Compliance, Rule, State, Strategy, Verdict, Violations};

use super::super::dto::{Announced, Check, Over, Service, ServicePath};
use super::super::{Checked, Shell};
use super::{ago, nanos, path_name, peer_name};

pub(super) fn services(engine: &Engine, shell: Shell<'_>, now: Instant) -> Vec<Service> {
    engine.config().service_ids().map(|id| service(engine, shell, now, id)).collect()
}

fn service(engine: &Engine, shell: Shell<'_>, now: Instant, id: ServiceId) -> Service {
    let config = &engine.config().services[id.index()];
    let view = engine.service(id);
    let conditions = config.announce.iter().zip(&view.announced);
    let checks = (0u16..).zip(config.checks.iter().zip(&view.healthy));
    let paths = view.paths.iter().map(|(path, role, score)| ServicePath {
        path: path_name(engine, *path),
        role: role.word().to_owned(),
        why: why(engine, &view, (id, *path), *role, score),
        score: score.value,
        score_low: score.lcb,
        score_high: score.ucb,
        grade: score.grade.to_string(),
        compliance: compliance(score.compliance).to_owned(),
        violations: violations(score.violations).into_iter().map(str::to_owned).collect(),
        utilisation: engine.utilisation(id, *path),
    });
    Service {
        name: config.name.clone(),
        class: engine.config().class_name(config).to_owned(),
        strategy: strategy(config.strategy).to_owned(),
        leader: view.leader.map(|id| path_name(engine, id)),
        carry: view.carry.iter().map(|share| path_name(engine, share.path)).collect(),
        weights: view.carry.iter().map(|share| share.weight).collect(),
        wanted: view.wanted.map(|id| path_name(engine, id)),
        cause: cause(engine, &view, config.strategy).to_owned(),
        over: view.decision.over.map(|(path, rule)| over(engine, path, rule)),
        paths: paths.collect(),
        announced: conditions
            .map(|(announce, (prefix, holds))| Announced {
                prefix: *prefix,
                condition: condition(engine, &announce.condition),
                holds: *holds,
            })
            .collect(),
        reach: config.reach.clone(),
        checks: checks
            .map(|(nth, (config, healthy))| {
                check(config, *healthy, (shell.checked)(id, nth).as_ref(), now)
            })
            .collect(),
    }
}

fn check(
    config: &pathvane_engine::config::Check,
    healthy: Option<bool>,
    last: Option<&Checked>,
    now: Instant,
) -> Check {
    Check {
        name: config.name.clone(),
        region: config.region.clone(),
        healthy,
        detail: last.map(|last| last.outcome.detail.clone()),
        answered_ago_ns: last.map(|last| ago(now, last.at)),
        first_byte_ns: last.and_then(|last| last.outcome.first_byte.map(nanos)),
        response_ns: last.map(|last| nanos(last.outcome.response_time)),
    }
}

const fn strategy(strategy: Strategy) -> &'static str {
    match strategy {
        Strategy::Best => "best",
        Strategy::Ordered => "ordered",
        Strategy::Balance => "balance",
    }
}

const fn compliance(compliance: Compliance) -> &'static str {
    match compliance {
        Compliance::Complies => "complies",
        Compliance::Unsure => "unsure",
        Compliance::Violates => "violates",
    }
}

fn violations(broken: Violations) -> Vec<&'static str> {
    let named = [
        (broken.score, "score"),
        (broken.loss, "loss"),
        (broken.delay_variation, "delay-variation"),
        (broken.rtt, "rtt"),
        (broken.mtu, "mtu"),
        (broken.reported, "reported"),
    ];
    named.into_iter().filter(|(broken, _)| *broken).map(|(_, name)| name).collect()
}

fn condition(engine: &Engine, condition: &Condition) -> String {
    match condition {
        Condition::KernelRoute => "kernel-route".to_owned(),
        Condition::PeerRoute(peer) => format!("peer-route:{}", peer_name(engine, *peer)),
        Condition::InterfaceUp(name) => format!("interface-up:{name}"),
    }
}

/// Why the leader leads, in a sentence about it.
fn cause(engine: &Engine, view: &ServiceView<'_>, strategy: Strategy) -> &'static str {
    let usable = view.leader.is_some_and(|leader| engine.path(leader).verdict.usable());
    match view.decision.cause {
        Cause::Kept if !usable => "no path is fit to take over, so it stays",
        Cause::Kept => match strategy {
            Strategy::Best => "no other path is better by enough, for long enough",
            Strategy::Ordered => "no earlier path of the order is fit to take over",
            Strategy::Balance => "all paths that are fit to carry it do",
        },
        Cause::First => "it was the first choice",
        Cause::LeaderDown => "nothing got through the leader before it",
        Cause::LeaderRemoved => "the leader before it was taken out",
        Cause::LeaderDamped => "the leader before it failed too often",
        Cause::LeaderUnserved => "the region of the leader before it no longer served",
        Cause::LeaderViolates => "the leader before it broke the limits of the class",
        Cause::LeaderFull => "the leader before it was full",
        Cause::Better => "it was better by both margins for long enough",
        Cause::Preferred => "it comes earlier in the order and works",
        Cause::Joins => "one that works and has room came in",
        Cause::SharedFault => {
            "every path that could take over fails at the same moment, so it stays"
        }
        Cause::Waiting => {
            "the others gave no sign of life since its fault began: they are waited for"
        }
        Cause::Frozen => "nothing is measured at present, so it stays",
    }
}

/// Which path the leader was taken before, and for what.
fn over(engine: &Engine, path: pathvane_score::PathId, rule: Rule) -> Over {
    let name = |id: PathId| path_name(engine, id);
    let other = engine.config().path_ids().find(|id| u32::from(id.0) == path.0);
    let rule = match rule {
        Rule::Standing => "standing",
        Rule::Limits => "limits",
        Rule::Room => "room",
        Rule::Risk => "risk",
        Rule::Score => "score",
        Rule::Order => "order",
    };
    Over { path: other.map(name).unwrap_or_default(), rule: rule.to_owned() }
}

/// Why a path is what it is to the service, in a sentence.
fn why(
    engine: &Engine,
    view: &ServiceView<'_>,
    (service, path): (ServiceId, PathId),
    role: Role,
    score: &ClassScore,
) -> String {
    let trouble = trouble(engine.path(path).verdict).map(|text| match engine.place_text(path) {
        Some(place) => format!("{text}: {place}"),
        None => text,
    });
    // The way may work and its end not.
    let trouble = trouble.or_else(|| engine.place_text(path));
    let used = engine.utilisation(service, path);
    let full = used.filter(|_| !engine.has_room(used)).map(|used| format!("{:.0} %", used * 100.0));
    let trouble = trouble.or(full
        .clone()
        .filter(|_| role == Role::Leader)
        .map(|used| format!("it is full: {used} of its capacity is taken")));
    if role == Role::Leader {
        return trouble.map_or("carries the traffic".to_owned(), |trouble| {
            format!("carries the traffic, though {trouble}")
        });
    }
    if view.wanted == Some(path) && view.leader != Some(path) {
        return "would lead, but moves are not carried out".to_owned();
    }
    if let Some(trouble) = trouble {
        return trouble;
    }
    if score.compliance == Compliance::Violates {
        return format!(
            "breaks the limits of its class: {}",
            violations(score.violations).join(", ")
        );
    }
    if let Some(used) = full {
        return format!(
            "works, but has no room: with the service {used} of its capacity were taken"
        );
    }
    let leader = view.leader.and_then(|id| view.paths.iter().find(|(path, ..)| *path == id));
    match leader {
        Some((_, _, leading)) => {
            format!("works; scores {:.0}, the leader {:.0}", score.value, leading.value)
        }
        None => "works".to_owned(),
    }
}

/// What speaks against a path in its own state, if anything does.
fn trouble(verdict: &Verdict) -> Option<String> {
    let reasons = match verdict.reasons.is_empty() {
        true => String::new(),
        false => format!(" ({})", verdict.reasons),
    };
    let text = match verdict.state {
        State::Up | State::Suspect => return None,
        State::Init => "too little was measured yet",
        State::Degraded => "it works badly",
        State::Down if verdict.may_withdraw() => "nothing gets through, and that is certain",
        State::Down => "nothing ever got through: perhaps the probes are wrong",
        State::Recovering => "it works again, not yet for long enough",
        State::Suppressed => "it failed too often lately",
        State::Admin => "the operator took it out",
    };
    Some(format!("{text}{reasons}"))
}
