//! `GameData` in one pass: the message that players send all day is read without building anything.

use super::invalid::DEPTH_MAX;

/// The JSON text of the relayed value in `{"type":"GameData","data":{"data":…}}`, checked to be JSON and to nest at most
/// [`DEPTH_MAX`] deep (D2).
///
/// `None` decides nothing: the message may have its keys in another order, more of them, or escapes in them, be another
/// message, or be none at all. Whatever this accepts, the general parser accepts with the same value.
pub(super) fn value(text: &str) -> Option<&str> {
    let mut scanner = Scanner {
        bytes: text.as_bytes(),
        at: 0,
    };
    scanner.tokens(&[b"{", br#""type""#, b":", br#""GameData""#, b","])?;
    scanner.tokens(&[br#""data""#, b":", b"{", br#""data""#, b":"])?;
    scanner.space();
    let start = scanner.at;
    scanner.value()?;
    let end = scanner.at;
    scanner.tokens(&[b"}", b"}"])?;
    scanner.space();
    if scanner.at < text.len() {
        return None;
    }
    text.get(start..end)
}

/// Reads JSON from the front of a valid UTF-8 text; every method takes what its name says, or fails.
struct Scanner<'a> {
    bytes: &'a [u8],
    at: usize,
}

/// The containers around a value: bit 0 is the innermost, set for an object and clear for an array.
#[derive(Default)]
struct Nesting {
    objects: u128,
    depth: usize,
}

const _: () = assert!(DEPTH_MAX <= u128::BITS as usize);

impl Nesting {
    fn enter(&mut self, object: bool) -> Option<()> {
        self.objects = self.objects << 1 | u128::from(object);
        self.depth += 1;
        (self.depth <= DEPTH_MAX).then_some(())
    }

    fn leave(&mut self) {
        self.objects >>= 1;
        self.depth -= 1;
    }

    fn in_object(&self) -> bool {
        self.objects & 1 == 1
    }
}

impl Scanner<'_> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    /// Tokens with any white space before each.
    fn tokens(&mut self, tokens: &[&[u8]]) -> Option<()> {
        tokens.iter().try_for_each(|token| {
            self.space();
            self.exactly(token)
        })
    }

    fn exactly(&mut self, token: &[u8]) -> Option<()> {
        self.bytes
            .get(self.at..)?
            .starts_with(token)
            .then(|| self.at += token.len())
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
    }

    /// Any value. Nothing here is recursive, so depth costs no stack.
    fn value(&mut self) -> Option<()> {
        let mut nesting = Nesting::default();
        loop {
            match self.peek()? {
                b'"' => self.string()?,
                b'-' | b'0'..=b'9' => self.number()?,
                b't' => self.exactly(b"true")?,
                b'f' => self.exactly(b"false")?,
                b'n' => self.exactly(b"null")?,
                open @ (b'{' | b'[') => {
                    let object = open == b'{';
                    nesting.enter(object)?;
                    self.at += 1;
                    self.space();
                    // In ASCII a closing bracket follows two places after the one that opens.
                    if self.peek()? == open + 2 {
                        self.at += 1;
                        nesting.leave();
                    } else {
                        if object {
                            self.key()?;
                        }
                        continue;
                    }
                }
                _ => return None,
            }
            // A value has ended, and with it perhaps the containers around it.
            loop {
                if nesting.depth == 0 {
                    return Some(());
                }
                self.space();
                let next = self.peek()?;
                self.at += 1;
                match next {
                    b',' => {
                        self.space();
                        if nesting.in_object() {
                            self.key()?;
                        }
                        break;
                    }
                    b'}' if nesting.in_object() => nesting.leave(),
                    b']' if !nesting.in_object() => nesting.leave(),
                    _ => return None,
                }
            }
        }
    }

    /// A member's name, its colon, and the space around them.
    fn key(&mut self) -> Option<()> {
        self.string()?;
        self.tokens(&[b":"])?;
        self.space();
        Some(())
    }

    fn string(&mut self) -> Option<()> {
        self.exactly(b"\"")?;
        loop {
            self.plain_text();
            match self.peek()? {
                b'"' => {
                    self.at += 1;
                    return Some(());
                }
                b'\\' => self.escape()?,
                // A control character.
                _ => return None,
            }
        }
    }

    /// What stands for itself in a string: everything up to a quote, a backslash or a control character.
    fn plain_text(&mut self) {
        const WORD: usize = size_of::<u64>();
        while let Some(word) = self.bytes.get(self.at..).and_then(|rest| rest.first_chunk::<WORD>()) {
            let special = special_bytes(u64::from_le_bytes(*word));
            if special != 0 {
                // At most 7.
                self.at += (special.trailing_zeros() / u8::BITS) as usize;
                return;
            }
            self.at += WORD;
        }
        while self
            .peek()
            .is_some_and(|byte| byte >= b' ' && byte != b'"' && byte != b'\\')
        {
            self.at += 1;
        }
    }

    fn escape(&mut self) -> Option<()> {
        match self.bytes.get(self.at + 1)? {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => self.at += 2,
            b'u' => {
                let digits = self.bytes.get(self.at + 2..self.at + 6)?;
                if !digits.iter().all(u8::is_ascii_hexdigit) {
                    return None;
                }
                self.at += 6;
            }
            _ => return None,
        }
        Some(())
    }

    fn number(&mut self) -> Option<()> {
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        if self.peek() == Some(b'0') {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        Some(())
    }

    /// At least one digit.
    fn digits(&mut self) -> Option<()> {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        (self.at > start).then_some(())
    }
}

/// Marks, by its highest bit, each byte that ends plain text: control characters, quotes and backslashes. Bytes above the
/// lowest marked one may be marked wrongly, as borrows run upwards.
fn special_bytes(word: u64) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    let zero_bytes = |word: u64| word.wrapping_sub(ONES) & !word;
    let control = word.wrapping_sub(ONES * 0x20) & !word;
    let quote = zero_bytes(word ^ (ONES * u64::from(b'"')));
    let backslash = zero_bytes(word ^ (ONES * u64::from(b'\\')));
    (control | quote | backslash) & HIGH
}

#[cfg(test)]
mod tests {
    use super::super::client::ClientMessage;
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_first_special_byte_is_found_wherever_it_stands() {
        for plain in ["a", " ", "~", "\u{7f}", "é", "€", "𝄞", "!", "#", "[", "]"] {
            for special in (0..0x20).chain([b'"', b'\\']) {
                for place in 0..24 {
                    let mut text: Vec<u8> = plain.bytes().cycle().take(40).collect();
                    text[place] = special;
                    text[place + 3] = b'"';
                    let mut scanner = Scanner { bytes: &text, at: 0 };
                    scanner.plain_text();
                    assert_eq!(scanner.at, place, "{plain:?} before {special:#x}");
                }
            }
        }
    }

    #[test]
    fn plain_text_may_reach_the_end() {
        for length in 0..20 {
            let text = vec![b'x'; length];
            let mut scanner = Scanner { bytes: &text, at: 0 };
            scanner.plain_text();
            assert_eq!(scanner.at, length);
        }
    }

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
    const TOKENS: [&str; 48] = [
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
        "1e400",
        "+1",
        "-a",
        " ",
        "\t",
        "\n",
        "\r",
        "\u{b}",
        "\"\\u00e9\"",
        "\"\\ud800\"",
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
        prop::collection::vec(prop::sample::select(TOKENS.to_vec()), 0..8).prop_map(|tokens| tokens.concat())
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
