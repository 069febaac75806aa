//! Status, peers and paths.

use pathvane_clock::Instant;
use pathvane_engine::config::{Mode, Probe as ProbeConfig, ProbeKind};
use pathvane_engine::{Engine, FullSizeView, Held, PathId, PeerId, Signal, StreamView};
use pathvane_score::Figures;
use pathvane_session::{MessageCounts, Negotiated, Session};
use pathvane_wire::{Family, MAX_LEN_EXTENDED, PeerKind};

use super::super::Shell;
use super::super::dto::{
    self, Delay, Established, FamilyCounts, Faults, FullSize, Kernel, LastError, LongLived, Loss,
    Messages, Path, Peer, Probe, Quantiles, Report, Restart, Status, Told,
};
use super::{ago, families, nanos, path_name, peer_name};
use crate::fib;
use crate::tcp::TcpFacts;

/// The most steered prefixes that are shown per peer; an explanation shows any.
const TOLD: usize = 200;

pub(super) fn status(engine: &Engine, fib: fib::Stats) -> Status {
    let config = engine.config();
    let up = |id: &PeerId| engine.peer(*id).session.established().is_some();
    Status {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        asn: config.asn.0,
        bgp_identifier: config.id.to_string(),
        steering: match engine.mode() {
            Mode::Observe => "observe".to_owned(),
            Mode::Act => "act".to_owned(),
        },
        frozen: engine.frozen(),
        draining: engine.draining(),
        uptime_ns: 0,
        peers: engine.peers().count(),
        established: engine.peers().filter(up).count(),
        prefixes: engine.rib().totals().prefixes,
        kernel: Kernel {
            routes: fib.routes,
            adopted: fib.adopted,
            pending: fib.pending,
            refused: fib.refused,
        },
        last_event: 0,
        events_dropped: 0,
    }
}

pub(super) fn peers(engine: &Engine, shell: Shell<'_>, now: Instant) -> Vec<Peer> {
    engine.peers().map(|id| peer(engine, shell, now, id)).collect()
}

fn peer(engine: &Engine, shell: Shell<'_>, now: Instant, id: PeerId) -> Peer {
    let config = &engine.config().peers[id.index()];
    let view = engine.peer(id);
    let (session, stats) = (view.session, view.session.stats());
    let speaks = |path: &PathId| engine.config().paths[path.index()].announce_via.contains(&id);
    Peer {
        name: config.name.clone(),
        address: config.address,
        asn: config.session.remote_asn.0,
        state: session.state_name().to_owned(),
        state_for_ns: state_for(session, now),
        established: session
            .established()
            .map(|(conn, terms)| established(terms, config.client, (shell.tcp)(conn))),
        paths: engine.config().path_ids().filter(speaks).map(|id| path_name(engine, id)).collect(),
        families: family_counts(engine, id),
        received: messages(&stats.received),
        sent: messages(&stats.sent),
        flaps: stats.flaps,
        last_error: stats
            .last_error
            .as_ref()
            .map(|(at, reason)| LastError { ago_ns: ago(now, *at), reason: reason.to_string() }),
        faults: engine
            .rib()
            .faults(id)
            .map(|known| faults(known, stats.session_resets))
            .unwrap_or_default(),
        closed_for_limit: view.closed.is_some(),
        reopens_in_ns: view.closed.flatten().map(|at| nanos(at.since(now))),
        stale_for_ns: view.stale_until.map(|until| nanos(until.since(now))),
        told: view.told.iter().take(TOLD).map(told).collect(),
    }
}

fn state_for(session: &Session, now: Instant) -> Option<u64> {
    let stats = session.stats();
    let since = if session.established().is_some() { stats.last_up } else { stats.last_down };
    since.map(|since| ago(now, since))
}

