//! Two clients that create the same room meet in one: joins to a room that is being opened wait in order of arrival,
//! and what is granted to a client that is gone goes back.

use serde_json::json;
use signal_fish_core::admission::{Ask, Limits};
use signal_fish_simulator::world::{Id, World, join_failed, just, open_limits, spectate};

/// Clients whose attempt to join ROOM42 was counted: the first asked for a permit, the others wait behind it.
fn opening(world: &mut World, names: &[&str]) -> Vec<Id> {
    let ids: Vec<Id> = names.iter().map(|_| world.connect()).collect();
    world.hold_verdicts = true;
    for (id, name) in ids.iter().zip(names) {
        world.join(*id, "ROOM42", name, 2);
    }
    for _ in &ids {
        assert!(matches!(world.answer(), Some(Ask::Join { .. })));
    }
    assert_eq!(world.asks().len(), 1);
    assert!(ids.iter().all(|id| world.is_waiting(*id)));
    ids
}

#[test]
fn the_room_is_opened_once_and_the_others_join_in_order_of_arrival() {
    let mut world = World::simple();
    let ids = opening(&mut world, &["Ann", "Bob", "Cyd"]);
    // Frames that come meanwhile are looked at when the client is in.
    world.send(ids[1], just("PlayerReady"));
    world.answer();
    assert_eq!(
        world.take_types(ids[0]),
        ["RoomJoined", "PlayerJoined", "LobbyStateChanged", "LobbyStateChanged"]
    );
    assert_eq!(
        world.take_types(ids[1]),
        ["RoomJoined", "LobbyStateChanged", "LobbyStateChanged"]
    );
    world.expect(ids[2], json!([join_failed("Room is full", "ROOM_FULL")]));
    assert!(ids.iter().all(|id| !world.is_waiting(*id)));
    assert_eq!(world.admission.totals().rooms_active, 1);
}

#[test]
fn a_refusal_is_the_heads_alone_and_the_next_one_asks() {
    let mut world = World::limited(Limits {
        room_creations_max: 0,
        ..open_limits()
    });
    let ids = opening(&mut world, &["Ann", "Bob"]);
    let text = "Room creation rate limit exceeded. Try again in 60 seconds.";
    for id in ids {
        world.answer();
        world.expect(id, json!([join_failed(text, "RATE_LIMIT_EXCEEDED")]));
    }
    assert!(world.asks().is_empty());
    assert_eq!(world.signal_fish(0).gauges().openings, 0);
}

#[test]
fn the_permit_of_a_dead_head_goes_back_before_the_next_one_asks() {
    // One room is allowed: the next one gets it only if the dead one's place came back first.
    let mut world = World::limited(Limits {
        rooms_per_game_max: 1,
        ..open_limits()
    });
    let ids = opening(&mut world, &["Ann", "Bob", "Cyd"]);
    world.drop_client(ids[0]);
    world.drop_client(ids[1]);
    world.answer();
    assert_eq!(world.admission.totals().rooms_active, 0);
    world.answer();
    assert_eq!(world.take_types(ids[2]), ["RoomJoined"]);
    world.hold_verdicts = false;
    world.drop_client(ids[2]);
    world.advance(std::time::Duration::from_secs(700));
    world.assert_nothing_left();
}

#[test]
fn everybody_may_die_while_a_room_is_opened() {
    let mut world = World::simple();
    let ids = opening(&mut world, &["Ann", "Bob"]);
    world.drop_client(ids[1]);
    world.drop_client(ids[0]);
    world.answer();
    world.assert_nothing_left();
}

#[test]
fn whoever_dies_before_a_verdict_keeps_nothing() {
    let mut world = World::simple();
    world.hold_verdicts = true;
    let a = world.connect();
    world.drop_client(a);
    world.answer();
    world.assert_nothing_left();
    let b = world.connect();
    world.answer();
    world.join(b, "", "Bob", 2);
    world.drop_client(b);
    world.answer();
    world.assert_nothing_left();
}

#[test]
fn a_room_that_is_being_opened_cannot_be_watched_yet() {
    let mut world = World::simple();
    opening(&mut world, &["Ann"]);
    let s = world.connect();
    // Its ticket is asked for behind the permit.
    world.hold_verdicts = false;
    world.settle();
    world.send(s, spectate("ROOM42", "Sue"));
    assert_eq!(world.take_types(s), ["SpectatorJoined"]);
}

