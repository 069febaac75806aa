//! The steps of the Decision Process.

use core::fmt;

/// The step at which one route is preferred to another, in the order in which they are taken
/// (RFC 4271 section 9.1.2.2, with RFC 4456 section 9 and RFC 6286).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Step {
    /// There is no other feasible route.
    Only,
    /// A route of our own comes before any peer's.
    LocalOrigin,
    /// One that is not kept though its origin has been gone for long (RFC 9494 section 4.3).
    LongLivedStale,
    /// The higher degree of preference (section 9.1.1).
    Preference,
    /// The shorter AS path; an AS_SET counts as one (section 9.1.2.2 a).
    AsPath,
    /// The lower ORIGIN (section 9.1.2.2 b).
    Origin,
    /// The lower MED among routes of one neighbouring AS (section 9.1.2.2 c).
    Med,
    /// External before internal (section 9.1.2.2 d).
    External,
    /// The lower BGP Identifier, or ORIGINATOR_ID (section 9.1.2.2 f, RFC 4456).
    Identifier,
    /// The shorter CLUSTER_LIST (RFC 4456).
    ClusterList,
    /// The lower peer address (section 9.1.2.2 g).
    Address,
    /// The lower path identifier, where one peer sends several routes (RFC 7911).
    PathId,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Step::Only => "only feasible route",
            Step::LocalOrigin => "locally originated",
            Step::LongLivedStale => "not long-lived stale",
            Step::Preference => "higher degree of preference",
            Step::AsPath => "shorter AS path",
            Step::Origin => "lower origin",
            Step::Med => "lower MED",
            Step::External => "external before internal",
            Step::Identifier => "lower BGP Identifier",
            Step::ClusterList => "shorter cluster list",
            Step::Address => "lower peer address",
            Step::PathId => "lower path identifier",
        })
    }
}
