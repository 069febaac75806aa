//! A router between us and the far ends: which side of it a fault is on.

use pathvane_speaker::control::dto::Path;

use crate::netns::{in_namespace, ip};
use crate::site::{FarSpace, Site};

/// A station that is not there.
const NOBODY: &str = "lladdr 02:00:00:00:00:99 nud permanent";

/// Far ends behind the router; both are its own addresses, which our routes may miss.
const FAR: [&str; 2] = ["10.9.0.9", "10.9.1.9"];

#[test]
fn a_fault_is_told_on_its_side_of_a_real_router() {
    in_namespace(|| {
        let far = FarSpace::new();
        ip("link add one type veth peer name one-far");
        far.take("one-far");
        ip("addr add 10.1.0.1/24 dev one");
        ip("link set one up");
        ip("addr add 10.255.1.1/32 dev lo");
        ip(&format!("neigh add 10.1.0.77 {NOBODY} dev one"));
        leads_over("10.1.0.2");
        let lines = [
            "link set lo up",
            "addr add 10.9.0.9/32 dev lo",
            "addr add 10.9.1.9/32 dev lo",
            "addr add 10.1.0.2/24 dev one-far",
            "link set one-far up",
            "route add 10.255.1.1/32 via 10.1.0.1",
            // The router itself has no way to the probe source, as a carrier's has none.
            "rule add from 10.1.0.2/32 to 10.255.1.1/32 blackhole",
        ];
        far.start(&lines, "10.255.1.1", FAR[0]);

        let site = Site::start(
            tempfile::tempdir().unwrap(),
            "next_hop = \"10.1.0.2\"\nprobe_source = \"10.255.1.1\"\nprobes = [\n\
             { kind = \"stamp\", target = \"10.9.0.9\" }, { kind = \"stamp\", target = \"10.9.1.9\" },\n\
             { kind = \"icmp\", first_hop = true },\n]\n",
        );
        let up = site.path_when(|path| path.state == "up" && path.probes[2].answered > 20);
        assert_eq!((up.reflectors, up.reasons.len()), (2, 0), "{up:?}");
        let hop = &up.probes[2];
        assert_eq!((hop.first_hop, hop.target.as_str()), (true, "10.1.0.2"), "{up:?}");
        assert!(hop.sent < up.probes[0].sent, "it is asked less often: {up:?}");

        // What lies beyond it is gone: probes of the far ends lead to nobody.
        leads_over("10.1.0.77");
        let beyond = site.path_when(|path| says(path, "transit"));
        assert!(beyond.state == "down" && !says(&beyond, "last-mile"), "{beyond:?}");
        leads_over("10.1.0.2");
        site.path_when(|path| path.reasons.is_empty());

        // The way to it is gone.
        ip(&format!("neigh replace 10.1.0.2 {NOBODY} dev one"));
        let near = site.path_when(|path| says(path, "last-mile"));
        assert!(near.state == "down" && !says(&near, "transit"), "{near:?}");
    });
}

fn says(path: &Path, reason: &str) -> bool {
    path.reasons.iter().any(|it| it == reason)
}

fn leads_over(router: &str) {
    for target in FAR {
        ip(&format!("route replace {target}/32 via {router} dev one"));
    }
}
