//! Status, peers, paths and services.

use core::net::{IpAddr, SocketAddr};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

/// `GET /v1/status`
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Status {
    /// The version of the software.
    pub version: String,
    /// Our AS number.
    pub asn: u32,
    /// Our BGP Identifier.
    pub bgp_identifier: String,
    /// `observe` or `act`.
    pub steering: String,
    /// Whether the operator stopped all moves.
    pub frozen: bool,
    /// Whether the speaker is leaving.
    pub draining: bool,
    /// Since the process started.
    pub uptime_ns: u64,
    /// Configured peers.
    pub peers: usize,
    /// Those of them that are Established.
    pub established: usize,
    /// Prefixes in the tables.
    pub prefixes: u32,
    /// Our routes in the kernel.
    pub kernel: Kernel,
    /// The latest event; 0 before the first.
    pub last_event: u64,
    /// Events lost because the slow side did not keep up.
    pub events_dropped: u64,
}

/// Our routes in the kernel; all zero where next hops are only reported.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Kernel {
    /// Routes of ours.
    pub routes: usize,
    /// Those of them left by an earlier run and not yet named by this one.
    pub adopted: usize,
    /// Routes that wait to be written.
    pub pending: usize,
    /// Refusals since the start.
    pub refused: u64,
}

/// One element of `GET /v1/peers`
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Peer {
    /// The name operators use.
    pub name: String,
    /// Its address.
    pub address: IpAddr,
    /// Its AS number.
    pub asn: u32,
    /// State of RFC 4271 section 8.2.2.
    pub state: String,
    /// Time since the session last came up or went down; absent if it never was up.
    pub state_for_ns: Option<u64>,
    /// What was negotiated, while Established.
    pub established: Option<Established>,
    /// The paths this session speaks for.
    pub paths: Vec<String>,
    /// Routes by family.
    pub families: Vec<FamilyCounts>,
    /// Messages received.
    pub received: Messages,
    /// Messages sent.
    pub sent: Messages,
    /// How often the session left Established.
    pub flaps: u32,
    /// Why the session or an attempt last ended.
    pub last_error: Option<LastError>,
    /// Faulty UPDATEs.
    pub faults: Faults,
    /// The session was closed for its limit of prefixes.
    #[serde(default)]
    pub closed_for_limit: bool,
    /// ... and is opened again after this time; absent: when the operator resets it.
    #[serde(default)]
    pub reopens_in_ns: Option<u64>,
    /// How long routes of the lost session are kept yet (RFC 4724).
    pub stale_for_ns: Option<u64>,
    /// What it was told about steered prefixes, the first 200.
    pub told: Vec<Told>,
}

/// The terms of an Established session.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Established {
    /// The peer's BGP Identifier.
    pub bgp_identifier: String,
    /// Whether the peer is of our AS.
    pub internal: bool,
    /// Whether routes of our AS are reflected to it (RFC 4456).
    #[serde(default)]
    pub route_reflector_client: bool,
    /// The hold time; 0 for none.
    pub hold_time_ns: u64,
    /// Time between two KEEPALIVEs.
    pub keepalive_ns: u64,
    /// Families both sides offered.
    pub families: Vec<String>,
    /// Route refresh (RFC 2918).
    pub route_refresh: bool,
    /// What the peer says it is to us (RFC 9234).
    #[serde(default)]
    pub role: Option<String>,
    /// The peer's graceful restart (RFC 4724).
    pub graceful_restart: Option<Restart>,
    /// AS numbers of four octets (RFC 6793).
    #[serde(default)]
    pub four_octet_as: bool,
    /// Messages of up to 65,535 octets, both ways (RFC 8654).
    #[serde(default)]
    pub extended_messages: bool,
    /// Families in which the peer may send several routes for one prefix (RFC 7911).
    #[serde(default)]
    pub add_path_receive: Vec<String>,
    /// Families in which the peer is told several routes for one prefix (RFC 7911).
    #[serde(default)]
    pub add_path_send: Vec<String>,
    /// What TCP has seen of the way to the peer. A fact for people: it moves nothing.
    #[serde(default)]
    pub tcp: Option<Tcp>,
}

/// What TCP has seen of the way to a peer.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Tcp {
    /// Smoothed round-trip time; delayed acknowledgements are in it.
    pub rtt_ns: u64,
    /// The least round-trip time of late; zero if unknown.
    pub min_rtt_ns: u64,
    /// Segments sent again since the connection began.
    pub retransmits: u32,
}

