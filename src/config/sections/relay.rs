//! `relay.*`: the room relay, on a listener of its own.

use crate::config::check;
use crate::config::key::Kind::{Bool, Integer, OptionalText, Text, TextList};
use crate::config::key::key;
use crate::config::secret::Secret;
use crate::config::section::{DAY_SECS, MANY, MIB, RELAY, U32_MAX, milliseconds, seconds, section};
use serde_json::{Value, json};
use std::net::IpAddr;
use std::time::Duration;

section! {
    /// `relay.*`.
    pub struct Relay {
        /// Whether the room relay is served, on a port of its own.
        pub enabled: bool = key("relay.enabled", Bool, false);

        /// Port of the listener.
        pub port: u16 = key("relay.port", Integer(0, 65_535), 3002).weigh("0 takes any free port and logs which.");

        /// Address of the listener. Null: `bind`.
        pub bind: Option<IpAddr> = key("relay.bind", OptionalText(check::ADDRESS), Value::Null);

        /// Longest room id.
        pub room_id_max_length: usize = key("relay.room_id_max_length", Integer(1, 1024), RELAY.room_id_length_max)
            .unit("characters");

        /// Clients of one room.
        pub room_capacity: usize = key("relay.room_capacity", Integer(1, 65_535), RELAY.room_capacity)
            .unit("clients")
            .weigh("A message goes to all of them: the outbound bytes grow with the square.");

        /// Time between two WebSocket pings. A client that is silent for two is closed.
        #[serde(deserialize_with = "milliseconds", rename = "heartbeat_interval_ms")]
        pub heartbeat_interval: Duration =
            key("relay.heartbeat_interval_ms", Integer(1000, DAY_SECS * 1000), 30_000).unit("milliseconds");

        /// Largest message.
        pub message_max_bytes: usize = key("relay.message_max_bytes", Integer(1, 16 * MIB), 65_536)
            .unit("bytes")
            .weigh("A larger one is discarded without an answer.");

        /// Bytes that may wait for one client that does not read.
        pub backpressure_close_bytes: usize = key("relay.backpressure_close_bytes", Integer(1024, 1024 * MIB), MIB)
            .unit("bytes")
            .weigh("With more, and a socket that takes nothing, the client is closed with 1013.");

        /// Connections of one address in ten seconds.
        pub connections_per_10s: u32 = key("relay.connections_per_10s", Integer(0, MANY), 5)
            .unit("connections")
            .weigh("Households and schools share addresses. 0: no limit.");

        /// Messages of one client in ten seconds.
        pub messages_per_10s: u32 = key("relay.messages_per_10s", Integer(0, MANY), RELAY.client_messages.tokens)
            .unit("messages")
            .weigh("More are dropped without an answer. 0: no limit.");

        /// Messages of all clients of one address in ten seconds.
        pub ip_messages_per_10s: u32 = key("relay.ip_messages_per_10s", Integer(0, MANY), RELAY.ip_messages.tokens)
            .unit("messages")
            .weigh("More are dropped without an answer. 0: no limit.");

        /// Messages into one room in ten seconds.
        pub room_messages_per_10s: u32 = key("relay.room_messages_per_10s", Integer(0, MANY), RELAY.room_messages.tokens)
            .unit("messages")
            .weigh("More are dropped without an answer. 0: no limit.");

        /// Time for saying goodbye to the clients of the relay.
        #[serde(deserialize_with = "milliseconds", rename = "drain_timeout_ms")]
        pub drain_timeout: Duration = key("relay.drain_timeout_ms", Integer(1, 300_000), 5000)
            .unit("milliseconds")
            .weigh("`server.drain_timeout_secs` holds as well.");

        /// Whether the listener has TLS, where `security.transport.tls` is on.
        pub tls: bool = key("relay.tls", Bool, true);

        /// Whether clients must come with TLS. Behind a trusted proxy its `X-Forwarded-Proto` decides.
        pub require_wss: bool = key("relay.require_wss", Bool, RELAY.require_wss)
            .weigh("Others are closed with 1008.");

        /// Web origins that may connect, such as `https://play.example.org`. Empty: every one.
        pub allowed_origins: Vec<String> = key("relay.allowed_origins", TextList(check::ORIGIN), json!([]))
            .weigh("Another origin is closed with 1008. Programs send none and are served.");

        /// Subprotocol that a client must offer. Null: none.
        pub subprotocol: Option<String> = key("relay.subprotocol", OptionalText(check::SUBPROTOCOL), Value::Null);

        /// Redis or Valkey through which several nodes share rooms: `redis://[[user]:password@]host[:port][/database]`. Null:
        /// one node.
        pub redis_url: Secret<Option<String>> = key("relay.redis_url", OptionalText(check::REDIS_URL), Value::Null)
            .weigh("Without an answer of Redis nobody enters the relay. The connection is not encrypted.")
            .secret();

        /// Time after which Redis forgets a room that no node refreshes.
        #[serde(deserialize_with = "seconds", rename = "room_ttl_secs")]
        pub room_ttl: Duration = key("relay.room_ttl_secs", Integer(1, U32_MAX), 3600)
            .unit("seconds")
            .weigh("Every third of it each node registers its clients again.");

        /// Failures of Redis in a row, on one connection, that open the breaker: nobody enters the relay then.
        pub cb_error_threshold: u32 = key("relay.cb_error_threshold", Integer(1, U32_MAX), 3).unit("failures");

        /// Time that the breaker stays open. Then Redis is tried again.
        #[serde(deserialize_with = "milliseconds", rename = "cb_open_ms")]
        pub cb_open: Duration = key("relay.cb_open_ms", Integer(1, U32_MAX), 30_000)
            .unit("milliseconds")
            .weigh("The same on all nodes: for that long after an outage nobody takes another node for dead.");
    }
    sections {
        pub auth: RelayAuth;
    }
}

