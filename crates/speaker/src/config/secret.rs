//! Passwords, which are used and never shown.

use core::fmt;

/// A password: usable, never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Keeps `text` from being printed.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The password itself, for the one system call that needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// The text with the value of every `password` key replaced by asterisks, byte for byte.
///
/// Works on the text alone, so that it also covers files that are not valid TOML.
pub(super) fn blot(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("password") {
        let after = at + "password".len();
        out.push_str(&rest[..after]);
        rest = &rest[after..];
        let Some(value) = value_start(rest) else { continue };
        let end = value + value_len(&rest[value..]);
        out.push_str(&rest[..value]);
        out.extend(rest[value..end].bytes().map(|byte| match byte {
            b'\n' | b'"' | b'\'' => char::from(byte),
            _ => '*',
        }));
        rest = &rest[end..];
    }
    out.push_str(rest);
    out
}

/// Where the value begins, if what follows the word `password` is `=` and a value.
fn value_start(rest: &str) -> Option<usize> {
    let key_end = rest.trim_start_matches(['"', '\'']);
    let trimmed = key_end.trim_start_matches([' ', '\t']);
    let value = trimmed.strip_prefix('=')?.trim_start_matches([' ', '\t']);
    Some(rest.len() - value.len())
}

/// How long the value is: a quoted string of any of TOML's four kinds, or what is left of the line.
fn value_len(value: &str) -> usize {
    let line = value.find('\n').unwrap_or(value.len());
    for quote in ["\"\"\"", "'''"] {
        if let Some(body) = value.strip_prefix(quote) {
            return body.find(quote).map_or(value.len(), |end| end + 2 * quote.len());
        }
    }
    if let Some(body) = value.strip_prefix('\'') {
        return body.find('\'').map_or(line, |end| end + 2).min(line);
    }
    if let Some(body) = value.strip_prefix('"') {
        let mut escaped = false;
        let end = body.find(|c| {
            let ends = c == '"' && !escaped;
            escaped = c == '\\' && !escaped;
            ends
        });
        return end.map_or(line, |end| end + 2).min(line);
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_kind_of_password_survives() {
        for text in [
            "password = \"hunter2\"\n",
            "password='hunter2'\n",
            "peers.x = { asn = 1, password = \"hunter2\", port = 1 }\n",
            "\"password\" = \"a\\\"hunter2\"\n",
            "password = \"\"\"\nhunter2\n\"\"\"\n",
            "password = hunter2\n",
            "password = \"hunter2\n",
            "password = [\"hunter2\"]\n",
        ] {
            let blotted = blot(text);
            assert!(!blotted.contains("hunter2"), "{blotted}");
            assert_eq!(blotted.len(), text.len());
            assert_eq!(blotted.matches('\n').count(), text.matches('\n').count());
        }
    }

    #[test]
    fn the_rest_of_the_text_survives() {
        let text = "password_file = \"/etc/key\"\nx = { password = \"p\", port = 179 }";
        let shown = blot(text);
        assert!(shown.contains("/etc/key") && shown.contains("port = 179"));
        assert_eq!(format!("{:?}", Secret::new("p")), "Secret(..)");
    }
}
