//! One line of the intake: a JSON object into reports, or what is wrong with it.

use core::time::Duration;

use pathvane_engine::{PathId, Report, ServiceId, Subject};
use pathvane_score::Class;
use serde_json::{Map, Value};

use crate::config::{Loaded, parse_duration};

/// What a line may have.
const FIELDS: [&str; 10] = [
    "path",
    "service",
    "region",
    "source",
    "class",
    "delay_ms",
    "jitter_ms",
    "loss_pct",
    "mos",
    "valid_for",
];
/// The longest time that a measurement holds.
const VALID_MAX: Duration = Duration::from_secs(3600);
const SOURCE_MAX: usize = 64;

/// Why a line is not taken.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refusal {
    /// The field to blame; empty if none is.
    pub field: String,
    /// What is wrong.
    pub error: String,
    /// What helps.
    pub remedy: String,
}

fn refusal(field: &str, error: impl Into<String>, remedy: impl Into<String>) -> Refusal {
    Refusal { field: field.to_owned(), error: error.into(), remedy: remedy.into() }
}

/// The names that lines may use, by their numbers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Names {
    paths: Vec<String>,
    /// Of each path.
    regions: Vec<String>,
    services: Vec<String>,
}

impl Names {
    /// The names of a configuration.
    pub fn of(loaded: &Loaded) -> Self {
        let paths = &loaded.engine.paths;
        Self {
            paths: paths.iter().map(|path| path.name.clone()).collect(),
            regions: paths.iter().map(|path| path.region.clone()).collect(),
            services: loaded.engine.services.iter().map(|it| it.name.clone()).collect(),
        }
    }

    fn subjects(&self, fields: &Map<String, Value>) -> Result<Vec<Subject>, Refusal> {
        let named: Vec<&str> = ["path", "service", "region"]
            .into_iter()
            .filter(|field| fields.contains_key(*field))
            .collect();
        let [field] = named[..] else {
            return Err(refusal(
                named.get(1).copied().unwrap_or("path"),
                "a measurement is about one path, one service or one region",
                "give exactly one of `path`, `service` and `region`",
            ));
        };
        let name = text(fields, field)?;
        let of = |names: &[String]| -> Vec<u16> {
            (0u16..).zip(names).filter(|(_, it)| *it == name).map(|(nth, _)| nth).collect()
        };
        let (subjects, known): (Vec<Subject>, &[String]) = match field {
            "service" => (
                of(&self.services)
                    .into_iter()
                    .map(|nth| Subject::Service(ServiceId(nth)))
                    .collect(),
                &self.services,
            ),
            _ => {
                let names = if field == "path" { &self.paths } else { &self.regions };
                (of(names).into_iter().map(|nth| Subject::Path(PathId(nth))).collect(), names)
            }
        };
        if subjects.is_empty() {
            let mut known: Vec<&str> = known.iter().map(String::as_str).collect();
            known.dedup();
            return Err(refusal(
                field,
                format!("no {field} is called `{name}`"),
                format!("known are: {}", known.join(", ")),
            ));
        }
        Ok(subjects)
    }
}

/// What a line says, of each path that it is about.
///
/// # Errors
///
/// If it is no good: what is wrong with which field.
pub fn read(line: &[u8], names: &Names) -> Result<Vec<Report>, Refusal> {
    let object = "write {\"path\": \"east\", \"source\": \"phone-7\", \"class\": \"voice\", \
                  \"mos\": 4.1, \"valid_for\": \"30s\"}";
    let value: Value = serde_json::from_slice(line)
        .map_err(|error| refusal("", format!("the line is no JSON object: {error}"), object))?;
    let Value::Object(fields) = value else {
        return Err(refusal("", "the line is JSON, but no object", object));
    };
    if let Some(unknown) = fields.keys().find(|field| !FIELDS.contains(&field.as_str())) {
        let known = format!("known are: {}", FIELDS.join(", "));
        return Err(refusal(unknown, format!("there is no field `{unknown}`"), known));
    }
    let milliseconds = |field| {
        number(&fields, field, 0.0, 60_000.0)
            .map(|ms| ms.map(|ms| Duration::from_nanos((ms * 1e6) as u64)))
    };
    let report = Report {
        on: Subject::Path(PathId(0)),
        source: source(&fields)?,
        class: class(&fields)?,
        delay: milliseconds("delay_ms")?,
        jitter: milliseconds("jitter_ms")?,
        loss_ppm: number(&fields, "loss_pct", 0.0, 100.0)?.map(|loss| (loss * 1e4) as u32),
        mos: number(&fields, "mos", 1.0, 5.0)?,
        valid_for: valid_for(&fields)?,
    };
    if report.delay.is_none()
        && report.jitter.is_none()
        && report.loss_ppm.is_none()
        && report.mos.is_none()
    {
        return Err(refusal(
            "mos",
            "nothing was measured",
            "give at least one of `delay_ms`, `jitter_ms`, `loss_pct` and `mos`",
        ));
    }
    let subjects = names.subjects(&fields)?;
    Ok(subjects.into_iter().map(|on| Report { on, ..report.clone() }).collect())
}

