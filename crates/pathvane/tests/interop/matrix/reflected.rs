//! Route reflection (RFC 4456) between each of four daemons and BIRD, both our clients, and LOCAL_PREF as
//! export policy sets it.

use crate::bird::Bird;
use crate::far::{Far, Kind, Told};
use crate::space::Space;
use crate::speaker::Speaker;
use crate::wait::until_true;

const REFLECTOR: &str = r#"
[speaker]
asn = 65010
bgp_identifier = "10.255.0.1"
cluster_id = "10.255.0.99"
control = "CONTROL"
fib = "report"

[groups.client]
asn = 65010
hold_time = "9s"
connect_retry = "1s"
route_reflector_client = true
export = "raised"

[peers.far]
group = "client"
address = "192.0.2.2"
local_address = "192.0.2.1"

[peers.bird]
group = "client"
address = "198.51.100.2"
local_address = "198.51.100.1"

[policies.raised]
default = "accept"
terms = [
  { match = { prefixes = ["10.2.0.0/24", "10.3.0.0/24"] }, set = { local_pref = 4321 }, action = "accept" },
]
"#;

const BIRD: &str = "
router id 10.255.0.3;
protocol device {}
ipv4 table t;
protocol static { ipv4 { table t; }; route 10.3.0.0/24 blackhole; }
protocol bgp reflector {
  local 198.51.100.2 as 65010; neighbor 198.51.100.1 as 65010;
  hold time 9; connect retry time 1; connect delay time 1; error wait time 1,2;
  ipv4 { table t; import all; export where source = RTS_STATIC; };
}
";

const FRR: &str = "
log stdout
router bgp 65010
 bgp router-id 10.255.0.2
 no bgp network import-check
 neighbor 192.0.2.1 remote-as 65010
 neighbor 192.0.2.1 update-source 192.0.2.2
 neighbor 192.0.2.1 timers connect 1
 address-family ipv4 unicast
  network 10.2.0.0/24
 exit-address-family
";

const GOBGP: &str = r#"
[global.config]
as = 65010
router-id = "10.255.0.2"
[[neighbors]]
[neighbors.config]
neighbor-address = "192.0.2.1"
peer-as = 65010
[neighbors.transport.config]
local-address = "192.0.2.2"
[neighbors.timers.config]
connect-retry = 1
idle-hold-time-after-reset = 1
"#;

const OPENBGPD: &str = r#"
AS 65010
router-id 10.255.0.2
fib-update no
connect-retry 5
socket "FOLDER/bgpd.sock"
network 10.2.0.0/24
nexthop qualify via default
neighbor 192.0.2.1 {
  remote-as 65010
  local-address 192.0.2.2
}
allow from any
allow to any
"#;

const EXABGP: &str = r#"
process hears {
  run /bin/sh FOLDER/hears;
  encoder json;
}
neighbor 192.0.2.1 {
  router-id 10.255.0.2;
  local-address 192.0.2.2;
  local-as 65010;
  peer-as 65010;
  family { ipv4 unicast; }
  api { processes [ hears ]; receive { parsed; update; } }
  static { route 10.2.0.0/24 next-hop 192.0.2.2; }
}
"#;

#[test]
#[ignore = "needs root and the daemons; the test command runs it"]
fn daemons_are_reflected() {
    std::thread::scope(|scope| {
        let all = [
            (Kind::Frr, FRR),
            (Kind::GoBgp, GOBGP),
            (Kind::OpenBgpd, OPENBGPD),
            (Kind::ExaBgp, EXABGP),
        ];
        for (kind, config) in all {
            scope.spawn(move || reflect(kind, config));
        }
    });
}

fn reflect(kind: Kind, config: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    let [site, far, beside] = ["site", "far", "beside"].map(Space::new);
    super::connect(&site, &far, &beside);
    let bird = Bird::start(&beside, folder.path(), "bird", BIRD);
    let speaker = Speaker::start(&site, folder.path(), REFLECTOR);
    let routes = match kind {
        Kind::GoBgp => vec!["global rib -a ipv4 add 10.2.0.0/24".to_owned()],
        _ => Vec::new(),
    };
    let told = Told { kind, asn: 65010, config: config.to_owned(), routes };
    let far = Far::start(&far, folder.path(), told);
    for peer in ["far", "bird"] {
        until_true(45, &format!("{kind:?}: {peer} is Established"), || speaker.established(peer));
    }
    until_true(20, &format!("{kind:?} has BIRD's route, and whence"), || {
        let text = far.shows("10.3.0.0/24");
        ["10.255.0.3", "10.255.0.99", "198.51.100.2", "4321"].iter().all(|word| text.contains(word))
    });
    until_true(20, &format!("BIRD has the route of {kind:?}, and whence"), || {
        let text = bird.route("t", "10.2.0.0/24");
        let words = [
            "originator_id: 10.255.0.2",
            "cluster_list: 10.255.0.99",
            "next_hop: 192.0.2.2",
            "local_pref: 4321",
        ];
        words.iter().all(|word| text.contains(word))
    });
}
