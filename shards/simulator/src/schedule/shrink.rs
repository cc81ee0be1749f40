//! The smallest part of a schedule that still fails.

use super::selection::Schedule;
use super::step::{CLIENTS, Draw};

/// Leaves out steps as long as `fails` holds: all of a client, all of a kind, then runs of steps, ever shorter.
pub fn shrink(schedule: &Schedule, mut fails: impl FnMut(&Schedule) -> bool) -> Schedule {
    let seed = schedule.seed;
    let mut smallest = schedule.clone();
    let mut try_without = |smallest: &mut Schedule, leaves_out: &dyn Fn(usize, u32) -> bool| {
        let kept = (0..)
            .zip(&smallest.steps)
            .filter(|(place, step)| !leaves_out(*place, **step));
        let steps: Vec<u32> = kept.map(|(_, step)| *step).collect();
        let part = Schedule { seed, steps };
        let fewer = part.steps.len() < smallest.steps.len() && fails(&part);
        if fewer {
            *smallest = part;
        }
        fewer
    };
    for client in 0..CLIENTS {
        try_without(&mut smallest, &|_, step| Draw::new(seed, step).client == client);
    }
    let mut kinds: Vec<_> = schedule.kinds().map(|(_, kind)| kind).collect();
    kinds.sort_unstable();
    kinds.dedup();
    for kind in kinds {
        try_without(&mut smallest, &|_, step| Draw::new(seed, step).kind == kind);
    }
    let mut length = smallest.steps.len().div_ceil(2);
    while length > 0 {
        let mut from = 0;
        let mut any = false;
        while from < smallest.steps.len() {
            if try_without(&mut smallest, &|place, _| (from..from + length).contains(&place)) {
                any = true;
            } else {
                from += length;
            }
        }
        // At length 1 it goes on until no step can be spared.
        length = if length == 1 && any { 1 } else { length / 2 };
    }
    smallest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_matter_is_left_out() {
        let needed = [17, 18, 90];
        let fails = |part: &Schedule| needed.iter().all(|step| part.steps.contains(step));
        assert_eq!(shrink(&Schedule::of(1), fails).steps, needed);
    }
}