fn text<'f>(fields: &'f Map<String, Value>, field: &str) -> Result<&'f str, Refusal> {
    match fields.get(field) {
        Some(Value::String(text)) => Ok(text),
        Some(_) => Err(refusal(field, format!("`{field}` is no text"), "write it in quotes")),
        None => Err(refusal(
            field,
            format!("`{field}` is missing"),
            format!("add \"{field}\": \"...\""),
        )),
    }
}

fn source(fields: &Map<String, Value>) -> Result<String, Refusal> {
    let source = text(fields, "source")?;
    let sound = (1..=SOURCE_MAX).contains(&source.len()) && !source.chars().any(char::is_control);
    if !sound {
        return Err(refusal(
            "source",
            "this cannot be the name of a source",
            format!("use 1 to {SOURCE_MAX} octets without control characters"),
        ));
    }
    Ok(source.to_owned())
}

fn class(fields: &Map<String, Value>) -> Result<Class, Refusal> {
    let name = text(fields, "class")?;
    Class::ALL.into_iter().find(|class| class.name() == name).ok_or_else(|| {
        refusal(
            "class",
            format!("no class is called `{name}`"),
            "write \"voice\", \"interactive\" or \"bulk\"",
        )
    })
}

fn valid_for(fields: &Map<String, Value>) -> Result<Duration, Refusal> {
    let text = text(fields, "valid_for")?;
    parse_duration(text)
        .filter(|valid| (Duration::from_millis(100)..=VALID_MAX).contains(valid))
        .ok_or_else(|| {
            let error = format!("`{text}` is no time that a measurement could hold");
            refusal("valid_for", error, "write a time from \"100ms\" to \"1h\", such as \"30s\"")
        })
}

fn number(
    fields: &Map<String, Value>,
    field: &str,
    least: f64,
    most: f64,
) -> Result<Option<f64>, Refusal> {
    let Some(value) = fields.get(field).filter(|value| !value.is_null()) else { return Ok(None) };
    match value.as_f64().filter(|number| (least..=most).contains(number)) {
        Some(number) => Ok(Some(number)),
        None => Err(refusal(
            field,
            format!("`{field}` is out of range"),
            format!("write a number from {least} to {most}, or leave it out"),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Names {
        let of = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Names { paths: of(&["east", "west"]), regions: of(&["r1", "r1"]), services: of(&["voice"]) }
    }

    fn refused(line: &str) -> (String, String) {
        let refusal = read(line.as_bytes(), &names()).unwrap_err();
        assert!(!refusal.remedy.is_empty());
        (refusal.field, refusal.error)
    }

    #[test]
    fn a_region_is_all_of_its_paths_and_a_service_is_whatever_carries_it() {
        let line =
            br#"{"region":"r1","source":"a","class":"bulk","loss_pct":1.5,"valid_for":"30s"}"#;
        let reports = read(line, &names()).unwrap();
        let on: Vec<Subject> = reports.iter().map(|report| report.on).collect();
        assert_eq!(on, [Subject::Path(PathId(0)), Subject::Path(PathId(1))]);
        assert_eq!((reports[0].loss_ppm, reports[0].class), (Some(15_000), Class::Bulk));
        let line = br#"{"service":"voice","source":"a","class":"voice","mos":4,"valid_for":"1m"}"#;
        assert_eq!(read(line, &names()).unwrap()[0].on, Subject::Service(ServiceId(0)));
    }

    #[test]
    fn each_mistake_names_its_field() {
        let with = |fields: &str| {
            format!(
                r#"{{"path":"east","source":"a","class":"voice","mos":4,"valid_for":"9s"{fields}}}"#
            )
        };
        assert!(read(with("").as_bytes(), &names()).is_ok());
        for (line, field) in [
            (with(r#","jitter":3"#), "jitter"),
            (with(r#","jitter_ms":-1"#), "jitter_ms"),
            (with(r#","loss_pct":101"#), "loss_pct"),
            (with(r#","delay_ms":"5""#), "delay_ms"),
            (with(r#","service":"voice""#), "service"),
            (with("").replace("east", "north"), "path"),
            (with("").replace("\"path\"", "\"region\""), "region"),
            (with("").replace("9s", "2h"), "valid_for"),
            (with("").replace("\"9s\"", "9"), "valid_for"),
            (with("").replace("4", "6"), "mos"),
            (with("").replace("\"mos\":4,", ""), "mos"),
            (with("").replace("\"class\":\"voice\",", ""), "class"),
            (with("").replace("\"a\"", "\"\""), "source"),
            ("[1]".to_owned(), ""),
            ("{".to_owned(), ""),
        ] {
            assert_eq!(refused(&line).0, field, "{line}");
        }
    }
}