/// A peer's graceful restart.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Restart {
    /// How long we wait for it to come back.
    pub restart_time_ns: u64,
    /// Families whose routes are kept meanwhile.
    pub families: Vec<String>,
    /// For how long routes are kept after that (RFC 9494).
    #[serde(default)]
    pub long_lived: Vec<LongLived>,
}

/// For how long stale routes of one family are kept beyond the restart time.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct LongLived {
    /// The family.
    pub family: String,
    /// The time: what the peer asks for, up to `long_lived_stale_time`.
    pub stale_time_ns: u64,
}

/// Routes of a peer in one family.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct FamilyCounts {
    /// The family.
    pub family: String,
    /// Routes in the Adj-RIB-In.
    pub received: u32,
    /// Candidates among them.
    pub accepted: u32,
    /// Kept from a session that is gone.
    pub stale: u32,
    /// Prefixes in the Adj-RIB-Out.
    pub advertised: u32,
    /// Prefixes that the peer may announce.
    #[serde(default)]
    pub limit: Option<u32>,
    /// Prefixes that the peer may be told.
    #[serde(default)]
    pub advertised_limit: Option<u32>,
    /// Prefixes that are withheld for that.
    #[serde(default)]
    pub withheld: u32,
}

/// Messages in one direction.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Messages {
    /// OPEN.
    pub open: u64,
    /// UPDATE.
    pub update: u64,
    /// NOTIFICATION.
    pub notification: u64,
    /// KEEPALIVE.
    pub keepalive: u64,
    /// ROUTE-REFRESH.
    pub route_refresh: u64,
}

/// Why a session or an attempt ended.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct LastError {
    /// How long ago.
    pub ago_ns: u64,
    /// Who closed and why.
    pub reason: String,
}

/// Faulty UPDATEs (RFC 7606).
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Faults {
    /// UPDATEs from which an attribute was dropped.
    pub attribute_discard: u64,
    /// UPDATEs whose routes were handled as withdrawn.
    pub treat_as_withdraw: u64,
    /// UPDATEs that ended the session.
    pub session_reset: u64,
    /// The last fault that the session survived.
    pub last: Option<String>,
    /// The attributes of that UPDATE in hexadecimal, less MP_REACH_NLRI and MP_UNREACH_NLRI, at
    /// most 512 octets.
    pub last_attributes: Option<String>,
    /// Routes dropped because the peer sent too many for one prefix (RFC 7911).
    pub too_many_paths: u64,
    /// Routes withheld from the peer because they do not fit into one of its messages.
    pub too_big: u64,
}

/// What a peer was told about one steered prefix.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Told {
    /// The prefix.
    pub prefix: IpNet,
    /// `announce`, `withhold`, or `nothing` yet on this session.
    pub say: String,
    /// The MED, if announced.
    pub med: Option<u32>,
    /// The lowest MED the peer may still hold.
    pub lowest_held: Option<u32>,
}

/// One element of `GET /v1/paths`
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Path {
    /// The name operators use.
    pub name: String,
    /// The cloud region it reaches.
    pub region: String,
    /// What it may fail of together with other paths that name the same.
    #[serde(default)]
    pub shared_risk: Vec<String>,
    /// The interface, if pinned.
    pub interface: Option<String>,
    /// The next hop.
    pub next_hop: IpAddr,
    /// The source of probes.
    pub probe_source: IpAddr,
    /// The sessions that speak for it.
    pub peers: Vec<String>,
    /// The verdict's state.
    pub state: String,
    /// The verdict's reasons.
    pub reasons: Vec<String>,
    /// Time in this state.
    pub state_for_ns: u64,
    /// The voice grade: A, B, C, D or down.
    pub grade: String,
    /// The score for the neediest class that uses the path: for voice R of the E-model, up to 93.2 (129 on the
    /// wideband scale), else 0 to 100.
    pub score: f64,
    /// The mean opinion score of a call with `codec`, 1 to 4.5.
    pub mos: f64,
    /// R of that call at worst and at best, as far as the samples tell.
    #[serde(default)]
    pub r_low: f64,
    /// See `r_low`.
    #[serde(default)]
    pub r_high: f64,
    /// How many probes the scores rest on.
    #[serde(default)]
    pub samples: u32,
    /// What calls are scored for. Scores of different codecs are not to be compared.
    #[serde(default)]
    pub codec: String,
    /// The scale of R and MOS: `narrowband`, `wideband`. Figures of different scales say nothing about each other.
    #[serde(default)]
    pub scale: String,
    /// The codec's impairment is no ITU figure.
    #[serde(default)]
    pub provisional: bool,
    /// Smoothed round-trip delay.
    pub rtt_ns: u64,
    /// What the round-trip delay usually is.
    pub usual_rtt_ns: u64,
    /// Interarrival jitter.
    pub jitter_ns: u64,
    /// Recent round-trip loss.
    pub loss_ppm: u32,
    /// What the loss usually is.
    pub usual_loss_ppm: u32,
    /// The share of what an alarm of loss takes that is there, from 0; at 1 it is raised.
    #[serde(default)]
    pub loss_evidence: f32,
    /// Age of the newest reply; absent before the first.
    pub last_reply_ns: Option<u64>,
    /// Reflectors measured.
    pub reflectors: u8,
    /// Those of them that are silent.
    pub silent: u8,
    /// Source ports that are silent while others are answered: broken members of bundles.
    #[serde(default)]
    pub silent_ports: u8,
    /// Whether silence may withdraw: the path is down and that is certain.
    pub may_withdraw: bool,
    /// Its probe streams.
    pub probes: Vec<Probe>,
    /// Its full-size probes, if it has them.
    #[serde(default)]
    pub full_size: Option<FullSize>,
    /// What was said of it from outside and holds yet.
    #[serde(default)]
    pub reports: Vec<Report>,
    /// How many such reports had to make room for newer ones before their time.
    #[serde(default)]
    pub reports_displaced: u64,
}

