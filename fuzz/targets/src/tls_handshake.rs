//! Bytes of a client that is to shake hands: whatever they are, they fail or need more, a limit holds, and the cut of the
//! stream changes nothing.

use crate::cuts;
use signal_fish_core::transport::{Acceptor, HANDSHAKE_BYTES_MAX, Progress, Received, Secure};
use signal_fish_simulator::{ClientTls, Version, acceptor};

/// No answer to a handshake is longer: the certificates of the simulator are few and short.
const ANSWER_BYTES_MAX: usize = 4096;

/// What a stream of bytes came to.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    failed: bool,
    done: bool,
    /// Bytes of the answer. What is in it is random, its length is not.
    answered: usize,
}

/// A session that shakes hands, and what it has answered.
struct Server {
    secure: Secure,
    fed: usize,
    last: Option<Progress>,
    answer: Vec<u8>,
}

impl Server {
    fn new(acceptor: &Acceptor) -> Self {
        Self {
            secure: Secure::accept(acceptor).expect("a session"),
            fed: 0,
            last: None,
            answer: Vec::new(),
        }
    }

    /// Feeds bytes, as a shard does, until the handshake is over. Returns what is behind it.
    fn feed<'a>(&mut self, pieces: &[&'a [u8]]) -> Option<&'a [u8]> {
        let mut pieces = pieces.iter();
        for piece in pieces.by_ref() {
            if matches!(self.last, Some(Progress::Done | Progress::Failed)) {
                return Some(piece);
            }
            let progress = self.secure.shake_hands(piece);
            self.fed += piece.len();
            assert_eq!(self.secure.seal(&[], &mut self.answer), 0);
            assert!(self.answer.len() <= ANSWER_BYTES_MAX, "{} bytes", self.answer.len());
            match progress {
                Progress::Partial { .. } => assert!(self.fed <= HANDSHAKE_BYTES_MAX, "the limit holds"),
                Progress::Done => assert!(!self.secure.is_handshaking()),
                // Whoever failed is told nothing but an alert.
                Progress::Failed => assert!(!self.secure.close()),
            }
            self.last = Some(progress);
        }
        None
    }

    fn outcome(&self) -> Outcome {
        Outcome {
            failed: self.last == Some(Progress::Failed),
            done: self.last == Some(Progress::Done),
            answered: self.answer.len(),
        }
    }

    /// What is behind the handshake is read to its end; it cannot keep anybody busy for ever.
    fn read_on(&mut self, mut rest: &[u8]) {
        let (mut scratch, mut out) = (vec![0; 4096], vec![0; 4096]);
        let most = 2 + rest.len();
        for _ in 0..most {
            let taken = self.secure.receive(
                |buffer| {
                    if rest.is_empty() {
                        return Received::Ended;
                    }
                    let (now, later) = rest.split_at(rest.len().min(buffer.len()));
                    buffer[..now.len()].copy_from_slice(now);
                    rest = later;
                    Received::Bytes(now.len())
                },
                &mut scratch,
                &mut out,
                true,
            );
            if taken.received == Received::Ended {
                return;
            }
        }
        panic!("the end is not found");
    }
}

/// The first byte says what the others are: the whole stream, what follows a good ClientHello, or what happens to the bytes
/// that follow one.
pub fn tls_handshake(data: &[u8]) {
    let Some((&mode, bytes)) = data.split_first() else {
        return;
    };
    let acceptor = acceptor(mode & 8 != 0);
    let version = Version::ALL[usize::from(mode >> 2 & 1)];
    if mode & 3 == 0 {
        let outcome = |pieces: &[&[u8]]| {
            let mut server = Server::new(&acceptor);
            server.feed(pieces);
            server.outcome()
        };
        let whole = outcome(&[bytes]);
        assert!(!whole.done, "nobody guesses a handshake");
        for pieces in cuts::ways_to_cut(bytes) {
            assert_eq!(outcome(&pieces), whole);
        }
        return;
    }
    let mut server = Server::new(&acceptor);
    let mut client = ClientTls::new(version, true);
    let (hello, _) = client.seal(b"hello", false);
    server.feed(&[&hello]);
    let flight = std::mem::take(&mut server.answer);
    let plaintext = client.open(&flight);
    assert!(plaintext.is_empty() && !flight.is_empty());
    let mut next = if mode & 3 == 3 {
        client.seal(b"", false).0
    } else {
        Vec::new()
    };
    if next.is_empty() {
        next.extend_from_slice(bytes);
    } else {
        disturb(&mut next, bytes);
    }
    let (now, later) = next.split_at(next.len() / 2);
    let rest = server.feed(&[now, later]);
    if server.last == Some(Progress::Done) {
        server.read_on(rest.unwrap_or_default());
    }
}

/// Changes single bytes: pairs of a place and what is added there. A place behind the end adds a byte, 255 takes the last one.
fn disturb(stream: &mut Vec<u8>, changes: &[u8]) {
    for change in changes.chunks_exact(2) {
        match (stream.get_mut(usize::from(change[0])), change) {
            (_, [255, _]) => drop(stream.pop()),
            (Some(byte), _) => *byte ^= change[1],
            (None, _) => stream.push(change[1]),
        }
    }
}
