//! What waits to be sent, one outbox per slot, and the pool that their memory comes from.

use super::largest::{Largest, class};
use crate::slot::Slot;
use crate::ws::frame_length;

/// The outboxes of one shard, by slot.
#[derive(Debug)]
pub struct Outboxes {
    places: Vec<Outbox>,
    pool: Pool,
    /// Slots with output that no flush has seen, in the order in which it was produced.
    fresh: Vec<Slot>,
    /// Open slots that hold more than they may.
    over: Vec<Slot>,
    largest: Largest,
    bounds: Bounds,
    /// Memory of all outboxes, in bytes.
    held: usize,
    messages: u64,
    /// Bytes of messages appended since the start.
    appended: u64,
    /// The largest message appended since [`Outboxes::take_largest_message`].
    largest_message: usize,
}

/// How much may wait to be sent (D26).
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// `websocket.max_outbound_bytes`: unsent bytes of one connection.
    pub bytes_max: usize,
    /// The shard's share of `websocket.max_outbound_total_bytes`: memory of all its outboxes.
    pub total_bytes_max: usize,
}

/// Outbound bytes of one connection, in order. Holds no memory while it is empty.
#[derive(Debug, Default)]
struct Outbox {
    bytes: Vec<u8>,
    sent: usize,
    /// Bytes at the front that are no whole frames: an HTTP answer, or the end of a frame that is partly sent.
    unframed: usize,
    /// Length of the newest message in bytes. A part of it may be sent already.
    newest: usize,
    generation: u32,
    /// Unsent bytes that it may hold (D26).
    bytes_max: usize,
    /// Whether messages are taken.
    open: bool,
    /// In [`Outboxes::fresh`], or on its way through a flush.
    fresh: bool,
    /// In [`Outboxes::over`].
    over: bool,
    /// The list of [`Largest`] that it is in; 0 is none.
    listed: u8,
}

impl Outboxes {
    /// An outbox with memory for so many bytes is not made smaller before it is empty.
    pub const SMALL_BYTES: usize = 4096;

    /// No outbox yet.
    #[must_use]
    pub fn new(bounds: Bounds) -> Self {
        Self {
            places: Vec::new(),
            pool: Pool::default(),
            fresh: Vec::new(),
            over: Vec::new(),
            largest: Largest::default(),
            bounds,
            held: 0,
            messages: 0,
            appended: 0,
            largest_message: 0,
        }
    }

    /// Messages appended since the start.
    #[must_use]
    pub fn messages(&self) -> u64 {
        self.messages
    }

    /// Bytes of messages appended since the start.
    pub(crate) fn appended(&self) -> u64 {
        self.appended
    }

    /// Size in bytes of the largest message appended since the last call.
    pub(crate) fn take_largest_message(&mut self) -> usize {
        std::mem::take(&mut self.largest_message)
    }

    /// Memory of all outboxes, in bytes. Nearly empty ones may be as large as [`Self::SMALL_BYTES`] or four times what is in
    /// them.
    #[must_use]
    pub fn held(&self) -> usize {
        self.held
    }

    /// Appends a message as its encoded frame, if the slot takes messages. This is the step that a relayed message takes
    /// once per recipient: one look at the slot, one copy.
    pub fn append(&mut self, to: Slot, frame: &[u8]) {
        let Some(outbox) = find(&mut self.places, to).filter(|outbox| outbox.open) else {
            return;
        };
        self.messages += 1;
        self.appended += frame.len() as u64;
        self.largest_message = self.largest_message.max(frame.len());
        let before = outbox.bytes.capacity();
        outbox.tail(&mut self.pool).extend_from_slice(frame);
        self.held = self.held - before + outbox.bytes.capacity();
        outbox.newest = frame.len();
        if outbox.note(to, &mut self.fresh, &mut self.over) {
            self.list(to);
        }
    }

    /// Appends a control frame, if the slot takes messages. It counts towards the bound as a message does.
    pub(crate) fn append_control(&mut self, to: Slot, write: impl FnOnce(&mut Vec<u8>)) {
        let Some(outbox) = find(&mut self.places, to).filter(|outbox| outbox.open) else {
            return;
        };
        let held = outbox.bytes.capacity();
        let tail = outbox.tail(&mut self.pool);
        let before = tail.len();
        write(tail);
        outbox.newest = outbox.bytes.len() - before;
        self.held = self.held - held + outbox.bytes.capacity();
        if outbox.note(to, &mut self.fresh, &mut self.over) {
            self.list(to);
        }
    }

