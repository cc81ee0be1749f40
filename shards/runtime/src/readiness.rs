//! Which sockets of a shard can be read or written: one epoll set, whose own readiness glommio waits for.
//!
//! glommio arms one poll in its ring for every wait for a socket. Under load each of them costs an entry in the ring, a
//! completion, and an interrupt of the thread when it fires. A set that reports edges is armed once per turn of the event
//! loop instead, however many sockets become ready, and a socket is registered once in its life.

use crate::socket;
use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use signal_fish_core::protocol::signal_fish::Slot;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;
use std::time::Duration;

/// Events taken at once.
const EVENTS_MAX: usize = 256;
/// Pause between two looks at the set when the process has no descriptor left to wait with.
const RETRY: Duration = Duration::from_millis(1);
/// What the listener is registered as; no slot has this index and generation at once.
const LISTENER: Slot = Slot {
    index: u32::MAX,
    generation: u32::MAX,
};

/// What is known of a socket after an event.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Ready {
    /// It has input, or its end can be read.
    pub(crate) input: bool,
    /// The peer sends no more, or the connection failed: reading finds the end.
    pub(crate) ended: bool,
    /// It takes output again.
    pub(crate) output: bool,
}

/// Where an event belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    Listener,
    Connection(Slot),
}

/// The sockets of one shard.
pub(crate) struct Readiness {
    epoll: Rc<OwnedFd>,
    duplicate: Option<OwnedFd>,
    events: Vec<Event>,
}

/// An empty set, for [`Readiness::new`] on the thread that uses it.
#[derive(Debug)]
pub(crate) struct Epoll {
    set: OwnedFd,
    /// For the first wait.
    duplicate: OwnedFd,
}

impl Epoll {
    /// # Errors
    /// What the system says: no descriptor or memory left.
    pub(crate) fn new() -> io::Result<Self> {
        let set = epoll::create(CreateFlags::CLOEXEC)?;
        let duplicate = set.try_clone()?;
        Ok(Self { set, duplicate })
    }
}

impl Readiness {
    pub(crate) fn new(epoll: Epoll) -> Self {
        Self {
            epoll: Rc::new(epoll.set),
            duplicate: Some(epoll.duplicate),
            events: Vec::with_capacity(EVENTS_MAX),
        }
    }

    /// Reports newcomers from now on; whoever takes them has to take all.
    pub(crate) fn watch_listener(&self, listener: impl AsFd) -> io::Result<()> {
        Ok(epoll::add(
            &*self.epoll,
            listener,
            data(LISTENER),
            EventFlags::IN | EventFlags::ET,
        )?)
    }

    /// Reports input from now on, that which is there already included. Closing the socket ends it.
    pub(crate) fn watch(&self, slot: Slot, socket: impl AsFd) -> io::Result<()> {
        Ok(epoll::add(&*self.epoll, socket, data(slot), INPUT)?)
    }

    /// Reports room for output as well, if there already is some also.
    pub(crate) fn watch_output(&self, slot: Slot, socket: impl AsFd) -> io::Result<()> {
        Ok(epoll::modify(
            &*self.epoll,
            socket,
            data(slot),
            INPUT | EventFlags::OUT,
        )?)
    }

    /// Reports nothing more of a socket that stays open.
    pub(crate) fn forget(&self, socket: impl AsFd) -> io::Result<()> {
        Ok(epoll::delete(&*self.epoll, socket)?)
    }

    /// What waits for events.
    pub(crate) fn waiter(&mut self) -> Waiter {
        Waiter {
            epoll: Rc::clone(&self.epoll),
            duplicate: self.duplicate.take(),
        }
    }

    /// Takes events, up to a limit; returns how many there were.
    pub(crate) fn take(&mut self, mut each: impl FnMut(Source, Ready)) -> usize {
        const NOW: Timespec = Timespec { tv_sec: 0, tv_nsec: 0 };
        self.events.clear();
        // It fails only when a signal interrupts it, and then the events stay.
        let _ = epoll::wait(
            &*self.epoll,
            rustix::buffer::spare_capacity(&mut self.events),
            Some(&NOW),
        );
        for event in &self.events {
            each(source(event.data), ready(event.flags));
        }
        self.events.len()
    }
}

/// Waits for events of one set.
#[derive(Debug)]
pub(crate) struct Waiter {
    epoll: Rc<OwnedFd>,
    /// For the next wait.
    duplicate: Option<OwnedFd>,
}

