//! `pathvane mos`: the E-model by hand, with every term.

use clap::CommandFactory;
use clap::error::ErrorKind;
use pathvane_score::emodel::{self, BUFFERS_MS, Scale, full};
use serde::Serialize;

use crate::Exit;
use crate::args::{Cli, MosArgs};

/// What is printed with `--json`. Members that a form does not have are left out.
#[derive(Debug, Serialize)]
struct Answer {
    r: f64,
    mos: f64,
    /// "echo-free" or "full".
    form: &'static str,
    /// Ratings and MOS of different scales say nothing about each other.
    scale: &'static str,
    codec: &'static str,
    /// The impairment is not an ITU figure.
    provisional: bool,
    /// R of a call without delay and loss; in the full form Ro and Is take its place.
    #[serde(skip_serializing_if = "Option::is_none")]
    base: Option<f64>,
    #[serde(flatten)]
    echo: Option<Echo>,
    idd: f64,
    ie_eff: f64,
    /// The whole one-way delay, the jitter buffer included.
    ta_ms: f64,
    /// The whole loss, late packets included, in percent.
    ppl: f64,
    burst_r: f64,
    /// The codec's impairment is a fit that does not know how losses cluster; left out if it does.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    burst_r_ignored: bool,
    #[serde(flatten)]
    buffer: Option<Buffer>,
}

/// The terms that only the full form has.
#[derive(Debug, Serialize)]
struct Echo {
    ro: f64,
    is: f64,
    /// Idte + Idle + Idd.
    id: f64,
    idte: f64,
    idle: f64,
    a: f64,
}

/// The jitter buffer, where jitter was given.
#[derive(Debug, Serialize)]
struct Buffer {
    buffer_ms: f64,
    late_pct: f64,
}

/// Rates the call and prints what it amounts to.
pub(crate) fn mos(args: &MosArgs) -> Exit {
    if args.full && args.codec.codec().scale != Scale::Narrowband {
        let codec = args.codec.codec().name;
        let why = format!("--full is G.107, for narrowband codecs; leave it out for {codec}");
        Cli::command().error(ErrorKind::ArgumentConflict, why).exit();
    }
    let answer = rate(args);
    if args.json {
        println!("{}", serde_json::json!(answer));
    } else {
        print!("{}", text(&answer));
    }
    Exit::Done
}

/// The call through the jitter buffer with which it sounds best, if there is jitter.
///
/// Jitter J is taken for delay variation that is exponentially distributed with mean J, for
/// which the mean difference of neighbours, which RFC 3550 estimates, is J as well.
fn rate(args: &MosArgs) -> Answer {
    if args.jitter_ms <= 0.0 {
        return rate_through(args, args.delay_ms, args.loss_pct, None);
    }
    let through = |buffer_ms: f64| {
        let late_pct = 100.0 * (-buffer_ms / args.jitter_ms).exp();
        let ppl = 100.0 - (100.0 - args.loss_pct) * (1.0 - late_pct / 100.0);
        rate_through(args, args.delay_ms + buffer_ms, ppl, Some(Buffer { buffer_ms, late_pct }))
    };
    let better = |best: Answer, it: Answer| if it.r > best.r { it } else { best };
    let [first, deeper @ ..] = BUFFERS_MS;
    deeper.into_iter().map(through).fold(through(first), better)
}

fn rate_through(args: &MosArgs, ta_ms: f64, ppl: f64, buffer: Option<Buffer>) -> Answer {
    let codec = args.codec.codec();
    let rating = emodel::rate(&codec, ta_ms, ppl, args.burst_r);
    let answer = Answer {
        r: rating.r,
        mos: rating.mos(),
        form: "echo-free",
        scale: codec.scale.name(),
        codec: codec.name,
        provisional: codec.provisional,
        base: Some(codec.scale.base()),
        echo: None,
        idd: rating.idd,
        ie_eff: rating.ie_eff,
        ta_ms,
        ppl,
        burst_r: args.burst_r,
        burst_r_ignored: args.burst_r > 1.0 && !codec.knows_bursts(),
        buffer,
    };
    if args.full { with_echo(answer) } else { answer }
}

/// The same call by every term of G.107, T = Ta and Tr = 2 Ta.
fn with_echo(answer: Answer) -> Answer {
    let (t, ie_eff) = (answer.ta_ms, answer.ie_eff);
    let terms = full::Inputs { t, ta: t, tr: 2.0 * t, ie_eff, ..full::Inputs::default() }.rate();
    let id = terms.idte + terms.idle + terms.idd;
    let echo = Echo { ro: terms.ro, is: terms.is, id, idte: terms.idte, idle: terms.idle, a: 0.0 };
    Answer {
        r: terms.r,
        mos: emodel::mos(terms.r),
        form: "full",
        base: None,
        echo: Some(echo),
        idd: terms.idd,
        ..answer
    }
}

fn text(answer: &Answer) -> String {
    let mark = if answer.provisional { ", provisional: no ITU figure" } else { "" };
    let mut text = format!(
        "MOS {:.2}   R {:.2}   ({} scale, {} form, {}{mark})\n",
        answer.mos, answer.r, answer.scale, answer.form, answer.codec
    );
    let mut line = |name: &str, value: f64, note: String| {
        text +=
            &format!("  {name:<8}{value:>8.2}{}{note}\n", if note.is_empty() { "" } else { "  " });
    };
    if let Some(base) = answer.base {
        line("base", base, "without delay and loss".to_owned());
    }
    if let Some(echo) = &answer.echo {
        line("Ro", echo.ro, String::new());
        line("- Is", echo.is, String::new());
        line("- Idte", echo.idte, "talker echo".to_owned());
        line("- Idle", echo.idle, "listener echo".to_owned());
    }
    line("- Idd", answer.idd, format!("{:.0} ms one way", answer.ta_ms));
    let ignored =
        if answer.burst_r_ignored { " ignored: this codec's figures know none" } else { "" };
    let loss = format!("{:.2} % lost, BurstR {:.2}{ignored}", answer.ppl, answer.burst_r);
    line("- Ie,eff", answer.ie_eff, loss);
    if let Some(buffer) = &answer.buffer {
        let late = format!("{:.2} % come later", buffer.late_pct);
        line("buffer", buffer.buffer_ms, late);
    }
    text
}
