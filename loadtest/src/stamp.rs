//! The body inside every relayed payload: a stamp that says who sent it, its number and when it was due, and filling.
//!
//! A body holds letters, digits, `-` and `_` alone, so it stands in JSON and MessagePack as it is, and a receiver finds and
//! reads it without parsing either; any server may write around it what it likes. Two checksums seal it, one over the stamp
//! and one over the filling, so that a message whose filling was damaged still says which one it is. The filling differs from
//! message to message: the end of another message does not pass for this one's.

use data_encoding::BASE64URL_NOPAD;
use std::ops::Range;

/// What opens a stamp; no other text of the protocols contains it.
const MAGIC: &[u8; 4] = b"SFLT";
/// Bytes of a stamp before it is written in base64: run, sender and number (4 each), due time (7), length of the body (3),
/// checksum of the filling (4), checksum of the stamp (4).
const RAW_BYTES: usize = 30;
/// Bytes of a stamp.
pub const STAMP_BYTES: usize = MAGIC.len() + RAW_BYTES / 3 * 4;
/// How far from the start of a message a stamp may stand.
const SEARCH_BYTES: usize = 512;
/// Places in the filling at which that of a message may begin.
const FILLINGS: usize = 4096;
/// Longest body, in bytes, so that its length fits the stamp.
pub const BODY_BYTES_MAX: usize = (1 << 24) - 1;

/// Identifies one message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// Which run sent it, so that strangers' messages are told apart.
    pub run: u32,
    /// Seat of the sender, numbered over all threads of the run.
    pub sender: u32,
    /// Number of the message among those of its sender, from 0.
    pub number: u32,
    /// When it was to be sent, in nanoseconds since the run's epoch: 56 bits, two years.
    pub due_ns: u64,
}

impl Stamp {
    fn to_raw(self, body_bytes: usize, filling: u32) -> [u8; RAW_BYTES] {
        let mut raw = [0; RAW_BYTES];
        raw[..4].copy_from_slice(&self.run.to_be_bytes());
        raw[4..8].copy_from_slice(&self.sender.to_be_bytes());
        raw[8..12].copy_from_slice(&self.number.to_be_bytes());
        raw[12..19].copy_from_slice(&self.due_ns.to_be_bytes()[1..]);
        // The seal bounds it.
        raw[19..22].copy_from_slice(&(body_bytes as u64).to_be_bytes()[5..]);
        raw[22..26].copy_from_slice(&filling.to_be_bytes());
        let sum = crc32fast::hash(&raw[..26]);
        raw[26..].copy_from_slice(&sum.to_be_bytes());
        raw
    }

    /// The stamp, the length of its body and the checksum of its filling; `None` if the stamp is damaged.
    fn from_raw(raw: &[u8; RAW_BYTES]) -> Option<(Self, usize, u32)> {
        let word = |at: usize| raw[at..].first_chunk().map_or(0, |bytes| u32::from_be_bytes(*bytes));
        if word(26) != crc32fast::hash(&raw[..26]) {
            return None;
        }
        let number = |bytes: &[u8]| bytes.iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
        let stamp = Self {
            run: word(0),
            sender: word(4),
            number: word(8),
            due_ns: number(&raw[12..19]),
        };
        Some((stamp, usize::try_from(number(&raw[19..22])).ok()?, word(22)))
    }
}

/// Writes bodies.
#[derive(Debug)]
pub struct Seal {
    filling: Vec<u8>,
}

impl Seal {
    /// For bodies of at most `body_bytes`, which is between [`STAMP_BYTES`] and [`BODY_BYTES_MAX`].
    #[must_use]
    pub fn new(body_bytes: usize) -> Self {
        let mut state = 1_u64;
        let letter = |_| {
            // Any order will do, as long as neighbouring places differ: a linear congruential generator (Knuth).
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"[(state >> 58) as usize]
        };
        Self {
            filling: (0..body_bytes + FILLINGS).map(letter).collect(),
        }
    }

    /// Fills `body` with the stamp and what follows it.
    pub fn write(&self, stamp: &Stamp, body: &mut [u8]) {
        let body_bytes = body.len();
        let (at, rest) = body.split_at_mut(STAMP_BYTES);
        let first = (stamp.sender.wrapping_mul(37).wrapping_add(stamp.number)) as usize % FILLINGS;
        rest.copy_from_slice(&self.filling[first..first + rest.len()]);
        at[..MAGIC.len()].copy_from_slice(MAGIC);
        BASE64URL_NOPAD.encode_mut(&stamp.to_raw(body_bytes, crc32fast::hash(rest)), &mut at[MAGIC.len()..]);
    }
}

/// A body in a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Body {
    /// What its stamp says.
    pub stamp: Stamp,
    /// Where it stands in the message.
    pub place: Range<usize>,
    /// What is wrong with its filling, if anything.
    pub damage: Option<Damage>,
}

/// What is wrong with a filling.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Damage {
    /// It ends too early.
    Truncated,
    /// It is as long as it should be, or longer, and differs.
    Corrupted,
}

/// What a message holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// No stamp.
    Nothing,
    /// A damaged stamp: nobody knows whose.
    Unreadable,
    /// A body.
    Body(Body),
}

