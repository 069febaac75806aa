//! `[classes.NAME]` and `[choice]`: what each class asks of a path and how often it is probed, and how
//! a leader is chosen.

use core::time::Duration;

use pathvane_engine::config::Timing;
use pathvane_score::emodel::{Codec, rate};
use pathvane_score::{Class, OwnClass, ProbeRates};
use toml::Spanned;

use super::read::Section;
use super::schema;
use super::value::{Decimal, Number, words};

words!(
    Codec, "a codec",
    "g711" => Codec::G711, "g711-plc" => Codec::G711_PLC, "g729a" => Codec::G729A,
    "gsm-efr" => Codec::GSM_EFR, "amr-wb" => Codec::AMR_WB, "opus" => Codec::OPUS
);

/// The slowest probing, in thousandths of a probe per second: a stream is told stale after 3 s and four
/// periods, and a meter counts gaps of up to 4.3 s.
const SLOWEST_MPPS: u32 = 250;

/// Reads both tables over the defaults in `timing`. Returns the names of the operator's own
/// classes, in the order of their numbers.
pub(super) fn read(root: &Section<'_>, timing: &mut Timing) -> Vec<Spanned<String>> {
    let sections = root.named_sections("classes", "class", schema::CLASS);
    let standard = |name: &str| Class::ALL.into_iter().find(|class| class.name() == name);
    for (name, section) in &sections {
        if let Some(class) = standard(name.get_ref()) {
            read_standard(class, section, timing);
        }
    }
    let mut own = Vec::new();
    for (name, section) in sections {
        if standard(name.get_ref()).is_none() {
            read_own(name.get_ref(), &section, timing);
            own.push(name);
        }
    }
    if let Some(section) = root.section("choice", "[choice]", schema::CHOICE) {
        read_choice(&section, timing);
    }
    own
}

/// A change of one of the three classes.
fn read_standard(class: Class, section: &Section<'_>, timing: &mut Timing) {
    if section.has("like") {
        section.findings().borrow_mut().error(
            section.span_of("like"),
            format!("{} is scored as it is, not like another", section.what),
            "remove `like`, or give the class a name of its own",
        );
    }
    let mut terms = terms_of(class, timing);
    let mut rates = timing.rates[class.index()];
    read_class(section, &mut terms, &mut rates);
    let monitor = &mut timing.monitor;
    monitor.sla[class.index()] = terms.sla;
    (monitor.codec, monitor.bulk_target_bps) = (terms.codec, terms.bulk_target_bps);
    timing.rates[class.index()] = rates;
}

/// A class of the operator's own: what it does not say is as the class says that it is like.
fn read_own(name: &str, section: &Section<'_>, timing: &mut Timing) {
    let like = section.required::<Class>("like", "\"voice\"").map(Spanned::into_inner);
    let like = like.unwrap_or(Class::Voice);
    let mut terms = OwnClass { name: name.to_owned(), ..terms_of(like, timing) };
    let mut rates = timing.rates[like.index()];
    read_class(section, &mut terms, &mut rates);
    timing.monitor.own.push(terms);
    timing.own_rates.push(rates);
}

fn terms_of(class: Class, timing: &Timing) -> OwnClass {
    OwnClass {
        name: class.name().to_owned(),
        like: class,
        sla: timing.monitor.sla[class.index()],
        codec: timing.monitor.codec,
        bulk_target_bps: timing.monitor.bulk_target_bps,
    }
}

