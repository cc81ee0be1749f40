//! RESP2, which every version of Redis and Valkey speaks. Subscriptions have a connection of their own, so nothing of RESP3
//! is needed.
//!
//! The decoder is ours because what is on the other side may be anything: nesting, lengths and lines are bounded, and a
//! string that is too long is discarded as it arrives instead of being kept. The libraries that were looked at recurse
//! without a bound (`redis-protocol`) or keep whatever length is announced (`redis`).

use std::io::Write;

/// Longest line: numbers, statuses, errors.
const LINE_BYTES_MAX: usize = 4096;
/// Deepest nesting of arrays. What is asked for has two levels.
const DEPTH_MAX: usize = 4;
/// Most items of one array.
const ITEMS_MAX: usize = 65_536;
/// Most bytes of a reply as a whole, its long strings not counted.
const REPLY_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Consumed bytes after which the buffer moves up.
const MOVE_UP_BYTES: usize = 64 * 1024;

/// A reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reply {
    /// A status such as `OK`.
    Status(String),
    /// An error.
    Error(String),
    /// An integer.
    Integer(i64),
    /// A string.
    Bytes(Vec<u8>),
    /// A string that was longer than allowed, and was discarded.
    TooLong,
    /// Nothing.
    Nil,
    /// Several replies.
    Array(Vec<Reply>),
}

/// What came is no RESP2, or more than anybody asked for. The connection is no good any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Garbage;

/// Appends a command.
pub(super) fn write_command(parts: &[&[u8]], out: &mut Vec<u8>) {
    write_header(b'*', parts.len(), out);
    for part in parts {
        write_header(b'$', part.len(), out);
        out.extend_from_slice(part);
        out.extend_from_slice(b"\r\n");
    }
}

/// Appends the header of an array or a string.
pub(super) fn write_header(kind: u8, length: usize, out: &mut Vec<u8>) {
    out.push(kind);
    // Writing into a vector does not fail.
    let _ = write!(out, "{length}\r\n");
}

/// Reads replies from what arrives, cut however it may be.
#[derive(Debug)]
pub(super) struct Decoder {
    /// Longest string that is kept.
    string_bytes_max: usize,
    buffer: Vec<u8>,
    /// Bytes of the buffer that are consumed.
    at: usize,
    /// Bytes of a discarded string that are still to come.
    skip: u64,
    /// Arrays that are not complete, the outermost first.
    open: Vec<(usize, Vec<Reply>)>,
    /// Bytes of the reply that is being read.
    reply_bytes: usize,
}

impl Decoder {
    pub(super) fn new(string_bytes_max: usize) -> Self {
        Self {
            string_bytes_max,
            buffer: Vec::new(),
            at: 0,
            skip: 0,
            open: Vec::new(),
            reply_bytes: 0,
        }
    }

