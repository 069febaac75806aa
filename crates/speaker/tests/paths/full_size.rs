//! Full-size probes: a hop that drops what does not fit without a word, and a kernel that says so.

use pathvane_speaker::control::dto::{Event, Kind};

use crate::netns::{in_namespace, ip};
use crate::site::{FarSpace, Site};

/// Us at 10.1.0.1 on `east`, a switch, the far side at 10.1.0.2 behind its port `hop`. A switch
/// drops what is larger than the MTU of the port it leaves by, and tells nobody.
fn over_a_switch() {
    let far = FarSpace::new();
    ip("link add switch type bridge");
    ip("link add east type veth peer name east-port");
    ip("link add hop type veth peer name far");
    far.take("far");
    for port in ["east-port", "hop"] {
        ip(&format!("link set {port} master switch"));
    }
    for interface in ["switch", "east", "east-port", "hop"] {
        ip(&format!("link set {interface} up"));
    }
    ip("addr add 10.1.0.1/24 dev east");
    let lines = ["link set lo up", "addr add 10.1.0.2/24 dev far", "link set far up"];
    far.start(&lines, "10.1.0.1", "10.1.0.2");
    std::mem::forget(far);
}

fn start(keys: &str) -> Site {
    let path = format!(
        "interface = \"east\"\nnext_hop = \"10.1.0.2\"\nprobe_source = \"10.1.0.1\"\n{keys}"
    );
    Site::start(tempfile::tempdir().unwrap(), &path)
}

#[test]
fn a_hop_that_swallows_large_packets_is_an_mtu_hole_until_it_is_mended() {
    in_namespace(|| {
        over_a_switch();
        let site =
            start("mtu_probe = \"auto\"\nprobes = [{ kind = \"stamp\", target = \"10.1.0.2\" }]\n");
        let full = |path: &pathvane_speaker::control::dto::Path| path.full_size.clone().unwrap();
        let up = site.path_when(|path| path.state == "up" && full(path).answered >= 3);
        let fits = full(&up);
        assert_eq!((fits.octets, fits.path_mtu, fits.lost), (Some(1500), Some(1500), 0), "{up:?}");

        ip("link set hop mtu 1400");
        let hole = site.path_when(|path| path.reasons.contains(&"mtu-hole".to_owned()));
        assert_eq!((hole.state.as_str(), hole.silent), ("degraded", 0), "{hole:?}");
        assert!(hole.loss_ppm < 10_000, "small packets pass: {hole:?}");
        assert_eq!(full(&hole).path_mtu, Some(1500), "nobody has told the kernel");

        ip("link set hop mtu 1500");
        let mended = site.path_when(|path| !path.reasons.contains(&"mtu-hole".to_owned()));
        assert_eq!(mended.state, "recovering");
    });
}

#[test]
fn a_size_that_the_kernel_knows_to_be_too_large_is_told_and_is_no_hole() {
    in_namespace(|| {
        over_a_switch();
        // The echo of the far kernel instead of a reflector.
        let site =
            start("mtu_probe = 1500\nprobes = [{ kind = \"icmp\", target = \"10.1.0.2\" }]\n");
        let answered = |path: &pathvane_speaker::control::dto::Path| {
            path.full_size.as_ref().is_some_and(|full| full.answered >= 2)
        };
        site.path_when(|path| path.state == "up" && answered(path));

        ip("link set east mtu 1400");
        let refused = site.path_when(|path| path.full_size.as_ref().unwrap().send_failed >= 8);
        let full = refused.full_size.as_ref().unwrap();
        assert_eq!((full.octets, full.path_mtu), (Some(1500), Some(1400)), "{refused:?}");
        assert!(refused.reasons.is_empty(), "what was not sent is not lost: {refused:?}");
        let events: Vec<Event> = site.get("/v1/events?since=0").expect("events");
        let told = |event: &&Event| matches!(&event.kind, Kind::PathMtu { .. });
        let told: Vec<String> =
            events.iter().filter(told).map(|event| event.kind.to_string()).collect();
        assert_eq!(told, ["path east takes packets of 1400 octets, not of 1500 as configured"]);
    });
}
