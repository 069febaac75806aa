//! `[timing]`: the durations of steering, which a laboratory may shorten.

use core::time::Duration;

use pathvane_engine::config::Timing;

use super::read::Section;

/// The durations and where each one goes: one row per key.
macro_rules! timing {
    ($($key:literal => $($field:ident).+),+ $(,)?) => {
        /// `[timing]`
        pub const KEYS: &[&str] = &[$($key),+, PROBE_TIMEOUT, PROBES[0], PROBES[1]];

        fn read_durations(section: &Section<'_>, timing: &mut Timing) {
            $(timing.$($field).+ = section.or($key, timing.$($field).+);)+
        }

        /// The defaults by key, for documentation.
        pub fn defaults() -> Vec<(&'static str, Duration)> {
            let timing = Timing::default();
            vec![$(($key, timing.$($field).+),)+ (PROBE_TIMEOUT, DEFAULT_PROBE_TIMEOUT)]
        }
    };
}

timing! {
    "undercut_restore" => undercut_restore,
    "degrade_interval" => degrade_interval,
    "improve_interval" => improve_interval,
    "prune_after" => prune_after,
    "down_after" => monitor.down_after,
    "down_within" => monitor.down_within,
    "gap_patience" => monitor.gap_patience,
    "recover_after" => monitor.recover_after,
    "init_after" => monitor.init_after,
    "stale_after" => monitor.stale_after,
    "grade_hold" => monitor.grade_hold,
    "sla_clear" => monitor.sla_clear,
    "sustain" => selector.sustain,
    "dwell" => selector.dwell,
    "phase" => selector.phase,
}

const PROBE_TIMEOUT: &str = "probe_timeout";

/// A reply later than this is worth as little as none.
const DEFAULT_PROBE_TIMEOUT: Duration = Duration::from_secs(1);

/// The two counts that go with `recover_after` and `init_after`.
const PROBES: [&str; 2] = ["recover_probes", "init_probes"];

/// The table over the defaults of the crates that own them.
pub(super) fn read(section: Option<&Section<'_>>, drain_wait: Duration) -> Timing {
    let mut timing = Timing { drain_wait, ..Timing::default() };
    if let Some(section) = section {
        read_durations(section, &mut timing);
        let monitor = &mut timing.monitor;
        monitor.recover_probes = section.or(PROBES[0], monitor.recover_probes);
        monitor.init_probes = section.or(PROBES[1], monitor.init_probes);
        if monitor.down_within < monitor.down_after {
            section.findings().borrow_mut().error(
                section.span_of("down_within"),
                "`down_within` ends before `down_after` has passed",
                "silence is reported between the two: make `down_within` the longer one",
            );
        }
        let patience = monitor.gap_patience;
        if !patience.is_zero() && patience <= monitor.down_within {
            section.findings().borrow_mut().warning(
                section.span_of("gap_patience"),
                "`gap_patience` ends before `down_within` has passed, and so does nothing",
                "make it longer, or \"0s\" if gaps are to be told as outages",
            );
        }
    }
    timing
}

/// How long a probe waits for its reply.
pub(super) fn probe_timeout(section: Option<&Section<'_>>) -> Duration {
    let Some(section) = section else { return DEFAULT_PROBE_TIMEOUT };
    let timeout = section.spanned_or(PROBE_TIMEOUT, DEFAULT_PROBE_TIMEOUT);
    if timeout.get_ref().is_zero() {
        section.findings().borrow_mut().error(
            timeout.span(),
            "a `probe_timeout` of zero loses every probe",
            "use a time above the longest round trip, such as \"1s\"",
        );
    }
    timeout.into_inner()
}
