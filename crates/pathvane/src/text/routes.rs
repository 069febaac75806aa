//! Tables of routes.

use pathvane_speaker::control::dto::{Route, Routes};

use super::table::Table;
use super::units::{count, or_dash};

pub(crate) fn routes(routes: &Routes) -> String {
    let headings =
        ["", "prefix", "peer", "next hop", "pref", "med", "as path", "origin", "communities"];
    let mut table = Table::new(&headings);
    for route in &routes.routes {
        table.row([
            flags(route),
            route.prefix.to_string(),
            route.peer.clone(),
            or_dash(route.next_hop),
            or_dash(route.preference.or(route.local_pref)),
            or_dash(route.med),
            if route.as_path.is_empty() { "-".to_owned() } else { route.as_path.clone() },
            route.origin.clone(),
            route.communities.join(" "),
        ]);
    }
    let mut out = table.or("no routes");
    if !routes.routes.is_empty() {
        let more = if routes.cursor.is_some() { "; there are more, see --limit" } else { "" };
        out += &format!("{}{more}\n", count(routes.routes.len(), "route"));
        out += "* best  = shares the traffic  x not accepted  s stale, not sent again yet  > newer on its way\n";
    }
    out
}

fn flags(route: &Route) -> String {
    let flags = [
        (route.best, '*'),
        (route.shares, '='),
        (!route.accepted, 'x'),
        (route.stale, 's'),
        (route.pending, '>'),
    ];
    flags.iter().filter(|(set, _)| *set).map(|(_, flag)| *flag).collect()
}

/// A route's attributes in one line.
pub(super) fn attributes(route: &Route) -> String {
    let mut parts = Vec::new();
    parts.extend(route.next_hop.map(|hop| format!("next hop {hop}")));
    match route.as_path.as_str() {
        "" => parts.push("empty AS path".to_owned()),
        path => parts.push(format!("AS path {path}")),
    }
    parts.push(format!("origin {}", route.origin));
    parts.extend(route.med.map(|med| format!("MED {med}")));
    parts.extend(route.local_pref.map(|preference| format!("LOCAL_PREF {preference}")));
    if !route.communities.is_empty() {
        parts.push(format!("communities {}", route.communities.join(" ")));
    }
    parts.join(", ")
}
