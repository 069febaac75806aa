//! Candidates made by hand.

#![allow(dead_code, reason = "each test binary uses its part")]

use pathvane_clock::Instant;
use pathvane_score::{
    Candidate, Class, ClassScore, Compliance, Grade, PathId, Reasons, State, Verdict,
};

pub(crate) fn s(secs: u64) -> Instant {
    Instant::from_secs(secs)
}

/// A path that is up, keeps every limit and scores `value`, known within a point.
pub(crate) fn path(id: u32, value: f64) -> Candidate {
    let verdict = Verdict { state: State::Up, grade: Grade::A, ..Verdict::unknown(s(0)) };
    let score = ClassScore {
        value,
        lcb: value - 0.5,
        ucb: value + 0.5,
        grade: Grade::of(value),
        compliance: Compliance::Complies,
        ..ClassScore::unknown(Class::Voice)
    };
    Candidate {
        path: PathId(id),
        verdict,
        score,
        shared_risk: 0,
        instances: (0, 0),
        utilisation: None,
        load: None,
        weight: 1.0,
        cost: 0.0,
    }
}

pub(crate) fn state(mut candidate: Candidate, state: State, reasons: Reasons) -> Candidate {
    candidate.verdict.state = state;
    candidate.verdict.reasons = reasons;
    candidate
}

pub(crate) fn down(candidate: Candidate) -> Candidate {
    state(candidate, State::Down, Reasons::SILENCE)
}

pub(crate) fn violating(mut candidate: Candidate) -> Candidate {
    candidate.score.compliance = Compliance::Violates;
    candidate.score.violations.loss = true;
    candidate
}
