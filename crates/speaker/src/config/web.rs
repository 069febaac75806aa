//! What an HTTP health check asks for: its URL and the answers it takes.

use core::net::{IpAddr, SocketAddr};

use toml::de::DeValue;

use super::value::{FromToml, Refusal, text};

/// A URL whose host is an address: a health check must not depend on name service.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Url {
    /// Where to connect.
    pub(super) address: SocketAddr,
    /// The Host header.
    pub(super) host: String,
    /// Path and query, beginning with `/`.
    pub(super) path: String,
}

impl FromToml for Url {
    fn from_toml(value: &DeValue<'_>) -> Result<Self, Refusal> {
        parse_url(text(value, "a URL", "\"http://10.128.0.10/healthz\"")?)
    }
}

fn parse_url(url: &str) -> Result<Url, Refusal> {
    let refuse = |why: &str, remedy: &str| Refusal::new(format!("`{url}`: {why}"), remedy);
    if url.starts_with("https://") {
        return Err(refuse("TLS is not spoken", "use http://, or a check of kind \"tcp\""));
    }
    let Some(rest) = url.strip_prefix("http://") else {
        return Err(refuse("not a URL", "write it like \"http://10.128.0.10/healthz\""));
    };
    if rest.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err(refuse("blanks are not allowed", "write %20 for a blank"));
    }
    let (host, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let address = host
        .parse::<SocketAddr>()
        .ok()
        .or_else(|| bare.parse::<IpAddr>().ok().map(|ip| SocketAddr::new(ip, 80)))
        .ok_or_else(|| {
            refuse("the host is not an address", "write the instance's IP address, not its name")
        })?;
    let path = path.split('#').next().unwrap_or_default();
    let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
    Ok(Url { address, host: host.to_owned(), path })
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
    fn urls_name_addresses() {
        let url = parse_url("http://10.0.0.1:8080/healthz?deep=1").unwrap();
        assert_eq!(url.address, "10.0.0.1:8080".parse().unwrap());
        assert_eq!((url.host.as_str(), url.path.as_str()), ("10.0.0.1:8080", "/healthz?deep=1"));
        let url = parse_url("http://[2001:db8::1]").unwrap();
        assert_eq!(url.address, "[2001:db8::1]:80".parse().unwrap());
        assert_eq!(url.path, "/");
        for wrong in
            ["https://10.0.0.1/", "10.0.0.1", "http://host.example/", "http://10.0.0.1/a b"]
        {
            assert!(parse_url(wrong).is_err(), "{wrong}");
        }
    }
}
