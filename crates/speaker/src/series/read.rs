//! Lines of a series into probes.

use std::io::BufRead;

use serde::Deserialize;

use super::{Probe, SeriesError};

/// A line longer than this is no line of a series.
const LINE_MAX: u64 = 4096;

/// The largest time: three hundred years.
const MS_MAX: f64 = 1e13;

/// The members of a line, as written. Absent, empty and null are the same.
#[derive(Deserialize, Debug, Default)]
#[serde(deny_unknown_fields, default)]
struct Line {
    at_ms: Option<f64>,
    path: Option<String>,
    reflector: Option<String>,
    port: Option<u8>,
    rtt_ms: Option<f64>,
    fwd_ms: Option<f64>,
    rev_ms: Option<f64>,
    reflector_seq: Option<u32>,
    remarked: Option<bool>,
}

/// How lines are spelt.
#[derive(Debug)]
enum Form {
    Json,
    /// The members that the columns are, in order.
    Csv(Vec<String>),
}

/// Yields the probes of a series. After an error there are no more.
#[derive(Debug)]
pub struct Reader<R> {
    source: R,
    form: Option<Form>,
    line: u64,
    text: String,
    newest_ns: u64,
    failed: bool,
}

impl<R: BufRead> Reader<R> {
    /// A reader of CSV or JSON lines; the first line says which.
    pub fn new(source: R) -> Self {
        Self { source, form: None, line: 0, text: String::new(), newest_ns: 0, failed: false }
    }

    /// The number of the line that was read last, from 1.
    pub fn line(&self) -> u64 {
        self.line
    }

    /// The next line with something in it; `false` at the end.
    fn advance(&mut self) -> Result<bool, SeriesError> {
        loop {
            self.text.clear();
            self.line += 1;
            let mut bounded = std::io::Read::take(&mut self.source, LINE_MAX);
            let read = bounded.read_line(&mut self.text).map_err(|error| {
                SeriesError::new(self.line, error.to_string(), "a series is text, in UTF-8")
            })?;
            if read as u64 == LINE_MAX {
                return Err(SeriesError::new(
                    self.line,
                    format!("longer than {LINE_MAX} bytes"),
                    "write one probe per line, as CSV or JSON",
                ));
            }
            if self.line == 1 && self.text.starts_with('\u{feff}') {
                // What spreadsheets put in front.
                self.text.drain(..'\u{feff}'.len_utf8());
            }
            let text = self.text.trim();
            if read == 0 || !(text.is_empty() || text.starts_with('#')) {
                return Ok(read > 0);
            }
        }
    }

    fn probe(&mut self) -> Result<Option<Probe>, SeriesError> {
        if !self.advance()? {
            return Ok(None);
        }
        if self.form.is_none() {
            let json = self.text.trim_start().starts_with('{');
            self.form = Some(if json { Form::Json } else { Form::Csv(self.heading()?) });
            if !json && !self.advance()? {
                return Ok(None);
            }
        }
        let line = match &self.form {
            Some(Form::Csv(columns)) => self.csv(columns)?,
            _ => self.json(&self.text)?,
        };
        self.check(line).map(Some)
    }

    /// The heading of CSV: known members, each once, `at_ms` among them.
    fn heading(&self) -> Result<Vec<String>, SeriesError> {
        let columns: Vec<String> =
            self.text.trim().split(',').map(|it| it.trim().to_owned()).collect();
        let twice = |name: &String| columns.iter().filter(|other| *other == name).count() > 1;
        if let Some(name) = columns.iter().find(|name| twice(name)) {
            return Err(SeriesError::new(
                self.line,
                format!("the column {name} is there twice"),
                "name each column once",
            ));
        }
        if !columns.iter().any(|name| name == "at_ms") {
            return Err(SeriesError::new(
                self.line,
                "no column is called at_ms",
                "begin with a heading such as at_ms,path,reflector,rtt_ms, or write JSON objects",
            ));
        }
        // Unknown names are found here, not at the first probe.
        let members = columns.iter().map(|name| format!("{name:?}:null"));
        self.json(&format!("{{{}}}", members.collect::<Vec<_>>().join(",")))?;
        Ok(columns)
    }

