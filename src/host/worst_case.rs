//! How much memory the server may take at worst: every bound of the table "Bounds" in ARCHITECTURE.md, reached at the same
//! moment. What the program takes is resident memory; what the kernel holds for sockets counts to the same machine and
//! control group.

use super::finding::Finding;
use super::limits::ticketless_per_shard;
use super::memory;
use crate::Config;
use crate::logging::LINES_WAITING_MAX;
use signal_fish_core::admission::WINDOWS_MAX;
use signal_fish_core::effects::Outboxes;
use signal_fish_core::http::HEAD_BYTES_MAX;
use signal_fish_core::protocol::signal_fish::wire::CONNECTION_INFO_MEMORY_MAX;
use signal_fish_core::protocol::signal_fish::wire::message_pack::EXPANSION_MAX;
use signal_fish_core::protocol::signal_fish::{RECORD_BYTES, RECORDS_INFO_BYTES_MAX, RECORDS_MAX};
use signal_fish_runtime::{BACKLOG, RECEIVE_BUFFER_BYTES, SEND_BUFFER_BYTES};
use std::fs;

const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;

/// The program itself, its threads, and what every server has.
const PROGRAM_BYTES: u64 = 24 * MIB;
/// A line of the log that waits, with what goes with it.
const LOG_LINE_BYTES: u64 = KIB;
/// An open window of attempts: its entry in a map that may be half empty, and in the order of windows.
const WINDOW_BYTES: u64 = 256;
/// An `Authenticate` in the log of its app, and its address.
const AUTHENTICATION_BYTES: u64 = 256;
/// The rings and the stack of a shard, its receive buffer, the events of its epoll set, refused addresses, expired players.
const SHARD_BYTES: u64 = 4 * MIB;
/// The pool of outboxes and the frame of a shard.
const POOL_BYTES: u64 = 256 * 16 * KIB + 256 * KIB;
/// Slot, session, timer, member and player, entries of maps, what a waiting session wants; without names.
const CONNECTION_BYTES: u64 = 4 * KIB;
/// What is kept of a connection that waits or moves.
const UNREAD_BYTES: u64 = 64 * KIB;
/// A room without members and names: itself, its key, its entries in three maps and in admission.
const ROOM_BYTES: u64 = 2 * KIB;
/// Bytes of a character in a name, at most.
const CHARACTER_BYTES: u64 = 4;
/// Places where a name is kept.
const COPIES: u64 = 4;
/// What the kernel has for a socket besides its buffers.
const SOCKET_BYTES: u64 = 4 * KIB;
/// The allocator keeps free memory between what is in use: an eighth of all.
const ALLOCATOR_SHARE: u64 = 8;

/// The worst case of a configuration, in bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorstCase {
    /// What each thing takes of the program's memory, in the order of the formula.
    pub parts: Vec<(&'static str, u64)>,
    /// What the kernel holds for the sockets.
    pub kernel: u64,
}

