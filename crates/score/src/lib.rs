//! Samples to estimates, detectors, scores, verdicts and choices.
//!
//! Promises: the same inputs, times and seed give the same answers on every machine
//! (floats go through `libm`); no clock is read; a sample costs no allocation; a probe
//! stream takes at most 1 KiB whatever arrives on it.
//!
//! Does not know: packets, sockets, BGP, names, or what a path is made of. Who measures
//! and who moves traffic are its callers.
//!
//! ```text
//! sent, reply -> Meter (one stream) -> PathMonitor (one path) -> Verdict, ClassScore
//!                                        Candidates -> Selector (one service) -> Decision
//! ```
//!
//! Every constant and its reason: [`defaults`], and `docs/SCORING.md` for the signal flow.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod assess;
mod class;
mod damping;
pub mod defaults;
pub mod emodel;
mod grade;
mod meter;
mod monitor;
mod rates;
mod sample;
mod selector;
mod silence;
mod stream;
mod verdict;

pub use assess::bulk_score;
pub use class::{Class, ClassScore, Compliance, OwnClass, Sla, Violations};
pub use damping::Damping;
pub use grade::Grade;
pub use meter::{Arrival, Counters, Figures, Meter};
pub use monitor::{BfdState, LinkState, MonitorConfig, PathMonitor};
pub use rates::{ProbeRates, Role};
pub use sample::Sample;
pub use selector::{
    Candidate, Cause, Decision, PathId, Rule, Selector, SelectorConfig, Strategy, is_served,
};
pub use stream::{MAX_PORTS, StreamSpec};
pub use verdict::{Evidence, Reasons, State, Verdict};
