//! `security.*`: who may connect, how often, and with what.

use crate::config::check;
use crate::config::key::Kind::{Apps, Bool, Choice, Integer, OptionalText, Text, TextList};
use crate::config::key::{Standing, key};
use crate::config::secret::Secret;
use crate::config::section::{MANY, MIB, SIGNAL_FISH, U32_MAX, section};
use serde::Deserialize;
use serde_json::{Value, json};
use std::path::PathBuf;

section! {
    /// `security.*`.
    pub struct Security {
        /// Web origins that may connect: `*`, or a comma-separated list such as `https://play.example.org`.
        pub cors_origins: String = key("security.cors_origins", Text(check::ORIGINS), "*").weigh(
            "`*` lets every web page use this server from its visitors' browsers. A WebSocket upgrade from an origin not \
             listed gets 403.",
        )
        .reloads();

        /// Whether a client must authenticate as one of `security.authorized_apps` first.
        pub require_websocket_auth: bool = key("security.require_websocket_auth", Bool, SIGNAL_FISH.require_auth)
            .weigh("Off serves everybody. On without apps serves nobody.");

        /// Apps that may connect: `app_id`, and optionally `app_secret` (for metrics), `app_name`, `max_rooms`,
        /// `max_players_per_room`, `rate_limit_per_minute`.
        pub authorized_apps: Vec<AppEntry> = key("security.authorized_apps", Apps, json!([]))
            .weigh(
                "Each app has rooms of its own. Game clients carry the `app_id`, so it is no secret; `app_secret` is, and \
                 never belongs into a game.",
            )
            .secret()
            .reloads();

        /// Whether metrics need `Authorization: Bearer` with `security.metrics_auth_token` or `app_id:app_secret` of an app.
        pub require_metrics_auth: bool = key("security.require_metrics_auth", Bool, false)
            .weigh("Off shows everybody how many play, and how busy the server is.");

        /// Token for metrics.
        pub metrics_auth_token: Secret<Option<String>> =
            key("security.metrics_auth_token", OptionalText(check::NOT_EMPTY), Value::Null)
                .weigh("16 characters or more. Better given in the environment than in a file that many can read.")
                .secret();

        /// Token for administration at `/admin`. Without it there is no administration.
        pub admin_token: Secret<Option<String>> =
            key("security.admin_token", OptionalText(check::TOKEN), Value::Null)
                .weigh(
                    "Whoever has it sees and closes rooms, removes players and bans addresses. Better given in the environment \
                     than in a file that many can read.",
                )
                .secret();

        /// Addresses or networks of proxies, such as `10.0.0.0/8`, that are believed when they name the address of a client.
        pub trusted_proxies: Vec<ipnet::IpNet> =
            key("security.trusted_proxies", TextList(check::NETWORK), json!([]))
                .weigh(
                    "Empty behind a proxy makes all players share one address and its limits. Too wide lets clients choose \
                     their address; a list that holds every address gets a warning.",
                )
                .reloads();

        /// The one header in which trusted proxies name the client.
        pub client_ip_header: ClientIpHeader =
            key("security.client_ip_header", Choice(&["x-forwarded-for", "forwarded"]), "x-forwarded-for")
                .weigh(
                    "It must be the one that your proxy writes. The other one is never believed, because a proxy may pass on \
                     what a client wrote there.",
                )
                .reloads();

        /// Whether every connection of a trusted proxy begins with a PROXY protocol header, version 1 or 2, that names the
        /// client.
        pub proxy_protocol: bool = key("security.proxy_protocol", Bool, false).weigh(
            "On refuses what else comes from these addresses, health checks included: the proxy must send the header on \
             every connection. Only trusted proxies may send it. Needs `security.trusted_proxies`.",
        );

        /// Connections of one client address (of one /64 with IPv6).
        pub max_connections_per_ip: usize = key("security.max_connections_per_ip", Integer(0, MANY), 10)
            .unit("connections")
            .weigh("Households, schools and mobile networks share addresses. 0 allows none.");

        /// Largest message that a client may send.
        pub max_message_size: usize = key("security.max_message_size", Integer(1, 16 * MIB), SIGNAL_FISH.max_message_size)
            .unit("bytes")
            .weigh("A larger one is discarded and answered with an error. Must fit into `websocket.max_outbound_bytes`.");

        /// Invalid messages in a row after which a client is disconnected.
        pub max_invalid_messages: u32 =
            key("security.max_invalid_messages", Integer(0, U32_MAX), SIGNAL_FISH.max_invalid_messages)
                .unit("messages")
                .weigh("0: never.");
    }
    sections {
        pub transport: Transport;
    }
}

section! {
    /// `security.transport.*`.
    pub struct Transport {}
    sections {
        pub tls: Tls;
        pub token_binding: TokenBinding;
    }
}

