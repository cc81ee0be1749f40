//! The account of every relayed message: who should have got it, who did, how often and in which order.
//!
//! It knows seats and numbers alone; what a message looks like and whether it is intact is the matter of [`crate::ledger`].

use std::collections::HashMap;

/// Sums over messages and deliveries of one sender, or of all. Every delivery that should follow a message ends as exactly
/// one of delivered, lost, truncated, corrupted and forged, unless the stamp itself was damaged: then nobody knows which
/// message it was, and that one is lost besides.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct Counts {
    /// Messages sent.
    pub sent: u64,
    /// Deliveries that should follow: one per message and other member of the room.
    pub expected: u64,
    /// Deliveries that arrived intact, each counted once.
    pub delivered: u64,
    /// Deliveries that never arrived.
    pub lost: u64,
    /// Deliveries that arrived again.
    pub duplicated: u64,
    /// Deliveries that arrived after a later message of the same sender.
    pub out_of_order: u64,
    /// Deliveries to somebody outside the room, to the sender itself, or from another run.
    pub misdelivered: u64,
    /// Deliveries of which the end was missing.
    pub truncated: u64,
    /// Deliveries with other content than was sent.
    pub corrupted: u64,
    /// Deliveries in the name of somebody who did not send them.
    pub forged: u64,
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
        self.truncated += other.truncated;
        self.corrupted += other.corrupted;
        self.forged += other.forged;
    }

    /// What can go wrong with deliveries, each by its name.
    #[must_use]
    pub fn faults(&self) -> [(&'static str, u64); 7] {
        [
            ("lost", self.lost),
            ("duplicated", self.duplicated),
            ("out of order", self.out_of_order),
            ("misdelivered", self.misdelivered),
            ("truncated", self.truncated),
            ("corrupted", self.corrupted),
            ("forged", self.forged),
        ]
    }

    /// How many deliveries went wrong, in whichever way.
    #[must_use]
    pub fn wrong(&self) -> u64 {
        self.faults().iter().map(|(_, count)| count).sum()
    }

    /// Whether everything arrived exactly once, in order, as it was sent, and nowhere else.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.wrong() == 0
    }
}

/// What is wrong with a delivery that arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flaw {
    /// Its end is missing.
    Truncated,
    /// Its content is not what was sent.
    Corrupted,
    /// It names another sender.
    Forged,
}

