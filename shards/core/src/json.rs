//! What a JSON text that others will read must keep to, so that it cannot break their parsers (D2): nesting at most
//! [`DEPTH_MAX`] deep, no lone surrogate escape in a string or a key, no number beyond the largest double, and no key that
//! begins with [`KEPT_PREFIX`]. The grammar of JSON allows all four, and raw values with it.

/// Deepest nesting of objects and arrays that a relayed value may have; deeper ones could break the parsers of others (D2).
pub const DEPTH_MAX: usize = 120;

/// The text is no valid message of a client (protocol 2.8).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Invalid;

/// How keys begin that `serde_json`, which most Rust clients use, keeps for itself: with some of its features it takes an
/// object whose first key is one of them for no object, and the message that holds it for invalid.
pub const KEPT_PREFIX: &str = "$serde_json::private::";

/// Checks that `json` is JSON which keeps to the rules above.
///
/// # Errors
/// [`Invalid`] if it does not.
pub fn check(json: &str) -> Result<(), Invalid> {
    let mut scanner = Scanner::new(json);
    scanner.space();
    scanner.value().and_then(|()| scanner.end()).ok_or(Invalid)
}

/// Reads JSON from the front of a valid UTF-8 text; every method takes what its name says, or fails.
pub(crate) struct Scanner<'a> {
    bytes: &'a [u8],
    at: usize,
}

/// The containers around a value: bit 0 is the innermost, set for an object and clear for an array.
#[derive(Default)]
struct Nesting {
    objects: u128,
    depth: usize,
    /// How much deeper it may go.
    left: usize,
}

const _: () = assert!(DEPTH_MAX <= u128::BITS as usize);

impl Nesting {
    fn enter(&mut self, object: bool) -> Option<()> {
        self.objects = self.objects << 1 | u128::from(object);
        self.depth += 1;
        (self.depth <= self.left).then_some(())
    }

    fn leave(&mut self) {
        self.objects >>= 1;
        self.depth -= 1;
    }

    fn in_object(&self) -> bool {
        self.objects & 1 == 1
    }
}

