//! Every series of `fixtures/series` replayed: the verdict at the end of each spell.

mod sim;

use std::fs;
use std::path::Path as FilePath;

use pathvane_clock::Duration;
use pathvane_score::MonitorConfig;
use sim::{Gilbert, Path};

/// A stretch of time in which the network behaves the same.
#[derive(Clone, Debug)]
struct Spell {
    line: usize,
    lasts: Duration,
    rtt: Duration,
    jitter: Duration,
    loss: [f64; 2],
    burst: f64,
    silent: bool,
    expect: Option<String>,
}

fn millis(text: &str) -> Duration {
    Duration::from_secs_f64(text.parse::<f64>().unwrap() / 1e3)
}

fn duration(text: &str) -> Duration {
    match text.strip_suffix("ms") {
        Some(number) => millis(number),
        None => Duration::from_secs_f64(text.strip_suffix('s').unwrap().parse().unwrap()),
    }
}

fn spell(line: usize, text: &str) -> Spell {
    let (weather, expect) = match text.split_once("=>") {
        Some((weather, expect)) => (weather, Some(expect.trim().to_string())),
        None => (text, None),
    };
    let mut words = weather.split_whitespace();
    let mut spell = Spell {
        line,
        lasts: duration(words.next().unwrap()),
        rtt: Duration::from_millis(20),
        jitter: Duration::from_millis(1),
        loss: [0.0; 2],
        burst: 1.0,
        silent: false,
        expect,
    };
    for word in words {
        match word.split_once('=') {
            None if word == "silent" => spell.silent = true,
            Some(("rtt", ms)) => spell.rtt = millis(ms),
            Some(("jitter", ms)) => spell.jitter = millis(ms),
            Some(("burst", probes)) => spell.burst = probes.parse().unwrap(),
            Some(("loss", percent)) => {
                let (one, other) = percent.split_once(',').unwrap_or((percent, percent));
                spell.loss = [one, other].map(|it| it.parse::<f64>().unwrap() / 100.0);
            }
            _ => panic!("line {line}: {word}?"),
        }
    }
    spell
}

fn parse(text: &str) -> Vec<Spell> {
    let mut spells = Vec::new();
    let mut repeat = None;
    for (line, text) in (1..).zip(text.lines()) {
        if text.is_empty() || text.starts_with('#') {
            continue;
        }
        if let Some(times) = text.strip_prefix("repeat ") {
            repeat = Some((spells.len(), times.parse().unwrap()));
        } else if text == "end" {
            let (from, times): (usize, usize) = repeat.take().unwrap();
            let again: Vec<Spell> = spells[from..].to_vec();
            (1..times).for_each(|_| spells.extend_from_slice(&again));
        } else {
            spells.push(spell(line, text));
        }
    }
    spells
}

fn replay(name: &str, spells: &[Spell]) {
    let mut path = Path::new(MonitorConfig::default(), &[0, 1], 2026);
    for spell in spells {
        let process = |loss| match spell.burst {
            1.0 => Gilbert::random(loss),
            burst => Gilbert::new(loss, burst),
        };
        let mut loss = spell.loss.map(process);
        path.run_for(spell.lasts, &mut |_, stream, rng| {
            let lost = loss[stream].loses(rng) || spell.silent;
            (!lost).then(|| spell.rtt + spell.jitter.mul_f64(rng.f64()))
        });
        let verdict = path.monitor.verdict();
        let got = format!("{} {} {}", verdict.state, verdict.grade, verdict.reasons);
        if let Some(expect) = &spell.expect {
            assert_eq!(got.trim(), expect, "{name}, line {}: {verdict:?}", spell.line);
        }
    }
}

#[test]
fn every_series_ends_as_it_says() {
    let folder = FilePath::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/series");
    let mut replayed = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let file = entry.unwrap().path();
        if file.extension().is_some_and(|it| it == "series") {
            let spells = parse(&fs::read_to_string(&file).unwrap());
            assert!(spells.iter().any(|it| it.expect.is_some()), "{}", file.display());
            replay(&file.display().to_string(), &spells);
            replayed += 1;
        }
    }
    assert!(replayed >= 8, "only {replayed} series found");
}
