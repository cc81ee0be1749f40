//! A seed, and which of its steps are played.

use super::step::{Draw, Kind, STEPS};
use std::fmt;

/// The variable that names the steps to play.
const VARIABLE: &str = "SIM_STEPS";

/// A seed, and which of its steps are played.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    /// Everything is drawn from it.
    pub seed: u64,
    /// Numbers of steps, in order.
    pub steps: Vec<u32>,
}

impl Schedule {
    /// All steps of a seed.
    #[must_use]
    pub fn of(seed: u64) -> Self {
        let steps = (0..STEPS).collect();
        Self { seed, steps }
    }

    /// The steps that `SIM_STEPS` names, as in `3,7-12`; without it all.
    ///
    /// # Panics
    /// If it names something else.
    #[must_use]
    pub fn replayed(seed: u64) -> Self {
        let Ok(text) = std::env::var(VARIABLE) else {
            return Self::of(seed);
        };
        let range = |part: &str| {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let number = |text: &str| text.parse::<u32>().expect("SIM_STEPS is as in 3,7-12");
            number(first)..=number(last)
        };
        let steps = text
            .split(',')
            .filter(|part| !part.is_empty())
            .flat_map(range)
            .collect();
        Self { seed, steps }
    }

    /// What each step is.
    pub fn kinds(&self) -> impl Iterator<Item = (u32, Kind)> {
        self.steps.iter().map(|step| (*step, Draw::new(self.seed, *step).kind))
    }

    /// The command that plays it again.
    #[must_use]
    pub fn command(&self) -> String {
        let seed = self.seed;
        let steps = format!("{VARIABLE}={self} ");
        let steps = if *self == Self::of(seed) { "" } else { &steps };
        format!(
            "SIM_SEED={seed} {steps}cargo test -p signal-fish-simulator --test the_ledger_explains_every_difference"
        )
    }
}

/// The steps as `SIM_STEPS` names them.
impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = &self.steps[..];
        while let [first, ..] = rest {
            let run = (0..)
                .zip(rest)
                .take_while(|(place, step)| first + place == **step)
                .count();
            if rest.len() < self.steps.len() {
                f.write_str(",")?;
            }
            match run {
                1 => write!(f, "{first}")?,
                _ => write!(f, "{first}-{}", rest[run - 1])?,
            }
            rest = &rest[run..];
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Schedule;

    #[test]
    fn steps_are_named_as_ranges() {
        let named = |steps: &[u32]| {
            let steps = steps.to_vec();
            Schedule { seed: 1, steps }.to_string()
        };
        assert_eq!(named(&[3, 7, 8, 9, 12]), "3,7-9,12");
        assert_eq!(named(&[]), "");
        assert_eq!(Schedule::of(1).to_string(), "0-119");
    }
}
