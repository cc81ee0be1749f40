//! For any sequence of valid and invalid messages: rooms keep their rules, and every member's view, rebuilt from nothing
//! but the messages it received, equals the room.

mod script;

use proptest::prelude::*;
use script::{Run, Step, raced_step, settings, step};
use serde_json::Value;
use signal_fish_core::protocol::signal_fish::room::Room;
use signal_fish_core::protocol::signal_fish::wire::LobbyState;
use signal_fish_simulator::world::{Got, Id, World, kind};
use std::collections::BTreeSet;

/// What a member knows of its room.
#[derive(Debug, Default, Clone, PartialEq)]
struct View {
    room_id: String,
    players: Vec<String>,
    ready: BTreeSet<String>,
    authority: Option<String>,
    lobby_state: String,
    spectators: Vec<String>,
}

fn ids(list: &Value, field: &str) -> Vec<String> {
    let list = list.as_array().expect("a list");
    list.iter().map(|entry| text(&entry[field])).collect()
}

fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}

impl View {
    fn of_snapshot(data: &Value) -> Self {
        let players = data["current_players"].as_array().expect("players");
        let holders = players.iter().filter(|player| player["is_authority"] == true);
        let ready = players.iter().filter(|player| player["is_ready"] == true);
        let view = Self {
            room_id: text(&data["room_id"]),
            players: ids(&data["current_players"], "id"),
            ready: ready.map(|player| text(&player["id"])).collect(),
            authority: holders.map(|player| text(&player["id"])).next(),
            lobby_state: text(&data["lobby_state"]),
            spectators: ids(&data["current_spectators"], "id"),
        };
        if let Some(listed) = data["ready_players"].as_array() {
            let listed: BTreeSet<_> = listed.iter().map(text).collect();
            assert_eq!(view.ready, listed);
        }
        view
    }

    fn of_room(room: &Room) -> Self {
        let player_ids = room.players().iter().map(|player| player.id.to_string());
        Self {
            room_id: room.id().to_string(),
            players: player_ids.collect(),
            ready: room.ready_players().iter().map(ToString::to_string).collect(),
            authority: room.authority().map(|holder| holder.to_string()),
            lobby_state: serde_json::to_value(room.lobby_state())
                .unwrap()
                .as_str()
                .unwrap()
                .to_owned(),
            spectators: room
                .spectators()
                .iter()
                .map(|spectator| spectator.id.to_string())
                .collect(),
        }
    }

    /// Changes the view as one broadcast says; `me` is who received it.
    fn hear(&mut self, message: &Value, me: &str) {
        let data = &message["data"];
        match kind(message) {
            "PlayerJoined" => {
                let player = text(&data["player"]["id"]);
                assert!(!self.players.contains(&player), "nobody joins twice");
                if data["player"]["is_authority"] == true {
                    self.authority = Some(player.clone());
                }
                self.players.push(player);
            }
            "PlayerLeft" => {
                let player = text(&data["player_id"]);
                assert!(self.players.contains(&player), "only who is there leaves");
                self.players.retain(|there| *there != player);
                self.ready.remove(&player);
            }
            "PlayerReconnected" => {
                let player = text(&data["player_id"]);
                // After a takeover nobody had left.
                if !self.players.contains(&player) {
                    self.players.push(player);
                }
            }
            "AuthorityChanged" => {
                let holder = data["authority_player"].as_str().map(str::to_owned);
                assert_ne!(self.authority, holder, "authority changes");
                assert_eq!(data["you_are_authority"], holder.as_deref() == Some(me));
                self.authority = holder;
            }
            "LobbyStateChanged" => {
                self.lobby_state = text(&data["lobby_state"]);
                self.ready = data["ready_players"].as_array().unwrap().iter().map(text).collect();
            }
            "NewSpectatorJoined" | "SpectatorDisconnected" => {
                self.spectators = ids(&data["current_spectators"], "id");
            }
            "GameData" => assert!(self.players.contains(&text(&data["from_player"]))),
            "GameStarting" => assert_eq!(ids(&data["peer_connections"], "player_id"), self.players),
            other => panic!("{other} is no broadcast"),
        }
    }
}

/// Rebuilds the view of a client from all that it received; `None` outside a room.
fn view_of(world: &World, id: Id) -> Option<View> {
    view_and_own_id(world, id).0
}

