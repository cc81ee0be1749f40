//! `server.*`: rooms, connections and their times.

use crate::config::check;
use crate::config::key::Kind::{Bool, Integer, OptionalText, Text};
use crate::config::key::key;
use crate::config::section::{DAY_SECS, MANY, MIB, SHARD, SIGNAL_FISH, YEAR_SECS, seconds, section};
use serde::{Deserialize, Deserializer};
use std::time::Duration;

section! {
    /// `server.*`.
    pub struct Server {
        /// Seats of a room whose creator names no number.
        pub default_max_players: u8 = key("server.default_max_players", Integer(1, 255), SIGNAL_FISH.default_max_players)
            .unit("players")
            .weigh("At most `protocol.max_players_limit`.");

        /// Spectators that a room takes.
        pub max_spectators_per_room: usize =
            key("server.max_spectators_per_room", Integer(0, 10_000), SIGNAL_FISH.max_spectators_per_room)
                .unit("spectators")
                .weigh("Every spectator receives every message of the room; 0 takes none.");

        /// Connections of the whole server. 0: as many as the limit of open files allows.
        pub max_connections: usize = key("server.max_connections", Integer(0, MANY), 0).unit("connections").weigh(
            "Over it a newcomer is turned away. A number that the limit of open files does not allow stops the start.",
        );

        /// Silence after which a client is disconnected; after half of it the server sends a ping.
        #[serde(deserialize_with = "seconds")]
        pub ping_timeout: Duration = key("server.ping_timeout", Integer(1, DAY_SECS), SHARD.ping_timeout.as_secs())
            .unit("seconds")
            .weigh("Low notices dead players early and costs pings; high keeps their seats taken for longer.");

        /// Period of the sweep that removes rooms past their timeouts.
        #[serde(deserialize_with = "seconds")]
        pub room_cleanup_interval: Duration =
            key("server.room_cleanup_interval", Integer(1, DAY_SECS), SIGNAL_FISH.room_cleanup_interval.as_secs())
                .unit("seconds")
                .weigh("A room may outlive its timeout by this much.");

        /// Rooms of one game of one app.
        pub max_rooms_per_game: usize = key("server.max_rooms_per_game", Integer(0, MANY), 1000)
            .unit("rooms")
            .weigh("Bounds memory; 0 allows none.");

        /// How long a room without players stands, counted from when it became empty.
        #[serde(deserialize_with = "seconds")]
        pub empty_room_timeout: Duration =
            key("server.empty_room_timeout", Integer(0, YEAR_SECS), SIGNAL_FISH.empty_room_timeout.as_secs())
                .unit("seconds")
                .weigh("0 removes it at the next sweep.");

        /// How long a room stands in which nobody sends anything but pings.
        #[serde(deserialize_with = "seconds")]
        pub inactive_room_timeout: Duration =
            key("server.inactive_room_timeout", Integer(1, YEAR_SECS), SIGNAL_FISH.inactive_room_timeout.as_secs())
                .unit("seconds")
                .weigh("Its members are told and may join another room.");

        /// Whether a dropped player may return to its seat.
        pub enable_reconnection: bool = key("server.enable_reconnection", Bool, SIGNAL_FISH.enable_reconnection)
            .weigh("Off saves the memory of the replay buffers.");

        /// Whether `RoomJoined` and `Reconnected` carry the optional field `auth_token`.
        pub send_reconnection_token: bool =
            key("server.send_reconnection_token", Bool, SIGNAL_FISH.send_reconnection_token)
                .weigh("Without it clients have nothing to return with; off suits only clients that refuse unknown fields.");

        /// How long a dropped player may return.
        #[serde(deserialize_with = "seconds")]
        pub reconnection_window: Duration =
            key("server.reconnection_window", Integer(1, DAY_SECS), SIGNAL_FISH.reconnection_window.as_secs())
                .unit("seconds")
                .weigh("In a running game its seat stays reserved for as long.");

        /// Messages per room that are kept to be replayed to a returning player.
        pub event_buffer_size: usize = key("server.event_buffer_size", Integer(0, 65_536), SIGNAL_FISH.event_buffer_size)
            .unit("events")
            .weigh("The newest are kept. They must fit into `websocket.max_outbound_bytes`.");

        /// Bytes per room that are kept to be replayed. A message larger than all of them is left out.
        pub event_buffer_bytes: usize =
            key("server.event_buffer_bytes", Integer(0, 64 * MIB), SIGNAL_FISH.event_buffer_bytes).unit("bytes").weigh(
                "Costs this much memory for every room somebody can return to, and must fit into \
                 `websocket.max_outbound_bytes`.",
            );

        /// Bytes of memory that the replays of all rooms may take together, in equal shares for the shards. 0: an eighth of
        /// the memory that the process may use.
        pub event_buffer_total_bytes: usize =
            key("server.event_buffer_total_bytes", Integer(0, 1024 * 1024 * MIB), 0).unit("bytes").weigh(
                "Over it the largest replays lose their oldest messages. A player who returns to such a room misses more than \
                 it is replayed.",
            );

        /// Time for saying goodbye to every client at SIGTERM or SIGINT before the process ends.
        pub drain_timeout_secs: u64 = key("server.drain_timeout_secs", Integer(1, 300), 5)
            .unit("seconds")
            .weigh("Must be below the time after which the service manager kills.");

        /// Name of this deployment in the start log and the summary of `--validate-config`.
        pub region_id: String = key("server.region_id", Text(check::ANY), "default").weigh("Clients never see it.");

        /// First characters of every generated room code; letters and digits, upper-cased.
        #[serde(deserialize_with = "not_empty")]
        pub room_code_prefix: Option<String> =
            key("server.room_code_prefix", OptionalText(check::CODE_PREFIX), SIGNAL_FISH.room_code_prefix.clone()).weigh(
                "The code keeps its length, so fewer characters are left to guess. A prefix as long as the code is ignored \
                 with a warning.",
            );
    }
}

fn not_empty<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Option::<String>::deserialize(deserializer).map(|text| text.filter(|text| !text.is_empty()))
}
