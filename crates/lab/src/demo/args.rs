//! What the demonstration can be asked for.

use std::time::Duration;

use clap::Args;

/// Plays faults against the real speaker on emulated paths and judges how it reacts.
///
/// Needs neither root nor anything installed: two emulated cloud routers, a VPC, two regions
/// and impaired links run on loopback addresses inside this process; the speaker is this very
/// binary, started as `pathvane run`.
#[derive(Clone, PartialEq, Debug, Args)]
pub struct DemoArgs {
    /// Play this scenario (several times for several; all of `--list` but `healthy` if none).
    #[arg(long, value_name = "NAME")]
    pub scenario: Vec<String>,
    /// Say which scenarios there are.
    #[arg(long)]
    pub list: bool,
    /// Play each scenario so often and give medians and 95th percentiles.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub repeat: u32,
    /// Print one JSON document instead of timeline and table.
    #[arg(long)]
    pub json: bool,
    /// Round-trip delay of the paths: one figure for both, or the leader's and the standby's.
    #[arg(long, value_name = "MS[,MS]", value_delimiter = ',', default_values_t = [40, 60],
          value_parser = clap::value_parser!(u64).range(1..=1000), num_args = 1..=2)]
    pub rtt_ms: Vec<u64>,
    /// Round-trip loss that the paths have anyway, in percent, in bursts.
    #[arg(long, value_name = "PERCENT", default_value_t = 0.0, value_parser = percent)]
    pub ambient_loss: f64,
    /// Mean length of these bursts, in which everything is lost; none is more than three times as long.
    #[arg(long, value_name = "MS", default_value_t = 10,
          value_parser = clap::value_parser!(u64).range(1..=1000))]
    pub ambient_burst_ms: u64,
    /// How long the VPC takes to put a changed route to use.
    #[arg(long, value_name = "MS", default_value_t = 0)]
    pub programming_delay_ms: u64,
    /// Observe this long instead of what the scenario says, such as 90s or 10m.
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub duration: Option<Duration>,
    /// Makes losses and delays repeatable.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Keep the configuration and the speaker's logs.
    #[arg(long)]
    pub keep: bool,
}

impl DemoArgs {
    /// Round-trip delay of a path.
    pub fn rtt(&self, path: usize) -> Duration {
        let ms = self.rtt_ms.get(path).or(self.rtt_ms.last());
        Duration::from_millis(ms.copied().unwrap_or(40))
    }
}

fn percent(text: &str) -> Result<f64, String> {
    let value: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    if (0.0..50.0).contains(&value) { Ok(value) } else { Err("0 to below 50, please".to_owned()) }
}

fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let number: u64 = digits.parse().map_err(|_| "a number and ms, s, m or h".to_owned())?;
    let seconds = match &text[digits.len()..] {
        "ms" => return Ok(Duration::from_millis(number)),
        "s" => number,
        "m" => number.saturating_mul(60),
        "h" => number.saturating_mul(3_600),
        _ => return Err("a number and ms, s, m or h".to_owned()),
    };
    if seconds <= 24 * 3_600 {
        Ok(Duration::from_secs(seconds))
    } else {
        Err("at most 24h".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        demo: DemoArgs,
    }

    fn parse(line: &str) -> Result<DemoArgs, String> {
        let words = std::iter::once("demo").chain(line.split_whitespace());
        Cli::try_parse_from(words).map(|cli| cli.demo).map_err(|error| error.to_string())
    }

    #[test]
    fn defaults_and_the_acceptance_command_are_understood() {
        let args = parse("").expect("defaults");
        assert_eq!(
            (args.rtt(0), args.rtt(1)),
            (Duration::from_millis(40), Duration::from_millis(60))
        );
        let args = parse("--scenario blackhole --repeat 20 --ambient-loss 0.5 --rtt-ms 60");
        let args = args.expect("the acceptance measurement");
        assert_eq!(
            (args.rtt(0), args.rtt(1)),
            (Duration::from_millis(60), Duration::from_millis(60))
        );
        assert_eq!((args.repeat, args.scenario), (20, vec!["blackhole".to_owned()]));
        let args = parse("--scenario healthy --duration 10m --rtt-ms 40,60").expect("long run");
        assert_eq!(args.duration, Some(Duration::from_secs(600)));
    }

    #[test]
    fn nonsense_is_refused() {
        for wrong in
            ["--repeat 0", "--ambient-loss 60", "--duration 10", "--duration 25h", "--rtt-ms 0"]
        {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
