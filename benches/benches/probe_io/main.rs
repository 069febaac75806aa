//! What measuring costs: a whole speaker on real sockets, 500 services with a path that leads, probed 50
//! times a second, and five that stand by, probed twice a second, over loopback to a reflector on a
//! thread of its own.
//!
//! Prints the share of one core that the speaker's hot thread used, by the kernel's account of
//! that thread (`/proc/self/task/TID/schedstat`): sending, kernel timestamps of both ends, replies,
//! detectors, schedule, choices. And beside it, from the seconds before, what the system calls alone cost
//! (`floor.rs`). Arguments: active paths, standby paths, seconds; or `batches`, for what calls for many
//! datagrams would save.

mod batches;
mod floor;

use std::fmt::Write as _;
use std::fs;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use pathvane_speaker::config::{self, Loaded};
use pathvane_speaker::reflector::{self, Counters, Reflector};

fn main() {
    if std::env::args().any(|word| word == "batches") {
        return batches::print();
    }
    // cargo adds `--bench`.
    let numbers: Vec<usize> = std::env::args().filter_map(|word| word.parse().ok()).collect();
    let number = |at: usize, default| numbers.get(at).copied().unwrap_or(default);
    let (active, standby, seconds) = (number(0, 500), number(1, 2500), number(2, 10));
    raise_file_limit();
    let sources = (0..active + standby).map(|path| (source(path), 0).into()).collect();
    let (port, _) = start_reflector();
    let bare = floor::measure(sources, active, ([127, 0, 0, 1], port).into(), seconds as u64);
    println!(
        "the system calls alone: {:.0} probes/s, {:.1} % of one core, {:.2} us a probe",
        bare.rate,
        100.0 * bare.share,
        1e6 * bare.share / bare.rate.max(1.0),
    );
    let (port, counters) = start_reflector();
    let folder = tempfile::tempdir().expect("a folder");
    let control = folder.path().join("control.sock").display().to_string();
    let text = configuration(active, standby, port, &control);
    let thread = start_speaker(load(&text));
    // Paths come up, services find their leaders, rates settle.
    thread::sleep(Duration::from_secs(12));
    let (cpu, replies, began) = (cpu_ns(thread), counters.replied.load(Relaxed), Instant::now());
    thread::sleep(Duration::from_secs(seconds as u64));
    let elapsed = began.elapsed().as_secs_f64();
    let cpu = (cpu_ns(thread) - cpu) as f64 / 1e9;
    let probes = (counters.replied.load(Relaxed) - replies) as f64;
    let (each, bare) = (cpu / probes.max(1.0), bare.share / bare.rate.max(1.0));
    println!(
        "{active} active and {standby} standby paths: {:.0} probes/s, {:.1} % of one core, {:.2} us a probe, \
         {:.2} times the system calls",
        probes / elapsed,
        100.0 * cpu / elapsed,
        1e6 * each,
        each / bare,
    );
    // Nothing is to be drained: no session, no kernel route.
    drop(folder);
    std::process::exit(0);
}

/// A socket for each path.
fn raise_file_limit() {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).expect("the limit of open files");
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard).expect("raise the limit of open files");
}

fn start_reflector() -> (u16, Arc<Counters>) {
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(async {
            let listen = vec![([127, 0, 0, 1], 0).into()];
            let (rate, total_rate) = (u32::MAX, u32::MAX);
            let rest = reflector::Config::default();
            let config = reflector::Config { listen, rate, total_rate, ..rest };
            let reflector = Reflector::bind(config).expect("a reflector");
            tell.send((reflector.local_addrs()[0].port(), reflector.counters())).expect("main");
            reflector.run(std::future::pending()).await.expect("it reflects");
        });
    });
    told.recv().expect("a reflector")
}

/// The probe source of a path.
fn source(path: usize) -> Ipv4Addr {
    Ipv4Addr::new(127, 1, 1 + (path / 250) as u8, 1 + (path % 250) as u8)
}

/// One service for each active path, to which its share of the standby paths belongs.
fn configuration(active: usize, standby: usize, port: u16, control: &str) -> String {
    let mut text = format!(
        "[speaker]\nasn = 65010\nbgp_identifier = \"10.255.0.1\"\nsteering = \"observe\"\n\
         fib = \"report\"\nlisten = []\nlog = \"off\"\ncontrol = \"{control}\"\n\
         [timing]\ninit_after = \"1s\"\ninit_probes = 10\n"
    );
    // A session speaks for one path of a service.
    let peers = 1 + standby.div_ceil(active.max(1));
    for peer in 0..peers {
        write!(
            text,
            "[peers.far{peer}]\naddress = \"127.0.2.{peer}\"\nlocal_address = \"127.0.0.1\"\n\
             asn = 64512\npassive = true\n"
        )
        .expect("text");
    }
    for path in 0..active + standby {
        write!(
            text,
            "[paths.p{path}]\nnext_hop = \"127.0.0.9\"\nannounce_via = [\"far{}\"]\n\
             probe_source = \"{}\"\n\
             probes = [{{ kind = \"stamp\", target = \"127.0.0.1\", port = {port} }}]\n",
            (path / active.max(1)).min(peers - 1),
            source(path),
        )
        .expect("text");
    }
    for service in 0..active {
        let (high, low) = (service / 250, service % 250);
        let standbys = (active..active + standby).filter(|path| path % active == service);
        let paths: Vec<_> = [service].into_iter().chain(standbys).collect();
        let paths: Vec<_> = paths.iter().map(|path| format!("\"p{path}\"")).collect();
        write!(
            text,
            "[services.s{service}]\nclass = \"voice\"\npaths = [{}]\n\
             announce = [{{ prefix = \"10.{high}.{low}.0/24\", while = \"interface-up:lo\" }}]\n",
            paths.join(", "),
        )
        .expect("text");
    }
    text
}

fn load(text: &str) -> Loaded {
    let outcome = config::parse("bench.toml", text);
    let mut loaded = outcome.loaded.unwrap_or_else(|| panic!("{}", outcome.findings.render(false)));
    for rates in &mut loaded.engine.timing.rates {
        rates.standby_mpps = 2_000;
    }
    loaded
}

/// Runs the speaker on a thread, whose number it returns.
fn start_speaker(loaded: Loaded) -> nix::unistd::Pid {
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        tell.send(nix::unistd::gettid()).expect("main");
        pathvane_speaker::run(loaded, "/nowhere/pathvane.toml".into()).expect("a speaker");
    });
    told.recv().expect("a speaker")
}

/// Time that a thread has been on a processor.
fn cpu_ns(thread: nix::unistd::Pid) -> u64 {
    let path = format!("/proc/self/task/{thread}/schedstat");
    let text = fs::read_to_string(path).expect("the speaker runs");
    text.split_whitespace().next().and_then(|word| word.parse().ok()).expect("a number")
}
