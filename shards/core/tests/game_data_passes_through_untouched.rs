//! The sender's JSON text reaches the others byte for byte (D2), and no text whatever makes parsing panic.

use proptest::prelude::*;
use signal_fish_core::protocol::signal_fish::wire::{
    ClientMessage, DEPTH_MAX, PlayerId, ServerMessage, json_strict, write_game_data,
};

/// Grammatical JSON in all the spellings that a sender may choose.
fn json() -> impl Strategy<Value = String> {
    let scalar = prop_oneof![
        prop::sample::select(
            &[
                "null",
                "true",
                "false",
                "-0",
                "1E+5",
                "1e-400",
                "1e308",
                "0.10",
                "\"\\ud83d\\ude00\""
            ][..]
        )
        .prop_map(str::to_owned),
        "-?(0|[1-9][0-9]{0,40})(\\.[0-9]{1,20})?([eE]-?[0-9]{1,2}|[eE]-[0-9]{3,4})?",
        string(),
    ];
    containers(scalar.boxed(), string().boxed())
}

/// Grammatical JSON that a strict parser may refuse: lone surrogates, and numbers about as large as a double can be.
fn grammatical() -> impl Strategy<Value = String> {
    let string = "([^\"\\\\\\x00-\\x1f]|\\\\[\"\\\\un]0041|\\\\u[dD][89abcABC][0-9]{2}|\\\\ud83d\\\\ude00){0,4}"
        .prop_map(|body| format!("\"{body}\""));
    let string = string.boxed();
    let number = prop_oneof![
        "-?[0-9](\\.[0-9]{1,20})?[eE][+]?30[789]",
        "-?1\\.797693134862315[78][0-9]{0,20}e308",
        "-?[1-9][0-9]{300,320}(\\.[0-9]{1,5})?(e-?[0-9])?",
    ];
    containers(prop_oneof![number, string.clone()].boxed(), string)
}

/// Arrays and objects of `scalar`, with `string` for the keys.
fn containers(scalar: BoxedStrategy<String>, string: BoxedStrategy<String>) -> impl Strategy<Value = String> {
    scalar.prop_recursive(6, 64, 6, move |inner| {
        let member = (string.clone(), space(), inner.clone())
            .prop_map(|(key, space, value)| format!("{key}{space}:{space}{value}"));
        prop_oneof![
            (prop::collection::vec(inner, 0..6), space())
                .prop_map(|(values, space)| format!("[{space}{}{space}]", values.join(&format!("{space},{space}")))),
            (prop::collection::vec(member, 0..6), space()).prop_map(|(members, space)| format!(
                "{{{space}{}{space}}}",
                members.join(&format!("{space},{space}"))
            )),
        ]
    })
}

fn string() -> impl Strategy<Value = String> {
    "([^\"\\\\\\x00-\\x1f]|\\\\[\"\\\\/bfnrt]|\\\\u[0-9abcefABCEF][0-9a-fA-F]{3}|\\\\u[dD][89abAB][0-9a-fA-F]{2}\\\\u[dD][c-fC-F][0-9a-fA-F]{2}){0,12}".prop_map(|body| format!("\"{body}\""))
}

fn space() -> impl Strategy<Value = String> {
    "[ \t\r\n]{0,2}"
}

/// Text that looks enough like a message to get past the first checks.
fn almost_a_message() -> impl Strategy<Value = String> {
    let pieces = [
        "{",
        "}",
        "[",
        "]",
        ":",
        ",",
        "\"",
        "\\",
        "\\u",
        " ",
        "\"type\"",
        "\"data\"",
        "\"Ping\"",
        "\"GameData\"",
        "\"JoinRoom\"",
        "\"ProvideConnectionInfo\"",
        "\"connection_info\"",
        "\"custom\"",
        "null",
        "1",
        "1e400",
        "é",
        "{\"type\":\"GameData\",\"data\":{\"data\":",
        "{\"type\":\"Reconnect\",\"data\":{\"player_id\":\"",
    ];
    prop::collection::vec(prop::sample::select(pieces.to_vec()), 0..40).prop_map(|pieces| pieces.concat())
}

/// Looks at everything outside of strings that is spelt like a number.
fn exact_numbers_are_finite(json: &str) -> bool {
    let outside: String = json
        .replace("\\\\", "")
        .replace("\\\"", "")
        .split('"')
        .step_by(2)
        .collect::<Vec<_>>()
        .join(" ");
    outside
        .split(|c: char| !c.is_ascii_digit() && !"+-.eE".contains(c))
        .filter_map(|number| number.parse::<f64>().ok())
        .all(f64::is_finite)
}

proptest! {
    #[test]
    fn game_data_reaches_the_others_byte_for_byte(json in json(), space in space(), data_first in any::<bool>()) {
        let text = if data_first {
            format!(r#"{{"data":{{"data":{space}{json}{space}}},"type":"GameData"}}"#)
        } else {
            format!(r#"{{"type":"GameData",{space}"data":{{"data":{space}{json}{space}}}}}"#)
        };
        let parsed = ClientMessage::parse(&text);
        let Ok(ClientMessage::GameData(data)) = parsed else {
            return Err(TestCaseError::fail(format!("{parsed:?}")));
        };
        prop_assert_eq!(data, &json);

        let sender = PlayerId::from_random([7; 16]);
        let mut relayed = Vec::new();
        write_game_data(sender, data, &mut relayed);
        let relayed = String::from_utf8(relayed).expect("UTF-8");
        let expected = format!(r#"{{"type":"GameData","data":{{"from_player":"{sender}","data":{json}}}}}"#);
        prop_assert_eq!(&relayed, &expected);

        let read: ServerMessage<'_> = serde_json::from_str(&relayed).expect("reads back");
        let ServerMessage::GameData { from_player, data } = &read else {
            return Err(TestCaseError::fail(format!("{read:?}")));
        };
        prop_assert_eq!((*from_player, data.get()), (sender, json.as_str()));
        let mut written = Vec::new();
        read.write(&mut written);
        prop_assert_eq!(written, relayed.into_bytes());
    }

    #[test]
    fn the_check_agrees_with_a_strict_parser(json in grammatical()) {
        let read = serde_json::from_str::<serde_json::Value>(&json);
        // serde_json takes a few numbers that are a little over the limit.
        let strict = read.is_ok() && exact_numbers_are_finite(&json);
        prop_assert_eq!(json_strict::check(&json).is_ok(), strict);
    }

    #[test]
    fn no_text_makes_parsing_panic(text in prop_oneof![any::<String>(), almost_a_message()]) {
        let _ = ClientMessage::parse(&text);
        let _ = json_strict::check(&text);
    }

    #[test]
    fn cut_off_messages_are_invalid_and_do_not_panic(json in json(), keep in any::<prop::sample::Index>()) {
        let text = format!(r#"{{"type":"GameData","data":{{"data":{json}}}}}"#);
        let mut end = keep.index(text.len());
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        prop_assert!(ClientMessage::parse(&text[..end]).is_err());
    }

    #[test]
    fn the_depth_check_agrees_with_counting_while_building(
        kinds in prop::collection::vec(any::<bool>(), DEPTH_MAX - 3..DEPTH_MAX + 4),
        inner in prop_oneof![Just("0".to_owned()), string()],
    ) {
        let mut text = inner;
        for is_array in &kinds {
            text = if *is_array { format!("[{text},1]") } else { format!("{{\"[\":{text}}}") };
        }
        prop_assert_eq!(json_strict::check(&text).is_ok(), kinds.len() <= DEPTH_MAX);
    }
}
