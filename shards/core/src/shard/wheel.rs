//! Deadlines of connections: a hierarchical timer wheel. A deadline costs when it is set and when it fires; neither depends
//! on how many there are.

use std::time::Duration;

/// Length of a tick: the resolution of every deadline, in nanoseconds.
const TICK_NANOS: u128 = 16_000_000;
/// Slots of a level, as a power of two: a word of bits tells which are in use.
const DIGIT_BITS: u32 = 6;
const DIGITS: usize = 1 << DIGIT_BITS;
/// Levels. The last one reaches 74 hours; what is due later is looked at then and put back.
const LEVELS: u8 = 4;
/// No node, and the place of a node that waits for nothing.
const NONE: u32 = u32::MAX;

/// Keys that wait for a time, at most one time each. Keys are small numbers: places in a table.
#[derive(Debug)]
pub(super) struct Wheel {
    /// The tick that has passed.
    now: u64,
    levels: [Level; LEVELS as usize],
    nodes: Vec<Node>,
}

#[derive(Debug, Clone, Copy)]
struct Level {
    /// A bit for each list that is not empty.
    occupied: u64,
    /// First node of each list.
    heads: [u32; DIGITS],
}

#[derive(Debug, Clone, Copy)]
struct Node {
    /// Tick at which it is due.
    at: u64,
    next: u32,
    previous: u32,
    /// Level and list it is in.
    place: Option<(u8, u8)>,
}

const FREE: Node = Node {
    at: 0,
    next: NONE,
    previous: NONE,
    place: None,
};

impl Wheel {
    pub(super) fn new(now: Duration) -> Self {
        let level = Level {
            occupied: 0,
            heads: [NONE; DIGITS],
        };
        Self {
            now: passed(now),
            levels: [level; LEVELS as usize],
            nodes: Vec::new(),
        }
    }

    /// Makes `key` due at `at`, unless it is due earlier anyway.
    pub(super) fn arm(&mut self, key: u32, at: Duration) {
        let at = due(at).max(self.now + 1);
        let index = key as usize;
        if self.nodes.len() <= index {
            self.nodes.resize(index + 1, FREE);
        }
        match self.nodes.get(index) {
            Some(node) if node.place.is_none() || node.at > at => {
                self.disarm(key);
                self.insert(key, at);
            }
            _ => {}
        }
    }

    /// Makes `key` wait for nothing.
    pub(super) fn disarm(&mut self, key: u32) {
        let Some(node) = self.nodes.get_mut(key as usize) else {
            return;
        };
        let Some((level, digit)) = node.place.take() else {
            return;
        };
        let (previous, next) = (node.previous, node.next);
        if let Some(next) = self.nodes.get_mut(next as usize) {
            next.previous = previous;
        }
        if let Some(previous) = self.nodes.get_mut(previous as usize) {
            previous.next = next;
            return;
        }
        let level = &mut self.levels[usize::from(level)];
        level.heads[usize::from(digit)] = next;
        if next == NONE {
            level.occupied &= !(1 << digit);
        }
    }

    /// Whether `key` fires no later than at the first tick that `at` allows.
    pub(super) fn is_armed(&self, key: u32, at: Duration) -> bool {
        let node = self.nodes.get(key as usize);
        node.is_some_and(|node| node.place.is_some() && node.at <= due(at).max(self.now + 1))
    }

    /// When [`Self::advance`] has something to do at the earliest.
    pub(super) fn next(&self) -> Option<Duration> {
        let (tick, ..) = self.next_list()?;
        // Ticks come from durations, so this fits again.
        let nanos = u128::from(tick) * TICK_NANOS;
        Some(Duration::from_nanos_u128(nanos.min(Duration::MAX.as_nanos())))
    }

    /// Moves on to `now` and appends the keys that have become due to `fired`; they wait for nothing any more.
    pub(super) fn advance(&mut self, now: Duration, fired: &mut Vec<u32>) {
        let to = passed(now);
        while let Some((tick, level, digit)) = self.next_list().filter(|(tick, ..)| *tick <= to) {
            self.now = tick;
            let list = &mut self.levels[level];
            list.occupied &= !(1 << digit);
            let mut key = std::mem::replace(&mut list.heads[digit], NONE);
            while let Some(node) = self.nodes.get_mut(key as usize) {
                let (at, next) = (node.at, node.next);
                node.place = None;
                if at <= tick {
                    fired.push(key);
                } else {
                    self.insert(key, at);
                }
                key = next;
            }
        }
        self.now = self.now.max(to);
    }

    /// Puts a node that is in no list where it belongs.
    fn insert(&mut self, key: u32, at: u64) {
        // The highest digit in which it differs from now names the level.
        let differing = at ^ self.now;
        let level = (1..LEVELS)
            .rev()
            .find(|level| differing >> bits(*level) != 0)
            .unwrap_or(0);
        // What is too far away for the last level waits there for almost a lap.
        let shown = at.min(self.now + (1 << bits(LEVELS)) - 1);
        let digit = digit(shown, level);
        let list = &mut self.levels[usize::from(level)];
        let head = std::mem::replace(&mut list.heads[usize::from(digit)], key);
        list.occupied |= 1 << digit;
        if let Some(head) = self.nodes.get_mut(head as usize) {
            head.previous = key;
        }
        if let Some(node) = self.nodes.get_mut(key as usize) {
            *node = Node {
                at,
                next: head,
                previous: NONE,
                place: Some((level, digit)),
            };
        }
    }

