//! What is wrong with a configuration, where, and what to do about it.
//!
//! Every finding points into the file and carries a remedy. The text that is shown has
//! its passwords blotted out first, so no message can print one.

use core::ops::Range;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

use super::secret::blot;

/// How bad a [`Finding`] is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Severity {
    /// The speaker does not start.
    Error,
    /// The speaker starts, but probably not as its owner means.
    Warning,
    /// Worth knowing.
    Note,
}

/// One thing to say about one place in the file.
#[derive(Clone, Debug)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// What is the matter, in a sentence without a full stop.
    pub message: String,
    /// The offending bytes of the file.
    pub span: Range<usize>,
    /// A few words below the offending text; may be empty.
    pub label: String,
    /// A second place that matters (the other one of two that clash).
    pub other: Option<(Range<usize>, String)>,
    /// What to do.
    pub remedy: String,
}

impl Finding {
    /// A finding without a label or a second place.
    pub fn new(
        severity: Severity,
        span: Range<usize>,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self {
            severity,
            message: message.into(),
            span,
            label: String::new(),
            other: None,
            remedy: remedy.into(),
        }
    }

    /// The same with a few words below the offending text.
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    /// The same with a second place shown.
    pub fn other(mut self, span: Range<usize>, label: impl Into<String>) -> Self {
        self.other = Some((span, label.into()));
        self
    }
}

/// All findings about one file, in the order of their places.
#[derive(Clone, Debug)]
pub struct Findings {
    file: String,
    text: String,
    list: Vec<Finding>,
}

impl Findings {
    /// No finding yet about `text`, which messages call `file`.
    pub fn new(file: impl Into<String>, text: &str) -> Self {
        Self { file: file.into(), text: blot(text), list: Vec::new() }
    }

    /// Adds a finding.
    pub fn push(&mut self, finding: Finding) {
        // What a group says is read for each of its peers: the same mistake is told once.
        if !self
            .list
            .iter()
            .any(|known| known.span == finding.span && known.message == finding.message)
        {
            self.list.push(finding);
        }
    }

    /// Adds an error: the speaker will not start.
    pub fn error(
        &mut self,
        span: Range<usize>,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        self.push(Finding::new(Severity::Error, span, message, remedy));
    }

    /// Adds a warning.
    pub fn warning(
        &mut self,
        span: Range<usize>,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        self.push(Finding::new(Severity::Warning, span, message, remedy));
    }

    /// Adds a note.
    pub fn note(
        &mut self,
        span: Range<usize>,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        self.push(Finding::new(Severity::Note, span, message, remedy));
    }

    /// The findings, errors first, then by place.
    pub fn sorted(&self) -> Vec<&Finding> {
        let mut list: Vec<&Finding> = self.list.iter().collect();
        list.sort_by_key(|finding| (finding.severity, finding.span.start));
        list
    }

    /// How many findings have this severity.
    pub fn count(&self, severity: Severity) -> usize {
        self.list.iter().filter(|finding| finding.severity == severity).count()
    }

    /// Whether the speaker must not start.
    pub fn has_errors(&self) -> bool {
        self.count(Severity::Error) > 0
    }

    /// The findings as people read them, each with file, line, column, text, caret and remedy;
    /// without the notes if there are errors, which come first.
    pub fn render(&self, styled: bool) -> String {
        let renderer = if styled { Renderer::styled() } else { Renderer::plain() };
        let mut out = String::new();
        let errors = self.has_errors();
        let told = |finding: &&Finding| !errors || finding.severity < Severity::Note;
        for finding in self.sorted().into_iter().filter(told) {
            out.push_str(&renderer.render(&[self.group(finding)]));
            out.push_str("\n\n");
        }
        out
    }

    fn group<'a>(&'a self, finding: &'a Finding) -> Group<'a> {
        let level = match finding.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
            Severity::Note => Level::NOTE,
        };
        let primary = AnnotationKind::Primary.span(self.within(&finding.span));
        let mut snippet = Snippet::source(&self.text)
            .path(&self.file)
            .annotation(primary.label(finding.label.as_str()));
        if let Some((span, label)) = &finding.other {
            let context = AnnotationKind::Context.span(self.within(span));
            snippet = snippet.annotation(context.label(label.as_str()));
        }
        let group = level.primary_title(finding.message.as_str()).element(snippet);
        if finding.remedy.is_empty() {
            group
        } else {
            group.element(Level::HELP.message(finding.remedy.as_str()))
        }
    }

    /// The span, cut to its first line and to the text, so that carets stay readable.
    fn within(&self, span: &Range<usize>) -> Range<usize> {
        let start = self.text.floor_char_boundary(span.start);
        let end = self.text.ceil_char_boundary(span.end.max(start));
        let line = self.text[start..end].find('\n').map_or(end, |at| start + at);
        start..line
    }
}