    /// Appends bytes that belong to no message: an HTTP answer, a close frame. `write` gets the end of the outbox.
    pub(crate) fn append_with(&mut self, to: Slot, write: impl FnOnce(&mut Vec<u8>)) {
        let Some(outbox) = find(&mut self.places, to) else {
            return;
        };
        let held = outbox.bytes.capacity();
        let tail = outbox.tail(&mut self.pool);
        let before = tail.len();
        write(tail);
        let more = outbox.bytes.len() - before;
        self.held = self.held - held + outbox.bytes.capacity();
        if before == outbox.unframed {
            outbox.unframed += more;
        }
        if !outbox.fresh {
            outbox.fresh = true;
            self.fresh.push(to);
        }
    }

    /// Gives a slot an empty outbox, which takes no messages yet.
    pub(crate) fn take_slot(&mut self, slot: Slot) {
        let index = slot.index as usize;
        if self.places.len() <= index {
            self.places.resize_with(index + 1, Outbox::default);
        }
        if let Some(outbox) = self.places.get_mut(index) {
            *outbox = Outbox {
                generation: slot.generation,
                bytes_max: self.bounds.bytes_max,
                ..Outbox::default()
            };
        }
    }

    /// Sets how many unsent bytes a slot may hold, where its protocol has a bound of its own.
    pub(crate) fn bound(&mut self, slot: Slot, bytes_max: usize) {
        if let Some(outbox) = find(&mut self.places, slot) {
            outbox.bytes_max = bytes_max;
        }
    }

    /// Takes messages from now on.
    pub(crate) fn open(&mut self, slot: Slot) {
        if let Some(outbox) = find(&mut self.places, slot) {
            outbox.open = true;
        }
    }

    /// Takes no messages any more. Returns whether it did.
    pub(crate) fn shut(&mut self, slot: Slot) -> bool {
        find(&mut self.places, slot).is_some_and(|outbox| std::mem::take(&mut outbox.open))
    }

    /// Empties the outbox; what was in it goes nowhere.
    pub(crate) fn clear(&mut self, slot: Slot) {
        if let Some(outbox) = find(&mut self.places, slot) {
            self.held -= outbox.bytes.capacity();
            self.pool.give_back(std::mem::take(&mut outbox.bytes));
            outbox.sent = 0;
            outbox.unframed = 0;
            outbox.open = false;
        }
    }

    /// What has to be sent next.
    pub(crate) fn unsent(&self, slot: Slot) -> &[u8] {
        match self.places.get(slot.index as usize) {
            Some(outbox) if outbox.generation == slot.generation => outbox.unsent(),
            _ => &[],
        }
    }

    /// `n` bytes of [`Self::unsent`] were sent.
    pub(crate) fn advance(&mut self, slot: Slot, n: usize) {
        if let Some(outbox) = find(&mut self.places, slot) {
            let held = outbox.bytes.capacity();
            outbox.sent += n;
            let unsent = outbox.bytes.len() - outbox.sent;
            if unsent == 0 {
                outbox.sent = 0;
                outbox.unframed = 0;
                self.held -= held;
                self.pool.give_back(std::mem::take(&mut outbox.bytes));
            } else if held > Self::SMALL_BYTES && unsent <= held / 4 {
                // Otherwise whoever reads all but the last byte would keep the memory of what it has read.
                outbox.compact();
                outbox.bytes.shrink_to((2 * unsent).max(Self::SMALL_BYTES));
                self.held = self.held - held + outbox.bytes.capacity();
            }
        }
    }

    /// Whether it holds more than it may: one message always fits, whatever its size (D26).
    pub(crate) fn is_over(&self, slot: Slot) -> bool {
        self.places.get(slot.index as usize).is_some_and(|outbox| {
            let unsent = outbox.unsent().len();
            outbox.generation == slot.generation && unsent > outbox.bytes_max && unsent > outbox.newest
        })
    }

    /// The next slot that passed its bound.
    pub(crate) fn next_over(&mut self) -> Option<Slot> {
        let slot = self.over.pop()?;
        if let Some(outbox) = find(&mut self.places, slot) {
            outbox.over = false;
        }
        Some(slot)
    }

