//! Connections between clients and shards: bytes in two directions, and what goes wrong with them.
//!
//! Bytes of a client are first on the wire, then arrive in pieces; every arrival is an edge, as epoll tells it. Bytes of
//! the server wait in a window of limited size until the client reads them.

mod inspection;
mod server_side;

use crate::random::Sequence;
use signal_fish_core::{ListenerIndex, ShardIndex, Slot};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

/// Names a connection of the network, counted from 0.
pub type ConnectionId = usize;

/// Bytes that arrived and were not received by the shard; what is beyond stays on the wire.
const ARRIVED_BYTES_MAX: usize = 256 * 1024;

/// What a connection does with bytes. Every field may be changed at any time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line {
    /// Most bytes of the client that arrive at once; how many is drawn.
    pub arrives_bytes_max: usize,
    /// Most bytes of the server that wait for the client. A socket whose window is full is blocked.
    pub window_bytes: usize,
    /// Most bytes that the client reads at once; how many is drawn. 0: it does not read.
    pub reads_bytes_max: usize,
    /// Time between two arrivals of the client's bytes.
    pub drips: Duration,
}

impl Default for Line {
    /// Everything at once.
    fn default() -> Self {
        Self {
            arrives_bytes_max: usize::MAX,
            window_bytes: usize::MAX,
            reads_bytes_max: usize::MAX,
            drips: Duration::ZERO,
        }
    }
}

/// How the server's direction ended, as its client sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The server sends no more.
    Finished,
    /// The connection was reset: what the client had not read is gone.
    Reset,
}

/// Where the server's side of a connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// In the queue of a listener.
    Queued(ShardIndex),
    /// With no slot: just accepted, or moving between shards.
    Unwatched,
    /// In a slot.
    At(ShardIndex, Slot),
    /// Closed.
    Closed,
}

#[derive(Debug)]
struct Connection {
    peer: IpAddr,
    line: Line,
    place: Place,
    /// The socket holds another reference. When the socket is dropped, this is the only one left.
    socket: Arc<()>,
    /// Bytes of the client under way.
    wire: VecDeque<u8>,
    /// The client's end follows the bytes on the wire.
    finishing: bool,
    /// Bytes of the client that have arrived.
    arrived: VecDeque<u8>,
    /// The client's end has arrived.
    finished: bool,
    lost: bool,
    /// Sends fail, although nothing else tells that the connection is lost.
    fails_sends: bool,
    /// Bytes of the server that the client has not read.
    window: VecDeque<u8>,
    /// The server was told that there is no room.
    blocked: bool,
    /// That was so at some time.
    was_blocked: bool,
    /// How the server's direction ended.
    end: Option<End>,
    /// The server ended its direction behind everything that it had to send.
    is_finished: bool,
    /// Whether an event of it is queued.
    told: bool,
    /// When bytes of the client may arrive again.
    arrives_at: Duration,
    /// Some bytes of the client arrived later than those before them.
    came_in_pieces: bool,
    /// When something of the client arrived last.
    arrived_last: Duration,
}

/// What belongs to one shard.
#[derive(Debug, Default)]
struct Watch {
    queue: VecDeque<(ListenerIndex, ConnectionId)>,
    /// Listeners whose newcomers are to be told.
    newcomers: BTreeSet<ListenerIndex>,
    ready: VecDeque<ConnectionId>,
    listening: bool,
}

/// All connections of a world.
#[derive(Debug)]
pub struct Network {
    connections: Vec<Connection>,
    watches: Vec<Watch>,
    /// Connections with something under way to the server.
    under_way: BTreeSet<ConnectionId>,
    /// Connections with something for the client.
    for_clients: BTreeSet<ConnectionId>,
    /// Connections whose server side is not closed.
    open: BTreeSet<ConnectionId>,
    /// Who was in a slot last.
    occupants: BTreeMap<(u16, u32, u32), ConnectionId>,
    random: Sequence,
    /// The time, as the world sets it.
    pub now: Duration,
    /// Whether events of one shard are told in any order.
    pub shuffles_events: bool,
    /// Events wait, although what they tell of has happened.
    pub holds_events: bool,
    /// So many accepts fail for lack of descriptors.
    pub exhausted_accepts: usize,
    progress: u64,
}

impl Network {
    /// No connection yet.
    #[must_use]
    pub fn new(shards: u16, random: Sequence) -> Self {
        let watch = || Watch {
            listening: true,
            ..Watch::default()
        };
        Self {
            connections: Vec::new(),
            watches: (0..shards).map(|_| watch()).collect(),
            under_way: BTreeSet::new(),
            for_clients: BTreeSet::new(),
            open: BTreeSet::new(),
            occupants: BTreeMap::new(),
            random,
            now: Duration::ZERO,
            shuffles_events: false,
            holds_events: false,
            exhausted_accepts: 0,
            progress: 0,
        }
    }

    /// Grows with everything that happens. A call that changes nothing leaves it as it is.
    #[must_use]
    pub fn progress(&self) -> u64 {
        self.progress
    }

    /// What a connection does with bytes.
    pub fn line(&mut self, id: ConnectionId) -> &mut Line {
        // Whatever changes, the client may have to look again.
        self.for_clients.insert(id);
        &mut self.connections[id].line
    }

    // The client's side.