section! {
    /// `security.transport.tls.*`.
    pub struct Tls {
        /// TLS in this process, on every listener: `https://` and `wss://` in place of `http://` and `ws://`.
        pub enabled: bool = key("security.transport.tls.enabled", Bool, false)
            .weigh("Behind a proxy that does it already, leave it off and name the proxy in `security.trusted_proxies`.");

        /// Certificate chain, PEM, the server's own certificate first.
        pub certificate_path: Option<PathBuf> =
            key("security.transport.tls.certificate_path", OptionalText(check::NOT_EMPTY), Value::Null)
                .weigh("SIGHUP reads it again. ECDSA costs a fifth of RSA at each handshake.")
                .reloads();

        /// Private key, PEM: PKCS #8, PKCS #1 or SEC 1, not encrypted.
        pub private_key_path: Option<PathBuf> =
            key("security.transport.tls.private_key_path", OptionalText(check::NOT_EMPTY), Value::Null)
                .weigh("SIGHUP reads it again.")
                .reloads();

        /// Authorities that sign client certificates, PEM.
        pub client_ca_cert_path: Option<PathBuf> =
            key("security.transport.tls.client_ca_cert_path", OptionalText(check::NOT_EMPTY), Value::Null)
                .weigh("Needed where clients show certificates. SIGHUP reads it again.")
                .reloads();

        /// Whether clients show certificates: `optional` takes none for an answer, and refuses one that is not valid.
        pub client_auth: ClientAuth =
            key("security.transport.tls.client_auth", Choice(&["none", "optional", "require"]), "none")
                .weigh("Not `none` means that no session is ever resumed, so that every handshake is checked in full.")
                .reloads();

        /// TLS handshakes of one client address per second; at least 20 may come at once.
        pub handshakes_per_sec_per_ip: u32 =
            key("security.transport.tls.handshakes_per_sec_per_ip", Integer(0, 1_000_000), 10)
                .unit("handshakes")
                .weigh("Those beyond wait; after 10 s they are closed. Trusted proxies are not held back. 0 allows none.");
    }
}

/// `security.transport.tls.client_auth`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientAuth {
    /// Nothing is asked for.
    None,
    /// Whoever shows one must show a valid one.
    Optional,
    /// Nobody without one gets in.
    Require,
}

section! {
    /// `security.transport.token_binding.*`.
    pub struct TokenBinding {
        /// Whether clients may sign their messages: they offer the subprotocol `signalfish.tokenbinding.v2` or `.v1`.
        pub enabled: bool = key("security.transport.token_binding.enabled", Bool, false)
            .weigh("Off ignores the offer. A client that signs is bound to its connection: a stolen message is worth nothing elsewhere.")
            .reloads();

        /// Whether clients must sign their messages.
        pub required: bool = key("security.transport.token_binding.required", Bool, false)
            .weigh(
                "On refuses clients that do not offer it with 400. Without TLS anybody on the way could sign as well, so this \
                 needs TLS, here or at one of `security.trusted_proxies`.",
            )
            .reloads();

        /// Whether clients must show a certificate, whose fingerprint every signature covers.
        pub require_client_fingerprint: bool =
            key("security.transport.token_binding.require_client_fingerprint", Bool, false)
                .weigh(
                    "On refuses clients without one with 401. The fingerprint comes from `security.transport.tls.client_auth`, or from one of `security.trusted_proxies`, in \
                     `X-SignalFish-Client-Cert-SHA256` or `X-Forwarded-Client-Cert-SHA256` (or the certificate in \
                     `X-Amzn-Mtls-Clientcert`): the proxy must remove these headers from what clients send.",
                )
                .reloads();
    }
    no_field {
        /// Subprotocol that offers signed messages.
        key("security.transport.token_binding.subprotocol", Text(check::NOT_EMPTY), "signalfish.tokenbinding.v1")
            .standing(Standing::Idle);

        /// Scheme of the signatures.
        key("security.transport.token_binding.scheme", Text(check::NOT_EMPTY), "sec_websocket_key_sha256")
            .standing(Standing::Idle);
    }
}

/// `security.client_ip_header`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClientIpHeader {
    /// `X-Forwarded-For`.
    XForwardedFor,
    /// `Forwarded` (RFC 7239).
    Forwarded,
}

section! {
    /// An entry of `security.authorized_apps`. Only `app_id` must be there; null counts as absent.
    pub struct AppEntry {
        /// Public name of the app; what clients send in `Authenticate`.
        pub app_id: String = key("app_id", Text(check::NOT_EMPTY), Value::Null).weigh("Required.");

        /// Secret of the app, for `Bearer app_id:app_secret` at the metrics.
        pub app_secret: Secret<Option<String>> = key("app_secret", Text(check::NOT_EMPTY), Value::Null)
            .weigh("Without it the app cannot read metrics.")
            .secret();

        /// Name shown in `Authenticated`.
        pub app_name: Option<String> =
            key("app_name", Text(check::NOT_EMPTY), Value::Null).weigh("Absent: the `app_id`.");

        /// Rooms of the app, over all its games.
        pub max_rooms: Option<u32> =
            key("max_rooms", Integer(0, U32_MAX), Value::Null).unit("rooms").weigh("Absent: no limit. 0: none.");

        /// Most seats of a room of the app.
        pub max_players_per_room: Option<u8> = key("max_players_per_room", Integer(1, 255), Value::Null)
            .unit("players")
            .weigh("Absent: `protocol.max_players_limit`.");

        /// `Authenticate` messages of all clients of the app per minute.
        pub rate_limit_per_minute: Option<u32> = key("rate_limit_per_minute", Integer(0, U32_MAX), Value::Null)
            .unit("attempts")
            .weigh("Absent: no limit. 0: none.");
    }
}