impl<'a> Scanner<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        Self {
            bytes: text.as_bytes(),
            at: 0,
        }
    }

    pub(crate) fn at(&self) -> usize {
        self.at
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    /// Tokens with any white space before each.
    pub(crate) fn tokens(&mut self, tokens: &[&[u8]]) -> Option<()> {
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

    pub(crate) fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
    }

    /// The end of the text, with any white space before it.
    pub(crate) fn end(&mut self) -> Option<()> {
        self.space();
        (self.at == self.bytes.len()).then_some(())
    }

    /// Any value. Nothing here is recursive, so depth costs no stack.
    pub(crate) fn value(&mut self) -> Option<()> {
        self.value_inside(0)
    }

    /// A value inside so many objects and arrays, which count towards its depth.
    pub(crate) fn value_inside(&mut self, outer: usize) -> Option<()> {
        let mut nesting = Nesting {
            left: DEPTH_MAX.checked_sub(outer)?,
            ..Nesting::default()
        };
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
                    // In ASCII the closing bracket is two places behind the opening one.
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
    #[inline(always)]
    fn key(&mut self) -> Option<()> {
        if matches!(self.bytes.get(self.at + 1), Some(b'$' | b'\\')) && self.is_at_kept_key() {
            return None;
        }
        self.string()?;
        self.tokens(&[b":"])?;
        self.space();
        Some(())
    }

    /// Whether the key here, which begins with a quote, begins with [`KEPT_PREFIX`] once its escapes are read.
    #[cold]
    #[inline(never)]
    fn is_at_kept_key(&self) -> bool {
        self.bytes.get(self.at + 1..).is_some_and(is_kept)
    }

    /// A string with its quotes.
    pub(crate) fn string(&mut self) -> Option<()> {
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
            b'u' => match self.code_unit()? {
                0xd800..=0xdbff => {
                    let low = self.code_unit()?;
                    return (0xdc00..=0xdfff).contains(&low).then_some(());
                }
                0xdc00..=0xdfff => return None,
                _ => {}
            },
            _ => return None,
        }
        Some(())
    }

    /// The UTF-16 unit of an escape with `u` and four digits.
    fn code_unit(&mut self) -> Option<u32> {
        self.exactly(br"\u")?;
        let digits = self.bytes.get(self.at..self.at + 4)?;
        self.at += 4;
        digits.iter().try_fold(0, |unit, digit| {
            char::from(*digit).to_digit(16).map(|digit| unit << 4 | digit)
        })
    }

    fn number(&mut self) -> Option<()> {
        let start = self.at;
        let mut far_up = false;
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
            let falls = self.peek() == Some(b'-');
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            let exponent = self.at;
            self.digits()?;
            far_up = !falls && self.at - exponent > 2;
        }
        let number = &self.bytes[start..self.at];
        if far_up || number.len() > LENGTH_SAFE {
            return fits_a_double(number).then_some(());
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

/// Whether a text with escapes begins with [`KEPT_PREFIX`]. No short escape stands for a character of that.
fn is_kept(mut text: &[u8]) -> bool {
    KEPT_PREFIX.bytes().all(|expected| {
        let escape = text.strip_prefix(br"\u").and_then(|rest| rest.split_at_checked(4));
        let (found, rest) = match (escape, text) {
            (Some((digits, rest)), _) => {
                let digits = std::str::from_utf8(digits).unwrap_or_default();
                (
                    u8::from_str_radix(digits.strip_prefix("00").unwrap_or_default(), 16).ok(),
                    rest,
                )
            }
            (None, [first, rest @ ..]) => (Some(*first), rest),
            (None, []) => return false,
        };
        text = rest;
        found == Some(expected)
    })
}

/// A number of so many bytes is below 1e200, and an exponent of two digits leaves it below 1e299.
const LENGTH_SAFE: usize = 200;

/// Whether a JSON number is no more than the largest double. Parsers differ in the last digit of that limit, so the number
/// must pass the one that most Rust clients use and an exact one.
#[cold]
fn fits_a_double(number: &[u8]) -> bool {
    let exact = std::str::from_utf8(number).map(str::parse::<f64>);
    matches!(exact, Ok(Ok(value)) if value.is_finite()) && serde_json::from_slice::<f64>(number).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

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

    fn arrays(depth: usize) -> String {
        format!("{}{}", "[".repeat(depth), "]".repeat(depth))
    }

    fn objects(depth: usize) -> String {
        format!("{}1{}", r#"{"a":"#.repeat(depth), "}".repeat(depth))
    }

    #[test]
    fn the_deepest_that_is_allowed_passes_and_one_more_does_not() {
        for nested in [arrays, objects] {
            assert_eq!(check(&nested(DEPTH_MAX)), Ok(()));
            for deeper in [DEPTH_MAX + 1, 30_000, 100_000] {
                assert_eq!(check(&nested(deeper)), Err(Invalid), "{deeper}");
            }
        }
    }

    #[test]
    fn mixed_nesting_counts_both_kinds() {
        let mixed = |pairs| format!("{}0{}", r#"[{"a":"#.repeat(pairs), "}]".repeat(pairs));
        assert_eq!(check(&mixed(DEPTH_MAX / 2)), Ok(()));
        assert_eq!(check(&mixed(DEPTH_MAX / 2 + 1)), Err(Invalid));
    }

    #[test]
    fn values_side_by_side_are_not_deep() {
        assert_eq!(check(&format!("[{}0]", "[[]],".repeat(30_000))), Ok(()));
    }

    #[test]
    fn brackets_in_strings_do_not_count() {
        let brackets = "[{".repeat(30_000);
        for text in [
            format!(r#"["{brackets}"]"#),
            format!(r#"{{"{brackets}":1}}"#),
            format!(r#"["\"{brackets}"]"#),
            format!(r#"["\\\"{brackets}"]"#),
            format!(r#"["\u005b{brackets}"]"#),
            format!(r#"["é\\","{brackets}"]"#),
        ] {
            assert_eq!(check(&text), Ok(()), "{}", &text[..20]);
        }
    }

    #[test]
    fn a_string_ends_where_its_quote_is_not_escaped() {
        let deep = arrays(DEPTH_MAX);
        for text in [
            format!(r#"["\\",{deep}]"#),
            format!(r#"["\"",{deep}]"#),
            format!(r#"["]]]]",{deep}]"#),
            format!(r#"{{"}}\"}}":{deep}}}"#),
        ] {
            assert_eq!(check(&text), Err(Invalid), "{}", &text[..20]);
        }
    }

    #[test]
    fn keys_that_a_parser_keeps_for_itself_are_refused_however_they_are_written() {
        for key in [
            "$serde_json::private::RawValue",
            "$serde_json::private::Number",
            "$serde_json::private::",
            r"\u0024serde_json::private::RawValue",
            r"$serde\u005fjson:\u003a\u0070rivate::Number",
            r"\u0024\u0073\u0065\u0072\u0064\u0065\u005F\u006a\u0073\u006f\u006e::private\u003A\u003a",
        ] {
            for text in [
                format!(r#"{{"{key}":1}}"#),
                format!(r#"{{ "{key}" : {{}} }}"#),
                format!(r#"{{"a":1,"{key}":1}}"#),
                format!(r#"[[{{"a":{{"{key}":"x"}}}}]]"#),
            ] {
                assert_eq!(check(&text), Err(Invalid), "{text}");
            }
            // As a value it is a string like any other.
            assert_eq!(check(&format!(r#"{{"a":"{key}"}}"#)), Ok(()), "{key}");
        }
        for key in [
            "$type",
            "$",
            "",
            "$serde_json::private:",
            "$serde_json::public::",
            " $serde_json::private::",
            r"\$serde_json::private::",
            r"\u0124serde_json::private::RawValue",
            r"\u0024serde",
            r"\n",
            r"\u00e9",
        ] {
            let text = format!(r#"{{"{key}":1}}"#);
            let is_json = serde_json::from_str::<serde_json::Value>(&text).is_ok();
            assert_eq!(check(&text).is_ok(), is_json, "{key}");
        }
    }

    #[test]
    fn text_that_is_no_json_does_not_panic() {
        for text in [
            "]".repeat(300),
            format!("{}]]]", "[]]".repeat(300)),
            format!("{}\"\\", "[]".repeat(300)),
        ] {
            let _ = check(&text);
        }
    }
}
