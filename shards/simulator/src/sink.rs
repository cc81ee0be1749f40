//! Sockets and a post that cost next to nothing: input is there before it is asked for, output is counted and dropped.

use signal_fish_core::shard::{Mail, Post, Request, ToDesk};
use signal_fish_core::transport::{Accepted, Event, Ready, Received, Sent, Sockets};
use signal_fish_core::{ListenerIndex, ShardIndex, Slot};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::net::IpAddr;
use std::rc::Rc;

/// Where every client is, by its number.
pub(crate) type Directory = Rc<RefCell<Vec<Option<(ShardIndex, Slot)>>>>;

/// The end of a client's connection: what it sends, again and again.
#[derive(Debug, Default)]
pub(crate) struct SinkSocket {
    pub(crate) client: usize,
    pub(crate) input: Vec<u8>,
    /// How much of the input was received.
    pub(crate) received: usize,
    pub(crate) ended: bool,
}

/// The sockets of one shard.
#[derive(Debug)]
pub(crate) struct SinkSockets {
    shard: ShardIndex,
    directory: Directory,
    slots: Vec<Option<SinkSocket>>,
    pub(crate) newcomers: VecDeque<(SinkSocket, IpAddr)>,
    pub(crate) events: VecDeque<Event>,
    /// Calls of send.
    pub(crate) sends: u64,
    /// Bytes sent.
    pub(crate) bytes: u64,
    /// Calls of any kind.
    pub(crate) calls: u64,
    /// What was sent, if it is kept.
    pub(crate) kept: Option<Vec<u8>>,
}

impl SinkSockets {
    pub(crate) fn new(shard: ShardIndex, directory: Directory) -> Self {
        Self {
            shard,
            directory,
            slots: Vec::new(),
            newcomers: VecDeque::new(),
            events: VecDeque::new(),
            sends: 0,
            bytes: 0,
            calls: 0,
            kept: None,
        }
    }

    /// The socket in a slot.
    pub(crate) fn socket(&mut self, slot: Slot) -> Option<&mut SinkSocket> {
        self.slots.get_mut(slot.index as usize)?.as_mut()
    }

    /// Tells the shard that a slot has input.
    pub(crate) fn tell(&mut self, slot: Slot, ended: bool) {
        let ready = Ready {
            input: true,
            ended,
            output: true,
        };
        self.events.push_back(Event::Ready(slot, ready));
    }
}

impl Sockets for SinkSockets {
    type Socket = SinkSocket;

    fn next_event(&mut self) -> Option<Event> {
        self.calls += 1;
        self.events.pop_front()
    }

    fn accept(&mut self, _: ListenerIndex) -> Accepted<SinkSocket> {
        self.calls += 1;
        match self.newcomers.pop_front() {
            Some((socket, peer)) => Accepted::Connection(socket, peer),
            None => Accepted::Nobody,
        }
    }

    fn add(&mut self, slot: Slot, socket: SinkSocket) -> Result<(), SinkSocket> {
        self.calls += 1;
        let index = slot.index as usize;
        if self.slots.len() <= index {
            self.slots.resize_with(index + 1, || None);
        }
        self.directory.borrow_mut()[socket.client] = Some((self.shard, slot));
        if socket.received < socket.input.len() || socket.ended {
            self.tell(slot, socket.ended);
        }
        self.slots[index] = Some(socket);
        Ok(())
    }

    fn remove(&mut self, slot: Slot) -> Option<SinkSocket> {
        self.calls += 1;
        self.slots.get_mut(slot.index as usize)?.take()
    }

    fn close(&mut self, slot: Slot) {
        if let Some(socket) = self.remove(slot) {
            self.directory.borrow_mut()[socket.client] = None;
        }
    }

    fn receive(&mut self, slot: Slot, buffer: &mut [u8]) -> Received {
        self.calls += 1;
        let Some(socket) = self.socket(slot) else {
            return Received::Lost;
        };
        let unread = &socket.input[socket.received..];
        let count = unread.len().min(buffer.len());
        if count == 0 {
            return if socket.ended {
                Received::Ended
            } else {
                Received::Nothing
            };
        }
        buffer[..count].copy_from_slice(&unread[..count]);
        socket.received += count;
        Received::Bytes(count)
    }

    fn send(&mut self, _slot: Slot, bytes: &[u8]) -> Sent {
        self.calls += 1;
        self.sends += 1;
        self.bytes += bytes.len() as u64;
        if let Some(kept) = &mut self.kept {
            kept.extend_from_slice(bytes);
        }
        Sent::Bytes(bytes.len())
    }

    fn shut(&mut self, _slot: Slot) {
        self.calls += 1;
    }

    fn refuse(&mut self, _socket: SinkSocket, _last: &[u8]) {
        self.calls += 1;
    }

    fn stop_accepting(&mut self, _last: impl Fn(ListenerIndex) -> Vec<u8>) {
        self.calls += 1;
        self.newcomers.clear();
    }
}

/// All mail of a few shards, and what they asked the control plane.
#[derive(Debug, Default)]
pub(crate) struct Letters {
    pub(crate) boxes: Vec<VecDeque<Mail<SinkSocket>>>,
    pub(crate) requests: VecDeque<Request>,
}

/// The post of one shard: everything arrives at once.
#[derive(Debug)]
pub(crate) struct SinkPost {
    shard: ShardIndex,
    letters: Rc<RefCell<Letters>>,
}

impl SinkPost {
    pub(crate) fn new(shard: ShardIndex, letters: Rc<RefCell<Letters>>) -> Self {
        Self { shard, letters }
    }
}

impl Post<SinkSocket> for SinkPost {
    fn has_mail(&mut self) -> bool {
        !self.letters.borrow().boxes[usize::from(self.shard.0)].is_empty()
    }

    fn take(&mut self) -> Option<Mail<SinkSocket>> {
        self.letters.borrow_mut().boxes[usize::from(self.shard.0)].pop_front()
    }

    fn mail(&mut self, to: ShardIndex, mail: Mail<SinkSocket>) -> Result<(), Mail<SinkSocket>> {
        self.letters.borrow_mut().boxes[usize::from(to.0)].push_back(mail);
        Ok(())
    }

    fn request(&mut self, request: Request) {
        self.letters.borrow_mut().requests.push_back(request);
    }

    fn to_desk(&mut self, message: ToDesk) -> Result<(), ToDesk> {
        Err(message)
    }
}
