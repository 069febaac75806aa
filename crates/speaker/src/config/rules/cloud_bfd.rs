//! What the clouds' own BFD can do.

use core::time::Duration;

use super::super::File;
use super::super::bfd::Bfd;
use super::super::finding::Findings;
use super::super::peer::{Peer, Restart};
use super::super::profile::Profile;

pub(super) fn apply(file: &File, findings: &mut Findings) {
    for peer in file.peers.iter().filter(|peer| peer.profile.is_cloud()) {
        let Some(bfd) = &peer.bfd else { continue };
        match peer.profile.bfd() {
            Some((interval, multiplier)) => {
                times(peer, bfd, interval, multiplier, findings);
                strict(peer, bfd, findings);
                graceful_restart(peer, bfd, findings);
            }
            None => without(peer, bfd, findings),
        }
    }
}

/// Nobody answers there.
fn without(peer: &Peer, bfd: &Bfd, findings: &mut Findings) {
    let title = peer.profile.title();
    let remedy = "remove `bfd`: the product has none";
    match bfd.strict {
        true => findings.error(
            bfd.span.clone(),
            format!("{title} `{}` has no BFD, so that its session would never open", peer.name()),
            remedy,
        ),
        false => findings.warning(
            bfd.span.clone(),
            format!("{title} `{}` has no BFD: it will never be up", peer.name()),
            remedy,
        ),
    }
}

/// The slower side's wish counts; a cloud router that is asked for less than its own five intervals
/// takes its maintenance for a failure.
fn times(peer: &Peer, bfd: &Bfd, interval: Duration, multiplier: u32, findings: &mut Findings) {
    let title = peer.profile.title();
    if *bfd.interval.get_ref() < interval {
        findings.warning(
            bfd.interval.span(),
            format!("{title} `{}` sends BFD every {interval:?} at best", peer.name()),
            format!("use \"{interval:?}\": the slower side's wish counts"),
        );
    }
    if bfd.multiplier.get_ref().0 < multiplier {
        findings.warning(
            bfd.multiplier.span(),
            format!("{title} `{}` has a multiplier of {multiplier} or more", peer.name()),
            format!("use {multiplier}: shorter silences are no failures there"),
        );
    }
}

/// Cloud routers have BFD on VLAN attachments alone, and there it is off unless somebody turned it on.
fn strict(peer: &Peer, bfd: &Bfd, findings: &mut Findings) {
    if bfd.strict && peer.profile.is_cloud_router() {
        findings.warning(
            bfd.span.clone(),
            format!("cloud router `{}` has BFD only if it was turned on there", peer.name()),
            "remove `strict`: behind an HA VPN, and by default, the session would never open",
        );
    }
}

/// AWS advises against both at a time: what is kept for a restart survives the failure that BFD told.
fn graceful_restart(peer: &Peer, bfd: &Bfd, findings: &mut Findings) {
    let both = peer.graceful_restart != Restart::Off;
    if both && peer.profile == Profile::AwsDirectConnect {
        findings.warning(
            bfd.span.clone(),
            format!("Direct Connect peer `{}` has BFD and graceful restart", peer.name()),
            "add `graceful_restart = \"off\"`: AWS advises against both together, as routes outlive \
             what BFD found",
        );
    }
}
