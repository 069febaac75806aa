//! Single prefixes, one at a time, into the daemon and out of it: how long does each take?
//!
//! Feed and receiver are in one process, so that nothing but the daemon and the kernel lies between
//! the two stamps. The kernel's own stamp of what arrived tells how much of the time the octets lay
//! there and waited for this process, which reads the table as well.

use std::rc::Rc;
use std::time::{Duration, Instant};

use super::endpoint::{Endpoint, TICK_MS};
use super::message::{self, Attributes, Prefix};
use super::orders::{Answer, Pinging, Took, feed_asn};
use super::watch::PING;
use crate::mono;

/// How long a single prefix may take.
const WITHIN: Duration = Duration::from_secs(30);

/// Announces and withdraws over the last feed, and waits each time until the first receiver is told.
pub(super) fn ping(endpoint: &mut Endpoint, pinging: Pinging) -> Result<Answer, String> {
    let (mut announce, mut withdraw) = (Vec::new(), Vec::new());
    let receivers = endpoint.watches.iter_mut().filter_map(|(connection, _)| connection.as_mut());
    for connection in receivers {
        connection.ask_for_stamps().map_err(|error| format!("no stamps: {error}"))?;
    }
    if pinging.while_streaming {
        wait_until(endpoint, |endpoint| endpoint.watches.iter().any(|(_, w)| w.present() > 0))?;
    }
    for round in 0..pinging.count {
        let prefix = Prefix { base: PING | (round % pinging.prefixes.max(1)), len: 24 };
        for announced in [true, false] {
            rest(endpoint, Duration::from_micros(pinging.gap_us));
            let took = once(endpoint, prefix, announced)?;
            if pinging.while_streaming && endpoint.watches.iter().all(|(_, w)| w.is_complete()) {
                // This one may have come after the end; and no prefix is left behind.
                if announced {
                    once(endpoint, prefix, false)?;
                }
                return Ok(Answer::Pinged { announce, withdraw });
            }
            if announced { announce.push(took) } else { withdraw.push(took) }
        }
    }
    Ok(Answer::Pinged { announce, withdraw })
}

fn rest(endpoint: &mut Endpoint, gap: Duration) {
    let end = Instant::now() + gap;
    while let Some(left) = end.checked_duration_since(Instant::now()) {
        // Short rests are spun: the clock of `poll` has milliseconds.
        endpoint.turn(None, left.as_millis() as u16);
    }
}

/// Announces or withdraws a prefix and waits until the first receiver has read it.
fn once(endpoint: &mut Endpoint, prefix: Prefix, announced: bool) -> Result<Took, String> {
    let feed = endpoint.feeds.last_mut().ok_or("no feed to ping from")?;
    let bytes = update(feed.number, feed.local.to_bits(), prefix, announced);
    let connection = feed.connection.as_mut().ok_or("no session to ping over")?;
    endpoint.watches.iter_mut().for_each(|(_, watch)| watch.echoes.clear());
    let start = mono::now().as_nanos();
    connection.send(Rc::new(bytes));
    connection.flush();
    let mut ends = (start, start);
    wait_until(endpoint, |endpoint| {
        let echoes = endpoint.watches.first().into_iter().flat_map(|(_, watch)| &watch.echoes);
        let mut echoes =
            echoes.filter(|echo| echo.base == prefix.base && echo.announced == announced);
        echoes.next().map(|echo| ends = (echo.arrived_ns, echo.at_ns)).is_some()
    })?;
    let [arrived_ns, read_ns] = [ends.0, ends.1].map(|end| end.saturating_sub(start));
    Ok(Took { arrived_ns, read_ns })
}

fn update(feed: u16, next_hop: u32, prefix: Prefix, announced: bool) -> Vec<u8> {
    let mut bytes = Vec::new();
    let prefix = std::iter::once(prefix);
    if announced {
        let path = vec![feed_asn(feed), 3_000];
        let attributes = Attributes { path, med: None, communities: Vec::new() };
        message::announce(&mut bytes, &attributes, next_hop, prefix);
    } else {
        message::withdraw(&mut bytes, prefix);
    }
    bytes
}

fn wait_until(
    endpoint: &mut Endpoint,
    mut done: impl FnMut(&Endpoint) -> bool,
) -> Result<(), String> {
    let deadline = Instant::now() + WITHIN;
    while !done(endpoint) {
        if let Some(reason) = endpoint.lost_session() {
            return Err(reason);
        }
        if Instant::now() > deadline {
            return Err(format!("a single prefix did not arrive within {} s", WITHIN.as_secs()));
        }
        endpoint.turn(None, TICK_MS);
    }
    Ok(())
}
