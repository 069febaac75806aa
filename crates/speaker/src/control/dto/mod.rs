//! What the control interface says, as data: the same types serve server and clients.
//!
//! Names stand where the engine has numbers. Durations are nanoseconds (`_ns`) and reach back
//! from the moment of the answer; loss is in millionths (`_ppm`). Fields are only ever added.

mod bfd;
mod event;
mod event_text;
mod overview;
mod routes;

use serde::{Deserialize, Serialize};

pub use bfd::{Bfd, BfdSession};
pub use event::{Alternative, Event, Kind, SCHEMA};
pub use event_text::shares;
pub use overview::{
    Announced, Check, Delay, Established, FamilyCounts, Faults, FullSize, Kernel, LastError,
    LongLived, Loss, Messages, Over, Path, Peer, Probe, Quantiles, Report, Restart, Service,
    ServicePath, Status, Tcp, Told,
};
pub use routes::{Candidate, ExplainPrefix, Recipient, Route, Routes};

/// The answer to a command.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Done {
    /// What happens now, in a sentence.
    pub done: String,
}

/// Why a request is not answered.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Refused {
    /// What is wrong.
    pub error: String,
    /// What to do.
    pub remedy: String,
}
