//! Matchbox in virtual time: whatever the schedule, each unordered pair of a room gets exactly one `NewPeer`, nobody is told
//! of a peer before it has its id, and everybody is told once that a peer is gone. One shard and four look alike.

use serde_json::{Value, json};
use signal_fish_core::ShardIndex;
use signal_fish_core::protocol::matchbox::{Settings, Topology};
use signal_fish_simulator::world::{Design, Got, Id, World};
use signal_fish_simulator::{Client, LOCALHOST, Line, MATCHBOX, Sequence, seeds, upgrade_at};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

const TEST: &str = "matchbox_pairs_meet_once";

fn world(shards: u16, seed: u64, settings: Settings) -> World {
    let mut design = Design::new(shards, seed);
    design.matchbox = settings;
    World::build(design)
}

fn client(path: &str) -> Client {
    Client::asking(&upgrade_at(path, "")).at(MATCHBOX)
}

fn enter(world: &mut World, path: &str) -> Id {
    world.admit(LOCALHOST, client(path))
}

/// What a client got, each message as (kind, value).
fn messages(world: &World, id: Id) -> Vec<(String, Value)> {
    let texts = world.clients[id].got.iter().filter_map(|got| match got {
        Got::Text(text) => Some(text),
        _ => None,
    });
    texts
        .map(|text| {
            let message: Value = serde_json::from_str(text).expect("JSON");
            let (kind, value) = message.as_object().expect("tagged").iter().next().expect("one key");
            (kind.clone(), value.clone())
        })
        .collect()
}

fn peer_id(world: &World, id: Id) -> String {
    let (kind, value) = messages(world, id).first().cloned().expect("it has its id");
    assert_eq!(kind, "IdAssigned");
    value.as_str().expect("text").to_owned()
}

fn of_kind(world: &World, id: Id, wanted: &str) -> Vec<String> {
    let messages = messages(world, id).into_iter();
    messages
        .filter(|(kind, _)| kind == wanted)
        .map(|(_, value)| value.as_str().expect("an id").to_owned())
        .collect()
}

fn signal(world: &mut World, from: Id, to: &str, data: Value) {
    world.send(from, json!({"Signal": {"receiver": to, "data": data}}));
}

/// Its URL says where it belongs, so it goes there however many are there already (D44).
#[test]
fn a_room_holds_together_on_a_crowded_shard() {
    let settings = Settings {
        topology: Topology::ClientServer,
        peers_per_room_max: 200,
        ..Settings::default()
    };
    let mut world = world(4, 3, settings);
    let ids: Vec<_> = (0..150).map(|_| enter(&mut world, "/crowd")).collect();
    let shards: BTreeSet<_> = ids.iter().map(|id| world.shard_of(*id)).collect();
    assert_eq!(shards.len(), 1, "{shards:?}");
}

fn both(test: impl Fn(u16)) {
    test(1);
    test(4);
}

/// Every unordered pair of `ids` was told of each other exactly once; returns how many pairs there are.
fn pairs_met_once(world: &World, ids: &[Id]) -> usize {
    let names: BTreeMap<String, Id> = ids.iter().map(|id| (peer_id(world, *id), *id)).collect();
    assert_eq!(names.len(), ids.len(), "ids differ");
    let mut pairs = BTreeMap::new();
    for &id in ids {
        let messages = messages(world, id);
        let assigned = messages.iter().filter(|(kind, _)| kind == "IdAssigned").count();
        assert_eq!(assigned, 1, "a second IdAssigned would break the client");
        for other in of_kind(world, id, "NewPeer") {
            let other = names[&other];
            *pairs.entry((id.min(other), id.max(other))).or_insert(0) += 1;
        }
    }
    assert!(pairs.values().all(|told| *told == 1), "{pairs:?}");
    pairs.len()
}

#[test]
fn twelve_racing_joins_make_sixty_six_pairs() {
    seeds(TEST, 1000, |seed| {
        let mut world = world(4, seed, Settings::default());
        let mut random = Sequence::new(seed);
        world.line = Line {
            arrives_bytes_max: 1 + random.up_to(200),
            ..Line::default()
        };
        let mut ids = Vec::new();
        for _ in 0..12 {
            let shard = ShardIndex(u16::try_from(random.up_to(3)).expect("small"));
            let line = world.line;
            ids.push(world.network().connect((shard, MATCHBOX), LOCALHOST, line));
            world.clients.push(client("/race"));
            for _ in 0..random.up_to(3) {
                world.round();
            }
        }
        world.settle();
        assert_eq!(pairs_met_once(&world, &ids), 66);
    });
}

