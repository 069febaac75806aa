//! The drawings of `docs/SCORING.md`: detection time against false alarms.

use std::error::Error;
use std::path::{Path as FilePath, PathBuf};

use pathvane_clock::Duration;
use pathvane_score::{MonitorConfig, ProbeRates, State, Verdict, defaults as d};
use plotters::prelude::*;

use crate::detection::{false_alarms, is_bad, seconds};
use crate::evidence;
use crate::link::Link;
use crate::sim::Gilbert;
use crate::table::quantile;

/// Hours of noise for each point.
const HOURS: u64 = 24;

/// One line of a drawing.
struct Line {
    name: String,
    points: Vec<(f64, f64)>,
    /// Which of the points is the default.
    default: Option<usize>,
}

/// A drawing. Percentages have linear axes, times and counts a logarithmic upright one; `x_log` says whether
/// the level one is as well.
struct Drawing {
    file: &'static str,
    title: &'static str,
    across: &'static str,
    up: &'static str,
    x: std::ops::Range<f64>,
    x_log: bool,
    y: std::ops::Range<f64>,
}

const COLOURS: [RGBColor; 4] =
    [RGBColor(0, 90, 181), RGBColor(220, 50, 32), RGBColor(0, 130, 60), RGBColor(120, 60, 160)];

fn folder() -> PathBuf {
    FilePath::new(env!("CARGO_MANIFEST_DIR")).join("../docs/plots")
}

/// Draws everything; `runs` faults for each point.
pub(crate) fn draw(runs: u64) -> bool {
    let drawn = std::fs::create_dir_all(folder())
        .map_err(Into::into)
        .and_then(|()| silence(runs))
        .and_then(|()| loss(runs))
        .and_then(|()| boost(runs))
        .and_then(|()| distributions(runs));
    if let Err(error) = &drawn {
        eprintln!("study: cannot draw: {error}");
    }
    drawn.is_ok()
}

/// Time to find a blackhole against false `Down`, by the time that is left for it.
fn silence(runs: u64) -> Result<(), Box<dyn Error>> {
    let (gaps, patience) = (Link::shared_bursts(20, 0.005, 3.5), d::GAP_PATIENCE);
    let mut lines = Vec::new();
    for (name, link, gap_patience) in [
        ("2 % random", &Link::random(20, 0.02), patience),
        ("0.5 % in bursts of 3.5, each by itself", &Link::bursts(20, 0.005, 3.5), patience),
        ("gaps of 70 ms without gap_patience", &gaps, Duration::ZERO),
        ("gaps of 70 ms with gap_patience", &gaps, patience),
    ] {
        let point = |within_ms: u64| {
            let down_within = Duration::from_millis(within_ms);
            let config = MonitorConfig { down_within, gap_patience, ..MonitorConfig::default() };
            let finds = |verdict: &Verdict| verdict.state == State::Down;
            let times = seconds(runs, &config, link, |link| link.silent = true, finds);
            let (down, _) = false_alarms(&config, link, HOURS);
            // On a logarithmic axis none is drawn as half of one.
            let seen = if down == 0 { 0.5 } else { down as f64 };
            (quantile(&times, 0.99) * 1e3, seen)
        };
        let points = [90, 110, 130, 150, 200, 250, 350].map(point).to_vec();
        lines.push(Line { name: name.to_owned(), points, default: Some(3) });
    }
    let drawing = Drawing {
        file: "silence.svg",
        title: "Blackhole, RTT 20 ms: down_within from 90 to 350 ms (ringed: default, 150)",
        across: "time to Down, 99th percentile, ms",
        up: "false Down in a day (0.5: none)",
        x: 60.0..850.0,
        x_log: false,
        y: 0.3..20_000.0,
    };
    chart(&drawing, &lines)
}

/// Time to find loss against false alarms, by the evidence that an alarm would take.
fn loss(runs: u64) -> Result<(), Box<dyn Error>> {
    const SHARES: [f32; 9] = [0.3, 0.4, 0.5, 0.6, 0.8, 1.0, 1.2, 1.4, 1.6];
    let mut lines = Vec::new();
    for ambient in [0.001, 0.02] {
        let link = Link::random(20, ambient);
        let alarms = evidence::alarms(&link, HOURS, &SHARES);
        for share in [0.10, 0.05] {
            let change = |link: &mut Link| link.loss = vec![Gilbert::random(share); 2];
            let times = evidence::seconds(runs, &link, change, &SHARES);
            // On a logarithmic axis none is drawn as half of one.
            let point = |(times, &alarms): (&Vec<f64>, &usize)| {
                (quantile(times, 0.95), if alarms == 0 { 0.5 } else { alarms as f64 })
            };
            let points = times.iter().zip(&alarms).map(point).collect();
            let name = format!("{:.0} % after {} %", share * 100.0, ambient * 100.0);
            lines.push(Line { name, points, default: Some(5) });
        }
    }
    let drawing = Drawing {
        file: "loss.svg",
        title: "Loss, RTT 20 ms: alarm at 0.3 to 1.6 of the evidence (ringed: default, 1)",
        across: "time to the alarm, 95th percentile, s",
        up: "false alarms in a day (0.5: none)",
        x: 0.1..40.0,
        x_log: true,
        y: 0.3..200_000.0,
    };
    chart(&drawing, &lines)
}

