//! The sessions and rooms of one shard: clients enter and leave.

use super::super::by_slot::BySlot;
use super::super::event::Opening;
use super::super::journal;
use super::counters::{Counters, Gauges};
use super::entrance::{self, Refusal, Wish};
use super::pools::Pools;
use super::settings::Settings;
use super::wire;
use crate::Now;
use crate::admission::{self, Ask, Bucket, Notice, Seat, Verdict};
use crate::effects::{Cx, Effects};
use crate::entry::{Routing, draw_hashing, grant};
use crate::http;
use crate::room::{Dialect, Member, MemberId, Members, OpenRooms, RoomHandle, RoomKey};
use crate::slot::{ShardIndex, Slot};
use crate::ws::Kind;
use rand::Rng;
use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

/// The only wire form.
const TEXT: Dialect = Dialect(0);

/// The sessions and rooms of one shard.
pub struct Relay {
    pub(super) shard: ShardIndex,
    pub(super) settings: Settings,
    routing: Routing,
    pub(super) random: Box<dyn Rng + Send>,
    pub(super) sessions: BySlot<Session>,
    pub(super) rooms: OpenRooms<Room>,
    pub(super) pools: Pools,
    pub(super) counters: Counters,
    pub(super) clients: usize,
    /// The rooms are shared, and Redis does not answer for the moment.
    pub(super) breaker_open: bool,
}

/// A connection.
#[derive(Debug)]
pub(super) enum Session {
    /// It waits to be let in.
    Entering(Box<Entering>),
    /// It is in a room.
    Inside(Client),
}

/// A connection whose upgrade is not answered yet.
#[derive(Debug)]
pub(super) struct Entering {
    pub(super) ip: IpAddr,
    pub(super) room: Box<str>,
    pub(super) answer: Vec<u8>,
    /// It has no ticket: it is refused at the end of the checks.
    pub(super) ticketless: bool,
    /// It is counted among the clients of its address, and waits for a seat.
    pub(super) sits_next: Option<MemberId>,
}

/// A client in a room.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) id: MemberId,
    pub(super) ip: IpAddr,
    pub(super) room: RoomHandle,
    pub(super) bucket: Bucket,
    pub(super) invalid_in_a_row: u32,
    next_ping: Duration,
    /// A message that waits until more is lent to its address.
    pub(super) held: Option<Held>,
    /// Its place in a room that other nodes share.
    pub(super) seat: Option<Box<Seat>>,
}

/// A message that waits for more to be lent. `None`: it is not even text.
#[derive(Debug)]
pub(super) struct Held(pub(super) Option<Box<str>>);

/// A room.
#[derive(Debug, Default)]
pub(super) struct Room {
    pub(super) members: Members,
    pub(super) bucket: Bucket,
}

impl Relay {
    /// No sessions yet. `random` makes the ids of clients.
    #[must_use]
    pub fn new(settings: Settings, shard: ShardIndex, routing: Routing, mut random: Box<dyn Rng + Send>) -> Self {
        // With the routing's seeds the keys of a shard would share their low hash bits.
        let hashing = draw_hashing(&mut *random);
        let shared = settings.shared;
        Self {
            shard,
            settings,
            routing,
            random,
            sessions: BySlot::default(),
            rooms: OpenRooms::new(hashing.clone()),
            pools: Pools::new(hashing),
            counters: Counters::default(),
            clients: 0,
            // Until Redis has answered for the first time.
            breaker_open: shared,
        }
    }

    /// What happened since the start.
    #[must_use]
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// What lives now.
    #[must_use]
    pub fn gauges(&self) -> Gauges {
        Gauges {
            sessions: self.sessions.len(),
            clients: self.clients,
            rooms: self.rooms.len(),
            addresses: self.pools.len(),
        }
    }

    /// The address of a client.
    #[must_use]
    pub fn address(&self, slot: Slot) -> Option<IpAddr> {
        self.sessions.get(slot).map(|session| match session {
            Session::Entering(entering) => entering.ip,
            Session::Inside(client) => client.ip,
        })
    }

    /// The shard of the room that the URL names. Who is refused anyway is refused where it is.
    #[must_use]
    pub fn home(&self, opening: &Opening) -> Option<ShardIndex> {
        let Wish { room, .. } = entrance::check(opening, &self.settings, self.breaker_open).ok()?;
        Some(self.routing.room(&key(&room)))
    }

