//! The daemons' configurations: AS 65001 with a session at each of three addresses of ours, and two with
//! the companion.

use std::fmt::Write as _;

use super::{EXTRA, US, US_SIX};
use crate::far::{Kind, Told, gobgp_neighbor};

/// 1,200 communities: more than fit into 4,096 octets.
fn many(one: impl Fn(usize) -> String) -> String {
    (0..1_200).map(one).collect()
}

/// What the daemon is told to be.
pub(super) fn told(kind: Kind) -> Told {
    let config = match kind {
        Kind::Bird => BIRD.to_owned(),
        Kind::Frr => frr(),
        Kind::GoBgp => gobgp(),
        Kind::OpenBgpd => OPENBGPD.to_owned(),
        Kind::ExaBgp => EXABGP.replace("MANY", &many(|nth| format!("64999:{nth} "))),
    };
    let routes = match kind {
        Kind::GoBgp => vec![
            "global rib -a ipv4 add 10.128.0.0/20".to_owned(),
            "global rib -a ipv4 add 10.128.16.0/20".to_owned(),
            "global rib -a ipv6 add 2001:db8:128::/64 nexthop 2001:db8::2".to_owned(),
        ],
        _ => Vec::new(),
    };
    Told { kind, asn: 65001, config, routes }
}

const BIRD: &str = r#"
router id 10.255.0.2;
protocol device {}
protocol static four { ipv4; route 10.128.0.0/20 blackhole; }
protocol static six { ipv6; route 2001:db8:128::/64 blackhole; }
protocol bgp far {
  local 2001:db8::2 as 65001; neighbor 2001:db8::1 as 65010;
  hold time 9; connect retry time 1; connect delay time 1; error wait time 1,2;
  ipv4 { import all; export where source = RTS_STATIC; extended next hop yes; };
  ipv6 { import all; export where source = RTS_STATIC; };
}
"#;

/// The companion: a route in two ways, and one of more than 4,096 octets, for us and for the daemon.
/// We are to keep for long what came from it.
pub(super) fn companion() -> String {
    let big = many(|nth| format!("bgp_community.add((64999, {nth}));\n"));
    let mut text = format!(
        "router id 10.255.0.3;\nprotocol device {{}}\nfilter ours {{\n\
         if source != RTS_STATIC then reject;\n\
         if net ~ [10.152.0.0/24, 10.153.0.0/24] then {{ {big} }}\n accept;\n}}\n"
    );
    let sessions = [
        ("ours_a", 65003, "198.51.100.2", "198.51.100.1 as 65010", "10.151", "10.152"),
        ("ours_b", 65004, "198.51.100.3", "198.51.100.4 as 65010", "10.151", ""),
        ("far_a", 65003, "203.0.113.2", "203.0.113.1 as 65001", "10.150", "10.153"),
        ("far_b", 65004, "203.0.113.3", "203.0.113.4 as 65001", "10.150", ""),
    ];
    for (name, asn, local, neighbor, shared, alone) in sessions {
        let alone = match alone {
            "" => String::new(),
            net => format!("route {net}.0.0/24 blackhole;"),
        };
        let _ = writeln!(
            text,
            "ipv4 table t_{name};\nprotocol static s_{name} {{ ipv4 {{ table t_{name}; }}; \
             route {shared}.0.0/24 blackhole; {alone} }}\n\
             protocol bgp {name} {{ local {local} as {asn}; neighbor {neighbor}; strict bind on; \
             hold time 9; connect retry time 1; connect delay time 1; error wait time 1,2; \
             enable extended messages on; graceful restart on; graceful restart time 1; \
             long lived graceful restart on; long lived stale time 3600; \
             ipv4 {{ table t_{name}; import none; export filter ours; }}; }}"
        );
    }
    text
}

fn frr() -> String {
    let mut text = String::from(
        "log stdout\nrouter bgp 65001\n bgp router-id 10.255.0.2\n bgp log-neighbor-changes\n \
         no bgp ebgp-requires-policy\n no bgp network import-check\n no bgp default ipv4-unicast\n \
         bgp graceful-restart\n bgp graceful-restart restart-time 1\n \
         bgp graceful-restart preserve-fw-state\n bgp graceful-restart notification\n \
         bgp long-lived-graceful-restart stale-time 3600\n",
    );
    let ours = [(US, "192.0.2.2"), (EXTRA, "192.0.2.6"), (US_SIX, "2001:db8::2")];
    for (us, local) in ours {
        let _ =
            writeln!(text, " neighbor {us} remote-as 65010\n neighbor {us} update-source {local}");
    }
    for (asn, them, local) in
        [(65003, "203.0.113.2", "203.0.113.1"), (65004, "203.0.113.3", "203.0.113.4")]
    {
        let _ = writeln!(
            text,
            " neighbor {them} remote-as {asn}\n neighbor {them} update-source {local}"
        );
    }
    let all = [US, EXTRA, US_SIX, "203.0.113.2", "203.0.113.3"];
    for them in all {
        let _ = writeln!(
            text,
            " neighbor {them} timers 3 9\n neighbor {them} timers connect 1\n \
             neighbor {them} advertisement-interval 0"
        );
    }
    let _ = writeln!(
        text,
        " neighbor {US_SIX} capability extended-nexthop\n neighbor {EXTRA} local-role provider"
    );
    text += " address-family ipv4 unicast\n";
    for them in all {
        let _ = writeln!(text, "  neighbor {them} activate");
    }
    let _ = write!(
        text,
        "  neighbor {US} addpath-tx-all-paths\n  network 10.128.0.0/20\n  network 10.128.16.0/20\n \
         exit-address-family\n address-family ipv6 unicast\n  neighbor {US_SIX} activate\n  \
         network 2001:db8:128::/64\n exit-address-family\n"
    );
    text
}

