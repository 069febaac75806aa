//! A kernel on the way that changes DSCP EF: the reflector tells of the way there, the reply's own
//! traffic class of the way back.

use crate::netns::{in_namespace, ip, nft};
use crate::site::{FarSpace, Site};

#[test]
fn a_kernel_that_remarks_ef_is_told_in_the_direction_in_which_it_does() {
    in_namespace(|| {
        let far = FarSpace::new();
        ip("link add east type veth peer name east-far");
        far.take("east-far");
        ip("addr add 10.1.0.1/24 dev east");
        ip("link set east up");
        let lines = ["link set lo up", "addr add 10.1.0.2/24 dev east-far", "link set east-far up"];
        far.start(&lines, "10.1.0.1", "10.1.0.2");
        // After our sockets have marked their packets, and before they see what arrives.
        nft("add table ip edge");
        nft("add chain ip edge there { type filter hook postrouting priority mangle ; }");
        nft("add chain ip edge back { type filter hook prerouting priority mangle ; }");

        let site = Site::start(
            tempfile::tempdir().unwrap(),
            "next_hop = \"10.1.0.2\"\nprobe_source = \"10.1.0.1\"\n\
             probes = [{ kind = \"stamp\", target = \"10.1.0.2\" }]\n",
        );
        let up = site.path_when(|path| path.state == "up");
        assert!(up.reasons.is_empty(), "{up:?}");
        assert_eq!((up.probes[0].remarked_fwd, up.probes[0].remarked_rev), (0, 0), "{up:?}");

        nft("add rule ip edge there udp dport 862 ip dscp ef ip dscp set cs0");
        let noted = site.path_when(|path| path.probes[0].remarked_fwd > 20);
        assert_eq!(noted.probes[0].remarked_rev, 0, "EF is asked for on the way back: {noted:?}");
        assert!(noted.reasons.contains(&"remarked".to_owned()), "{noted:?}");
        assert_eq!(noted.state, "up", "it is told and moves nothing");

        nft("flush chain ip edge there");
        let clear = site.path_when(|path| path.reasons.is_empty());
        nft("add rule ip edge back udp sport 862 ip dscp ef ip dscp set af11");
        let noted = site.path_when(|path| path.probes[0].remarked_rev > 20);
        assert_eq!(noted.probes[0].remarked_fwd, clear.probes[0].remarked_fwd, "{noted:?}");
        assert!(noted.reasons.contains(&"remarked".to_owned()), "{noted:?}");
    });
}
