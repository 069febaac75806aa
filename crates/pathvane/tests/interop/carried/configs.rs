//! The configurations: ours, the companion's, and the daemons', AS 65001 with a session at each of five
//! addresses of ours and one with the companion.

use std::fmt::Write as _;

use crate::far::{Kind, Told, gobgp_neighbor};

/// Ours, through `hops` hops where there is a router between.
pub(super) fn speaker(hops: u8) -> String {
    SPEAKER.replace("HOPS", &hops.to_string())
}

const SPEAKER: &str = r#"
[speaker]
asn = 65010
bgp_identifier = "10.255.0.1"
control = "CONTROL"
fib = "report"
listen = ["0.0.0.0:179"]

[groups.far]
asn = 65001
hold_time = "9s"
connect_retry = "1s"
import = "others"

[peers.plain]
group = "far"
address = "192.0.2.2"
local_address = "192.0.2.1"
import = "accept-all"

[peers.old]
group = "far"
address = "192.0.2.6"
local_address = "192.0.2.5"
export = "old"

[peers.few]
group = "far"
address = "192.0.2.10"
local_address = "192.0.2.9"
export = "few"
max_prefixes_out = { ipv4 = 3 }

[peers.shaped]
group = "far"
address = "192.0.2.14"
local_address = "192.0.2.13"
export = "shaped"

[peers.hops]
group = "far"
address = "203.0.113.1"
local_address = "198.51.100.1"
multihop = HOPS
export = "hops"

[peers.ours]
address = "198.51.100.2"
local_address = "198.51.100.1"
asn = 4200000003
hold_time = "9s"
connect_retry = "1s"
import = "accept-all"
export = "accept-all"

[peers.inside]
address = "198.51.100.3"
local_address = "198.51.100.4"
asn = 65010
hold_time = "9s"
connect_retry = "1s"

[policies.others]
terms = [ { match = { prefixes = ["10.128.0.0/20", "10.150.0.0/24"] }, action = "accept" } ]

[policies.few]
terms = [ { match = { prefixes = ["10.60.0.0/16 ge 24 le 24"] }, action = "accept" } ]

[policies.old]
terms = [ { match = { prefixes = ["10.61.0.0/24"] }, action = "accept" } ]

[policies.hops]
terms = [ { match = { prefixes = ["10.63.0.0/24"] }, action = "accept" } ]

[policies.shaped]
terms = [
  { match = { prefixes = ["10.62.1.0/24"] }, set = { private_as = "remove" }, action = "accept" },
  { match = { prefixes = ["10.62.2.0/24"] }, set = { private_as = "replace" }, action = "accept" },
  { match = { prefixes = ["10.62.0.0/16 le 24"] }, set = { next_hop = "unchanged" }, action = "next" },
  { match = { prefixes = ["10.62.3.0/24"] }, set = { prepend = 2, med = 5555, next_hop = "self" }, action = "accept" },
  { match = { prefixes = ["10.62.4.0/24"] }, action = "accept" },
  { match = { prefixes = ["10.62.5.0/24"] }, set = { next_hop = "192.0.2.77" }, action = "accept" },
  { match = { prefixes = ["10.62.6.0/24"] }, set = { add_ext_communities = ["link-bandwidth:65010:100M"] }, action = "accept" },
  { match = { prefixes = ["10.62.7.0/24"] }, set = { add_ext_communities = ["link-bandwidth-transitive:65010:100M"] }, action = "accept" },
]
"#;