impl Waiter {
    /// Waits until there are events, or may be.
    pub(crate) async fn wait(&mut self) {
        let duplicate = self.duplicate.take().map_or_else(|| self.epoll.try_clone(), Ok);
        let next = match duplicate {
            Ok(duplicate) => socket::readable(&self.epoll, duplicate).await,
            Err(error) => Err(error),
        };
        match next {
            Ok(next) => self.duplicate = Some(next),
            Err(error) => {
                tracing::warn!(%error, "a shard cannot wait for its sockets; is the limit of open files too low?");
                glommio::timer::sleep(RETRY).await;
            }
        }
    }
}

impl std::fmt::Debug for Readiness {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Readiness")
            .field("epoll", &self.epoll)
            .finish_non_exhaustive()
    }
}

const INPUT: EventFlags = EventFlags::IN.union(EventFlags::RDHUP).union(EventFlags::ET);

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

fn source(data: EventData) -> Source {
    let [generation, index] = [data.u64() >> 32, data.u64() & u64::from(u32::MAX)]
        // Half of 64 bits each.
        .map(|half| u32::try_from(half).unwrap_or(u32::MAX));
    let slot = Slot { index, generation };
    if slot == LISTENER {
        Source::Listener
    } else {
        Source::Connection(slot)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::{Shutdown, TcpListener, TcpStream};

    const SLOT: Slot = Slot {
        index: 7,
        generation: u32::MAX,
    };

    fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (server, _) = listener.accept().unwrap();
        server.set_nonblocking(true).unwrap();
        (client, server)
    }

    fn watching(socket: &TcpStream) -> Readiness {
        let readiness = Readiness::new(Epoll::new().unwrap());
        readiness.watch(SLOT, socket).unwrap();
        readiness
    }

    /// Events until `wanted` is among them; loopback needs no time, but its softirq may.
    fn until(readiness: &mut Readiness, wanted: impl Fn(Ready) -> bool) -> Ready {
        for _ in 0..1000 {
            let mut found = None;
            readiness.take(|source, ready| {
                assert_eq!(source, Source::Connection(SLOT));
                found = Some(ready).filter(|ready| wanted(*ready)).or(found);
            });
            if let Some(found) = found {
                return found;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        panic!("no such event within a second");
    }

    fn nothing(readiness: &mut Readiness) -> bool {
        let mut events = 0;
        readiness.take(|_, _| events += 1);
        events == 0
    }

    #[test]
    fn input_is_told_once_and_again_when_more_comes() {
        let (mut client, server) = pair();
        let mut readiness = watching(&server);
        assert!(nothing(&mut readiness));
        for _ in 0..2 {
            client.write_all(b"x").unwrap();
            let ready = until(&mut readiness, |ready| ready.input);
            assert!(!ready.ended && !ready.output, "{ready:?}");
            assert!(nothing(&mut readiness), "an edge is told once, read or not");
        }
    }

    #[test]
    fn input_that_was_there_before_is_told() {
        let (mut client, server) = pair();
        client.write_all(b"x").unwrap();
        let mut readiness = watching(&server);
        until(&mut readiness, |ready| ready.input);
    }

    #[test]
    fn the_end_is_told_with_the_last_input() {
        let (mut client, server) = pair();
        let mut readiness = watching(&server);
        client.write_all(b"x").unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        assert!(until(&mut readiness, |ready| ready.ended).input);
    }

    #[test]
    fn room_for_output_is_told_when_it_is_asked_for() {
        let (mut client, mut server) = pair();
        let mut readiness = watching(&server);
        let block = vec![0; 1 << 20];
        let mut sent = 0;
        while let Ok(n) = server.write(&block) {
            sent += n;
        }
        readiness.watch_output(SLOT, &server).unwrap();
        client.read_exact(&mut vec![0; sent]).unwrap();
        until(&mut readiness, |ready| ready.output);
    }

    #[test]
    fn a_forgotten_socket_is_not_heard_of() {
        let (mut client, server) = pair();
        let mut readiness = watching(&server);
        readiness.forget(&server).unwrap();
        client.write_all(b"x").unwrap();
        server.set_nonblocking(false).unwrap();
        (&server).read_exact(&mut [0]).unwrap();
        assert!(nothing(&mut readiness));
    }

    #[test]
    fn newcomers_belong_to_the_listener() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut readiness = Readiness::new(Epoll::new().unwrap());
        readiness.watch_listener(&listener).unwrap();
        let _client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let mut sources = Vec::new();
        readiness.take(|source, _| sources.push(source));
        assert_eq!(sources, [Source::Listener]);
    }
}
