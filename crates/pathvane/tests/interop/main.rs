//! Interoperation with real daemons, in network namespaces that each test makes and removes.
//!
//! Ignored by default, since they need root, `ip` and Debian's BIRD, ExaBGP, FRR, GoBGP and OpenBGPD; the test command
//! runs them one by one. No times are asserted: `pathvane demo` and the benchmarks measure.

mod bfd;
mod bird;
mod carried;
mod daemon;
mod far;
mod features;
mod matrix;
mod operating;
mod process;
mod protocol;
mod restarted;
mod sessions;
mod space;
mod speaker;
mod steering;
mod wait;