    /// Whether all slots together hold more than they may.
    pub(crate) fn is_total_over(&self) -> bool {
        self.held > self.bounds.total_bytes_max
    }

    /// A slot with one of the largest outboxes: none holds twice as much.
    pub(crate) fn next_largest(&mut self) -> Option<Slot> {
        while let Some((slot, listed)) = self.largest.take() {
            let Some(outbox) = find(&mut self.places, slot).filter(|outbox| outbox.listed == listed) else {
                continue;
            };
            let now = class(outbox.unsent().len());
            outbox.listed = 0;
            if now == listed {
                return Some(slot);
            }
            self.list(slot);
        }
        None
    }

    /// Puts an outbox into the list for its size, if it is large enough for one.
    pub(crate) fn list(&mut self, slot: Slot) {
        let slots = self.places.len();
        let Some(outbox) = find(&mut self.places, slot) else {
            return;
        };
        let class = class(outbox.unsent().len());
        outbox.listed = class;
        if class > 0 {
            let places = &self.places;
            let is_there = |slot: Slot| {
                places
                    .get(slot.index as usize)
                    .is_some_and(|outbox| outbox.generation == slot.generation && outbox.listed == class)
            };
            self.largest.put(slot, class, is_there, slots);
        }
    }

    /// Moves the slots with fresh output behind those in `to`.
    pub(crate) fn take_fresh(&mut self, to: &mut std::collections::VecDeque<Slot>) {
        to.extend(self.fresh.drain(..));
    }

    /// Whether there is fresh output.
    pub(crate) fn has_fresh(&self) -> bool {
        !self.fresh.is_empty()
    }

    /// A flush has come to this slot: what is appended from now on is fresh again.
    pub(crate) fn seen(&mut self, slot: Slot) {
        if let Some(outbox) = find(&mut self.places, slot) {
            outbox.fresh = false;
        }
    }

    /// Drops everything behind the frame that is partly sent: its connection is closed as too slow, and what comes behind
    /// has to be a frame.
    pub(crate) fn cut(&mut self, slot: Slot) {
        if let Some(outbox) = find(&mut self.places, slot) {
            let end = outbox.frame_end().min(outbox.bytes.len());
            let held = outbox.bytes.capacity();
            outbox.bytes.truncate(end);
            outbox.bytes.drain(..outbox.sent);
            outbox.unframed = end - std::mem::take(&mut outbox.sent);
            outbox.bytes.shrink_to_fit();
            self.held = self.held - held + outbox.bytes.capacity();
        }
    }

    /// Takes the unsent bytes of a connection that moves; the outbox takes no messages any more.
    pub(crate) fn take_unsent(&mut self, slot: Slot) -> Vec<u8> {
        let Some(outbox) = find(&mut self.places, slot) else {
            return Vec::new();
        };
        outbox.open = false;
        self.held -= outbox.bytes.capacity();
        let mut bytes = std::mem::take(&mut outbox.bytes);
        bytes.drain(..std::mem::take(&mut outbox.sent));
        outbox.unframed = 0;
        bytes
    }
}

impl Outbox {
    /// Something was appended: remembers that it is new, and whether it is too much. Returns whether the outbox belongs
    /// into a list of larger ones now.
    fn note(&mut self, slot: Slot, fresh: &mut Vec<Slot>, over: &mut Vec<Slot>) -> bool {
        if !self.fresh {
            self.fresh = true;
            fresh.push(slot);
        }
        let unsent = self.bytes.len() - self.sent;
        if !self.over && unsent > self.bytes_max {
            self.over = true;
            over.push(slot);
        }
        class(unsent) > self.listed
    }

    fn unsent(&self) -> &[u8] {
        &self.bytes[self.sent..]
    }

    /// Where the frame ends that is partly sent; where the unsent bytes begin if none is.
    fn frame_end(&self) -> usize {
        let mut end = self.unframed;
        while end < self.sent {
            end += frame_length(&self.bytes[end..]);
        }
        end
    }

    /// Where frames are appended; memory comes from `pool`.
    fn tail(&mut self, pool: &mut Pool) -> &mut Vec<u8> {
        if self.bytes.capacity() == 0 {
            self.bytes = pool.take();
        } else if self.sent > 0 && self.sent >= self.bytes.len() / 2 {
            // Otherwise the outbox of a connection that is always behind would grow by what it has already sent. Fewer
            // bytes are moved than were sent since the last move, so this costs less than the sends.
            self.compact();
        }
        &mut self.bytes
    }

