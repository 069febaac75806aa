//! Reads tables of the file, reporting every mistake and going on.
//!
//! Deserializers stop at the first mistake; an operator wants them all. So the file is
//! walked by hand over the spanned tree: each section says which keys it knows, asks for
//! them by type, and what remains unknown is reported with the nearest known key.

use core::cell::RefCell;
use core::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::finding::{Finding, Findings, Severity};
use super::value::{FromToml, Refusal, kind_of};

/// A table of the file with the keys it may have.
pub(super) struct Section<'a> {
    /// How messages call it: "peer `east`".
    pub(super) what: String,
    /// Where it is.
    pub(super) span: Range<usize>,
    table: &'a DeTable<'a>,
    /// What a group says where the table says nothing.
    group: Option<&'a DeTable<'a>>,
    keys: &'static [&'static str],
    findings: &'a RefCell<Findings>,
}

impl<'a> Section<'a> {
    /// Opens a table, reporting the keys that `keys` does not contain.
    pub(super) fn open(
        what: impl Into<String>,
        span: Range<usize>,
        table: &'a DeTable<'a>,
        keys: &'static [&'static str],
        findings: &'a RefCell<Findings>,
    ) -> Self {
        let section = Self { what: what.into(), span, table, group: None, keys, findings };
        section.refuse_unknown_keys();
        section
    }

    fn refuse_unknown_keys(&self) {
        for key in self.table.keys() {
            let name: &str = key.get_ref();
            if self.keys.contains(&name) {
                continue;
            }
            let message = format!("{} has no key `{name}`", self.what);
            let finding = match nearest(name, self.keys) {
                Some(known) => Finding::new(
                    Severity::Error,
                    key.span(),
                    message,
                    format!("write `{known}`, or remove the key"),
                )
                .label(format!("did you mean `{known}`?")),
                None => Finding::new(
                    Severity::Error,
                    key.span(),
                    message,
                    format!("known keys: {}", self.keys.join(", ")),
                ),
            };
            self.findings.borrow_mut().push(finding);
        }
    }

    /// The findings, to add to.
    pub(super) fn findings(&self) -> &'a RefCell<Findings> {
        self.findings
    }

    fn get(&self, key: &str) -> Option<&'a Spanned<DeValue<'a>>> {
        debug_assert!(self.keys.contains(&key), "{key} is not in the schema of {}", self.what);
        self.table.get(key).or_else(|| self.group?.get(key))
    }

    /// From now on `group` answers for what this section does not say.
    pub(super) fn within(&mut self, group: &Self) {
        self.group = Some(group.table);
    }

    /// As [`Self::optional`], whatever a group says.
    pub(super) fn own<T: FromToml>(&self, key: &str) -> Option<Spanned<T>> {
        self.table.get(key).and_then(|value| self.convert(key, value))
    }

    /// Where the key is written, or the section if it is not.
    pub(super) fn span_of(&self, key: &str) -> Range<usize> {
        let inherited = || self.group?.get_key_value(key);
        let found = self.table.get_key_value(key).or_else(inherited);
        found.map_or(self.span.clone(), |(key, _)| key.span())
    }

    /// The value of `key` if it is there and sound; otherwise `None`, with a mistake reported.
    pub(super) fn optional<T: FromToml>(&self, key: &str) -> Option<Spanned<T>> {
        self.get(key).and_then(|value| self.convert(key, value))
    }

    /// As [`Self::optional`], reporting absence too.
    pub(super) fn required<T: FromToml>(&self, key: &str, example: &str) -> Option<Spanned<T>> {
        if self.get(key).is_none() {
            self.missing(key, example);
        }
        self.optional(key)
    }

    /// The value of `key`, or `default`.
    pub(super) fn or<T: FromToml>(&self, key: &str, default: T) -> T {
        self.optional(key).map_or(default, Spanned::into_inner)
    }

    /// The value of `key` with its place, or `default` with the place of the section.
    pub(super) fn spanned_or<T: FromToml>(&self, key: &str, default: T) -> Spanned<T> {
        self.optional(key).unwrap_or_else(|| Spanned::new(self.span.clone(), default))
    }

    /// Whether `key` is written, soundly or not.
    pub(super) fn has(&self, key: &str) -> bool {
        self.get(key).is_some()
    }

    /// The elements of the list `key`; a mistake in one does not hide the others. `None` if absent.
    pub(super) fn list<T: FromToml>(&self, key: &str) -> Option<Vec<Spanned<T>>> {
        let elements = self.elements(key)?;
        Some(elements.iter().filter_map(|value| self.convert(key, value)).collect())
    }

    /// The tables in the list `key`, each opened as a section.
    pub(super) fn sections(
        &self,
        key: &str,
        what: &str,
        keys: &'static [&'static str],
    ) -> Vec<Section<'a>> {
        let elements = self.elements(key).unwrap_or_default();
        let open = |(at, value): (usize, &'a Spanned<DeValue<'a>>)| {
            let what = format!("{what} {} of {}", at + 1, self.what);
            self.open_value(what, value, keys)
        };
        elements.iter().enumerate().filter_map(open).collect()
    }

    /// The table `key`, opened as a section.
    pub(super) fn section(
        &self,
        key: &str,
        what: impl Into<String>,
        keys: &'static [&'static str],
    ) -> Option<Section<'a>> {
        self.get(key).and_then(|value| self.open_value(what.into(), value, keys))
    }

    /// The tables in the table `key` by name, in the order of the file.
    pub(super) fn named_sections(
        &self,
        key: &str,
        what: &str,
        keys: &'static [&'static str],
    ) -> Vec<(Spanned<String>, Section<'a>)> {
        let Some(value) = self.get(key) else { return Vec::new() };
        let DeValue::Table(table) = value.get_ref() else {
            self.refuse(value.span(), wrong_type(key, "tables", value.get_ref()));
            return Vec::new();
        };
        let mut entries: Vec<_> = table.iter().collect();
        entries.sort_by_key(|(name, _)| name.span().start);
        let open = |(name, value): (&'a Spanned<_>, &'a Spanned<DeValue<'a>>)| {
            let text: &std::borrow::Cow<'_, str> = name.get_ref();
            self.check_name(what, text, name.span());
            let mut section = self.open_value(format!("{what} `{text}`"), value, keys)?;
            section.span = name.span();
            Some((Spanned::new(name.span(), text.to_string()), section))
        };
        entries.into_iter().filter_map(open).collect()
    }

    fn check_name(&self, what: &str, name: &str, span: Range<usize>) {
        let sound = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if name.is_empty() || name.len() > 64 || !name.chars().all(sound) {
            self.findings.borrow_mut().error(
                span,
                format!("`{name}` cannot be the name of a {what}"),
                "use 1 to 64 of the letters a-z, A-Z, digits, `-`, `_` and `.`",
            );
        }
    }

    fn open_value(
        &self,
        what: String,
        value: &'a Spanned<DeValue<'a>>,
        keys: &'static [&'static str],
    ) -> Option<Section<'a>> {
        match value.get_ref() {
            DeValue::Table(table) => {
                Some(Section::open(what, value.span(), table, keys, self.findings))
            }
            other => {
                self.refuse(value.span(), wrong_type(&what, "a table", other));
                None
            }
        }
    }

    fn elements(&self, key: &str) -> Option<&'a [Spanned<DeValue<'a>>]> {
        let value = self.get(key)?;
        match value.get_ref() {
            DeValue::Array(elements) => Some(elements),
            other => {
                self.refuse(value.span(), wrong_type(&format!("`{key}`"), "a list", other));
                None
            }
        }
    }

    fn convert<T: FromToml>(&self, key: &str, value: &Spanned<DeValue<'_>>) -> Option<Spanned<T>> {
        match T::from_toml(value.get_ref()) {
            Ok(sound) => Some(Spanned::new(value.span(), sound)),
            Err(mut refusal) => {
                refusal.message = format!("`{key}` of {}: {}", self.what, refusal.message);
                self.refuse(value.span(), refusal);
                None
            }
        }
    }

    fn refuse(&self, span: Range<usize>, refusal: Refusal) {
        self.findings.borrow_mut().error(span, refusal.message, refusal.remedy);
    }

    fn missing(&self, key: &str, example: &str) {
        self.findings.borrow_mut().error(
            self.span.clone(),
            format!("{} lacks `{key}`", self.what),
            format!("add `{key} = {example}`"),
        );
    }
}

fn wrong_type(what: &str, expected: &str, found: &DeValue<'_>) -> Refusal {
    Refusal {
        message: format!("{what} must be {expected}, not {}", kind_of(found)),
        remedy: format!("write {expected}"),
    }
}

/// The candidate that `word` is most likely a misspelling of.
pub(super) fn nearest<'k>(word: &str, candidates: &[&'k str]) -> Option<&'k str> {
    let word = word.to_ascii_lowercase().replace('-', "_");
    let allowed = (word.len() / 3).clamp(1, 3);
    candidates
        .iter()
        .map(|candidate| {
            let plain = candidate.to_ascii_lowercase().replace('-', "_");
            (strsim::osa_distance(&word, &plain), *candidate)
        })
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}
