//! Regular expressions over AS paths.

use alloc::string::{String, ToString};
use core::fmt;

use pathvane_wire::{AsPath, Invalid};
use regex_automata::meta;
use regex_automata::util::syntax;

/// The most bytes that one compiled expression may take.
const SIZE_MAX: usize = 1 << 20;

/// A regular expression over the text of an AS path, such as `65001 65002 {65003 65004}`.
///
/// The syntax is that of the `regex` crate on ASCII, and `_` stands for a border between AS
/// numbers as in router configurations: begin, end, space or bracket. It is searched for anywhere
/// in the path unless `^` and `$` say otherwise. Time is linear in the length of the path whatever
/// path and expression are, so that no peer's path is dear (`docs/adr/0010-as-path-expressions.md`).
#[derive(Clone)]
pub struct AsPathRegex {
    text: String,
    regex: meta::Regex,
}

impl AsPathRegex {
    /// Compiles an expression.
    ///
    /// # Errors
    ///
    /// If it is no regular expression, or too large a one.
    pub fn new(text: &str) -> Result<Self, Invalid> {
        let invalid = Invalid { field: "as_path", reason: "not a regular expression" };
        let config = meta::Config::new().nfa_size_limit(Some(SIZE_MAX));
        let plain = syntax::Config::new().unicode(false).utf8(false);
        let built = meta::Builder::new().configure(config).syntax(plain).build(&borders(text));
        Ok(Self { text: text.to_string(), regex: built.map_err(|_| invalid)? })
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it is found in the path.
    pub fn matches(&self, path: &AsPath) -> bool {
        self.regex.is_match(path.to_string().as_str())
    }
}

/// Spells `_` out, except where it is escaped or inside brackets.
fn borders(text: &str) -> String {
    let (mut out, mut escaped, mut inside) = (String::new(), false, false);
    for c in text.chars() {
        match c {
            '_' if !escaped && !inside => out.push_str(r"(?:^|$|[ {}()\[\]])"),
            c => out.push(c),
        }
        inside = match c {
            '[' if !escaped => true,
            ']' if !escaped => false,
            _ => inside,
        };
        escaped = c == '\\' && !escaped;
    }
    out
}

impl PartialEq for AsPathRegex {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for AsPathRegex {}

impl fmt::Debug for AsPathRegex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AsPathRegex({:?})", self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pathvane_wire::Asn;

    #[test]
    fn expressions_of_router_configurations_mean_the_same_here() {
        let table = [
            ("^$", "", true),
            ("^$", "65001", false),
            ("^65001_", "65001", true),
            ("^65001_", "65001 65002", true),
            ("^65001_", "650012", false),
            ("_65002$", "65001 65002", true),
            ("_65002$", "65001 165002", false),
            ("_65002_", "65001 65002 65003", true),
            ("_65002_", "65001 {65002 65003}", true),
            ("_65002_", "165002 650021", false),
            ("^65001 [0-9]+$", "65001 7", true),
            ("^65001 [0-9]+$", "65001 7 8", false),
            ("^(65001 )+65002$", "65001 65001 65001 65002", true),
            ("_(64512|64513)_", "1 64513 2", true),
            ("^6500[1-3]( 6500[1-3])*$", "65001 65003 65002", true),
            ("^6500[1-3]( 6500[1-3])*$", "65001 65004", false),
            (r"\{", "65001 {65002}", true),
            (r"\{", "65001 65002", false),
        ];
        for (expression, path, expected) in table {
            let regex = AsPathRegex::new(expression).unwrap();
            assert_eq!(regex.matches(&path.parse().unwrap()), expected, "{expression} on `{path}`");
        }
    }

    #[test]
    fn what_is_no_expression_or_too_large_a_one_is_refused() {
        for wrong in ["(", "[", "*", "65001{1,100000}{100}", r"\", "(?P<"] {
            assert!(AsPathRegex::new(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_nested_repetition_over_a_long_path_ends() {
        let regex = AsPathRegex::new("^((65001 ?)*)*X$").unwrap();
        let path = AsPath::sequence((0..10_000).map(|_| Asn(65001)));
        assert!(!regex.matches(&path));
    }
}
