//! The account of every relayed message: who should have got it, who did, how often and in which order.

use std::collections::HashMap;

/// Sums over messages and deliveries of one sender, or of all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Counts {
    /// Messages sent.
    pub sent: u64,
    /// Deliveries that should follow: one per message and other member of the room.
    pub expected: u64,
    /// Deliveries that arrived, each counted once.
    pub delivered: u64,
    /// Deliveries that never arrived.
    pub lost: u64,
    /// Deliveries that arrived again.
    pub duplicated: u64,
    /// Deliveries that arrived after a later message of the same sender.
    pub out_of_order: u64,
    /// Deliveries to somebody outside the room, or to the sender itself.
    pub misdelivered: u64,
}

impl Counts {
    /// Adds the figures of `other`.
    pub fn add(&mut self, other: &Self) {
        self.sent += other.sent;
        self.expected += other.expected;
        self.delivered += other.delivered;
        self.lost += other.lost;
        self.duplicated += other.duplicated;
        self.out_of_order += other.out_of_order;
        self.misdelivered += other.misdelivered;
    }

    /// Whether everything arrived exactly once, in order, and nowhere else.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.lost == 0 && self.duplicated == 0 && self.out_of_order == 0 && self.misdelivered == 0
    }
}

/// Keeps the account for rooms of equal size. Seats are numbered through: room `r` has the seats from `r × seats` on;
/// the first `players` of them send, the others only receive.
#[derive(Debug)]
pub struct Accounting {
    players: usize,
    seats: usize,
    senders: Vec<Counts>,
    receivers: Vec<Receiver>,
    /// Next number expected, per receiver and player of its room.
    next: Vec<u32>,
    /// Numbers that were skipped and may still come, per receiver and player.
    gaps: HashMap<usize, Vec<Gap>>,
    delivered: u64,
    expected: u64,
}

#[derive(Debug, Clone, Copy, Default)]
struct Receiver {
    present: bool,
}

/// Numbers from `start` up to, not including, `end`.
#[derive(Debug, Clone, Copy)]
struct Gap {
    start: u32,
    end: u32,
}

impl Accounting {
    /// An account of `rooms` rooms with `players` senders and `spectators` further receivers each, nobody present.
    #[must_use]
    pub fn new(rooms: usize, players: usize, spectators: usize) -> Self {
        let seats = players + spectators;
        Self {
            players,
            seats,
            senders: vec![Counts::default(); rooms * players],
            receivers: vec![Receiver::default(); rooms * seats],
            next: vec![0; rooms * seats * players],
            gaps: HashMap::new(),
            delivered: 0,
            expected: 0,
        }
    }

    /// The seat receives from now on.
    pub fn enter(&mut self, seat: usize) {
        self.receivers[seat].present = true;
        let room = seat / self.seats;
        for player in 0..self.players {
            self.next[seat * self.players + player] = self.sent_by(room, player);
        }
    }

    /// The seat receives nothing more; what it was sent and did not get is lost.
    pub fn leave(&mut self, seat: usize) {
        if !self.receivers[seat].present {
            return;
        }
        self.settle(seat);
        self.receivers[seat].present = false;
    }

    /// Whether the seat receives.
    #[must_use]
    pub fn is_present(&self, seat: usize) -> bool {
        self.receivers[seat].present
    }

    /// The number of the seat's next message, which counts as sent.
    pub fn send(&mut self, seat: usize) -> u32 {
        let (room, player) = (seat / self.seats, seat % self.seats);
        let number = self.sent_by(room, player);
        let first = room * self.seats;
        let present = self.receivers[first..first + self.seats]
            .iter()
            .filter(|receiver| receiver.present)
            .count();
        let others = present - usize::from(self.receivers[seat].present);
        let sender = &mut self.senders[room * self.players + player];
        sender.sent += 1;
        sender.expected += others as u64;
        self.expected += others as u64;
        number
    }

    /// Books a message that arrived at `seat`: number `number` of the seat `sender`. Returns whether it was new.
    pub fn receive(&mut self, seat: usize, sender: usize, number: u32) -> bool {
        let (room, player) = (sender / self.seats, sender % self.seats);
        if seat / self.seats != room || seat == sender || player >= self.players {
            let sender = if player < self.players {
                room * self.players + player
            } else {
                0
            };
            if let Some(counts) = self.senders.get_mut(sender) {
                counts.misdelivered += 1;
            }
            return false;
        }
        let pair = seat * self.players + player;
        let next = self.next[pair];
        let counts = &mut self.senders[room * self.players + player];
        if number == next {
            self.next[pair] = next + 1;
        } else if number > next {
            self.gaps.entry(pair).or_default().push(Gap {
                start: next,
                end: number,
            });
            self.next[pair] = number + 1;
        } else if self.gaps.get_mut(&pair).is_some_and(|gaps| fill(gaps, number)) {
            counts.out_of_order += 1;
        } else {
            counts.duplicated += 1;
            return false;
        }
        counts.delivered += 1;
        self.delivered += 1;
        true
    }

