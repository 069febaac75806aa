//! Attributes that others know and we do not: carried or dropped by their flags, never read.

/// Codes and names (IANA, BGP Path Attributes). All of them are specified as optional.
///
/// So one that comes marked well-known has wrong flags, which costs its routes (RFC 7606 section 3
/// item c); of a code that nobody registered it would be an unrecognized well-known attribute,
/// which ends the session (RFC 4271 section 6.3).
const CARRIED: [(u8, &str); 28] = [
    (11, "DPA"),
    (12, "ADVERTISER"),
    (13, "RCID_PATH"),
    (19, "SAFI Specific Attribute"),
    (20, "Connector Attribute"),
    (21, "AS_PATHLIMIT"),
    (22, "PMSI_TUNNEL"),
    (23, "Tunnel Encapsulation"),
    (24, "Traffic Engineering"),
    (25, "IPv6 Address Specific Extended Community"),
    (27, "PE Distinguisher Labels"),
    (28, "Entropy Label Capability"),
    (29, "BGP-LS Attribute"),
    (30, "Deprecated (30)"),
    (31, "Deprecated (31)"),
    (33, "BGPsec_PATH"),
    (34, "BGP Community Container"),
    (36, "D-PATH"),
    (37, "SFP Attribute"),
    (38, "BFD Discriminator"),
    (39, "Next Hop Dependent Characteristics"),
    (40, "BGP Prefix-SID"),
    (41, "BIER"),
    (128, "ATTR_SET"),
    (129, "Deprecated (129)"),
    (241, "Deprecated (241)"),
    (242, "Deprecated (242)"),
    (243, "Deprecated (243)"),
];

/// The name of a registered attribute that we do not know.
pub(super) fn name(code: u8) -> Option<&'static str> {
    CARRIED.iter().find(|(carried, _)| *carried == code).map(|(_, name)| *name)
}
