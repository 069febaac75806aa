//! Measurements from outside: what those who use a path say of it, each for a time.

use alloc::string::String;
use alloc::vec::Vec;

use pathvane_clock::{Duration, Instant};
use pathvane_score::{Class, Sla, emodel};

use crate::config::Config;
use crate::ids::{PathId, ServiceId};

/// What a measurement is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Subject {
    /// A path.
    Path(PathId),
    /// The path that carries this service when the report arrives.
    Service(ServiceId),
}

/// A measurement from outside: a softphone's, say, or from RTCP XR (RFC 3611).
#[derive(Clone, PartialEq, Debug)]
pub struct Report {
    /// What it is about.
    pub on: Subject,
    /// Who measured; a new report of the same source about the same class replaces the old one.
    pub source: String,
    /// The class of the traffic that was measured.
    pub class: Class,
    /// One-way delay.
    pub delay: Option<Duration>,
    /// Delay variation, as the source understands it.
    pub jitter: Option<Duration>,
    /// Loss, in millionths.
    pub loss_ppm: Option<u32>,
    /// Mean opinion score, 1 to 5.
    pub mos: Option<f64>,
    /// How long it holds.
    pub valid_for: Duration,
}

impl Report {
    /// Whether it breaks a limit.
    pub(crate) fn breaks(&self, sla: &Sla) -> bool {
        let beyond = |value: Option<Duration>, limit: Option<Duration>| {
            value.zip(limit).is_some_and(|(value, limit)| value > limit)
        };
        // The limit of a score is a rating; that of voice has a MOS.
        let poor = |mos: f64| self.class == Class::Voice && mos < emodel::mos(sla.min_score);
        beyond(self.delay.map(|delay| delay * 2), sla.max_rtt)
            || beyond(self.jitter, sla.max_delay_variation)
            || self.loss_ppm.is_some_and(|loss| loss > sla.max_loss_ppm)
            || self.mos.is_some_and(poor)
    }
}

/// Limits by which reports about a path are judged.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// The class of traffic that they are for.
    pub(crate) class: Class,
    /// Whose of the operator's own classes they are, which are scored like `class`.
    pub(crate) own: Option<usize>,
    /// The limits.
    pub(crate) sla: Sla,
}

impl Limits {
    /// The limits of the services that use a path; of a class that none is of, its own.
    pub(crate) fn of_path(config: &Config, path: PathId) -> Vec<Self> {
        let monitor = &config.timing.monitor;
        let limits = |class: Class, own: Option<usize>| {
            let terms = own.and_then(|nth| monitor.own.get(nth));
            let sla = terms.map_or(monitor.sla[class.index()], |terms| terms.sla);
            Self { class, own, sla }
        };
        let mut all: Vec<Self> = Vec::new();
        for service in config.services.iter().filter(|service| service.paths.contains(&path)) {
            let (class, own) = (service.class, service.own_class);
            if !all.iter().any(|known| (known.class, known.own) == (class, own)) {
                all.push(limits(class, own));
            }
        }
        for class in Class::ALL {
            if !all.iter().any(|known| known.class == class) {
                all.push(limits(class, None));
            }
        }
        all
    }

    /// Whether the report, of traffic of this class, says that they are broken.
    pub(crate) fn broken_by(&self, report: &Report) -> bool {
        report.class == self.class && report.breaks(&self.sla)
    }
}

/// A report and until when it holds.
#[derive(Clone, PartialEq, Debug)]
pub struct Held {
    /// The report.
    pub report: Report,
    /// When it came.
    pub since: Instant,
    /// Until when.
    pub until: Instant,
}

/// The reports about one path.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reports {
    held: Vec<Held>,
    /// Reports that were forgotten before their time, since the start and since that was told last.
    displaced: u64,
    untold: u64,
    told: Option<Instant>,
}

impl Reports {
    /// Reports kept of one path. For one more the oldest makes room: a source that reports often is heard
    /// as long as others do not come in such numbers.
    const MAX: usize = 16;
    /// How often it is told at most that some made room.
    const TELL: Duration = Duration::from_secs(60);
    /// Sources that must agree before something is done about it.
    const AGREE: usize = 2;

    /// Takes a report; what holds no longer, and then the oldest, makes room.
    pub(crate) fn take(&mut self, now: Instant, report: Report) {
        self.expire(now);
        let same =
            |held: &Held| held.report.source == report.source && held.report.class == report.class;
        let known = self.held.iter().position(same);
        let full = known.is_none() && self.held.len() >= Self::MAX;
        let oldest = || (0..self.held.len()).min_by_key(|&at| self.held[at].since);
        self.displaced += u64::from(full);
        self.untold += u64::from(full);
        let held = Held { since: now, until: now + report.valid_for, report };
        match known.or_else(|| oldest().filter(|_| full)) {
            Some(at) => self.held[at] = held,
            None => self.held.push(held),
        }
    }

