//! Settings, limits and bounds, most of them small, so that schedules reach them.

use crate::random::Sequence;
use crate::world::Design;
use signal_fish_core::admission::{AppLimits, Limits};
use signal_fish_core::protocol::signal_fish::{App, Settings};
use std::time::Duration;

/// The world of a seed.
pub(super) fn design(seed: u64) -> Design {
    let mut random = Sequence::stream(seed, 200);
    let shards = u16::try_from(1 + random.up_to(3)).expect("few");
    let settings = settings(&mut random);
    let has_apps = settings.require_auth;
    let mut design = Design::new(shards, seed).with_settings(settings);
    design.limits = limits(&mut random, has_apps);
    design.keeps_ledger = true;
    let options = &mut design.options;
    options.ping_timeout = seconds(&mut random, 4, 20);
    options.head_timeout = Duration::from_secs(5);
    options.message_timeout = seconds(&mut random, 2, 6);
    options.drain_timeout = seconds(&mut random, 1, 5);
    options.batching = random.chance(85);
    if random.chance(50) {
        options.outbound_bytes_max = 1_000 + random.up_to(4_000);
    } else if random.chance(60) {
        options.outbound_total_bytes_max = 4_000 + random.up_to(10_000);
    }
    if random.chance(25) {
        options.messages_per_sec_max = u32::try_from(4 + random.up_to(20)).expect("few");
    }
    if random.chance(15) {
        options.fanout_bytes_per_sec_max = 3_000 + random.up_to(20_000) as u64;
    }
    if random.chance(20) {
        options.slots_max = 6 + random.up_to(12);
    }
    // From a stream of its own: seeds that were worth remembering before there was TLS stay what they were.
    design.tls = Sequence::stream(seed, 203).chance(15);
    design
}

fn seconds(random: &mut Sequence, least: u64, most: usize) -> Duration {
    Duration::from_secs(least + random.up_to(most) as u64)
}

fn settings(random: &mut Sequence) -> Settings {
    let app = |app_id: &str| App {
        app_id: app_id.to_owned(),
        authorized: true,
        app_name: app_id.to_owned(),
        max_players_per_room: None,
        rate_limit_per_minute: None,
    };
    let require_auth = random.chance(20);
    Settings {
        default_max_players: 2,
        max_players_limit: 4,
        max_spectators_per_room: random.up_to(3),
        room_cleanup_interval: seconds(random, 1, 3),
        empty_room_timeout: seconds(random, 3, 6),
        inactive_room_timeout: seconds(random, 8, 20),
        enable_reconnection: random.chance(95),
        send_reconnection_token: random.chance(95),
        reconnection_window: seconds(random, 2, 10),
        event_buffer_size: random.up_to(12),
        event_buffer_bytes: random.up_to(3_000),
        max_invalid_messages: u32::try_from(random.up_to(4)).expect("few"),
        max_message_size: 2_000,
        require_auth,
        auth_timeout: seconds(random, 2, 5),
        apps: if require_auth {
            vec![app("x"), app("y")]
        } else {
            Vec::new()
        },
        ..Settings::default()
    }
}

fn limits(random: &mut Sequence, has_apps: bool) -> Limits {
    let few = |random: &mut Sequence, percent, least: usize, most| {
        let few = least + random.up_to(most);
        if random.chance(percent) { few } else { 1_000_000 }
    };
    let count = |number: usize| u32::try_from(number).expect("few");
    let app = AppLimits {
        rooms_max: Some(2),
        authentications_per_minute_max: None,
    };
    Limits {
        connections_max: few(random, 15, 4, 10),
        connections_per_ip_max: few(random, 30, 2, 6),
        rooms_per_game_max: few(random, 60, 1, 3),
        room_creations_max: count(few(random, 50, 2, 15)),
        handshakes_per_sec_per_ip: 10,
        join_attempts_max: count(few(random, 50, 4, 40)),
        time_window: seconds(random, 3, 8),
        relay: signal_fish_core::admission::Rates::default(),
        apps: if has_apps {
            vec![app, AppLimits::default()]
        } else {
            Vec::new()
        },
    }
}
