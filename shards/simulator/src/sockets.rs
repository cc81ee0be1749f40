//! The sockets of one simulated shard. A shard that breaks the contract of [`Sockets`] panics here.

use crate::network::{ConnectionId, Network};
use signal_fish_core::transport::{Accepted, Event, Received, Sent, Sockets};
use signal_fish_core::{ListenerIndex, ShardIndex, Slot};
use std::cell::{RefCell, RefMut};
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;

/// A socket that is in no slot. Dropping it closes the connection.
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

    fn accept(&mut self, listener: ListenerIndex) -> Accepted<Socket> {
        self.calls += 1;
        let mut network = self.network();
        if network.exhausted_accepts > 0 {
            network.exhausted_accepts -= 1;
            return Accepted::Exhausted;
        }
        match network.accept(self.shard, listener) {
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
        self.network().finish(id);
    }

    fn refuse(&mut self, socket: Socket, last: &[u8]) {
        self.calls += 1;
        refuse(&mut self.network(), socket.id, last);
    }

    fn stop_accepting(&mut self, last: impl Fn(ListenerIndex) -> Vec<u8>) {
        self.calls += 1;
        let mut network = self.network();
        for (listener, id) in network.stop_listening(self.shard) {
            refuse(&mut network, id, &last(listener));
        }
    }
}

fn refuse(network: &mut Network, id: ConnectionId, last: &[u8]) {
    if !last.is_empty() {
        // Whatever does not fit is lost: that is what refusing means.
        let _ = network.send(id, last);
    }
    // Unread input would destroy the answer.
    network.discard(id);
    network.close(id);
}

/// The address that clients have unless they name another.
pub const LOCALHOST: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::{End, Line};
    use crate::random::Sequence;
    use signal_fish_core::transport::Ready;

    const SHARD: ShardIndex = ShardIndex(0);
    const MAIN: ListenerIndex = ListenerIndex(0);
    const SLOT: Slot = Slot {
        index: 3,
        generation: 1,
    };

    /// A network, the sockets of its only shard, and a connection in [`SLOT`] whose events are read.
    fn connected(line: Line) -> (Rc<RefCell<Network>>, SimulatedSockets, ConnectionId) {
        let network = Rc::new(RefCell::new(Network::new(1, Sequence::new(1))));
        let mut sockets = SimulatedSockets::new(SHARD, Rc::clone(&network));
        let id = network.borrow_mut().connect((SHARD, MAIN), LOCALHOST, line);
        assert_eq!(sockets.next_event(), Some(Event::Newcomers(MAIN)));
        let Accepted::Connection(socket, LOCALHOST) = sockets.accept(MAIN) else {
            panic!("somebody waits")
        };
        assert!(sockets.add(SLOT, socket).is_ok());
        while sockets.next_event().is_some() {}
        (network, sockets, id)
    }

    fn ready(input: bool, ended: bool, output: bool) -> Option<Event> {
        Some(Event::Ready(SLOT, Ready { input, ended, output }))
    }

    #[test]
    fn every_arrival_is_told_once() {
        let (network, mut sockets, id) = connected(Line {
            arrives_bytes_max: 1,
            ..Line::default()
        });
        network.borrow_mut().write(id, b"ab", true);
        let mut buffer = [0; 8];
        for byte in *b"ab" {
            assert!(network.borrow_mut().arrive());
            assert_eq!(sockets.next_event(), ready(true, byte == b'b', true));
            assert_eq!(sockets.next_event(), None);
            assert_eq!(sockets.receive(SLOT, &mut buffer), Received::Bytes(1));
            assert_eq!(buffer[0], byte);
        }
        assert_eq!(sockets.receive(SLOT, &mut buffer), Received::Ended);
        assert!(!network.borrow_mut().arrive());
    }

    #[test]
    fn a_full_socket_tells_when_its_client_has_read() {
        let (network, mut sockets, id) = connected(Line {
            window_bytes: 3,
            ..Line::default()
        });
        assert_eq!(sockets.send(SLOT, b"abcd"), Sent::Bytes(3));
        assert_eq!(sockets.send(SLOT, b"d"), Sent::Blocked);
        assert_eq!(sockets.next_event(), None);
        assert_eq!(network.borrow_mut().read(id), b"abc");
        assert_eq!(sockets.next_event(), ready(false, false, true));
    }

    #[test]
    fn closing_with_unread_input_destroys_the_answer() {
        for unread in [false, true] {
            let (network, mut sockets, id) = connected(Line::default());
            assert_eq!(sockets.send(SLOT, b"bye"), Sent::Bytes(3));
            if unread {
                network.borrow_mut().write(id, b"x", false);
                network.borrow_mut().arrive();
            }
            sockets.close(SLOT);
            let read = network.borrow_mut().read(id);
            let end = network.borrow().end(id);
            let expected: (&[u8], End) = if unread {
                (b"", End::Reset)
            } else {
                (b"bye", End::Finished)
            };
            assert_eq!((&*read, end), (expected.0, Some(expected.1)));
        }
    }

    #[test]
    fn a_socket_that_is_dropped_is_closed() {
        let (network, mut sockets, id) = connected(Line::default());
        drop(sockets.remove(SLOT));
        network.borrow_mut().arrive();
        assert_eq!(network.borrow().end(id), Some(End::Finished));
        assert_eq!(network.borrow().open(), 0);
    }

    #[test]
    #[should_panic(expected = "has no socket")]
    fn a_slot_without_a_socket_sends_nothing() {
        let (_, mut sockets, _) = connected(Line::default());
        sockets.close(SLOT);
        let _ = sockets.send(SLOT, b"x");
    }

    #[test]
    #[should_panic(expected = "behind the end")]
    fn nothing_is_sent_behind_the_end() {
        let (_, mut sockets, _) = connected(Line::default());
        sockets.shut(SLOT);
        let _ = sockets.send(SLOT, b"x");
    }

    #[test]
    #[should_panic(expected = "is named again")]
    fn a_slot_that_was_given_up_is_not_named_again() {
        let (network, mut sockets, _) = connected(Line::default());
        sockets.close(SLOT);
        network.borrow_mut().connect((SHARD, MAIN), LOCALHOST, Line::default());
        if let Accepted::Connection(socket, _) = sockets.accept(MAIN) {
            let _ = sockets.add(SLOT, socket);
        }
    }
}
