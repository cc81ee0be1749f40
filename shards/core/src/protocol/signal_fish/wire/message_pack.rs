//! MessagePack game data (protocol 2.9, D38).
//!
//! Nothing here trusts an announced length: memory grows with the bytes that are really there, and nesting is counted.

mod item;
mod token_bound;

use crate::json::{DEPTH_MAX, Invalid, KEPT_PREFIX};
use crate::room::MemberId as PlayerId;
use data_encoding::BASE64;
use item::{Item, Items};

pub use item::NotConvertible;
pub use token_bound::{TokenBound, token_bound};

/// The longest JSON text that [`to_json`] makes of a payload of `n` bytes is `EXPANSION_MAX * n`: eight characters for
/// each one-byte `false` that is key and value of a map inside a key.
pub const EXPANSION_MAX: usize = 8;

/// Appends the binary message that members with `message_pack` get: a map of `from_player`, `encoding` and `payload`, the
/// payload as it came (protocol 2.9).
pub fn write_binary_game_data(from_player: PlayerId, payload: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(b"\x83\xabfrom_player\xc4\x10");
    out.extend_from_slice(from_player.as_bytes());
    out.extend_from_slice(b"\xa8encoding\xacmessage_pack\xa7payload");
    // Writing to a Vec cannot fail, and no frame is as long as the 4 GiB that MessagePack can announce.
    let written = rmp::encode::write_bin(out, payload);
    debug_assert!(written.is_ok());
}

/// Checks that no value of `payload` nests arrays and maps deeper than [`DEPTH_MAX`] (D2).
///
/// A payload that is not MessagePack passes, and members with `message_pack` get it as it came. It is checked up to the
/// first byte that makes no sense, because no parser gets further. Random bytes stop making sense long before 121
/// levels.
///
/// # Errors
/// [`Invalid`] if a parser would have to go deeper.
pub fn check_depth(payload: &[u8]) -> Result<(), Invalid> {
    // Every level takes a byte, so short payloads need no scan.
    if payload.len() <= DEPTH_MAX {
        return Ok(());
    }
    let mut items = Items::new(payload);
    // How many values each open array or map still lacks.
    let mut missing = [0_u64; DEPTH_MAX];
    let mut depth = 0;
    while let Ok(item) = items.next() {
        let values = match item {
            Item::Array(length) => Some(u64::from(length)),
            Item::Map(length) => Some(2 * u64::from(length)),
            _ => None,
        };
        if values.is_some() && depth == DEPTH_MAX {
            return Err(Invalid);
        }
        if let Some(values @ 1..) = values {
            missing[depth] = values;
            depth += 1;
            continue;
        }
        while depth > 0 {
            missing[depth - 1] -= 1;
            if missing[depth - 1] > 0 {
                break;
            }
            depth -= 1;
        }
    }
    Ok(())
}

/// Appends the first value of `payload` as JSON, for members with `json` (D38).
///
/// NaN and the infinities become null, bin a base64 string; a map key that is no string becomes one that holds its JSON
/// text, or its base64. On an error `out` is left as it was.
///
/// # Errors
/// [`NotConvertible`] for an empty or incomplete payload, ext, text that is not UTF-8, nesting deeper than [`DEPTH_MAX`],
/// a key that begins with [`KEPT_PREFIX`], and for an array or map as a key inside a key: its text would double with every
/// level.
pub fn to_json(payload: &[u8], out: &mut Vec<u8>) -> Result<(), NotConvertible> {
    let length = out.len();
    let mut items = Items::new(payload);
    let converted = items
        .next()
        .and_then(|first| Place::default().value(first, &mut items, out));
    if converted.is_err() {
        out.truncate(length);
    }
    converted
}

/// Where in the value the conversion is.
#[derive(Debug, Clone, Copy, Default)]
struct Place {
    /// Arrays and maps around it; the recursion goes no deeper than [`DEPTH_MAX`].
    depth: usize,
    /// Whether it is part of a map key.
    in_key: bool,
}

impl Place {
    fn inside(self) -> Result<Self, NotConvertible> {
        if self.depth == DEPTH_MAX {
            return Err(NotConvertible);
        }
        Ok(Self {
            depth: self.depth + 1,
            ..self
        })
    }

    fn value(self, item: Item<'_>, items: &mut Items<'_>, out: &mut Vec<u8>) -> Result<(), NotConvertible> {
        match item {
            Item::Array(length) => self.inside()?.array(length, items, out),
            Item::Map(length) => self.inside()?.map(length, items, out),
            scalar => write_scalar(scalar, out),
        }
    }

    fn array(self, length: u32, items: &mut Items<'_>, out: &mut Vec<u8>) -> Result<(), NotConvertible> {
        out.push(b'[');
        for index in 0..length {
            if index > 0 {
                out.push(b',');
            }
            self.value(items.next()?, items, out)?;
        }
        out.push(b']');
        Ok(())
    }

    fn map(self, length: u32, items: &mut Items<'_>, out: &mut Vec<u8>) -> Result<(), NotConvertible> {
        out.push(b'{');
        for index in 0..length {
            if index > 0 {
                out.push(b',');
            }
            self.key(items.next()?, items, out)?;
            out.push(b':');
            self.value(items.next()?, items, out)?;
        }
        out.push(b'}');
        Ok(())
    }

    fn key(self, item: Item<'_>, items: &mut Items<'_>, out: &mut Vec<u8>) -> Result<(), NotConvertible> {
        match item {
            Item::Str(text) if text.starts_with(KEPT_PREFIX.as_bytes()) => Err(NotConvertible),
            Item::Str(_) | Item::Bin(_) => write_scalar(item, out),
            Item::Array(_) | Item::Map(_) if self.in_key => Err(NotConvertible),
            Item::Array(_) | Item::Map(_) => {
                let mut text = Vec::new();
                Self { in_key: true, ..self }.value(item, items, &mut text)?;
                write_string(&text, out)
            }
            scalar => {
                out.push(b'"');
                write_scalar(scalar, out)?;
                out.push(b'"');
                Ok(())
            }
        }
    }
}

fn write_scalar(item: Item<'_>, out: &mut Vec<u8>) -> Result<(), NotConvertible> {
    let written = match item {
        Item::Nil => serde_json::to_writer(out, &()),
        Item::Bool(value) => serde_json::to_writer(out, &value),
        Item::Unsigned(value) => serde_json::to_writer(out, &value),
        Item::Signed(value) => serde_json::to_writer(out, &value),
        // As the shortest decimal that reads back as the same f32; not finite: null.
        Item::F32(value) => serde_json::to_writer(out, &value),
        Item::F64(value) => serde_json::to_writer(out, &value),
        Item::Str(text) => return write_string(text, out),
        Item::Bin(bytes) => {
            write_base64(bytes, out);
            return Ok(());
        }
        Item::Array(_) | Item::Map(_) | Item::Ext => return Err(NotConvertible),
    };
    written.map_err(|_| NotConvertible)
}

fn write_string(text: &[u8], out: &mut Vec<u8>) -> Result<(), NotConvertible> {
    let text = std::str::from_utf8(text).map_err(|_| NotConvertible)?;
    serde_json::to_writer(out, text).map_err(|_| NotConvertible)
}

fn write_base64(bytes: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    let start = out.len();
    out.resize(start + BASE64.encode_len(bytes.len()), 0);
    BASE64.encode_mut(bytes, &mut out[start..]);
    out.push(b'"');
}