/// The companion: routes for us, of which these have 10.60 in front, and one for the daemon; what we
/// tell its external and its internal session.
pub(super) fn companion(few: &[u8]) -> String {
    let mut routes = String::new();
    let others = [
        "10.61.0", "10.62.1", "10.62.2", "10.62.3", "10.62.4", "10.62.5", "10.62.6", "10.62.7",
        "10.63.0",
    ];
    for net in few.iter().map(|net| format!("10.60.{net}")).chain(others.map(str::to_owned)) {
        let _ = write!(routes, "route {net}.0/24 blackhole; ");
    }
    format!(
        "router id 10.255.0.3;
protocol device {{}}
ipv4 table t_ours; ipv4 table t_inside; ipv4 table t_far;
protocol static s_ours {{ ipv4 {{ table t_ours; }}; {routes} }}
protocol static s_far {{ ipv4 {{ table t_far; }};
  route 10.150.0.0/24 blackhole;
  route 10.71.0.0/24 blackhole {{ bgp_ext_community.add((generic, 0x0004fde9, 0x4b3ebc20)); }};
}}
template bgp any {{
  strict bind on; hold time 9; connect retry time 1; connect delay time 1; error wait time 1,2;
}}
protocol bgp ours from any {{
  local 198.51.100.2 as 4200000003; neighbor 198.51.100.1 as 65010;
  ipv4 {{ table t_ours; import all; export where source = RTS_STATIC; }};
}}
protocol bgp inside from any {{
  local 198.51.100.3 as 65010; neighbor 198.51.100.4 as 65010;
  ipv4 {{ table t_inside; import all; export none; }};
}}
protocol bgp far from any {{
  local 203.0.113.2 as 4200000003; neighbor 203.0.113.1 as 65001;
  ipv4 {{ table t_far; import none; export where source = RTS_STATIC; }};
}}
"
    )
}

/// What the daemon is told to be.
pub(super) fn told(kind: Kind) -> Told {
    let config = match kind {
        Kind::Bird => BIRD.to_owned(),
        Kind::Frr => frr(),
        Kind::GoBgp => gobgp(),
        Kind::OpenBgpd => OPENBGPD.to_owned(),
        Kind::ExaBgp => EXABGP.to_owned(),
    };
    let routes = match kind {
        Kind::GoBgp => GOBGP_ROUTES.map(str::to_owned).to_vec(),
        _ => Vec::new(),
    };
    Told { kind, asn: 65001, config, routes }
}

const BIRD: &str = r#"
router id 10.255.0.2;
protocol device {}
protocol static marked {
  ipv4;
  route 10.128.0.0/20 blackhole;
  route 10.70.0.0/24 blackhole;
  route 10.70.1.0/24 blackhole { bgp_community.add((65535,65281)); };
  route 10.70.2.0/24 blackhole { bgp_community.add((65535,65282)); };
  route 10.70.3.0/24 blackhole { bgp_community.add((65535,65283)); };
  route 10.71.0.0/24 blackhole { bgp_ext_community.add((generic, 0x0004fde9, 0x4b3ebc20)); };
}
template bgp any_of_us {
  hold time 9; connect retry time 1; connect delay time 1; error wait time 1,2;
  strict bind on; interpret communities off;
  ipv4 { import all; export where source = RTS_STATIC; };
}
protocol bgp plain from any_of_us { local 192.0.2.2 as 65001; neighbor 192.0.2.1 as 65010; }
protocol bgp old from any_of_us {
  local 192.0.2.6 as 65001; neighbor 192.0.2.5 as 65010;
  enable as4 off;
  ipv4 { import all; export all; };
}
# All that it can offer: 259 octets of capabilities.
ipv4 table m4; ipv6 table m6; ipv4 table l4; ipv6 table l6;
vpn4 table v4; vpn6 table v6; flow4 table f4; flow6 table f6;
protocol bgp few from any_of_us {
  local 192.0.2.10 as 65001; neighbor 192.0.2.9 as 65010;
  graceful restart on; long lived graceful restart on; enable extended messages on;
  ipv4 { add paths on; extended next hop on; };
  ipv6 { add paths on; import none; export none; };
  ipv4 multicast { table m4; add paths on; extended next hop on; import none; export none; };
  ipv6 multicast { table m6; add paths on; import none; export none; };
  ipv4 mpls { table l4; add paths on; extended next hop on; import none; export none; };
  ipv6 mpls { table l6; add paths on; import none; export none; };
  vpn4 mpls { table v4; add paths on; extended next hop on; import none; export none; };
  vpn6 mpls { table v6; add paths on; import none; export none; };
  flow4 { table f4; add paths on; import none; export none; };
  flow6 { table f6; add paths on; import none; export none; };
}
protocol bgp shaped from any_of_us { local 192.0.2.14 as 65001; neighbor 192.0.2.13 as 65010; multihop; }
protocol bgp hops from any_of_us { local 203.0.113.1 as 65001; neighbor 198.51.100.1 as 65010; multihop 2; }
protocol bgp beside from any_of_us {
  local 203.0.113.1 as 65001; neighbor 203.0.113.2 as 4200000003;
  ipv4 { import all; export none; };
}
"#;