/// Time to find loss by the boosted probe rate.
fn boost(runs: u64) -> Result<(), Box<dyn Error>> {
    let mut lines = Vec::new();
    for (share, ambient) in [(0.10, 0.001), (0.10, 0.02), (0.05, 0.001), (0.05, 0.02)] {
        let point = |rate: u32| {
            let rates = ProbeRates { boost_mpps: rate * 1000, ..MonitorConfig::default().rates };
            let config = MonitorConfig { rates, ..MonitorConfig::default() };
            let change = |link: &mut Link| link.loss = vec![Gilbert::random(share); 2];
            let times = seconds(runs, &config, &Link::random(20, ambient), change, is_bad);
            (f64::from(rate), quantile(&times, 0.95))
        };
        let points = [50, 75, 100, 150, 200, 300, 400].map(point).to_vec();
        let name = format!("{:.0} % after {} %", share * 100.0, ambient * 100.0);
        lines.push(Line { name, points, default: Some(4) });
    }
    let drawing = Drawing {
        file: "boost.svg",
        title: "Loss, RTT 20 ms: time to Degraded by the boosted probe rate (ringed: default, 200/s)",
        across: "probes a second and stream while suspicious",
        up: "95th percentile, s",
        x: 40.0..410.0,
        x_log: false,
        y: 0.1..20.0,
    };
    chart(&drawing, &lines)
}

/// How detection times are distributed, fault by fault.
fn distributions(runs: u64) -> Result<(), Box<dyn Error>> {
    let config = MonitorConfig::default();
    let bad = |verdict: &Verdict| is_bad(verdict);
    let mut lines = Vec::new();
    let mut add = |name: &str, times: Vec<f64>| {
        let last = (times.len().max(2) - 1) as f64;
        let points =
            times.iter().enumerate().map(|(nth, time)| (time * 1e3, 100.0 * nth as f64 / last));
        lines.push(Line { name: name.to_owned(), points: points.collect(), default: None });
    };
    let quiet = Link::random(40, 0.001);
    add("blackhole", seconds(runs, &config, &quiet, |link| link.silent = true, bad));
    let step = |link: &mut Link| link.rtt += Duration::from_millis(30);
    add("+30 ms", seconds(runs, &config, &quiet, step, bad));
    for share in [0.20, 0.10] {
        let change = |link: &mut Link| link.loss = vec![Gilbert::random(share); 2];
        let name = format!("{:.0} % loss", share * 100.0);
        add(&name, seconds(runs, &config, &quiet, change, bad));
    }
    let drawing = Drawing {
        file: "times.svg",
        title: "Share of faults found by then, RTT 40 ms, 0.1 % ambient loss",
        across: "ms after the fault",
        up: "%",
        x: 0.0..1000.0,
        x_log: false,
        y: 0.0..100.0,
    };
    chart(&drawing, &lines)
}

fn chart(drawing: &Drawing, lines: &[Line]) -> Result<(), Box<dyn Error>> {
    let file = folder().join(drawing.file);
    let root = SVGBackend::new(&file, (760, 440)).into_drawing_area();
    root.fill(&WHITE)?;
    let mut builder = ChartBuilder::on(&root);
    builder
        .caption(drawing.title, ("sans-serif", 16))
        .margin(12)
        .margin_right(28)
        .x_label_area_size(44)
        .y_label_area_size(64);
    let (x, y) = (drawing.x.clone(), drawing.y.clone());
    match (drawing.x_log, drawing.up) {
        (true, _) => {
            plot(builder.build_cartesian_2d(x.log_scale(), y.log_scale())?, drawing, lines)?;
        }
        (false, "%") => plot(builder.build_cartesian_2d(x, y)?, drawing, lines)?,
        (false, _) => plot(builder.build_cartesian_2d(x, y.log_scale())?, drawing, lines)?,
    }
    root.present()?;
    println!("drew docs/plots/{}", drawing.file);
    Ok(())
}

/// Draws axes, lines and legend.
fn plot<'a, X, Y>(
    mut chart: ChartContext<'a, SVGBackend<'a>, Cartesian2d<X, Y>>,
    drawing: &Drawing,
    lines: &[Line],
) -> Result<(), Box<dyn Error>>
where
    X: Ranged<ValueType = f64> + plotters::coord::ranged1d::ValueFormatter<f64>,
    Y: Ranged<ValueType = f64> + plotters::coord::ranged1d::ValueFormatter<f64>,
{
    chart
        .configure_mesh()
        .x_desc(drawing.across)
        .y_desc(drawing.up)
        .light_line_style(WHITE)
        .draw()?;
    for (line, colour) in lines.iter().zip(COLOURS) {
        // What was never found has no place.
        let points = line.points.iter().copied().filter(|it| it.0.is_finite() && it.1.is_finite());
        chart
            .draw_series(LineSeries::new(points.clone(), colour.stroke_width(2)))?
            .label(line.name.as_str())
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(2)));
        if line.points.len() < 20 {
            chart.draw_series(points.map(|point| Circle::new(point, 3, colour.filled())))?;
        }
        let default = line.default.map(|nth| line.points[nth]);
        let ring = |point| Circle::new(point, 7, colour.stroke_width(2));
        chart.draw_series(default.into_iter().map(ring))?;
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperRight)
        .background_style(WHITE.mix(0.9))
        .border_style(BLACK.mix(0.3))
        .draw()?;
    Ok(())
}
