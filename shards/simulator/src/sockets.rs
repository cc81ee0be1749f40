//! The sockets of one simulated shard. Whoever breaks the contract of [`Sockets`] panics here.

use crate::network::{ConnectionId, Network};
use signal_fish_core::transport::{Accepted, Event, Received, Sent, Sockets};
use signal_fish_core::{ShardIndex, Slot};
use std::cell::{RefCell, RefMut};
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;

/// A socket that is in no slot. Whoever drops it closes the connection.
#[derive(Debug)]
pub struct Socket {
    id: ConnectionId,
    _alive: Arc<()>,
}

/// What was and is in a place of the table of slots.
#[derive(Debug, Default)]
struct Place {
    /// The slot that had a socket here last.
    newest: Option<Slot>,
    /// Whether that socket was closed.
    closed: bool,
    socket: Option<Socket>,
}

/// Ends of the connections of a [`Network`].
#[derive(Debug)]
pub struct SimulatedSockets {
    shard: ShardIndex,
    network: Rc<RefCell<Network>>,
    /// By index of the slot.
    slots: Vec<Place>,
    calls: u64,
}

impl SimulatedSockets {
    /// The sockets of a shard.
    #[must_use]
    pub fn new(shard: ShardIndex, network: Rc<RefCell<Network>>) -> Self {
        Self {
            shard,
            network,
            slots: Vec::new(),
            calls: 0,
        }
    }

    /// How often the shard called, whatever it was.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.calls
    }

    fn network(&self) -> RefMut<'_, Network> {
        self.network.borrow_mut()
    }

    fn socket(&mut self, slot: Slot) -> &mut Option<Socket> {
        self.calls += 1;
        let place = self.slots.get_mut(slot.index as usize);
        match place.filter(|place| place.newest == Some(slot) && place.socket.is_some()) {
            Some(place) => &mut place.socket,
            None => panic!("{slot:?} has no socket"),
        }
    }

    fn connection(&mut self, slot: Slot) -> ConnectionId {
        match self.socket(slot) {
            Some(socket) => socket.id,
            None => unreachable!("a slot that was found has a socket"),
        }
    }
}

impl Sockets for SimulatedSockets {
    type Socket = Socket;

    fn next_event(&mut self) -> Option<Event> {
        self.calls += 1;
        self.network().next_event(self.shard)
    }

    fn accept(&mut self) -> Accepted<Socket> {
        self.calls += 1;
        let mut network = self.network();
        if network.exhausted_accepts > 0 {
            network.exhausted_accepts -= 1;
            return Accepted::Exhausted;
        }
        match network.accept(self.shard) {
            Some((id, peer, alive)) => Accepted::Connection(Socket { id, _alive: alive }, peer),
            None => Accepted::Nobody,
        }
    }

    fn add(&mut self, slot: Slot, socket: Socket) -> Result<(), Socket> {
        self.calls += 1;
        let index = slot.index as usize;
        if self.slots.len() <= index {
            self.slots.resize_with(index + 1, Place::default);
        }
        let place = &mut self.slots[index];
        assert!(place.socket.is_none(), "{slot:?} has a socket");
        assert!(
            place.newest != Some(slot) || !place.closed,
            "{slot:?} was given up and is named again"
        );
        self.network.borrow_mut().watch(socket.id, self.shard, slot);
        *place = Place {
            newest: Some(slot),
            closed: false,
            socket: Some(socket),
        };
        Ok(())
    }

    fn remove(&mut self, slot: Slot) -> Option<Socket> {
        let socket = self.socket(slot).take()?;
        self.network().unwatch(socket.id);
        Some(socket)
    }

    fn close(&mut self, slot: Slot) {
        let id = self.connection(slot);
        self.network().close(id);
        let place = &mut self.slots[slot.index as usize];
        place.closed = true;
        place.socket = None;
    }

    fn receive(&mut self, slot: Slot, buffer: &mut [u8]) -> Received {
        assert!(!buffer.is_empty(), "a receive without a buffer reads as the end");
        let id = self.connection(slot);
        self.network().receive(id, buffer)
    }

    fn send(&mut self, slot: Slot, bytes: &[u8]) -> Sent {
        assert!(!bytes.is_empty(), "a send has something to send");
        let id = self.connection(slot);
        self.network().send(id, bytes)
    }

    fn shut(&mut self, slot: Slot) {
        let id = self.connection(slot);
        self.network().shut(id);
    }

    fn refuse(&mut self, socket: Socket, last: &[u8]) {
        self.calls += 1;
        refuse(&mut self.network(), socket.id, last);
    }

    fn stop_accepting(&mut self, last: &[u8]) {
        self.calls += 1;
        let mut network = self.network();
        for id in network.stop_listening(self.shard) {
            refuse(&mut network, id, last);
        }
    }
}

fn refuse(network: &mut Network, id: ConnectionId, last: &[u8]) {
    if !last.is_empty() {
        // Whatever does not fit is lost: that is what refusing means.
        let _ = network.send(id, last);
    }
    network.close(id);
}

/// The address that clients have unless they name another.
pub const LOCALHOST: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
