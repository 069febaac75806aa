//! `pathvane probe`: a careful ping.

use std::fs::File;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::time::Duration;

use pathvane_speaker::probing::{
    self, Config, Estimates, Event, FASTEST_TCP, Figures, PORT, Quantiles, STUN_PORT, Second,
    Summary, TCP_PORT, resolve,
};
use pathvane_speaker::series::{self, Writer};
use pathvane_speaker::{OsError, log, read_stamp_key};
use tokio::sync::Notify;

use crate::args::{ProbeArgs, ProbeKind, RecordArgs};
use crate::{Exit, complain, daemon};

/// Probes until told to end, and says what came of it.
pub(crate) fn probe(args: &ProbeArgs) -> Exit {
    start(args, None)
}

/// Does the same and writes what became of each probe.
pub(crate) fn record(args: &RecordArgs) -> Exit {
    start(&args.probe, Some(args))
}

fn start(args: &ProbeArgs, record: Option<&RecordArgs>) -> Exit {
    let log = log::start("warn");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let ended = match runtime {
        Ok(runtime) => runtime.block_on(run(args, record)),
        Err(error) => Err(Failure::from(error.to_string())),
    };
    log.finish();
    match ended {
        Ok(summary) if summary.figures.answered + summary.late > 0 => Exit::Done,
        Ok(_) => Exit::NoAnswer,
        Err(failure) => {
            complain(failure.what, failure.remedy);
            Exit::Failed
        }
    }
}

/// Why probing could not begin, or go on.
struct Failure {
    what: String,
    remedy: &'static str,
}

impl From<String> for Failure {
    fn from(what: String) -> Self {
        Self { what, remedy: "" }
    }
}

async fn run(args: &ProbeArgs, record: Option<&RecordArgs>) -> Result<Summary, Failure> {
    let text = |error: OsError| error.to_string();
    let key = args.key_file.as_deref().map(read_stamp_key).transpose().map_err(text)?;
    let interval = interval(args)?;
    let port = args.port.unwrap_or(match args.kind {
        ProbeKind::Stamp | ProbeKind::Icmp => PORT,
        ProbeKind::Stun => STUN_PORT,
        ProbeKind::Tcp => TCP_PORT,
    });
    let found = resolve(&args.target, port).await.map_err(text)?;
    let wanted = |address: &&SocketAddr| match args.source {
        Some(source) => source.is_ipv4() == address.is_ipv4(),
        None => true,
    };
    let Some(&target) = found.iter().find(wanted) else {
        return Err(format!("{} has no address of the family of --source", args.target).into());
    };
    let config = Config {
        target,
        kind: match args.kind {
            ProbeKind::Stamp => probing::ProbeKind::Stamp,
            ProbeKind::Icmp => probing::ProbeKind::Icmp,
            ProbeKind::Stun => probing::ProbeKind::Stun,
            ProbeKind::Tcp => probing::ProbeKind::Tcp,
        },
        source: args.source,
        ports: ports(args)?,
        device: args.interface.clone(),
        dscp: args.dscp,
        size: args.size,
        interval,
        timeout: args.timeout,
        count: args.count,
        duration: args.duration,
        key,
        record: record.is_some(),
    };
    // Only now: a recording that is there already is not given up for a target that is not.
    let mut recorder = record.map(Recorder::open).transpose()?;
    let mut view = View::new(args, &config);
    view.quiet = recorder.as_ref().is_some_and(|recorder| recorder.to_stdout);
    view.head();
    let mut failure = None;
    let reflector = config.target.to_string();
    // Nobody probes for a series that cannot be written.
    let broken = Notify::new();
    let stop = async {
        tokio::select! {
            () = daemon::told_to_end() => {}
            () = broken.notified() => {}
        }
    };
    let probed = probing::probe(&config, stop, |event| match (event, &mut recorder) {
        (Event::Probe(probe), Some(recorder)) if failure.is_none() => {
            failure = recorder.write(probe, &reflector).err();
            if failure.is_some() {
                broken.notify_one();
            }
        }
        (Event::Probe(_), _) => {}
        (event, _) => view.show(&event),
    });
    let summary = probed.await.map_err(text)?;
    if let Some(error) = failure.or(recorder.and_then(|recorder| recorder.finish().err())) {
        return Err(format!("cannot write the series: {error}").into());
    }
    view.foot(&summary);
    Ok(summary)
}

