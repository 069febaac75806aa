//! We are killed and come back while our kernel forwards on: what we tell, and when (RFC 4724 section 4.1).
//!
//! Two BIRDs send us routes, one of which is late; ExaBGP writes down whatever it hears.

use std::time::Duration;

use crate::bird::Bird;
use crate::far::{Far, Kind, Told};
use crate::space::{End, Space, link};
use crate::speaker::Speaker;
use crate::wait::until_true;

const SPEAKER: &str = r#"
[speaker]
asn = 65010
bgp_identifier = "10.255.0.1"
control = "CONTROL"
fib = "kernel"
listen = ["0.0.0.0:179"]

[groups.all]
hold_time = "9s"
connect_retry = "1s"
import = "accept-all"
export = "accept-all"

[peers.far]
group = "all"
address = "192.0.2.2"
local_address = "192.0.2.1"
asn = 65001

[peers.early]
group = "all"
address = "198.51.100.2"
local_address = "198.51.100.1"
asn = 65003

[peers.late]
group = "all"
address = "198.51.100.3"
local_address = "198.51.100.1"
asn = 65004
graceful_restart = "full"
"#;

const EXABGP: &str = r#"
process hears {
  run /bin/sh FOLDER/hears;
  encoder json;
}
neighbor 192.0.2.1 {
  router-id 10.255.0.2;
  local-address 192.0.2.2;
  local-as 65001;
  peer-as 65010;
  hold-time 9;
  family { ipv4 unicast; }
  api { processes [ hears ]; receive { parsed; update; } }
}
"#;

fn bird(id: u8, asn: u32) -> String {
    format!(
        "router id 10.255.0.{id};\nprotocol device {{}}\n\
         protocol static {{ ipv4; route 10.{id}.0.0/24 blackhole; }}\n\
         protocol bgp site {{ local 198.51.100.{id} as {asn}; neighbor 198.51.100.1 as 65010; \
         strict bind on; hold time 9; connect retry time 1; connect delay time 1; \
         error wait time 1,2; graceful restart on; \
         ipv4 {{ import none; export where source = RTS_STATIC; }}; }}\n"
    )
}

#[test]
#[ignore = "needs root, BIRD and ExaBGP; the test command runs it"]
fn nothing_is_told_before_all_who_bridged_our_restart_have_told_theirs() {
    let folder = tempfile::tempdir().expect("a folder");
    let [site, far, beside] = ["site", "far", "beside"].map(Space::new);
    link(
        End { space: &site, interface: "far", addresses: &["192.0.2.1/24"] },
        End { space: &far, interface: "site", addresses: &["192.0.2.2/24"] },
    );
    link(
        End { space: &site, interface: "beside", addresses: &["198.51.100.1/24"] },
        End {
            space: &beside,
            interface: "site",
            addresses: &["198.51.100.2/24", "198.51.100.3/24"],
        },
    );
    let [_early, late] = [("early", 2, 65003), ("late", 3, 65004)]
        .map(|(name, id, asn)| Bird::start(&beside, folder.path(), name, &bird(id, asn)));
    let mut speaker = Speaker::start(&site, folder.path(), SPEAKER);
    let told = Told { kind: Kind::ExaBgp, asn: 65001, config: EXABGP.into(), routes: Vec::new() };
    let far = Far::start(&far, folder.path(), told);
    let heard = || far.log().lines().filter(|line| line.contains("\"10.2.0.0/24\"")).count();
    for prefix in ["10.2.0.0/24", "10.3.0.0/24"] {
        until_true(30, &format!("ExaBGP is told {prefix}"), || far.shows(prefix).contains("65010"));
    }
    late.freeze(true);
    let before = heard();
    speaker.kill();
    speaker.restart();
    for peer in ["far", "early"] {
        until_true(20, &format!("{peer} is back"), || speaker.established(peer));
    }
    until_true(20, "what the first one has is known", || {
        speaker.peer("early").is_some_and(|peer| peer["families"][0]["received"] == 1)
    });
    std::thread::sleep(Duration::from_secs(3));
    assert!(!speaker.established("late"), "it says nothing");
    assert_eq!(heard(), before, "nobody is told of the first one's route: {}", far.log());
    late.freeze(false);
    until_true(20, "the other one is back, and all is told", || {
        heard() > before && far.shows("10.3.0.0/24").contains("65010")
    });
}
