//! What must hold between the parts of a configuration, and what looks like a mistake.

mod addresses;
mod balance;
mod bfd;
mod cloud;
mod cloud_bfd;
mod cloud_routes;
mod paths;
mod peers;
mod room;
mod services;

use core::cell::RefCell;

use super::File;
use super::finding::Findings;

/// Adds a finding for every rule that `file` breaks.
pub(super) fn apply(file: &File, findings: &RefCell<Findings>) {
    let findings = &mut findings.borrow_mut();
    peers::apply(file, findings);
    paths::apply(file, findings);
    services::apply(file, findings);
    room::apply(file, findings);
    balance::apply(file, findings);
    addresses::apply(file, findings);
    cloud::apply(file, findings);
    cloud_routes::apply(file, findings);
    cloud_bfd::apply(file, findings);
    bfd::apply(file, findings);
}