    /// How many made room before their time since that was told, if it is to be told now.
    pub(crate) fn poll_displaced(&mut self, now: Instant) -> Option<u64> {
        let waits = self.told.is_some_and(|told| now.since(told) < Self::TELL);
        if self.untold == 0 || waits {
            return None;
        }
        self.told = Some(now);
        Some(core::mem::take(&mut self.untold))
    }

    /// How many made room before their time.
    pub(crate) fn displaced(&self) -> u64 {
        self.displaced
    }

    /// Forgets what holds no longer.
    pub(crate) fn expire(&mut self, now: Instant) {
        self.held.retain(|held| held.until > now);
    }

    /// When the next one ceases to hold.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.held.iter().map(|held| held.until).min()
    }

    /// Whether at least two sources, and half of those that speak of the class, say that the
    /// limits are broken.
    pub(crate) fn agree(&self, limits: &Limits) -> bool {
        let of_class = self.held.iter().filter(|held| held.report.class == limits.class);
        let broken = self.held.iter().filter(|held| limits.broken_by(&held.report)).count();
        broken >= Self::AGREE && broken * 2 >= of_class.count()
    }

    pub(crate) fn all(&self) -> &[Held] {
        &self.held
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    fn report(source: &str, loss_ppm: u32) -> Report {
        Report {
            on: Subject::Path(PathId(0)),
            source: source.to_string(),
            class: Class::Voice,
            delay: None,
            jitter: None,
            loss_ppm: Some(loss_ppm),
            mos: None,
            valid_for: Duration::from_secs(10),
        }
    }

    fn at(secs: u64) -> Instant {
        Instant::from_secs(secs)
    }

    #[test]
    fn one_source_is_no_majority_and_two_of_five_are_none() {
        let mut reports = Reports::default();
        let [voice, bulk] = [Class::Voice, Class::Bulk].map(|class| Limits {
            class,
            own: None,
            sla: Sla::of(class),
        });
        reports.take(at(0), report("a", 50_000));
        assert!(!reports.agree(&voice));
        reports.take(at(0), report("a", 60_000));
        assert!(!reports.agree(&voice), "the same source again");
        reports.take(at(0), report("b", 50_000));
        assert!(reports.agree(&voice) && !reports.agree(&bulk));
        for well in ["c", "d", "e"] {
            reports.take(at(1), report(well, 0));
        }
        assert!(!reports.agree(&voice));
        reports.expire(at(10));
        assert_eq!(reports.all().len(), 3, "what was said at 0 s held for 10 s");
    }

    #[test]
    fn the_oldest_makes_room_after_what_holds_no_longer_and_that_is_counted() {
        let mut reports = Reports::default();
        let sources = |reports: &Reports| -> Vec<String> {
            reports.all().iter().map(|held| held.report.source.clone()).collect()
        };
        for nth in 0..16 {
            reports.take(
                at(nth),
                Report { valid_for: Duration::from_secs(100), ..report(&nth.to_string(), 0) },
            );
        }
        reports.take(at(20), report("0", 0));
        assert_eq!((reports.displaced(), reports.poll_displaced(at(20))), (0, None), "known");
        reports.take(at(21), report("a", 0));
        assert_eq!(sources(&reports).len(), 16);
        assert!(!sources(&reports).contains(&"1".to_string()), "the oldest, not the first");
        assert!(sources(&reports).contains(&"0".to_string()), "it was heard again");
        assert_eq!(reports.displaced(), 1);
        // Those of 20 and 21 seconds held for ten.
        reports.take(at(31), report("b", 0));
        reports.take(at(31), report("c", 0));
        assert_eq!((sources(&reports).len(), reports.displaced()), (16, 1));
    }

    #[test]
    fn it_is_told_at_once_and_then_once_a_minute_how_many_made_room() {
        let mut reports = Reports::default();
        let mut flood = |from: u64, to: u64| {
            let told = (from..to).map(|second| {
                let lasting = Report {
                    valid_for: Duration::from_secs(1_000),
                    ..report(&second.to_string(), 0)
                };
                reports.take(at(second), lasting);
                reports.poll_displaced(at(second))
            });
            told.collect::<Vec<_>>()
        };
        assert_eq!(flood(0, 16), [None; 16]);
        let told = flood(16, 137);
        let told: Vec<_> =
            told.iter().enumerate().filter_map(|(at, told)| Some((at, (*told)?))).collect();
        assert_eq!(told, [(0, 1), (60, 60), (120, 60)]);
        assert_eq!(reports.displaced(), 121);
    }

    #[test]
    fn each_figure_can_break_a_limit() {
        let sla = Sla::of(Class::Voice);
        let plain = report("a", 0);
        assert!(!plain.breaks(&sla));
        let ms = Duration::from_millis;
        assert!(Report { delay: Some(ms(51)), ..plain.clone() }.breaks(&sla));
        assert!(Report { jitter: Some(ms(31)), ..plain.clone() }.breaks(&sla));
        assert!(Report { mos: Some(3.5), ..plain.clone() }.breaks(&sla));
        assert!(!Report { mos: Some(3.7), ..plain }.breaks(&sla));
    }
}
