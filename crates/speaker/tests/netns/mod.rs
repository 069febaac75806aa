//! Network namespaces for tests: made by the test itself, without a name, gone with its thread.

#![allow(dead_code, reason = "each test file uses a part")]

use std::process::Command;
use std::thread;
use std::time::Duration;

use nix::sched::{CloneFlags, unshare};

/// Runs `test` on a thread of its own in a new network namespace whose loopback is up.
///
/// Needs root. Without, the test is skipped with a message, unless `PATHVANE_REQUIRE_ROOT=1`
/// says that this must not happen.
pub(crate) fn in_namespace(test: impl FnOnce() + Send + 'static) {
    if !nix::unistd::geteuid().is_root() {
        let required = std::env::var_os("PATHVANE_REQUIRE_ROOT").is_some_and(|value| value == "1");
        assert!(!required, "PATHVANE_REQUIRE_ROOT=1, but this is not root");
        eprintln!("skipped: needs root for a network namespace");
        return;
    }
    let result = thread::spawn(|| {
        unshare(CloneFlags::CLONE_NEWNET).expect("a network namespace");
        ip("link set lo up");
        test();
    })
    .join();
    if let Err(panic) = result {
        std::panic::resume_unwind(panic);
    }
}

/// [`in_namespace`] with a tokio runtime of one thread.
pub(crate) fn in_namespace_async<F: Future<Output = ()>>(
    test: impl FnOnce() -> F + Send + 'static,
) {
    in_namespace(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(test());
    });
}

/// Runs `ip` in this thread's namespace and returns what it prints.
pub(crate) fn ip(arguments: &str) -> String {
    let output = try_ip(arguments);
    output.unwrap_or_else(|error| panic!("ip {arguments}: {error}"))
}

/// [`ip`] that may fail.
pub(crate) fn try_ip(arguments: &str) -> Result<String, String> {
    let output = Command::new("ip").args(arguments.split_whitespace()).output();
    let output = output.expect("the ip command of iproute2");
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
    }
}

/// Runs `nft` in this thread's namespace and returns what it prints.
pub(crate) fn nft(arguments: &str) -> String {
    let output = Command::new("nft").arg(arguments).output();
    let output = output.expect("the nft command: `cargo xtask setup` installs it");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "nft {arguments}: {error}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// How many packets a counter of the table `seen` has counted.
pub(crate) fn packets(counter: &str) -> u64 {
    let text = nft(&format!("list counter ip seen {counter}"));
    let after = text.split("packets ").nth(1).expect("a counter");
    after.split_whitespace().next().and_then(|word| word.parse().ok()).expect("a number")
}

/// Makes a pair of connected interfaces, `NAME` with `address` and `NAME-far`, both up.
pub(crate) fn veth(name: &str, address: &str) {
    ip(&format!("link add {name} type veth peer name {name}-far"));
    ip(&format!("addr add {address} dev {name}"));
    ip(&format!("link set {name} up"));
    ip(&format!("link set {name}-far up"));
}

/// Waits until `condition` holds, which the kernel brings about in its own time.
pub(crate) fn until(what: &str, mut condition: impl FnMut() -> bool) {
    for _ in 0..1000 {
        if condition() {
            return;
        }
        thread::sleep(Duration::from_millis(5));
    }
    panic!("waited five seconds for: {what}");
}

/// Takes the carrier of `name` away, or gives it back, by way of its far end.
pub(crate) fn set_carrier(name: &str, up: bool) {
    ip(&format!("link set {name}-far {}", if up { "up" } else { "down" }));
    until("the carrier", || ip(&format!("link show {name}")).contains("LOWER_UP") == up);
    let state = if up { "state UP" } else { "state LOWERLAYERDOWN" };
    until("the link watch", || ip(&format!("link show {name}")).contains(state));
}