/// Keeps the account for rooms of equal size. Seats are numbered through: room `r` has the seats from `r × seats` on;
/// the first `players` of them send, the others only receive.
#[derive(Debug)]
pub struct Accounting {
    players: usize,
    seats: usize,
    senders: Vec<Counts>,
    receivers: Vec<Presence>,
    /// Next number expected, per receiver and player of its room.
    next: Vec<u32>,
    /// Numbers that were skipped and may still come, per receiver and player.
    gaps: HashMap<usize, Vec<Gap>>,
    /// Numbers given so far to messages from a player to one receiver; empty until there is such a message.
    addressed: Vec<u32>,
    /// Deliveries that no sender of this account made.
    strays: Counts,
    arrived: u64,
    expected: u64,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Presence {
    /// It has not entered.
    #[default]
    Before,
    Present,
    /// What it had not got by then is lost, and stays so if it still comes.
    After,
}

/// Numbers from `start` up to, not including, `end`.
#[derive(Debug, Clone, Copy)]
struct Gap {
    start: u32,
    end: u32,
}

impl Gap {
    fn holds(self, number: u32) -> bool {
        (self.start..self.end).contains(&number)
    }
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
            receivers: vec![Presence::default(); rooms * seats],
            next: vec![0; rooms * seats * players],
            gaps: HashMap::new(),
            addressed: Vec::new(),
            strays: Counts::default(),
            arrived: 0,
            expected: 0,
        }
    }

    /// The seat receives from now on.
    pub fn enter(&mut self, seat: usize) {
        self.receivers[seat] = Presence::Present;
        for player in 0..self.players {
            let pair = seat * self.players + player;
            self.next[pair] = self.issued(seat, player);
            self.gaps.remove(&pair);
        }
    }

    /// The seat receives nothing more; what it was sent and did not get is lost.
    pub fn leave(&mut self, seat: usize) {
        if !self.is_present(seat) {
            return;
        }
        self.settle(seat);
        self.receivers[seat] = Presence::After;
    }

    /// Whether the seat receives.
    #[must_use]
    pub fn is_present(&self, seat: usize) -> bool {
        self.receivers[seat] == Presence::Present
    }

    /// The number of the seat's next message to everybody else in the room, which counts as sent.
    pub fn send(&mut self, seat: usize) -> u32 {
        debug_assert!(self.addressed.is_empty(), "an account is of one kind of traffic");
        let (room, player) = (seat / self.seats, seat % self.seats);
        let number = self.sent_by(room, player);
        let first = room * self.seats;
        let others = (first..first + self.seats).filter(|other| *other != seat && self.is_present(*other));
        self.expect(seat, others.count() as u64);
        number
    }

    /// The number of the seat's next message to `receiver` alone, which counts as sent. An account whose messages go to one
    /// receiver each uses this alone; numbers then run for each pair.
    pub fn send_to(&mut self, seat: usize, receiver: usize) -> u32 {
        self.addressed.resize(self.next.len(), 0);
        let issued = &mut self.addressed[receiver * self.players + seat % self.seats];
        let number = *issued;
        *issued += 1;
        self.expect(seat, u64::from(self.is_present(receiver)));
        number
    }

    fn expect(&mut self, seat: usize, deliveries: u64) {
        let sender = self.sender_of(seat);
        self.senders[sender].sent += 1;
        self.senders[sender].expected += deliveries;
        self.expected += deliveries;
    }

    /// Books a message that arrived at `seat`: number `number` of the seat `sender`, with what is wrong with it. Returns
    /// whether it was new and intact.
    pub fn receive(&mut self, seat: usize, sender: usize, number: u32, flaw: Option<Flaw>) -> bool {
        let player = sender % self.seats;
        if sender >= self.receivers.len() || player >= self.players {
            self.stray();
            return false;
        }
        let sender_index = self.sender_of(sender);
        let presence = self.receivers[seat];
        if seat / self.seats != sender / self.seats || seat == sender || presence == Presence::Before {
            self.senders[sender_index].misdelivered += 1;
            return false;
        }
        if number >= self.issued(seat, player) {
            // Nobody has sent that one yet.
            self.senders[sender_index].corrupted += 1;
            return false;
        }
        let pair = seat * self.players + player;
        let next = self.next[pair];
        let counts = &mut self.senders[sender_index];
        if presence == Presence::After {
            let gaps = self.gaps.get(&pair).map_or(&[][..], Vec::as_slice);
            let is_lost = number >= next || gaps.iter().any(|gap| gap.holds(number));
            counts.duplicated += u64::from(!is_lost);
            return false;
        }
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
        self.arrived += 1;
        let count = match flaw {
            None => &mut counts.delivered,
            Some(Flaw::Truncated) => &mut counts.truncated,
            Some(Flaw::Corrupted) => &mut counts.corrupted,
            Some(Flaw::Forged) => &mut counts.forged,
        };
        *count += 1;
        flaw.is_none()
    }

    /// Books a message that nobody of this account sent: another thread's, or another run's.
    pub fn stray(&mut self) {
        self.strays.misdelivered += 1;
    }

    /// Books a message of which nobody knows any more who sent it.
    pub fn unreadable(&mut self) {
        self.strays.corrupted += 1;
    }

    /// Deliveries that may still arrive, those already lost for good aside.
    #[must_use]
    pub fn outstanding(&self) -> u64 {
        let lost: u64 = self.senders.iter().map(|counts| counts.lost).sum();
        self.expected.saturating_sub(self.arrived + lost)
    }

    /// Seats of all rooms.
    #[must_use]
    pub fn seats(&self) -> usize {
        self.receivers.len()
    }

    /// Deliveries that have arrived so far, intact or not.
    #[must_use]
    pub fn arrived(&self) -> u64 {
        self.arrived
    }

    /// Deliveries that should have been made so far.
    #[must_use]
    pub fn expected(&self) -> u64 {
        self.expected
    }

    /// Ends the account: whatever has not arrived is lost. Returns the figures per sender, and those of what no sender of
    /// this account sent.
    #[must_use]
    pub fn close(mut self) -> (Vec<Counts>, Counts) {
        for seat in 0..self.receivers.len() {
            self.leave(seat);
        }
        (self.senders, self.strays)
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
                .get(&pair)
                .map_or(0, |gaps| gaps.iter().map(|gap| gap.end - gap.start).sum());
            let tail = self.issued(seat, player).saturating_sub(self.next[pair]);
            self.senders[room * self.players + player].lost += u64::from(missing + tail);
        }
    }

    /// Numbers that `player` of the seat's room has given to messages that the seat should get.
    fn issued(&self, seat: usize, player: usize) -> u32 {
        match self.addressed.get(seat * self.players + player) {
            Some(issued) => *issued,
            None => self.sent_by(seat / self.seats, player),
        }
    }

    fn sender_of(&self, seat: usize) -> usize {
        seat / self.seats * self.players + seat % self.seats
    }

    fn sent_by(&self, room: usize, player: usize) -> u32 {
        // A sender would need months at thousands of messages per second to pass this.
        u32::try_from(self.senders[room * self.players + player].sent).unwrap_or(u32::MAX)
    }
}

