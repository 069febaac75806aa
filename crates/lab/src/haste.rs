//! Threads that stand for a network must not wait for anybody.

use nix::sys::prctl::set_timerslack;
use rustix::process::setpriority_process;

/// The niceness asked for.
const NICE: i32 = -15;

/// Makes this thread wake on time: no timer slack, and before other threads where we may ask for
/// that (root or CAP_SYS_NICE). Without it a busy machine shows as delay of the emulated paths.
pub(crate) fn hurry() {
    // A refusal costs 50 microseconds of precision.
    let _ = set_timerslack(1);
    // A refusal is the normal case without privilege.
    let _ = setpriority_process(None, NICE);
}