    fn json(&self, text: &str) -> Result<Line, SeriesError> {
        serde_json::from_str(text).map_err(|error| {
            let said = error.to_string();
            let said = said.split(" at line ").next().unwrap_or(&said).to_owned();
            SeriesError::new(self.line, said, "docs/OPERATING.md lists the members of a series")
        })
    }

    /// A line of CSV is a JSON object whose values have lost their names.
    fn csv(&self, columns: &[String]) -> Result<Line, SeriesError> {
        let values: Vec<&str> = self.text.trim().split(',').map(str::trim).collect();
        if values.len() != columns.len() {
            return Err(SeriesError::new(
                self.line,
                format!("{} values under {} columns", values.len(), columns.len()),
                "leave a value empty rather than out; names may not have commas in them",
            ));
        }
        let member = |(name, value): (&String, &str)| {
            let quoted = matches!(name.as_str(), "path" | "reflector");
            let value = match value {
                "" => serde_json::Value::Null,
                value if quoted => value.into(),
                value => serde_json::from_str(value).unwrap_or_else(|_| value.into()),
            };
            (name.clone(), value)
        };
        let members: Vec<_> = columns.iter().zip(values).map(member).collect();
        let line = |members: &[(String, serde_json::Value)]| {
            serde_json::from_value(serde_json::Value::Object(members.iter().cloned().collect()))
        };
        line(&members).map_err(|error: serde_json::Error| {
            let wrong = |it: &&(String, _)| line(std::slice::from_ref(*it)).is_err();
            let named = members.iter().find(wrong).map_or("", |(name, _)| name);
            let remedy = "docs/OPERATING.md lists the members of a series";
            SeriesError::new(self.line, format!("{named}: {error}"), remedy)
        })
    }

    /// What a line means, if it can mean anything.
    fn check(&mut self, line: Line) -> Result<Probe, SeriesError> {
        let wrong = |message: String, remedy| SeriesError::new(self.line, message, remedy);
        let ns = |name: &str, ms: f64, least: f64| {
            if ms.is_finite() && ms >= least && ms <= MS_MAX {
                return Ok((ms * 1e6).round());
            }
            Err(wrong(format!("{name} cannot be {ms}"), "times are milliseconds, such as 20.125"))
        };
        let at_ms = line.at_ms.ok_or_else(|| {
            wrong("no at_ms".to_owned(), "say when the probe was sent, in milliseconds")
        })?;
        let signed = |name, ms: Option<f64>| ms.map(|ms| ns(name, ms, -MS_MAX)).transpose();
        let probe = Probe {
            at_ns: ns("at_ms", at_ms, 0.0)? as u64,
            path: line.path.unwrap_or_else(|| "path".to_owned()),
            reflector: line.reflector.unwrap_or_else(|| "reflector".to_owned()),
            port: line.port.unwrap_or(0),
            rtt_ns: line.rtt_ms.map(|ms| ns("rtt_ms", ms, 0.0)).transpose()?.map(|ns| ns as u64),
            fwd_ns: signed("fwd_ms", line.fwd_ms)?.map(|ns| ns as i64),
            rev_ns: signed("rev_ms", line.rev_ms)?.map(|ns| ns as i64),
            reflector_seq: line.reflector_seq,
            remarked: line.remarked.unwrap_or(false),
        };
        // No reply comes at the end of all time.
        if probe.rtt_ns.is_some_and(|rtt| rtt as f64 / 1e6 + at_ms > MS_MAX) {
            let message = "the reply comes too late for any clock".to_owned();
            return Err(wrong(message, "times are milliseconds, such as 20.125"));
        }
        if usize::from(probe.port) >= pathvane_score::MAX_PORTS {
            let message = format!("port {} is not below {}", probe.port, pathvane_score::MAX_PORTS);
            return Err(wrong(message, "`port` counts the source ports of a stream, from 0"));
        }
        if probe.at_ns < self.newest_ns {
            let message = format!("sent at {at_ms} ms, before the probe of the line above");
            return Err(wrong(
                message,
                "sort the lines by at_ms: probes come in the order of sending",
            ));
        }
        self.newest_ns = probe.at_ns;
        Ok(probe)
    }
}

impl<R: BufRead> Iterator for Reader<R> {
    type Item = Result<Probe, SeriesError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let probe = self.probe();
        self.failed = !matches!(probe, Ok(Some(_)));
        probe.transpose()
    }
}
