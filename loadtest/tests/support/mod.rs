//! A minimal relay server and a proxy that does damage, both on threads in this process.
#![allow(dead_code, reason = "each test file uses a part of it")]

use signal_fish_loadtest::frame::first_frame;
use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tungstenite::Message;

/// How the server departs from what it should do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Habit {
    /// It does what it should.
    Good,
    /// It sends game data back to the sender as well.
    Echo,
    /// It lets nobody create a room.
    NoRooms,
    /// It closes whoever has sent ten messages.
    Impatient,
    /// It sends game data to the members of all rooms.
    Broadcast,
    /// It relays in the name of whoever receives.
    Impostor,
    /// It gives everybody the same id.
    OneId,
}

type Members = Arc<Mutex<HashMap<String, Vec<(u64, Arc<TcpStream>)>>>>;

/// Starts a relay server that knows JoinRoom, GameData, LeaveRoom and Close; it ends with the process.
pub(crate) fn relay_server(habit: Habit) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let rooms: Members = Arc::default();
    std::thread::spawn(move || {
        for (id, stream) in (1_u64..).zip(listener.incoming().flatten()) {
            let rooms = Arc::clone(&rooms);
            std::thread::spawn(move || serve(stream, id, &rooms, habit));
        }
    });
    address
}

fn serve(stream: TcpStream, id: u64, rooms: &Members, habit: Habit) {
    stream.set_nodelay(true).unwrap();
    let writer = Arc::new(stream.try_clone().unwrap());
    let Ok(mut socket) = tungstenite::accept(stream) else {
        return;
    };
    let mut own_room = None;
    let mut messages = 0;
    while let Ok(message) = socket.read() {
        let Message::Text(text) = message else { continue };
        let message: serde_json::Value = serde_json::from_str(&text).unwrap();
        let data = &message["data"];
        match message["type"].as_str().unwrap() {
            "JoinRoom" if habit == Habit::NoRooms => send(
                &writer,
                r#"{"type":"RoomJoinFailed","data":{"reason":"Room creation rate limit exceeded. Try again in 9 seconds.","error_code":"RATE_LIMIT_EXCEEDED"}}"#,
            ),
            "JoinRoom" => {
                let code = data["room_code"]
                    .as_str()
                    .map_or_else(|| format!("R{id:05}"), str::to_owned);
                let name = if habit == Habit::OneId { 1 } else { id };
                let mut rooms = rooms.lock().unwrap();
                rooms.entry(code.clone()).or_default().push((id, Arc::clone(&writer)));
                send(
                    &writer,
                    &format!(
                        r#"{{"type":"RoomJoined","data":{{"room_id":"r","room_code":"{code}","player_id":"{name}"}}}}"#
                    ),
                );
                own_room = Some(code);
            }
            "GameData" => {
                messages += 1;
                if habit == Habit::Impatient && messages > 10 {
                    (&*writer).write_all(&[0x88, 2, 0x03, 0xf5]).unwrap();
                    break;
                }
                let text = |sender: u64| {
                    let data = &data["data"];
                    format!(r#"{{"type":"GameData","data":{{"from_player":"{sender}","data":{data}}}}}"#)
                };
                let rooms = rooms.lock().unwrap();
                let own = own_room.as_ref().and_then(|code| rooms.get(code)).unwrap();
                let everybody = rooms.values().flatten();
                let members: Vec<_> = if habit == Habit::Broadcast {
                    everybody.collect()
                } else {
                    own.iter().collect()
                };
                for (member, writer) in members {
                    if *member != id || habit == Habit::Echo {
                        send(writer, &text(if habit == Habit::Impostor { *member } else { id }));
                    }
                }
            }
            _ => {}
        }
    }
    if let Some(code) = own_room {
        rooms
            .lock()
            .unwrap()
            .get_mut(&code)
            .unwrap()
            .retain(|(member, _)| *member != id);
    }
    let _ = writer.shutdown(Shutdown::Both);
}

fn send(mut stream: &TcpStream, text: &str) {
    // A receiver that has gone is noticed by its own thread.
    let _ = stream.write_all(&text_frame(text.as_bytes()));
}

fn text_frame(text: &[u8]) -> Vec<u8> {
    let length = u16::try_from(text.len()).unwrap();
    let mut frame = vec![0x81];
    if length < 126 {
        frame.push(u8::try_from(length).unwrap());
    } else {
        frame.push(126);
        frame.extend_from_slice(&length.to_be_bytes());
    }
    frame.extend_from_slice(text);
    frame
}

/// What the proxy does to the relayed messages of each connection, which it numbers from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Nothing.
    None,
    /// Loses every fifth.
    Drop,
    /// Delivers every fifth twice.
    Duplicate,
    /// Delivers every fifth after its successor.
    Swap,
    /// Loses everything from this one on.
    DropFrom(u64),
    /// Delivers nothing for a while when this one comes.
    Stall(u64, Duration),
    /// Cuts the connection at this one.
    Cut(u64),
    /// Tells every fifth in another way than it was.
    Lie(Lie),
}