/// Takes `number` out of the gaps; false if it is in none of them.
fn fill(gaps: &mut Vec<Gap>, number: u32) -> bool {
    let Some(index) = gaps.iter().position(|gap| gap.holds(number)) else {
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
            accounting.receive(1, 0, number, None);
        }
        assert_eq!(accounting.outstanding(), 2);
        let counts = accounting.close().0[0];
        let expected = Counts {
            sent: 6,
            expected: 6,
            delivered: 4,
            lost: 2,
            duplicated: 1,
            out_of_order: 1,
            ..Counts::default()
        };
        assert_eq!(counts, expected);
    }

    #[test]
    fn a_message_in_the_wrong_room_or_back_at_its_sender_is_misdelivered() {
        let mut accounting = room_of_two();
        accounting.send(0);
        assert!(!accounting.receive(2, 0, 0, None));
        assert!(!accounting.receive(0, 0, 0, None));
        assert!(!accounting.receive(1, 99, 0, None));
        let (senders, strays) = accounting.close();
        assert_eq!((senders[0].misdelivered, strays.misdelivered), (2, 1));
    }

    #[test]
    fn who_left_or_came_later_is_owed_nothing_of_the_time_without_it() {
        let mut accounting = Accounting::new(1, 2, 1);
        accounting.enter(0);
        accounting.enter(1);
        accounting.send(0);
        accounting.receive(1, 0, 0, None);
        accounting.leave(1);
        accounting.send(0);
        accounting.enter(2);
        accounting.send(0);
        assert!(accounting.receive(2, 0, 2, None));
        let counts = accounting.close().0[0];
        assert_eq!((counts.expected, counts.delivered, counts.lost), (2, 2, 0));
    }

    #[test]
    fn what_a_closed_connection_did_not_get_is_lost() {
        let mut accounting = room_of_two();
        accounting.send(0);
        accounting.send(0);
        accounting.receive(1, 0, 1, None);
        accounting.leave(1);
        assert_eq!(accounting.outstanding(), 0);
        assert_eq!(accounting.close().0[0].lost, 1);
    }

    #[test]
    fn what_arrives_with_a_flaw_has_arrived_and_is_not_delivered() {
        let mut accounting = room_of_two();
        for (number, flaw) in (0..).zip([Flaw::Truncated, Flaw::Corrupted, Flaw::Forged]) {
            accounting.send(0);
            assert!(!accounting.receive(1, 0, number, Some(flaw)));
        }
        assert_eq!(accounting.outstanding(), 0);
        let counts = accounting.close().0[0];
        let expected = Counts {
            sent: 3,
            expected: 3,
            truncated: 1,
            corrupted: 1,
            forged: 1,
            ..Counts::default()
        };
        assert_eq!(counts, expected);
        assert!(!counts.is_clean());
    }

    #[test]
    fn a_number_that_was_never_given_is_no_delivery() {
        let mut accounting = room_of_two();
        accounting.send(0);
        assert!(!accounting.receive(1, 0, 1, None));
        let counts = accounting.close().0[0];
        assert_eq!((counts.corrupted, counts.lost, counts.delivered), (1, 1, 0));
    }

    #[test]
    fn messages_to_one_receiver_are_owed_to_it_alone() {
        let mut accounting = Accounting::new(1, 3, 0);
        (0..3).for_each(|seat| accounting.enter(seat));
        assert_eq!(
            [
                accounting.send_to(0, 1),
                accounting.send_to(0, 2),
                accounting.send_to(0, 1)
            ],
            [0, 0, 1]
        );
        assert!(accounting.receive(1, 0, 0, None));
        assert!(accounting.receive(2, 0, 0, None));
        assert!(!accounting.receive(2, 0, 1, None));
        let counts = accounting.close().0[0];
        assert_eq!(
            (counts.expected, counts.delivered, counts.lost, counts.corrupted),
            (3, 2, 1, 1)
        );
    }

    #[test]
    fn what_comes_after_the_end_stays_lost_and_what_has_no_business_there_counts() {
        let mut accounting = room_of_two();
        assert_eq!([(); 4].map(|()| accounting.send(0)), [0, 1, 2, 3]);
        accounting.receive(1, 0, 0, None);
        accounting.receive(1, 0, 2, None);
        accounting.leave(1);
        for number in 0..4 {
            assert!(!accounting.receive(1, 0, number, None));
        }
        accounting.leave(2);
        assert!(!accounting.receive(2, 0, 0, None));
        let counts = accounting.close().0[0];
        let expected = Counts {
            sent: 4,
            expected: 4,
            delivered: 2,
            lost: 2,
            duplicated: 2,
            misdelivered: 1,
            ..Counts::default()
        };
        assert_eq!(counts, expected);
    }
}