/// Time between probes, as the kind of probe allows it.
fn interval(args: &ProbeArgs) -> Result<Duration, String> {
    match (args.kind, args.interval) {
        (ProbeKind::Tcp, None) => Ok(Duration::from_secs(1)),
        (ProbeKind::Tcp, Some(interval)) if interval < FASTEST_TCP => {
            Err("no more than two connections a second: choose an --interval of 500ms or more"
                .into())
        }
        (_, interval) => Ok(interval.unwrap_or(Duration::from_millis(20))),
    }
}

/// Source ports, where the kind of probe has any.
fn ports(args: &ProbeArgs) -> Result<u8, String> {
    match (args.kind, args.ports) {
        (ProbeKind::Icmp, 2..) => Err("ICMP knows no ports: leave --ports out".into()),
        (ProbeKind::Tcp, 2..) => {
            Err("each connection has a port of its own: leave --ports out".into())
        }
        (_, ports) => Ok(ports),
    }
}

/// Where a series goes.
struct Recorder {
    writer: Writer<Box<dyn Write>>,
    path: String,
    to_stdout: bool,
}

impl Recorder {
    fn open(args: &RecordArgs) -> Result<Self, Failure> {
        Self::create(args).map_err(|error| Failure {
            what: format!("{}: {error}", args.output.display()),
            remedy: "name a file that can be written, or - for standard output",
        })
    }

    fn create(args: &RecordArgs) -> io::Result<Self> {
        let to_stdout = args.output.as_os_str() == "-";
        let sink: Box<dyn Write> = match to_stdout {
            true => Box::new(io::LineWriter::new(io::stdout())),
            false => Box::new(io::BufWriter::new(File::create(&args.output)?)),
        };
        let csv = args.output.extension().is_some_and(|it| it.eq_ignore_ascii_case("csv"));
        let writer = if csv { Writer::csv(sink)? } else { Writer::new(sink) };
        Ok(Self { writer, path: args.path.clone(), to_stdout })
    }

    fn write(&mut self, probe: &series::Probe, reflector: &str) -> io::Result<()> {
        let (path, reflector) = (self.path.clone(), reflector.to_owned());
        self.writer.write(&series::Probe { path, reflector, ..probe.clone() })
    }

    fn finish(self) -> io::Result<()> {
        self.writer.finish().map(|_| ())
    }
}

/// What the person sees.
struct View {
    /// Standard output is taken.
    quiet: bool,
    json: bool,
    target: String,
    how: String,
    /// Mean round trips of the last seconds; `None` without an answer.
    history: Vec<Option<f64>>,
}

impl View {
    /// Seconds in the sparkline.
    const HISTORY: usize = 30;

    fn new(args: &ProbeArgs, config: &Config) -> Self {
        let (target, kind) = match (config.kind, &config.key) {
            (probing::ProbeKind::Icmp, _) => (config.target.ip().to_string(), "ICMP echo"),
            (probing::ProbeKind::Stun, _) => (config.target.to_string(), "STUN"),
            (probing::ProbeKind::Tcp, _) => (config.target.to_string(), "TCP connections"),
            (probing::ProbeKind::Stamp, None) => (config.target.to_string(), "STAMP"),
            (probing::ProbeKind::Stamp, Some(_)) => {
                (config.target.to_string(), "authenticated STAMP")
            }
        };
        let how = format!(
            "{kind}, a probe each {:?}, DSCP {}, lost after {:?}",
            config.interval, config.dscp, config.timeout
        );
        Self { quiet: false, json: args.json, target, how, history: Vec::new() }
    }

    fn head(&self) {
        if !self.json && !self.quiet {
            say(&format!("probing {} with {}", self.target, self.how));
        }
    }

    fn show(&mut self, event: &Event<'_>) {
        match event {
            Event::Trouble(trouble) => {
                complain(format!("{}: {trouble}", self.target), trouble.remedy());
            }
            Event::Probe(_) => {}
            Event::Second(_) if self.quiet => {}
            Event::Second(second) if self.json => {
                say(&tagged("second", second));
            }
            Event::Second(second) => {
                if self.history.len() == Self::HISTORY {
                    self.history.remove(0);
                }
                self.history.push(second.figures.rtt_avg_ms);
                say(&line(second, &sparkline(&self.history)));
            }
        }
    }