#[test]
fn whatever_the_schedule_pairs_meet_once_and_signals_arrive_in_order() {
    seeds(TEST, 60, |seed| {
        let mut world = world(4, seed, Settings::default());
        let mut random = Sequence::new(seed);
        world.network().shuffles_events = true;
        let mut here: Vec<Id> = Vec::new();
        let mut gone: BTreeSet<Id> = BTreeSet::new();
        for step in 0..60_u64 {
            match random.up_to(5) {
                0 | 1 => here.push(enter(&mut world, "/any")),
                2 if here.len() > 1 => {
                    let leaver = here.remove(random.up_to(here.len() - 1));
                    match random.up_to(2) {
                        0 => world.drop_client(leaver),
                        1 => world.finish(leaver),
                        _ => {
                            world.clients[leaver].close(1000);
                            world.settle();
                        }
                    }
                    gone.insert(leaver);
                }
                _ if here.len() > 1 => {
                    let from = here[random.up_to(here.len() - 1)];
                    let to = here[random.up_to(here.len() - 1)];
                    let name = peer_id(&world, to);
                    signal(&mut world, from, &name, json!({ "Offer": step }));
                }
                _ => world.advance(Duration::from_secs(random.up_to(5) as u64)),
            }
        }
        let left = |id: Id| of_kind(&world, id, "PeerLeft");
        let known: BTreeMap<Id, String> = here.iter().chain(&gone).map(|id| (*id, peer_id(&world, *id))).collect();
        for &id in &here {
            let told = left(id);
            let once: BTreeSet<_> = told.iter().collect();
            assert_eq!(once.len(), told.len(), "told once");
            let after: BTreeSet<_> = gone
                .iter()
                .filter(|other| !before(&world, **other, id))
                .map(|id| &known[id])
                .collect();
            assert!(once.is_superset(&after), "told of everybody");
            // Signals of each sender in the order in which they were sent, and only of peers it was introduced to.
            let mut last: BTreeMap<String, u64> = BTreeMap::new();
            for (kind, value) in messages(&world, id) {
                if kind == "Signal" {
                    let step = value["data"]["Offer"].as_u64().expect("a number");
                    let sender = value["sender"].as_str().expect("an id").to_owned();
                    assert!(last.insert(sender, step).is_none_or(|earlier| earlier < step));
                }
            }
        }
        let alive = here.len();
        assert_eq!(
            pairs_met_once_among_all(&world, &here),
            alive * alive.saturating_sub(1) / 2
        );
    });
}

/// Whether `gone` had left before `id` came: clients are counted in the order of connecting, and a newcomer is never told of
/// those before it but by their offers.
fn before(world: &World, gone: Id, id: Id) -> bool {
    gone < id && !of_kind(world, gone, "NewPeer").contains(&peer_id(world, id))
}

/// As [`pairs_met_once`], where others may have been met as well.
fn pairs_met_once_among_all(world: &World, ids: &[Id]) -> usize {
    let names: BTreeMap<String, Id> = ids.iter().map(|id| (peer_id(world, *id), *id)).collect();
    let mut pairs = BTreeMap::new();
    for &id in ids {
        for other in of_kind(world, id, "NewPeer") {
            if let Some(&other) = names.get(&other) {
                *pairs.entry((id.min(other), id.max(other))).or_insert(0) += 1;
            }
        }
    }
    assert!(pairs.values().all(|told| *told == 1), "{pairs:?}");
    pairs.len()
}