fn established(terms: &Negotiated, client: bool, tcp: Option<TcpFacts>) -> Established {
    Established {
        bgp_identifier: terms.remote_id.to_string(),
        internal: terms.kind == PeerKind::Internal,
        route_reflector_client: client,
        hold_time_ns: nanos(terms.hold_time),
        keepalive_ns: nanos(terms.keepalive),
        families: families(terms.families),
        route_refresh: terms.refresh,
        role: terms.remote_role.map(|role| role.name().to_owned()),
        tcp: tcp.map(|facts| dto::Tcp {
            rtt_ns: u64::from(facts.rtt_us) * 1_000,
            min_rtt_ns: u64::from(facts.min_rtt_us) * 1_000,
            retransmits: facts.retransmits,
        }),
        graceful_restart: terms.graceful_restart.as_ref().map(|restart| Restart {
            restart_time_ns: nanos(restart.restart_time),
            families: families(restart.families),
            long_lived: long_lived(&restart.long_lived),
        }),
        four_octet_as: terms.encode.four_octet_as,
        extended_messages: terms.encode.max_len == MAX_LEN_EXTENDED,
        add_path_receive: families(terms.decode.add_path),
        add_path_send: families(terms.encode.add_path),
    }
}

fn long_lived(kept: &pathvane_session::LongLived) -> Vec<LongLived> {
    let of = |family: Family| LongLived {
        family: family.to_string(),
        stale_time_ns: nanos(kept.time(family)),
    };
    kept.families().iter().map(of).collect()
}

fn family_counts(engine: &Engine, id: PeerId) -> Vec<FamilyCounts> {
    let config = &engine.config().peers[id.index()];
    let counts = |family: Family| {
        let counts = engine.rib().counts(id, family);
        let place = usize::from(family == Family::IPV6_UNICAST);
        FamilyCounts {
            family: family.to_string(),
            received: counts.received,
            accepted: counts.accepted,
            stale: counts.stale,
            advertised: counts.advertised,
            limit: config.max_in.most[place],
            advertised_limit: config.max_out[place],
            withheld: engine.rib().withheld(id, family),
        }
    };
    config.session.families.iter().map(counts).collect()
}

fn messages(counts: &MessageCounts) -> Messages {
    Messages {
        open: counts.open,
        update: counts.update,
        notification: counts.notification,
        keepalive: counts.keepalive,
        route_refresh: counts.route_refresh,
    }
}

fn faults(faults: &pathvane_rib::Faults, session_reset: u64) -> Faults {
    let octets = || faults.last_bytes.iter().map(|octet| format!("{octet:02x}")).collect();
    Faults {
        attribute_discard: faults.attribute_discard,
        treat_as_withdraw: faults.treat_as_withdraw,
        session_reset,
        last: faults.last.map(|fault| fault.to_string()),
        last_attributes: faults.last.map(|_| octets()),
        too_many_paths: faults.too_many_paths,
        too_big: faults.too_big,
    }
}

fn told(told: &pathvane_engine::Told) -> Told {
    let (say, med) = said(told.signal);
    Told { prefix: told.prefix, say, med, lowest_held: told.lowest_held }
}

/// A signal in a word, with its MED.
pub(in crate::control) fn said(signal: Option<Signal>) -> (String, Option<u32>) {
    match signal {
        Some(Signal::Announce { med }) => ("announce".to_owned(), Some(med)),
        Some(Signal::Withhold) => ("withhold".to_owned(), None),
        None => ("nothing".to_owned(), None),
    }
}

pub(super) fn paths(engine: &Engine, shell: Shell<'_>, now: Instant) -> Vec<Path> {
    engine.config().path_ids().map(|id| path(engine, shell, now, id)).collect()
}

fn path(engine: &Engine, shell: Shell<'_>, now: Instant, id: PathId) -> Path {
    let config = &engine.config().paths[id.index()];
    let view = engine.path(id);
    let (verdict, evidence) = (view.verdict, &view.verdict.evidence);
    let codec = &engine.config().timing.monitor.codec;
    let streams = config.probes.iter().zip(&view.streams);
    Path {
        name: config.name.clone(),
        region: config.region.clone(),
        shared_risk: config.shared_risk.clone(),
        interface: config.interface.clone(),
        next_hop: config.next_hop,
        probe_source: config.probe_source,
        peers: config.announce_via.iter().map(|id| peer_name(engine, *id)).collect(),
        state: verdict.state.to_string(),
        reasons: verdict.reasons.names().map(str::to_owned).collect(),
        state_for_ns: ago(now, verdict.since),
        grade: verdict.grade.to_string(),
        score: verdict.score,
        mos: verdict.mos,
        r_low: verdict.r_lcb,
        r_high: verdict.r_ucb,
        samples: verdict.n,
        codec: codec.name.to_owned(),
        scale: codec.scale.name().to_owned(),
        provisional: codec.provisional,
        rtt_ns: evidence.rtt_ns,
        usual_rtt_ns: evidence.usual_rtt_ns,
        jitter_ns: evidence.jitter_ns,
        loss_ppm: evidence.loss_ppm,
        usual_loss_ppm: evidence.usual_loss_ppm,
        loss_evidence: evidence.loss_evidence,
        last_reply_ns: evidence.last_reply.map(|at| ago(now, at)),
        reflectors: evidence.reflectors,
        silent: evidence.silent,
        silent_ports: evidence.silent_ports,
        may_withdraw: verdict.may_withdraw(),
        probes: streams.map(|(probe, view)| stream(shell, probe, view)).collect(),
        full_size: view.full_size.map(full_size),
        reports: view
            .reports
            .iter()
            .filter_map(|(held, breaks)| report(held, *breaks, now))
            .collect(),
        reports_displaced: view.reports_displaced,
    }
}

