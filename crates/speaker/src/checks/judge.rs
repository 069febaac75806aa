//! When single answers become a state.

/// Whether an instance counts as healthy: the first answer decides, then `fall` failures or `rise`
/// successes in a row.
pub(super) struct Judge {
    fall: u8,
    rise: u8,
    healthy: Option<bool>,
    /// Answers in a row against the state.
    against: u8,
}

impl Judge {
    pub(super) fn new(fall: u8, rise: u8) -> Self {
        Self { fall, rise, healthy: None, against: 0 }
    }

    /// Takes one answer; returns the state and whether it is new.
    pub(super) fn hear(&mut self, ok: bool) -> (bool, bool) {
        let Some(healthy) = self.healthy else {
            self.healthy = Some(ok);
            return (ok, true);
        };
        if ok == healthy {
            self.against = 0;
            return (healthy, false);
        }
        self.against = self.against.saturating_add(1);
        let needed = if healthy { self.fall } else { self.rise };
        if self.against < needed {
            return (healthy, false);
        }
        self.healthy = Some(ok);
        self.against = 0;
        (ok, true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a judge with fall 2 and rise 3 makes of answers written as `+` and `-`:
    /// its states likewise, in capitals of their own: `U` and `D` where they are new.
    fn states(answers: &str) -> String {
        let mut judge = Judge::new(2, 3);
        let told = answers.chars().map(|answer| match judge.hear(answer == '+') {
            (true, true) => 'U',
            (false, true) => 'D',
            (true, false) => '+',
            (false, false) => '-',
        });
        told.collect()
    }

    #[test]
    fn the_first_answer_decides_at_once() {
        assert_eq!(states("+"), "U");
        assert_eq!(states("-"), "D");
    }

    #[test]
    fn it_falls_after_two_failures_and_rises_after_three_successes() {
        assert_eq!(states("+--+++"), "U+D--U");
    }

    #[test]
    fn single_answers_against_the_state_change_nothing() {
        assert_eq!(states("+-+-+-+"), "U++++++");
        assert_eq!(states("-++-++-"), "D------");
    }

    #[test]
    fn a_threshold_of_one_or_zero_follows_every_answer() {
        for threshold in [0, 1] {
            let mut judge = Judge::new(threshold, threshold);
            let told: Vec<_> = [true, false, true].map(|ok| judge.hear(ok)).into();
            assert_eq!(told, [(true, true), (false, true), (true, true)]);
        }
    }
}