#[test]
fn fifty_clients_create_the_same_room_on_four_shards() {
    let mut world = World::new(
        4,
        5,
        signal_fish_core::protocol::signal_fish::Settings::default(),
        open_limits(),
    );
    let ids: Vec<Id> = (0..50).map(|_| world.connect()).collect();
    world.hold_verdicts = true;
    for id in &ids {
        world.join(*id, "ROOM42", &format!("p{id}"), 50);
    }
    world.hold_verdicts = false;
    world.settle();
    let room = world.clients[ids[0]].room_id.clone();
    assert!(ids.iter().all(|id| world.clients[*id].room_id == room));
    assert_eq!(world.admission.totals().rooms_active, 1);
}

#[test]
fn a_session_that_is_lost_between_shards_gives_everything_back() {
    let mut world = World::new(
        4,
        5,
        signal_fish_core::protocol::signal_fish::Settings::default(),
        open_limits(),
    );
    world.hold_moves = true;
    let ids: Vec<Id> = (0..8).map(|_| world.connect()).collect();
    for id in &ids {
        world.join(*id, "ROOM42", &format!("p{id}"), 8);
    }
    assert!(ids.iter().any(|id| !world.is_connected(*id)), "some are on their way");
    for id in &ids {
        world.drop_client(*id);
    }
    world.hold_moves = false;
    world.advance(std::time::Duration::from_secs(700));
    world.assert_nothing_left();
}

#[test]
fn the_url_may_route_a_session_before_its_first_message() {
    let settings = signal_fish_core::protocol::signal_fish::Settings::default();
    let mut world = World::new(4, 5, settings, open_limits());
    let first = world.connect();
    world.join(first, "ROOM42", "Ann", 8);
    let owner = world.shard_of(first);
    for _ in 0..4 {
        let id = world.connect_from([127, 0, 0, 1].into(), Some(("pong", "room42")));
        assert_eq!(world.shard_of(id), owner);
    }
    // A hint is ignored if no room can have that name.
    let id = world.connect_from([127, 0, 0, 1].into(), Some(("pong", "?")));
    assert!(world.is_connected(id));
}

/// Connections that nobody answered for have asked, so the counts are fresh whoever sends them (D44).
#[test]
fn urls_cannot_gather_everybody_on_one_shard() {
    let settings = signal_fish_core::protocol::signal_fish::Settings::default();
    let mut world = World::new(4, 5, settings, open_limits());
    let first = world.connect();
    world.join(first, "ROOM42", "Ann", 8);
    let owner = world.shard_of(first);
    let ids: Vec<_> = (0..1_000)
        .map(|_| world.connect_from([127, 0, 0, 1].into(), Some(("pong", "room42"))))
        .collect();
    let mut on = [0_usize; 4];
    for id in &ids {
        on[usize::from(world.shard_of(*id).expect("it is connected"))] += 1;
    }
    let gathered = on[usize::from(owner.expect("the room has an owner"))];
    // Twice the mean, and what came between two questions of that shard.
    assert!((400..=510).contains(&gathered), "{on:?}");
    // Who was not let through there still gets into the room, as everybody who joins.
    let elsewhere = ids.iter().copied().find(|id| world.shard_of(*id) != owner);
    let elsewhere = elsewhere.expect("most are elsewhere");
    world.join(elsewhere, "ROOM42", "Bob", 8);
    assert_eq!(world.shard_of(elsewhere), owner);
    let ignored: u64 = (0..4).map(|shard| world.report(shard).counters.hints_ignored).sum();
    assert!(ignored > 200, "{ignored}");
}

#[test]
fn drain_closes_everybody_and_gives_everything_back() {
    let mut world = World::simple();
    let room = world.room(&["Ann", "Bob"], 2);
    world.hold_verdicts = true;
    let late = world.connect();
    world.answer();
    world.join(late, "", "Cyd", 2);
    world.drain();
    for id in [room[0], room[1], late] {
        world.expect(id, json!([{"closed": "drain"}]));
    }
    // Newcomers are told before they speak WebSocket (D45).
    let too_late = world.connect();
    world.expect(too_late, json!([{"answer": 503}]));
    world.answer();
    world.assert_nothing_left();
    assert!(world.has_ended(0));
}
