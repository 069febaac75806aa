//! Network namespaces and the links between them, made by a test and gone with it.

use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};

/// Runs a command; panics with its output if it fails.
pub(crate) fn sh(line: &str) -> String {
    let output = output(line);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{line}: {}\n{text}{errors}", output.status);
    text
}

/// What a command says, whether it fails or not.
pub(crate) fn said(line: &str) -> String {
    String::from_utf8_lossy(&output(line).stdout).into_owned()
}

fn output(line: &str) -> Output {
    let words: Vec<_> = line.split_whitespace().collect();
    let output = Command::new(words[0]).args(&words[1..]).output();
    output.unwrap_or_else(|error| panic!("cannot run {line}: {error}"))
}

/// A network namespace with its loopback up; removed on drop, and with it its links.
#[derive(Debug)]
pub(crate) struct Space {
    name: String,
}

impl Space {
    /// A new namespace; `role` makes its name readable.
    pub(crate) fn new(role: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("pv{}-{count}-{role}", std::process::id());
        sh(&format!("ip netns add {name}"));
        let space = Self { name };
        space.run("ip link set lo up");
        space
    }

    /// Its name for `ip netns exec`.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Runs a command inside.
    pub(crate) fn run(&self, line: &str) -> String {
        sh(&format!("ip netns exec {} {line}", self.name))
    }

    /// Adds an address to its loopback.
    pub(crate) fn own(&self, address: &str) {
        self.run(&format!("ip address add {address} dev lo nodad"));
    }

    /// Lets it forward packets, or stop: then everything through it is lost in silence.
    pub(crate) fn forward(&self, on: bool) {
        let on = u8::from(on);
        self.run(&format!("sysctl -qw net.ipv4.ip_forward={on}"));
    }
}

impl Drop for Space {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["netns", "delete", &self.name]).status();
    }
}

/// One end of a link: the namespace, the interface's name there, its addresses.
pub(crate) struct End<'a> {
    pub(crate) space: &'a Space,
    pub(crate) interface: &'a str,
    pub(crate) addresses: &'a [&'a str],
}

/// Connects two namespaces by a veth pair.
pub(crate) fn link(a: End<'_>, b: End<'_>) {
    sh(&format!(
        "ip link add {} netns {} type veth peer name {} netns {}",
        a.interface,
        a.space.name(),
        b.interface,
        b.space.name()
    ));
    for end in [a, b] {
        for address in end.addresses {
            end.space.run(&format!("ip address add {address} dev {} nodad", end.interface));
        }
        end.space.run(&format!("ip link set {} up", end.interface));
    }
}
