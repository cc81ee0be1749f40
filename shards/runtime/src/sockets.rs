//! The sockets of a shard: non-blocking TCP under one epoll set that reports edges.
//!
//! A socket is registered once in its life on a shard. Room for output is asked for when the socket is first full, and
//! stays asked for. The set holds the listeners too, and the descriptor that wakes the shard when it gets mail.

use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, Shutdown, SocketFlags};
use signal_fish_core::transport::{Accepted, Event, Ready, Received, Sent, Sockets};
use signal_fish_core::{ListenerIndex, Slot};
use std::io;
use std::mem::MaybeUninit;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

/// Events taken from the set at once.
const EVENTS_MAX: usize = 1024;
/// Longest single wait. More would not fit the milliseconds of `epoll_pwait`.
const WAIT_MAX: Duration = Duration::from_secs(3600);
/// Connections of the listener's queue that are answered when the server ends. A flood of newcomers must not keep it
/// from ending.
const QUEUE_MAX: i32 = crate::BACKLOG;
/// Input that is discarded before a socket is closed. Input that nobody read turns a close into a reset, which destroys the
/// answer.
const DISCARDED_BYTES_MAX: usize = 64 * 1024;

/// The descriptors that are no connections are registered under an index that no slot has. The generation tells them
/// apart: up to 255 it is the index of a listener.
const NO_CONNECTION: u32 = u32::MAX;
/// What the descriptor that wakes the shard is registered as.
const WAKE: Slot = Slot {
    index: NO_CONNECTION,
    generation: u32::MAX,
};
const INPUT: EventFlags = EventFlags::IN.union(EventFlags::RDHUP).union(EventFlags::ET);

/// The sockets of one shard.
#[derive(Debug)]
pub(crate) struct TcpSockets {
    epoll: OwnedFd,
    /// By their indices.
    listeners: Vec<TcpListener>,
    /// By the index of their slots.
    sockets: Vec<Option<Watched>>,
    /// What the last wait found.
    events: Vec<Found>,
    /// How many of them have been told.
    told: usize,
}

#[derive(Debug)]
struct Watched {
    socket: OwnedFd,
    generation: u32,
    watches_output: bool,
}

#[derive(Debug, Clone, Copy)]
struct Found {
    /// What the descriptor is registered as.
    name: Slot,
    ready: Ready,
}

impl TcpSockets {
    /// No sockets yet. `listeners`, 256 at most, bring them; a write to `wake` ends a wait.
    ///
    /// # Errors
    /// What the system says: no descriptor or memory left.
    pub(crate) fn new(listeners: Vec<TcpListener>, wake: impl AsFd) -> io::Result<Self> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        let edges = EventFlags::IN | EventFlags::ET;
        for (index, listener) in (0..=u8::MAX).zip(&listeners) {
            let name = Slot {
                index: NO_CONNECTION,
                generation: u32::from(index),
            };
            epoll::add(&epoll, listener, data(name), edges)?;
        }
        epoll::add(&epoll, wake, data(WAKE), edges)?;
        Ok(Self {
            epoll,
            listeners,
            sockets: Vec::new(),
            events: Vec::with_capacity(EVENTS_MAX),
            told: 0,
        })
    }

    /// Waits for events, at most for `timeout`, which is rounded up to milliseconds. Returns at once while events have not
    /// been told.
    pub(crate) fn wait(&mut self, timeout: Duration) {
        if self.told < self.events.len() {
            return;
        }
        self.events.clear();
        self.told = 0;
        // An hour fits every timespec.
        let timeout = Timespec::try_from(timeout.min(WAIT_MAX)).unwrap_or_default();
        let mut room = [MaybeUninit::uninit(); EVENTS_MAX];
        // It fails only when a signal interrupts it, and then the events stay.
        if let Ok((events, _)) = epoll::wait(&self.epoll, &mut room, Some(&timeout)) {
            self.events.extend(events.iter().map(|event| Found {
                name: slot(event.data),
                ready: ready(event.flags),
            }));
        }
    }

    fn socket(&mut self, slot: Slot) -> Option<&OwnedFd> {
        self.place(slot)?.as_ref().map(|watched| &watched.socket)
    }

    /// Where the socket of `slot` is; `None` if there is none.
    fn place(&mut self, slot: Slot) -> Option<&mut Option<Watched>> {
        place(&mut self.sockets, slot)
    }
}

