//! The ledger of one load on one thread: every message that it sends is sealed and entered here, and every message that
//! arrives is opened, checked and booked here.
//!
//! A new kind of traffic uses it like this:
//! 1. Its members sit in rooms of equal size, numbered through: room `r` of this thread has the seats from `r × seats` on,
//!    and the first `players` of them send. [`Ledger::new`] gets the number of the thread's first room in the whole run.
//! 2. It says when a seat receives ([`Ledger::enter`], [`Ledger::leave`]).
//! 3. For each message it lets [`Ledger::send`] (to everybody else in the room) or [`Ledger::send_to`] (to one of them)
//!    fill the place that its message has for the body, at least [`STAMP_BYTES`](crate::stamp::STAMP_BYTES) long; around the
//!    body it writes what its protocol wants.
//! 4. It hands every message that arrives to [`Ledger::receive`], with a function that checks what stands around the body:
//!    whether the message names the seat that the stamp names, and whether the rest is as the protocol says. Text that is
//!    [`Receipt::Unstamped`] is the protocol's own, or a damaged message, which it then books with [`Ledger::unreadable`].
//! 5. It waits for [`Ledger::outstanding`] to become 0, and [`Ledger::close`] gives the counts for its
//!    [`Outcome`](crate::scenario::Outcome).

use crate::accounting::{Accounting, Counts, Flaw};
use crate::stamp::{Body, BodyFinder, Damage, Found, Seal, Stamp};

/// See the module.
#[derive(Debug)]
pub struct Ledger {
    run: u32,
    first_seat: usize,
    accounting: Accounting,
    seal: Seal,
    finder: BodyFinder,
}

/// What a message was to the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Receipt {
    /// It carries no stamp.
    Unstamped,
    /// A delivery that is not counted as such: it came twice, was damaged, or had no business here.
    Wrong,
    /// A new, intact delivery of a message that was due then.
    Delivered {
        /// Nanoseconds since the run's epoch.
        due_ns: u64,
    },
}

impl Ledger {
    /// An account of `rooms` rooms from number `first_room` on, with `players` senders and `spectators` further receivers
    /// each, for bodies of at most `body_bytes`. Nobody is present. `run` is the same on all threads.
    #[must_use]
    pub fn new(run: u32, first_room: usize, [rooms, players, spectators]: [usize; 3], body_bytes: usize) -> Self {
        Self {
            run,
            first_seat: first_room * (players + spectators),
            accounting: Accounting::new(rooms, players, spectators),
            seal: Seal::new(body_bytes),
            finder: BodyFinder::default(),
        }
    }

    /// The seat receives from now on.
    pub fn enter(&mut self, seat: usize) {
        self.accounting.enter(seat);
    }

    /// The seat receives nothing more; what it was sent and did not get is lost.
    pub fn leave(&mut self, seat: usize) {
        self.accounting.leave(seat);
    }

    /// Enters a message of `seat` to everybody else in its room and writes its body.
    pub fn send(&mut self, seat: usize, due_ns: u64, body: &mut [u8]) {
        let number = self.accounting.send(seat);
        self.write(seat, number, due_ns, body);
    }

    /// Enters a message of `seat` to `receiver` alone, who sits in the same room, and writes its body. All messages of a ledger
    /// go one way or the other.
    pub fn send_to(&mut self, seat: usize, receiver: usize, due_ns: u64, body: &mut [u8]) {
        let number = self.accounting.send_to(seat, receiver);
        self.write(seat, number, due_ns, body);
    }

    fn write(&self, seat: usize, number: u32, due_ns: u64, body: &mut [u8]) {
        let stamp = Stamp {
            run: self.run,
            // The plan's bounds keep seats within 32 bits.
            sender: u32::try_from(self.first_seat + seat).unwrap_or(u32::MAX),
            number,
            due_ns,
        };
        self.seal.write(&stamp, body);
    }

