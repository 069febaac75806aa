//! `bfd` of peers and paths: which sessions are wanted, and whom they inform.

use core::net::IpAddr;
use core::ops::Range;
use core::time::Duration;

use pathvane_engine::{BfdUser, PathId};
use pathvane_rib::PeerId;
use toml::Spanned;

use super::File;
use super::profile::Profile;
use super::read::Section;
use super::schema;
use super::value::{Interface, Number};
use crate::bfd::protocol::{Key, Wanted};

/// The default interval and multiplier where the far end's product has none of its own: FRR's and
/// BIRD's order of magnitude.
pub(super) const TIMES: (Duration, u32) = (Duration::from_millis(300), 3);

/// A BFD session that the file asks for, and whom it informs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BfdSession {
    /// What the BFD process is asked for.
    pub wanted: Wanted,
    /// Peers and paths that are told.
    pub users: Vec<BfdUser>,
}

/// The table `bfd` of a peer or a path.
#[derive(Debug)]
pub(super) struct Bfd {
    pub(super) span: Range<usize>,
    pub(super) interval: Spanned<Duration>,
    pub(super) multiplier: Spanned<Number<1, 255>>,
    pub(super) multihop: bool,
    pub(super) strict: bool,
    pub(super) local_address: Option<Spanned<IpAddr>>,
    pub(super) address: Option<Spanned<IpAddr>>,
}

impl Bfd {
    /// Reads `bfd` of a peer, whose addresses are the session's.
    pub(super) fn of_peer(section: &Section<'_>, profile: Profile) -> Option<Self> {
        let what = format!("`bfd` of {}", section.what);
        let bfd = section.section("bfd", what, schema::PEER_BFD)?;
        let strict = bfd.or("strict", false);
        let times = profile.bfd().unwrap_or(TIMES);
        Some(Self { strict, ..Self::common(section, &bfd, times) })
    }

    /// Reads `bfd` of a path, which ends at its next hop unless it says otherwise.
    pub(super) fn of_path(section: &Section<'_>) -> Option<Self> {
        let what = format!("`bfd` of {}", section.what);
        let bfd = section.section("bfd", what, schema::PATH_BFD)?;
        let local_address = bfd.required("local_address", "\"169.254.10.2\"");
        let address = bfd.optional("address");
        Some(Self { local_address, address, ..Self::common(section, &bfd, TIMES) })
    }

    fn common(
        section: &Section<'_>,
        bfd: &Section<'_>,
        (interval, multiplier): (Duration, u32),
    ) -> Self {
        Self {
            span: section.span_of("bfd"),
            interval: bfd.spanned_or("interval", interval),
            multiplier: bfd.spanned_or("multiplier", Number(multiplier)),
            multihop: bfd.or("multihop", false),
            strict: false,
            local_address: None,
            address: None,
        }
    }

    /// After how long a silence the session is down if the peer sends as often as we do.
    pub(super) fn detection(&self) -> Duration {
        *self.interval.get_ref() * self.multiplier.get_ref().0
    }

    fn wanted(&self, local: IpAddr, remote: IpAddr, interface: Option<&Interface>) -> Wanted {
        let interface = interface.cloned().map(Interface::into_name);
        Wanted {
            key: Key { local, remote, interface, multihop: self.multihop },
            interval_us: u32::try_from(self.interval.get_ref().as_micros()).unwrap_or(u32::MAX),
            multiplier: self.multiplier.get_ref().small(),
        }
    }
}

/// A wish for a session, with its place in the file.
pub(super) struct Wish<'f> {
    pub(super) bfd: &'f Bfd,
    pub(super) wanted: Wanted,
    pub(super) user: BfdUser,
}

/// Every wish in the file that is complete.
pub(super) fn wishes(file: &File) -> Vec<Wish<'_>> {
    let mut wishes = Vec::new();
    for (id, peer) in (0..).map(PeerId).zip(&file.peers) {
        if let (Some(bfd), Some(local), Some(remote)) =
            (&peer.bfd, &peer.local_address, &peer.address)
        {
            let interface = peer.interface.as_ref();
            let wanted = bfd.wanted(*local.get_ref(), *remote.get_ref(), interface);
            wishes.push(Wish { bfd, wanted, user: BfdUser::Peer(id) });
        }
    }
    for (id, path) in (0..).map(PathId).zip(&file.paths) {
        let Some(bfd) = &path.bfd else { continue };
        let remote = bfd.address.as_ref().or(path.next_hop.as_ref());
        if let (Some(local), Some(remote)) = (&bfd.local_address, remote) {
            let interface = path.interface.as_ref();
            let wanted = bfd.wanted(*local.get_ref(), *remote.get_ref(), interface);
            wishes.push(Wish { bfd, wanted, user: BfdUser::Path(id) });
        }
    }
    wishes
}

/// The sessions to claim: one for each pair of addresses (RFC 5882 section 2), however many users.
pub(super) fn sessions(file: &File) -> Vec<BfdSession> {
    let mut sessions: Vec<BfdSession> = Vec::new();
    for Wish { wanted, user, .. } in wishes(file) {
        match sessions.iter_mut().find(|session| session.wanted.key == wanted.key) {
            Some(session) => session.users.push(user),
            None => sessions.push(BfdSession { wanted, users: vec![user] }),
        }
    }
    sessions
}
