//! What the alarm of loss would be worth if it took less evidence, or more.

use pathvane_clock::Duration;
use pathvane_score::{MonitorConfig, defaults as d};

use crate::detection::{GIVE_UP, warm};
use crate::link::Link;
use crate::sim::Path;

/// How often the evidence is looked at: at 200 probes a second and stream there are five milliseconds between two.
const LOOK: Duration = Duration::from_millis(2);

/// A path's network, and the evidence that its detectors have gathered.
struct Watched {
    path: Path,
    link: Link,
}

impl Watched {
    fn look(&mut self) -> f32 {
        let Self { path, link } = self;
        path.run_for(LOOK, &mut |now, stream, rng| link.answer(now, stream, rng));
        path.verdicts.clear();
        path.monitor.verdict().evidence.loss_evidence
    }
}

/// For each of `shares`, ascending, of what an alarm takes: the seconds until the evidence reaches it after
/// a link `before` has `changed`, sorted, of `runs` paths.
pub(crate) fn seconds(
    runs: u64,
    before: &Link,
    change: impl Fn(&mut Link),
    shares: &[f32],
) -> Vec<Vec<f64>> {
    let mut times = vec![Vec::new(); shares.len()];
    for seed in 0..runs {
        let (path, mut link) = warm(&MonitorConfig::default(), before, seed);
        let from = path.now;
        change(&mut link);
        let (mut watched, mut reached) = (Watched { path, link }, 0);
        while reached < shares.len() && watched.path.now.since(from) < GIVE_UP {
            let evidence = watched.look();
            while shares.get(reached).is_some_and(|share| evidence >= *share) {
                times[reached].push(watched.path.now.since(from).as_secs_f64());
                reached += 1;
            }
        }
        times[reached..].iter_mut().for_each(|times| times.push(f64::INFINITY));
    }
    times.iter_mut().for_each(|times| times.sort_by(f64::total_cmp));
    times
}

/// For each of `shares`: how often the evidence reaches it in `hours` of nothing but this link, and is
/// nearly gone in between, as an alarm ends.
pub(crate) fn alarms(link: &Link, hours: u64, shares: &[f32]) -> Vec<usize> {
    let (path, link) = warm(&MonitorConfig::default(), link, 2026);
    let mut watched = Watched { path, link };
    let end = watched.path.now + Duration::from_secs(hours * 3600);
    let mut counts = vec![(0, false); shares.len()];
    while watched.path.now < end {
        let evidence = watched.look();
        for (&share, (count, raised)) in shares.iter().zip(&mut counts) {
            if evidence >= share && !*raised {
                (*count, *raised) = (*count + 1, true);
            } else if evidence < share * d::LOSS_SECOND {
                *raised = false;
            }
        }
    }
    counts.into_iter().map(|(count, _)| count).collect()
}
