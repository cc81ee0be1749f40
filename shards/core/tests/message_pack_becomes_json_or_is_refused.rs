//! MessagePack game data for members that take JSON (protocol 2.9, D38).

use proptest::prelude::*;
use rmp::encode;
use signal_fish_core::protocol::signal_fish::wire::message_pack::{
    EXPANSION_MAX, check_depth, to_json, write_binary_game_data,
};
use signal_fish_core::protocol::signal_fish::wire::{DEPTH_MAX, PlayerId, json_strict};

/// The JSON of `payload`; an error leaves what was there before.
fn json(payload: &[u8]) -> Option<String> {
    let mut out = b"before".to_vec();
    let converted = to_json(payload, &mut out);
    let text = String::from_utf8(out).expect("UTF-8");
    let appended = text.strip_prefix("before").expect("only appends").to_owned();
    match converted {
        Ok(()) => Some(appended),
        Err(_) => {
            assert_eq!(appended, "", "an error leaves nothing behind");
            None
        }
    }
}

fn assert_json(payload: &[u8], expected: &str) {
    assert_eq!(json(payload).as_deref(), Some(expected), "{payload:02x?}");
}

#[test]
fn scalars() {
    for (payload, expected) in [
        (&b"\xc0"[..], "null"),
        (b"\xc2", "false"),
        (b"\xc3", "true"),
        (b"\x00", "0"),
        (b"\x7f", "127"),
        (b"\xff", "-1"),
        (b"\xe0", "-32"),
        (b"\xcc\xff", "255"),
        (b"\xcd\xff\xff", "65535"),
        (b"\xce\xff\xff\xff\xff", "4294967295"),
        (b"\xcf\xff\xff\xff\xff\xff\xff\xff\xff", "18446744073709551615"),
        (b"\xd0\x80", "-128"),
        (b"\xd1\x80\x00", "-32768"),
        (b"\xd2\x80\x00\x00\x00", "-2147483648"),
        (b"\xd3\x80\x00\x00\x00\x00\x00\x00\x00", "-9223372036854775808"),
        (b"\xd3\x00\x20\x00\x00\x00\x00\x00\x01", "9007199254740993"),
        (b"\xa0", r#""""#),
        (b"\xa2hi", r#""hi""#),
        (b"\xa3a\"\n", r#""a\"\n""#),
        (b"\xd9\x03\xe6\x97\xa5", "\"日\""),
        (b"\xda\x00\x01\x00", r#""\u0000""#),
        (b"\xdb\x00\x00\x00\x01a", r#""a""#),
        (b"\xc4\x00", r#""""#),
        (b"\xc4\x01\xff", r#""/w==""#),
        (b"\xc5\x00\x02\xfb\xff", r#""+/8=""#),
        (b"\xc6\x00\x00\x00\x03abc", r#""YWJj""#),
    ] {
        assert_json(payload, expected);
    }
}

#[test]
fn floats() {
    for (value, expected) in [
        (0.1_f32, "0.1"),
        (1.0, "1.0"),
        (-0.0, "-0.0"),
        (16_777_216.0, "16777216.0"),
        (f32::NAN, "null"),
        (f32::INFINITY, "null"),
        (f32::NEG_INFINITY, "null"),
    ] {
        let mut payload = Vec::new();
        encode::write_f32(&mut payload, value).expect("writes");
        assert_json(&payload, expected);
    }
    for (value, expected) in [
        (0.1_f64, "0.1"),
        (f64::from(0.1_f32), "0.10000000149011612"),
        (f64::NAN, "null"),
        (f64::INFINITY, "null"),
        (f64::NEG_INFINITY, "null"),
    ] {
        let mut payload = Vec::new();
        encode::write_f64(&mut payload, value).expect("writes");
        assert_json(&payload, expected);
    }
}

#[test]
fn arrays_maps_and_keys() {
    for (payload, expected) in [
        (&b"\x90"[..], "[]"),
        (b"\x80", "{}"),
        (b"\x93\x01\xa1a\xc0", r#"[1,"a",null]"#),
        (b"\xdc\x00\x01\x01", "[1]"),
        (b"\xdd\x00\x00\x00\x01\x01", "[1]"),
        (b"\x82\xa1b\x01\xa1a\x90", r#"{"b":1,"a":[]}"#),
        (b"\xde\x00\x01\xa1a\x01", r#"{"a":1}"#),
        (b"\xdf\x00\x00\x00\x01\xa1a\x01", r#"{"a":1}"#),
        (b"\x81\x05\x01", r#"{"5":1}"#),
        (b"\x81\xff\x01", r#"{"-1":1}"#),
        (b"\x81\xc0\x01", r#"{"null":1}"#),
        (b"\x81\xc3\x01", r#"{"true":1}"#),
        (b"\x81\xca\x3f\xc0\x00\x00\x01", r#"{"1.5":1}"#),
        (b"\x81\xca\x7f\xc0\x00\x00\x01", r#"{"null":1}"#),
        (b"\x81\xc4\x01\xff\x01", r#"{"/w==":1}"#),
        (b"\x81\x92\x01\xa1a\x01", r#"{"[1,\"a\"]":1}"#),
        (b"\x81\x81\xc2\xc2\x01", r#"{"{\"false\":false}":1}"#),
        (b"\x81\x80\x80", r#"{"{}":{}}"#),
        // The first value counts, whatever follows it.
        (b"\x01\xc1", "1"),
        (b"\x90\x90", "[]"),
    ] {
        assert_json(payload, expected);
    }
}

#[test]
fn what_json_cannot_express_is_refused() {
    for payload in [
        &b""[..],
        b"\xc1",
        b"\xd4\x01\x00",
        b"\xd6\xff\x00\x00\x00\x00",
        b"\xc7\x00\x01",
        b"\xc8\x00\x01\x01\x00",
        b"\xc9\x00\x00\x00\x01\x01\x00",
        b"\xa1\xff",
        b"\xa3\xed\xa0\x80",
        b"\xa2a",
        b"\xcd\x01",
        b"\xd9",
        b"\xda\x00",
        b"\x91",
        b"\x92\x01",
        b"\x92\x01\xc1",
        b"\x81\xa1a",
        b"\x81",
        b"\x81\xd4\x01\x00\x01",
        b"\x81\xa1\xff\x01",
        b"\x81\x91\xa1\xff\x01",
        // Announces 4 GiB of each kind.
        b"\xdb\xff\xff\xff\xff",
        b"\xc6\xff\xff\xff\xff",
        b"\xc9\xff\xff\xff\xff\x01",
        b"\xdd\xff\xff\xff\xff",
        b"\xdf\xff\xff\xff\xff",
        // A map as a key inside a key.
        b"\x81\x81\x80\x01\x01",
        b"\x81\x91\x81\x90\x01\x01",
        // A key that a parser keeps for itself.
        b"\x81\xbe$serde_json::private::RawValue\x01",
        b"\x91\x82\x01\x01\xbc$serde_json::private::Number\xa11",
    ] {
        assert_eq!(json(payload), None, "{payload:02x?}");
    }
}

fn nested(depth: usize, open: &[u8]) -> Vec<u8> {
    let mut payload = open.repeat(depth - 1);
    payload.push(0x90);
    payload
}

#[test]
fn conversion_goes_120_levels_deep() {
    for open in [
        &b"\x91"[..],
        b"\xdc\x00\x01",
        b"\xdd\x00\x00\x00\x01",
        b"\x81\xa1a",
        b"\xde\x00\x01\x01",
    ] {
        assert!(json(&nested(DEPTH_MAX, open)).is_some());
        for deeper in [DEPTH_MAX + 1, 100_000] {
            assert_eq!(json(&nested(deeper, open)), None);
        }
    }
    let deep_in_key = [&b"\x81"[..], &nested(DEPTH_MAX, b"\x91"), b"\x01"].concat();
    assert_eq!(json(&deep_in_key), None);
    assert_eq!(json(&b"\x81".repeat(100_000)), None);
}

#[test]
fn the_depth_check_refuses_what_is_deeper() {
    for open in [
        &b"\x91"[..],
        b"\x92\x01",
        b"\xdc\x00\x01",
        b"\xdd\xff\xff\xff\xff",
        b"\x81\xa1a",
        b"\x82\x01\x02\x03",
        b"\xdf\xff\xff\xff\xff\xc4\x00",
    ] {
        assert!(check_depth(&nested(DEPTH_MAX, open)).is_ok(), "{open:02x?}");
        for deeper in [DEPTH_MAX + 1, 100_000] {
            assert!(check_depth(&nested(deeper, open)).is_err(), "{open:02x?}");
        }
    }
    // Keys nest too, and a parser gets there although the payload is cut off.
    assert!(check_depth(&b"\x81".repeat(DEPTH_MAX + 1)).is_err());
    // A reader of several values gets there as well.
    assert!(check_depth(&[&b"\x01\xa1a\x91\xc0"[..], &nested(DEPTH_MAX + 1, b"\x91")].concat()).is_err());
}

#[test]
fn the_depth_check_lets_everything_else_pass() {
    for payload in [
        Vec::new(),
        b"\xc1".repeat(1_000),
        [&b"\xc1"[..], &b"\x91".repeat(1_000)].concat(),
        [&b"\xda\x03\xe8"[..], &b"\x91".repeat(1_000)].concat(),
        [&b"\xc5\x03\xe8"[..], &b"\x91".repeat(1_000)].concat(),
        [&b"\xc8\x03\xe8\x01"[..], &b"\x91".repeat(1_000)].concat(),
        [&b"\xdc\x03\xe8"[..], &b"\x91\x90".repeat(1_000)].concat(),
        b"\x91\xc0".repeat(10_000),
        b"\x90".repeat(10_000),
        b"plain text is a row of small integers ".repeat(100),
    ] {
        assert!(
            check_depth(&payload).is_ok(),
            "{:02x?}",
            &payload[..payload.len().min(8)]
        );
    }
}

#[test]
fn members_with_message_pack_get_a_map_of_three() {
    let sender = PlayerId::from_random([0xab; 16]);
    for length in [0, 1, 255, 256, 65_535, 65_536] {
        let payload = vec![0x5a; length];
        let mut expected = Vec::new();
        encode::write_map_len(&mut expected, 3).expect("writes");
        encode::write_str(&mut expected, "from_player").expect("writes");
        encode::write_bin(&mut expected, sender.as_bytes()).expect("writes");
        encode::write_str(&mut expected, "encoding").expect("writes");
        encode::write_str(&mut expected, "message_pack").expect("writes");
        encode::write_str(&mut expected, "payload").expect("writes");
        encode::write_bin(&mut expected, &payload).expect("writes");
        let mut out = b"before".to_vec();
        write_binary_game_data(sender, &payload, &mut out);
        assert_eq!(out.strip_prefix(b"before"), Some(&expected[..]));
        assert!(out.starts_with(b"before\x83\xabfrom_player\xc4\x10"));
    }
}

/// A value, as MessagePack and as the JSON that is expected of it.
fn value() -> impl Strategy<Value = (Vec<u8>, serde_json::Value)> {
    fn encoded(write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
        let mut payload = Vec::new();
        write(&mut payload);
        payload
    }
    let scalar = prop_oneof![
        Just((b"\xc0".to_vec(), serde_json::Value::Null)),
        any::<bool>().prop_map(|v| (encoded(|out| encode::write_bool(out, v).expect("writes")), v.into())),
        any::<u64>().prop_map(|v| (encoded(|out| drop(encode::write_uint(out, v))), v.into())),
        any::<i64>().prop_map(|v| (encoded(|out| drop(encode::write_sint(out, v))), v.into())),
        any::<f64>().prop_map(|v| (encoded(|out| encode::write_f64(out, v).expect("writes")), v.into())),
        any::<String>().prop_map(|v| (encoded(|out| encode::write_str(out, &v).expect("writes")), v.into())),
    ];
    scalar.prop_recursive(5, 64, 8, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..20).prop_map(|values| {
                let (payloads, values): (Vec<_>, Vec<_>) = values.into_iter().unzip();
                let head = encoded(|out| drop(encode::write_array_len(out, u32::try_from(values.len()).unwrap_or(0))));
                ([head, payloads.concat()].concat(), values.into())
            }),
            prop::collection::btree_map(any::<String>(), inner, 0..20).prop_map(|members| {
                let mut payload =
                    encoded(|out| drop(encode::write_map_len(out, u32::try_from(members.len()).unwrap_or(0))));
                let mut object = serde_json::Map::new();
                for (key, (bytes, value)) in members {
                    encode::write_str(&mut payload, &key).expect("writes");
                    payload.extend(bytes);
                    object.insert(key, value);
                }
                (payload, object.into())
            }),
        ]
    })
}

proptest! {
    #[test]
    fn a_value_becomes_the_same_value_in_json((payload, expected) in value()) {
        let text = json(&payload).expect("convertible");
        prop_assert!(json_strict::check(&text).is_ok(), "{}", text);
        // As text: serde_json does not read every double back exactly.
        prop_assert_eq!(text, expected.to_string());
        prop_assert!(check_depth(&payload).is_ok());
    }

    #[test]
    fn a_payload_cut_off_is_refused((payload, _) in value(), keep in any::<prop::sample::Index>()) {
        prop_assert_eq!(json(&payload[..keep.index(payload.len())]), None);
    }

    #[test]
    fn any_bytes_become_short_valid_json_or_nothing(
        payload in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..2_000),
            prop::collection::vec(
                prop::sample::select(b"\x80\x81\x82\x90\x91\x92\xa0\xa1\xc0\xc1\xc2\xc4\xca\xcb\xcc\xd9\xdc\xde\x00\x01\xff\"\\".to_vec()),
                0..400,
            ),
        ],
    ) {
        let _ = check_depth(&payload);
        if let Some(text) = json(&payload) {
            prop_assert!(text.len() <= EXPANSION_MAX * payload.len(), "{} of {}", text.len(), payload.len());
            prop_assert!(json_strict::check(&text).is_ok(), "{text}");
            prop_assert!(serde_json::from_str::<serde_json::Value>(&text).is_ok(), "{text}");
        }
    }
}

#[test]
fn the_worst_expansion_is_the_one_that_is_announced() {
    let head = |length: u16| [&b"\x81\xde"[..], &length.to_be_bytes()].concat();
    let payload = [head(10_000), b"\xc2".repeat(20_000), b"\xc0".to_vec()].concat();
    let length = json(&payload).expect("convertible").len();
    assert!(length <= EXPANSION_MAX * payload.len());
    assert!(length > (EXPANSION_MAX - 1) * payload.len());
}