/// Our ends, and theirs.
const SESSIONS: [(&str, &str); 5] = [
    ("192.0.2.1", "192.0.2.2"),
    ("192.0.2.5", "192.0.2.6"),
    ("192.0.2.9", "192.0.2.10"),
    ("192.0.2.13", "192.0.2.14"),
    ("198.51.100.1", "203.0.113.1"),
];

fn frr() -> String {
    let mut text = String::from("log stdout\n");
    for (nth, net, set) in [
        (1, "10.70.1", "community no-export"),
        (2, "10.70.2", "community no-advertise"),
        (3, "10.70.3", "community local-AS"),
        (4, "10.71.0", "extcommunity bandwidth 100"),
    ] {
        let _ = writeln!(
            text,
            "ip prefix-list P{nth} permit {net}.0/24\nroute-map MARKED permit {nth}\n \
             match ip address prefix-list P{nth}\n set {set}\nexit"
        );
    }
    text += "route-map MARKED permit 10\nexit\n";
    text += "router bgp 65001\n bgp router-id 10.255.0.2\n no bgp ebgp-requires-policy\n \
             no bgp network import-check\n no bgp default ipv4-unicast\n \
             bgp disable-ebgp-connected-route-check\n";
    for (us, them) in SESSIONS {
        let _ =
            writeln!(text, " neighbor {us} remote-as 65010\n neighbor {us} update-source {them}");
    }
    text += " neighbor 203.0.113.2 remote-as 4200000003\n neighbor 192.0.2.5 extended-optional-parameters\n \
             neighbor 198.51.100.1 ebgp-multihop 2\n";
    let all = SESSIONS.map(|(us, _)| us).into_iter().chain(["203.0.113.2"]);
    for them in all.clone() {
        let _ = writeln!(
            text,
            " neighbor {them} timers 3 9\n neighbor {them} timers connect 1\n \
             neighbor {them} advertisement-interval 0"
        );
    }
    text += " address-family ipv4 unicast\n";
    for them in all {
        let _ = writeln!(text, "  neighbor {them} activate");
    }
    text += "  neighbor 192.0.2.1 route-map MARKED out\n  network 10.128.0.0/20\n";
    for net in ["10.70.0", "10.70.1", "10.70.2", "10.70.3", "10.71.0"] {
        let _ = writeln!(text, "  network {net}.0/24");
    }
    text += " exit-address-family\n";
    text
}

const GOBGP_ROUTES: [&str; 6] = [
    "global rib -a ipv4 add 10.128.0.0/20",
    "global rib -a ipv4 add 10.70.0.0/24",
    "global rib -a ipv4 add 10.70.1.0/24 community no-export",
    "global rib -a ipv4 add 10.70.2.0/24 community no-advertise",
    "global rib -a ipv4 add 10.70.3.0/24 community no-export-subconfed",
    "global rib -a ipv4 add 10.71.0.0/24",
];

