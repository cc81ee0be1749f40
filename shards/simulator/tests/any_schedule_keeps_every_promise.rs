//! Whatever networks do to bytes and mail does to verdicts and moves: rooms and counts stay right, every client hears in
//! order what was said, and nothing is left when everybody has gone. `SIM_SEED` plays one seed again.

mod script;

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use script::{Run, Step, limits, settings, step};
use signal_fish_core::protocol::signal_fish::SignalFish;
use signal_fish_simulator::world::{Design, Got, World, join, just, say, spectate};
use signal_fish_simulator::{Line, Sequence, seeds};
use std::collections::HashMap;
use std::time::Duration;

const TEST: &str = "any_schedule_keeps_every_promise";

fn steps(seed: u64, count: usize) -> Vec<Step> {
    let bytes: Vec<u8> = seed.to_le_bytes().repeat(4);
    let random = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let mut runner = TestRunner::new_with_rng(Config::default(), random);
    let draw = |_| step().new_tree(&mut runner).expect("steps are always found").current();
    (0..count).map(draw).collect()
}

fn design(shards: u16, seed: u64) -> Design {
    let mut design = Design::new(shards, seed).with_settings(settings());
    design.limits = limits();
    design.options.ping_timeout = Duration::from_secs(20);
    design
}

/// A network that is never twice the same.
fn line(random: &mut Sequence) -> Line {
    let mut some = |percent, most| {
        let any = random.chance(percent);
        let bytes = 1 + random.up_to(most);
        if any { bytes } else { usize::MAX }
    };
    Line {
        arrives_bytes_max: some(50, 40),
        window_bytes: some(50, 300),
        reads_bytes_max: some(50, 80),
        ..Line::default()
    }
}

/// What was said in order of sending, by sender; every listener hears a part of it in that order, and nothing twice.
fn check_order(world: &World) {
    for client in &world.clients {
        let mut heard: HashMap<String, u32> = HashMap::new();
        for got in &client.got {
            let Got::Text(text) = got else { continue };
            let Ok(message) = serde_json::from_str::<serde_json::Value>(text) else {
                continue;
            };
            let Some(said) = message["data"]["data"]
                .as_str()
                .and_then(|said| said.strip_prefix("said "))
            else {
                continue;
            };
            let number: u32 = said.parse().expect("a number was said");
            let from = message["data"]["from_player"].to_string();
            let before = heard.insert(from, number);
            assert!(
                before.is_none_or(|before| before < number),
                "{before:?} before {number}"
            );
        }
    }
}

/// Much at once: a client says what it has to say without waiting for answers, and may end behind it.
fn burst(run: &mut Run, random: &mut Sequence) {
    let id = run.ids[random.up_to(script::CLIENTS - 1)];
    let codes = ["AAAAAA", "BBBBBB", "CCCCCC"];
    let name = format!("burst{id}");
    let client = &mut run.world.clients[id];
    for _ in 0..random.up_to(6) {
        let message = match random.up_to(5) {
            0 | 1 => join(codes[random.up_to(2)], &name, 2),
            2 => just("LeaveRoom"),
            3 => spectate(codes[random.up_to(2)], &name),
            4 => say("in a burst".into()),
            _ => just("Ping"),
        };
        client.say(&message.to_string());
    }
    if random.chance(20) {
        client.end();
    }
    run.world.settle();
}

fn check_rooms(world: &World) {
    let settings = settings();
    for room in world.all_signal_fish().flat_map(SignalFish::rooms) {
        assert!(room.players().len() + room.held_seats().len() <= usize::from(room.max_players()));
        assert!(room.spectators().len() <= settings.max_spectators_per_room);
        assert!(room.replay().len() <= settings.event_buffer_size);
        assert!(room.replay().bytes() <= settings.event_buffer_bytes);
    }
}

/// Nobody is left, whatever the network did.
fn finish(run: &mut Run) {
    let world = &mut run.world;
    for id in 0..world.clients.len() {
        world.drop_client(id);
    }
    world.advance(Duration::from_secs(60));
    world.assert_nothing_left();
    assert_eq!(world.network().open(), 0, "every connection is closed");
}

