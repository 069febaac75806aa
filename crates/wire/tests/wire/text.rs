//! What people write and read.

use pathvane_wire::{
    AsPath, Asn, BgpId, Community, ExtCommunity, Family, FamilySet, LargeCommunity, NextHop, Origin,
};

fn reads_and_writes<T>(texts: &[&str])
where
    T: core::str::FromStr<Err: core::fmt::Debug> + core::fmt::Display,
{
    for text in texts {
        assert_eq!(text.parse::<T>().expect(text).to_string(), *text);
    }
}

fn refuses<T: core::str::FromStr>(texts: &[&str]) {
    for text in texts {
        assert!(text.parse::<T>().is_err(), "{text}");
    }
}

#[test]
fn as_numbers() {
    reads_and_writes::<Asn>(&["0", "65000", "4294967295"]);
    refuses::<Asn>(&["", "AS", "-1", "4294967296", "1.2.3", "65536.0", "x"]);
    assert_eq!("AS65000".parse(), Ok(Asn(65000)));
    assert_eq!("1.10".parse(), Ok(Asn(65546)));
    assert!(Asn(64512).is_private() && Asn(4_200_000_000).is_private());
    assert!(!Asn(16550).is_private() && !Asn(65535).is_private());
}

#[test]
fn bgp_identifiers_are_dotted_quads() {
    reads_and_writes::<BgpId>(&["192.0.2.1"]);
    refuses::<BgpId>(&["1", "192.0.2", "::1"]);
    assert!(BgpId(1) < BgpId(0x8000_0000));
}

#[test]
fn families() {
    reads_and_writes::<Family>(&["ipv4-unicast", "ipv6-unicast"]);
    refuses::<Family>(&["ipv4", "ipv4-multicast"]);
    assert_eq!(Family { afi: 1, safi: 128 }.to_string(), "afi-1-safi-128");
    assert_eq!(FamilySet::ALL.to_string(), "ipv4-unicast ipv6-unicast");
}

#[test]
fn as_paths() {
    reads_and_writes::<AsPath>(&[
        "",
        "65001",
        "65001 65002 {65003 65004}",
        "{1} {2} 3",
        "(64512 64513) [64514] 65001",
    ]);
    refuses::<AsPath>(&["{", "{}", "1 {2", "1}", "a", "{1 {2}}", "0", "( )"]);
}

#[test]
fn communities_by_number_and_by_name() {
    reads_and_writes::<Community>(&["65000:100", "0:0", "no-export", "graceful-shutdown"]);
    refuses::<Community>(&["65000", "65536:1", "1:65536", "1:2:3", "no_export", ":", "a:b"]);
    assert_eq!("65535:65281".parse(), Ok(Community::NO_EXPORT));
    assert_eq!(Community::new(65535, 666).to_string(), "blackhole");
}

#[test]
fn large_communities() {
    reads_and_writes::<LargeCommunity>(&["4200000000:1:4294967295", "0:0:0"]);
    refuses::<LargeCommunity>(&["1:2", "1:2:3:4", "1:2:4294967296", "1::3"]);
}

#[test]
fn extended_communities() {
    reads_and_writes::<ExtCommunity>(&[
        "rt:65000:4294967295",
        "soo:192.0.2.1:65535",
        "rt:4200000000:7",
        "rt:65000L:7",
        "0x4300000000000000",
    ]);
    refuses::<ExtCommunity>(&[
        "rt:65000",
        "xx:1:2",
        "rt:4200000000:65536",
        "soo:192.0.2.1:65536",
        "0x43",
        "0xzz00000000000000",
        "rt:70000L:65536",
    ]);
    assert_eq!("rt:65000:100".parse(), Ok(ExtCommunity([0, 2, 0xfd, 0xe8, 0, 0, 0, 100])));
    assert_eq!("rt:70000:1".parse(), Ok(ExtCommunity([2, 2, 0, 1, 0x11, 0x70, 0, 1])));
}

#[test]
fn link_bandwidths_are_rates_in_bits() {
    for (text, octets) in [
        ("link-bandwidth:65000:100M", [0x40, 4, 0xfd, 0xe8, 0x4b, 0x3e, 0xbc, 0x20]),
        ("link-bandwidth-transitive:65000:1G", [0, 4, 0xfd, 0xe8, 0x4c, 0xee, 0x6b, 0x28]),
        ("link-bandwidth:0:0", [0x40, 4, 0, 0, 0, 0, 0, 0]),
        ("link-bandwidth:1:8", [0x40, 4, 0, 1, 0x3f, 0x80, 0, 0]),
    ] {
        assert_eq!(text.parse(), Ok(ExtCommunity(octets)), "{text}");
        assert_eq!(ExtCommunity(octets).to_string(), text);
    }
    let community = ExtCommunity::link_bandwidth(Asn(4_200_000_000), 64_000, false);
    assert_eq!(community.to_string(), "link-bandwidth:23456:64k");
    assert_eq!(community.bandwidth(), Some(64_000));
    // No number, less than nothing, endless, and a fraction of a bit.
    for value in [f32::NAN, -1.0, f32::INFINITY, 0.01] {
        let [a, b, c, d] = value.to_be_bytes();
        let odd = ExtCommunity([0x40, 4, 0, 1, a, b, c, d]);
        assert_eq!(odd.bandwidth(), None, "{value}");
        assert_eq!(odd.to_string().parse(), Ok(odd), "{value}");
    }
    for text in [
        "link-bandwidth:65536:1M",
        "link-bandwidth:1:M",
        "link-bandwidth:1:-5",
        "link-bandwidth:1:99999999999999999999G",
    ] {
        assert!(text.parse::<ExtCommunity>().is_err(), "{text}");
    }
}

#[test]
fn origins_and_next_hops() {
    assert!(Origin::Igp < Origin::Egp && Origin::Egp < Origin::Incomplete);
    assert_eq!(Origin::Incomplete.to_string(), "incomplete");
    let next_hop = NextHop {
        addr: "2001:db8::1".parse().expect("an address"),
        link_local: "fe80::1".parse().ok(),
    };
    assert_eq!(next_hop.to_string(), "2001:db8::1 (fe80::1)");
}
