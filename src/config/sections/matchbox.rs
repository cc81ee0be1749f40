//! `matchbox.*`: signaling for the peers of matchbox clients, on a listener of its own.

use crate::config::check;
use crate::config::key::Kind::{Bool, Choice, Integer, OptionalInteger, OptionalText, TextList};
use crate::config::key::key;
use crate::config::section::section;
use serde::Deserialize;
use serde_json::{Value, json};
use signal_fish_core::protocol::matchbox::Settings;
use std::net::IpAddr;

section! {
    /// `matchbox.*`.
    pub struct Matchbox {
        /// Whether clients of `matchbox_socket` are served, on a port of their own.
        pub enabled: bool = key("matchbox.enabled", Bool, false)
            .weigh("`MATCHBOX_ENHANCED_MODE=false` in the environment turns it on, too.");

        /// Port of the listener. Null: `port` + 1.
        pub port: Option<u16> = key("matchbox.port", OptionalInteger(0, 65_535), Value::Null)
            .weigh("0, or null where `port` is 0, takes any free port and logs which.");

        /// Address of the listener. Null: `bind`.
        pub bind: Option<IpAddr> = key("matchbox.bind", OptionalText(check::ADDRESS), Value::Null);

        /// Who is told of whom: `full_mesh` connects every peer to every other, `client_server` connects the peers of a room
        /// to its first one.
        pub topology: Topology = key("matchbox.topology", Choice(&["full_mesh", "client_server"]), "full_mesh");

        /// Peers of one room.
        pub max_peers_per_room: usize =
            key("matchbox.max_peers_per_room", Integer(1, 1000), Settings::default().peers_per_room_max)
                .unit("peers")
                .weigh("A mesh of 100 peers is 4,950 connections between them.");

        /// Whether the listener has TLS, where `security.transport.tls` is on.
        pub tls: bool = key("matchbox.tls", Bool, true);

        /// Web origins that may connect, such as `https://play.example.org`. Empty: every one.
        pub allowed_origins: Vec<String> = key("matchbox.allowed_origins", TextList(check::ORIGIN), json!([]))
            .weigh("Another origin gets 403. Programs send none and are served.");
    }
}

/// `matchbox.topology`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Topology {
    /// `full_mesh`.
    FullMesh,
    /// `client_server`.
    ClientServer,
}