    /// A client connects to a listener of a shard. Where nobody listens the connection is lost.
    pub fn connect(
        &mut self,
        (shard, listener): (ShardIndex, ListenerIndex),
        peer: IpAddr,
        line: Line,
    ) -> ConnectionId {
        let id = self.connections.len();
        let watch = &mut self.watches[usize::from(shard.0)];
        let listening = watch.listening;
        if listening {
            watch.queue.push_back((listener, id));
            watch.newcomers.insert(listener);
            self.open.insert(id);
        } else {
            self.for_clients.insert(id);
        }
        self.connections.push(Connection {
            peer,
            line,
            place: if listening { Place::Queued(shard) } else { Place::Closed },
            socket: Arc::new(()),
            wire: VecDeque::new(),
            finishing: false,
            arrived: VecDeque::new(),
            finished: false,
            lost: !listening,
            fails_sends: false,
            window: VecDeque::new(),
            blocked: false,
            was_blocked: false,
            end: (!listening).then_some(End::Reset),
            is_finished: false,
            told: false,
            arrives_at: Duration::ZERO,
            came_in_pieces: false,
            arrived_last: Duration::ZERO,
        });
        self.progress += 1;
        id
    }

    /// The client sends bytes, and then its end if it `finishes`. Returns whether that is anything new.
    pub fn write(&mut self, id: ConnectionId, bytes: &[u8], finishes: bool) -> bool {
        let connection = &mut self.connections[id];
        if connection.lost || connection.finishing || (bytes.is_empty() && !finishes) {
            return false;
        }
        connection.wire.extend(bytes);
        connection.finishing = finishes;
        self.under_way.insert(id)
    }

    /// The connection fails for both. What was under way is gone.
    pub fn lose(&mut self, id: ConnectionId) {
        let connection = &mut self.connections[id];
        if connection.lost {
            return;
        }
        connection.lost = true;
        connection.wire.clear();
        connection.arrived.clear();
        self.under_way.remove(&id);
        self.reset(id);
        self.tell(id);
    }

    /// Sends to this client fail from now on, and nothing else tells that the connection is lost.
    pub fn fail_sends(&mut self, id: ConnectionId) {
        self.connections[id].fails_sends = true;
    }

    /// What the client reads now.
    pub fn read(&mut self, id: ConnectionId) -> Vec<u8> {
        let connection = &mut self.connections[id];
        let most = connection.line.reads_bytes_max.min(connection.window.len());
        let count = if connection.line.reads_bytes_max == usize::MAX || most == 0 {
            most
        } else {
            1 + self.random.up_to(most - 1)
        };
        let bytes: Vec<u8> = connection.window.drain(..count).collect();
        if bytes.is_empty() {
            return bytes;
        }
        self.progress += 1;
        if connection.blocked {
            self.tell(id);
        }
        bytes
    }

    /// How the server's direction ended, when the client has read everything.
    #[must_use]
    pub fn end(&self, id: ConnectionId) -> Option<End> {
        let connection = &self.connections[id];
        connection.end.filter(|_| connection.window.is_empty())
    }

    /// Takes the connections that have something for their clients.
    pub fn take_for_clients(&mut self) -> BTreeSet<ConnectionId> {
        std::mem::take(&mut self.for_clients)
    }

    /// The client has not read everything; it reads on later.
    pub fn reads_on(&mut self, id: ConnectionId) {
        let connection = &self.connections[id];
        if connection.line.reads_bytes_max > 0 && !connection.window.is_empty() {
            self.for_clients.insert(id);
        }
    }

    /// Lets one piece of every connection arrive. Returns whether there was any.
    pub fn arrive(&mut self) -> bool {
        let before = self.progress;
        for id in std::mem::take(&mut self.under_way) {
            self.arrive_one(id);
        }
        self.drop_sockets();
        before != self.progress
    }

    fn arrive_one(&mut self, id: ConnectionId) {
        let connection = &mut self.connections[id];
        if connection.place == Place::Closed {
            let reset = !connection.wire.is_empty();
            connection.wire.clear();
            connection.finished |= connection.finishing;
            if reset {
                self.reset(id);
            }
            return;
        }
        let room = ARRIVED_BYTES_MAX.saturating_sub(connection.arrived.len());
        let most = connection.line.arrives_bytes_max.min(connection.wire.len()).min(room);
        let count = if connection.line.arrives_bytes_max == usize::MAX || most == 0 {
            most
        } else {
            1 + self.random.up_to(most - 1)
        };
        if connection.arrives_at > self.now {
            self.under_way.insert(id);
            return;
        }
        let was = (connection.arrived.len(), connection.finished);
        connection.arrived.extend(connection.wire.drain(..count));
        connection.finished = connection.finishing && connection.wire.is_empty();
        let edge = was != (connection.arrived.len(), connection.finished);
        if !connection.wire.is_empty() {
            connection.came_in_pieces = true;
            self.under_way.insert(id);
        }
        if edge {
            connection.arrived_last = self.now;
            connection.arrives_at = self.now.saturating_add(connection.line.drips);
            self.progress += 1;
            self.tell(id);
        }
    }

    /// A socket that somebody dropped is closed.
    fn drop_sockets(&mut self) {
        let dropped = |id: &ConnectionId| {
            let connection = &self.connections[*id];
            connection.place == Place::Unwatched && Arc::strong_count(&connection.socket) == 1
        };
        let dropped: Vec<_> = self.open.iter().copied().filter(dropped).collect();
        for id in dropped {
            self.close(id);
        }
    }

    fn reset(&mut self, id: ConnectionId) {
        let connection = &mut self.connections[id];
        connection.window.clear();
        connection.end = Some(End::Reset);
        self.for_clients.insert(id);
        self.progress += 1;
    }

    /// Something about a connection became known: an edge.
    fn tell(&mut self, id: ConnectionId) {
        let connection = &mut self.connections[id];
        if let Place::At(shard, _) = connection.place
            && !connection.told
        {
            connection.told = true;
            self.watches[usize::from(shard.0)].ready.push_back(id);
        }
    }
}
