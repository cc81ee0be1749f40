//! UTF-8 that arrives in pieces, checked while it arrives.

use std::str;

use super::Violation;

/// The first bytes of a character whose last byte has not arrived.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct SplitCharacter {
    bytes: [u8; 3],
    length: u8,
}

impl SplitCharacter {
    /// Bytes held.
    pub(super) fn len(self) -> usize {
        usize::from(self.length)
    }

    /// Appends to `text` what `piece` completes and keeps the start of a character at its end.
    ///
    /// # Errors
    /// [`Violation::InvalidUtf8`] as soon as no further byte could make the text valid.
    pub(super) fn push(&mut self, piece: &[u8], text: &mut String) -> Result<(), Violation> {
        let rest = self.complete(piece, text)?;
        match str::from_utf8(rest) {
            Ok(valid) => text.push_str(valid),
            Err(error) if error.error_len().is_some() => return Err(Violation::InvalidUtf8),
            Err(error) => {
                let (valid, start) = rest.split_at(error.valid_up_to());
                text.push_str(str::from_utf8(valid).map_err(|_| Violation::InvalidUtf8)?);
                self.hold(start);
            }
        }
        Ok(())
    }

    /// Completes the character that is held with the front of `piece`; returns the rest of `piece`.
    fn complete<'p>(&mut self, mut piece: &'p [u8], text: &mut String) -> Result<&'p [u8], Violation> {
        let mut length = self.len();
        if length == 0 {
            return Ok(piece);
        }
        let mut character = [0; 4];
        character[..length].copy_from_slice(&self.bytes[..length]);
        while let Some((&byte, rest)) = piece.split_first() {
            // Four bytes are a character or an error, so there is room for this one.
            character[length] = byte;
            length += 1;
            piece = rest;
            match str::from_utf8(&character[..length]) {
                Ok(valid) => {
                    text.push_str(valid);
                    self.length = 0;
                    return Ok(piece);
                }
                Err(error) if error.error_len().is_some() => return Err(Violation::InvalidUtf8),
                Err(_) => {}
            }
        }
        self.hold(&character[..length]);
        Ok(piece)
    }

    /// Keeps `start`, at most three bytes: a fourth completes every character.
    fn hold(&mut self, start: &[u8]) {
        self.length = 0;
        for (slot, &byte) in self.bytes.iter_mut().zip(start) {
            *slot = byte;
            self.length += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The text if it is whole, in pieces that end after each byte, or the number of bytes that were accepted.
    fn push_bytes(bytes: &[u8]) -> Result<String, usize> {
        let mut split = SplitCharacter::default();
        let mut text = String::new();
        for (accepted, byte) in bytes.iter().enumerate() {
            split.push(&[*byte], &mut text).map_err(|_| accepted)?;
        }
        if split.len() == 0 { Ok(text) } else { Err(bytes.len()) }
    }

    #[test]
    fn every_cut_gives_the_same_text() {
        let whole = "aß€𝄞\u{0}\u{7f}\u{80}\u{7ff}\u{800}\u{ffff}\u{10000}\u{10ffff}z";
        assert_eq!(push_bytes(whole.as_bytes()).unwrap(), whole);
        for first in 0..=whole.len() {
            for second in first..=whole.len() {
                let mut split = SplitCharacter::default();
                let mut text = String::new();
                for piece in [0..first, first..second, second..whole.len()] {
                    split.push(&whole.as_bytes()[piece], &mut text).unwrap();
                }
                assert_eq!(split.len(), 0);
                assert_eq!(text, whole);
            }
        }
    }

    #[test]
    fn the_first_impossible_byte_is_refused() {
        // The byte that makes the text invalid is the last of each.
        let invalid: [&[u8]; 12] = [
            b"a\x80",
            b"\xc0",
            b"\xc1",
            b"\xc3\x28",
            b"\xe0\x80",
            b"\xed\xa0",
            b"\xe2\x82\x28",
            b"\xf0\x80",
            b"\xf4\x90",
            b"\xf5",
            b"\xff",
            b"\xf0\x9d\x84\xc0",
        ];
        for bytes in invalid {
            assert_eq!(push_bytes(bytes), Err(bytes.len() - 1), "{bytes:x?}");
        }
    }

    #[test]
    fn an_unfinished_character_stays_held() {
        for bytes in [&b"\xc3"[..], b"\xe2\x82", b"\xf0\x9d\x84"] {
            assert_eq!(push_bytes(bytes), Err(bytes.len()));
        }
    }
}