    /// A connection asks for its upgrade.
    pub fn opened(&mut self, cx: &mut Cx<'_>, opening: Opening) {
        let checked = entrance::check(&opening, &self.settings, self.breaker_open);
        let subprotocol = self.settings.subprotocol.as_deref();
        let subprotocol = subprotocol.filter(|wanted| entrance::offers(&opening, wanted));
        let mut answer = opening.answer.into_vec();
        if let Some(subprotocol) = subprotocol {
            http::add_subprotocol(&mut answer, subprotocol);
        }
        let Wish { room, token } = match checked {
            Ok(wish) => wish,
            Err(refusal) => return self.refuse(cx, opening.client, &answer, refusal),
        };
        let ip = opening.client;
        self.sessions.insert(
            cx.slot,
            Session::Entering(Box::new(Entering {
                ip,
                room: room.clone(),
                answer,
                ticketless: opening.ticketless,
                sits_next: None,
            })),
        );
        match token {
            Some(token) => cx.ask(Ask::Verify { token, room }),
            None => self.ask_to_enter(cx, ip),
        }
    }

    /// Counts the connection, and asks for the first block of messages if there is none left of its address here.
    fn ask_to_enter(&mut self, cx: &mut Cx<'_>, ip: IpAddr) {
        let lend = self.settings.ip_messages.is_limit() && self.pools.is_dry(ip);
        cx.ask(Ask::Enter { ip, lend });
    }

    /// Admission answered.
    pub fn verdict(&mut self, cx: &mut Cx<'_>, verdict: Verdict) {
        match self.sessions.get(cx.slot) {
            None => grant::give_back(verdict, cx.fx),
            Some(Session::Inside(_)) => self.lent(cx, verdict),
            Some(Session::Entering(entering)) => {
                let ip = entering.ip;
                match verdict {
                    Verdict::Admitted => self.ask_to_enter(cx, ip),
                    Verdict::Lent(loan) => {
                        if let Some(Session::Entering(entering)) = self.sessions.remove(cx.slot) {
                            self.pools.enter(ip);
                            self.pools.put(cx.now.monotonic, loan, cx.fx);
                            self.lent_to_enter(cx, entering);
                        }
                    }
                    Verdict::Seated(seat) => self.seated(cx, seat),
                    Verdict::Refused(refusal) => {
                        let refusal = match refusal {
                            admission::Refusal::Token => Refusal::Token,
                            admission::Refusal::RoomClaim => Refusal::RoomClaim,
                            admission::Refusal::RoomFull => Refusal::Full,
                            admission::Refusal::BreakerOpen => Refusal::Breaker,
                            admission::Refusal::Redis => Refusal::Redis,
                            _ => Refusal::Rate,
                        };
                        if let Some(Session::Entering(entering)) = self.sessions.remove(cx.slot) {
                            self.stand_up(&entering, cx.fx);
                            self.refuse(cx, ip, &entering.answer, refusal);
                        }
                    }
                    other => grant::give_back(other, cx.fx),
                }
            }
        }
    }

    /// The client is counted among those of its address: the room is next.
    fn lent_to_enter(&mut self, cx: &mut Cx<'_>, entering: Box<Entering>) {
        if self.settings.shared && !entering.ticketless {
            return self.ask_to_sit(cx, entering);
        }
        let ip = entering.ip;
        if let Err((answer, refusal)) = self.enter(cx, *entering, None) {
            self.pools.leave(ip, cx.fx);
            self.refuse(cx, ip, &answer, refusal);
        }
    }

    /// The last checks; whoever passes them is a member, and its upgrade is answered.
    pub(super) fn enter(
        &mut self,
        cx: &mut Cx<'_>,
        entering: Entering,
        seat: Option<Box<Seat>>,
    ) -> Result<(), (Vec<u8>, Refusal)> {
        let Entering {
            ip,
            room,
            answer,
            ticketless,
            sits_next,
        } = entering;
        if ticketless {
            return Err((answer, Refusal::Connections));
        }
        let Some(handle) = self.rooms.find_or_open(key(&room)) else {
            return Err((answer, Refusal::Full));
        };
        let Some(room) = self.rooms.get_mut(handle) else {
            return Err((answer, Refusal::Full));
        };
        if !self.settings.shared && room.members.all().len() >= self.settings.room_capacity {
            return Err((answer, Refusal::Full));
        }
        let id = sits_next.unwrap_or_else(|| draw_id(&mut *self.random));
        room.members.add(Member {
            id,
            slot: cx.slot,
            dialect: TEXT,
        });
        cx.accept(&answer);
        let client = Client {
            id,
            ip,
            room: handle,
            bucket: Bucket::default(),
            invalid_in_a_row: 0,
            next_ping: cx.now.monotonic.saturating_add(self.settings.heartbeat_interval),
            held: None,
            seat,
        };
        self.sessions.insert(cx.slot, Session::Inside(client));
        self.counters.entered += 1;
        self.clients += 1;
        cx.resume();
        Ok(())
    }

