//! The peers and rooms of one shard: peers enter and leave.

use super::super::by_slot::BySlot;
use super::super::event::Opening;
use super::super::journal;
use super::counters::{Counters, Gauges};
use super::settings::{Settings, Topology};
use super::wire;
use crate::effects::Cx;
use crate::entry::{Routing, draw_hashing};
use crate::http::query_parameter;
use crate::room::{Dialect, Member, MemberId, Members, OpenRooms, RoomHandle, RoomKey};
use crate::slot::{ShardIndex, Slot};
use crate::ws::Kind;
use rand::Rng;
use std::fmt;
use std::net::IpAddr;

/// The room of a URL that names none (M2).
const DEFAULT_ROOM: &str = "world";
/// The only wire form.
const JSON: Dialect = Dialect(0);

/// The peers and rooms of one shard.
pub struct Matchbox {
    pub(super) shard: ShardIndex,
    pub(super) settings: Settings,
    routing: Routing,
    random: Box<dyn Rng + Send>,
    pub(super) peers: BySlot<Peer>,
    pub(super) rooms: OpenRooms<Room>,
    pub(super) counters: Counters,
}

/// A connected client.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) id: MemberId,
    pub(super) room: RoomHandle,
    /// Address of its client, for the log.
    ip: IpAddr,
    /// Messages since the last valid one (M4).
    pub(super) invalid_in_a_row: u32,
}

/// A room, or one group of a room with `next`.
#[derive(Debug, Default)]
pub(super) struct Room {
    pub(super) members: Members,
    /// Who the clients connect to, in the client-server topology.
    pub(super) host: Option<MemberId>,
}

/// The room that a URL names.
struct Wanted<'a> {
    name: &'a str,
    /// Peers of a group; 0: it has no groups.
    next: usize,
}

impl Matchbox {
    /// No peers yet. `random` makes their ids.
    #[must_use]
    pub fn new(settings: Settings, shard: ShardIndex, routing: Routing, mut random: Box<dyn Rng + Send>) -> Self {
        // With the routing's seeds the keys of a shard would share their low hash bits.
        let hashing = draw_hashing(&mut *random);
        Self {
            shard,
            settings,
            routing,
            random,
            peers: BySlot::default(),
            rooms: OpenRooms::new(hashing),
            counters: Counters::default(),
        }
    }

    /// What happened since the start.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// What lives now.
    #[must_use]
    pub fn gauges(&self) -> Gauges {
        Gauges {
            peers: self.peers.len(),
            rooms: self.rooms.len(),
        }
    }

    /// The address of a client.
    #[must_use]
    pub fn address(&self, slot: Slot) -> Option<IpAddr> {
        self.peers.get(slot).map(|peer| peer.ip)
    }

    /// The shard of the room that the URL names.
    #[must_use]
    pub fn home(&self, opening: &Opening) -> ShardIndex {
        self.routing.room(&self.wanted(opening).key())
    }

    /// A connection was upgraded. Its peer is a member from now on, and those who offer to it are told, in one step.
    pub fn opened(&mut self, cx: &mut Cx<'_>, opening: &Opening) {
        let wanted = self.wanted(opening);
        let Some(handle) = self.rooms.find_or_open(wanted.key()) else {
            return self.refuse(cx, opening.client);
        };
        let Some(room) = self.rooms.get_mut(handle) else { return };
        if room.members.all().len() >= self.settings.peers_per_room_max {
            return self.refuse(cx, opening.client);
        }
        let id = MemberId::from_random(random_bytes(&mut *self.random));
        cx.send(Kind::Text, |out| wire::write_id_assigned(id, out));
        let told = match self.settings.topology {
            Topology::FullMesh => {
                cx.fx.frame.encode(Kind::Text, |out| wire::write_new_peer(id, out));
                room.members.deliver(None, cx.fx)
            }
            Topology::ClientServer => room.introduce(cx, id),
        };
        room.members.add(Member {
            id,
            slot: cx.slot,
            dialect: JSON,
        });
        if room.members.all().len() == wanted.next {
            self.rooms.shut(handle);
        }
        self.counters.peers_joined += 1;
        self.counters.pairs += told;
        self.peers.insert(
            cx.slot,
            Peer {
                id,
                room: handle,
                ip: opening.client,
                invalid_in_a_row: 0,
            },
        );
    }

