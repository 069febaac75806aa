//! Routes and why they are what they are.

use core::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

/// `GET /v1/routes`
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Routes {
    /// The routes.
    pub routes: Vec<Route>,
    /// Where to go on; absent at the end.
    pub cursor: Option<String>,
}

/// One route.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Route {
    /// The prefix.
    pub prefix: IpNet,
    /// Who announced it, or who was told; `local` for our own.
    pub peer: String,
    /// Its next hop; absent for our own.
    pub next_hop: Option<IpAddr>,
    /// ADD-PATH identifier; 0 without.
    pub path_id: u32,
    /// ORIGIN.
    pub origin: String,
    /// AS_PATH.
    pub as_path: String,
    /// MULTI_EXIT_DISC.
    pub med: Option<u32>,
    /// LOCAL_PREF.
    pub local_pref: Option<u32>,
    /// Communities, extended and large ones included.
    pub communities: Vec<String>,
    /// ORIGINATOR_ID, of a route that was reflected (RFC 4456).
    #[serde(default)]
    pub originator_id: Option<String>,
    /// CLUSTER_LIST: the reflectors it came through, the last one first.
    #[serde(default)]
    pub cluster_list: Vec<String>,
    /// Degree of preference, offset included; absent in the Adj-RIB-Out.
    pub preference: Option<u32>,
    /// What measurement added to it.
    pub offset: i32,
    /// Whether it is the best of its prefix.
    pub best: bool,
    /// Whether it shares its prefix's traffic with others, of which one is the best.
    #[serde(default)]
    pub shares: bool,
    /// Whether it may be: accepted by policy and free of loops.
    pub accepted: bool,
    /// Its peer has not sent it again since the session was lost (RFC 4724), or in a refresh (RFC 7313).
    pub stale: bool,
    /// Something newer is on its way to the peer (Adj-RIB-Out only).
    pub pending: bool,
}

/// `GET /v1/explain/prefix`
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct ExplainPrefix {
    /// The prefix asked for.
    pub asked: IpNet,
    /// The prefix explained: the one asked for or, if nothing is known of it, the longest that
    /// covers it.
    pub prefix: IpNet,
    /// The service that steers it, if one does.
    pub service: Option<String>,
    /// Its routes, best first.
    pub candidates: Vec<Candidate>,
    /// What became of it towards every peer.
    pub recipients: Vec<Recipient>,
}

/// One route in an explanation.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Candidate {
    /// The route.
    pub route: Route,
    /// `best`, `lost` or `not feasible`.
    pub outcome: String,
    /// The step that decided, or why it is no candidate.
    pub why: String,
    /// Whether it shares the traffic, or why not, if it is as good as another (`multipath`).
    #[serde(default)]
    pub sharing: Option<String>,
}

/// What one peer is told about the prefix.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Recipient {
    /// The peer.
    pub peer: String,
    /// What it holds of us.
    pub route: Option<Route>,
    /// Why it is told nothing.
    pub why_not: Option<String>,
}