    /// The upgrade succeeds, and the connection is closed with the reason.
    pub(super) fn refuse(&mut self, cx: &mut Cx<'_>, ip: IpAddr, answer: &[u8], refusal: Refusal) {
        self.counters.refused[refusal as usize] += 1;
        let (code, reason) = refusal.close();
        journal::closed(self.shard, cx.slot, Some(ip), code, reason);
        cx.accept(answer);
        cx.close(code, reason);
    }

    /// The connection ended: those left are told, once.
    pub fn left(&mut self, cx: &mut Cx<'_>) {
        let client = match self.sessions.remove(cx.slot) {
            Some(Session::Inside(client)) => client,
            Some(Session::Entering(entering)) => return self.stand_up(&entering, cx.fx),
            None => return,
        };
        self.counters.left += 1;
        self.clients -= 1;
        self.pools.leave(client.ip, cx.fx);
        give_up(client.seat, cx.fx);
        let Some(room) = self.rooms.get_mut(client.room) else {
            return;
        };
        room.members.remove(client.id);
        if room.members.all().is_empty() {
            return self.rooms.remove(client.room);
        }
        let write = |out: &mut Vec<u8>| wire::write_peer_disconnected(client.id, out);
        cx.fx.frame.encode(Kind::Text, write);
        room.members.deliver(None, cx.fx);
    }

    /// Whether messages of this connection may not be delivered now.
    #[must_use]
    pub fn waits(&self, slot: Slot) -> bool {
        match self.sessions.get(slot) {
            Some(Session::Entering(_)) => true,
            Some(Session::Inside(client)) => client.held.is_some(),
            None => false,
        }
    }

    /// When the next heartbeat is due.
    #[must_use]
    pub fn deadline(&self, slot: Slot) -> Option<Duration> {
        match self.sessions.get(slot) {
            Some(Session::Inside(client)) => Some(client.next_ping),
            Some(Session::Entering(_)) | None => None,
        }
    }

    /// The deadline of a connection has come.
    pub fn due(&mut self, cx: &mut Cx<'_>) {
        let interval = self.settings.heartbeat_interval;
        if let Some(Session::Inside(client)) = self.sessions.get_mut(cx.slot)
            && client.next_ping <= cx.now.monotonic
        {
            client.next_ping = cx.now.monotonic.saturating_add(interval);
            cx.ping();
        }
    }

    /// When [`Self::tick`] has something to do; [`Duration::MAX`] if never.
    #[must_use]
    pub fn next_due(&self) -> Duration {
        self.pools.next_due()
    }

    /// Time passes for what is lent.
    pub fn tick(&mut self, now: Now, fx: &mut Effects) {
        self.pools.sweep(now.monotonic, fx);
    }

    /// A connection is about to be closed because it does not read fast enough.
    pub fn too_slow(&mut self) {
        self.counters.closed_slow += 1;
    }

    /// The server shuts down: everybody is forgotten. Who was on the way in gets the answer of a newcomer.
    pub fn drain(&mut self, fx: &mut Effects) {
        let refusal = http::refusal_text(http::Refusal::Draining);
        for (slot, session) in self.sessions.drain() {
            match session {
                Session::Entering(_) => fx.answer(slot, &refusal),
                Session::Inside(client) => {
                    self.counters.left += 1;
                    give_up(client.seat, fx);
                }
            }
        }
        self.clients = 0;
        self.rooms.clear();
        self.pools.drain(fx);
    }
}

/// A client is gone: its seat is given back.
fn give_up(seat: Option<Box<Seat>>, fx: &mut Effects) {
    if let Some(seat) = seat {
        fx.notify(Notice::SeatEnded(*seat));
    }
}

/// A client's id.
pub(super) fn draw_id(random: &mut (dyn Rng + Send)) -> MemberId {
    let mut bytes = [0; 16];
    random.fill_bytes(&mut bytes);
    MemberId::from_random(bytes)
}

pub(super) fn key(room: &str) -> RoomKey {
    RoomKey::new("relay", None, room)
}

impl fmt::Debug for Relay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let gauges = self.gauges();
        f.debug_struct("Relay").field("gauges", &gauges).finish_non_exhaustive()
    }
}
