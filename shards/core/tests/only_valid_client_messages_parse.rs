//! Protocol 2.8 and 3, with D2: what is a client message, and what is answered `Invalid client message`.

use signal_fish_core::protocol::signal_fish::wire::{ClientMessage, DEPTH_MAX, GameDataFormat, RelayTransport};

const ID: &str = "01234567-89ab-4def-8123-456789abcdef";

fn parses(text: &str) -> bool {
    ClientMessage::parse(text).is_ok()
}

fn assert_all(expected: bool, texts: &[&str]) {
    for text in texts {
        assert_eq!(parses(text), expected, "{text}");
    }
}

#[test]
fn every_message_of_the_protocol_parses() {
    assert_all(
        true,
        &[
            r#"{"type":"Authenticate","data":{"app_id":"a"}}"#,
            r#"{"type":"JoinRoom","data":{"game_name":"g","player_name":"p"}}"#,
            r#"{"type":"LeaveRoom"}"#,
            r#"{"type":"GameData","data":{"data":null}}"#,
            r#"{"type":"PlayerReady"}"#,
            r#"{"type":"AuthorityRequest","data":{"become_authority":true}}"#,
            r#"{"type":"ProvideConnectionInfo","data":{"connection_info":{"type":"direct","host":"h","port":1}}}"#,
            r#"{"type":"Ping"}"#,
            r#"{"type":"JoinAsSpectator","data":{"game_name":"g","room_code":"ABC123","spectator_name":"s"}}"#,
            r#"{"type":"LeaveSpectator"}"#,
            r#"{"type":"StartGame"}"#,
        ],
    );
    let reconnect =
        format!(r#"{{"type":"Reconnect","data":{{"player_id":"{ID}","room_id":"{ID}","auth_token":"t"}}}}"#);
    assert!(parses(&reconnect));
}

#[test]
fn what_is_no_envelope_is_invalid() {
    assert_all(
        false,
        &[
            "",
            " ",
            "not json",
            "{}",
            "[]",
            "null",
            "1",
            "\"Ping\"",
            "{",
            r#"{"type":"Ping"}x"#,
            r#"{"type":"Ping"}{"type":"Ping"}"#,
            r#"{"type":"Ping",}"#,
            "\u{feff}{\"type\":\"Ping\"}",
            r#"{"type":"Pong"}"#,
            r#"{"type":"ping"}"#,
            r#"{"type":"Ping "}"#,
            r#"{"type":""}"#,
            r#"{"type":null}"#,
            r#"{"type":1}"#,
            r#"{"type":["Ping"]}"#,
            r#"{"data":{}}"#,
            r#"{'type':'Ping'}"#,
        ],
    );
}

#[test]
fn arrays_in_place_of_objects_are_invalid() {
    assert_all(
        false,
        &[
            r#"["Ping"]"#,
            r#"["Ping",null]"#,
            r#" ["GameData",{"data":1}]"#,
            r#"{"type":"GameData","data":[1]}"#,
            r#"{"type":"AuthorityRequest","data":[true]}"#,
            r#"{"type":"Authenticate","data":["a",null,null,null]}"#,
            r#"{"type":"JoinRoom","data":["g",null,"p",null,null,null]}"#,
            r#"{"type":"ProvideConnectionInfo","data":[{"type":"direct","host":"h","port":1}]}"#,
            r#"{"type":"ProvideConnectionInfo","data":{"connection_info":["direct","h",1]}}"#,
        ],
    );
}

#[test]
fn duplicate_keys_of_the_envelope_are_invalid() {
    assert_all(
        false,
        &[
            r#"{"type":"Ping","type":"Ping"}"#,
            r#"{"type":"Ping","data":null,"data":null}"#,
            r#"{"data":{"data":1},"type":"GameData","data":{"data":2}}"#,
            r#"{"type":"GameData","data":{"data":1,"data":2}}"#,
            r#"{"type":"GameData","data":{"data":1,"d\u0061ta":2}}"#,
            r#"{"type":"Ping","\u0074ype":"Ping"}"#,
            r#"{"type":"AuthorityRequest","data":{"become_authority":true,"become_authority":true}}"#,
        ],
    );
}

#[test]
fn order_whitespace_escapes_and_unknown_keys_do_not_matter() {
    assert_all(
        true,
        &[
            " \t\r\n{\"type\":\"Ping\"} \t\r\n",
            r#"{"data":{"data":1},"type":"GameData"}"#,
            "{ \"data\" : { \"data\" : 1 } , \"type\" : \"GameData\" }",
            r#"{"type":"Pi\u006eg"}"#,
            r#"{"typ\u0065":"Ping"}"#,
            r#"{"type":"Ping","more":{"deep":[1,2,{"a":1e400,"\ud800":1}]}}"#,
            r#"{"x":1,"x":2,"type":"Ping"}"#,
            r#"{"type":"GameData","data":{"x":[1],"data":1,"y":"\ud800"}}"#,
            r#"{"type":"JoinRoom","data":{"game_name":"g","player_name":"p","color":"red","color":"blue"}}"#,
        ],
    );
    let deep = "[".repeat(30_000) + &"]".repeat(30_000);
    assert!(parses(&format!(r#"{{"type":"Ping","unknown":{deep}}}"#)));
}

#[test]
fn messages_without_payload_take_no_data_null_or_an_object() {
    for kind in ["Ping", "LeaveRoom", "PlayerReady", "LeaveSpectator", "StartGame"] {
        for data in [
            "",
            r#","data":null"#,
            r#","data":{}"#,
            r#","data": { } "#,
            r#","data":{"x":1}"#,
        ] {
            let text = format!(r#"{{"type":"{kind}"{data}}}"#);
            assert!(parses(&text), "{text}");
        }
        for data in ["[]", "0", "false", "\"\"", "[{}]", "{]", "\"{}\""] {
            let text = format!(r#"{{"type":"{kind}","data":{data}}}"#);
            assert!(!parses(&text), "{text}");
        }
    }
}

#[test]
fn messages_with_payload_need_it() {
    for kind in [
        "Authenticate",
        "JoinRoom",
        "GameData",
        "AuthorityRequest",
        "ProvideConnectionInfo",
        "Reconnect",
        "JoinAsSpectator",
    ] {
        for data in ["", r#","data":null"#, r#","data":{}"#, r#","data":"""#, r#","data":1"#] {
            let text = format!(r#"{{"type":"{kind}"{data}}}"#);
            assert!(!parses(&text), "{text}");
        }
    }
}

fn join(more: &str) -> String {
    format!(r#"{{"type":"JoinRoom","data":{{"game_name":"g","player_name":"p"{more}}}}}"#)
}

#[test]
fn max_players_is_an_integer_of_one_byte() {
    for (max_players, expected) in [("0", 0), ("2", 2), ("255", 255)] {
        let text = join(&format!(r#","max_players":{max_players}"#));
        let Ok(ClientMessage::JoinRoom(join)) = ClientMessage::parse(&text) else {
            panic!("{text}");
        };
        assert_eq!(join.max_players, Some(expected));
    }
    for max_players in [
        "256", "-1", "-0", "2.0", "2.5", "2e0", "\"4\"", "true", "[2]", "{}", "02", "1e400",
    ] {
        assert!(
            !parses(&join(&format!(r#","max_players":{max_players}"#))),
            "{max_players}"
        );
    }
}

#[test]
fn null_equals_absent() {
    let nulls =
        ["room_code", "max_players", "supports_authority", "relay_transport"].map(|key| format!(r#","{key}":null"#));
    let text = join(&nulls.concat());
    let Ok(ClientMessage::JoinRoom(join)) = ClientMessage::parse(&text) else {
        panic!("{text}");
    };
    assert!(join.room_code.is_none() && join.max_players.is_none());
    assert!(join.supports_authority.is_none() && join.relay_transport.is_none());

    let text =
        r#"{"type":"Authenticate","data":{"app_id":"a","sdk_version":null,"platform":null,"game_data_format":null}}"#;
    let Ok(ClientMessage::Authenticate(authenticate)) = ClientMessage::parse(text) else {
        panic!("{text}");
    };
    assert!(authenticate.sdk_version.is_none() && authenticate.platform.is_none());
    assert!(authenticate.game_data_format.is_none());

    assert_all(
        false,
        &[
            r#"{"type":"Authenticate","data":{"app_id":null}}"#,
            r#"{"type":"JoinRoom","data":{"game_name":null,"player_name":"p"}}"#,
            r#"{"type":"AuthorityRequest","data":{"become_authority":null}}"#,
            r#"{"type":"ProvideConnectionInfo","data":{"connection_info":null}}"#,
        ],
    );
}

#[test]
fn enum_values_are_those_of_the_protocol() {
    for (spelling, format) in [
        ("json", GameDataFormat::Json),
        ("message_pack", GameDataFormat::MessagePack),
        ("rkyv", GameDataFormat::Rkyv),
    ] {
        let text = format!(r#"{{"type":"Authenticate","data":{{"app_id":"a","game_data_format":"{spelling}"}}}}"#);
        let Ok(ClientMessage::Authenticate(authenticate)) = ClientMessage::parse(&text) else {
            panic!("{text}");
        };
        assert_eq!(authenticate.game_data_format, Some(format));
    }
    for spelling in ["msgpack", "bson", "Json", "MessagePack", ""] {
        let text = format!(r#"{{"type":"Authenticate","data":{{"app_id":"a","game_data_format":"{spelling}"}}}}"#);
        assert!(!parses(&text), "{text}");
    }
    for (spelling, transport) in [
        ("tcp", RelayTransport::Tcp),
        ("udp", RelayTransport::Udp),
        ("websocket", RelayTransport::Websocket),
        ("auto", RelayTransport::Auto),
    ] {
        let text = join(&format!(r#","relay_transport":"{spelling}""#));
        let Ok(ClientMessage::JoinRoom(join)) = ClientMessage::parse(&text) else {
            panic!("{text}");
        };
        assert_eq!(join.relay_transport, Some(transport));
    }
    assert!(!parses(&join(r#","relay_transport":"quic""#)));
    assert!(!parses(&join(r#","room_code":123456"#)));
    assert!(!parses(&join(r#","supports_authority":"true""#)));
}

#[test]
fn ids_are_accepted_in_all_four_spellings_and_shown_in_one() {
    let simple = ID.replace('-', "");
    for spelling in [
        ID.to_owned(),
        ID.to_uppercase(),
        simple.clone(),
        simple.to_uppercase(),
        format!("{{{ID}}}"),
        format!("{{{}}}", ID.to_uppercase()),
        format!("urn:uuid:{ID}"),
        format!("urn:uuid:{}", ID.to_uppercase()),
    ] {
        let text = format!(
            r#"{{"type":"Reconnect","data":{{"player_id":"{spelling}","room_id":"{spelling}","auth_token":"t"}}}}"#
        );
        let Ok(ClientMessage::Reconnect(reconnect)) = ClientMessage::parse(&text) else {
            panic!("{text}");
        };
        assert_eq!(reconnect.player_id.to_string(), ID);
        assert_eq!(reconnect.room_id.encode(&mut [0; 36]), ID);
    }
    let truncated = &ID[..35];
    for spelling in [
        "",
        "x",
        truncated,
        "01234567-89ab-4def-8123-456789abcdeg",
        &format!("{ID}0"),
        &format!(" {ID}"),
    ] {
        let text =
            format!(r#"{{"type":"Reconnect","data":{{"player_id":"{spelling}","room_id":"{ID}","auth_token":"t"}}}}"#);
        assert!(!parses(&text), "{text}");
    }
}

#[test]
fn strings_that_are_used_must_be_unicode() {
    assert_all(
        false,
        &[
            r#"{"type":"JoinRoom","data":{"game_name":"\ud800","player_name":"p"}}"#,
            r#"{"type":"JoinRoom","data":{"game_name":"\udc00\ud800","player_name":"p"}}"#,
            r#"{"type":"\ud800"}"#,
            // A key has to be read to see that it is unknown.
            r#"{"type":"Ping","\ud800":1}"#,
            "{\"type\":\"JoinRoom\",\"data\":{\"game_name\":\"a\nb\",\"player_name\":\"p\"}}",
        ],
    );
    assert_all(
        true,
        &[r#"{"type":"JoinRoom","data":{"game_name":"\ud83d\ude00","player_name":"p\u0000"}}"#],
    );
}

/// Every place where a client gives a value that others will read.
fn carriers(value: &str) -> [String; 4] {
    [
        format!(r#"{{"type":"GameData","data":{{"data":{value}}}}}"#),
        format!(r#"{{"data":{{"data":{value}}},"type":"GameData"}}"#),
        format!(
            r#"{{"type":"ProvideConnectionInfo","data":{{"connection_info":{{"type":"custom","data":{value}}}}}}}"#
        ),
        format!(
            r#"{{"type":"ProvideConnectionInfo","data":{{"connection_info":{{"type":"direct","host":"h","port":1,"x":{value}}}}}}}"#
        ),
    ]
}

#[test]
fn what_a_strict_parser_cannot_read_is_refused() {
    let digits = |count: usize| format!("1{}", "0".repeat(count - 1));
    let long = digits(310);
    let long_negative = format!("[-{long}.5e-0]");
    let long_fraction = format!("9{}.0", digits(309));
    let long_and_raised = format!("{}e99", digits(211));
    for value in [
        r#""\ud800""#,
        r#""\uDBFF""#,
        r#""\udc00""#,
        r#""\uDfFf""#,
        r#""\ud800x\udc00""#,
        r#""\ud800\n\udc00""#,
        r#""\ud800\u0041""#,
        r#""\ud800\ud800\udc00""#,
        r#""\udc00\ud800""#,
        r#""\ud83d\ude00\ude00""#,
        r#"{"\ud800":1}"#,
        r#"{"a":[{"\udc00\ud800":1}]}"#,
        r#"{"$serde_json::private::RawValue":1}"#,
        r#"[{"a":1,"\u0024serde_json::private::Number":"1"}]"#,
        "1e309",
        "1e400",
        "-1e400",
        "[1E+400]",
        "1.8e308",
        // One is over the limit by an exact parser, the other by that of serde_json.
        "1.79769313486231581e308",
        "1.7976931348623158e308",
        "0.1e310",
        "1e99999999999999999999",
        &long,
        &long_negative,
        &long_fraction,
        &long_and_raised,
    ] {
        for text in carriers(value) {
            assert!(!parses(&text), "{text}");
        }
    }
    let largest = digits(309);
    let many = format!("{}e-300", digits(400));
    let small = format!("0.{}", digits(400));
    for value in [
        r#""\ud83d\ude00\uD83D\uDE00\ud800\udc00\uDBFF\uDFFF""#,
        r#"{"\ud83d\ude00":1}"#,
        r#""\ud7ff\ue000\uffff""#,
        r#""\\ud800""#,
        "1e308",
        "-1.7976931348623157e308",
        "1e-400",
        "-5e-324",
        "1.5e+00",
        "9.99e99",
        "0e400",
        "0.0e99999999999999999999",
        "1e-99999999999999999999",
        r#""1e400""#,
        &largest,
        &many,
        &small,
    ] {
        for text in carriers(value) {
            assert!(parses(&text), "{text}");
        }
    }
}

#[test]
fn game_data_of_any_kind_is_valid_and_passes_as_it_came() {
    for data in [
        "null",
        "false",
        "0",
        "-0.0",
        "1.10",
        "1e308",
        "1e-400",
        "123456789012345678901234567890",
        r#""""#,
        r#""\ud83d\ude00 \u00e9 \/""#,
        "[]",
        "{}",
        "[1 ,\t2\r\n]",
        r#"{"b":1,"a":2,"b":3}"#,
        r#""日本\u0000""#,
    ] {
        let text = format!(r#"{{"type":"GameData","data":{{"data": {data} }}}}"#);
        let Ok(ClientMessage::GameData(raw)) = ClientMessage::parse(&text) else {
            panic!("{text}");
        };
        assert_eq!(raw, data);
    }
}

#[test]
fn game_data_that_is_no_json_is_invalid() {
    for data in [
        "",
        "nul",
        "01",
        "1.",
        ".5",
        "+1",
        "NaN",
        "[1,]",
        "{1:2}",
        "{\"a\"}",
        "'a'",
        "\"\n\"",
        r#""\x""#,
        r#""\u12""#,
    ] {
        assert!(
            !parses(&format!(r#"{{"type":"GameData","data":{{"data":{data}}}}}"#)),
            "{data}"
        );
    }
}

#[test]
fn game_data_is_at_most_120_deep() {
    let game_data = |depth: usize| {
        let (open, close) = ("[".repeat(depth), "]".repeat(depth));
        format!(r#"{{"type":"GameData","data":{{"data":{open}{close}}}}}"#)
    };
    assert!(parses(&game_data(DEPTH_MAX)));
    for deeper in [DEPTH_MAX + 1, 30_000, 100_000] {
        assert!(!parses(&game_data(deeper)), "{deeper}");
    }
}
