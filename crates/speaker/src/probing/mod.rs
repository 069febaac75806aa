//! Probing one target without a speaker: `pathvane probe`.
//!
//! The same packets, sockets, kernel timestamps and estimators with which the speaker measures its
//! paths, for a person who looks on. One stream, one second's figures after the other, and a summary.

mod record;
mod sockets;
mod tally;
mod trouble;

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::time::Instant as Monotonic;

use pathvane_clock::{Duration, Instant};
pub use pathvane_engine::config::ProbeKind;
use pathvane_probe::icmp::Version;
use pathvane_probe::stamp::Key;
pub use pathvane_probe::stamp::{Options, PORT};
pub use pathvane_probe::stun::PORT as STUN_PORT;
use pathvane_probe::{Kind, Sample, Seen, Sender};
pub use pathvane_score::MAX_PORTS;
use pathvane_score::{Class, MonitorConfig, PathMonitor, StreamSpec};
use tokio::time::{sleep, timeout};

pub use tally::{Directions, Estimates, Figures, Quantiles, Second, Summary};
pub use trouble::Trouble;

use crate::os_error::OsError;
use crate::probe_io::{Carrier, Spec, Watch, unspecified};
use crate::series;
use record::Record;
use sockets::Sockets;
use tally::{Tally, scored};

/// The shortest time between two TCP probes of a target: a server counts connections as work.
pub const FASTEST_TCP: Duration = Duration::from_millis(500);

/// The port that TCP probes ask for by default, that of HTTPS.
pub const TCP_PORT: u16 = 443;

/// How to probe what.
#[derive(Clone, Debug)]
pub struct Config {
    /// The address probed; ICMP knows no port.
    pub target: SocketAddr,
    /// What with.
    pub kind: ProbeKind,
    /// The source address; the kernel chooses if `None`.
    pub source: Option<IpAddr>,
    /// Source ports used in turn, 1 to [`MAX_PORTS`]; ICMP and TCP have none, say 1.
    pub ports: u8,
    /// The interface to leave and arrive through.
    pub device: Option<String>,
    /// DSCP of the probes, 0 to 63; STAMP asks for it on replies too and tells who changes it.
    pub dscp: u8,
    /// Octets that packets are padded to ([`Options::size`]).
    pub size: u16,
    /// Time between probes, a millisecond or more; for TCP [`FASTEST_TCP`] or more.
    pub interval: Duration,
    /// Time after which an unanswered probe is lost.
    pub timeout: Duration,
    /// End after so many probes.
    pub count: Option<u64>,
    /// End after this time.
    pub duration: Option<Duration>,
    /// The key of the authenticated mode.
    pub key: Option<Key>,
    /// Tell each probe with what became of it ([`Event::Probe`]).
    pub record: bool,
}

