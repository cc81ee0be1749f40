//! Time, and who does what when: clients, the network, the shards and the control plane have their turns.

use super::World;
use crate::network::{End, Line};
use signal_fish_core::admission::{Ask, Notice, Refusal, Verdict};
use signal_fish_core::shard::{Mail, Next, Request};
use signal_fish_core::{ShardIndex, Slot};
use std::time::Duration;

/// Turns in a row that a shard may ask for at once without anything happening.
const IDLE_TURNS_MAX: u32 = 16;
/// Rounds of a world: far more than any test needs, so that one that would go on for ever says so.
const ROUNDS_MAX: u64 = 3_000_000;

impl World {
    /// Lets time pass; every deadline on the way is met.
    pub fn advance(&mut self, time: Duration) {
        let end = self.now + time;
        self.settle();
        while let Some(next) = self.next_deadline().filter(|next| *next <= end) {
            self.now = self.now.max(next);
            self.settle();
        }
        self.now = self.now.max(end);
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
        let others = [self.mailroom.borrow().next_due(), self.network.borrow().next_arrival()];
        let deadlines = deadlines.chain(self.stalls.iter().copied());
        let deadlines = deadlines.chain(others.into_iter().flatten());
        deadlines.filter(|deadline| *deadline > self.now).min()
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
        let ask = self.asks.front().map(|(_, _, ask)| ask.clone())?;
        self.answer_one();
        self.settle();
        Some(ask)
    }

    /// Answers the oldest question about a token that is held, and lets everything settle: whoever verifies them is in no
    /// order with admission.
    pub fn answer_token(&mut self) -> bool {
        let held = self
            .asks
            .iter()
            .position(|(_, _, ask)| matches!(ask, Ask::Verify { .. }));
        let Some((shard, slot, ask)) = held.and_then(|at| self.asks.remove(at)) else {
            return false;
        };
        self.decide(shard, slot, ask);
        self.settle();
        true
    }

    /// The same, and nobody has read the answer yet.
    pub fn answer_one(&mut self) {
        if let Some((shard, slot, ask)) = self.asks.pop_front() {
            self.decide(shard, slot, ask);
        }
    }

    /// Whatever was set to go wrong goes well from now on. What is lost stays lost.
    pub fn mend(&mut self) {
        (self.hold_verdicts, self.hold_tokens, self.hold_moves) = (false, false, false);
        self.stalls.fill(Duration::ZERO);
        let mut mailroom = self.mailroom();
        mailroom.delay_max = Duration::ZERO;
        mailroom.moves_max = usize::MAX;
        drop(mailroom);
        let clients = self.clients.len();
        let mut network = self.network();
        network.holds_events = false;
        network.exhausted_accepts = 0;
        for id in 0..clients {
            *network.line(id) = Line::default();
        }
    }

    /// The questions that are held, oldest first.
    #[must_use]
    pub fn asks(&self) -> Vec<Ask> {
        self.asks.iter().map(|(_, _, ask)| ask.clone()).collect()
    }

    fn decide(&mut self, shard: ShardIndex, slot: Slot, ask: Ask) {
        let asked = self.ledger.is_some().then(|| ask.clone());
        let verdict = match ask {
            Ask::Verify { token, room } => match verify(token.reveal(), &room) {
                Ok(()) => Verdict::Admitted,
                Err(refusal) => self.admission.refused(refusal),
            },
            ask => self.admission.decide(self.now, ask),
        };
        if let (Some(ledger), Some(asked)) = (&self.ledger, asked) {
            ledger.borrow_mut().decided(self.now, &asked, &verdict);
        }
        if self.has_ended(usize::from(shard.0)) {
            return self.give_back(verdict);
        }
        let crowded = self.admission.crowded();
        self.mailroom()
            .mail_from_control(shard, Mail::Verdict { slot, verdict, crowded });
    }

    /// A verdict finds nobody any more.
    fn give_back(&mut self, verdict: Verdict) {
        if let Some(notice) = verdict.give_back() {
            self.noticed(notice);
        }
    }

    fn noticed(&mut self, notice: Notice) {
        if let Some(ledger) = &self.ledger {
            ledger.borrow_mut().given_back(&notice);
        }
        self.admission.give_back(notice);
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
    ///
    /// # Panics
    /// If there were so many that the world seems to go on for ever.
    pub fn round(&mut self) -> bool {
        self.rounds += 1;
        assert!(
            self.rounds <= ROUNDS_MAX,
            "seed {} goes on for ever: {ROUNDS_MAX} rounds until {:?}",
            self.seed,
            self.now
        );
        self.network().now = self.now;
        self.mailroom().now = self.now;
        self.mailroom().holds_moves = self.hold_moves;
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
            if !client.has_outgoing() {
                continue;
            }
            if let Some(ledger) = &self.ledger {
                let (sent, is_garbled) = client.take_sent();
                let mut ledger = ledger.borrow_mut();
                ledger.sent(id, sent.into_iter());
                if is_garbled {
                    ledger.garbled(id);
                }
            }
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
        if !asked && !called || self.stalls[index] > self.now {
            return false;
        }
        let now = self.time();
        if let Some(ledger) = &self.ledger {
            ledger.borrow_mut().turn_begins(self.now);
        }
        let before = self.progress();
        let runner = &mut self.runners[index];
        runner.next = runner.shard.turn(now);
        self.check_turn(index);
        let after = self.progress();
        self.note(after ^ (index as u64) << 56);
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
                let mut notices = Vec::new();
                mail.abandon(|notice| notices.push(notice));
                notices.into_iter().for_each(|notice| self.noticed(notice));
            }
        }
        true
    }

    /// Something happened: the trace goes on.
    pub(super) fn note(&mut self, what: u64) {
        let nanos = u64::try_from(self.now.as_nanos()).unwrap_or(u64::MAX);
        for word in [what, nanos] {
            self.trace = (self.trace ^ word).wrapping_mul(0x0000_0100_0000_01b3).rotate_left(23);
        }
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
                Some(Request::Notice(notice)) => self.noticed(notice),
                Some(Request::Report(report)) => {
                    self.admission.hear(report.shard, report.connections);
                    let runner = &mut self.runners[usize::from(report.shard.0)];
                    runner.report = Some(*report);
                }
            }
            busy = true;
        }
        let mut at = 0;
        while !self.hold_verdicts && at < self.asks.len() {
            if self.hold_tokens && matches!(self.asks[at].2, Ask::Verify { .. }) {
                at += 1;
            } else if let Some((shard, slot, ask)) = self.asks.remove(at) {
                self.decide(shard, slot, ask);
                busy = true;
            }
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
            let before = client.got.len();
            client.hear(&bytes);
            if let Some(ledger) = &self.ledger {
                for got in &client.got[before..] {
                    ledger.borrow_mut().came(id, got);
                }
            }
            match network.end(id) {
                Some(End::Finished | End::Reset) => client.ended(),
                None => network.reads_on(id),
            }
        }
        busy
    }
}

/// What the keeper of the keys says of a token: `for-` and a room, with a star for what begins so, is good for that.
fn verify(token: &str, room: &str) -> Result<(), Refusal> {
    let entry = token.strip_prefix("for-").ok_or(Refusal::Token)?;
    let allowed = match entry.strip_suffix('*') {
        Some(beginning) => room.starts_with(beginning),
        None => entry == room,
    };
    if allowed { Ok(()) } else { Err(Refusal::RoomClaim) }
}
