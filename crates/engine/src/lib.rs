//! The engine: joins sessions, routes, probes and scores into one speaker, without an OS.
//!
//! One closed [`Input`], one [`Output`], one alarm (`docs/adr/0001-one-contract.md`). The shell
//! stamps inputs with the time, the engine answers with what is to be done, and the same
//! configuration, seed and inputs always give the same outputs.
//!
//! Promises: the laws of steering hold here, each with a test in `crates/sim`; nothing a peer sends
//! panics, or costs another peer anything; work that walks routes is done in slices by
//! [`Engine::work`]; every move is recorded with its cause, its evidence and its times.
//!
//! Does not know: sockets, the kernel, names resolution, the wall clock, files, or who reads events.
//!
//! Where to look: `engine.rs` is the front door; `sessions.rs` is peers coming and going;
//! `bfd.rs` what BFD says of them; `measure.rs` probes and verdicts; `steer.rs` the choice of a service's leader; `steering.rs` its
//! consequences; `signal.rs`, `ledger.rs` and `delivery.rs` what peers were told and may hold;
//! `forward.rs` the kernel's next hops; `routes.rs` conditions and Loc-RIB changes; `drain.rs` leaving.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod allowance;
mod attribution;
mod bfd;
pub mod config;
mod deferral;
mod delivery;
mod drain;
mod engine;
mod event;
mod forward;
mod full_size;
mod ids;
mod io;
mod ledger;
mod limits;
mod load;
mod measure;
mod membership;
mod peer;
mod policies;
mod rate_budget;
mod record;
mod reports;
mod retain;
mod routes;
mod sessions;
mod signal;
mod steer;
mod steering;
mod view;

pub use attribution::Place;
pub use config::Config;
pub use engine::Engine;
pub use event::{Event, EventKind, LimitStep, Move, Signal};
pub use ids::{ConnId, PathId, PeerId, ServiceId, StreamId};
pub use io::{BfdUser, Command, Direction, Input, Output, ProbeOut, ProbePacket, Share, Via};
pub use reports::{Held, Report, Subject};
pub use signal::Role;
pub use view::{FullSizeView, PathView, PeerView, ServiceView, StreamView, Told};