impl Sockets for TcpSockets {
    type Socket = OwnedFd;

    fn next_event(&mut self) -> Option<Event> {
        loop {
            let Found { name, ready } = *self.events.get(self.told)?;
            self.told += 1;
            match name {
                WAKE => {}
                Slot {
                    index: NO_CONNECTION,
                    generation,
                } => {
                    if let Ok(listener) = u8::try_from(generation) {
                        return Some(Event::Newcomers(ListenerIndex(listener)));
                    }
                }
                // A socket may have left its slot after its event was found.
                slot if self.place(slot).is_some() => return Some(Event::Ready(slot, ready)),
                _ => {}
            }
        }
    }

    fn accept(&mut self, listener: ListenerIndex) -> Accepted<OwnedFd> {
        let listener = self.listeners.get(usize::from(listener.0));
        listener.map_or(Accepted::Nobody, accept)
    }

    fn add(&mut self, slot: Slot, socket: OwnedFd) -> Result<(), OwnedFd> {
        if epoll::add(&self.epoll, &socket, data(slot), INPUT).is_err() {
            return Err(socket);
        }
        let index = slot.index as usize;
        if self.sockets.len() <= index {
            self.sockets.resize_with(index + 1, || None);
        }
        self.sockets[index] = Some(Watched {
            socket,
            generation: slot.generation,
            watches_output: false,
        });
        Ok(())
    }

    fn remove(&mut self, slot: Slot) -> Option<OwnedFd> {
        let watched = self.place(slot)?.take()?;
        // It is in the set, so this cannot fail.
        let _ = epoll::delete(&self.epoll, &watched.socket);
        Some(watched.socket)
    }

    fn close(&mut self, slot: Slot) {
        if let Some(place) = self.place(slot) {
            // The set forgets a socket that is closed.
            *place = None;
        }
    }

    fn receive(&mut self, slot: Slot, buffer: &mut [u8]) -> Received {
        self.socket(slot)
            .map_or(Received::Lost, |socket| receive(socket, buffer))
    }

    fn send(&mut self, slot: Slot, bytes: &[u8]) -> Sent {
        let Some(watched) = place(&mut self.sockets, slot).and_then(Option::as_mut) else {
            return Sent::Lost;
        };
        let sent = send(&watched.socket, bytes);
        if sent == Sent::Blocked && !watched.watches_output {
            watched.watches_output = true;
            let flags = INPUT | EventFlags::OUT;
            // If there is room again by now, this brings an event too.
            if epoll::modify(&self.epoll, &watched.socket, data(slot), flags).is_err() {
                return Sent::Lost;
            }
        }
        sent
    }

    fn shut(&mut self, slot: Slot) {
        if let Some(socket) = self.socket(slot) {
            // It fails only when the connection is lost.
            let _ = rustix::net::shutdown(socket, Shutdown::Write);
        }
    }

    fn refuse(&mut self, socket: OwnedFd, last: &[u8]) {
        refuse(&socket, last);
    }

    fn stop_accepting(&mut self, last: impl Fn(ListenerIndex) -> Vec<u8>) {
        for (index, listener) in (0..=u8::MAX).zip(self.listeners.drain(..)) {
            let last = last(ListenerIndex(index));
            for _ in 0..QUEUE_MAX {
                match accept(&listener) {
                    Accepted::Connection(socket, _) => refuse(&socket, &last),
                    Accepted::Nobody | Accepted::Exhausted => break,
                }
            }
        }
    }
}

fn place(sockets: &mut [Option<Watched>], slot: Slot) -> Option<&mut Option<Watched>> {
    sockets
        .get_mut(slot.index as usize)
        .filter(|place| matches!(place, Some(watched) if watched.generation == slot.generation))
}

fn accept(listener: &TcpListener) -> Accepted<OwnedFd> {
    loop {
        match rustix::net::acceptfrom_with(listener, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC) {
            Ok((socket, peer)) => {
                // The listener is one for IP, so every peer has an address.
                if let Some(ip) = peer
                    .and_then(|peer| SocketAddr::try_from(peer).ok())
                    // A listener for both families shows IPv4 as part of IPv6.
                    .map(|peer| peer.ip().to_canonical())
                {
                    return Accepted::Connection(socket, ip);
                }
            }
            Err(Errno::AGAIN) => return Accepted::Nobody,
            // A connection that ended in the queue is taken out of it.
            Err(Errno::INTR | Errno::CONNABORTED) => {}
            // MFILE, NFILE, NOMEM or NOBUFS. Any other error must not be tried again at once either.
            Err(_) => return Accepted::Exhausted,
        }
    }
}

