//! Signal Fish on a few shards.

mod world;

use super::super::event::{Message, Trouble};
use super::settings::Settings;
use super::state::SignalFish;
use crate::admission::Refusal;
use crate::room::RoomKey;
use crate::slot::ShardIndex;
use crate::ws::Kind;
use std::collections::BTreeSet;
use std::time::Duration;
use world::{Shard, World};

#[test]
fn the_last_free_code_is_found_whichever_shard_has_it() {
    let settings = Settings {
        room_code_length: 1,
        ..Settings::default()
    };
    let mut world = World::new(4, settings);
    let mut codes = std::collections::HashSet::new();
    for number in 0..32 {
        let client = world.connect(number % 4);
        world.join(client, "");
        let joined = world.only(client);
        assert_eq!(joined["type"], "RoomJoined", "{joined}");
        codes.insert(joined["data"]["room_code"].to_string());
    }
    assert_eq!((codes.len(), world.rooms_granted()), (32, 32));
    let late = world.connect(0);
    world.join(late, "");
    let failed = world.only(late);
    assert_eq!(failed["data"]["error_code"], "ROOM_CREATION_FAILED", "{failed}");
    assert_eq!((world.rooms_granted(), world.clients[late].moves), (32, 3));
}

#[test]
fn a_room_is_reached_from_every_shard() {
    let mut world = World::new(4, Settings::default());
    let clients: Vec<_> = (0..4).map(|shard| world.connect(shard)).collect();
    for &client in &clients {
        world.join(client, "ABC123");
    }
    assert_eq!(world.rooms_granted(), 1);
    assert_eq!(
        world.types(clients[0]),
        ["RoomJoined", "PlayerJoined", "PlayerJoined", "PlayerJoined"]
    );
    world.say(clients[3], r#"{"type":"GameData","data":{"data":{"x": 1}}}"#);
    for &client in &clients[..3] {
        assert_eq!(world.types(client).last().map(String::as_str), Some("GameData"));
    }
    assert_eq!(world.types(clients[3]), ["RoomJoined"]);
}

#[test]
fn the_next_in_line_asks_when_the_verdict_of_a_dead_opener_is_here() {
    let mut world = World::new(1, Settings::default());
    let [first, second, third] = [0; 3].map(|shard| world.connect(shard));
    world.answers_at_once = false;
    for client in [first, second, third] {
        world.join(client, "ABC123");
    }
    // The attempts are counted.
    for _ in 0..3 {
        world.answer();
    }
    world.settle();
    assert_eq!(world.asks.len(), 1);
    world.leave(first);
    world.leave(second);
    assert_eq!(world.shards[0].protocol.gauges().openings, 1);
    world.answer();
    world.settle();
    assert_eq!((world.asks.len(), world.rooms_granted()), (1, 0));
    world.answers_at_once = true;
    world.settle();
    assert_eq!(world.types(third), ["RoomJoined"]);
    assert_eq!(
        (world.shards[0].protocol.gauges().openings, world.rooms_granted()),
        (0, 1)
    );
}

#[test]
fn a_drain_gives_everything_back() {
    let mut world = World::new(1, Settings::default());
    let [creator, opener, queued] = [0; 3].map(|shard| world.connect(shard));
    world.join(creator, "");
    world.answers_at_once = false;
    world.join(opener, "ABC123");
    world.join(queued, "ABC123");
    world.answer();
    world.answer();
    world.settle();
    let Shard { protocol, fx } = &mut world.shards[0];
    protocol.drain(fx);
    world.settle();
    world.answer();
    world.settle();
    assert_eq!((world.asks.len(), world.rooms_granted()), (0, 0));
    let gauges = world.shards[0].protocol.gauges();
    assert_eq!((gauges.sessions, gauges.rooms, gauges.openings), (0, 0, 0));
    assert_eq!(world.shards[0].protocol.next_due(), Duration::MAX);
}

#[test]
fn an_invalid_message_counts_whatever_finds_it_invalid() {
    let settings = Settings {
        max_invalid_messages: 3,
        ..Settings::default()
    };
    let mut world = World::new(1, settings);
    let client = world.connect(0);
    let long = "x".repeat(129);
    let too_long = format!(r#"{{"type":"Authenticate","data":{{"app_id":"a","platform":"{long}"}}}}"#);
    let oversize = Message::Oversize {
        kind: Kind::Text,
        length: 100_000,
    };
    world.say(client, &too_long);
    world.with(client, |protocol, cx| protocol.message(cx, oversize));
    world.with(client, |protocol, cx| protocol.message(cx, Message::Binary(b"\x01")));
    // In the wrong state, but valid.
    world.say(client, r#"{"type":"PlayerReady"}"#);
    for _ in 0..3 {
        world.say(client, &too_long);
    }
    assert!(!world.clients[client].closed);
    world.say(client, "{}");
    assert!(world.clients[client].closed);
    let last = world.clients[client].inbox.pop_back().expect("an error");
    assert_eq!(last["data"]["message"], "Too many invalid messages");
    assert_eq!(world.types(client), ["Error"; 7]);
}

#[test]
fn who_returns_to_an_empty_room_becomes_its_authority() {
    let mut world = World::new(2, Settings::default());
    let [creator, other, watcher, back] = [0, 0, 1, 1].map(|shard| world.connect(shard));
    world.join(creator, "ABC123");
    world.join(other, "ABC123");
    world.say(
        watcher,
        r#"{"type":"JoinAsSpectator","data":{"game_name":"g","room_code":"abc123","spectator_name":"w"}}"#,
    );
    let joined = world.clients[other].inbox.pop_front().expect("it joined");
    let [player, room, token] = ["player_id", "room_id", "auth_token"].map(|key| joined["data"][key].clone());
    world.leave(creator);
    world.leave(other);
    world.types(watcher);
    world.say(
        back,
        &format!(r#"{{"type":"Reconnect","data":{{"player_id":{player},"room_id":{room},"auth_token":{token}}}}}"#),
    );
    let returned = world.only(back);
    assert_eq!(returned["type"], "Reconnected", "{returned}");
    assert_eq!(returned["data"]["is_authority"], true);
    assert_eq!(world.types(watcher), ["PlayerReconnected", "AuthorityChanged"]);
}

#[test]
fn refusals_are_explained_without_a_session() {
    let mut world = World::new(1, Settings::default());
    let client = world.connect(0);
    world.leave(client);
    let (current, limit) = (10, 10);
    for (trouble, code) in [
        (
            Trouble::Refused(Refusal::ConnectionsPerIp { current, limit }),
            "TOO_MANY_CONNECTIONS",
        ),
        (Trouble::Refused(Refusal::Connections), "SERVICE_UNAVAILABLE"),
        (Trouble::MessageTimeout, "INVALID_INPUT"),
    ] {
        world.with(client, |protocol, cx| protocol.explain(cx, &trouble));
        assert_eq!(world.only(client)["data"]["error_code"], code);
    }
}

#[test]
fn who_does_not_authenticate_in_time_is_closed() {
    let settings = Settings {
        require_auth: true,
        ..Settings::default()
    };
    let mut world = World::new(1, settings);
    let client = world.connect(0);
    let slot = world.slot(client);
    let deadline = world.shards[0].protocol.deadline(slot).expect("it must authenticate");
    world.with(client, SignalFish::due);
    assert!(!world.clients[client].closed);
    world.now.monotonic = deadline;
    world.with(client, SignalFish::due);
    assert_eq!(world.only(client)["data"]["error_code"], "AUTHENTICATION_TIMEOUT");
    assert!(world.clients[client].closed);
}

/// Keys and ids that belong to one shard are alike to the routing. To the maps they are not.
#[test]
fn rooms_of_one_shard_spread_over_its_maps() {
    const SHARDS: u16 = 128;
    const KEYS: usize = 40;
    let mut world = World::new(SHARDS, Settings::default());
    for shard in 0..SHARDS {
        let protocol = &mut world.shards[usize::from(shard)].protocol;
        let owned = |key: &RoomKey| protocol.routing.room(key) == ShardIndex(shard);
        let keys = (0..).map(|number: u32| RoomKey::new("test", None, number.to_string()));
        let keys: Vec<_> = keys.filter(owned).take(KEYS).collect();
        let mut low_bits = [const { BTreeSet::new() }; 2];
        for key in &keys {
            let id = protocol.draw_room_id();
            assert_eq!(protocol.routing.room_id(id), ShardIndex(shard));
            for (seen, hash) in low_bits.iter_mut().zip(protocol.rooms.hashes(key, id)) {
                seen.insert(hash % u64::from(SHARDS));
            }
        }
        // Forty draws of 128 values are about 34 different ones.
        for seen in low_bits {
            assert!(seen.len() > KEYS / 2, "{} on shard {shard}", seen.len());
        }
    }
}

#[test]
fn an_idle_session_is_small() {
    let session = size_of::<super::session::Session>();
    assert!(session <= 104, "{session} bytes");
    let player = size_of::<super::room::Player>();
    assert!(player <= 88, "{player} bytes");
}
