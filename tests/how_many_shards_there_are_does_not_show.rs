//! The same scripts give the same transcripts with one shard and with four, once ids, codes, tokens and times are renamed.

mod harness;

use harness::{Client, Server};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// One step of a script. Messages may name what others were given: `$id:NAME`, `$room:NAME`, `$code:NAME`, `$token:NAME`.
enum Step {
    /// A new connection of this name.
    Connect(&'static str),
    /// It sends this.
    Send(&'static str, Value),
    /// Its connection is reset, and this other one hears of it.
    Drop(&'static str, &'static str),
}

use Step::{Connect, Drop, Send};

/// Everything that every client saw, by step and in the order of names.
struct Stage<'a> {
    server: &'a Server,
    clients: BTreeMap<&'static str, Client>,
    known: BTreeMap<String, String>,
    names: BTreeMap<String, String>,
    transcript: Vec<String>,
}

impl Stage<'_> {
    fn play(server: &Server, script: &[Step]) -> Vec<String> {
        let mut stage = Stage {
            server,
            clients: BTreeMap::new(),
            known: BTreeMap::new(),
            names: BTreeMap::new(),
            transcript: Vec::new(),
        };
        for (number, step) in script.iter().enumerate() {
            stage.step(number, step);
        }
        stage.transcript
    }

    fn step(&mut self, number: usize, step: &Step) {
        match step {
            Connect(name) => {
                self.clients.insert(name, self.server.client());
            }
            Send(name, message) => {
                let mut text = message.to_string();
                for (placeholder, value) in &self.known {
                    text = text.replace(placeholder, value);
                }
                assert!(!text.contains('$'), "step {number}: not known yet: {text}");
                let client = self.clients.get_mut(name).expect("connected");
                client.send_text(&text);
                let seen = client.drain();
                self.record(number, name, seen);
            }
            Drop(name, witness) => {
                self.clients.remove(name).expect("connected").reset();
                let seen = self.clients.get_mut(witness).expect("connected").next_message();
                self.record(number, witness, vec![seen]);
            }
        }
        // The sender has its answer, so what the others get is on its way already, and their Pong comes behind it.
        let names: Vec<&'static str> = self.clients.keys().copied().collect();
        for name in names {
            let seen = self.clients.get_mut(name).expect("connected").drain();
            self.record(number, name, seen);
        }
    }

    fn record(&mut self, number: usize, name: &'static str, seen: Vec<Value>) {
        for mut message in seen {
            let data = &message["data"];
            for (key, field) in [
                ("id", "player_id"),
                ("id", "spectator_id"),
                ("room", "room_id"),
                ("code", "room_code"),
                ("token", "auth_token"),
            ] {
                let own = matches!(
                    message["type"].as_str(),
                    Some("RoomJoined" | "Reconnected" | "SpectatorJoined")
                );
                if let (true, Some(value)) = (own, data[field].as_str()) {
                    self.known.insert(format!("${key}:{name}"), value.to_owned());
                }
            }
            self.rename(&mut message, "");
            self.transcript.push(format!("{number} {name} {message}"));
        }
    }

    /// Replaces what differs from run to run by names in the order of first appearance.
    fn rename(&mut self, value: &mut Value, key: &str) {
        match value {
            Value::Object(map) => {
                for (key, value) in map {
                    self.rename(value, key);
                }
            }
            Value::Array(list) => {
                for value in list.iter_mut() {
                    self.rename(value, key);
                }
            }
            Value::String(text) => {
                if key == "connected_at" {
                    "a time".clone_into(text);
                } else if key == "auth_token" || key == "room_code" || is_uuid(text) {
                    let next = format!("name {}", self.names.len());
                    text.clone_from(self.names.entry(text.clone()).or_insert(next));
                }
            }
            _ => {}
        }
    }
}

fn is_uuid(text: &str) -> bool {
    text.len() == 36 && text.chars().all(|c| c == '-' || c.is_ascii_hexdigit())
}

fn join(name: &str, code: Option<&str>, seats: u8) -> Value {
    json!({"type": "JoinRoom", "data": {
        "game_name": "scripted", "player_name": name, "room_code": code, "max_players": seats, "supports_authority": true,
    }})
}

fn kind(kind: &str) -> Value {
    json!({"type": kind})
}

fn data(value: Value) -> Value {
    json!({"type": "GameData", "data": {"data": value}})
}

fn authority(become_authority: bool) -> Value {
    json!({"type": "AuthorityRequest", "data": {"become_authority": become_authority}})
}

fn watch(name: &str, code: &str) -> Value {
    json!({"type": "JoinAsSpectator", "data": {"game_name": "scripted", "room_code": code, "spectator_name": name}})
}

fn reconnect(whose: &str, token: &str) -> Value {
    json!({"type": "Reconnect", "data": {
        "player_id": format!("$id:{whose}"), "room_id": format!("$room:{whose}"), "auth_token": token,
    }})
}