fn receive(socket: &OwnedFd, buffer: &mut [u8]) -> Received {
    loop {
        match rustix::net::recv(socket, &mut *buffer, RecvFlags::DONTWAIT) {
            Ok((_, 0)) => return Received::Ended,
            Ok((_, received)) => return Received::Bytes(received),
            Err(Errno::AGAIN) => return Received::Nothing,
            Err(Errno::INTR) => {}
            Err(_) => return Received::Lost,
        }
    }
}

fn send(socket: &OwnedFd, bytes: &[u8]) -> Sent {
    loop {
        match rustix::net::send(socket, bytes, SendFlags::DONTWAIT | SendFlags::NOSIGNAL) {
            Ok(sent) => return Sent::Bytes(sent),
            Err(Errno::AGAIN) => return Sent::Blocked,
            Err(Errno::INTR) => {}
            Err(_) => return Sent::Lost,
        }
    }
}

/// Sends `last` and discards input before the socket is closed. Failures do not matter: the peer has gone then.
fn refuse(socket: &OwnedFd, last: &[u8]) {
    let _ = send(socket, last);
    let _ = rustix::net::shutdown(socket, Shutdown::Write);
    let mut discarded = [0; 8 * 1024];
    for _ in 0..DISCARDED_BYTES_MAX / discarded.len() {
        match receive(socket, &mut discarded) {
            Received::Bytes(_) => {}
            Received::Nothing | Received::Ended | Received::Lost => break,
        }
    }
}

fn ready(flags: EventFlags) -> Ready {
    let ended = flags.intersects(EventFlags::RDHUP | EventFlags::HUP | EventFlags::ERR);
    Ready {
        input: ended || flags.contains(EventFlags::IN),
        ended,
        output: flags.contains(EventFlags::OUT),
    }
}

fn data(slot: Slot) -> EventData {
    EventData::new_u64(u64::from(slot.generation) << 32 | u64::from(slot.index))
}

