//! 100,000 routes that come and go 100 times.

use anyhow::Result;

use crate::shell;

/// Runs the test of the conformance suite at its full size.
pub(crate) fn run() -> Result<()> {
    let size = [("PATHVANE_CHURN_ROUTES", "100000"), ("PATHVANE_CHURN_CYCLES", "100")];
    let args = ["test", "--locked", "-p", "pathvane", "--test", "conformance", "--"];
    let named = ["a_table_announced_and_withdrawn_many_times", "--nocapture"];
    shell::run("cargo", &[&args[..], &named[..]].concat(), &size)
}