/// From an empty room through the lobby into the game, with data, authority and a late spectator.
fn a_game() -> Vec<Step> {
    vec![
        Connect("A"),
        Connect("B"),
        Connect("C"),
        Connect("S"),
        Send("A", join("Alice", None, 3)),
        Send("A", kind("PlayerReady")),
        Send("B", join("Bob", Some("$code:A"), 9)),
        Send("B", authority(true)),
        Send("A", authority(false)),
        Send("B", authority(true)),
        Send("S", watch("Sue", "$code:A")),
        Send("C", join("Carol", Some("$code:A"), 9)),
        Send("A", kind("PlayerReady")),
        Send("C", kind("PlayerReady")),
        Send("C", kind("LeaveRoom")),
        Send("C", join("Carol", Some("$code:A"), 9)),
        Send(
            "A",
            json!({"type": "ProvideConnectionInfo", "data": {"connection_info": {"type": "custom", "data": [1]}}}),
        ),
        Send("A", kind("PlayerReady")),
        Send("B", kind("PlayerReady")),
        Send("C", kind("PlayerReady")),
        Send("A", data(json!({"n": [1, 2.5, null]}))),
        Send("C", data(json!("x"))),
        Send("C", kind("PlayerReady")),
        Send("S", data(json!("no"))),
        Send("S", kind("LeaveSpectator")),
        Send("B", kind("LeaveRoom")),
        Send("A", kind("LeaveRoom")),
        Send("C", kind("LeaveRoom")),
    ]
}

/// Everything that is refused.
fn refusals() -> Vec<Step> {
    let mut script = vec![Connect("A"), Connect("B"), Connect("C")];
    for message in [
        kind("PlayerReady"),
        kind("LeaveRoom"),
        kind("LeaveSpectator"),
        kind("Nonsense"),
        data(json!(1)),
        authority(true),
        join("", None, 4),
        join("A", Some("short"), 4),
        join("A", None, 0),
        watch("A", "NOROOM"),
        watch("", "NOROOM"),
    ] {
        script.push(Send("A", message));
    }
    script.extend([
        Send("A", join("Alice", Some("FULL22"), 2)),
        Send("B", join("aLICE", Some("FULL22"), 2)),
        Send("B", join("Bob", Some("full22"), 2)),
        Send("C", join("Carol", Some("FULL22"), 2)),
        Send("B", join("Bob", None, 2)),
        Send("B", watch("Bob", "FULL22")),
        Send("C", reconnect("A", "wrong")),
        Send(
            "C",
            json!({"type": "Reconnect", "data": {
                "player_id": "11111111-2222-4333-8444-555555555555", "room_id": "$room:A", "auth_token": "x",
            }}),
        ),
        Send(
            "C",
            json!({"type": "Reconnect", "data": {
                "player_id": "11111111-2222-4333-8444-555555555555",
                "room_id": "11111111-2222-4333-8444-666666666666", "auth_token": "x",
            }}),
        ),
    ]);
    script
}

/// Drops and returns, in a lobby and by takeover.
fn returns() -> Vec<Step> {
    vec![
        Connect("A"),
        Connect("B"),
        Connect("S"),
        Send("A", join("Alice", Some("BACK33"), 2)),
        Send("S", watch("Sue", "BACK33")),
        Send("B", join("Bob", Some("BACK33"), 2)),
        Send("B", kind("PlayerReady")),
        Drop("A", "B"),
        Send("B", data(json!("while away"))),
        Connect("A2"),
        Send("A2", reconnect("A", "$token:B")),
        Send("A2", reconnect("A", "$token:A")),
        Send("A2", data(json!("back"))),
        Send("B", kind("PlayerReady")),
        Send("A2", kind("PlayerReady")),
        Drop("B", "A2"),
        Send("A2", data(json!("while away again"))),
        Connect("B2"),
        Send("B2", reconnect("B", "$token:B")),
        Send("B2", data(json!("back"))),
        Send("A2", kind("LeaveRoom")),
        Send("A2", reconnect("A", "$token:A2")),
        Drop("S", "B2"),
        Send("B2", kind("LeaveRoom")),
    ]
}

/// One client that goes from room to room, so that it moves from shard to shard.
fn a_journey() -> Vec<Step> {
    let mut script = vec![Connect("T"), Connect("W")];
    for code in [
        "TRIP01", "TRIP02", "TRIP03", "TRIP04", "TRIP05", "TRIP06", "TRIP07", "TRIP08",
    ] {
        script.extend([
            Send("W", join("Watcher", Some(code), 5)),
            Send("T", join("Traveller", Some(code), 5)),
            Send("T", data(json!(code))),
            Send("T", kind("LeaveRoom")),
            Send("W", data(json!("alone"))),
            Send("T", watch("Traveller", code)),
            Send("W", kind("LeaveRoom")),
            Send("T", kind("LeaveSpectator")),
        ]);
    }
    script
}

#[test]
fn scripts_give_the_same_transcript_with_one_shard_and_with_four() {
    let one = Server::start(json!({"shards": {"count": 1}}));
    let four = Server::start(json!({"shards": {"count": 4}}));
    for (name, script) in [
        ("a game", a_game()),
        ("refusals", refusals()),
        ("returns", returns()),
        ("a journey", a_journey()),
    ] {
        let expected = Stage::play(&one, &script);
        assert!(
            expected.len() > script.len() / 2,
            "{name}: hardly anything happened: {expected:#?}"
        );
        // Where rooms and connections land differs from run to run; some runs find more of the ways.
        for run in 0..5 {
            let got = Stage::play(&four, &script);
            for (line, (expected, got)) in expected.iter().zip(&got).enumerate() {
                assert_eq!(expected, got, "{name}, run {run}, line {line}");
            }
            assert_eq!(expected.len(), got.len(), "{name}, run {run}");
        }
    }
}