section! {
    /// `relay.auth.*`.
    pub struct RelayAuth {
        /// Whether clients need a token: a signed JWT in the parameter `token` or in `Authorization: Bearer`.
        pub enabled: bool = key("relay.auth.enabled", Bool, RELAY.require_token).weigh(
            "On needs exactly one of `secret`, `jwks_file` and `jwks_url`. A client without a good token is closed with 1008.",
        );

        /// Secret that signs tokens with HS256, HS384 or HS512.
        pub secret: Secret<Option<String>> = key("relay.auth.secret", OptionalText(check::SIGNING_SECRET), Value::Null)
            .weigh("Whoever has it enters every room. Better given in the environment than in a file that many can read.")
            .secret();

        /// File with the public keys that verify tokens, a JSON Web Key Set.
        pub jwks_file: Option<String> = key("relay.auth.jwks_file", OptionalText(check::NOT_EMPTY), Value::Null)
            .weigh("Read again as the keys of a URL are.");

        /// URL of the public keys that verify tokens, a JSON Web Key Set. `https`, or `http` to this machine.
        pub jwks_url: Option<String> = key("relay.auth.jwks_url", OptionalText(check::KEYS_URL), Value::Null)
            .weigh("The server does not start without its keys. Later the last good ones stay.");

        /// Time after which the keys are read again.
        #[serde(deserialize_with = "seconds", rename = "jwks_refresh_secs")]
        pub jwks_refresh: Duration = key("relay.auth.jwks_refresh_secs", Integer(10, DAY_SECS), 600)
            .unit("seconds")
            .weigh(
                "A key that was taken away is good for so long. A token with an unknown `kid` has the keys read at once, at \
                 most once in 30 s.",
            );

        /// Issuer (`iss`) that tokens must name. Null: any.
        pub issuer: Option<String> = key("relay.auth.issuer", OptionalText(check::NOT_EMPTY), Value::Null);

        /// Audience (`aud`) that tokens must name. Null: any.
        pub audience: Option<String> = key("relay.auth.audience", OptionalText(check::NOT_EMPTY), Value::Null)
            .weigh("Set it where the issuer makes tokens for others as well.");

        /// Claim that names the rooms of a token: an id, a list of ids, or `*`. An id that ends in `*` is a beginning.
        pub rooms_claim: String = key("relay.auth.rooms_claim", Text(check::NOT_EMPTY), "rooms");
    }
}
