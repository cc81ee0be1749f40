//! `GameData` in one pass: the message that players send all day is read without building anything.

use crate::json::Scanner;

/// The JSON text of the relayed value in `{"type":"GameData","data":{"data":…}}`, checked as
/// [`json`](crate::json) does (D2).
///
/// `None` says only that the text does not have the usual shape. Its keys may be in another order, be more, or hold
/// escapes; it may be another message, or none at all. Whatever this accepts, the general parser accepts with the same
/// value.
pub(super) fn value(text: &str) -> Option<&str> {
    let mut scanner = Scanner::new(text);
    scanner.tokens(&[b"{", br#""type""#, b":", br#""GameData""#, b","])?;
    scanner.tokens(&[br#""data""#, b":", b"{", br#""data""#, b":"])?;
    scanner.space();
    let start = scanner.at();
    scanner.value()?;
    let end = scanner.at();
    scanner.tokens(&[b"}", b"}"])?;
    scanner.end()?;
    text.get(start..end)
}

#[cfg(test)]
mod tests {
    use super::super::{ClientMessage, DEPTH_MAX};
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_usual_shape_is_taken_with_and_without_space() {
        for (text, expected) in [
            (
                r#"{"type":"GameData","data":{"data":{"x":[1,-2.5e3,"a\u00e9"]}}}"#,
                r#"{"x":[1,-2.5e3,"a\u00e9"]}"#,
            ),
            (" { \"type\" : \"GameData\" ,\n\"data\" : { \"data\" : [ ] } } ", "[ ]"),
            (r#"{"type": "GameData", "data": {"data": null}}"#, "null"),
        ] {
            assert_eq!(value(text), Some(expected));
        }
    }

    #[test]
    fn every_other_shape_is_left_to_the_general_parser() {
        for text in [
            r#"{"data":{"data":1},"type":"GameData"}"#,
            r#"{"type":"GameData","data":{"data":1,"more":2}}"#,
            r#"{"type":"GameData","data":{"data":1},"more":2}"#,
            r#"{"type":"Game\u0044ata","data":{"data":1}}"#,
            r#"{"type":"Ping"}"#,
        ] {
            assert_eq!(value(text), None);
        }
    }

    fn agrees_with_the_general_parser(text: &str) -> Result<(), TestCaseError> {
        let general = match ClientMessage::parse_any(text) {
            Ok(ClientMessage::GameData(value)) => Some(value),
            _ => None,
        };
        let taken = value(text);
        prop_assert!(
            taken.is_none() || taken == general,
            "{text:?}: {taken:?} and {general:?}"
        );
        // Whatever either takes, a strict parser can read.
        if let Some(value) = general {
            prop_assert!(serde_json::from_str::<serde_json::Value>(value).is_ok(), "{value:?}");
        }
        // The usual shape is not left to it.
        if let Some(general) = general
            && text == format!(r#"{{"type":"GameData","data":{{"data":{general}}}}}"#)
        {
            prop_assert_eq!(taken, Some(general));
        }
        Ok(())
    }

    #[test]
    fn the_deepest_that_is_allowed_is_taken_and_one_more_is_not() {
        for (open, inner, close) in [("[", "", "]"), (r#"{"a":"#, "1", "}"), ("[[", "", "]]")] {
            let nested = |times: usize| {
                let value = format!("{}{inner}{}", open.repeat(times), close.repeat(times));
                format!(r#"{{"type":"GameData","data":{{"data":{value}}}}}"#)
            };
            let times = DEPTH_MAX / close.len();
            assert!(value(&nested(times)).is_some(), "{open}");
            assert_eq!(value(&nested(times + 1)), None, "{open}");
            assert_eq!(value(&nested(100_000)), None, "{open}");
        }
    }

    /// What a token may become in a message that is nearly right.
    const TOKENS: [&str; 56] = [
        "{",
        "}",
        "[",
        "]",
        ":",
        ",",
        "\"",
        "\\",
        "\"\"",
        "\"a\"",
        "\"data\"",
        "\"type\"",
        "\"GameData\"",
        "\"Ping\"",
        "null",
        "true",
        "false",
        "nul",
        "0",
        "-0",
        "-",
        "01",
        "1.",
        ".5",
        "1.5",
        "1e",
        "1e5",
        "1E+07",
        "1e308",
        "-1e309",
        "1e400",
        "0e400",
        "1.7976931348623158e308",
        "+1",
        "-a",
        " ",
        "\t",
        "\n",
        "\r",
        "\u{b}",
        "\"\\u00e9\"",
        "\"\\ud800\"",
        "\"\\ud83d\\ude00\"",
        "\\ud83d",
        "\\uDE00",
        "{\"\\udc00\":1}",
        "\"\\u12\"",
        "\"\\x\"",
        "\"\\/\\\"\"",
        "\"\u{0}\"",
        "\"\u{1f}\"",
        "\"é€𝄞\"",
        "\"\u{7f}\"",
        "{\"a\":1}",
        "[1,2]",
        "'a'",
    ];

    fn tokens() -> impl Strategy<Value = String> {
        let token = prop_oneof![
            20 => prop::sample::select(TOKENS.to_vec()).prop_map(str::to_owned),
            1 => "-?[1-9][0-9]{300,400}",
            1 => "\"[a-z]?(\\\\u[dD][89cC]00){1,3}\"",
        ];
        prop::collection::vec(token, 0..8).prop_map(|tokens| tokens.concat())
    }

    /// The usual shape with something put in a place of it.
    fn nearly_usual() -> impl Strategy<Value = String> {
        let usual = [
            "{",
            "\"type\"",
            ":",
            "\"GameData\"",
            ",",
            "\"data\"",
            ":",
            "{",
            "\"data\"",
            ":",
            "[1,{\"a\":\"b c d e f\"}]",
            "}",
            "}",
        ];
        (tokens(), 0..=usual.len(), 0..3_usize).prop_map(move |(put, at, left_out)| {
            let after = (at + left_out).min(usual.len());
            format!("{}{put}{}", usual[..at].concat(), usual[after..].concat())
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4096))]

        #[test]
        fn whatever_is_taken_is_what_the_general_parser_takes(
            text in prop_oneof![
                nearly_usual(),
                tokens().prop_map(|value| format!(r#"{{"type":"GameData","data":{{"data":{value}}}}}"#)),
                tokens().prop_map(|value| format!(r#"{{"type":"GameData","data":{{"data":[{value}]}}}}"#)),
                tokens().prop_map(|value| format!(r#"{{"type":"GameData","data":{{"data":{{"k":{value}}}}}}}"#)),
            ],
        ) {
            agrees_with_the_general_parser(&text)?;
        }

        #[test]
        fn one_wrong_byte_is_noticed_as_by_the_general_parser(byte in 0_u8..0x80, at in any::<prop::sample::Index>()) {
            let mut text = br#"{"type":"GameData","data":{"data":{"x":-10.25e-3,"s":"a\u00e9\\ b","k":[true,null]}}}"#.to_vec();
            let at = at.index(text.len());
            text[at] = byte;
            agrees_with_the_general_parser(std::str::from_utf8(&text).expect("ASCII"))?;
        }
    }
}