    /// Books a message that arrived at `seat`. `around` gets the seat of the sender that the stamp names and the body of an
    /// intact filling, and checks what stands around it.
    pub fn receive(
        &mut self,
        seat: usize,
        message: &[u8],
        around: impl FnOnce(usize, &Body) -> Result<(), Flaw>,
    ) -> Receipt {
        let body = match self.finder.find(message) {
            Found::Nothing => return Receipt::Unstamped,
            Found::Unreadable => {
                self.accounting.unreadable();
                return Receipt::Wrong;
            }
            Found::Body(body) => body,
        };
        let Stamp {
            run,
            sender,
            number,
            due_ns,
        } = body.stamp;
        let sender = (sender as usize).checked_sub(self.first_seat);
        let Some(sender) = sender.filter(|sender| run == self.run && *sender < self.accounting.seats()) else {
            self.accounting.stray();
            return Receipt::Wrong;
        };
        let flaw = match body.damage {
            Some(Damage::Truncated) => Some(Flaw::Truncated),
            Some(Damage::Corrupted) => Some(Flaw::Corrupted),
            None => around(sender, &body).err(),
        };
        if self.accounting.receive(seat, sender, number, flaw) {
            Receipt::Delivered { due_ns }
        } else {
            Receipt::Wrong
        }
    }

    /// Books a message that was to carry a stamp and carries none.
    pub fn unreadable(&mut self) {
        self.accounting.unreadable();
    }

    /// Deliveries that may still arrive.
    #[must_use]
    pub fn outstanding(&self) -> u64 {
        self.accounting.outstanding()
    }

    /// Deliveries that have arrived, intact or not.
    #[must_use]
    pub fn arrived(&self) -> u64 {
        self.accounting.arrived()
    }

    /// Deliveries that should have been made so far.
    #[must_use]
    pub fn expected(&self) -> u64 {
        self.accounting.expected()
    }

    /// Ends the account: whatever has not arrived is lost. Returns the figures per sender, and those of what none of them
    /// sent.
    #[must_use]
    pub fn close(self) -> (Vec<Counts>, Counts) {
        self.accounting.close()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two threads with a room of two players each.
    fn threads() -> [Ledger; 2] {
        [0, 1].map(|thread| {
            let mut ledger = Ledger::new(9, thread, [1, 2, 0], 60);
            (0..2).for_each(|seat| ledger.enter(seat));
            ledger
        })
    }

    #[test]
    fn another_threads_message_and_another_runs_are_misdelivered() {
        let [mut one, mut two] = threads();
        let mut message = [0; 60];
        one.send(0, 5, &mut message);
        assert_eq!(two.receive(0, &message, |_, _| Ok(())), Receipt::Wrong);
        assert_eq!(
            one.receive(1, &message, |_, _| Ok(())),
            Receipt::Delivered { due_ns: 5 }
        );
        let mut earlier = Ledger::new(8, 0, [1, 2, 0], 60);
        earlier.send(0, 5, &mut message);
        assert_eq!(one.receive(1, &message, |_, _| Ok(())), Receipt::Wrong);
        assert_eq!((one.close().1.misdelivered, two.close().1.misdelivered), (1, 1));
    }

    #[test]
    fn what_stands_around_an_intact_body_is_checked_against_the_seat_that_sent_it() {
        let [_, mut ledger] = threads();
        let mut message = [0; 60];
        ledger.send(1, 5, &mut message);
        let around = |seat: usize, _: &Body| if seat == 1 { Err(Flaw::Forged) } else { Ok(()) };
        assert_eq!(ledger.receive(0, &message, around), Receipt::Wrong);
        assert_eq!(ledger.close().0[1].forged, 1);
    }

    #[test]
    fn a_message_of_the_protocol_itself_is_no_delivery() {
        let [mut ledger, _] = threads();
        assert_eq!(
            ledger.receive(0, br#"{"type":"Pong"}"#, |_, _| Ok(())),
            Receipt::Unstamped
        );
        assert!(ledger.close().1.is_clean());
    }
}