/// Finds bodies, remembering where the last one stood: in one run they nearly always stand at the same offset.
#[derive(Debug, Default)]
pub struct BodyFinder {
    offset: usize,
}

impl BodyFinder {
    /// The body of a message, checked.
    pub fn find(&mut self, message: &[u8]) -> Found {
        let stands_at = |offset: usize| message.get(offset..).is_some_and(|rest| rest.starts_with(MAGIC));
        if !stands_at(self.offset) {
            let head = &message[..message.len().min(SEARCH_BYTES)];
            match head.windows(MAGIC.len()).position(|bytes| bytes == MAGIC) {
                Some(offset) => self.offset = offset,
                None => return Found::Nothing,
            }
        }
        let at = self.offset;
        let mut raw = [0; RAW_BYTES];
        let read = message
            .get(at + MAGIC.len()..at + STAMP_BYTES)
            .and_then(|text| BASE64URL_NOPAD.decode_mut(text, &mut raw).ok())
            .and_then(|_| Stamp::from_raw(&raw));
        let Some((stamp, body_bytes, filling)) = read else {
            return Found::Unreadable;
        };
        let whole = message.get(at + STAMP_BYTES..at + body_bytes);
        if whole.is_some_and(|found| crc32fast::hash(found) == filling) {
            return Found::Body(Body {
                stamp,
                place: at..at + body_bytes,
                damage: None,
            });
        }
        let found_bytes = message[at..].iter().take_while(|byte| is_letter(**byte)).count();
        // Shortened text ends where its string does, or its message.
        let ends = message.get(at + found_bytes).is_none_or(|byte| *byte == b'"');
        let damage = if found_bytes < body_bytes && ends {
            Damage::Truncated
        } else {
            Damage::Corrupted
        };
        Found::Body(Body {
            stamp,
            place: at..at + found_bytes.min(body_bytes),
            damage: Some(damage),
        })
    }
}

/// Whether it may stand in a body.
fn is_letter(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_'
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAMP: Stamp = Stamp {
        run: 7,
        sender: 70_000,
        number: 3,
        due_ns: (1 << 56) - 5,
    };

    fn message(offset: usize, body_bytes: usize) -> Vec<u8> {
        let mut message = vec![b'"'; offset + body_bytes];
        Seal::new(body_bytes).write(&STAMP, &mut message[offset..]);
        message.extend_from_slice(br#""}}}"#);
        message
    }

    fn damage(message: &[u8]) -> Option<Damage> {
        match BodyFinder::default().find(message) {
            Found::Body(body) => {
                assert_eq!(body.stamp, STAMP);
                body.damage
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_body_is_found_wherever_it_stands() {
        let mut finder = BodyFinder::default();
        for offset in [0, 60, 60, 75, 3] {
            for body_bytes in [STAMP_BYTES, STAMP_BYTES + 1, 200, 65_000] {
                let found = finder.find(&message(offset, body_bytes));
                let body = Body {
                    stamp: STAMP,
                    place: offset..offset + body_bytes,
                    damage: None,
                };
                assert_eq!(found, Found::Body(body));
            }
        }
    }

    #[test]
    fn what_is_no_stamp_is_not_taken_for_one() {
        let mut finder = BodyFinder::default();
        assert_eq!(finder.find(b"{\"type\":\"Pong\"}"), Found::Nothing);
        assert_eq!(finder.find(b""), Found::Nothing);
        let whole = message(0, 100);
        assert_eq!(finder.find(&whole[..STAMP_BYTES - 1]), Found::Unreadable);
    }

    #[test]
    fn every_change_of_a_single_byte_shows() {
        let whole = message(5, 60);
        for at in 5..65 {
            let mut changed = whole.clone();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            match BodyFinder::default().find(&changed) {
                Found::Nothing => assert!(at < 9, "{at}"),
                Found::Unreadable => assert!((9..5 + STAMP_BYTES).contains(&at), "{at}"),
                Found::Body(body) => {
                    assert!(at >= 5 + STAMP_BYTES, "{at}");
                    assert_eq!((body.stamp, body.damage), (STAMP, Some(Damage::Corrupted)));
                }
            }
        }
    }

    #[test]
    fn a_shortened_filling_is_truncated_and_a_longer_one_is_not() {
        let whole = message(5, 100);
        let shortened = |by: usize| [&whole[..105 - by], &whole[105..]].concat();
        assert_eq!(damage(&shortened(1)), Some(Damage::Truncated));
        assert_eq!(damage(&shortened(100 - STAMP_BYTES)), Some(Damage::Truncated));
        assert_eq!(damage(&whole[..90]), Some(Damage::Truncated));
        let longer = [&whole[..80], b"x", &whole[80..]].concat();
        assert_eq!(damage(&longer), Some(Damage::Corrupted));
        assert_eq!(damage(&whole), None);
    }

    #[test]
    fn the_end_of_another_message_does_not_pass() {
        let mut own = message(0, 100);
        let mut other = vec![0; 100];
        let stamp = Stamp { number: 4, ..STAMP };
        Seal::new(100).write(&stamp, &mut other);
        own[70..100].copy_from_slice(&other[70..]);
        assert_eq!(damage(&own), Some(Damage::Corrupted));
    }
}
