//! Rules about BFD sessions.

use core::time::Duration;

use super::super::File;
use super::super::bfd::{Bfd, Wish, wishes};
use super::super::finding::{Finding, Findings, Severity};
use crate::bfd::protocol::SESSIONS_MAX;

/// Below this, timers of an ordinary machine are no measure any more.
const INTERVAL_MIN: Duration = Duration::from_millis(10);
/// The supported floor, 50 ms x 3. How it holds under load is what `cargo xtask soak bfd` shows.
const DETECTION_MIN: Duration = Duration::from_millis(150);
/// The longest interval that fits a packet, rounded down.
const INTERVAL_MAX: Duration = Duration::from_secs(4000);

pub(super) fn apply(file: &File, findings: &mut Findings) {
    for peer in &file.peers {
        let Some(bfd) = &peer.bfd else { continue };
        let what = format!("peer `{}`", peer.name());
        times(bfd, &what, findings);
        if peer.local_address.is_none() {
            findings.error(
                bfd.span.clone(),
                format!("`bfd` of {what} needs to know our address"),
                "add `local_address = \"...\"` to the peer: packets are told apart by it",
            );
        }
        if peer.multihop.is_some() && !bfd.multihop {
            findings.warning(
                bfd.span.clone(),
                format!("the session with {what} is multihop, its BFD session is not"),
                "add `multihop = true` to `bfd` if the peer is more than one hop away",
            );
        }
    }
    for range in &file.ranges {
        let Some(bfd) = &range.bfd else { continue };
        findings.error(
            bfd.span.clone(),
            format!("peers of range `{}` have no BFD sessions", range.name()),
            "leave `bfd` out, or give such a peer a section and an address of its own",
        );
    }
    for path in &file.paths {
        if let Some(bfd) = &path.bfd {
            times(bfd, &format!("path `{}`", path.name()), findings);
            path_addresses(
                bfd,
                path.next_hop.as_ref().map(|hop| hop.get_ref().is_ipv4()),
                findings,
            );
        }
    }
    shared(&wishes(file), findings);
}

fn times(bfd: &Bfd, what: &str, findings: &mut Findings) {
    let interval = *bfd.interval.get_ref();
    if !(INTERVAL_MIN..=INTERVAL_MAX).contains(&interval) {
        findings.error(
            bfd.interval.span(),
            format!("the BFD interval of {what} is out of range"),
            "use 10ms to 4000s; 50ms x 3 is the fastest that is supported",
        );
    } else if bfd.detection() < DETECTION_MIN {
        findings.warning(
            bfd.interval.span(),
            format!(
                "BFD of {what} gives up after {:?}: a busy machine alone takes so long",
                bfd.detection()
            ),
            "use 50ms x 3 or slower, or expect alarms when this machine or the peer is late",
        );
    }
}

fn path_addresses(bfd: &Bfd, hop_is_ipv4: Option<bool>, findings: &mut Findings) {
    let Some(local) = &bfd.local_address else { return };
    let remote = bfd.address.as_ref().map(|address| address.get_ref().is_ipv4()).or(hop_is_ipv4);
    if remote.is_some_and(|is_ipv4| is_ipv4 != local.get_ref().is_ipv4()) {
        findings.error(
            local.span(),
            "a BFD session cannot have ends of two families",
            "give `local_address` the family of the next hop, or of `address`",
        );
    }
}

/// One pair of addresses has one session (RFC 5881 section 3): its users must agree.
fn shared(wishes: &[Wish<'_>], findings: &mut Findings) {
    for (at, wish) in wishes.iter().enumerate() {
        let same = |other: &&Wish<'_>| other.wanted.key == wish.wanted.key;
        let Some(first) = wishes[..at].iter().find(same) else { continue };
        if first.wanted != wish.wanted {
            findings.push(
                Finding::new(
                    Severity::Error,
                    wish.bfd.span.clone(),
                    format!("BFD with {} is asked for twice, differently", wish.wanted.key.remote),
                    "give both the same `interval` and `multiplier`: it is one session",
                )
                .other(first.bfd.span.clone(), "first here"),
            );
        }
    }
    if wishes.len() > SESSIONS_MAX {
        findings.error(
            wishes[SESSIONS_MAX].bfd.span.clone(),
            format!("more than {SESSIONS_MAX} BFD sessions"),
            "remove some: one process serves no more",
        );
    }
}
