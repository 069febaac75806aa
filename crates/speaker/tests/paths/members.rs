//! A bundle that the kernel makes: two equal routes, flows spread by ports, one member broken.

use crate::netns::{in_namespace, ip};
use crate::site::{FarSpace, Site};

#[test]
fn the_source_ports_of_a_broken_member_of_a_multipath_route_are_named() {
    in_namespace(|| {
        let far = FarSpace::new();
        for (member, net) in [("one", 1), ("two", 2)] {
            ip(&format!("link add {member} type veth peer name {member}-far"));
            far.take(&format!("{member}-far"));
            ip(&format!("addr add 10.{net}.0.1/24 dev {member}"));
            ip(&format!("link set {member} up"));
        }
        ip("addr add 10.255.1.1/32 dev lo");
        // Ports decide, as on most routers.
        std::fs::write("/proc/sys/net/ipv4/fib_multipath_hash_policy", "1").expect("a sysctl");
        // Replies come back by the first member whatever way the probe went.
        for interface in ["all", "one", "two"] {
            let file = format!("/proc/sys/net/ipv4/conf/{interface}/rp_filter");
            std::fs::write(file, "0").expect("a sysctl");
        }
        ip("route add 10.9.0.9/32 nexthop via 10.1.0.2 dev one nexthop via 10.2.0.2 dev two");
        let lines = [
            "link set lo up",
            "addr add 10.9.0.9/32 dev lo",
            "addr add 10.1.0.2/24 dev one-far",
            "addr add 10.2.0.2/24 dev two-far",
            "link set one-far up",
            "link set two-far up",
            "route add 10.255.1.1/32 via 10.1.0.1",
        ];
        far.start(&lines, "10.255.1.1", "10.9.0.9");

        let site = Site::start(
            tempfile::tempdir().unwrap(),
            "next_hop = \"10.1.0.2\"\nprobe_source = \"10.255.1.1\"\n\
             probes = [{ kind = \"stamp\", target = \"10.9.0.9\", ports = 16 }]\n",
        );
        let up = site.path_when(|path| path.state == "up");
        assert_eq!((up.probes[0].ports, up.silent_ports), (16, 0));

        // The second member loses everything: its frames go to a station that is not there.
        ip("neigh replace 10.2.0.2 lladdr 02:00:00:00:00:99 nud permanent dev two");
        let sick = site.path_when(|path| path.silent_ports > 0 && path.state == "degraded");
        assert!(sick.reasons.contains(&"ecmp-member".to_owned()), "{sick:?}");
        assert!(sick.silent_ports < 16 && sick.silent == 0, "{sick:?}");
        // Every port named is one that the kernel sends over the broken member, and no other is.
        let settled = site.path_when(|path| {
            let silent = &path.probes[0].silent_ports;
            let over_two = |port: &u16| member_of(*port) == "two";
            !silent.is_empty() && silent.iter().all(over_two)
        });
        assert_eq!(settled.probes[0].silent_ports.len(), usize::from(settled.silent_ports));
    });
}

/// The member that the kernel chooses for probes from `port`.
fn member_of(port: u16) -> String {
    let answer =
        ip(&format!("route get 10.9.0.9 from 10.255.1.1 ipproto udp sport {port} dport 862"));
    let mut words = answer.split_whitespace().skip_while(|&word| word != "dev").skip(1);
    words.next().unwrap_or("none").to_owned()
}