fn gobgp() -> String {
    let mut text = String::from("[global.config]\nas = 65001\nrouter-id = \"10.255.0.2\"\n");
    let ipv4 =
        "[[neighbors.afi-safis]]\n[neighbors.afi-safis.config]\nafi-safi-name = \"ipv4-unicast\"\n";
    let ipv6 =
        "[[neighbors.afi-safis]]\n[neighbors.afi-safis.config]\nafi-safi-name = \"ipv6-unicast\"\n";
    let able = format!(
        "[neighbors.graceful-restart.config]\nenabled = true\nrestart-time = 1\n\
         notification-enabled = true\nlong-lived-enabled = true\n{ipv4}\
         [neighbors.afi-safis.mp-graceful-restart.config]\nenabled = true\n\
         [neighbors.afi-safis.long-lived-graceful-restart.config]\nenabled = true\n\
         restart-time = 3600\n[neighbors.afi-safis.add-paths.config]\nreceive = true\nsend-max = 8\n"
    );
    let sessions = [
        (US, "192.0.2.2", 65010, able),
        (EXTRA, "192.0.2.6", 65010, ipv4.to_owned()),
        (US_SIX, "2001:db8::2", 65010, ipv6.to_owned()),
        ("203.0.113.2", "203.0.113.1", 65003, ipv4.to_owned()),
        ("203.0.113.3", "203.0.113.4", 65004, ipv4.to_owned()),
    ];
    for (them, local, asn, more) in sessions {
        text += &gobgp_neighbor((them, local), asn, &more);
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
network 10.128.16.0/20
network 2001:db8:128::/64 set { nexthop 2001:db8::2 }
nexthop qualify via default
neighbor 192.0.2.1 {
  remote-as 65010
  local-address 192.0.2.2
  announce IPv4 unicast
  announce enhanced refresh yes
  announce add-path recv yes
  announce add-path send all
}
neighbor 192.0.2.5 {
  remote-as 65010
  local-address 192.0.2.6
  announce IPv4 unicast
  announce policy provider
  down
}
neighbor 2001:db8::1 {
  remote-as 65010
  local-address 2001:db8::2
  announce IPv4 none
  announce IPv6 unicast
}
neighbor 203.0.113.2 {
  remote-as 65003
  local-address 203.0.113.1
}
neighbor 203.0.113.3 {
  remote-as 65004
  local-address 203.0.113.4
}
allow from any
allow to any
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
    api { processes [ hears ]; neighbor-changes; receive { parsed; update; } }
  }
}
neighbor 192.0.2.1 {
  inherit us;
  local-address 192.0.2.2;
  capability { asn4 enable; route-refresh enable; extended-message enable; add-path send/receive; }
  family { ipv4 unicast; }
  static {
    route 10.128.0.0/20 next-hop 192.0.2.2;
    route 10.150.0.0/24 next-hop 192.0.2.2 path-information 0.0.0.1 as-path [ 65001 65003 ];
    route 10.150.0.0/24 next-hop 192.0.2.2 path-information 0.0.0.2 as-path [ 65001 65004 ];
    route 10.153.0.0/24 next-hop 192.0.2.2 community [ MANY ];
  }
}
neighbor 192.0.2.5 {
  inherit us;
  local-address 192.0.2.6;
  capability { asn4 enable; route-refresh enable; }
  family { ipv4 unicast; }
  static {
    route 10.128.0.0/20 next-hop 192.0.2.6;
    route 10.128.16.0/20 next-hop 192.0.2.6;
  }
}
neighbor 2001:db8::1 {
  inherit us;
  local-address 2001:db8::2;
  capability { asn4 enable; nexthop enable; }
  family { ipv4 unicast; ipv6 unicast; }
  nexthop { ipv4 unicast ipv6; }
  static {
    route 10.128.0.0/20 next-hop 2001:db8::2;
    route 2001:db8:128::/64 next-hop 2001:db8::2;
  }
}
"#;
