//! Time, and who does what when: clients, the network, the shards and the control plane have their turns.

use super::World;
use crate::network::End;
use signal_fish_core::admission::{Ask, Notice, Verdict};
use signal_fish_core::shard::{Mail, Next, Request};
use signal_fish_core::{ShardIndex, Slot};
use std::time::Duration;

/// Turns in a row that a shard may ask for at once without anything happening.
const IDLE_TURNS_MAX: u32 = 16;

impl World {
    /// Lets time pass; every deadline on the way is met.
    pub fn advance(&mut self, time: Duration) {
        let end = self.now + time;
        self.settle();
        while let Some(next) = self.next_deadline().filter(|next| *next <= end) {
            self.now = self.now.max(next);
            self.settle();
        }
        self.now = end;
        self.settle();
    }

    /// Time passes in which no shard has a turn.
    pub fn stand_still(&mut self, time: Duration) {
        self.now += time;
    }

    /// When something is to happen that is not due yet.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Duration> {
        let deadlines = self.runners.iter().filter_map(|runner| match runner.next {
            Next::At(deadline) => Some(deadline),
            Next::Now | Next::Ended => None,
        });
        deadlines.chain(self.mailroom.borrow().next_due()).min()
    }

    /// Tells every shard to drain, and lets everything settle.
    pub fn drain(&mut self) {
        self.order_drain();
        self.settle();
    }

    /// Tells every shard to drain. Nobody has read it yet.
    pub fn order_drain(&mut self) {
        for shard in 0..self.runners.len() {
            let shard = ShardIndex(u16::try_from(shard).expect("shards are few"));
            self.mailroom().mail_from_control(shard, Mail::Drain);
        }
    }

    /// Answers the oldest question that is held, if there is one.
    pub fn answer(&mut self) -> Option<Ask> {
        let (shard, slot, ask) = self.asks.pop_front()?;
        self.decide(shard, slot, ask.clone());
        self.settle();
        Some(ask)
    }

    /// The questions that are held, oldest first.
    #[must_use]
    pub fn asks(&self) -> Vec<Ask> {
        self.asks.iter().map(|(_, _, ask)| ask.clone()).collect()
    }

    fn decide(&mut self, shard: ShardIndex, slot: Slot, ask: Ask) {
        let verdict = self.admission.decide(self.now, ask);
        if self.has_ended(usize::from(shard.0)) {
            return self.give_back(verdict);
        }
        let crowded = self.admission.crowded();
        self.mailroom()
            .mail_from_control(shard, Mail::Verdict { slot, verdict, crowded });
    }

    /// A verdict finds nobody any more.
    fn give_back(&mut self, verdict: Verdict) {
        match verdict {
            Verdict::Connected(ticket) => self.admission.give_back(Notice::ConnectionEnded(ticket)),
            Verdict::RoomOpened(permit) => self.admission.give_back(Notice::RoomEnded(permit)),
            Verdict::Admitted | Verdict::Refused(_) => {}
        }
    }

    /// Lets everything happen that happens now.
    pub fn settle(&mut self) {
        let (now, holds_moves) = (self.now, self.hold_moves);
        let mut mailroom = self.mailroom();
        mailroom.now = now;
        mailroom.holds_moves = holds_moves;
        drop(mailroom);
        while self.round() {}
        self.check();
    }

    /// One step of everybody: a shard has at most one turn in it. Returns whether anything happened.
    pub fn round(&mut self) -> bool {
        let mut busy = self.write();
        busy |= self.network().arrive();
        for shard in 0..self.runners.len() {
            busy |= self.turn(shard);
        }
        busy |= self.control();
        busy | self.read()
    }

    /// Clients write.
    fn write(&mut self) -> bool {
        let mut busy = false;
        let mut network = self.network.borrow_mut();
        for (id, client) in self.clients.iter_mut().enumerate() {
            let (bytes, finishes) = client.take_outgoing();
            busy |= network.write(id, &bytes, finishes);
        }
        busy
    }

    /// A turn of a shard, if it wants one.
    fn turn(&mut self, index: usize) -> bool {
        let shard = ShardIndex(u16::try_from(index).expect("shards are few"));
        let runner = &mut self.runners[index];
        let asked = match runner.next {
            Next::Ended => return false,
            Next::Now => true,
            Next::At(deadline) => deadline <= self.now,
        };
        let called = self.network.borrow().has_event(shard) || self.mailroom.borrow().has_mail(shard);
        if !asked && !called {
            return false;
        }
        let now = self.time();
        let before = self.progress();
        let runner = &mut self.runners[index];
        runner.next = runner.shard.turn(now);
        let after = self.progress();
        let seed = self.seed;
        self.now += self.turn_time;
        self.mailroom.borrow_mut().now = self.now;
        let runner = &mut self.runners[index];
        runner.shard.turn_ended(self.now);
        let idle = before == after && runner.last_turn == now.monotonic;
        runner.idle = if idle { runner.idle + 1 } else { 0 };
        runner.last_turn = now.monotonic;
        assert!(
            runner.idle < IDLE_TURNS_MAX,
            "shard {index} spins at {now:?} with seed {seed}: {:?}",
            runner.next
        );
        if let Next::Ended = runner.next {
            let left = self.mailroom().end(shard);
            for mail in left {
                match mail {
                    Mail::Verdict { verdict, .. } => self.give_back(verdict),
                    Mail::Connection(_) => self.lost = true,
                    Mail::Drain | Mail::Reload(_) | Mail::Answer { .. } | Mail::Piece(_) | Mail::Question { .. } => {}
                }
            }
        }
        true
    }

    fn progress(&self) -> u64 {
        self.network.borrow().progress() + self.mailroom.borrow().progress()
    }

    /// The control plane takes its requests.
    fn control(&mut self) -> bool {
        let mut busy = false;
        loop {
            let request = self.mailroom().take_request();
            match request {
                None => break,
                Some(Request::Ask {
                    shard,
                    slot,
                    ask,
                    connections,
                }) => {
                    self.admission.hear(shard, connections);
                    self.asks.push_back((shard, slot, ask));
                }
                Some(Request::Notice(notice)) => self.admission.give_back(notice),
                Some(Request::Report(report)) => {
                    self.admission.hear(report.shard, report.connections);
                    let runner = &mut self.runners[usize::from(report.shard.0)];
                    runner.report = Some(*report);
                }
            }
            busy = true;
        }
        while !self.hold_verdicts
            && let Some((shard, slot, ask)) = self.asks.pop_front()
        {
            self.decide(shard, slot, ask);
            busy = true;
        }
        busy
    }

    /// Clients read.
    fn read(&mut self) -> bool {
        let mut busy = false;
        let mut network = self.network.borrow_mut();
        for id in network.take_for_clients() {
            let bytes = network.read(id);
            busy |= !bytes.is_empty();
            let client = &mut self.clients[id];
            client.hear(&bytes);
            match network.end(id) {
                Some(End::Finished | End::Reset) => client.ended(),
                None => network.reads_on(id),
            }
        }
        busy
    }
}