    /// The next list that has to be looked at: when, and which. Lists of a lower level come before those of a higher one.
    fn next_list(&self) -> Option<(u64, usize, usize)> {
        (0..).zip(&self.levels).find_map(|(number, level)| {
            if level.occupied == 0 {
                return None;
            }
            let here = u32::from(digit(self.now, number));
            let ahead = level.occupied.rotate_right(here).trailing_zeros();
            let start = (self.now >> bits(number)) + u64::from(ahead);
            let list = (here + ahead) as usize % DIGITS;
            Some((start << bits(number), usize::from(number), list))
        })
    }
}

/// The digit of `tick` that a level sorts by.
fn digit(tick: u64, level: u8) -> u8 {
    const MASK: u8 = (1 << DIGIT_BITS) - 1;
    let [lowest, ..] = (tick >> bits(level)).to_le_bytes();
    lowest & MASK
}

/// Bits of a tick below those that a level sorts by.
fn bits(level: u8) -> u32 {
    DIGIT_BITS * u32::from(level)
}

/// The last tick that is over.
fn passed(time: Duration) -> u64 {
    u64::try_from(time.as_nanos() / TICK_NANOS).unwrap_or(u64::MAX / 2)
}

/// The first tick that is not before `time`.
fn due(time: Duration) -> u64 {
    u64::try_from(time.as_nanos().div_ceil(TICK_NANOS)).unwrap_or(u64::MAX / 2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn nothing_fires_before_its_time_and_everything_at_it() {
        for at in [0, 1, 16, 17, 1_000, 1_024, 65_536, 100_000, 4_194_304, 500_000_000] {
            let mut wheel = Wheel::new(ms(0));
            let mut fired = Vec::new();
            wheel.arm(3, ms(at));
            wheel.advance(ms(at.saturating_sub(1)), &mut fired);
            assert!(fired.is_empty(), "{at}");
            wheel.advance(ms(at + 16), &mut fired);
            assert_eq!(fired, [3], "{at}");
            assert_eq!(wheel.next(), None);
        }
    }

    #[test]
    fn an_earlier_time_wins_and_a_later_one_changes_nothing() {
        let mut wheel = Wheel::new(ms(0));
        let mut fired = Vec::new();
        wheel.arm(0, ms(5_000));
        wheel.arm(0, ms(9_000));
        wheel.arm(0, ms(100));
        wheel.advance(ms(120), &mut fired);
        assert_eq!(fired, [0]);
        wheel.advance(ms(20_000), &mut fired);
        assert_eq!(fired, [0]);
    }

    #[test]
    fn times_that_are_too_far_away_are_put_back() {
        let mut wheel = Wheel::new(ms(0));
        let mut fired = Vec::new();
        let week = Duration::from_secs(7 * 24 * 3600);
        wheel.arm(9, week);
        while let Some(next) = wheel.next().filter(|next| *next < week) {
            wheel.advance(next, &mut fired);
            assert!(fired.is_empty());
        }
        wheel.advance(week + ms(16), &mut fired);
        assert_eq!(fired, [9]);
        wheel.arm(9, Duration::MAX);
        assert!(wheel.next().is_some());
    }

    #[derive(Debug, Clone)]
    enum Step {
        Arm(u32, u64),
        Disarm(u32),
        Advance(u64),
        Jump,
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let after = prop_oneof![0..40_u64, 0..3_000_u64, 0..200_000_u64, 0..1_000_000_000_u64];
        let step = prop_oneof![
            4 => (0..12_u32, after.clone()).prop_map(|(key, after)| Step::Arm(key, after)),
            1 => (0..12_u32).prop_map(Step::Disarm),
            2 => after.prop_map(Step::Advance),
            2 => Just(Step::Jump),
        ];
        prop::collection::vec(step, 0..120)
    }

    proptest! {
        #[test]
        fn it_does_what_a_sorted_map_does(steps in steps(), start in 0..10_000_000_u64) {
            let mut now = start;
            let mut wheel = Wheel::new(ms(now));
            let mut model: BTreeMap<u32, u64> = BTreeMap::new();
            for step in steps {
                match step {
                    Step::Arm(key, after) => {
                        wheel.arm(key, ms(now + after));
                        // A time that has passed is due at the next tick.
                        let at = due(ms(now + after)).max(passed(ms(now)) + 1);
                        let earliest = model.entry(key).or_insert(at);
                        *earliest = at.min(*earliest);
                        continue;
                    }
                    Step::Disarm(key) => {
                        wheel.disarm(key);
                        model.remove(&key);
                        continue;
                    }
                    Step::Advance(by) => now += by,
                    Step::Jump => {
                        let Some(next) = wheel.next() else {
                            prop_assert!(model.is_empty());
                            continue;
                        };
                        let earliest = model.values().min().copied().unwrap_or_default();
                        prop_assert!(passed(next) <= earliest, "{next:?} {earliest}");
                        now = now.max(u64::try_from(next.as_millis()).unwrap());
                    }
                }
                let mut fired = Vec::new();
                wheel.advance(ms(now), &mut fired);
                fired.sort_unstable();
                let due: Vec<u32> = model.iter().filter(|(_, at)| **at <= passed(ms(now))).map(|(key, _)| *key).collect();
                model.retain(|key, _| !due.contains(key));
                prop_assert_eq!(fired, due);
            }
        }
    }
}
