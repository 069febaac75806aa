//! Line charts as SVG: axes with round numbers, a colour and a name per line.

use std::fmt::Write;

/// What is drawn.
#[derive(Clone, Debug)]
pub(super) struct Chart {
    pub(super) title: &'static str,
    pub(super) x: Axis,
    pub(super) y: Axis,
    pub(super) lines: Vec<Line>,
}

/// One of the two axes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Axis {
    pub(super) label: &'static str,
    /// Each step is a factor. Otherwise the axis begins at zero.
    pub(super) logarithmic: bool,
}

/// One line with a name.
#[derive(Clone, Debug)]
pub(super) struct Line {
    pub(super) name: String,
    pub(super) points: Vec<(f64, f64)>,
}

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 420.0;
const LEFT: f64 = 76.0;
const RIGHT: f64 = 120.0;
const TOP: f64 = 40.0;
const BOTTOM: f64 = 56.0;
/// Told apart by those who see few colours, too.
const COLOURS: [&str; 6] = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"];

impl Chart {
    /// The picture.
    pub(super) fn svg(&self) -> String {
        let all = || self.lines.iter().flat_map(|line| &line.points);
        let x = Scale::new(self.x, all().map(|point| point.0), LEFT, WIDTH - RIGHT);
        let y = Scale::new(self.y, all().map(|point| point.1), HEIGHT - BOTTOM, TOP);
        let mut out = String::new();
        // Writing to a String does not fail.
        let _ = writeln!(
            out,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
             font-family=\"sans-serif\" font-size=\"12\">\n\
             <rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"white\"/>"
        );
        text(&mut out, (LEFT, 22.0), "start", self.title);
        for tick in x.ticks() {
            let at = x.place(tick);
            rule(&mut out, (at, TOP), (at, HEIGHT - BOTTOM));
            text(&mut out, (at, HEIGHT - BOTTOM + 18.0), "middle", &number(tick));
        }
        for tick in y.ticks() {
            let at = y.place(tick);
            rule(&mut out, (LEFT, at), (WIDTH - RIGHT, at));
            text(&mut out, (LEFT - 8.0, at + 4.0), "end", &number(tick));
        }
        text(&mut out, ((LEFT + WIDTH - RIGHT) / 2.0, HEIGHT - 14.0), "middle", self.x.label);
        let middle = (TOP + HEIGHT - BOTTOM) / 2.0;
        let _ = writeln!(
            out,
            "<text transform=\"translate(16 {middle}) rotate(-90)\" text-anchor=\"middle\">{}</text>",
            self.y.label
        );
        for (n, line) in self.lines.iter().enumerate() {
            draw(&mut out, line, (&x, &y), n);
        }
        out + "</svg>\n"
    }
}

fn draw(out: &mut String, line: &Line, (x, y): (&Scale, &Scale), n: usize) {
    let colour = COLOURS[n % COLOURS.len()];
    let at: Vec<(f64, f64)> =
        line.points.iter().map(|point| (x.place(point.0), y.place(point.1))).collect();
    let path: Vec<String> = at.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
    let _ = writeln!(
        out,
        "<polyline fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\" points=\"{}\"/>",
        path.join(" ")
    );
    for (x, y) in at {
        let _ = writeln!(out, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\" fill=\"{colour}\"/>");
    }
    let height = TOP + 14.0 + 20.0 * n as f64;
    let left = WIDTH - RIGHT + 14.0;
    let _ = writeln!(
        out,
        "<rect x=\"{left}\" y=\"{}\" width=\"12\" height=\"4\" fill=\"{colour}\"/>",
        height - 6.0
    );
    text(out, (left + 18.0, height), "start", &line.name);
}

fn rule(out: &mut String, from: (f64, f64), to: (f64, f64)) {
    let _ = writeln!(
        out,
        "<line x1=\"{:.1}\" y1=\"{:.1}\" x2=\"{:.1}\" y2=\"{:.1}\" stroke=\"#ddd\"/>",
        from.0, from.1, to.0, to.1
    );
}

fn text(out: &mut String, at: (f64, f64), anchor: &str, text: &str) {
    let _ = writeln!(
        out,
        "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"{anchor}\">{text}</text>",
        at.0, at.1
    );
}

/// Few digits: 50k, 1M, 0.25.
fn number(value: f64) -> String {
    match value {
        _ if value >= 1e6 => format!("{}M", value / 1e6),
        _ if value >= 1e3 => format!("{}k", value / 1e3),
        _ => format!("{}", (value * 1e6).round() / 1e6),
    }
}

/// From figures to places.
struct Scale {
    logarithmic: bool,
    least: f64,
    most: f64,
    from: f64,
    to: f64,
}

impl Scale {
    /// An axis long enough for all values, from one place on the picture to another.
    fn new(axis: Axis, values: impl Iterator<Item = f64>, from: f64, to: f64) -> Self {
        let logarithmic = axis.logarithmic;
        let values: Vec<f64> = values.filter(|value| *value > 0.0).collect();
        let most = values.iter().copied().fold(f64::MIN_POSITIVE, f64::max);
        let least = values.iter().copied().fold(most, f64::min);
        let (least, most) = if logarithmic {
            let last = ladder(most).into_iter().find(|step| *step >= most).unwrap_or(most);
            let first = ladder(least).into_iter().rfind(|step| *step <= least).unwrap_or(least);
            (first, if last > first { last } else { first * 10.0 })
        } else {
            let step = step(most);
            (0.0, (most / step).ceil() * step)
        };
        Self { logarithmic, least, most, from, to }
    }