/// How the proxy rewrites a message. What comes of it is always well-formed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lie {
    /// The end of the value is missing.
    Truncate,
    /// The value goes on.
    Extend,
    /// A letter of the value is another one.
    Corrupt,
    /// A letter of the stamp is another one.
    CorruptStamp,
    /// There is no stamp.
    Unstamp,
    /// The value has one more member.
    AddMember,
    /// Somebody else is named as the sender.
    Forge,
    /// Nobody is named as the sender.
    Anonymize,
}

impl Lie {
    fn tell(self, text: &str) -> String {
        let (value, end) = text.split_at(text.len() - r#""}}}"#.len());
        let replace = |at: usize| {
            let other = if text.as_bytes()[at] == b'A' { "B" } else { "A" };
            format!("{}{other}{}", &text[..at], &text[at + 1..])
        };
        let stamp = text.find("SFLT").unwrap();
        match self {
            Self::Truncate => format!("{}{end}", &value[..value.len() - 5]),
            Self::Extend => format!("{value}more{end}"),
            Self::Corrupt => replace(value.len() - 5),
            Self::CorruptStamp => replace(stamp + 10),
            Self::Unstamp => replace(stamp),
            Self::AddMember => format!(r#"{value}","q":"{end}"#),
            Self::Forge => text.replacen(r#""from_player":""#, r#""from_player":"9"#, 1),
            Self::Anonymize => text.replacen(r#""from_player":"#, r#""to_player":"#, 1),
        }
    }
}

/// How many messages the proxy harmed, all connections together.
#[derive(Debug, Default)]
pub(crate) struct Harm {
    pub(crate) done: AtomicU64,
}

/// Puts a proxy in front of `server`; it ends with the process.
pub(crate) fn faulty_proxy(server: SocketAddr, fault: Fault) -> (SocketAddr, Arc<Harm>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let harm = Arc::new(Harm::default());
    let counted = Arc::clone(&harm);
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let server = TcpStream::connect(server).unwrap();
            client.set_nodelay(true).unwrap();
            server.set_nodelay(true).unwrap();
            let (mut from_client, mut to_server) = (client.try_clone().unwrap(), server.try_clone().unwrap());
            std::thread::spawn(move || {
                let _ = std::io::copy(&mut from_client, &mut to_server);
                let _ = to_server.shutdown(Shutdown::Write);
            });
            let harm = Arc::clone(&counted);
            std::thread::spawn(move || {
                let _ = harmful_copy(server, &client, fault, &harm);
                let _ = client.shutdown(Shutdown::Both);
            });
        }
    });
    (address, harm)
}

fn harmful_copy(mut from: TcpStream, mut to: &TcpStream, fault: Fault, harm: &Harm) -> std::io::Result<()> {
    let mut bytes = Vec::new();
    let mut chunk = [0; 4096];
    let mut upgraded = false;
    let mut held: Option<Vec<u8>> = None;
    let mut number = 0;
    loop {
        let read = from.read(&mut chunk)?;
        if read == 0 {
            return Ok(());
        }
        bytes.extend_from_slice(&chunk[..read]);
        if !upgraded {
            let Some(head) = bytes.windows(4).position(|end| end == b"\r\n\r\n") else {
                continue;
            };
            to.write_all(&bytes[..head + 4])?;
            bytes.drain(..head + 4);
            upgraded = true;
        }
        while let Some(length) = first_frame(&bytes).unwrap().map(|frame| frame.length) {
            let frame: Vec<u8> = bytes.drain(..length).collect();
            if !frame.windows(4).any(|magic| magic == b"SFLT") {
                to.write_all(&frame)?;
                continue;
            }
            let fifth = number % 5 == 1;
            let harmed = match fault {
                Fault::Drop | Fault::Duplicate | Fault::Swap | Fault::Lie(_) => fifth,
                Fault::DropFrom(first) => number >= first,
                Fault::Stall(at, _) | Fault::Cut(at) => number == at,
                Fault::None => false,
            };
            number += 1;
            if !harmed {
                to.write_all(&frame)?;
                if let Some(held) = held.take() {
                    to.write_all(&held)?;
                }
                continue;
            }
            harm.done.fetch_add(1, Ordering::SeqCst);
            match fault {
                Fault::Duplicate => to.write_all(&[&frame[..], &frame[..]].concat())?,
                Fault::Swap => held = Some(frame),
                Fault::Stall(_, pause) => {
                    std::thread::sleep(pause);
                    to.write_all(&frame)?;
                }
                Fault::Cut(_) => return Ok(()),
                Fault::Lie(lie) => {
                    let payload = first_frame(&frame).unwrap().unwrap().payload.to_vec();
                    let told = lie.tell(std::str::from_utf8(&payload).unwrap());
                    to.write_all(&text_frame(told.as_bytes()))?;
                }
                _ => {}
            }
        }
    }
}
