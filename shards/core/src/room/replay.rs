//! What a room keeps for players who come back.

use std::collections::VecDeque;

/// Memory that a broadcast takes besides its text: its place among the others, which may be half unused, and what the
/// allocator adds.
const EVENT_BYTES: usize = 64;

/// The newest broadcasts of a room, for players who come back (D20, D37).
#[derive(Debug, Clone)]
pub struct Replay {
    events_max: usize,
    bytes_max: usize,
    /// Each with its position.
    events: VecDeque<(u64, Box<str>)>,
    bytes: usize,
    /// Position of the next broadcast; positions count every broadcast that was ever offered.
    next: u64,
}

impl Replay {
    /// Keeps at most `events_max` broadcasts of at most `bytes_max` bytes together.
    #[must_use]
    pub fn new(events_max: usize, bytes_max: usize) -> Self {
        Self {
            events_max,
            bytes_max,
            events: VecDeque::new(),
            bytes: 0,
            next: 0,
        }
    }

    /// Keeps a broadcast. Returns whether it is kept. One that the whole buffer could not hold is left out and evicts nothing.
    pub fn record(&mut self, text: &[u8]) -> bool {
        let position = self.next;
        self.next += 1;
        if self.events_max == 0 || text.len() > self.bytes_max {
            return false;
        }
        // Broadcasts are JSON that this server wrote; anything else could not be part of a message.
        let Ok(text) = std::str::from_utf8(text) else {
            return false;
        };
        self.bytes += text.len();
        self.events.push_back((position, text.into()));
        while (self.events.len() > self.events_max || self.bytes > self.bytes_max) && self.forget_oldest() {}
        true
    }

    /// Lets go of the oldest broadcast. Returns whether there was one.
    pub fn forget_oldest(&mut self) -> bool {
        let Some((_, oldest)) = self.events.pop_front() else {
            return false;
        };
        self.bytes -= oldest.len();
        true
    }

    /// Bytes of memory that are taken.
    #[must_use]
    pub fn memory(&self) -> usize {
        self.bytes + self.events.len() * EVENT_BYTES
    }

    /// Position of the next broadcast.
    #[must_use]
    pub fn next_position(&self) -> u64 {
        self.next
    }

    /// Broadcasts since `position`, oldest first, as far as they were kept.
    pub fn since(&self, position: u64) -> impl Iterator<Item = &str> {
        let skipped = self.events.partition_point(|(at, _)| *at < position);
        self.events.iter().skip(skipped).map(|(_, event)| &**event)
    }

    /// Nobody can return any more: nothing is kept. Positions go on.
    pub fn forget(&mut self) {
        self.events = VecDeque::new();
        self.bytes = 0;
    }

    /// Broadcasts that are kept.
    #[must_use]
    pub fn len(&self) -> usize {
        self.events.len()
    }

    /// Whether nothing is kept.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// Bytes that are kept.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::Replay;

    fn kept(replay: &Replay, since: u64) -> Vec<&str> {
        replay.since(since).collect()
    }

    #[test]
    fn the_newest_events_are_kept() {
        let mut replay = Replay::new(2, 100);
        for event in ["1", "2", "3"] {
            replay.record(event.as_bytes());
        }
        assert_eq!(kept(&replay, 0), ["2", "3"]);
        assert_eq!(kept(&replay, 2), ["3"]);
        assert_eq!(kept(&replay, 3), [""; 0]);
    }

    #[test]
    fn bytes_are_bounded_too() {
        let mut replay = Replay::new(100, 5);
        replay.record(b"123");
        replay.record(b"456");
        assert_eq!((kept(&replay, 0), replay.bytes()), (vec!["456"], 3));
        assert!(!replay.record(b"123456"));
        assert_eq!((kept(&replay, 0), replay.bytes()), (vec!["456"], 3));
        assert!(replay.record(b"12345"));
        assert_eq!((kept(&replay, 0), replay.bytes()), (vec!["12345"], 5));
    }

    #[test]
    fn positions_count_what_is_left_out_too() {
        let mut replay = Replay::new(100, 5);
        replay.record(b"1");
        let first = replay.next_position();
        replay.record(b"too long");
        let second = replay.next_position();
        replay.record(b"2");
        assert_eq!((first, second, replay.next_position()), (1, 2, 3));
        assert_eq!(kept(&replay, 0), ["1", "2"]);
        assert_eq!(kept(&replay, first), ["2"]);
        assert_eq!(kept(&replay, second), ["2"]);
        assert_eq!(kept(&replay, 3), [""; 0]);
    }

    #[test]
    fn a_buffer_for_no_events_keeps_none() {
        let mut replay = Replay::new(0, 100);
        assert!(!replay.record(b"1"));
        assert_eq!((replay.len(), replay.bytes(), replay.next_position()), (0, 0, 1));
    }

    #[test]
    fn positions_go_on_after_forgetting() {
        let mut replay = Replay::new(10, 100);
        replay.record(b"old");
        replay.forget();
        let here = replay.next_position();
        replay.record(b"new");
        assert_eq!(kept(&replay, here), ["new"]);
    }
}
