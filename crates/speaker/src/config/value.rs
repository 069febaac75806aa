//! How a single value of the file is read: its type, its range, and what is said if it is wrong.

use core::fmt;
use core::net::{IpAddr, Ipv4Addr, SocketAddr};
use core::time::Duration;
use std::path::PathBuf;

use ipnet::IpNet;
use pathvane_wire::{Asn, BgpId};
use toml::de::DeValue;

use super::read::nearest;

/// Why a value is not taken.
#[derive(Debug)]
pub(super) struct Refusal {
    /// What is wrong.
    pub(super) message: String,
    /// What to write instead.
    pub(super) remedy: String,
}

impl Refusal {
    pub(super) fn new(message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { message: message.into(), remedy: remedy.into() }
    }

    fn mistyped(expected: &str, found: &DeValue<'_>, remedy: &str) -> Self {
        Self::new(format!("expected {expected}, found {}", kind_of(found)), remedy)
    }
}

/// A type that values of the file can have.
pub(super) trait FromToml: Sized {
    /// The value, or why not.
    fn from_toml(value: &DeValue<'_>) -> Result<Self, Refusal>;
}

/// What people call the type of a value.
pub(super) fn kind_of(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "a number",
        DeValue::Float(_) => "a fractional number",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

/// The text of a string.
pub(super) fn text<'v>(
    value: &'v DeValue<'_>,
    expected: &str,
    example: &str,
) -> Result<&'v str, Refusal> {
    match value {
        DeValue::String(text) => Ok(text),
        other => {
            Err(Refusal::mistyped(expected, other, &format!("write it in quotes, like {example}")))
        }
    }
}

impl FromToml for String {
    fn from_toml(value: &DeValue<'_>) -> Result<Self, Refusal> {
        text(value, "a string", "\"text\"").map(str::to_owned)
    }
}

impl FromToml for PathBuf {
    fn from_toml(value: &DeValue<'_>) -> Result<Self, Refusal> {
        let path = PathBuf::from(text(value, "a file name", "\"/etc/pathvane/key\"")?);
        if path.is_absolute() {
            return Ok(path);
        }
        Err(Refusal::new(
            "the file name is not absolute",
            "begin it with `/`: the speaker's working directory is not yours",
        ))
    }
}

/// The name of a network interface, as the kernel would take it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Interface(String);

impl Interface {
    /// The longest name (IFNAMSIZ less the final zero).
    const MAX: usize = 15;

    /// The name, or why the kernel would not take it.
    pub(super) fn new(name: &str) -> Result<Self, Refusal> {
        let sound = |c: char| c.is_ascii_graphic() && c != '/' && c != ':';
        if (1..=Self::MAX).contains(&name.len()) && name.chars().all(sound) {
            return Ok(Self(name.to_owned()));
        }
        Err(Refusal::new(
            format!("`{name}` cannot be the name of an interface"),
            "use a name that `ip link` shows, of at most 15 characters",
        ))
    }

    /// The name.
    pub(super) fn into_name(self) -> String {
        self.0
    }
}

impl FromToml for Interface {
    fn from_toml(value: &DeValue<'_>) -> Result<Self, Refusal> {
        Self::new(text(value, "the name of an interface", "\"eth0\"")?)
    }
}

impl FromToml for bool {
    fn from_toml(value: &DeValue<'_>) -> Result<Self, Refusal> {
        match value {
            DeValue::Boolean(truth) => Ok(*truth),
            other => Err(Refusal::mistyped("true or false", other, "write true or false")),
        }
    }
}

fn number(value: &DeValue<'_>, min: u32, max: u32) -> Result<u32, Refusal> {
    let remedy = format!("write a whole number from {min} to {max}");
    let DeValue::Integer(integer) = value else {
        return Err(Refusal::mistyped("a number", value, &remedy));
    };
    u32::from_str_radix(integer.as_str(), integer.radix())
        .ok()
        .filter(|number| (min..=max).contains(number))
        .ok_or_else(|| Refusal::new(format!("{integer} is out of range"), remedy))
}

/// A number from `MIN` to `MAX`, whole or not.
#[derive(Clone, Copy, Debug)]
pub(super) struct Decimal<const MIN: u32, const MAX: u32>(pub(super) f64);

impl<const MIN: u32, const MAX: u32> FromToml for Decimal<MIN, MAX> {
    fn from_toml(value: &DeValue<'_>) -> Result<Self, Refusal> {
        let remedy = format!("write a number from {MIN} to {MAX}");
        let text = match value {
            DeValue::Integer(integer) => integer.to_string(),
            DeValue::Float(float) => float.to_string(),
            other => return Err(Refusal::mistyped("a number", other, &remedy)),
        };
        let number = text.replace('_', "").parse::<f64>().ok();
        number
            .filter(|number| (f64::from(MIN)..=f64::from(MAX)).contains(number))
            .map(Self)
            .ok_or_else(|| Refusal::new(format!("{text} is out of range"), remedy))
    }
}