fn slot(data: EventData) -> Slot {
    let [generation, index] = [data.u64() >> 32, data.u64() & u64::from(u32::MAX)]
        // Half of 64 bits each.
        .map(|half| u32::try_from(half).unwrap_or(u32::MAX));
    Slot { index, generation }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::event::{EventfdFlags, eventfd};
    use std::io::{Read, Write};
    use std::net::TcpStream;

    const SLOT: Slot = Slot {
        index: 7,
        generation: u32::MAX,
    };
    const LONG: Duration = Duration::from_secs(10);
    const MAIN: ListenerIndex = ListenerIndex(0);

    struct Fixture {
        sockets: TcpSockets,
        address: SocketAddr,
        other_address: SocketAddr,
        wake: OwnedFd,
    }

    fn fixture() -> Fixture {
        let listener = crate::listen(([127, 0, 0, 1], 0).into()).unwrap();
        let other = crate::listen(([127, 0, 0, 1], 0).into()).unwrap();
        let address = listener.local_addr().unwrap();
        let other_address = other.local_addr().unwrap();
        let wake = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).unwrap();
        let sockets = TcpSockets::new(vec![listener, other], &wake).unwrap();
        Fixture {
            sockets,
            address,
            other_address,
            wake,
        }
    }

    impl Fixture {
        /// A client, and its connection as the listener gave it.
        fn connect(&mut self) -> (TcpStream, OwnedFd) {
            let client = TcpStream::connect(self.address).unwrap();
            client.set_read_timeout(Some(LONG)).unwrap();
            assert_eq!(self.event(), Event::Newcomers(MAIN));
            let Accepted::Connection(socket, ip) = self.sockets.accept(MAIN) else {
                panic!("nobody was there");
            };
            assert_eq!(ip, client.local_addr().unwrap().ip());
            assert!(matches!(self.sockets.accept(MAIN), Accepted::Nobody));
            (client, socket)
        }

        fn connected(&mut self) -> TcpStream {
            let (client, socket) = self.connect();
            self.sockets.add(SLOT, socket).unwrap();
            client
        }

        fn event(&mut self) -> Event {
            self.sockets.wait(LONG);
            self.sockets.next_event().expect("no event came")
        }

        /// What is known of the connection, when `wanted` is.
        fn until(&mut self, wanted: impl Fn(Ready) -> bool) -> Ready {
            loop {
                let Event::Ready(SLOT, ready) = self.event() else {
                    panic!("an event of another");
                };
                if wanted(ready) {
                    return ready;
                }
            }
        }

        fn is_quiet(&mut self) -> bool {
            self.sockets.wait(Duration::ZERO);
            self.sockets.next_event().is_none()
        }

        /// Sends until the socket takes nothing; returns how much it took.
        fn fill(&mut self) -> usize {
            let block = vec![0; 1 << 20];
            let mut taken = 0;
            loop {
                match self.sockets.send(SLOT, &block) {
                    Sent::Bytes(sent) => taken += sent,
                    Sent::Blocked => return taken,
                    Sent::Lost => panic!("it is lost"),
                }
            }
        }
    }

    #[test]
    fn input_is_told_once_and_again_when_more_comes() {
        let mut fixture = fixture();
        let mut client = fixture.connected();
        assert!(fixture.is_quiet());
        for _ in 0..2 {
            client.write_all(b"x").unwrap();
            let ready = fixture.until(|ready| ready.input);
            assert!(!ready.ended && !ready.output, "{ready:?}");
            assert!(fixture.is_quiet(), "an edge is told once, read or not");
        }
        let mut buffer = [0; 8];
        assert_eq!(fixture.sockets.receive(SLOT, &mut buffer), Received::Bytes(2));
        assert_eq!(fixture.sockets.receive(SLOT, &mut buffer), Received::Nothing);
    }

    #[test]
    fn input_that_was_there_before_is_told() {
        let mut fixture = fixture();
        let (mut client, socket) = fixture.connect();
        client.write_all(b"x").unwrap();
        fixture.sockets.add(SLOT, socket).unwrap();
        fixture.until(|ready| ready.input);
    }

    #[test]
    fn the_end_is_told_with_the_last_input() {
        let mut fixture = fixture();
        let mut client = fixture.connected();
        client.write_all(b"x").unwrap();
        client.shutdown(std::net::Shutdown::Write).unwrap();
        assert!(fixture.until(|ready| ready.ended).input);
        let mut buffer = [0; 8];
        assert_eq!(fixture.sockets.receive(SLOT, &mut buffer), Received::Bytes(1));
        assert_eq!(fixture.sockets.receive(SLOT, &mut buffer), Received::Ended);
    }

    #[test]
    fn a_reset_is_told_and_loses_the_connection() {
        let mut fixture = fixture();
        let client = fixture.connected();
        assert_eq!(fixture.sockets.send(SLOT, b"nobody reads this"), Sent::Bytes(17));
        // Closing a socket with unread input resets the connection.
        client.peek(&mut [0]).unwrap();
        drop(client);
        fixture.until(|ready| ready.ended);
        assert_eq!(fixture.sockets.receive(SLOT, &mut [0; 8]), Received::Lost);
        assert_eq!(fixture.sockets.send(SLOT, b"x"), Sent::Lost);
    }

    #[test]
    fn room_for_output_is_told_whenever_a_full_socket_has_some() {
        let mut fixture = fixture();
        let mut client = fixture.connected();
        for _ in 0..2 {
            let sent = fixture.fill();
            client.read_exact(&mut vec![0; sent]).unwrap();
            fixture.until(|ready| ready.output);
        }
    }

    #[test]
    fn a_removed_socket_is_not_heard_of_and_lives_on() {
        let mut fixture = fixture();
        let mut client = fixture.connected();
        client.write_all(b"x").unwrap();
        fixture.sockets.wait(LONG);
        let socket = fixture.sockets.remove(SLOT).unwrap();
        assert_eq!(fixture.sockets.next_event(), None, "its event was found before");
        client.write_all(b"y").unwrap();
        assert!(fixture.is_quiet());
        assert_eq!(fixture.sockets.receive(SLOT, &mut [0; 8]), Received::Lost);
        assert!(fixture.sockets.remove(SLOT).is_none());

        let elsewhere = Slot {
            index: 0,
            generation: 0,
        };
        fixture.sockets.add(elsewhere, socket).unwrap();
        assert!(matches!(fixture.event(), Event::Ready(slot, _) if slot == elsewhere));
    }

    #[test]
    fn a_slot_of_another_generation_has_no_socket() {
        let mut fixture = fixture();
        let mut client = fixture.connected();
        let later = Slot { generation: 0, ..SLOT };
        assert_eq!(fixture.sockets.send(later, b"x"), Sent::Lost);
        fixture.sockets.close(later);
        assert_eq!(fixture.sockets.send(SLOT, b"y"), Sent::Bytes(1));
        fixture.sockets.close(SLOT);
        let mut received = Vec::new();
        client.read_to_end(&mut received).unwrap();
        assert_eq!(received, b"y");
    }

    #[test]
    fn whoever_sends_no_more_can_still_receive() {
        let mut fixture = fixture();
        let mut client = fixture.connected();
        fixture.sockets.shut(SLOT);
        assert_eq!(client.read(&mut [0; 8]).unwrap(), 0);
        client.write_all(b"x").unwrap();
        fixture.until(|ready| ready.input);
        assert_eq!(fixture.sockets.receive(SLOT, &mut [0; 8]), Received::Bytes(1));
    }

    #[test]
    fn a_refused_client_reads_the_answer_although_it_has_sent_something() {
        let mut fixture = fixture();
        let mut client = fixture.connected();
        client.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
        fixture.until(|ready| ready.input);
        let socket = fixture.sockets.remove(SLOT).unwrap();
        fixture.sockets.refuse(socket, b"no");
        let mut received = Vec::new();
        client.read_to_end(&mut received).unwrap();
        assert_eq!(received, b"no");
    }

    #[test]
    fn who_waits_in_the_queue_when_it_closes_reads_the_answer() {
        let mut fixture = fixture();
        let mut clients: Vec<_> = (0..3)
            .map(|_| {
                let client = TcpStream::connect(fixture.address).unwrap();
                client.set_read_timeout(Some(LONG)).unwrap();
                // Every one that arrives is an edge.
                assert_eq!(fixture.event(), Event::Newcomers(MAIN));
                client
            })
            .collect();
        fixture.sockets.stop_accepting(|_| b"draining".to_vec());
        for client in &mut clients {
            let mut received = Vec::new();
            client.read_to_end(&mut received).unwrap();
            assert_eq!(received, b"draining");
        }
        assert!(TcpStream::connect(fixture.address).is_err());
        assert!(matches!(fixture.sockets.accept(MAIN), Accepted::Nobody));
    }

    #[test]
    fn every_listener_tells_of_its_own_newcomers_and_closes_with_the_others() {
        let mut fixture = fixture();
        let other = ListenerIndex(1);
        let client = TcpStream::connect(fixture.other_address).unwrap();
        assert_eq!(fixture.event(), Event::Newcomers(other));
        assert!(matches!(fixture.sockets.accept(MAIN), Accepted::Nobody));
        assert!(matches!(fixture.sockets.accept(other), Accepted::Connection(..)));
        drop(client);
        let mut waits = TcpStream::connect(fixture.other_address).unwrap();
        fixture.event();
        fixture.sockets.stop_accepting(|_| b"draining".to_vec());
        let mut received = Vec::new();
        waits.read_to_end(&mut received).unwrap();
        assert_eq!(received, b"draining");
        assert!(TcpStream::connect(fixture.other_address).is_err());
    }

    #[test]
    fn mail_ends_a_wait_every_time_it_wakes() {
        let mut fixture = fixture();
        for _ in 0..2 {
            rustix::io::write(&fixture.wake, &1_u64.to_ne_bytes()).unwrap();
            let started = std::time::Instant::now();
            fixture.sockets.wait(LONG);
            assert!(started.elapsed() < LONG / 2);
            assert_eq!(fixture.sockets.next_event(), None);
        }
    }

    #[test]
    fn events_that_were_not_told_survive_the_next_wait() {
        let mut fixture = fixture();
        let mut client = fixture.connected();
        client.write_all(b"x").unwrap();
        fixture.sockets.wait(LONG);
        fixture.sockets.wait(LONG);
        assert!(matches!(fixture.sockets.next_event(), Some(Event::Ready(SLOT, _))));
    }
}
