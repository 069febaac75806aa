//! The daemons' configurations.

use crate::far::{Kind, Told};

/// What the daemon is told to be.
pub(super) fn told(kind: Kind) -> Told {
    let config = match kind {
        Kind::Bird => BIRD,
        Kind::Frr => FRR,
        Kind::GoBgp => GOBGP,
        Kind::OpenBgpd => OPENBGPD,
        Kind::ExaBgp => EXABGP,
    };
    let routes = match kind {
        Kind::GoBgp => GOBGP_ROUTES.map(str::to_owned).to_vec(),
        _ => Vec::new(),
    };
    Told { kind, asn: 4_200_000_001, config: config.to_owned(), routes }
}

const GOBGP_ROUTES: [&str; 2] = [
    "global rib -a ipv4 add 10.128.0.0/20 community 64999:7 large-community 64999:1:2 rt 64999:3 med 77",
    "global rib -a ipv6 add 2001:db8:128::/64 nexthop 2001:db8::2",
];

const BIRD: &str = r#"
router id 10.255.0.2;
protocol device {}
protocol static four { ipv4; route 10.128.0.0/20 blackhole; }
protocol static six { ipv6; route 2001:db8:128::/64 blackhole; }
filter ours {
  if source != RTS_STATIC then reject;
  bgp_community.add((64999,7));
  bgp_large_community.add((64999,1,2));
  bgp_ext_community.add((rt, 64999, 3));
  bgp_med = 77;
  accept;
}
template bgp any_of_us {
  local as 4200000001;
  hold time 9; connect retry time 1; connect delay time 1; error wait time 1,2;
  graceful restart on;
  ipv4 { import all; export filter ours; };
}
protocol bgp far from any_of_us {
  local 192.0.2.2; neighbor 192.0.2.1 as 65010;
  password "sesame"; ttl security on;
  local role provider; require roles on;
  ipv6 { import all; export filter ours; next hop address 2001:db8::2; };
}
protocol bgp swarm from any_of_us {
  local 192.0.2.10; neighbor 192.0.2.4 as 65010;
  password "swarm";
}
"#;

const FRR: &str = "
log stdout
route-map OUT permit 10
 set community 64999:7
 set large-community 64999:1:2
 set extcommunity rt 64999:3
 set metric 77
exit
router bgp 4200000001
 bgp router-id 10.255.0.2
 no bgp ebgp-requires-policy
 no bgp network import-check
 no bgp default ipv4-unicast
 bgp graceful-restart
 bgp graceful-restart preserve-fw-state
 neighbor 192.0.2.1 remote-as 65010
 neighbor 192.0.2.1 password sesame
 neighbor 192.0.2.1 ttl-security hops 1
 neighbor 192.0.2.1 local-role provider strict-mode
 neighbor 192.0.2.1 update-source 192.0.2.2
 neighbor 192.0.2.1 timers 3 9
 neighbor 192.0.2.1 timers connect 1
 neighbor 192.0.2.4 remote-as 65010
 neighbor 192.0.2.4 password swarm
 neighbor 192.0.2.4 update-source 192.0.2.10
 neighbor 192.0.2.4 timers 3 9
 neighbor 192.0.2.4 timers connect 1
 address-family ipv4 unicast
  neighbor 192.0.2.1 activate
  neighbor 192.0.2.1 soft-reconfiguration inbound
  no neighbor 192.0.2.1 soft-reconfiguration inbound
  neighbor 192.0.2.4 activate
  network 10.128.0.0/20 route-map OUT
 exit-address-family
 address-family ipv6 unicast
  neighbor 192.0.2.1 activate
  network 2001:db8:128::/64 route-map OUT
 exit-address-family
";

const GOBGP: &str = r#"
[global.config]
as = 4200000001
router-id = "10.255.0.2"

[[neighbors]]
[neighbors.config]
neighbor-address = "192.0.2.1"
peer-as = 65010
auth-password = "sesame"
[neighbors.transport.config]
local-address = "192.0.2.2"
[neighbors.ttl-security.config]
enabled = true
ttl-min = 255
[neighbors.timers.config]
connect-retry = 1
hold-time = 9
idle-hold-time-after-reset = 1
[neighbors.graceful-restart.config]
enabled = true
restart-time = 20
[[neighbors.afi-safis]]
[neighbors.afi-safis.config]
afi-safi-name = "ipv4-unicast"
[neighbors.afi-safis.mp-graceful-restart.config]
enabled = true
[[neighbors.afi-safis]]
[neighbors.afi-safis.config]
afi-safi-name = "ipv6-unicast"
[neighbors.afi-safis.mp-graceful-restart.config]
enabled = true

[[neighbors]]
[neighbors.config]
neighbor-address = "192.0.2.4"
peer-as = 65010
auth-password = "swarm"
[neighbors.transport.config]
local-address = "192.0.2.10"
[neighbors.timers.config]
connect-retry = 1
hold-time = 9
idle-hold-time-after-reset = 1
"#;

const OPENBGPD: &str = r#"
AS 4200000001
router-id 10.255.0.2
holdtime 9
fib-update no
connect-retry 5
socket "FOLDER/bgpd.sock"
network 10.128.0.0/20 set { community 64999:7 large-community 64999:1:2 ext-community rt 64999:3 metric 77 }
network 2001:db8:128::/64 set { nexthop 2001:db8::2 }
nexthop qualify via default
neighbor 192.0.2.1 {
  remote-as 65010
  local-address 192.0.2.2
  tcp md5sig password sesame
  ttl-security yes
  announce IPv4 unicast
  announce IPv6 unicast
  announce enhanced refresh yes
  announce policy provider enforce
}
neighbor 192.0.2.4 {
  remote-as 65010
  local-address 192.0.2.10
  tcp md5sig password swarm
  announce IPv4 unicast
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
    local-as 4200000001;
    peer-as 65010;
    hold-time 9;
    capability { asn4 enable; route-refresh enable; graceful-restart 20; }
    api { processes [ hears ]; receive { parsed; update; } }
  }
}
neighbor 192.0.2.1 {
  inherit us;
  local-address 192.0.2.2;
  md5-password "sesame";
  outgoing-ttl 255;
  incoming-ttl 255;
  family { ipv4 unicast; ipv6 unicast; }
  static {
    route 10.128.0.0/20 next-hop 192.0.2.2 med 77 community [64999:7] large-community [64999:1:2] extended-community [target:64999:3];
    route 2001:db8:128::/64 next-hop 2001:db8::2;
  }
}
neighbor 192.0.2.4 {
  inherit us;
  local-address 192.0.2.10;
  md5-password "swarm";
  family { ipv4 unicast; }
}
"#;