    fn foot(&self, summary: &Summary) {
        if self.quiet {
            return;
        }
        if self.json {
            say(&tagged("summary", summary));
        } else {
            say(&closing(&self.target, summary));
        }
    }
}

/// One JSON object with its kind as the member `type`.
fn tagged(kind: &str, of: &impl serde::Serialize) -> String {
    let mut object = serde_json::json!({ "type": kind });
    if let (Some(object), Ok(serde_json::Value::Object(members))) =
        (object.as_object_mut(), serde_json::to_value(of))
    {
        object.extend(members);
    }
    object.to_string()
}

/// Writes a line at once; whoever closed the pipe has read enough.
fn say(text: &str) {
    let mut out = io::stdout().lock();
    if writeln!(out, "{text}").and_then(|()| out.flush()).is_err() {
        std::process::exit(0);
    }
}

fn line(second: &Second, sparkline: &str) -> String {
    let Second { figures, mos, jitter_ms, .. } = second;
    let mos = mos.map_or_else(|| "   -".into(), |mos| format!("{mos:.2}"));
    let mut line = format!(
        "{:>4} s  {:>3}/{:<3} {:<28} rtt {:<31} jitter {jitter_ms:>6.3}  MOS {mos}  {sparkline}",
        second.second,
        figures.answered,
        figures.sent,
        loss(figures),
        round_trips(figures),
    );
    if !second.reasons.is_empty() {
        line.push_str(&format!("  {}: {}", second.state, second.reasons.join("+")));
    }
    line
}

/// "loss 2 (fwd 1, rev 1)".
fn loss(figures: &Figures) -> String {
    let direction = figures.direction;
    let mut parts = Vec::new();
    for (what, count) in [("fwd", direction.fwd), ("rev", direction.rev), ("?", direction.unknown)]
    {
        if count > 0 {
            parts.push(format!("{what} {count}"));
        }
    }
    match figures.lost {
        0 => "loss 0".into(),
        lost => format!("loss {lost} ({})", parts.join(", ")),
    }
}

/// "min/avg/p95/p99 ms", or a dash.
fn round_trips(figures: &Figures) -> String {
    let all = [figures.rtt_min_ms, figures.rtt_avg_ms, figures.rtt_p95_ms, figures.rtt_p99_ms];
    let all: Option<Vec<String>> =
        all.map(|ms| ms.map(|ms| format!("{ms:.3}"))).into_iter().collect();
    all.map_or_else(|| "-".into(), |all| format!("{} ms", all.join("/")))
}

/// A bar for each second, from the least mean to the greatest; `!` for one without an answer.
fn sparkline(history: &[Option<f64>]) -> String {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let known = || history.iter().flatten().copied();
    let (least, most) = (known().fold(f64::INFINITY, f64::min), known().fold(0.0, f64::max));
    // Differences below a tenth are no news.
    let span = (most - least).max(least / 10.0).max(f64::MIN_POSITIVE);
    let bar = |ms: f64| BARS[(((ms - least) / span) * 7.0).round().clamp(0.0, 7.0) as usize];
    history.iter().map(|second| second.map_or('!', bar)).collect()
}