impl WorstCase {
    /// Of a server with so many shards.
    #[must_use]
    pub fn of(config: &Config, shards: usize) -> Self {
        let limits = config.admission_limits();
        let shards_count = shards;
        let shards = shards as u64;
        let connections = limits.connections_max as u64;
        let message = config.security.max_message_size as u64;
        let game = config.protocol.max_game_name_length as u64 * CHARACTER_BYTES * COPIES;
        let name = config.protocol.max_player_name_length as u64 * CHARACTER_BYTES * COPIES;

        // Heads that hold no ticket: told why, kept alive, or of a proxy that has not named its client.
        let ticketless = ticketless_per_shard(shards_count) as u64;
        let of_proxies = match config.security.trusted_proxies.is_empty() {
            true => 0,
            false => (connections + crate::server::SLOTS_SPARE as u64) / 8,
        };
        let heads = shards * (ticketless + of_proxies);
        let connection = CONNECTION_BYTES
            + name
            + game
            + Outboxes::SMALL_BYTES as u64
            + UNREAD_BYTES
            + message.max(HEAD_BYTES_MAX as u64)
            + CONNECTION_INFO_MEMORY_MAX as u64;
        let head = CONNECTION_BYTES + Outboxes::SMALL_BYTES as u64 + HEAD_BYTES_MAX as u64;

        let members = u64::from(config.protocol.max_players_limit) + config.server.max_spectators_per_room as u64;
        let expansion = if config.protocol.enable_message_pack_game_data {
            EXPANSION_MAX as u64
        } else {
            1
        };
        let records = match config.server.enable_reconnection {
            true => (RECORDS_MAX * RECORD_BYTES + RECORDS_INFO_BYTES_MAX) as u64,
            false => 0,
        };
        let authentications: u64 = limits
            .apps
            .iter()
            .filter_map(|app| app.authentications_per_minute_max)
            .map(u64::from)
            .sum();
        let mut parts = vec![
            (
                "program and log",
                PROGRAM_BYTES + 2 * LINES_WAITING_MAX as u64 * LOG_LINE_BYTES,
            ),
            ("shards", shards * (SHARD_BYTES + POOL_BYTES)),
            ("connections", connections * connection + heads * head),
            ("outboxes", config.outbound_total_bytes() as u64),
            // A message is in every outbox before the first of them is sent; a buffer may be half empty.
            (
                "messages being delivered",
                shards * (members + 1) * 2 * expansion * message,
            ),
            ("rooms", limits.rooms_max() as u64 * (ROOM_BYTES + game)),
            ("replays", config.event_buffer_total_bytes() as u64),
            ("dropped players", shards * (records + name)),
            (
                "limits of rates",
                WINDOWS_MAX as u64 * WINDOW_BYTES + authentications * AUTHENTICATION_BYTES,
            ),
        ];
        if config.relay.enabled && config.relay.auth.enabled {
            parts.push(("tokens", crate::tokens::BYTES_MAX));
        }
        let sum: u64 = parts.iter().map(|(_, bytes)| bytes).sum();
        parts.push(("allocator", sum / ALLOCATOR_SHARE));

        // The kernel allows twice what is asked for. Connections that nobody accepted yet hold input only.
        let buffers = 2 * (SEND_BUFFER_BYTES + RECEIVE_BUFFER_BYTES) as u64;
        let listeners = shards * crate::doors::doors(config).len() as u64;
        let waiting = listeners * u64::try_from(BACKLOG).unwrap_or(0);
        let sockets = connections + heads;
        let buffered = sockets * buffers + waiting * 2 * RECEIVE_BUFFER_BYTES as u64;
        let kernel = (sockets + waiting) * SOCKET_BYTES + buffered.min(tcp_bytes_max());
        Self { parts, kernel }
    }

    /// Resident memory of the process, in bytes.
    #[must_use]
    pub fn program(&self) -> u64 {
        self.parts.iter().map(|(_, bytes)| bytes).sum()
    }

    /// Everything, in bytes.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.program() + self.kernel
    }
}

/// What the kernel lets all TCP sockets hold together.
fn tcp_bytes_max() -> u64 {
    let pages = fs::read_to_string("/proc/sys/net/ipv4/tcp_mem").ok();
    let pages: Option<u64> = pages.and_then(|text| text.split_whitespace().nth(2)?.parse().ok());
    pages.map_or(u64::MAX, |pages| {
        pages.saturating_mul(rustix::param::page_size() as u64)
    })
}

/// Compares the worst case with the memory that this process may use.
pub(super) fn finding(config: &Config, shards: usize) -> Finding {
    judge(config, shards, memory::available_bytes() as u64)
}