    /// Lets go of what is sent.
    fn compact(&mut self) {
        self.unframed = self.frame_end() - self.sent;
        self.bytes.drain(..self.sent);
        self.sent = 0;
    }
}

/// The outbox of `slot`, unless the slot was given up.
fn find(places: &mut [Outbox], slot: Slot) -> Option<&mut Outbox> {
    places
        .get_mut(slot.index as usize)
        .filter(|outbox| outbox.generation == slot.generation)
}

/// Buffers of a shard that are not in use.
#[derive(Debug, Default)]
struct Pool {
    free: Vec<Vec<u8>>,
}

impl Pool {
    /// Buffers that are kept; more go back to the allocator.
    const BUFFERS_MAX: usize = 256;
    /// Larger buffers are not kept.
    const BUFFER_BYTES_MAX: usize = 16 * 1024;
    const BUFFER_BYTES_MIN: usize = 512;

    fn take(&mut self) -> Vec<u8> {
        self.free
            .pop()
            .unwrap_or_else(|| Vec::with_capacity(Self::BUFFER_BYTES_MIN))
    }

    fn give_back(&mut self, mut buffer: Vec<u8>) {
        if (1..=Self::BUFFER_BYTES_MAX).contains(&buffer.capacity()) && self.free.len() < Self::BUFFERS_MAX {
            buffer.clear();
            self.free.push(buffer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::VecDeque;

    const SLOT: Slot = Slot {
        index: 2,
        generation: 7,
    };

    fn open(bytes_max: usize) -> Outboxes {
        let mut outboxes = Outboxes::new(Bounds {
            bytes_max,
            total_bytes_max: 100_000,
        });
        outboxes.take_slot(SLOT);
        outboxes.open(SLOT);
        outboxes
    }

    #[test]
    fn an_emptied_outbox_holds_no_memory() {
        let mut outboxes = open(100);
        outboxes.append(SLOT, b"abc");
        outboxes.advance(SLOT, 2);
        assert_eq!(outboxes.unsent(SLOT), b"c");
        outboxes.advance(SLOT, 1);
        assert_eq!(outboxes.places[2].bytes.capacity(), 0);
        assert_eq!(outboxes.pool.free.len(), 1);
    }

    #[test]
    fn a_connection_that_is_always_behind_does_not_grow() {
        let mut outboxes = open(1_000);
        outboxes.append(SLOT, &[0; 100]);
        for _ in 0..10_000 {
            outboxes.append(SLOT, &[0; 100]);
            outboxes.advance(SLOT, 100);
        }
        assert_eq!(outboxes.unsent(SLOT).len(), 100);
        let capacity = outboxes.places[2].bytes.capacity();
        assert!(capacity < 4096, "{capacity}");
    }

    #[test]
    fn the_pool_keeps_neither_many_nor_large_buffers() {
        let mut pool = Pool::default();
        pool.give_back(Vec::with_capacity(Pool::BUFFER_BYTES_MAX + 1));
        assert!(pool.free.is_empty());
        for _ in 0..2 * Pool::BUFFERS_MAX {
            pool.give_back(Vec::with_capacity(512));
        }
        assert_eq!(pool.free.len(), Pool::BUFFERS_MAX);
    }

    #[test]
    fn a_slot_that_was_given_up_takes_nothing() {
        let mut outboxes = open(100);
        let next = Slot { generation: 8, ..SLOT };
        outboxes.take_slot(next);
        outboxes.append(SLOT, b"for the one before");
        assert_eq!(outboxes.unsent(next), b"");
        assert_eq!(outboxes.unsent(SLOT), b"");
        outboxes.append(next, b"not open yet");
        assert_eq!(outboxes.unsent(next), b"");
        assert_eq!(outboxes.messages(), 0);
    }

    #[test]
    fn output_is_fresh_once_until_a_flush_has_seen_it() {
        let mut outboxes = open(100);
        let mut due = VecDeque::new();
        outboxes.append(SLOT, b"a");
        outboxes.append(SLOT, b"b");
        outboxes.take_fresh(&mut due);
        outboxes.append(SLOT, b"c");
        assert!(!outboxes.has_fresh());
        assert_eq!(due, [SLOT]);
        outboxes.seen(SLOT);
        outboxes.append(SLOT, b"d");
        assert!(outboxes.has_fresh());
    }

    #[test]
    fn what_is_cut_ends_with_a_whole_frame() {
        use crate::ws::{Kind, write_message};
        let mut frame = Vec::new();
        write_message(Kind::Text, &[b'x'; 200], &mut frame);
        let (answer, length) = (b"HTTP/1.1 101\r\n\r\n", frame.len());
        for sent in 0..answer.len() + 40 * length {
            let mut outboxes = open(1 << 20);
            outboxes.append_with(SLOT, |out| out.extend_from_slice(answer));
            for _ in 0..40 {
                outboxes.append(SLOT, &frame);
            }
            outboxes.advance(SLOT, sent);
            // Makes room at the front, if it is worth it.
            outboxes.append(SLOT, &frame);
            outboxes.cut(SLOT);
            let part = if sent < answer.len() {
                answer.len() - sent
            } else {
                (length - (sent - answer.len()) % length) % length
            };
            assert_eq!(outboxes.unsent(SLOT).len(), part, "{sent}");
            // Memory is held for as much as is left, and for nothing if that is nothing.
            assert!(
                (part..=part + 8).contains(&outboxes.held()),
                "{} {part}",
                outboxes.held()
            );
        }
    }

    #[test]
    fn the_largest_is_found_whatever_happened_before() {
        let mut outboxes = open(1 << 20);
        let slots: Vec<Slot> = (10..40).map(|index| Slot { index, generation: 0 }).collect();
        for slot in &slots {
            outboxes.take_slot(*slot);
            outboxes.open(*slot);
            for _ in 0..slot.index {
                outboxes.append(*slot, &[0; 1000]);
            }
        }
        let unsent = (10..40).sum::<usize>() * 1000;
        assert!((unsent..2 * unsent).contains(&outboxes.held()), "{}", outboxes.held());
        assert!(outboxes.is_total_over());
        // The largest were sent meanwhile; one was given up.
        for slot in &slots[20..] {
            outboxes.advance(*slot, slot.index as usize * 1000);
        }
        outboxes.clear(slots[19]);
        let mut seen = Vec::new();
        while let Some(slot) = outboxes.next_largest() {
            for other in &slots[..19] {
                let size = |slot: Slot| outboxes.unsent(slot).len();
                assert!(
                    seen.contains(other) || size(*other) < 2 * size(slot),
                    "{other:?} {slot:?}"
                );
            }
            seen.push(slot);
        }
        seen.sort_unstable();
        assert_eq!(seen, slots[..19]);
        let unsent = (10..29).sum::<usize>() * 1000;
        assert!((unsent..2 * unsent).contains(&outboxes.held()), "{}", outboxes.held());
    }

    #[test]
    fn who_reads_all_but_a_byte_keeps_no_memory() {
        let mut outboxes = open(1 << 20);
        for _ in 0..100 {
            outboxes.append(SLOT, &[7; 10_000]);
        }
        let mut left = 1_000_000;
        while left > 1 {
            let sent = (left / 3).max(1);
            outboxes.advance(SLOT, sent);
            left -= sent;
            assert_eq!(outboxes.unsent(SLOT).len(), left);
            let most = (4 * left).max(Outboxes::SMALL_BYTES);
            assert!(outboxes.held() <= most, "{} for {left}", outboxes.held());
            assert_eq!(outboxes.held(), outboxes.places[2].bytes.capacity());
        }
        outboxes.advance(SLOT, 1);
        assert_eq!(outboxes.held(), 0);
        outboxes.append(SLOT, b"more");
        assert_eq!(outboxes.unsent(SLOT), b"more");
    }

    #[test]
    fn one_message_always_fits_and_two_may_not() {
        let mut outboxes = open(10);
        outboxes.append(SLOT, &[0; 11]);
        assert_eq!(outboxes.next_over(), Some(SLOT), "looked at after an attempt to send");
        assert!(!outboxes.is_over(SLOT));
        outboxes.append(SLOT, b"x");
        assert_eq!(outboxes.next_over(), Some(SLOT));
        assert!(outboxes.is_over(SLOT));
        outboxes.advance(SLOT, 2);
        assert!(!outboxes.is_over(SLOT));
    }
}
