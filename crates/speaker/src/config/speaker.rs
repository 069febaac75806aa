//! `[speaker]`: who we are and how the daemon behaves.

use core::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use core::time::Duration;
use std::path::PathBuf;

use pathvane_engine::config::Mode;
use pathvane_wire::{Asn, BgpId};
use toml::Spanned;

use super::read::{Section, nearest};
use super::shell::FibMode;
use super::value::{Number, words};

/// Where the control interface is unless the file says otherwise.
pub const DEFAULT_CONTROL: &str = "/run/pathvane/control.sock";

/// The port of BGP (RFC 4271 section 4.2 of the IANA considerations).
pub(super) const BGP_PORT: u16 = 179;

/// A guard against mistakes; what a core really bears is what the benchmark `probe_io` shows.
const PROBE_RATE: u32 = 50_000;

words!(Mode, "a way of steering", "observe" => Mode::Observe, "act" => Mode::Act);

/// The table as read.
#[derive(Debug)]
pub(super) struct Speaker {
    pub(super) asn: Option<Spanned<Asn>>,
    pub(super) id: Option<Spanned<BgpId>>,
    pub(super) cluster_id: Option<BgpId>,
    pub(super) multipath: Number<1, 16>,
    pub(super) multipath_relax: Spanned<bool>,
    pub(super) steering: Spanned<Mode>,
    pub(super) listen: Vec<SocketAddr>,
    pub(super) control: Spanned<PathBuf>,
    bfd_socket: Option<Spanned<PathBuf>>,
    pub(super) fib: Spanned<FibMode>,
    pub(super) log: Spanned<String>,
    pub(super) drain_wait: Duration,
    pub(super) probe_rate: Spanned<Number<1, 1_000_000>>,
}

impl Speaker {
    pub(super) fn read(section: &Section<'_>) -> Self {
        let speaker = Self {
            asn: section.required("asn", "65010"),
            id: section.required("bgp_identifier", "\"10.255.0.1\""),
            cluster_id: section.optional("cluster_id").map(Spanned::into_inner),
            multipath: section.or("multipath", Number(1)),
            multipath_relax: section.spanned_or("multipath_relax", false),
            steering: section.spanned_or("steering", Mode::Observe),
            listen: listen(section),
            control: section.spanned_or("control", PathBuf::from(DEFAULT_CONTROL)),
            bfd_socket: section.optional("bfd_socket"),
            fib: section.spanned_or("fib", FibMode::Kernel),
            log: section.spanned_or("log", "info".to_owned()),
            drain_wait: section.or("drain_wait", Duration::from_secs(2)),
            probe_rate: section.spanned_or("probe_rate", Number(PROBE_RATE)),
        };
        speaker.note_what_is_not_done(section);
        check_log(section, &speaker.log);
        check_socket(section, "control", &speaker.control);
        if let Some(path) = &speaker.bfd_socket {
            check_socket(section, "BFD", path);
        }
        speaker
    }

    /// The socket of the BFD process: beside the control socket unless the file says otherwise.
    pub(super) fn bfd_socket(&self) -> PathBuf {
        match &self.bfd_socket {
            Some(path) => path.get_ref().clone(),
            None => self.control.get_ref().with_file_name("bfd.sock"),
        }
    }

    /// Tells what an operator might believe is happening and is not.
    fn note_what_is_not_done(&self, section: &Section<'_>) {
        let mut findings = section.findings().borrow_mut();
        if *self.steering.get_ref() == Mode::Observe {
            findings.note(
                self.steering.span(),
                "steering observes: moves are decided and recorded, nothing is changed",
                "once the record looks right, set `steering = \"act\"`",
            );
        }
        if *self.fib.get_ref() == FibMode::Report {
            findings.note(
                self.fib.span(),
                "no kernel route is written: next hops are only reported on the control interface",
                "outside a laboratory, set `fib = \"kernel\"`",
            );
        }
    }
}

/// What `log` can ask for, quietest first.
const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// A misspelt level would be taken for the name of a module and log nothing.
fn check_log(section: &Section<'_>, log: &Spanned<String>) {
    let level = |directive: &str| {
        directive.trim().rsplit_once('=').map_or(directive, |(_, level)| level).trim().to_owned()
    };
    for level in log.get_ref().split(',').map(level) {
        if LEVELS.contains(&level.as_str()) {
            continue;
        }
        let guess = nearest(&level, &LEVELS).map_or(String::new(), |word| format!(" (`{word}`?)"));
        section.findings().borrow_mut().error(
            log.span(),
            format!("`log` of [speaker]: `{level}` is not a level{guess}"),
            "write a level (off, error, warn, info, debug, trace), and exceptions after it: \
             \"info,pathvane_speaker=debug\"",
        );
    }
}

/// The longest path: a socket's has 107 bytes, some of which go to its temporary name.
const CONTROL_MAX: usize = 96;

/// A path too long for a socket.
pub(super) fn check_socket(section: &Section<'_>, which: &str, socket: &Spanned<PathBuf>) {
    if socket.get_ref().as_os_str().len() > CONTROL_MAX {
        section.findings().borrow_mut().error(
            socket.span(),
            format!("the path of the {which} socket is too long"),
            format!("use at most {CONTROL_MAX} bytes: sockets have short names"),
        );
    }
}

fn listen(section: &Section<'_>) -> Vec<SocketAddr> {
    match section.list("listen") {
        Some(addresses) => addresses.into_iter().map(Spanned::into_inner).collect(),
        None => vec![
            SocketAddr::from((Ipv4Addr::UNSPECIFIED, BGP_PORT)),
            SocketAddr::from((Ipv6Addr::UNSPECIFIED, BGP_PORT)),
        ],
    }
}