#[test]
fn groups_of_next_fill_one_after_the_other() {
    both(|shards| {
        let mut world = world(shards, 3, Settings::default());
        let ids: Vec<Id> = (0..7).map(|_| enter(&mut world, "/pairs?next=3")).collect();
        assert_eq!(pairs_met_once(&world, &ids[..3]), 3);
        assert_eq!(pairs_met_once(&world, &ids[3..6]), 3);
        assert_eq!(of_kind(&world, ids[6], "NewPeer"), [""; 0]);
        // Signals stay in the group (M8).
        let other_group = peer_id(&world, ids[3]);
        signal(&mut world, ids[0], &other_group, json!(1));
        assert!(!messages(&world, ids[3]).iter().any(|(kind, _)| kind == "Signal"));
        // Who waits frees its place, who is in a complete group does not.
        world.drop_client(ids[6]);
        world.drop_client(ids[5]);
        assert_eq!(of_kind(&world, ids[3], "PeerLeft"), [peer_id(&world, ids[5])]);
        let more: Vec<Id> = (0..3).map(|_| enter(&mut world, "/pairs?next=3")).collect();
        assert_eq!(pairs_met_once(&world, &more), 3);
        // The same name without groups is another room.
        let alone = enter(&mut world, "/pairs");
        assert_eq!(of_kind(&world, alone, "NewPeer"), [""; 0]);
        for id in 0..world.clients.len() {
            world.drop_client(id);
        }
        world.assert_nothing_left();
    });
}

#[test]
fn a_host_is_told_of_its_clients_and_they_of_its_end() {
    let settings = Settings {
        topology: Topology::ClientServer,
        ..Settings::default()
    };
    both(|shards| {
        let mut world = world(shards, 5, settings);
        let [host, a, b] = [(); 3].map(|()| enter(&mut world, "/game"));
        let elsewhere = enter(&mut world, "/other");
        let name = |world: &World, id| peer_id(world, id);
        assert_eq!(of_kind(&world, host, "NewPeer"), [name(&world, a), name(&world, b)]);
        for client in [a, b, elsewhere] {
            assert_eq!(of_kind(&world, client, "NewPeer"), [""; 0]);
        }
        // A client's signal goes to the host whatever it names; the host's goes to whom it names.
        let b_name = name(&world, b);
        signal(&mut world, a, &b_name, json!("to the host"));
        let last = |world: &World, id| messages(world, id).last().cloned().expect("something");
        assert_eq!(
            last(&world, host),
            (
                "Signal".to_owned(),
                json!({"sender": name(&world, a), "data": "to the host"})
            )
        );
        signal(&mut world, host, &b_name, json!("to b"));
        assert_eq!(last(&world, b).1["data"], "to b");
        world.drop_client(b);
        assert_eq!(of_kind(&world, host, "PeerLeft"), [b_name]);
        assert_eq!(of_kind(&world, a, "PeerLeft"), [""; 0]);
        let host_name = name(&world, host);
        world.drop_client(host);
        assert_eq!(of_kind(&world, a, "PeerLeft"), [host_name]);
        // The next newcomer is the host, and is told of those who stayed (M10).
        let next = enter(&mut world, "/game");
        assert_eq!(of_kind(&world, next, "NewPeer"), [name(&world, a)]);
    });
}

#[test]
fn a_full_room_is_closed_before_an_id_is_assigned() {
    let settings = Settings {
        peers_per_room_max: 2,
        ..Settings::default()
    };
    both(|shards| {
        let mut world = world(shards, 5, settings);
        let [a, b, c] = [(); 3].map(|()| enter(&mut world, "/small"));
        assert_eq!(world.clients[c].got, [Got::Closed(1008, "Room is full".to_owned())]);
        assert_eq!(pairs_met_once(&world, &[a, b]), 1);
        world.drop_client(a);
        let d = enter(&mut world, "/small");
        assert_eq!(of_kind(&world, b, "NewPeer"), [peer_id(&world, d)]);
    });
}

#[test]
fn silence_ends_a_peer_and_keep_alive_is_life() {
    let mut world = world(1, 5, Settings::default());
    let [silent, alive] = [(); 2].map(|()| enter(&mut world, "/"));
    let name = peer_id(&world, silent);
    for _ in 0..6 {
        world.advance(Duration::from_secs(10));
        world.send(alive, json!("KeepAlive"));
    }
    assert!(!world.is_connected(silent) && world.is_connected(alive));
    assert_eq!(of_kind(&world, alive, "PeerLeft"), [name]);
}

#[test]
fn a_drain_forgets_peers_and_rooms() {
    both(|shards| {
        let mut world = world(shards, 5, Settings::default());
        let ids = [(); 5].map(|()| enter(&mut world, "/game"));
        world.drain();
        for id in ids {
            assert!(of_kind(&world, id, "PeerLeft").is_empty());
            assert!(matches!(world.clients[id].got.last(), Some(Got::Closed(1001, _))));
        }
        world.advance(Duration::from_secs(10));
        world.assert_nothing_left();
    });
}
