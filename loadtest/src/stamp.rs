//! The stamp inside every relayed payload: who sent it, its number, and when it was due.
//!
//! It is fixed-width ASCII, so a receiver finds and reads it without parsing JSON or MessagePack, and any server may
//! rewrite what stands around it.

/// What opens a stamp; no other text of the protocol contains it.
const MAGIC: &[u8; 4] = b"SFLT";
/// Bytes of a stamp: magic, run (4 hex digits), sender (8), number (8), due time (16).
pub const STAMP_BYTES: usize = 4 + 4 + 8 + 8 + 16;
/// How far from the start of a frame a stamp may stand.
const SEARCH_BYTES: usize = 512;

/// Identifies one message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// Which thread of which run sent it, so that strangers' messages are not counted.
    pub run: u16,
    /// Seat of the sender.
    pub sender: u32,
    /// Number of the message among those of its sender, from 0.
    pub number: u32,
    /// When it was to be sent, in nanoseconds since the run's epoch.
    pub due_ns: u64,
}

impl Stamp {
    /// Writes the stamp over the first [`STAMP_BYTES`] of `at`.
    pub fn write(&self, at: &mut [u8]) {
        at[..4].copy_from_slice(MAGIC);
        write_hex(u64::from(self.run), &mut at[4..8]);
        write_hex(u64::from(self.sender), &mut at[8..16]);
        write_hex(u64::from(self.number), &mut at[16..24]);
        write_hex(self.due_ns, &mut at[24..40]);
    }

    fn read(at: &[u8]) -> Option<Self> {
        let at = at.get(..STAMP_BYTES)?;
        if &at[..4] != MAGIC {
            return None;
        }
        Some(Self {
            run: u16::try_from(read_hex(&at[4..8])?).ok()?,
            sender: u32::try_from(read_hex(&at[8..16])?).ok()?,
            number: u32::try_from(read_hex(&at[16..24])?).ok()?,
            due_ns: read_hex(&at[24..40])?,
        })
    }
}

/// Finds stamps, remembering where the last one stood: in one run they nearly always stand at the same offset.
#[derive(Debug, Default)]
pub struct StampFinder {
    offset: usize,
}

impl StampFinder {
    /// The stamp of a message, if it carries one.
    pub fn find(&mut self, message: &[u8]) -> Option<Stamp> {
        if let Some(stamp) = message.get(self.offset..).and_then(Stamp::read) {
            return Some(stamp);
        }
        let head = &message[..message.len().min(SEARCH_BYTES)];
        let offset = head.windows(MAGIC.len()).position(|bytes| bytes == MAGIC)?;
        let stamp = Stamp::read(&message[offset..])?;
        self.offset = offset;
        Some(stamp)
    }
}

fn write_hex(value: u64, at: &mut [u8]) {
    let mut rest = value;
    for byte in at.iter_mut().rev() {
        *byte = b"0123456789abcdef"[(rest & 15) as usize];
        rest >>= 4;
    }
}

fn read_hex(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0, |value, digit| {
        let digit = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        Some(value << 4 | u64::from(digit))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_is_found_wherever_it_stands() {
        let stamp = Stamp {
            run: 7,
            sender: 70_000,
            number: 3,
            due_ns: u64::MAX - 5,
        };
        let mut finder = StampFinder::default();
        for offset in [0, 60, 60, 75, 3] {
            let mut message = vec![b'x'; offset + STAMP_BYTES];
            stamp.write(&mut message[offset..]);
            assert_eq!(finder.find(&message), Some(stamp));
        }
    }

    #[test]
    fn what_is_no_stamp_is_not_taken_for_one() {
        let mut finder = StampFinder::default();
        assert_eq!(finder.find(b"{\"type\":\"Pong\"}"), None);
        assert_eq!(finder.find(b""), None);
        let mut broken = vec![0; STAMP_BYTES];
        Stamp {
            run: 1,
            sender: 1,
            number: 1,
            due_ns: 1,
        }
        .write(&mut broken);
        broken[20] = b'z';
        assert_eq!(finder.find(&broken), None);
        assert_eq!(finder.find(&broken[..STAMP_BYTES - 1]), None);
    }
}
