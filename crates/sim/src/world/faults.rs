//! Faults that are not the network's: a dead prober, a clogged socket, a peer that talks nonsense.

use pathvane_clock::Instant;
use pathvane_engine::Output;

use super::World;
use crate::net::StreamId;

impl World {
    /// Whether the site's kernel takes probes; if not, every probe fails to be sent.
    pub fn prober(&mut self, works: bool) {
        self.refuse(|_| !works);
    }

    /// The site's kernel takes no probes of these streams of every path, counted from 0, and those of all others.
    pub fn refuse(&mut self, nth: impl Fn(usize) -> bool) {
        let all = self.site.engine.config().streams();
        let refused = all.filter(|(.., it)| nth(*it)).map(|(stream, ..)| stream);
        self.site.refused = refused.collect();
    }

    /// Whether the site's sockets send what they are given; if not, it stays in their unsent
    /// queues until they do.
    pub fn sockets(&mut self, send: bool) {
        self.site.sockets_send = send;
        let waiting: Vec<_> = self.site.unsent.keys().copied().collect();
        for stream in waiting {
            self.flush(stream);
        }
        self.follow_engine();
    }

    /// A router says these bytes on its Established connection, whatever they mean.
    pub fn router_says(&mut self, router: usize, bytes: &[u8]) {
        let established = self.routers()[router].session().established().map(|(conn, _)| conn);
        let Some(conn) = established else { return };
        let stream = StreamId::from_number(conn.0 as usize);
        let end = self.cloud_end(stream);
        self.net.write(self.now, stream, end, bytes.to_vec());
    }

    /// What the engine asked of its shell since an instant, in order, without probes and alarms.
    pub fn asked(&self, since: Instant) -> impl Iterator<Item = (Instant, &Output)> {
        let asked = self.site.asked.iter().filter(move |(at, _)| *at >= since);
        asked.map(|(at, output)| (*at, output))
    }
}
