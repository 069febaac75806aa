//! The record of what happened.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use pathvane_speaker::control::dto::{Event, Kind};

/// Time, number and what happened; the alternatives of a move below it.
pub(crate) fn event(event: &Event) -> String {
    let mut out = format!("{}  {:>5}  {}", time(event.wall_ns), event.id, event.kind);
    if let Kind::Move { alternatives, detected_at_ns, decided_at_ns, .. } = &event.kind {
        let micros = decided_at_ns.saturating_sub(*detected_at_ns) / 1_000;
        out += &format!("\n        decided {micros} us after detection; candidates:");
        for alternative in alternatives {
            out += &format!("\n          {}: {}", alternative.path, alternative.standing);
        }
    }
    out
}

/// Date and time of day here, to the millisecond.
fn time(wall_ns: u64) -> String {
    match Timestamp::from_nanosecond(i128::from(wall_ns)) {
        Ok(at) => at.to_zoned(TimeZone::system()).strftime("%F %T%.3f").to_string(),
        Err(_) => "-".to_owned(),
    }
}