    /// Bytes arrived.
    pub(super) fn feed(&mut self, bytes: &[u8]) {
        if self.at == self.buffer.len() {
            self.buffer.clear();
            self.at = 0;
        } else if self.at >= MOVE_UP_BYTES {
            self.buffer.drain(..self.at);
            self.at = 0;
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// The next complete reply.
    pub(super) fn next(&mut self) -> Result<Option<Reply>, Garbage> {
        loop {
            let Some(mut value) = self.value()? else {
                return Ok(None);
            };
            // It may complete the arrays around it.
            loop {
                let Some((length, items)) = self.open.last_mut() else {
                    self.reply_bytes = 0;
                    return Ok(Some(value));
                };
                items.push(value);
                if items.len() < *length {
                    break;
                }
                let (_, items) = self.open.pop().ok_or(Garbage)?;
                value = Reply::Array(items);
            }
        }
    }

    /// The next value that is no array with items: those are opened.
    fn value(&mut self) -> Result<Option<Reply>, Garbage> {
        loop {
            if self.skip > 0 {
                let here = self.buffer.len() - self.at;
                let skipped = usize::try_from(self.skip).map_or(here, |skip| skip.min(here));
                self.at += skipped;
                self.skip -= skipped as u64;
                return Ok((self.skip == 0).then_some(Reply::TooLong));
            }
            let rest = &self.buffer[self.at..];
            let Some((&kind, line)) = rest.split_first() else {
                return Ok(None);
            };
            if !matches!(kind, b'+' | b'-' | b':' | b'$' | b'*') {
                return Err(Garbage);
            }
            let Some(end) = line.iter().take(LINE_BYTES_MAX).position(|byte| *byte == b'\r') else {
                return if line.len() >= LINE_BYTES_MAX {
                    Err(Garbage)
                } else {
                    Ok(None)
                };
            };
            let Some(after) = line.get(end + 1) else {
                return Ok(None);
            };
            if *after != b'\n' {
                return Err(Garbage);
            }
            let text = std::str::from_utf8(&line[..end]).map_err(|_| Garbage)?;
            let header = 1 + end + 2;
            self.reply_bytes += header;
            if self.reply_bytes > REPLY_BYTES_MAX {
                return Err(Garbage);
            }
            let number = || text.parse::<i64>().map_err(|_| Garbage);
            let value = match kind {
                b'+' => Reply::Status(text.to_owned()),
                b'-' => Reply::Error(text.to_owned()),
                b':' => Reply::Integer(number()?),
                b'$' => match number()? {
                    -1 => Reply::Nil,
                    length => {
                        let length = u64::try_from(length).map_err(|_| Garbage)?;
                        match usize::try_from(length) {
                            Ok(length) if length <= self.string_bytes_max => {
                                let Some(string) = rest.get(header..header + length + 2) else {
                                    // The header is read again when the rest is there.
                                    self.reply_bytes -= header;
                                    return Ok(None);
                                };
                                let (string, end) = string.split_at(length);
                                if end != b"\r\n" {
                                    return Err(Garbage);
                                }
                                let string = string.to_vec();
                                self.reply_bytes += length;
                                self.at += length + 2;
                                Reply::Bytes(string)
                            }
                            _ => {
                                self.at += header;
                                self.skip = length.checked_add(2).ok_or(Garbage)?;
                                continue;
                            }
                        }
                    }
                },
                b'*' => match number()? {
                    -1 => Reply::Nil,
                    0 => Reply::Array(Vec::new()),
                    length => {
                        let length = usize::try_from(length).map_err(|_| Garbage)?;
                        if length > ITEMS_MAX || self.open.len() == DEPTH_MAX {
                            return Err(Garbage);
                        }
                        self.at += header;
                        self.open.push((length, Vec::new()));
                        continue;
                    }
                },
                _ => return Err(Garbage),
            };
            self.at += header;
            return Ok(Some(value));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const STRING_MAX: usize = 64;

    fn read(bytes: &[u8], cut: usize) -> Result<Vec<Reply>, Garbage> {
        let mut decoder = Decoder::new(STRING_MAX);
        let mut replies = Vec::new();
        for piece in bytes.chunks(cut.max(1)) {
            decoder.feed(piece);
            while let Some(reply) = decoder.next()? {
                replies.push(reply);
            }
        }
        assert!(decoder.buffer.len() <= MOVE_UP_BYTES + bytes.len().min(MOVE_UP_BYTES));
        Ok(replies)
    }

    fn string(text: &str) -> Reply {
        Reply::Bytes(text.into())
    }

    #[test]
    fn replies_are_read_however_they_are_cut() {
        let long = "x".repeat(STRING_MAX + 1);
        let bytes = format!(
            "+OK\r\n-ERR no\r\n:-7\r\n$3\r\na\r\n\r\n$-1\r\n*-1\r\n*0\r\n*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n\
             ${}\r\n{long}\r\n*2\r\n:1\r\n*1\r\n$0\r\n\r\n+PONG\r\n",
            long.len()
        );
        let expected = vec![
            Reply::Status("OK".into()),
            Reply::Error("ERR no".into()),
            Reply::Integer(-7),
            string("a\r\n"),
            Reply::Nil,
            Reply::Nil,
            Reply::Array(vec![]),
            Reply::Array(vec![string("message"), string("c"), Reply::TooLong]),
            Reply::Array(vec![Reply::Integer(1), Reply::Array(vec![string("")])]),
            Reply::Status("PONG".into()),
        ];
        for cut in [1, 2, 3, 7, bytes.len()] {
            assert_eq!(read(bytes.as_bytes(), cut), Ok(expected.clone()), "in pieces of {cut}");
        }
    }

    #[test]
    fn garbage_is_noticed() {
        for bytes in [
            &b"HTTP/1.1 400 Bad Request\r\n"[..],
            b"\0",
            b"+OK\rx",
            b":x\r\n",
            b":\r\n",
            b"$-2\r\n",
            b"$99999999999999999999\r\n",
            b"$3\r\nabcde\r\n",
            b"*-2\r\n",
            b"*100000\r\n",
            b"*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n",
            b"%1\r\n",
            b"+\xff\r\n",
            // Found by the property below.
            b"00\n*\n\r",
        ] {
            for cut in [1, bytes.len()] {
                assert_eq!(read(bytes, cut), Err(Garbage), "{:?}", String::from_utf8_lossy(bytes));
            }
        }
        let endless = [b"+".to_vec(), vec![b'x'; LINE_BYTES_MAX + 1]].concat();
        assert_eq!(read(&endless, 100), Err(Garbage));
        let many = b"*65536\r\n".repeat(DEPTH_MAX + 1);
        assert_eq!(read(&many, 100), Err(Garbage));
    }

    #[test]
    fn a_string_that_is_too_long_is_not_kept() {
        let mut decoder = Decoder::new(STRING_MAX);
        decoder.feed(b"$1000000000\r\n");
        for _ in 0..100 {
            assert_eq!(decoder.next(), Ok(None));
            decoder.feed(&[b'x'; 65_536]);
        }
        assert!(decoder.buffer.capacity() < 4 * 65_536, "{}", decoder.buffer.capacity());
    }

    #[test]
    fn a_command_is_an_array_of_strings() {
        let mut out = Vec::new();
        write_command(&[b"PUBLISH", b"room:a", b""], &mut out);
        assert_eq!(out, b"*3\r\n$7\r\nPUBLISH\r\n$6\r\nroom:a\r\n$0\r\n\r\n");
    }

    proptest! {
        #[test]
        fn the_cut_changes_nothing(bytes in r"[-+:$*0-9a\r\n]{0,60}", cut in 1_usize..10) {
            prop_assert_eq!(read(bytes.as_bytes(), cut), read(bytes.as_bytes(), usize::MAX));
        }
    }
}
