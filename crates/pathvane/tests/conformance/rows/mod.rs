//! The rows, by area.

mod as4;
mod attributes;
mod capabilities;
mod collision;
mod communities;
mod decision;
mod errors;
mod header;
mod hold;
mod keys;
mod leaving;
mod limits;
mod multiprotocol;
mod open;
mod options;
mod paths;
mod refresh;
mod reload;
mod restart;
mod roles;
mod states;
mod transport;

use crate::row::Row;

/// All of them.
pub(crate) fn all() -> Vec<Row> {
    // Those that wait for timers come first, so that the others fill the time.
    let areas = [
        hold::rows,
        reload::rows,
        restart::rows,
        options::rows,
        collision::rows,
        leaving::rows,
        transport::rows,
        keys::rows,
        paths::rows,
        header::rows,
        open::rows,
        capabilities::rows,
        states::rows,
        errors::rows,
        attributes::rows,
        as4::rows,
        multiprotocol::rows,
        refresh::rows,
        limits::rows,
        roles::rows,
        communities::rows,
        decision::rows,
    ];
    areas.into_iter().flat_map(|area| area()).collect()
}
