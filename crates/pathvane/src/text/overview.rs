//! Status, peers, paths and services.

use pathvane_speaker::control::dto::{
    Check, Delay, Faults, FullSize, Loss, Path, Peer, Probe, Service, Status,
};

use super::explain::service_paths;
use super::table::Table;
use super::units::{age, count, ms, or_dash, percent};

pub(crate) fn status(status: &Status) -> String {
    let mut lines = vec![
        format!("pathvane {}, AS {}, {}", status.version, status.asn, status.bgp_identifier),
        format!("up {}", age(status.uptime_ns)),
        format!("steering: {}", steering(status)),
        format!("peers: {} of {} Established", status.established, status.peers),
        format!("prefixes: {}", status.prefixes),
    ];
    let kernel = &status.kernel;
    lines.push(format!(
        "kernel: {} of ours, {} waiting, {} kept from an earlier run, {} refused",
        count(kernel.routes, "route"),
        kernel.pending,
        kernel.adopted,
        kernel.refused,
    ));
    if status.events_dropped > 0 {
        lines.push(format!("events lost: {}", status.events_dropped));
    }
    lines.join("\n")
}

fn steering(status: &Status) -> &'static str {
    match (status.draining, status.frozen, status.steering.as_str()) {
        (true, ..) => "leaving",
        (_, true, _) => "frozen (`pathvane unfreeze` lets it move again)",
        (.., "observe") => "observe (moves are recorded, nothing is changed)",
        _ => "act",
    }
}

pub(crate) fn peers(peers: &[Peer]) -> String {
    let headings = [
        "name", "address", "as", "state", "for", "rtt", "received", "accepted", "told", "paths",
        "note",
    ];
    let mut table = Table::new(&headings);
    for peer in peers {
        let sum = |pick: fn(&pathvane_speaker::control::dto::FamilyCounts) -> u32| {
            peer.families.iter().map(pick).sum::<u32>().to_string()
        };
        table.row([
            peer.name.clone(),
            peer.address.to_string(),
            peer.asn.to_string(),
            peer.state.clone(),
            or_dash(peer.state_for_ns.map(age)),
            or_dash(peer.established.as_ref().and_then(|up| Some(ms(up.tcp.as_ref()?.rtt_ns)))),
            sum(|counts| counts.received),
            sum(|counts| counts.accepted),
            sum(|counts| counts.advertised),
            list(&peer.paths),
            peer_note(peer),
        ]);
    }
    table.or("no peers are configured")
}

/// What an operator should know about a peer and would not see in the numbers.
fn peer_note(peer: &Peer) -> String {
    if peer.closed_for_limit {
        return match peer.reopens_in_ns {
            Some(left) => format!("announced too many prefixes; opens again in {}", age(left)),
            None => format!("announced too many prefixes; `pathvane reset {}` opens it", peer.name),
        };
    }
    let withheld: u32 = peer.families.iter().map(|family| family.withheld).sum();
    if withheld > 0 {
        return format!("{withheld} prefixes are withheld: it may be told no more");
    }
    if let Some(left) = peer.stale_for_ns {
        return format!("its routes are kept for {} yet", age(left));
    }
    let Faults { attribute_discard, treat_as_withdraw, session_reset, .. } = &peer.faults;
    let faults = attribute_discard + treat_as_withdraw + session_reset;
    match (&peer.established, &peer.last_error) {
        (None, Some(error)) => format!("{} {} ago", error.reason, age(error.ago_ns)),
        (Some(_), _) if faults > 0 => match &peer.faults.last {
            Some(last) => format!("{faults} faulty UPDATEs, last {last}"),
            None => format!("{faults} faulty UPDATEs"),
        },
        _ => String::new(),
    }
}

pub(crate) fn paths(paths: &[Path]) -> String {
    let headings = [
        "name",
        "state",
        "for",
        "grade",
        "mos",
        "rtt",
        "jitter",
        "loss",
        "reflectors",
        "why",
        "note",
    ];
    let mut table = Table::new(&headings);
    for path in paths {
        let measured = path.last_reply_ns.is_some();
        let if_measured = |text: String| if measured { text } else { "-".to_owned() };
        table.row([
            path.name.clone(),
            path.state.clone(),
            age(path.state_for_ns),
            path.grade.clone(),
            if_measured(format!("{:.2}", path.mos)),
            if_measured(ms(path.rtt_ns)),
            if_measured(ms(path.jitter_ns)),
            if_measured(percent(path.loss_ppm)),
            format!(
                "{} of {} answer",
                path.reflectors.saturating_sub(path.silent),
                path.reflectors
            ),
            path.reasons.join(", "),
            path_note(path),
        ]);
    }
    table.or("no paths are configured")
}

