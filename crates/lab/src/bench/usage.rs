//! What a daemon costs: CPU time and memory of a process and all that it has started.

use std::fs;
use std::time::Duration;

use nix::time::{clock_getcpuclockid, clock_gettime};
use nix::unistd::Pid;

/// The process and its descendants.
pub(super) fn tree(pid: u32) -> Vec<u32> {
    let numbers = fs::read_dir("/proc").into_iter().flatten().flatten();
    let numbers = numbers.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let parents: Vec<(u32, u32)> =
        numbers.filter_map(|child| Some((child, parent(child)?))).collect();
    let mut found = vec![pid];
    let mut next = 0;
    while let Some(&parent) = found.get(next) {
        next += 1;
        found.extend(parents.iter().filter(|(_, its)| *its == parent).map(|(child, _)| *child));
    }
    found
}

/// The process that started this one.
fn parent(pid: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name, in parentheses, may have spaces and parentheses of its own.
    let (_, after_name) = stat.rsplit_once(')')?;
    after_name.split_whitespace().nth(1)?.parse().ok()
}

/// User and system time of the processes until now. Their CPU clocks have nanoseconds where
/// `/proc` counts hundredths of a second.
pub(super) fn cpu(pids: &[u32]) -> Duration {
    let of = |pid: u32| {
        let pid = Pid::from_raw(i32::try_from(pid).ok()?);
        let time = clock_gettime(clock_getcpuclockid(pid).ok()?).ok()?;
        Some(Duration::from(time))
    };
    pids.iter().filter_map(|pid| of(*pid)).sum()
}

/// Memory in octets: resident now, and the most there ever was.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Memory {
    pub(super) resident: u64,
    pub(super) peak: u64,
}

/// Memory of the processes; each one's peak, added up.
pub(super) fn memory(pids: &[u32]) -> Memory {
    let mut memory = Memory::default();
    for pid in pids {
        let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let octets = |key: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(key));
            let number = line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok());
            number.map_or(0, |kilo: u64| kilo * 1024)
        };
        memory.resident += octets("VmRSS:");
        memory.peak += octets("VmHWM:");
    }
    memory
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_costs_something_and_has_no_less_at_its_peak() {
        let pids = tree(std::process::id());
        let before = cpu(&pids);
        let spin = std::time::Instant::now();
        while spin.elapsed() < Duration::from_millis(20) {}
        assert!(cpu(&pids) > before);
        let memory = memory(&pids);
        assert!(memory.resident > 0 && memory.peak >= memory.resident);
    }

    #[test]
    fn a_child_belongs_to_the_tree() {
        let child = std::process::Command::new("sleep").arg("60").spawn();
        let mut child = child.expect("start a child");
        assert!(tree(std::process::id()).contains(&child.id()));
        child.kill().expect("end it");
        child.wait().expect("it ends");
    }
}