/// A measurement of a path from outside.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Report {
    /// Who measured.
    pub source: String,
    /// The class of the traffic.
    pub class: String,
    /// One-way delay.
    pub delay_ns: Option<u64>,
    /// Delay variation, as the source understands it.
    pub jitter_ns: Option<u64>,
    /// Loss.
    pub loss_ppm: Option<u32>,
    /// Mean opinion score.
    pub mos: Option<f64>,
    /// A limit of the class is broken.
    pub breaks_limits: bool,
    /// How long it holds yet.
    pub expires_in_ns: u64,
}

/// The full-size probes of a path, which nobody may fragment.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct FullSize {
    /// Octets of the IP packets sent; absent while no size is known.
    pub octets: Option<u16>,
    /// The largest packet that the path takes as far as the kernel knows.
    pub path_mtu: Option<u16>,
    /// Probes written.
    pub sent: u64,
    /// Answered in time.
    pub answered: u64,
    /// Not answered in time.
    pub lost: u64,
    /// Probes that could not be sent: larger than what the path takes.
    pub send_failed: u64,
}

/// One probe stream.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Probe {
    /// `stamp`, `icmp` or `stun`.
    pub kind: String,
    /// The far end; without a port for ICMP.
    pub target: String,
    /// It goes to the first hop of the path, and tells nothing but on which side of it a fault is.
    #[serde(default)]
    pub first_hop: bool,
    /// Time between two probes now.
    pub interval_ns: u64,
    /// Probes written.
    pub sent: u64,
    /// Answered in time.
    pub answered: u64,
    /// Not answered in time.
    pub lost: u64,
    /// Of the lost, those answered later.
    pub late: u64,
    /// Answers overtaken by a later one's.
    pub reordered: u64,
    /// Probes that could not be sent.
    pub send_failed: u64,
    /// Answers that were not to be believed: forged, malformed, or of impossible times.
    pub refused: u64,
    /// Answers that were STUN error responses; they prove the path all the same.
    #[serde(default)]
    pub declined: u64,
    /// The address by which the STUN server sees our probes.
    #[serde(default)]
    pub mapped: Option<SocketAddr>,
    /// Source ports used in turn.
    #[serde(default)]
    pub ports: u8,
    /// Those of them that are silent while others are answered, by their UDP numbers.
    #[serde(default)]
    pub silent_ports: Vec<u16>,
    /// Answers whose times are not both the kernel's, and so less exact.
    #[serde(default)]
    pub user_stamped: u64,
    /// Answers that our key did not sign; only with a key.
    #[serde(default)]
    pub unauthenticated: u64,
    /// Answers with extensions that the reflector did not understand, or that were damaged.
    #[serde(default)]
    pub unusable_tlvs: u64,
    /// Answers whose probe arrived with another DSCP than it was sent with.
    #[serde(default)]
    pub remarked_fwd: u64,
    /// Answers that came back with another DSCP than was asked for.
    #[serde(default)]
    pub remarked_rev: u64,
    /// What its answers took; absent before the first.
    #[serde(default)]
    pub delay: Option<Delay>,
    /// What it loses, late answers not counted; absent before the first answer.
    #[serde(default)]
    pub loss: Option<Loss>,
}