fn gobgp() -> String {
    let mut text = String::from(
        "[global.config]\nas = 65001\nrouter-id = \"10.255.0.2\"\n\
         [global.apply-policy.config]\nexport-policy-list = [\"bandwidth\"]\n\
         [[defined-sets.prefix-sets]]\nprefix-set-name = \"fast\"\n\
         [[defined-sets.prefix-sets.prefix-list]]\nip-prefix = \"10.71.0.0/24\"\n\
         [[policy-definitions]]\nname = \"bandwidth\"\n[[policy-definitions.statements]]\n\
         [policy-definitions.statements.conditions.match-prefix-set]\nprefix-set = \"fast\"\n\
         [policy-definitions.statements.actions.bgp-actions.set-ext-community]\noptions = \"add\"\n\
         [policy-definitions.statements.actions.bgp-actions.set-ext-community.set-ext-community-method]\n\
         communities-list = [\"lb:65001:12500000\"]\n",
    );
    let sessions = SESSIONS.map(|(us, them)| (us, them, 65010u32));
    for (them, local, asn) in
        sessions.into_iter().chain([("203.0.113.2", "203.0.113.1", 4_200_000_003)])
    {
        let hops = match them {
            "198.51.100.1" => {
                "[neighbors.ebgp-multihop.config]\nenabled = true\nmultihop-ttl = 2\n"
            }
            _ => "",
        };
        text += &gobgp_neighbor((them, local), asn, hops);
    }
    text
}

const OPENBGPD: &str = r#"
AS 65001
router-id 10.255.0.2
holdtime 9
fib-update no
connect-retry 5
socket "FOLDER/bgpd.sock"
network 10.128.0.0/20
network 10.70.0.0/24
network 10.70.1.0/24
network 10.70.2.0/24
network 10.70.3.0/24
nexthop qualify via default
group "us" {
  remote-as 65010
  announce IPv4 unicast
  neighbor 192.0.2.1 {
    local-address 192.0.2.2
  }
  neighbor 192.0.2.5 {
    local-address 192.0.2.6
    announce as-4byte no
  }
  neighbor 192.0.2.9 {
    local-address 192.0.2.10
  }
  neighbor 192.0.2.13 {
    local-address 192.0.2.14
  }
  neighbor 198.51.100.1 {
    local-address 203.0.113.1
    multihop 2
  }
}
neighbor 203.0.113.2 {
  remote-as 4200000003
  local-address 203.0.113.1
}
allow from any
allow to any
match to 192.0.2.1 prefix 10.70.1.0/24 set { community NO_EXPORT }
match to 192.0.2.1 prefix 10.70.2.0/24 set { community NO_ADVERTISE }
match to 192.0.2.1 prefix 10.70.3.0/24 set { community NO_EXPORT_SUBCONFED }
"#;

const EXABGP: &str = r#"
process hears {
  run /bin/sh FOLDER/hears;
  encoder json;
}
template {
  neighbor us {
    router-id 10.255.0.2;
    local-as 65001;
    peer-as 65010;
    hold-time 9;
    family { ipv4 unicast; }
    api { processes [ hears ]; neighbor-changes; receive { parsed; update; } }
  }
}
neighbor 192.0.2.1 {
  inherit us;
  local-address 192.0.2.2;
  capability { asn4 enable; }
  static {
    route 10.70.0.0/24 next-hop 192.0.2.2;
    route 10.70.1.0/24 next-hop 192.0.2.2 community [ no-export ];
    route 10.70.2.0/24 next-hop 192.0.2.2 community [ no-advertise ];
    route 10.70.3.0/24 next-hop 192.0.2.2 community [ no-export-subconfed ];
    route 10.71.0.0/24 next-hop 192.0.2.2 extended-community [ bandwidth:65001:12500000 ];
  }
}
neighbor 192.0.2.5 {
  inherit us;
  local-address 192.0.2.6;
  capability { asn4 disable; }
  static { route 10.150.0.0/24 next-hop 192.0.2.6 as-path [ 65001 4200000003 ]; }
}
neighbor 192.0.2.9 {
  inherit us;
  local-address 192.0.2.10;
  capability { asn4 enable; }
}
neighbor 192.0.2.13 {
  inherit us;
  local-address 192.0.2.14;
  capability { asn4 enable; }
}
neighbor 198.51.100.1 {
  inherit us;
  local-address 203.0.113.1;
  outgoing-ttl 2;
  capability { asn4 enable; }
  static { route 10.128.0.0/20 next-hop 203.0.113.1; }
}
"#;
