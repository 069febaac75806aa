//! BFD sessions.

use pathvane_speaker::control::dto::Bfd;

use super::table::Table;
use super::units::{age, ms};

pub(crate) fn bfd(sessions: &[Bfd]) -> String {
    let headings = [
        "for",
        "remote",
        "local",
        "hops",
        "state",
        "since",
        "remote state",
        "detection",
        "received",
        "failures",
        "note",
    ];
    let mut table = Table::new(&headings);
    for bfd in sessions {
        let paths = bfd.paths.iter().map(|path| format!("path {path}"));
        let users: Vec<String> = bfd.peers.iter().cloned().chain(paths).collect();
        let hops = if bfd.multihop { "many" } else { "one" };
        let ends = [users.join(", "), bfd.remote.to_string(), bfd.local.to_string(), hops.into()];
        let state = match &bfd.session {
            Some(session) => [
                session.state.clone(),
                age(session.state_for_ns),
                session.remote_state.clone(),
                ms(session.detection_ns),
                session.received.to_string(),
                session.failures.to_string(),
            ],
            None => std::array::from_fn(|_| "-".to_owned()),
        };
        let [a, b, c, d] = ends;
        let [e, f, g, h, i, j] = state;
        table.row([a, b, c, d, e, f, g, h, i, j, note(bfd)]);
    }
    table.or("no BFD sessions")
}

fn note(bfd: &Bfd) -> String {
    match (&bfd.problem, &bfd.session) {
        (Some(problem), _) => problem.clone(),
        (None, Some(session)) if session.state != "Up" && session.received == 0 => {
            "nothing was received yet".to_owned()
        }
        (None, Some(session)) if session.diagnostic != "none" => session.diagnostic.clone(),
        _ => String::new(),
    }
}