/// What there is to tell while probing.
#[derive(Clone, Debug)]
pub enum Event<'a> {
    /// A second is over.
    Second(&'a Second),
    /// Nobody has answered yet, and why that may be.
    Trouble(Trouble),
    /// What became of a probe, in the order of sending; times count from the first one. Path and
    /// reflector are left for whoever records to name.
    Probe(&'a series::Probe),
}

/// Probes until count or duration is reached or `stop` completes; tells each second. Call within a
/// current-thread runtime.
///
/// When it ends by itself it waits for the replies under way; when it is stopped it does not, and
/// they count as neither answered nor lost. An error if the socket cannot be opened as asked.
pub async fn probe(
    config: &Config,
    stop: impl Future<Output = ()>,
    mut tell: impl FnMut(Event<'_>),
) -> Result<Summary, OsError> {
    let origin = Monotonic::now();
    let mut run = Run::open(config, origin)?;
    let mut watch = Watch::new()?;
    run.sockets.watched_by(&mut watch)?;
    let mut stop = pin!(stop);
    let unheard = Cell::new(true);
    let mut diagnosis = pin!(diagnose_later(config, &unheard));
    let mut diagnosed = false;
    loop {
        run.turn(&mut tell);
        unheard.set(run.tally.is_unheard());
        if run.is_done() {
            break;
        }
        let wait = run.next().since(run.sockets.now()).min(Duration::from_millis(50));
        let idle = sleep(wait.max(Duration::from_micros(50)));
        tokio::select! {
            biased;
            () = &mut stop => break,
            trouble = &mut diagnosis, if !diagnosed => {
                diagnosed = true;
                if let Some(trouble) = trouble.filter(|_| run.tally.is_unheard()) {
                    tell(Event::Trouble(trouble));
                }
            }
            // Errors show when the socket is used.
            _ = poll_fn(|cx| watch.poll_any(cx)) => {}
            () = idle => {}
        }
    }
    Ok(run.summary(&mut tell))
}

/// Why nobody may have answered, once there was time to; somebody who answers is not asked.
async fn diagnose_later(config: &Config, unheard: &Cell<bool>) -> Option<Trouble> {
    sleep(Duration::from_secs(1)).await;
    match unheard.get() {
        true => Some(Trouble::of(config).await),
        false => None,
    }
}

/// One probing under way.
struct Run<'a> {
    config: &'a Config,
    sockets: Sockets,
    sender: Sender,
    monitor: PathMonitor,
    tally: Tally,
    started: Instant,
    packet: Vec<u8>,
    samples: Vec<Sample>,
    record: Record,
    /// When the last probe was sent, if no more are to be.
    ended: Option<Instant>,
    failing: bool,
}

impl<'a> Run<'a> {
    fn open(config: &'a Config, origin: Monotonic) -> Result<Self, OsError> {
        // The clock starts in the past: instants before the first probe must exist.
        let origin = origin.checked_sub(Duration::from_secs(60)).unwrap_or(origin);
        let identity = (std::process::id() as u16).max(1);
        let carrier = match config.kind {
            ProbeKind::Icmp => Carrier::Icmp { identifier: identity },
            ProbeKind::Stamp | ProbeKind::Stun => Carrier::Udp,
            ProbeKind::Tcp => Carrier::Tcp,
        };
        let source = config.source.unwrap_or_else(|| unspecified(config.target.ip()));
        let mut spec = Spec::new(carrier, SocketAddr::new(source, 0));
        spec.device.clone_from(&config.device);
        spec.traffic_class = config.dscp << 2;
        spec.receive_class = true;
        let sockets = Sockets::open(&spec, config.ports, origin)?;
        let started = sockets.now();
        let kind = match (config.kind, config.target.ip()) {
            (ProbeKind::Stamp, _) => Kind::Stamp { ssid: identity },
            (ProbeKind::Stun, _) => Kind::Stun,
            (ProbeKind::Tcp, _) => Kind::Tcp,
            (ProbeKind::Icmp, IpAddr::V4(_)) => {
                Kind::Icmp { version: Version::V4, identifier: identity }
            }
            (ProbeKind::Icmp, IpAddr::V6(_)) => {
                Kind::Icmp { version: Version::V6, identifier: identity }
            }
        };
        let sender = pathvane_probe::Config {
            kind,
            interval: config.interval,
            fastest: config.interval,
            timeout: config.timeout,
            epoch: sockets.epoch(),
            seed: u64::from(identity),
            ports: config.ports,
            options: Options {
                key: config.key.clone(),
                size: config.size,
                dscp: (config.kind == ProbeKind::Stamp).then_some(config.dscp),
                direct: config.kind == ProbeKind::Stamp,
            },
        };
        let stream = StreamSpec::new(0, config.ports);
        Ok(Self {
            config,
            sender: Sender::new(started, &sender),
            monitor: PathMonitor::new(started, MonitorConfig::of(Class::Voice), &[stream]),
            tally: Tally::new(started),
            started,
            packet: Vec::new(),
            samples: Vec::new(),
            record: Record::new(started, config.record),
            ended: None,
            failing: false,
            sockets,
        })
    }

    /// Reads, lets time pass, sends, and tells the seconds that are over.
    fn turn(&mut self, tell: &mut impl FnMut(Event<'_>)) {
        self.read();
        let now = self.sockets.now();
        while let Some(lost) = self.sender.poll_lost(now) {
            self.tally.lost();
            self.record.lost(lost.seq);
        }
        self.monitor.handle_timeout(now);
        while self.monitor.poll_verdict().is_some() {}
        while let Some(second) = self.tally.poll_second(now, &self.monitor) {
            tell(Event::Second(&second));
        }
        while let Some(probe) = self.record.poll() {
            tell(Event::Probe(&probe));
        }
        self.send(now);
    }

    fn read(&mut self) {
        let Self { sockets, sender, samples, .. } = self;
        let target = self.config.target;
        sockets.drain_sent(|seq, at| sender.handle_sent(seq, at));
        sockets.receive(|datagram| {
            if is_from(target, datagram.from) {
                let seen = Seen { ttl: datagram.ttl, class: datagram.class };
                samples.extend(sender.handle_received(datagram.bytes, datagram.at, seen));
            }
        });
        let now = self.sockets.now();
        for sample in self.samples.drain(..) {
            self.tally.sample(&sample);
            self.record.sample(&sample);
            if !sample.duplicate {
                self.monitor.reply(now, 0, &scored(&sample));
            }
        }
    }

    fn send(&mut self, now: Instant) {
        let over = |limit: Duration| now.since(self.started) >= limit;
        if self.ended.is_none() && self.config.duration.is_some_and(over) {
            self.ended = Some(now);
        }
        while self.ended.is_none() {
            let Some(seq) = self.sender.poll_transmit(now, &mut self.packet) else { return };
            match self.sockets.try_send(&self.packet, self.config.target, seq) {
                Ok(()) => {
                    self.failing = false;
                    self.tally.sent();
                    self.monitor.sent(now, 0, seq);
                    self.record.sent(seq, self.sockets.port(seq), now);
                }
                Err(error) => {
                    self.sender.handle_send_failed(seq);
                    self.tally.send_failed();
                    if !std::mem::replace(&mut self.failing, true) {
                        tracing::warn!(target = %self.config.target, "cannot send: {error}");
                    }
                }
            }
            let counters = self.sender.counters();
            let tried = counters.sent + counters.send_failed;
            if self.config.count.is_some_and(|count| tried >= count) {
                self.ended = Some(now);
            }
        }
    }

    /// All probes are sent and none is under way.
    fn is_done(&self) -> bool {
        let counters = self.sender.counters();
        self.ended.is_some() && counters.sent == counters.answered + counters.lost
    }

    /// When the next turn is due.
    fn next(&self) -> Instant {
        let second = self.tally.next_second();
        match self.ended {
            None => self.sender.poll_timeout().min(second),
            Some(_) => second,
        }
    }

    fn summary(mut self, tell: &mut impl FnMut(Event<'_>)) -> Summary {
        self.read();
        while let Some(probe) = self.record.poll() {
            tell(Event::Probe(&probe));
        }
        if let Some(second) = self.tally.rest(self.sockets.now(), &self.monitor) {
            tell(Event::Second(&second));
        }
        self.tally.summary(self.sender.counters(), &self.sockets, &self.monitor)
    }
}

/// Whether a reply came from the target; ICMP has no ports.
fn is_from(target: SocketAddr, from: SocketAddr) -> bool {
    target.ip() == from.ip() && (from.port() == 0 || from.port() == target.port())
}

/// The addresses of `name`: a host or an address, with a port or without, that can be probed. An error names it.
pub async fn resolve(name: &str, port: u16) -> Result<Vec<SocketAddr>, OsError> {
    let mut found = look_up(name, port).await?;
    for address in &mut found {
        // IPv4 written as IPv6 is IPv4: replies come from there.
        address.set_ip(address.ip().to_canonical());
        if address.port() == 0 || address.ip().is_unspecified() {
            let wrong = io::Error::new(io::ErrorKind::InvalidInput, "nobody has this address");
            let remedy = "give the address and the port at which the far end listens";
            return Err(OsError::new(format!("probe {address}"), wrong).with_remedy(remedy));
        }
    }
    Ok(found)
}

async fn look_up(name: &str, port: u16) -> Result<Vec<SocketAddr>, OsError> {
    if let Ok(address) = name.parse::<SocketAddr>() {
        return Ok(vec![address]);
    }
    if let Ok(ip) = name.trim_matches(['[', ']']).parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(ip, port)]);
    }
    let (host, port) = match name.rsplit_once(':') {
        Some((host, told)) => match told.parse() {
            Ok(told) => (host, told),
            Err(_) => (name, port),
        },
        None => (name, port),
    };
    let looked_up = timeout(Duration::from_secs(5), tokio::net::lookup_host((host, port)));
    let found = match looked_up.await {
        Ok(found) => found.map(Vec::from_iter),
        Err(_) => Err(io::ErrorKind::TimedOut.into()),
    };
    let remedy = "check the name, or give an address: 192.0.2.1, 192.0.2.1:862, 2001:db8::1";
    found
        .and_then(|found| match found.is_empty() {
            true => Err(io::ErrorKind::NotFound.into()),
            false => Ok(found),
        })
        .map_err(|error| OsError::new(format!("find {host}"), error).with_remedy(remedy))
}
