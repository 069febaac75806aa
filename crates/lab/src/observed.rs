//! How things stand, folded from what was seen.

use crate::seen::{PathIndex, What};

/// The state of the network as the lab knows it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Observed {
    /// The speaker's verdict on each path.
    pub verdicts: Vec<Option<String>>,
    /// Whether each router's session is Established.
    pub sessions: Vec<bool>,
    /// The path of voice from the site.
    pub forward: Option<PathIndex>,
    /// The routers that the VPC uses.
    pub routers: Vec<PathIndex>,
}

impl Observed {
    /// Nothing known yet about `paths` paths.
    pub fn new(paths: usize) -> Self {
        Self {
            verdicts: vec![None; paths],
            sessions: vec![false; paths],
            forward: None,
            routers: Vec::new(),
        }
    }

    /// Takes one thing seen.
    pub fn take(&mut self, what: &What) {
        match what {
            What::Verdict { path, to, .. } => {
                if let Some(verdict) = self.verdicts.get_mut(*path) {
                    *verdict = Some(to.clone());
                }
            }
            What::Session { router, up, .. } => {
                if let Some(session) = self.sessions.get_mut(*router) {
                    *session = *up;
                }
            }
            What::Forward { path } => self.forward = Some(*path),
            What::Return { routers } => self.routers.clone_from(routers),
            _ => {}
        }
    }

    /// What keeps this from being the state in which nothing is wrong: every path up, every
    /// session Established, both directions on the first path.
    pub fn unready(&self) -> Vec<String> {
        let mut reasons = Vec::new();
        for (index, verdict) in self.verdicts.iter().enumerate() {
            if verdict.as_deref() != Some("up") {
                let state = verdict.as_deref().unwrap_or("not judged");
                reasons.push(format!("path {} is {state}", index + 1));
            }
        }
        for (index, up) in self.sessions.iter().enumerate() {
            if !up {
                reasons.push(format!("session {} is not Established", index + 1));
            }
        }
        if self.forward != Some(0) {
            reasons.push("voice from the site is not on the first path".to_owned());
        }
        if self.routers != [0] {
            reasons.push("the VPC does not use the first router alone".to_owned());
        }
        reasons
    }
}

#[cfg(test)]
mod tests {
    use pathvane_clock::Instant;

    use super::*;

    #[test]
    fn it_is_ready_when_all_of_it_is() {
        let mut observed = Observed::new(2);
        assert_eq!(observed.unready().len(), 6);
        for index in 0..2 {
            observed.take(&What::Verdict {
                path: index,
                from: "init".into(),
                to: "up".into(),
                evidence: String::new(),
                detected_at: Instant::ZERO,
            });
            observed.take(&What::Session { router: index, up: true, detail: String::new() });
        }
        observed.take(&What::Forward { path: 0 });
        assert_eq!(observed.unready(), vec!["the VPC does not use the first router alone"]);
        observed.take(&What::Return { routers: vec![0, 1] });
        assert_eq!(observed.unready().len(), 1);
        observed.take(&What::Return { routers: vec![0] });
        assert!(observed.unready().is_empty());
    }
}
