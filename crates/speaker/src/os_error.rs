//! What can go wrong between us and the operating system, and what the operator can do about it.

use std::{fmt, io};

/// A failed system operation, with a remedy where one is known.
#[derive(Debug)]
pub struct OsError {
    doing: String,
    remedy: Option<&'static str>,
    source: io::Error,
}

impl OsError {
    /// `doing` completes the sentence "cannot ...".
    pub(crate) fn new(doing: impl Into<String>, source: io::Error) -> Self {
        let remedy = remedy(&source);
        Self { doing: doing.into(), remedy, source }
    }

    /// Replaces the general remedy by one that fits what was tried.
    pub(crate) fn with_remedy(mut self, remedy: &'static str) -> Self {
        self.remedy = Some(remedy);
        self
    }

    /// The operating system's error.
    pub fn source(&self) -> &io::Error {
        &self.source
    }

    /// What the operator can do, if that is known.
    pub fn remedy(&self) -> Option<&'static str> {
        self.remedy
    }
}

impl fmt::Display for OsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot {}: {}", self.doing, self.source)?;
        match self.remedy {
            Some(remedy) => write!(f, " ({remedy})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for OsError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}

/// The remedies that hold whatever was tried.
fn remedy(error: &io::Error) -> Option<&'static str> {
    Some(match error.raw_os_error()? {
        libc::EADDRNOTAVAIL => "no interface of this host has that address",
        libc::EADDRINUSE => "another process listens there; `ss -ltnp` names it",
        libc::EACCES => "ports below 1024 need CAP_NET_BIND_SERVICE",
        libc::EPERM => "needs CAP_NET_RAW or CAP_NET_ADMIN",
        libc::ENODEV => "no such interface",
        libc::ENETUNREACH | libc::EHOSTUNREACH => {
            "no route to the peer; check interface and address"
        }
        libc::ECONNREFUSED => "the peer is not listening, or does not know this address",
        libc::EMFILE | libc::ENFILE => "out of file descriptors; raise LimitNOFILE",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_was_tried_why_it_failed_and_what_helps() {
        let os = io::Error::from_raw_os_error(libc::EADDRNOTAVAIL);
        let text = OsError::new("bind to 192.0.2.1", os).to_string();
        assert!(text.starts_with("cannot bind to 192.0.2.1: "), "{text}");
        assert!(text.ends_with("(no interface of this host has that address)"), "{text}");
    }

    #[test]
    fn a_fitting_remedy_replaces_the_general_one() {
        let os = io::Error::from_raw_os_error(libc::EPERM);
        let error = OsError::new("set a mark", os).with_remedy("run as root");
        assert_eq!(error.remedy(), Some("run as root"));
    }
}