    /// Deliveries that may still arrive, those already lost for good aside.
    #[must_use]
    pub fn outstanding(&self) -> u64 {
        let lost: u64 = self.senders.iter().map(|counts| counts.lost).sum();
        self.expected.saturating_sub(self.delivered + lost)
    }

    /// Deliveries booked so far.
    #[must_use]
    pub fn delivered(&self) -> u64 {
        self.delivered
    }

    /// Deliveries that should have been made so far.
    #[must_use]
    pub fn expected(&self) -> u64 {
        self.expected
    }

    /// Ends the account: whatever has not arrived is lost. Returns the figures per sender.
    #[must_use]
    pub fn close(mut self) -> Vec<Counts> {
        for seat in 0..self.receivers.len() {
            self.leave(seat);
        }
        self.senders
    }

    fn settle(&mut self, seat: usize) {
        let room = seat / self.seats;
        for player in 0..self.players {
            if room * self.seats + player == seat {
                continue;
            }
            let pair = seat * self.players + player;
            let missing: u32 = self
                .gaps
                .remove(&pair)
                .map_or(0, |gaps| gaps.iter().map(|gap| gap.end - gap.start).sum());
            let tail = self.sent_by(room, player).saturating_sub(self.next[pair]);
            self.senders[room * self.players + player].lost += u64::from(missing + tail);
        }
    }

    fn sent_by(&self, room: usize, player: usize) -> u32 {
        // A sender would need months at thousands of messages per second to pass this.
        u32::try_from(self.senders[room * self.players + player].sent).unwrap_or(u32::MAX)
    }
}

/// Takes `number` out of the gaps; false if it is in none of them.
fn fill(gaps: &mut Vec<Gap>, number: u32) -> bool {
    let Some(index) = gaps.iter().position(|gap| (gap.start..gap.end).contains(&number)) else {
        return false;
    };
    let Gap { start, end } = gaps.swap_remove(index);
    if start < number {
        gaps.push(Gap { start, end: number });
    }
    if number + 1 < end {
        gaps.push(Gap { start: number + 1, end });
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn room_of_two() -> Accounting {
        let mut accounting = Accounting::new(2, 2, 0);
        (0..4).for_each(|seat| accounting.enter(seat));
        accounting
    }

    #[test]
    fn each_fate_of_a_message_is_counted_for_what_it_is() {
        let mut accounting = room_of_two();
        for number in 0..6 {
            assert_eq!(accounting.send(0), number);
        }
        for number in [0, 3, 1, 3, 4] {
            accounting.receive(1, 0, number);
        }
        assert_eq!(accounting.outstanding(), 2);
        let counts = accounting.close()[0];
        let expected = Counts {
            sent: 6,
            expected: 6,
            delivered: 4,
            lost: 2,
            duplicated: 1,
            out_of_order: 1,
            misdelivered: 0,
        };
        assert_eq!(counts, expected);
    }

    #[test]
    fn a_message_in_the_wrong_room_or_back_at_its_sender_is_misdelivered() {
        let mut accounting = room_of_two();
        accounting.send(0);
        assert!(!accounting.receive(2, 0, 0));
        assert!(!accounting.receive(0, 0, 0));
        assert!(!accounting.receive(1, 99, 0));
        assert_eq!(accounting.close()[0].misdelivered, 2);
    }

    #[test]
    fn who_left_or_came_later_is_owed_nothing_of_the_time_without_it() {
        let mut accounting = Accounting::new(1, 2, 1);
        accounting.enter(0);
        accounting.enter(1);
        accounting.send(0);
        accounting.receive(1, 0, 0);
        accounting.leave(1);
        accounting.send(0);
        accounting.enter(2);
        accounting.send(0);
        assert!(accounting.receive(2, 0, 2));
        let counts = accounting.close()[0];
        assert_eq!((counts.expected, counts.delivered, counts.lost), (2, 2, 0));
    }

    #[test]
    fn what_a_closed_connection_did_not_get_is_lost() {
        let mut accounting = room_of_two();
        accounting.send(0);
        accounting.send(0);
        accounting.receive(1, 0, 1);
        accounting.leave(1);
        assert_eq!(accounting.outstanding(), 0);
        assert_eq!(accounting.close()[0].lost, 1);
    }
}