/// Bits a second, not zero.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct BitRate(u64);

impl BitRate {
    /// Suffixes, largest first.
    const UNITS: [(u64, &str); 3] = [(1_000_000_000, "G"), (1_000_000, "M"), (1_000, "k")];

    /// The number.
    pub(super) const fn bits(self) -> u64 {
        self.0
    }
}

impl FromToml for BitRate {
    fn from_toml(value: &DeValue<'_>) -> Result<Self, Refusal> {
        let example = "\"100M\"";
        let text = text(value, "bits a second", example)?;
        let by_unit =
            Self::UNITS.iter().find_map(|(unit, end)| Some((*unit, text.strip_suffix(end)?)));
        let (unit, number) = by_unit.unwrap_or((1, text));
        let bits = number.parse::<u64>().ok().and_then(|number| number.checked_mul(unit));
        bits.filter(|bits| *bits > 0).map(Self).ok_or_else(|| {
            Refusal::new(
                format!("`{text}` is no number of bits a second"),
                format!("write a whole number above zero with k, M, G or nothing after it, like {example}"),
            )
        })
    }
}

/// With the largest unit that leaves a whole number.
impl fmt::Display for BitRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = Self::UNITS.iter().find(|(unit, _)| self.0.is_multiple_of(*unit));
        let (unit, end) = whole.copied().unwrap_or((1, ""));
        write!(f, "{}{end}", self.0 / unit)
    }
}

/// A whole number from `MIN` to `MAX`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Number<const MIN: u32, const MAX: u32>(pub(super) u32);

impl<const MIN: u32, const MAX: u32> FromToml for Number<MIN, MAX> {
    fn from_toml(value: &DeValue<'_>) -> Result<Self, Refusal> {
        number(value, MIN, MAX).map(Self)
    }
}

impl<const MIN: u32, const MAX: u32> Number<MIN, MAX> {
    /// The number, known to fit.
    pub(super) fn small<T: TryFrom<u32>>(self) -> T {
        T::try_from(self.0).unwrap_or_else(|_| unreachable!("MAX fits the type asked for"))
    }
}

impl FromToml for u32 {
    fn from_toml(value: &DeValue<'_>) -> Result<Self, Refusal> {
        number(value, 0, u32::MAX)
    }
}

impl FromToml for u16 {
    fn from_toml(value: &DeValue<'_>) -> Result<Self, Refusal> {
        number(value, 0, u32::from(u16::MAX)).map(|number| number as u16)
    }
}

impl FromToml for Asn {
    fn from_toml(value: &DeValue<'_>) -> Result<Self, Refusal> {
        let asn = Asn(number(value, 1, u32::MAX - 1)?);
        if asn == Asn::TRANS {
            return Err(Refusal::new(
                "AS 23456 is AS_TRANS, which nobody owns (RFC 6793)",
                "write the real AS number",
            ));
        }
        Ok(asn)
    }
}

impl FromToml for BgpId {
    fn from_toml(value: &DeValue<'_>) -> Result<Self, Refusal> {
        let example = "\"10.255.0.1\"";
        let text = text(value, "a BGP Identifier", example)?;
        match text.parse::<Ipv4Addr>() {
            Ok(id) if !id.is_unspecified() => Ok(BgpId(u32::from(id))),
            Ok(_) => Err(Refusal::new(
                "the BGP Identifier must not be zero (RFC 6286)",
                "write an IPv4 address of this machine, the same on every start",
            )),
            Err(_) => Err(Refusal::new(
                format!("`{text}` is not a BGP Identifier"),
                format!("write it like an IPv4 address: {example}"),
            )),
        }
    }
}

impl FromToml for IpAddr {
    fn from_toml(value: &DeValue<'_>) -> Result<Self, Refusal> {
        let text = text(value, "an address", "\"192.0.2.1\"")?;
        text.parse().map_err(|_| {
            let remedy = if text.contains('/') {
                "write the address alone, without a prefix length"
            } else if text.parse::<SocketAddr>().is_ok() {
                "write the address alone; the port has a key of its own"
            } else {
                "write an IPv4 or IPv6 address, not a host name"
            };
            Refusal::new(format!("`{text}` is not an IP address"), remedy)
        })
    }
}

