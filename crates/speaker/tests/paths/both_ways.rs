//! The same probe over two paths leaves and returns by two paths, and what befalls the way back of one
//! does not touch the other.

use pathvane_speaker::control::dto::Path;

use crate::netns::{in_namespace, nft, packets};
use crate::site::{Site, two_ways};

#[test]
fn a_probe_over_two_paths_leaves_and_returns_by_two_and_a_hole_on_the_way_back_is_of_one() {
    in_namespace(|| {
        let _far = two_ways(&["10.255.1.1", "10.255.1.2"]);
        counted();
        let east = path("east", "10.1.0.2", "10.255.1.1");
        let west = path("west", "10.2.0.2", "10.255.1.2");
        let site = Site::start_both(tempfile::tempdir().unwrap(), &east, &west);
        let up = site.paths_when(|paths| paths.iter().all(is_up));
        let both = ["east_out", "east_in", "west_out", "west_in"].map(packets);
        assert!(both.iter().all(|count| *count > 5), "{both:?}");
        assert_eq!([packets("stray_out"), packets("stray_in")], [0, 0], "{up:?}");

        // Replies over the first path are lost on their way back; probes still arrive there.
        nft("add rule ip seen before iifname east udp sport 862 drop");
        let holed = site.paths_when(|paths| paths[0].state == "down");
        assert!(is_up(&holed[1]), "{holed:?}");
        let (left, answered) = (packets("east_out"), holed[1].probes[0].answered);
        // It is measured on, down as it is, and so is the other.
        let later = site.paths_when(|paths| paths[1].probes[0].answered > answered + 30);
        assert!(packets("east_out") > left + 10, "{later:?}");
        assert!(later[0].state == "down" && is_up(&later[1]), "{later:?}");

        nft("flush chain ip seen before");
        let back = site.paths_when(|paths| paths[0].state != "down");
        assert!(is_up(&back[1]), "{back:?}");
        assert_eq!([packets("stray_out"), packets("stray_in")], [0, 0]);
    });
}

fn is_up(path: &Path) -> bool {
    path.state == "up"
}

/// The keys of a path over an interface of its name.
fn path(name: &str, next_hop: &str, source: &str) -> String {
    format!(
        "interface = \"{name}\"\nnext_hop = \"{next_hop}\"\nprobe_source = \"{source}\"\n\
         probes = [{{ kind = \"stamp\", target = \"10.9.0.9\" }}, \
         {{ kind = \"stamp\", target = \"10.9.1.9\" }}]\n"
    )
}

/// Counts probes and replies by the way they take, each once.
fn counted() {
    nft("add table ip seen");
    for counter in ["east_out", "west_out", "stray_out", "east_in", "west_in", "stray_in"] {
        nft(&format!("add counter ip seen {counter}"));
    }
    nft("add chain ip seen leaving { type filter hook postrouting priority 0 ; }");
    nft("add chain ip seen before { type filter hook prerouting priority -10 ; }");
    nft("add chain ip seen arriving { type filter hook prerouting priority 0 ; }");
    for (way, source) in [("east", "10.255.1.1"), ("west", "10.255.1.2")] {
        nft(&format!(
            "add rule ip seen leaving udp dport 862 oifname {way} ip saddr {source} \
             counter name {way}_out return"
        ));
        nft(&format!(
            "add rule ip seen arriving udp sport 862 iifname {way} ip daddr {source} \
             counter name {way}_in return"
        ));
    }
    nft("add rule ip seen leaving udp dport 862 counter name stray_out");
    nft("add rule ip seen arriving udp sport 862 counter name stray_in");
}