    /// The connection ended without the protocol's doing: those left are told.
    pub fn left(&mut self, cx: &mut Cx<'_>) {
        let Some(Peer { id, room: handle, .. }) = self.peers.remove(cx.slot) else {
            return;
        };
        self.counters.peers_left += 1;
        let Some(room) = self.rooms.get_mut(handle) else { return };
        room.members.remove(id);
        if room.members.all().is_empty() {
            return self.rooms.remove(handle);
        }
        cx.fx.frame.encode(Kind::Text, |out| wire::write_peer_left(id, out));
        match self.settings.topology {
            Topology::ClientServer if room.host != Some(id) => {
                if let Some(host) = room.host.and_then(|host| room.members.get(host)) {
                    cx.fx.append(host.slot);
                }
            }
            Topology::FullMesh | Topology::ClientServer => {
                room.members.deliver(None, cx.fx);
            }
        }
        if room.host == Some(id) {
            room.host = None;
        }
    }

    /// The server shuts down: everybody is forgotten, and nobody is told who left.
    pub fn drain(&mut self) {
        self.counters.peers_left += self.peers.drain().count() as u64;
        self.rooms.clear();
    }

    /// The room is full, or there are more rooms than can be counted.
    fn refuse(&mut self, cx: &mut Cx<'_>, ip: IpAddr) {
        self.counters.peers_refused += 1;
        let reason = "Room is full";
        journal::closed(self.shard, cx.slot, Some(ip), 1008, reason);
        cx.close(1008, reason);
    }

    fn wanted<'a>(&self, opening: &'a Opening) -> Wanted<'a> {
        let next = match self.settings.topology {
            Topology::FullMesh => opening
                .query
                .as_deref()
                .and_then(|query| query_parameter(query, "next")),
            Topology::ClientServer => None,
        };
        let next = next
            // A sign is no digit (M7).
            .filter(|next| next.bytes().all(|byte| byte.is_ascii_digit()))
            .and_then(|next| next.parse().ok())
            .filter(|next| *next <= self.settings.peers_per_room_max)
            .unwrap_or(0);
        let name = opening.room.as_deref().unwrap_or(DEFAULT_ROOM);
        Wanted { name, next }
    }
}

impl Wanted<'_> {
    fn key(&self) -> RoomKey {
        RoomKey::new("matchbox", None, format!("{}/{}", self.next, self.name))
    }
}

impl Room {
    /// A newcomer to the client-server topology: the host is told, or it becomes the host and is told of every client that
    /// stayed (M10). Returns how many were told.
    fn introduce(&mut self, cx: &mut Cx<'_>, newcomer: MemberId) -> u64 {
        if let Some(host) = self.host.and_then(|host| self.members.get(host)) {
            cx.fx
                .frame
                .encode(Kind::Text, |out| wire::write_new_peer(newcomer, out));
            cx.fx.append(host.slot);
            return 1;
        }
        self.host = Some(newcomer);
        for client in self.members.all() {
            cx.send(Kind::Text, |out| wire::write_new_peer(client.id, out));
        }
        self.members.all().len() as u64
    }
}

fn random_bytes(random: &mut dyn Rng) -> [u8; 16] {
    let mut bytes = [0; 16];
    random.fill_bytes(&mut bytes);
    bytes
}

impl fmt::Debug for Matchbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let gauges = self.gauges();
        f.debug_struct("Matchbox")
            .field("gauges", &gauges)
            .finish_non_exhaustive()
    }
}