fn report(held: &Held, breaks_limits: bool, now: Instant) -> Option<Report> {
    let report = &held.report;
    (held.until > now).then(|| Report {
        source: report.source.clone(),
        class: report.class.to_string(),
        delay_ns: report.delay.map(nanos),
        jitter_ns: report.jitter.map(nanos),
        loss_ppm: report.loss_ppm,
        mos: report.mos,
        breaks_limits,
        expires_in_ns: nanos(held.until.since(now)),
    })
}

fn full_size(view: FullSizeView) -> FullSize {
    FullSize {
        octets: view.octets,
        path_mtu: view.path_mtu,
        sent: view.counters.sent,
        answered: view.counters.answered + view.counters.late,
        lost: view.counters.lost - view.counters.late,
        send_failed: view.counters.send_failed,
    }
}

fn stream(shell: Shell<'_>, config: &ProbeConfig, view: &StreamView) -> Probe {
    let counters = &view.counters;
    let (kind, target) = match config.kind {
        ProbeKind::Stamp => ("stamp", config.target.to_string()),
        ProbeKind::Icmp => ("icmp", config.target.ip().to_string()),
        ProbeKind::Stun => ("stun", config.target.to_string()),
        ProbeKind::Tcp => ("tcp", config.target.to_string()),
    };
    Probe {
        kind: kind.to_owned(),
        target,
        first_hop: config.first_hop,
        interval_ns: nanos(view.interval),
        sent: counters.sent,
        answered: counters.answered,
        lost: counters.lost,
        late: counters.late,
        reordered: counters.reordered,
        send_failed: counters.send_failed,
        refused: counters.malformed + counters.mismatched + counters.implausible,
        declined: counters.declined,
        mapped: view.mapped,
        ports: config.ports,
        silent_ports: silent(view).filter_map(|nth| (shell.source_port)(view.id, nth)).collect(),
        user_stamped: view.user_stamped,
        unauthenticated: counters.unauthenticated,
        unusable_tlvs: counters.unusable_tlvs,
        remarked_fwd: counters.remarked_fwd,
        remarked_rev: counters.remarked_rev,
        delay: view.figures.last_reply.map(|_| delay(&view.figures)),
        loss: view.figures.last_reply.map(|_| loss(&view.figures)),
    }
}

fn delay(figures: &Figures) -> Delay {
    Delay {
        srtt_ns: figures.srtt_ns,
        rttvar_ns: figures.rttvar_ns,
        least_ns: figures.least_rtt_ns,
        jitter_ns: figures.jitter_ns,
        pdv_ns: quantiles(figures.pdv_ns),
        pdv_fwd_ns: figures.fwd_pdv_ns.map(quantiles),
        pdv_rev_ns: figures.rev_pdv_ns.map(quantiles),
        ipdv_ns: quantiles(figures.ipdv_ns),
    }
}

fn quantiles([p50, p95, p98]: [u64; 3]) -> Quantiles {
    Quantiles { p50, p95, p98 }
}

fn loss(figures: &Figures) -> Loss {
    Loss {
        recent_ppm: figures.loss_ppm,
        usual_ppm: figures.usual_loss_ppm,
        burst_ratio: figures.burst_ratio,
        burst_probes: figures.burst_probes,
        gap_probes: figures.gap_probes,
    }
}

/// The source ports that are silent, by their number.
fn silent(view: &StreamView) -> impl Iterator<Item = u8> + use<> {
    let silent = view.figures.silent_ports;
    (0..16).filter(move |nth| silent >> nth & 1 == 1)
}