impl FromToml for SocketAddr {
    fn from_toml(value: &DeValue<'_>) -> Result<Self, Refusal> {
        let text = text(value, "an address with port", "\"0.0.0.0:179\"")?;
        text.parse().map_err(|_| {
            Refusal::new(
                format!("`{text}` is not an address with port"),
                "write it like \"192.0.2.1:179\" or \"[2001:db8::1]:179\"",
            )
        })
    }
}

impl FromToml for IpNet {
    fn from_toml(value: &DeValue<'_>) -> Result<Self, Refusal> {
        let text = text(value, "a prefix", "\"10.20.0.0/16\"")?;
        prefix(text)
    }
}

/// A prefix without host bits.
pub(super) fn prefix(text: &str) -> Result<IpNet, Refusal> {
    let Ok(net) = text.parse::<IpNet>() else {
        let remedy = match text.parse::<IpAddr>() {
            Ok(IpAddr::V4(_)) => format!("add its length: \"{text}/32\" for one address"),
            Ok(IpAddr::V6(_)) => format!("add its length: \"{text}/128\" for one address"),
            Err(_) => "write it like \"10.20.0.0/16\" or \"2001:db8::/32\"".to_owned(),
        };
        return Err(Refusal::new(format!("`{text}` is not a prefix"), remedy));
    };
    if net.trunc() == net {
        return Ok(net);
    }
    Err(Refusal::new(
        format!("`{text}` has bits set beyond its length"),
        format!("write \"{}\"", net.trunc()),
    ))
}

impl FromToml for Duration {
    fn from_toml(value: &DeValue<'_>) -> Result<Self, Refusal> {
        let example = "\"250ms\", \"30s\" or \"5m\"";
        let text = text(value, "a duration", example)?;
        parse_duration(text).ok_or_else(|| {
            Refusal::new(
                format!("`{text}` is not a duration"),
                format!("write a number and a unit (us, ms, s, m, h), like {example}"),
            )
        })
    }
}

/// Reads "250ms", "30s", "1m30s"; at most a day.
pub fn parse_duration(text: &str) -> Option<Duration> {
    const DAY: Duration = Duration::from_secs(86_400);
    let mut rest = text.trim();
    let mut total = Duration::ZERO;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let count: u64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let letters = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
        let micros: u64 = match &rest[..letters] {
            "us" => 1,
            "ms" => 1_000,
            "s" => 1_000_000,
            "m" => 60_000_000,
            "h" => 3_600_000_000,
            _ => return None,
        };
        total = total.checked_add(Duration::from_micros(count.checked_mul(micros)?))?;
        rest = &rest[letters..];
    }
    (total <= DAY).then_some(total)
}

/// One of a few words, refused with the nearest if it is none.
pub(super) fn one_of<T: Copy>(
    value: &DeValue<'_>,
    what: &str,
    words: &[(&'static str, T)],
) -> Result<T, Refusal> {
    let names: Vec<&str> = words.iter().map(|(name, _)| *name).collect();
    let known = names.iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", ");
    let text = text(value, what, &known)?;
    if let Some((_, meaning)) = words.iter().find(|(name, _)| *name == text) {
        return Ok(*meaning);
    }
    let guess = nearest(text, &names).map_or(String::new(), |word| format!(" (\"{word}\"?)"));
    Err(Refusal::new(format!("`{text}` is not {what}{guess}"), format!("write one of {known}")))
}

/// Lets a type be written as one of a few words.
macro_rules! words {
    ($type:ty, $what:literal, $($word:literal => $meaning:expr),+ $(,)?) => {
        impl $crate::config::value::FromToml for $type {
            fn from_toml(
                value: &toml::de::DeValue<'_>,
            ) -> Result<Self, $crate::config::value::Refusal> {
                $crate::config::value::one_of(value, $what, &[$(($word, $meaning)),+])
            }
        }
    };
}
pub(super) use words;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_need_a_unit_and_may_be_composed() {
        assert_eq!(parse_duration("250ms"), Some(Duration::from_millis(250)));
        assert_eq!(parse_duration("1m30s"), Some(Duration::from_secs(90)));
        assert_eq!(parse_duration("0s"), Some(Duration::ZERO));
        for wrong in ["", "30", "s", "1.5s", "-1s", "30 s", "1d", "99999999999999999999s", "25h"] {
            assert_eq!(parse_duration(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_prefix_has_no_host_bits() {
        assert!(prefix("10.0.0.0/8").is_ok());
        assert!(prefix("10.1.0.0/8").unwrap_err().remedy.contains("10.0.0.0/8"));
        assert!(prefix("2001:db8::1").unwrap_err().remedy.contains("/128"));
    }
}