fn closing(target: &str, summary: &Summary) -> String {
    let figures = &summary.figures;
    let settled = figures.answered + figures.lost;
    let percent = if settled == 0 { 0.0 } else { 100.0 * figures.lost as f64 / settled as f64 };
    let mut text = format!(
        "--- {target}: {} sent, {} answered, {} ({percent:.2} %)",
        figures.sent,
        figures.answered,
        loss(figures),
    );
    let more = [
        ("late", summary.late),
        ("duplicates", summary.duplicates),
        ("reordered", summary.reordered),
        ("under way", summary.under_way),
        ("could not be sent", figures.send_failed),
        ("malformed", summary.refused.malformed),
        ("not signed with our key", summary.refused.unauthenticated),
        ("unsolicited", summary.refused.unsolicited),
        ("with extensions that were not understood", summary.refused.unusable_tlvs),
        ("remarked on the way there", figures.remarked_fwd),
        ("remarked on the way back", figures.remarked_rev),
        ("without a kernel timestamp", summary.user_stamped),
    ];
    for (what, count) in more.into_iter().filter(|&(_, count)| count > 0) {
        text.push_str(&format!(", {count} {what}"));
    }
    if !summary.silent_ports.is_empty() {
        let silent: Vec<String> = summary.silent_ports.iter().map(u16::to_string).collect();
        text.push_str(&format!(", silent from source port {}", silent.join(", ")));
    }
    let mos = summary.mos.map_or_else(|| "-".into(), |mos| format!("{mos:.2}"));
    text.push_str(&format!(
        "\nrtt min/avg/p95/p99 {}, jitter {:.3} ms, MOS {mos}",
        round_trips(figures),
        summary.jitter_ms,
    ));
    if let Some([low, high]) = summary.r {
        text.push_str(&format!(" (R {low:.1} to {high:.1} by {} probes)", summary.samples));
    }
    if let Some(estimates) = &summary.estimates {
        text.push_str(&format!("\n{}", estimated(estimates)));
    }
    text
}

/// How delay varies, in each direction if it shows, and how losses cluster.
fn estimated(it: &Estimates) -> String {
    let named = [
        ("pdv", Some(&it.pdv_ms)),
        ("there", it.pdv_fwd_ms.as_ref()),
        ("back", it.pdv_rev_ms.as_ref()),
        ("ipdv", Some(&it.ipdv_ms)),
    ];
    let spread = |(what, of): (&str, Option<&Quantiles>)| {
        of.map(|of| format!("{what} {:.3}/{:.3}/{:.3} ms", of.p50, of.p95, of.p98))
    };
    let spreads: Vec<String> = named.into_iter().filter_map(spread).collect();
    format!(
        "srtt {:.3} ms, rttvar {:.3} ms; p50/p95/p98 of {}\n\
         bursts of {:.2} losses, {:.0} answers between, BurstR {:.2}",
        it.srtt_ms,
        it.rttvar_ms,
        spreads.join(", "),
        it.burst_probes,
        it.gap_probes,
        it.burst_ratio,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sparkline_shows_what_is_high_and_what_is_missing() {
        assert_eq!(sparkline(&[Some(20.0), Some(20.1), None, Some(27.0)]), "▁▁!█");
        assert_eq!(sparkline(&[Some(20.0); 3]), "▁▁▁");
        assert_eq!(sparkline(&[None]), "!");
    }

    #[test]
    fn losses_say_where() {
        let direction = probing::Directions { fwd: 1, rev: 0, unknown: 2 };
        let figures = Figures { lost: 3, direction, ..Figures::default() };
        assert_eq!(loss(&figures), "loss 3 (fwd 1, ? 2)");
        assert_eq!(loss(&Figures::default()), "loss 0");
        assert_eq!(round_trips(&figures), "-");
    }

    #[test]
    fn estimates_are_told_with_the_directions_that_are_known() {
        let pdv_ms = Quantiles { p50: 0.1, p95: 2.0, p98: 3.0 };
        let known = Estimates {
            srtt_ms: 20.0,
            rttvar_ms: 0.5,
            pdv_ms,
            pdv_fwd_ms: Some(Quantiles { p98: 2.5, ..pdv_ms }),
            pdv_rev_ms: Some(pdv_ms),
            ipdv_ms: pdv_ms,
            burst_ratio: 1.5,
            burst_probes: 1.75,
            gap_probes: 99.0,
        };
        let told = "srtt 20.000 ms, rttvar 0.500 ms; p50/p95/p98 of pdv 0.100/2.000/3.000 ms, \
                    there 0.100/2.000/2.500 ms, back 0.100/2.000/3.000 ms, ipdv 0.100/2.000/3.000 ms\n\
                    bursts of 1.75 losses, 99 answers between, BurstR 1.50";
        assert_eq!(estimated(&known), told);
        let unknown = Estimates { pdv_fwd_ms: None, pdv_rev_ms: None, ..known };
        assert!(estimated(&unknown).contains("pdv 0.100/2.000/3.000 ms, ipdv"));
    }
}