    fn place(&self, value: f64) -> f64 {
        let share = if self.logarithmic {
            (value.max(self.least) / self.least).ln() / (self.most / self.least).ln()
        } else {
            value / self.most
        };
        self.from + share * (self.to - self.from)
    }

    fn ticks(&self) -> Vec<f64> {
        if !self.logarithmic {
            let step = step(self.most);
            let count = (self.most / step).round() as u32;
            return (0..=count).map(|n| f64::from(n) * step).collect();
        }
        let mut ticks = ladder(self.least);
        while ticks.last().is_some_and(|last| *last < self.most) {
            ticks.extend(ladder(ticks[ticks.len() - 1] * 5.0));
        }
        ticks.dedup_by(|a, b| (*a / *b - 1.0).abs() < 1e-9);
        let (low, high) = (self.least * (1.0 - 1e-9), self.most * (1.0 + 1e-9));
        ticks.retain(|tick| (low..=high).contains(tick));
        ticks
    }
}

/// 1, 2, 5 and 10 times the power of ten below a value.
fn ladder(value: f64) -> Vec<f64> {
    let power = 10_f64.powi(value.log10().floor() as i32);
    [1.0, 2.0, 5.0, 10.0].map(|step| step * power).to_vec()
}

/// A round step that cuts a linear axis into four to ten.
fn step(most: f64) -> f64 {
    let power = 10_f64.powi(most.log10().floor() as i32);
    match most / power {
        share if share <= 2.0 => power / 5.0,
        share if share <= 5.0 => power / 2.0,
        _ => power,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn axis(logarithmic: bool) -> Axis {
        Axis { label: "x", logarithmic }
    }

    #[test]
    fn ticks_are_round_and_cover_the_values() {
        let scale = Scale::new(axis(true), [120.0, 45_000.0].into_iter(), 0.0, 100.0);
        assert_eq!((scale.least, scale.most), (100.0, 50_000.0));
        let ticks = scale.ticks();
        assert_eq!(ticks.first().map(|tick| tick.round()), Some(100.0));
        assert_eq!(ticks.last().map(|tick| tick.round()), Some(50_000.0));
        assert_eq!(ticks.len(), 9, "{ticks:?}");
        let scale = Scale::new(axis(false), [0.7, 1.3].into_iter(), 0.0, 100.0);
        assert!((scale.most - 1.4).abs() < 1e-9 && scale.ticks().len() == 8);
        assert!((scale.place(0.7) - 50.0).abs() < 1e-9);
    }

    #[test]
    fn a_picture_names_its_lines() {
        let lines = vec![Line { name: "bird".into(), points: vec![(1.0, 2.0), (10.0, 3.0)] }];
        let chart = Chart { title: "t", x: axis(true), y: axis(false), lines };
        let svg = chart.svg();
        assert!(svg.starts_with("<svg") && svg.ends_with("</svg>\n") && svg.contains(">bird<"));
        assert_eq!(svg.matches("<circle").count(), 2);
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
    }

    /// The first circles of a picture: centre by attribute.
    fn circles(svg: &str) -> Vec<(f64, f64)> {
        let value = |line: &str, name: &str| {
            let from = line.split(&format!(" {name}=\"")).nth(1)?;
            from.split('"').next()?.parse::<f64>().ok()
        };
        let circles = svg.lines().filter(|line| line.starts_with("<circle"));
        circles.filter_map(|line| Some((value(line, "cx")?, value(line, "cy")?))).collect()
    }

    #[test]
    fn points_lie_where_the_axes_say() {
        let points = vec![(1.0, 0.5), (10.0, 1.0), (100.0, 2.0)];
        let lines = vec![
            Line { name: "pathvane".into(), points },
            Line { name: "bird".into(), points: vec![(10.0, 2.0)] },
        ];
        let chart = Chart { title: "t", x: axis(true), y: axis(false), lines };
        let found = circles(&chart.svg());
        // Equal factors are equal steps to the right; twice as much is twice as high.
        let [a, b, c, d] = found[..] else { panic!("{found:?}") };
        assert!((b.0 - a.0 - (c.0 - b.0)).abs() < 0.2 && a.0 < b.0, "{found:?}");
        let floor = HEIGHT - BOTTOM;
        assert!(((floor - b.1) - 2.0 * (floor - a.1)).abs() < 0.2, "{found:?}");
        assert!(((floor - c.1) - 2.0 * (floor - b.1)).abs() < 0.2, "{found:?}");
        assert_eq!(d, (b.0, c.1), "both lines have the same axes");
    }

    #[test]
    fn a_picture_of_nothing_is_empty_but_sound() {
        let chart = Chart { title: "t", x: axis(true), y: axis(true), lines: Vec::new() };
        assert!(!chart.svg().contains("NaN"));
    }
}
