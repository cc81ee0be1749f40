//! Mail between shards and with the control plane, each pair with a delay of its own. What one pair sends stays in order.

use crate::ledger::Ledger;
use crate::network::{ConnectionId, Network};
use crate::random::Sequence;
use crate::sockets::Socket;
use signal_fish_core::protocol::Trouble;
use signal_fish_core::shard::{Cause, Mail, Post, Request, ToDesk, Told};
use signal_fish_core::{ShardIndex, Slot};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

/// The way from one sender to one receiver: what is on it, and when it arrives.
#[derive(Debug)]
struct Way<T>(VecDeque<(Duration, T)>);

impl<T> Default for Way<T> {
    fn default() -> Self {
        Self(VecDeque::new())
    }
}

impl<T> Way<T> {
    fn push(&mut self, due: Duration, piece: T) {
        // What was sent earlier arrives earlier.
        let due = self.0.back().map_or(due, |(last, _)| due.max(*last));
        self.0.push_back((due, piece));
    }

    fn due(&self) -> Option<Duration> {
        self.0.front().map(|(due, _)| *due)
    }

    fn take(&mut self, now: Duration) -> Option<T> {
        self.0.pop_front_if(|(due, _)| *due <= now).map(|(_, piece)| piece)
    }
}

/// What waits for one shard.
#[derive(Debug, Default)]
struct Mailbox {
    /// By the shard that sent it.
    shards: Vec<Way<Mail<Socket>>>,
    control: Way<Mail<Socket>>,
    ended: bool,
}

/// All mail of a world.
#[derive(Debug)]
pub struct Mailroom {
    boxes: Vec<Mailbox>,
    /// Requests, by the shard that sent them.
    requests: Vec<Way<Request>>,
    random: Sequence,
    /// The time, as the world sets it.
    pub now: Duration,
    /// Longest delay of a piece of mail; how long it is, is drawn.
    pub delay_max: Duration,
    /// Mail between shards waits.
    pub holds_moves: bool,
    /// Connections that a mailbox takes from other shards.
    pub moves_max: usize,
    /// The desk takes nothing.
    pub desk_is_closed: bool,
    /// What arrived at the desk.
    pub at_desk: VecDeque<ToDesk>,
    progress: u64,
}

impl Mailroom {
    /// No mail yet.
    #[must_use]
    pub fn new(shards: u16, random: Sequence) -> Self {
        let mailbox = || Mailbox {
            shards: (0..shards).map(|_| Way::default()).collect(),
            ..Mailbox::default()
        };
        Self {
            boxes: (0..shards).map(|_| mailbox()).collect(),
            requests: (0..shards).map(|_| Way::default()).collect(),
            random,
            now: Duration::ZERO,
            delay_max: Duration::ZERO,
            holds_moves: false,
            moves_max: usize::MAX,
            desk_is_closed: false,
            at_desk: VecDeque::new(),
            progress: 0,
        }
    }

    /// Grows with everything that is sent or taken.
    #[must_use]
    pub fn progress(&self) -> u64 {
        self.progress
    }

    /// Whether nothing is on its way.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        let quiet =
            |mailbox: &Mailbox| mailbox.control.0.is_empty() && mailbox.shards.iter().all(|way| way.0.is_empty());
        self.boxes.iter().all(quiet) && self.requests.iter().all(|way| way.0.is_empty())
    }

    /// When the next piece arrives that is not held.
    #[must_use]
    pub fn next_due(&self) -> Option<Duration> {
        let boxes = (0..self.boxes.len()).filter_map(|shard| self.next_due_of(shard));
        let requests = self.requests.iter().filter_map(Way::due);
        boxes.chain(requests).min()
    }

    fn next_due_of(&self, shard: usize) -> Option<Duration> {
        let mailbox = &self.boxes[shard];
        if mailbox.ended {
            return None;
        }
        let moves = mailbox.shards.iter().filter(|_| !self.holds_moves);
        moves.filter_map(Way::due).chain(mailbox.control.due()).min()
    }

    /// Whether something has arrived for a shard.
    #[must_use]
    pub(crate) fn has_mail(&self, shard: ShardIndex) -> bool {
        self.next_due_of(usize::from(shard.0))
            .is_some_and(|due| due <= self.now)
    }

    fn take(&mut self, shard: ShardIndex) -> Option<Mail<Socket>> {
        let now = self.now;
        let mailbox = &mut self.boxes[usize::from(shard.0)];
        let moves = mailbox.shards.iter_mut().filter(|_| !self.holds_moves);
        let ways = moves.chain([&mut mailbox.control]).filter(|way| way.due().is_some());
        let mail = ways.min_by_key(|way| way.due())?.take(now);
        self.progress += u64::from(mail.is_some());
        mail
    }

    fn mail(&mut self, from: ShardIndex, to: ShardIndex, mail: Mail<Socket>) -> Result<(), Mail<Socket>> {
        assert_ne!(from, to, "nobody moves to where it is");
        let due = self.due();
        let mailbox = &mut self.boxes[usize::from(to.0)];
        let moves: usize = mailbox.shards.iter().map(|way| way.0.len()).sum();
        if mailbox.ended || moves >= self.moves_max {
            return Err(mail);
        }
        mailbox.shards[usize::from(from.0)].push(due, mail);
        self.progress += 1;
        Ok(())
    }

    /// The control plane mails to a shard.
    pub fn mail_from_control(&mut self, to: ShardIndex, mail: Mail<Socket>) {
        let due = self.due();
        self.boxes[usize::from(to.0)].control.push(due, mail);
        self.progress += 1;
    }

    /// The next request that has arrived at the control plane.
    pub fn take_request(&mut self) -> Option<Request> {
        let now = self.now;
        let ways = self.requests.iter_mut().filter(|way| way.due().is_some());
        let request = ways.min_by_key(|way| way.due())?.take(now);
        self.progress += u64::from(request.is_some());
        request
    }

    /// A shard has ended: nobody empties its mailbox any more. Returns what was left in it.
    pub fn end(&mut self, shard: ShardIndex) -> Vec<Mail<Socket>> {
        let mailbox = &mut self.boxes[usize::from(shard.0)];
        mailbox.ended = true;
        let ways = mailbox.shards.iter_mut().chain([&mut mailbox.control]);
        ways.flat_map(|way| way.0.drain(..)).map(|(_, mail)| mail).collect()
    }

    fn due(&mut self) -> Duration {
        let most = usize::try_from(self.delay_max.as_micros()).unwrap_or(usize::MAX);
        let delay = if most == 0 { 0 } else { self.random.up_to(most) };
        self.now + Duration::from_micros(delay as u64)
    }
}

