//! What a client writes, a server reads: `write` and `parse` are each other's inverse.

use proptest::prelude::*;
use serde_json::value::RawValue;
use signal_fish_core::protocol::signal_fish::wire::{
    Authenticate, AuthorityRequest, ClientMessage, ConnectionInfo, GameDataFormat, JoinAsSpectator, JoinRoom, PlayerId,
    Reconnect, RelayTransport, RoomId,
};
use std::borrow::Cow;

fn written(message: &ClientMessage<'_>) -> String {
    let mut out = Vec::new();
    message.write(&mut out);
    String::from_utf8(out).expect("UTF-8")
}

fn text() -> impl Strategy<Value = Cow<'static, str>> {
    any::<String>().prop_map(Cow::Owned)
}

fn raw(json: &str) -> Box<RawValue> {
    RawValue::from_string(json.to_owned()).expect("JSON")
}

fn connection_info() -> impl Strategy<Value = ConnectionInfo> {
    let transport = prop::sample::select(vec![
        RelayTransport::Tcp,
        RelayTransport::Udp,
        RelayTransport::Websocket,
        RelayTransport::Auto,
    ]);
    let string = ".{0,40}";
    prop_oneof![
        (string, any::<u16>()).prop_map(|(host, port)| ConnectionInfo::Direct { host, port }),
        (string, string, string).prop_map(|(allocation_id, connection_data, key)| ConnectionInfo::UnityRelay {
            allocation_id,
            connection_data,
            key
        }),
        (string, any::<u16>(), transport, string, string, any::<Option<u16>>()).prop_map(
            |(host, port, transport, allocation_id, token, client_id)| ConnectionInfo::Relay {
                host,
                port,
                transport,
                allocation_id,
                token,
                client_id
            }
        ),
        (prop::option::of(string), prop::collection::vec(string, 0..3))
            .prop_map(|(sdp, ice_candidates)| ConnectionInfo::WebRtc { sdp, ice_candidates }),
        prop::sample::select(vec!["null", "{\"b\":1.0, \"a\":1E5}", "[\"\\u00e9\"]"])
            .prop_map(|json| ConnectionInfo::Custom { data: raw(json) }),
    ]
}

fn message() -> impl Strategy<Value = ClientMessage<'static>> {
    let format = prop::sample::select(vec![
        GameDataFormat::Json,
        GameDataFormat::MessagePack,
        GameDataFormat::Rkyv,
    ]);
    prop_oneof![
        (
            text(),
            prop::option::of(text()),
            prop::option::of(text()),
            prop::option::of(format)
        )
            .prop_map(
                |(app_id, sdk_version, platform, game_data_format)| ClientMessage::Authenticate(Authenticate {
                    app_id,
                    sdk_version,
                    platform,
                    game_data_format
                })
            ),
        (
            text(),
            prop::option::of(text()),
            text(),
            any::<Option<u8>>(),
            any::<Option<bool>>()
        )
            .prop_map(|(game_name, room_code, player_name, max_players, supports_authority)| {
                ClientMessage::JoinRoom(JoinRoom {
                    game_name,
                    room_code,
                    player_name,
                    max_players,
                    supports_authority,
                    relay_transport: max_players.map(|_| RelayTransport::Tcp),
                })
            }),
        prop::sample::select(vec![
            ClientMessage::LeaveRoom,
            ClientMessage::PlayerReady,
            ClientMessage::Ping,
            ClientMessage::LeaveSpectator,
            ClientMessage::StartGame,
        ]),
        any::<bool>()
            .prop_map(|become_authority| ClientMessage::AuthorityRequest(AuthorityRequest { become_authority })),
        connection_info().prop_map(|info| ClientMessage::ProvideConnectionInfo(Box::new(info))),
        (any::<[u8; 16]>(), any::<[u8; 16]>(), text()).prop_map(|(player, room, auth_token)| ClientMessage::Reconnect(
            Reconnect {
                player_id: PlayerId::from_random(player),
                room_id: RoomId::from_random(room),
                auth_token
            }
        )),
        (text(), text(), text()).prop_map(|(game_name, room_code, spectator_name)| ClientMessage::JoinAsSpectator(
            JoinAsSpectator {
                game_name,
                room_code,
                spectator_name
            }
        )),
    ]
}

proptest! {
    #[test]
    fn every_message_reads_back_as_written(message in message()) {
        let text = written(&message);
        let read = ClientMessage::parse(&text);
        prop_assert!(read.is_ok(), "{text}");
        let read = read.expect("checked");
        prop_assert_eq!(format!("{read:?}"), format!("{message:?}"));
        prop_assert_eq!(written(&read), text);
    }
}

#[test]
fn messages_are_compact_envelopes() {
    for (message, expected) in [
        (ClientMessage::Ping, r#"{"type":"Ping"}"#),
        (ClientMessage::StartGame, r#"{"type":"StartGame"}"#),
        (
            ClientMessage::GameData("{\"b\": 1.0,\"a\":1e400}"),
            "{\"type\":\"GameData\",\"data\":{\"data\":{\"b\": 1.0,\"a\":1e400}}}",
        ),
        (
            ClientMessage::JoinRoom(JoinRoom {
                game_name: "g".into(),
                room_code: None,
                player_name: "p\"".into(),
                max_players: Some(2),
                supports_authority: None,
                relay_transport: None,
            }),
            r#"{"type":"JoinRoom","data":{"game_name":"g","player_name":"p\"","max_players":2}}"#,
        ),
    ] {
        assert_eq!(written(&message), expected);
    }
}