/// The delay of a probe stream and how it varies.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Delay {
    /// Smoothed round-trip delay (RFC 6298).
    pub srtt_ns: u64,
    /// Its smoothed deviation.
    pub rttvar_ns: u64,
    /// The least round-trip delay of the last half to one minute.
    pub least_ns: u64,
    /// Interarrival jitter (RFC 3550).
    pub jitter_ns: u64,
    /// By how much round trips exceed the least (RFC 5481 PDV).
    pub pdv_ns: Quantiles,
    /// The same of the way to the reflector; absent if it has no clock.
    pub pdv_fwd_ns: Option<Quantiles>,
    /// The same of the way back.
    pub pdv_rev_ns: Option<Quantiles>,
    /// By how much round trips of neighbours differ (RFC 5481 IPDV).
    pub ipdv_ns: Quantiles,
}

/// Three quantiles of the last seconds.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Quantiles {
    /// The median.
    pub p50: u64,
    /// The 95th percentile.
    pub p95: u64,
    /// The 98th percentile.
    pub p98: u64,
}

/// The losses of a probe stream and how they cluster.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub struct Loss {
    /// Recent loss, of seconds.
    pub recent_ppm: u32,
    /// Usual loss, of minutes.
    pub usual_ppm: u32,
    /// Length of bursts over that of random losses (BurstR of ITU-T G.107).
    pub burst_ratio: f64,
    /// Probes usually lost in a row.
    pub burst_probes: f64,
    /// Probes usually answered between two bursts.
    pub gap_probes: f64,
}

/// One element of `GET /v1/services`
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Service {
    /// The name operators use.
    pub name: String,
    /// Its class.
    pub class: String,
    /// `best`, `ordered` or `balance`.
    pub strategy: String,
    /// The path that carries it; of several the first in the operator's order.
    pub leader: Option<String>,
    /// The paths that carry it, the leader first.
    #[serde(default)]
    pub carry: Vec<String>,
    /// How much of the traffic each of these carries, relative to the others.
    #[serde(default)]
    pub weights: Vec<u8>,
    /// The path that should; differs while observing or frozen.
    pub wanted: Option<String>,
    /// Why the leader leads, in a sentence.
    pub cause: String,
    /// The next best path when the leader was chosen, and what decided between the two.
    #[serde(default)]
    pub over: Option<Over>,
    /// Its paths in the operator's order.
    pub paths: Vec<ServicePath>,
    /// What it announces.
    pub announced: Vec<Announced>,
    /// What it reaches.
    pub reach: Vec<IpNet>,
    /// Its instance health checks.
    pub checks: Vec<Check>,
}

/// What one path is to a service.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct ServicePath {
    /// The path.
    pub path: String,
    /// `leader`, `standby`, `degraded` or `out`.
    pub role: String,
    /// Why it has that role, in a sentence.
    pub why: String,
    /// Its score for the service's class, 0 to 100.
    pub score: f64,
    /// The pessimistic end of what the samples allow.
    pub score_low: f64,
    /// The optimistic end.
    pub score_high: f64,
    /// The grade of the score.
    pub grade: String,
    /// `complies`, `violates` or `unsure`.
    pub compliance: String,
    /// The limits it breaks.
    pub violations: Vec<String>,
    /// The share of its capacity that is taken with the service on it; absent if that is not known.
    #[serde(default)]
    pub utilisation: Option<f64>,
}

/// What a leader was taken before, and for what.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Over {
    /// The other path.
    pub path: String,
    /// The first in which they differed: `standing`, `limits`, `room`, `risk`, `score` or `order`.
    pub rule: String,
}

/// One announced prefix.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Announced {
    /// The prefix.
    pub prefix: IpNet,
    /// Its condition, as configured.
    pub condition: String,
    /// Whether it holds.
    pub holds: bool,
}

/// One instance health check.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Check {
    /// Its name.
    pub name: String,
    /// The region of the instance.
    pub region: String,
    /// The last result; absent before the first.
    pub healthy: Option<bool>,
    /// What the instance said last, or what went wrong.
    #[serde(default)]
    pub detail: Option<String>,
    /// Age of that.
    #[serde(default)]
    pub answered_ago_ns: Option<u64>,
    /// Time from the last question to the head of its answer; HTTP only.
    #[serde(default)]
    pub first_byte_ns: Option<u64>,
    /// Time from the last question to the end of its answer, or to the failure.
    #[serde(default)]
    pub response_ns: Option<u64>,
}
