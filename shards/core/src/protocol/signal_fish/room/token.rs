//! What a dropped player shows to come back.

use std::fmt;

/// What a player must show to come back after a drop: 128 random bits (D18).
#[derive(Clone)]
pub struct Token([u8; Token::LENGTH]);

impl Token {
    /// Bytes of a token.
    pub const LENGTH: usize = 16;

    /// A token of these random bytes.
    #[must_use]
    pub fn from_random(bytes: [u8; Self::LENGTH]) -> Self {
        Self(bytes)
    }

    /// Reads what a client shows; `None` if it cannot be a token of ours.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut bytes = [0; Self::LENGTH];
        if text.len() != 2 * Self::LENGTH {
            return None;
        }
        data_encoding::HEXLOWER.decode_mut(text.as_bytes(), &mut bytes).ok()?;
        Some(Self(bytes))
    }

    /// The form in which clients get it: 32 lower-case hexadecimal digits.
    #[must_use]
    pub fn to_text(&self) -> String {
        data_encoding::HEXLOWER.encode(&self.0)
    }

    /// Whether two tokens are the same, in a time that does not depend on where they differ.
    #[must_use]
    pub fn matches(&self, other: &Self) -> bool {
        let difference = self.0.iter().zip(&other.0).fold(0, |all, (a, b)| all | (a ^ b));
        std::hint::black_box(difference) == 0
    }
}

/// A token is a secret: it is never shown in full.
impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_that_differs_in_one_bit_is_another() {
        let token = Token::from_random([0x5a; Token::LENGTH]);
        assert!(token.matches(&token.clone()));
        for bit in 0..8 * Token::LENGTH {
            let mut other = token.clone();
            other.0[bit / 8] ^= 1 << (bit % 8);
            assert!(!token.matches(&other), "bit {bit}");
        }
    }

    #[test]
    fn it_is_read_as_it_was_shown_and_in_no_other_form() {
        let token = Token::from_random([0xab; Token::LENGTH]);
        let text = token.to_text();
        assert!(Token::parse(&text).is_some_and(|read| read.matches(&token)));
        for other in [
            "",
            &text[1..],
            &format!("{text}0"),
            &"g".repeat(32),
            &text.to_uppercase(),
        ] {
            assert!(Token::parse(other).is_none_or(|read| !read.matches(&token)), "{other}");
        }
        assert_eq!(format!("{token:?}"), "Token(***)");
    }
}
