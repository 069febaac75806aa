//! A cloud region, as far as a path can see it: reflectors that answer probes and
//! instances that answer health checks.

mod instance;
mod reflectors;

pub use instance::Instance;
pub use reflectors::Reflectors;
