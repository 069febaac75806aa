//! The keys that each table of the file may have: the schema in one place.
//!
//! `docs/OPERATING.md` names every one of them; a test compares.

/// The top of the file.
pub const FILE: &[&str] = &[
    "speaker", "peers", "groups", "policies", "paths", "services", "classes", "choice", "timing",
    "intake",
];

/// `[speaker]`
pub const SPEAKER: &[&str] = &[
    "asn",
    "bgp_identifier",
    "cluster_id",
    "multipath",
    "multipath_relax",
    "steering",
    "listen",
    "control",
    "bfd_socket",
    "fib",
    "log",
    "drain_wait",
    "probe_rate",
];

/// `[peers.NAME]`: first what a group cannot say.
pub const PEER: &[&str] = &[
    "group",
    "address",
    "range",
    "max_peers",
    "profile",
    "port",
    "local_address",
    "interface",
    "asn",
    "hold_time",
    "connect_retry",
    "passive",
    "delay_open",
    "families",
    "next_hop_ipv4",
    "next_hop_ipv6",
    "password",
    "password_file",
    "ttl_security",
    "multihop",
    "graceful_restart",
    "restart_time",
    "long_lived_stale_time",
    "long_lived_restart_time",
    "extended_messages",
    "add_path_receive",
    "add_path_send",
    "import",
    "export",
    "next_hop_self",
    "route_reflector_client",
    "domain",
    "user_timeout",
    "max_prefixes",
    "max_prefixes_out",
    "graceful_shutdown",
    "role",
    "role_strict",
    "restart_after_notification",
    "send_hold_time",
    "bfd",
];

/// Keys of a peer that its group does not have: names of groups, and addresses.
const OF_A_PEER_ALONE: usize = 4;

/// `[groups.NAME]`: what peers have in common.
pub const GROUP: &[&str] = PEER.split_at(OF_A_PEER_ALONE).1;

/// `max_prefixes` of a peer.
pub const MAX_PREFIXES: &[&str] = &["ipv4", "ipv6", "warn_at", "beyond", "restart"];

/// `max_prefixes_out` of a peer.
pub const MAX_PREFIXES_OUT: &[&str] = &["ipv4", "ipv6", "warn_at"];

/// `bfd` of a peer.
pub const PEER_BFD: &[&str] = &["interval", "multiplier", "multihop", "strict"];

/// `[policies.NAME]`
pub const POLICY: &[&str] = &["default", "terms"];

/// An element of `terms`.
pub const TERM: &[&str] = &["name", "match", "set", "action"];

/// `match` of a term.
pub const MATCH: &[&str] = &[
    "prefixes",
    "family",
    "peer",
    "next_hop",
    "origin",
    "community",
    "ext_community",
    "large_community",
    "as_path",
    "as_path_contains",
    "neighbor_as",
];

/// `set` of a term.
pub const SET: &[&str] = &[
    "med",
    "add_med",
    "local_pref",
    "add_local_pref",
    "communities",
    "add_communities",
    "remove_communities",
    "ext_communities",
    "add_ext_communities",
    "remove_ext_communities",
    "large_communities",
    "add_large_communities",
    "remove_large_communities",
    "private_as",
    "prepend",
    "next_hop",
];

/// `[paths.NAME]`
pub const PATH: &[&str] = &[
    "interface",
    "next_hop",
    "announce_via",
    "shared_risk",
    "region",
    "probe_source",
    "probes",
    "cost",
    "capacity",
    "mtu_probe",
    "mark",
    "table",
    "bfd",
];

/// `bfd` of a path.
pub const PATH_BFD: &[&str] = &["interval", "multiplier", "multihop", "local_address", "address"];

/// An element of `probes`.
pub const PROBE: &[&str] = &[
    "kind",
    "target",
    "port",
    "interval",
    "ports",
    "key_file",
    "size",
    "class_of_service",
    "direct_measurement",
    "first_hop",
];

/// `[services.NAME]`
pub const SERVICE: &[&str] = &[
    "class",
    "announce",
    "reach",
    "paths",
    "strategy",
    "load",
    "symmetric",
    "withdraw_last",
    "checks",
];

/// `[classes.NAME]`
pub const CLASS: &[&str] = &[
    "like",
    "min_score",
    "max_loss",
    "max_delay_variation",
    "max_rtt",
    "codec",
    "target_mbps",
    "leader_rate",
    "standby_rate",
    "boost_rate",
];

/// `[choice]`
pub const CHOICE: &[&str] = &[
    "margin_points",
    "margin_percent",
    "eagerness",
    "damping",
    "damping_half_life",
    "damping_suppress",
    "damping_reuse",
];

/// `[intake]`
pub const INTAKE: &[&str] = &["socket", "mode", "trusted"];

/// An element of `announce`.
pub const ANNOUNCE: &[&str] = &["prefix", "while"];

/// An element of `checks`.
pub const CHECK: &[&str] = &[
    "kind",
    "url",
    "target",
    "region",
    "interval",
    "timeout",
    "fall",
    "rise",
    "status",
    "body",
    "roots",
    "source",
    "interface",
];

/// Every table by its heading.
pub const TABLES: &[(&str, &[&str])] = &[
    ("the file", FILE),
    ("[speaker]", SPEAKER),
    ("[peers.NAME]", PEER),
    ("[groups.NAME]", GROUP),
    ("max_prefixes", MAX_PREFIXES),
    ("max_prefixes_out", MAX_PREFIXES_OUT),
    ("a peer's `bfd`", PEER_BFD),
    ("[policies.NAME]", POLICY),
    ("terms", TERM),
    ("match", MATCH),
    ("set", SET),
    ("[paths.NAME]", PATH),
    ("a path's `bfd`", PATH_BFD),
    ("probes", PROBE),
    ("[services.NAME]", SERVICE),
    ("announce", ANNOUNCE),
    ("checks", CHECK),
    ("[classes.NAME]", CLASS),
    ("[choice]", CHOICE),
    ("[intake]", INTAKE),
    ("[timing]", super::timing::KEYS),
];