/// The post of one shard.
#[derive(Debug)]
pub struct SimulatedPost {
    shard: ShardIndex,
    room: Rc<RefCell<Mailroom>>,
    network: Rc<RefCell<Network>>,
    ledger: Option<Rc<RefCell<Ledger>>>,
}

impl SimulatedPost {
    /// The post of a shard.
    #[must_use]
    pub fn new(
        shard: ShardIndex,
        room: Rc<RefCell<Mailroom>>,
        network: Rc<RefCell<Network>>,
        ledger: Option<Rc<RefCell<Ledger>>>,
    ) -> Self {
        Self {
            shard,
            room,
            network,
            ledger,
        }
    }

    fn connection(&self, slot: Slot) -> ConnectionId {
        let occupant = self.network.borrow().occupant(self.shard, slot);
        occupant.unwrap_or_else(|| panic!("{slot:?} of {:?} was never taken", self.shard))
    }
}

impl Post<Socket> for SimulatedPost {
    fn has_mail(&mut self) -> bool {
        self.room.borrow().has_mail(self.shard)
    }

    fn take(&mut self) -> Option<Mail<Socket>> {
        let mail = self.room.borrow_mut().take(self.shard)?;
        if let Some(ledger) = &self.ledger {
            match &mail {
                Mail::Verdict { slot, verdict, .. } => {
                    ledger.borrow_mut().answered(self.connection(*slot), verdict);
                }
                Mail::Drain => ledger.borrow_mut().drained(self.shard),
                _ => {}
            }
        }
        Some(mail)
    }

    fn mail(&mut self, to: ShardIndex, mail: Mail<Socket>) -> Result<(), Mail<Socket>> {
        self.room.borrow_mut().mail(self.shard, to, mail)
    }

    fn witness(&mut self, told: Told<'_>) {
        if let Some(ledger) = &self.ledger {
            let mut ledger = ledger.borrow_mut();
            if let Told::Left(slot, cause) = told {
                let (id, network) = (self.connection(slot), self.network.borrow());
                match cause {
                    Cause::Silent => ledger.is_silent(id, network.arrived_last(id)),
                    Cause::Slow => assert!(network.is_blocked(id), "client {id} takes bytes"),
                    Cause::Trouble(Trouble::MessageTimeout) if network.came_in_pieces(id) => ledger.garbled(id),
                    _ => {}
                }
            }
            let find = |slot| self.connection(slot);
            ledger.told(self.shard, find, &told);
        }
    }

    fn request(&mut self, request: Request) {
        if let (Some(ledger), Request::Ask { slot, ask, .. }) = (&self.ledger, &request) {
            ledger.borrow_mut().asked(self.connection(*slot), ask);
        }
        let mut room = self.room.borrow_mut();
        let due = room.due();
        room.requests[usize::from(self.shard.0)].push(due, request);
        room.progress += 1;
    }

    fn to_desk(&mut self, message: ToDesk) -> Result<(), ToDesk> {
        let mut room = self.room.borrow_mut();
        if room.desk_is_closed {
            return Err(message);
        }
        room.progress += 1;
        room.at_desk.push_back(message);
        Ok(())
    }
}
