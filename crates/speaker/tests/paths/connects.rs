//! TCP probes of a path leave as its other probes do: by its mark, table and interface, from its probe
//! source, with the DSCP of its services, and no more often than asked.

use std::time::Instant;

use crate::netns::{in_namespace, nft, packets};
use crate::site::{Site, two_ways};

#[test]
fn tcp_probes_leave_by_the_paths_own_way_marked_as_configured() {
    in_namespace(|| {
        let _far = two_ways(&["10.255.1.1"]);
        // What the kernel sends to the port that nobody listens on, each packet counted once.
        nft("add table ip seen");
        nft("add counter ip seen pinned");
        nft("add counter ip seen stray");
        nft("add chain ip seen leaving { type filter hook postrouting priority 0 ; }");
        nft("add rule ip seen leaving tcp dport 444 oifname east ip saddr 10.255.1.1 \
             ip dscp ef meta mark 0x70760005 counter name pinned return");
        nft("add rule ip seen leaving tcp dport 444 counter name stray");

        let began = Instant::now();
        let site = Site::start_in_kernel(
            tempfile::tempdir().unwrap(),
            "interface = \"east\"\nnext_hop = \"10.1.0.2\"\nprobe_source = \"10.255.1.1\"\n\
             mark = 0x70760005\n\
             probes = [{ kind = \"tcp\", target = \"10.9.0.9\", port = 444, interval = \"500ms\" }]\n",
        );
        let probed = site.path_when(|path| path.probes[0].answered >= 6);
        assert_eq!(probed.probes[0].send_failed, 0, "{probed:?}");
        let (pinned, stray) = (packets("pinned"), packets("stray"));
        assert!(pinned >= 6, "each probe is one request, refused: {pinned}");
        assert_eq!(stray, 0, "none by another way, source, mark or DSCP");
        // The first comes at once.
        let most = 2 + began.elapsed().as_millis() / 500;
        assert!(u128::from(pinned) <= most, "{pinned} requests, {most} at most");
    });
}
