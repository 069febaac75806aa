//! The real daemon, `pathvane run`, on loopback: one process that all rows speak to.

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// The binary under test.
const BINARY: &str = env!("CARGO_BIN_EXE_pathvane");

/// A running daemon, ended when dropped.
#[derive(Debug)]
pub(crate) struct Speaker {
    child: Child,
    folder: TempDir,
    /// Where it listens, and where it expects those that it dials.
    pub(crate) port: u16,
    pub(crate) dialled_port: u16,
}

/// A port that nobody uses just now, below those that the kernel gives to connections: among them it could
/// be taken before we listen.
fn free_port() -> u16 {
    static TAKEN: AtomicU32 = AtomicU32::new(0);
    for _ in 0..1000 {
        let nth = std::process::id() * 16 + TAKEN.fetch_add(1, Ordering::Relaxed);
        let port = 12_000 + u16::try_from(nth % 20_000).expect("small");
        if TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).is_ok() {
            return port;
        }
    }
    panic!("no port is free");
}

/// Writes the configuration file.
fn write(folder: &Path, configuration: &str, port: u16, dialled_port: u16) -> PathBuf {
    let text = configuration
        .replace("PORT", &port.to_string())
        .replace("DIALLED", &dialled_port.to_string())
        .replace("CONTROL", &folder.join("control.sock").display().to_string());
    let file = folder.join("pathvane.toml");
    fs::write(&file, text).expect("write the configuration");
    file
}

impl Speaker {
    /// Starts it with `configuration`, in which PORT, DIALLED and CONTROL are filled in.
    pub(crate) fn start(configuration: &str) -> Speaker {
        let folder = tempfile::tempdir().expect("a folder");
        let (port, dialled_port) = (free_port(), free_port());
        let file = write(folder.path(), configuration, port, dialled_port);
        let log = File::create(folder.path().join("log")).expect("create the log");
        let child = Command::new(BINARY)
            .arg("run")
            .arg("--config")
            .arg(&file)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("start the speaker");
        let speaker = Speaker { child, folder, port, dialled_port };
        speaker.wait_until_it_answers();
        speaker
    }

    fn wait_until_it_answers(&self) {
        let end = Instant::now() + Duration::from_secs(20);
        while !self.ask(&["show", "status"]).status.success() {
            assert!(Instant::now() < end, "the speaker does not start:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Has it read another configuration.
    pub(crate) fn reload(&self, configuration: &str) -> Output {
        write(self.folder.path(), configuration, self.port, self.dialled_port);
        self.ask(&["reload"])
    }

    /// Where peers of IPv4 find it.
    pub(crate) fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    /// Runs a client command.
    pub(crate) fn ask(&self, words: &[&str]) -> Output {
        let socket: PathBuf = self.folder.path().join("control.sock");
        let output = Command::new(BINARY).arg("--socket").arg(socket).args(words).output();
        output.expect("run a command")
    }

    /// The resident memory of the process, in KiB.
    pub(crate) fn resident_kib(&self) -> u64 {
        let status =
            fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("status");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("VmRSS");
        line.trim().trim_end_matches(" kB").parse().expect("a number")
    }

    /// The end of what it logged.
    pub(crate) fn log(&self) -> String {
        let text = fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
        let lines: Vec<_> = text.lines().collect();
        lines[lines.len().saturating_sub(30)..].join("\n")
    }
}

impl Drop for Speaker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