/// A line for each probe stream.
pub(crate) fn probes(paths: &[Path]) -> String {
    let headings = [
        "path", "probe", "srtt", "rttvar", "pdv", "there", "back", "ipdv", "lost", "usually",
        "bursts", "gaps", "burstr",
    ];
    let mut table = Table::new(&headings);
    for path in paths {
        for probe in &path.probes {
            let delay = |pick: fn(&Delay) -> Option<u64>| {
                or_dash(probe.delay.as_ref().and_then(pick).map(ms))
            };
            let loss = |text: fn(&Loss) -> String| or_dash(probe.loss.as_ref().map(text));
            table.row([
                path.name.clone(),
                format!("{} {}", probe.kind, probe.target),
                delay(|it| Some(it.srtt_ns)),
                delay(|it| Some(it.rttvar_ns)),
                delay(|it| Some(it.pdv_ns.p98)),
                delay(|it| it.pdv_fwd_ns.map(|pdv| pdv.p98)),
                delay(|it| it.pdv_rev_ns.map(|pdv| pdv.p98)),
                delay(|it| Some(it.ipdv_ns.p98)),
                loss(|it| percent(it.recent_ppm)),
                loss(|it| percent(it.usual_ppm)),
                loss(|it| format!("{:.1}", it.burst_probes)),
                loss(|it| format!("{:.0}", it.gap_probes)),
                loss(|it| format!("{:.2}", it.burst_ratio)),
            ]);
        }
    }
    table.or("no probes are configured")
}

/// What probes tell beside the figures.
fn path_note(path: &Path) -> String {
    let sum = |pick: fn(&Probe) -> u64| path.probes.iter().map(pick).sum::<u64>();
    let (there, back) = (sum(|probe| probe.remarked_fwd), sum(|probe| probe.remarked_rev));
    let answered = sum(|probe| probe.answered + probe.late);
    let mut notes = Vec::new();
    if path.provisional {
        notes.push(format!("MOS by {} is provisional", path.codec));
    }
    match (there, back) {
        (0, 0) => {}
        (_, 0) => notes.push("DSCP is changed on the way there".to_owned()),
        (0, _) => notes.push("DSCP is changed on the way back".to_owned()),
        (..) => notes.push("DSCP is changed both ways".to_owned()),
    }
    for (count, what) in [
        (sum(|probe| probe.unauthenticated), "answers not signed with our key"),
        (sum(|probe| probe.unusable_tlvs), "answers with extensions not understood"),
        (sum(|probe| probe.send_failed), "probes that could not be sent"),
    ] {
        if count > 0 {
            notes.push(format!("{count} {what}"));
        }
    }
    if let Some(FullSize { octets: Some(octets), path_mtu: Some(mtu), .. }) = path.full_size
        && octets > mtu
    {
        notes.push(format!("takes packets of {mtu} octets, not {octets}"));
    }
    if !path.reports.is_empty() {
        let bad = path.reports.iter().filter(|report| report.breaks_limits).count();
        notes.push(format!("{bad} of {} sources outside say that it is bad", path.reports.len()));
    }
    if path.reports_displaced > 0 {
        notes.push(format!("{} reports from outside made room", path.reports_displaced));
    }
    // As many as the event of that name waits for.
    let mute =
        |probe: &&Probe| probe.first_hop && probe.lost >= 100 && probe.answered + probe.late == 0;
    if let Some(hop) = path.probes.iter().find(mute) {
        notes.push(format!("the first hop {} answers no probes", hop.target));
    }
    let ours = sum(|probe| probe.user_stamped);
    if ours > 0 {
        notes.push(format!("{ours} of {answered} times are not the kernel's"));
    }
    notes.join("; ")
}

pub(crate) fn services(services: &[Service]) -> String {
    if services.is_empty() {
        return "no services are configured".to_owned();
    }
    services.iter().map(service).collect::<Vec<_>>().join("\n")
}

fn service(service: &Service) -> String {
    let mut out = format!("{} ({}, {})\n", service.name, service.class, service.strategy);
    out += &service_paths(service);
    for announced in &service.announced {
        let state = if announced.holds { "holds" } else { "does not hold, so it is not announced" };
        out += &format!("  announces {}: {} {state}\n", announced.prefix, announced.condition);
    }
    if !service.reach.is_empty() {
        let reach: Vec<String> = service.reach.iter().map(ToString::to_string).collect();
        out += &format!("  reaches {}\n", reach.join(", "));
    }
    for check in &service.checks {
        let state = match check.healthy {
            Some(true) => "healthy",
            Some(false) => "unhealthy",
            None => "not heard of yet",
        };
        out += &format!("  check {} in {}: {state}{}\n", check.name, check.region, took(check));
    }
    out
}

/// How long the last answer took, and what was said.
fn took(check: &Check) -> String {
    let mut told: Vec<String> = check.detail.iter().cloned().collect();
    told.extend(check.first_byte_ns.map(|ns| format!("first byte after {}", ms(ns))));
    told.extend(check.response_ns.map(|ns| format!("whole answer after {}", ms(ns))));
    if told.is_empty() { String::new() } else { format!(" ({})", told.join(", ")) }
}

fn list(words: &[String]) -> String {
    if words.is_empty() { "-".to_owned() } else { words.join(",") }
}