fn play(seed: u64) {
    let mut random = Sequence::stream(seed, 100);
    let shards = u16::try_from(1 + random.up_to(3)).expect("few");
    let mut run = Run::of(design(shards, seed));
    run.world.network().shuffles_events = random.chance(50);
    let mut drained = false;
    for step in steps(seed, 60) {
        match random.up_to(19) {
            0 => run.world.line = line(&mut random),
            1 => {
                let id = random.up_to(run.world.clients.len() - 1);
                *run.world.network().line(id) = line(&mut random);
            }
            2 => {
                // Somebody stops reading, or all go on.
                let id = random.up_to(run.world.clients.len() - 1);
                run.world.network().line(id).reads_bytes_max = 0;
            }
            3 => run.world.mailroom().delay_max = Duration::from_millis(random.up_to(50) as u64),
            4 => {
                let moves_max = if random.chance(20) { 0 } else { usize::MAX };
                run.world.mailroom().moves_max = moves_max;
            }
            5 => run.world.network().exhausted_accepts = random.up_to(2),
            6 => {
                let id = run.ids[random.up_to(script::CLIENTS - 1)];
                run.world.finish(id);
            }
            7 => {
                let id = run.ids[random.up_to(script::CLIENTS - 1)];
                run.world.clients[id].ping();
                run.world.clients[id].answers_pings = true;
            }
            8 => {
                let id = run.ids[random.up_to(script::CLIENTS - 1)];
                run.world.clients[id].close(1000);
            }
            9 => run.world.stand_still(Duration::from_secs(random.up_to(40) as u64)),
            10 if random.chance(20) => {
                let id = run.ids[random.up_to(script::CLIENTS - 1)];
                run.world.break_output(id);
            }
            11 => {
                // A part of a message, whose rest never comes.
                let id = run.ids[random.up_to(script::CLIENTS - 1)];
                run.world.clients[id].write(&[0x81][..random.up_to(1)]);
            }
            12 if random.chance(5) => {
                // The server ends; whoever comes afterwards finds nobody.
                run.world.drain();
                drained = true;
            }
            _ => {}
        }
        if random.chance(20) {
            burst(&mut run, &mut random);
        }
        run.step(&step);
        check_rooms(&run.world);
    }
    check_order(&run.world);
    if drained {
        run.world.advance(Duration::from_secs(6));
        assert!((0..usize::from(shards)).all(|shard| run.world.has_ended(shard)));
        assert_eq!(run.world.network().open(), 0, "every connection is closed");
        return;
    }
    finish(&mut run);
}

#[test]
fn with_every_fault() {
    seeds(TEST, 300, play);
}

/// What clients got, in order, without what is drawn or depends on the moment.
fn transcript(shards: u16, seed: u64, faults: bool) -> Vec<Vec<String>> {
    let (mut random, mut bursts) = (Sequence::stream(seed, 101), Sequence::stream(seed, 102));
    let mut run = Run::of(design(shards, seed));
    run.world.network().shuffles_events = faults;
    for step in steps(seed, 60) {
        if faults && random.chance(20) {
            run.world.line = line(&mut random);
        }
        if faults && random.chance(20) {
            let id = random.up_to(run.world.clients.len() - 1);
            *run.world.network().line(id) = line(&mut random);
        }
        if bursts.chance(20) {
            burst(&mut run, &mut bursts);
        }
        run.step(&step);
    }
    finish(&mut run);
    let kinds = |got: &Got| match got {
        Got::Text(text) => {
            let message: serde_json::Value = serde_json::from_str(text).expect("JSON");
            let error = message["data"]["error_code"].as_str().unwrap_or_default();
            format!("{} {error}", message["type"])
        }
        other => format!("{other:?}").chars().take(12).collect(),
    };
    let clients = run.world.clients.iter();
    clients.map(|client| client.got.iter().map(kinds).collect()).collect()
}

#[test]
fn one_shard_and_four_and_a_bad_network_look_the_same() {
    seeds(TEST, 100, |seed| {
        let plain = transcript(1, seed, false);
        for (shards, faults) in [(4, false), (1, true), (4, true)] {
            let other = transcript(shards, seed, faults);
            for (client, (plain, other)) in plain.iter().zip(&other).enumerate() {
                assert_eq!(plain, other, "client {client} with {shards} shards, faults: {faults}");
            }
        }
    });
}