fn read_class(section: &Section<'_>, terms: &mut OwnClass, rates: &mut ProbeRates) {
    let class = terms.like;
    let sla = &mut terms.sla;
    let min_score = section.spanned_or("min_score", Decimal::<0, 100>(sla.min_score));
    sla.min_score = min_score.get_ref().0;
    let percent = section.or("max_loss", Decimal::<0, 100>(f64::from(sla.max_loss_ppm) / 1e4)).0;
    sla.max_loss_ppm = (percent * 1e4).round() as u32;
    let limit = |key| duration_limit(section, key);
    sla.max_delay_variation = limit("max_delay_variation").or(sla.max_delay_variation);
    sla.max_rtt = limit("max_rtt").or(sla.max_rtt);
    if let Some(codec) = section.optional("codec") {
        only(section, "codec", class, Class::Voice);
        terms.codec = *codec.get_ref();
        if terms.codec.provisional {
            section.findings().borrow_mut().note(
                codec.span(),
                format!(
                    "`{}` is scored by a published fit, not by an ITU figure",
                    terms.codec.name
                ),
                "compare paths by it, but not its scores with those of other codecs",
            );
        }
    }
    if let Some(target) = section.optional::<Number<1, 100_000>>("target_mbps") {
        only(section, "target_mbps", class, Class::Bulk);
        terms.bulk_target_bps = f64::from(target.get_ref().0) * 1e6;
    }
    let codec = terms.codec;
    let best = rate(&codec, 0.0, 0.0, 1.0).score();
    if class == Class::Voice && min_score.get_ref().0 >= best {
        section.findings().borrow_mut().error(
            min_score.span(),
            format!(
                "no call with `{}` scores {}: on a perfect path it is {best:.1}",
                codec.name,
                min_score.get_ref().0
            ),
            "use a lower `min_score`, or the `codec` that the calls really use",
        );
    }
    read_rates(section, rates);
}

/// A limit that a path can keep.
fn duration_limit(section: &Section<'_>, key: &str) -> Option<Duration> {
    let limit = section.optional::<Duration>(key)?;
    if limit.get_ref().is_zero() {
        section.findings().borrow_mut().error(
            limit.span(),
            format!("no path keeps a `{key}` of zero"),
            "use a time above zero, or remove the key",
        );
    }
    Some(limit.into_inner())
}

/// A key that means something to one class only.
fn only(section: &Section<'_>, key: &str, class: Class, owner: Class) {
    if class != owner {
        section.findings().borrow_mut().error(
            section.span_of(key),
            format!("{} has no `{key}`: it is scored otherwise", section.what),
            format!("move it to [classes.{owner}], or remove it"),
        );
    }
}

fn read_rates(section: &Section<'_>, rates: &mut ProbeRates) {
    let rate = |key, mpps: u32| {
        let default = Decimal::<0, 500>(f64::from(mpps) / 1e3);
        (section.or(key, default).0 * 1e3).round() as u32
    };
    rates.active_mpps = rate("leader_rate", rates.active_mpps);
    rates.standby_mpps = rate("standby_rate", rates.standby_mpps);
    rates.boost_mpps = rate("boost_rate", rates.boost_mpps);
    let rising = (SLOWEST_MPPS..=rates.active_mpps).contains(&rates.standby_mpps)
        && rates.active_mpps <= rates.boost_mpps;
    if !rising {
        section.findings().borrow_mut().error(
            section.span.clone(),
            format!(
                "the probe rates of {} do not rise, or are too slow to tell anything",
                section.what
            ),
            "use rates from 0.25 a second with standby_rate <= leader_rate <= boost_rate",
        );
    }
}

fn read_choice(section: &Section<'_>, timing: &mut Timing) {
    let selector = &mut timing.selector;
    selector.margin_points =
        section.or("margin_points", Decimal::<0, 100>(selector.margin_points)).0;
    let percent = section.or("margin_percent", Decimal::<0, 100>(100.0 * selector.margin_ratio)).0;
    selector.margin_ratio = percent / 100.0;
    selector.eagerness = section.or("eagerness", Decimal::<0, 1000>(selector.eagerness)).0;
    let [fast, slow] = &mut timing.monitor.damping;
    if let Some(fast) = fast {
        fast.half_life = section.or("damping_half_life", fast.half_life);
        fast.suppress = section.or("damping_suppress", Decimal::<1, 25_000>(fast.suppress)).0;
        fast.reuse = section.or("damping_reuse", Decimal::<1, 25_000>(fast.reuse)).0;
        let refuse = |key, message, remedy| {
            section.findings().borrow_mut().error(section.span_of(key), message, remedy);
        };
        if fast.reuse >= fast.suppress {
            refuse(
                "damping_reuse",
                "a suppressed path would be let go at once",
                "make `damping_reuse` less than `damping_suppress`",
            );
        }
        if fast.half_life.is_zero() {
            refuse(
                "damping_half_life",
                "no penalty would last",
                "use a time above zero, or `damping = false`",
            );
        }
    }
    if !section.or("damping", true) {
        (*fast, *slow) = (None, None);
    }
}
