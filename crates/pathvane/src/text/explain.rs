//! Why things are as they are.

use pathvane_speaker::control::dto::{Candidate, ExplainPrefix, Recipient, Service, shares};

use super::routes::attributes;
use super::table::Table;

/// The paths of a service, each with what it is to it and why.
pub(super) fn service_paths(service: &Service) -> String {
    let mut table =
        Table::new(&["path", "role", "score", "range", "grade", "limits", "why"]).indented(2);
    for path in &service.paths {
        table.row([
            path.path.clone(),
            path.role.clone(),
            format!("{:.0}", path.score),
            format!("{:.0} to {:.0}", path.score_low, path.score_high),
            path.grade.clone(),
            path.compliance.clone(),
            path.why.clone(),
        ]);
    }
    table.or("no paths")
}

pub(crate) fn explain_service(service: &Service) -> String {
    let mut out = match (&service.leader, &service.wanted) {
        (Some(_), _) if service.carry.len() > 1 => {
            let carry = shares(&service.carry, &service.weights);
            format!("{} goes over {carry}: {}.\n", service.name, service.cause)
        }
        (Some(leader), _) => {
            format!("{} goes over {leader}: {}.\n", service.name, service.cause)
        }
        (None, Some(wanted)) => {
            format!("{} should go over {wanted}, but nothing is carried out.\n", service.name)
        }
        (None, None) => format!("{} has no leader yet.\n", service.name),
    };
    if let (Some(leader), Some(wanted)) = (&service.leader, &service.wanted)
        && leader != wanted
    {
        out += &format!("It would move to {wanted} if moves were carried out.\n");
    }
    if let Some(over) = &service.over {
        let why = match over.rule.as_str() {
            "standing" => "the other was not fit to lead",
            "limits" => "it kept the limits of the class, the other did not",
            "room" => "it had room, the other had not",
            "risk" => "it shared no risk with the path that failed, the other did",
            "score" => "its score was better",
            _ => "it comes earlier in the order",
        };
        out += &format!("It was taken before {}: {why}.\n", over.path);
    }
    out += match service.strategy.as_str() {
        "ordered" => "The first path in the order that works leads.\n\n",
        "balance" => "All paths that keep the limits and have room carry it.\n\n",
        _ => "The path with the best score leads; the order decides ties.\n\n",
    };
    out += &service_paths(service);
    for announced in service.announced.iter().filter(|announced| !announced.holds) {
        out += &format!(
            "\n{} is not announced anywhere: its condition {} does not hold.\n",
            announced.prefix, announced.condition
        );
    }
    out
}

pub(crate) fn explain_prefix(explained: &ExplainPrefix) -> String {
    let mut out = format!("{}\n", explained.prefix);
    if explained.asked != explained.prefix {
        let covers = "is the longest prefix here that covers";
        out = format!("{} {covers} {}\n", explained.prefix, explained.asked);
    }
    if let Some(service) = &explained.service {
        out += &format!("  steered by service {service}; `pathvane explain {service}` says how\n");
    }
    out += "\nRoutes:\n";
    if explained.candidates.is_empty() {
        out += "  none: no peer announced this prefix and we do not originate it\n";
    }
    for (at, candidate) in explained.candidates.iter().enumerate() {
        out += &route(at + 1, candidate);
    }
    out += "\nTold to peers:\n";
    for recipient in &explained.recipients {
        out += &told(recipient);
    }
    out
}

fn route(number: usize, candidate: &Candidate) -> String {
    let Candidate { route, outcome, why, sharing } = candidate;
    let verdict = match outcome.as_str() {
        "best" => format!("BEST: {why}"),
        other => format!("{other}: {why}"),
    };
    let sharing = sharing.as_ref().map_or(String::new(), |sharing| format!("; {sharing}"));
    let mut out = format!("  {number}. from {}: {verdict}{sharing}\n", route.peer);
    out += &format!("     {}\n", attributes(route));
    if let Some(preference) = route.preference {
        let offset = match route.offset {
            0 => String::new(),
            offset => format!(" ({offset:+} of it by measurement)"),
        };
        let stale = if route.stale { "; stale: not sent again yet" } else { "" };
        out += &format!("     degree of preference {preference}{offset}{stale}\n");
    }
    if let Some(originator) = &route.originator_id {
        let clusters = route.cluster_list.join(" ");
        out += &format!("     reflected: originator {originator}, clusters {clusters}\n");
    }
    out
}

fn told(recipient: &Recipient) -> String {
    match (&recipient.route, &recipient.why_not) {
        (Some(route), _) => {
            let pending = if route.pending { " (something newer is on its way)" } else { "" };
            format!("  {}: {}{pending}\n", recipient.peer, attributes(route))
        }
        (None, Some(why)) => format!("  {}: nothing: {why}\n", recipient.peer),
        (None, None) => format!("  {}: nothing\n", recipient.peer),
    }
}
