//! Checks a matchbox signaling server with the client that games use: peers form a mesh and exchange packets, a killed one
//! is noticed, two rooms do not mix, and `next=2` makes pairs.
//!
//! usage: matchbox-interop ws://127.0.0.1:3537

use matchbox_socket::{PeerId, PeerState, WebRtcSocket};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;

/// Far above what is needed, also on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

struct Client {
    socket: WebRtcSocket,
    driver: JoinHandle<()>,
    connected: BTreeSet<PeerId>,
    gone: BTreeSet<PeerId>,
    heard: BTreeMap<PeerId, String>,
}

impl Client {
    fn open(url: String) -> Self {
        let (socket, driver) = WebRtcSocket::new_reliable(url);
        let driver = tokio::spawn(async move {
            let _ = driver.await;
        });
        Self {
            socket,
            driver,
            connected: BTreeSet::new(),
            gone: BTreeSet::new(),
            heard: BTreeMap::new(),
        }
    }

    /// Takes what came; says its own name to every peer that connects.
    fn look(&mut self) {
        let Some(own) = self.socket.id() else { return };
        for (peer, state) in self.socket.update_peers() {
            match state {
                PeerState::Connected => {
                    self.connected.insert(peer);
                    let packet = own.to_string().into_bytes().into();
                    self.socket.channel_mut(0).send(packet, peer);
                }
                PeerState::Disconnected => {
                    self.gone.insert(peer);
                }
            }
        }
        for (peer, packet) in self.socket.channel_mut(0).receive() {
            self.heard.insert(peer, String::from_utf8_lossy(&packet).into_owned());
        }
    }

    /// The peers that said their own names.
    fn met(&self) -> BTreeSet<String> {
        let honest = self.heard.iter().filter(|(peer, said)| peer.to_string() == **said);
        honest.map(|(peer, _)| peer.to_string()).collect()
    }

    fn name(&mut self) -> String {
        self.socket.id().map(|id| id.to_string()).unwrap_or_default()
    }
}

/// Looks at all clients until `done`; the time that it took.
async fn until(what: &str, clients: &mut [Client], done: impl Fn(&mut [Client]) -> bool) -> Duration {
    let start = Instant::now();
    loop {
        clients.iter_mut().for_each(Client::look);
        if done(clients) {
            println!("{what}: after {} ms", start.elapsed().as_millis());
            return start.elapsed();
        }
        assert!(start.elapsed() < PATIENCE, "waited in vain: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Whether each of these has met the others of its group and nobody else.
fn met_each_other(clients: &mut [Client], groups: &[&[usize]]) -> bool {
    let names: Vec<String> = clients.iter_mut().map(Client::name).collect();
    groups.iter().all(|group| {
        group.iter().all(|&one| {
            let others = group.iter().filter(|&&other| other != one);
            clients[one].met() == others.map(|&other| names[other].clone()).collect()
        })
    })
}

#[tokio::main]
async fn main() {
    let base = std::env::args().nth(1).expect("the URL of the server");

    let mut mesh = Vec::new();
    for _ in 0..3 {
        mesh.push(Client::open(format!("{base}/mesh")));
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    until("three clients form a mesh and exchange packets", &mut mesh, |mesh| {
        met_each_other(mesh, &[&[0, 1, 2]])
    })
    .await;

    let mut killed = mesh.remove(1);
    let name = killed.name();
    killed.driver.abort();
    drop(killed);
    until("a killed one is noticed by both others", &mut mesh, |mesh| {
        mesh.iter().all(|client| client.gone.iter().any(|peer| peer.to_string() == name))
    })
    .await;

    let mut rooms: Vec<Client> = ["/one", "/two", "/one", "/two"]
        .map(|room| Client::open(format!("{base}{room}")))
        .into();
    until("two rooms do not mix", &mut rooms, |rooms| {
        met_each_other(rooms, &[&[0, 2], &[1, 3]])
    })
    .await;
    assert!(rooms.iter().all(|client| client.connected.len() == 1));

    let mut pairs = Vec::new();
    for _ in 0..4 {
        pairs.push(Client::open(format!("{base}/pairs?next=2")));
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    until("next=2 pairs", &mut pairs, |pairs| met_each_other(pairs, &[&[0, 1], &[2, 3]])).await;
    println!("all is well");
}
