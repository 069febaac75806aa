//! What an UPDATE says, in one form for all parsers.

use std::collections::BTreeSet;

use ipnet::IpNet;
use pathvane_wire::AsPath;

/// A prefix with its path identifier.
pub(crate) type Path = (IpNet, u32);

/// What an UPDATE says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Said {
    pub(crate) withdrawn: BTreeSet<Path>,
    /// With the next hop.
    pub(crate) announced: BTreeSet<(Path, String)>,
    pub(crate) origin: Option<String>,
    /// With AS4_PATH merged in.
    pub(crate) as_path: AsPath,
    pub(crate) med: Option<u32>,
    pub(crate) local_pref: Option<u32>,
    pub(crate) atomic_aggregate: bool,
    pub(crate) communities: BTreeSet<u32>,
    pub(crate) large_communities: BTreeSet<[u32; 3]>,
    pub(crate) originator_id: Option<String>,
    pub(crate) cluster_list: Vec<u32>,
    pub(crate) otc: Option<u32>,
}

/// A path of segments, each with its kind by its code on the wire.
pub(crate) fn path(segments: impl IntoIterator<Item = (u8, Vec<u32>)>) -> AsPath {
    let mut text = String::new();
    for (kind, asns) in segments {
        let [open, close] = match kind {
            1 => ["{", "}"],
            3 => ["(", ")"],
            4 => ["[", "]"],
            _ => ["", ""],
        };
        let members = asns.iter().map(u32::to_string).collect::<Vec<_>>().join(" ");
        text += &format!(" {open}{members}{close} ");
    }
    text.parse().unwrap_or_default()
}

/// What a parser makes of a message, from the mildest on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Verdict {
    /// Sound.
    Fine,
    /// Readable, with something wrong that does not cost more than attributes or routes.
    Faulty,
    /// Not readable.
    Broken,
}