fn view_and_own_id(world: &World, id: Id) -> (Option<View>, String) {
    let mut view: Option<View> = None;
    let mut me = String::new();
    for got in &world.clients[id].got {
        let Got::Text(received) = got else { continue };
        let message: Value = serde_json::from_str(received).unwrap();
        let data = &message["data"];
        match kind(&message) {
            "RoomJoined" | "Reconnected" | "SpectatorJoined" => {
                assert_eq!(view, None, "one room at a time");
                let own = data.get("player_id").or(data.get("spectator_id"));
                me = text(own.expect("an own id"));
                let seen = View::of_snapshot(data);
                if let Some(is_authority) = data.get("is_authority") {
                    assert_eq!(*is_authority, seen.authority.as_deref() == Some(&me));
                }
                view = Some(seen);
            }
            "RoomLeft" | "SpectatorLeft" => assert!(view.take().is_some(), "only members leave"),
            "Error"
            | "RoomJoinFailed"
            | "SpectatorJoinFailed"
            | "ReconnectionFailed"
            | "AuthorityResponse"
            | "Pong"
            | "Authenticated"
            | "ProtocolInfo" => {}
            _ => view.as_mut().expect("no broadcast outside a room").hear(&message, &me),
        }
    }
    (view, me)
}

fn check_room(room: &Room) {
    let settings = settings();
    let seats = usize::from(room.max_players());
    assert!(room.players().len() + room.held_seats().len() <= seats);
    assert!(room.spectators().len() <= settings.max_spectators_per_room);
    if let Some(holder) = room.authority() {
        assert!(room.supports_authority() && room.player(holder).is_some());
    }
    let full = room.players().len() == seats;
    match room.lobby_state() {
        LobbyState::Waiting => {
            assert!(!full || seats == 1, "a full room is in the lobby");
            assert_eq!(room.ready_players(), []);
        }
        LobbyState::Lobby => assert!(full && seats > 1 && !room.all_ready()),
        LobbyState::Finalized => assert!(!room.is_over(), "a room whose game is over is gone"),
    }
    assert!(room.replay().len() <= settings.event_buffer_size);
    assert!(room.replay().bytes() <= settings.event_buffer_bytes);
    if !room.is_recording() {
        assert!(room.replay().is_empty() && room.held_seats().is_empty());
    }
    let names: Vec<_> = room.players().iter().map(|player| &player.name).collect();
    for (place, name) in names.iter().enumerate() {
        assert!(names[place + 1..].iter().all(|other| !other.clashes_with(name)));
    }
}

/// The room in which a player or spectator is, by the ids of its members.
fn room_of<'a>(world: &'a World, view: &View) -> &'a Room {
    let mut rooms = world.all_signal_fish().flat_map(|signal_fish| signal_fish.rooms());
    rooms
        .find(|room| room.id().to_string() == view.room_id)
        .expect("a member's room is there")
}

fn check(run: &Run) {
    let world = &run.world;
    let mut members = 0;
    for id in 0..world.clients.len() {
        let view = view_of(world, id);
        if !world.is_connected(id) {
            continue;
        }
        if let Some(view) = view {
            assert_eq!(view, View::of_room(room_of(world, &view)));
            members += 1;
        }
    }
    let mut counted = 0;
    for room in world.all_signal_fish().flat_map(|signal_fish| signal_fish.rooms()) {
        check_room(room);
        counted += room.players().len() + room.spectators().len();
    }
    assert_eq!(members, counted, "every member is a client that knows it");
}

/// What was said reached every other member once, and nobody else.
fn check_said(run: &mut Run, sender: Id, said: &str) {
    let (sender_view, own) = view_and_own_id(&run.world, sender);
    let is_player = sender_view.as_ref().is_some_and(|view| view.players.contains(&own));
    for id in 0..run.world.clients.len() {
        let messages = run.world.take(id);
        let heard = messages
            .iter()
            .filter(|message| message["data"]["data"] == said)
            .count();
        let shares = sender_view
            .as_ref()
            .is_some_and(|view| view_of(&run.world, id).is_some_and(|other| other.room_id == view.room_id));
        let expected = is_player && id != sender && run.world.is_connected(id) && shares;
        assert_eq!(heard, usize::from(expected));
    }
}

fn play(shards: u16, seed: u64, steps: &[Step]) {
    let mut run = Run::new(shards, seed);
    for step in steps {
        run.world.skip();
        if let Some((sender, said)) = run.step(step)
            // What is sent while a verdict is out is relayed later.
            && !run.world.is_waiting(sender)
            && run.world.is_connected(sender)
        {
            check_said(&mut run, sender, &said);
        }
        check(&run);
    }
    run.finish();
    run.world.assert_nothing_left();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn on_one_shard(seed in any::<u64>(), steps in prop::collection::vec(step(), 1..150)) {
        play(1, seed, &steps);
    }

    #[test]
    fn on_four_shards(seed in any::<u64>(), steps in prop::collection::vec(step(), 1..150)) {
        play(4, seed, &steps);
    }

    #[test]
    fn while_verdicts_and_moves_take_their_time(
        seed in any::<u64>(),
        shards in 1..5_u16,
        steps in prop::collection::vec(raced_step(), 1..150),
    ) {
        play(shards, seed, &steps);
    }
}
