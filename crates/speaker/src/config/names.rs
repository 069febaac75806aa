//! What the file calls things, and the numbers they get.

use core::cell::RefCell;

use toml::Spanned;

use super::finding::{Finding, Findings, Severity};
use super::read::nearest;

/// The names of one kind of thing, in the order of their numbers.
#[derive(Clone, Debug)]
pub(super) struct NameList {
    what: &'static str,
    names: Vec<String>,
    /// Names of other things that somebody may take for one of these, and what those are.
    others: (Vec<String>, &'static str),
}

impl NameList {
    /// The names of things that messages call a `what`.
    pub(super) fn new(what: &'static str, names: Vec<String>) -> Self {
        Self { what, names, others: (Vec::new(), "") }
    }

    /// The same, with names that are not meant by it, and why.
    pub(super) fn besides(self, others: Vec<String>, why: &'static str) -> Self {
        Self { others: (others, why), ..self }
    }

    /// The number of the thing.
    pub(super) fn position(&self, name: &str) -> Option<usize> {
        self.names.iter().position(|known| known == name)
    }

    /// The number of the thing named in `user`'s `key`; reports a name that nothing has.
    pub(super) fn resolve(
        &self,
        user: &str,
        name: &Spanned<String>,
        findings: &RefCell<Findings>,
    ) -> Option<u16> {
        let found = self.position(name.get_ref()).and_then(|at| u16::try_from(at).ok());
        if found.is_none() {
            findings.borrow_mut().push(self.unknown(user, name));
        }
        found
    }

    /// The complaint about a name that nothing has.
    pub(super) fn unknown(&self, user: &str, name: &Spanned<String>) -> Finding {
        let (others, why) = &self.others;
        if others.contains(name.get_ref()) {
            let message = format!("{user} names `{}`, which {why}", name.get_ref());
            let remedy = format!("name a {} that has an address of its own", self.what);
            return Finding::new(Severity::Error, name.span(), message, remedy);
        }
        let message =
            format!("{user} names {} `{}`, which is not there", self.what, name.get_ref());
        let known: Vec<&str> = self.names.iter().map(String::as_str).collect();
        match nearest(name.get_ref(), &known) {
            Some(near) => {
                Finding::new(Severity::Error, name.span(), message, format!("write \"{near}\""))
                    .label(format!("did you mean `{near}`?"))
            }
            None if known.is_empty() => {
                let remedy = format!("the file has no {} yet: add one", self.what);
                Finding::new(Severity::Error, name.span(), message, remedy)
            }
            None => {
                let remedy = format!("known: {}", known.join(", "));
                Finding::new(Severity::Error, name.span(), message, remedy)
            }
        }
    }
}

/// The names of everything that can be referred to.
#[derive(Clone, Debug)]
pub(super) struct Names {
    pub(super) peers: NameList,
    pub(super) policies: NameList,
    pub(super) paths: NameList,
    /// The three classes, then those of the operator's own.
    pub(super) classes: NameList,
}
