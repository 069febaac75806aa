//! What a health check asks for: where the instance is, its URL, the answers that count.

use core::net::Ipv6Addr;

use toml::de::DeValue;

use super::value::{FromToml, Refusal, text};
use crate::checks::Endpoint;

/// A host and a port.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct HostPort {
    /// As written: the Host header.
    pub(super) text: String,
    /// Taken apart.
    pub(super) endpoint: Endpoint,
}

impl FromToml for HostPort {
    fn from_toml(value: &DeValue<'_>) -> Result<Self, Refusal> {
        let text = text(value, "a host with port", "\"10.128.0.10:443\"")?;
        host_port(text, None).ok_or_else(|| {
            Refusal::new(
                format!("`{text}` is not a host with port"),
                "write it like \"192.0.2.1:443\", \"[2001:db8::1]:443\" or \"web.example:443\"",
            )
        })
    }
}

/// Takes "host:port", "[address]:port" or, with a default port, the host alone.
fn host_port(text: &str, default: Option<u16>) -> Option<HostPort> {
    let bracketed = text.strip_prefix('[').and_then(|rest| rest.split_once(']'));
    let (host, rest) = match bracketed {
        Some((host, rest)) => (host.parse::<Ipv6Addr>().ok()?.to_string(), rest),
        None => {
            let (host, rest) = text.split_at(text.find(':').unwrap_or(text.len()));
            let sound = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
            let sound = !host.is_empty() && host.len() <= 253 && host.chars().all(sound);
            (sound.then(|| host.to_owned())?, rest)
        }
    };
    let port = match rest.strip_prefix(':') {
        Some(digits) => digits.parse().ok().filter(|port| *port != 0)?,
        None => default.filter(|_| rest.is_empty())?,
    };
    Some(HostPort { text: text.to_owned(), endpoint: Endpoint { host, port } })
}

/// A URL that health checks can ask for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Url {
    /// As written.
    pub(super) text: String,
    /// https.
    pub(super) tls: bool,
    /// Where to connect.
    pub(super) host: HostPort,
    /// Path and query, beginning with `/`.
    pub(super) path: String,
}

impl FromToml for Url {
    fn from_toml(value: &DeValue<'_>) -> Result<Self, Refusal> {
        let text = text(value, "a URL", "\"http://10.128.0.10/healthz\"")?;
        parse_url(text).ok_or_else(|| {
            Refusal::new(
                format!("`{text}` is not a URL to ask"),
                "write it like \"http://10.128.0.10/healthz\" or \"https://web.example/\"",
            )
        })
    }
}

fn parse_url(url: &str) -> Option<Url> {
    let (tls, rest) = match url.strip_prefix("http://") {
        Some(rest) => (false, rest),
        None => (true, url.strip_prefix("https://")?),
    };
    if !rest.chars().all(|c| c.is_ascii_graphic()) {
        return None;
    }
    let rest = rest.split('#').next()?;
    let (host, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    let host = host_port(host, Some(if tls { 443 } else { 80 }))?;
    let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
    Some(Url { text: url.to_owned(), tls, host, path })
}

/// Accepted status codes, both ends included.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct StatusRange(pub(super) u16, pub(super) u16);

impl FromToml for StatusRange {
    fn from_toml(value: &DeValue<'_>) -> Result<Self, Refusal> {
        let text = text(value, "status codes", "\"200-399\"")?;
        let (low, high) = text.split_once('-').unwrap_or((text, text));
        match (low.parse(), high.parse()) {
            (Ok(low), Ok(high)) if (100..=high).contains(&low) && high <= 599 => {
                Ok(Self(low, high))
            }
            _ => Err(Refusal::new(
                format!("`{text}` are not status codes"),
                "write one like \"200\" or a range like \"200-399\"",
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_taken_apart() {
        let url = parse_url("http://10.0.0.1:8080/healthz?deep=1#here").unwrap();
        assert_eq!(url.host.endpoint, Endpoint { host: "10.0.0.1".into(), port: 8080 });
        assert_eq!(
            (url.host.text.as_str(), url.path.as_str()),
            ("10.0.0.1:8080", "/healthz?deep=1")
        );
        let url = parse_url("https://[2001:db8::1]").unwrap();
        assert_eq!(url.host.endpoint, Endpoint { host: "2001:db8::1".into(), port: 443 });
        assert_eq!((url.tls, url.path.as_str()), (true, "/"));
        assert_eq!(parse_url("http://web.example?a").unwrap().path, "/?a");
        for wrong in [
            "10.0.0.1",
            "http://",
            "http://a b/",
            "http://[::1/",
            "http://h:0/",
            "ftp://h/",
            "http://u@h/",
        ] {
            assert!(parse_url(wrong).is_none(), "{wrong}");
        }
    }
}