/// Most connections whose worst case is no more than so many bytes; 0 if there is none.
fn connections_within(config: &Config, shards: usize, bytes: u64) -> usize {
    let mut config = config.clone();
    let (mut fit, mut too_many) = (0, config.connections_max());
    while too_many - fit > 1 {
        let tried = fit + (too_many - fit) / 2;
        config.server.max_connections = tried;
        if WorstCase::of(&config, shards).total() <= bytes {
            fit = tried;
        } else {
            too_many = tried;
        }
    }
    fit
}

fn judge(config: &Config, shards: usize, available: u64) -> Finding {
    const SUBJECT: &str = "memory";
    let worst = WorstCase::of(config, shards);
    let parts: Vec<_> = worst
        .parts
        .iter()
        .chain([&("kernel", worst.kernel)])
        .map(|(name, bytes)| format!("{name} {}", readable(*bytes)))
        .collect();
    let (total, parts) = (readable(worst.total()), parts.join(", "));
    let may = readable(available);
    if worst.total() <= available {
        return Finding::fine(SUBJECT, format!("at worst {total} of {may}: {parts}"));
    }
    let cure = match connections_within(config, shards, available) {
        0 => "lower websocket.max_outbound_total_bytes, server.event_buffer_total_bytes, security.max_message_size or the \
              number of shards"
            .to_owned(),
        fit => format!("with server.max_connections of {fit} it would fit"),
    };
    Finding::advice(
        SUBJECT,
        format!("at worst {total}, more than the {may} that may be used: {cure} ({parts})"),
    )
}

fn readable(bytes: u64) -> String {
    match bytes {
        0..MIB => format!("{} KiB", bytes / KIB),
        MIB..10_000_000_000 => format!("{} MiB", bytes / MIB),
        _ => format!("{} GiB", bytes / (KIB * MIB)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::State;
    use super::*;

    fn with_connections(connections: usize) -> Config {
        let mut config = Config::default();
        config.server.max_connections = connections;
        config.websocket.max_outbound_total_bytes = 64 << 20;
        config.server.event_buffer_total_bytes = 32 << 20;
        config
    }

    #[test]
    fn what_it_says_would_fit_fits_and_one_more_does_not() {
        for available in [4_u64 << 30, 16 << 30] {
            let fit = connections_within(&with_connections(1_000_000), 2, available);
            let total = |connections| WorstCase::of(&with_connections(connections), 2).total();
            assert!(fit > 100, "{fit}");
            assert!(
                total(fit) <= available && total(fit + 1) > available,
                "{fit} in {available}"
            );
        }
    }

    #[test]
    fn every_bound_on_a_sum_is_in_it() {
        let base = WorstCase::of(&with_connections(100), 1).program();
        let more = |change: fn(&mut Config)| {
            let mut config = with_connections(100);
            change(&mut config);
            WorstCase::of(&config, 1).program() - base
        };
        assert!(more(|config| config.websocket.max_outbound_total_bytes += 1 << 20) >= 1 << 20);
        assert!(more(|config| config.server.event_buffer_total_bytes += 1 << 20) >= 1 << 20);
        assert!(more(|config| config.security.max_message_size += 1 << 20) >= 100 << 20);
        assert!(more(|config| config.server.max_spectators_per_room += 10) >= 10 * 65_536);
        assert!(more(|config| config.server.max_connections += 1) >= 100_000);
        assert!(WorstCase::of(&with_connections(100), 2).program() > base);
    }

    #[test]
    fn too_much_is_said_with_the_cure() {
        let config = with_connections(100_000);
        let fine = judge(&config, 1, WorstCase::of(&config, 1).total());
        assert_eq!(fine.state, State::Fine, "{}", fine.text);
        let advice = judge(&config, 1, 4 << 30);
        assert_eq!(advice.state, State::Advice);
        assert!(advice.text.contains("server.max_connections of "), "{}", advice.text);
        let hopeless = judge(&config, 1, 64 << 20);
        assert!(hopeless.text.contains("max_outbound_total_bytes"), "{}", hopeless.text);
    }
}
