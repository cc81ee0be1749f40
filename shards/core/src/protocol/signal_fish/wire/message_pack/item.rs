//! MessagePack, one item at a time.

use rmp::Marker;
use rmp::decode::{Bytes, RmpRead};
use std::fmt;

/// The payload is empty, invalid or holds something that JSON cannot express (D38).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotConvertible;

impl fmt::Display for NotConvertible {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("payload cannot be converted to JSON")
    }
}

impl std::error::Error for NotConvertible {}

/// One value, or the head of an array or map whose values follow.
#[derive(Debug, Clone, Copy)]
pub(super) enum Item<'a> {
    Nil,
    Bool(bool),
    Unsigned(u64),
    Signed(i64),
    F32(f32),
    F64(f64),
    /// Not yet checked to be UTF-8.
    Str(&'a [u8]),
    Bin(&'a [u8]),
    /// Number of values that follow, as announced.
    Array(u32),
    /// Number of pairs that follow, as announced.
    Map(u32),
    Ext,
}

/// The items of a payload, in order.
#[derive(Debug)]
pub(super) struct Items<'a> {
    rest: Bytes<'a>,
}

impl<'a> Items<'a> {
    pub(super) fn new(payload: &'a [u8]) -> Self {
        Self {
            rest: Bytes::new(payload),
        }
    }

    /// The next item; an error at the end of the payload, and where its bytes make no sense.
    pub(super) fn next(&mut self) -> Result<Item<'a>, NotConvertible> {
        let marker = Marker::from_u8(self.rest.read_u8().map_err(|_| NotConvertible)?);
        Ok(match marker {
            Marker::Null => Item::Nil,
            Marker::False => Item::Bool(false),
            Marker::True => Item::Bool(true),
            Marker::FixPos(value) => Item::Unsigned(value.into()),
            Marker::FixNeg(value) => Item::Signed(value.into()),
            Marker::U8 => Item::Unsigned(self.u8()?.into()),
            Marker::U16 => Item::Unsigned(self.u16()?.into()),
            Marker::U32 => Item::Unsigned(self.u32()?.into()),
            Marker::U64 => Item::Unsigned(self.rest.read_data_u64().map_err(|_| NotConvertible)?),
            Marker::I8 => Item::Signed(self.rest.read_data_i8().map_err(|_| NotConvertible)?.into()),
            Marker::I16 => Item::Signed(self.rest.read_data_i16().map_err(|_| NotConvertible)?.into()),
            Marker::I32 => Item::Signed(self.rest.read_data_i32().map_err(|_| NotConvertible)?.into()),
            Marker::I64 => Item::Signed(self.rest.read_data_i64().map_err(|_| NotConvertible)?),
            Marker::F32 => Item::F32(self.rest.read_data_f32().map_err(|_| NotConvertible)?),
            Marker::F64 => Item::F64(self.rest.read_data_f64().map_err(|_| NotConvertible)?),
            Marker::FixStr(length) => Item::Str(self.take(length.into())?),
            Marker::Str8 => self.u8().and_then(|length| self.str(length.into()))?,
            Marker::Str16 => self.u16().and_then(|length| self.str(length.into()))?,
            Marker::Str32 => self.u32().and_then(|length| self.str(length))?,
            Marker::Bin8 => self.u8().and_then(|length| self.bin(length.into()))?,
            Marker::Bin16 => self.u16().and_then(|length| self.bin(length.into()))?,
            Marker::Bin32 => self.u32().and_then(|length| self.bin(length))?,
            Marker::FixArray(length) => Item::Array(length.into()),
            Marker::Array16 => Item::Array(self.u16()?.into()),
            Marker::Array32 => Item::Array(self.u32()?),
            Marker::FixMap(length) => Item::Map(length.into()),
            Marker::Map16 => Item::Map(self.u16()?.into()),
            Marker::Map32 => Item::Map(self.u32()?),
            Marker::FixExt1 => self.ext(1)?,
            Marker::FixExt2 => self.ext(2)?,
            Marker::FixExt4 => self.ext(4)?,
            Marker::FixExt8 => self.ext(8)?,
            Marker::FixExt16 => self.ext(16)?,
            Marker::Ext8 => self.u8().and_then(|length| self.ext(length.into()))?,
            Marker::Ext16 => self.u16().and_then(|length| self.ext(length.into()))?,
            Marker::Ext32 => self.u32().and_then(|length| self.ext(length))?,
            Marker::Reserved => return Err(NotConvertible),
        })
    }

    /// Nothing follows.
    pub(super) fn end(&self) -> Result<(), NotConvertible> {
        self.rest
            .remaining_slice()
            .is_empty()
            .then_some(())
            .ok_or(NotConvertible)
    }

    fn u8(&mut self) -> Result<u8, NotConvertible> {
        self.rest.read_data_u8().map_err(|_| NotConvertible)
    }

    fn u16(&mut self) -> Result<u16, NotConvertible> {
        self.rest.read_data_u16().map_err(|_| NotConvertible)
    }

    fn u32(&mut self) -> Result<u32, NotConvertible> {
        self.rest.read_data_u32().map_err(|_| NotConvertible)
    }

    fn str(&mut self, length: u32) -> Result<Item<'a>, NotConvertible> {
        self.take(length).map(Item::Str)
    }

    fn bin(&mut self, length: u32) -> Result<Item<'a>, NotConvertible> {
        self.take(length).map(Item::Bin)
    }

    /// The type of an ext and its `length` bytes.
    fn ext(&mut self, length: u32) -> Result<Item<'a>, NotConvertible> {
        self.u8()?;
        self.take(length)?;
        Ok(Item::Ext)
    }

    fn take(&mut self, length: u32) -> Result<&'a [u8], NotConvertible> {
        let length = usize::try_from(length).map_err(|_| NotConvertible)?;
        let (taken, rest) = self
            .rest
            .remaining_slice()
            .split_at_checked(length)
            .ok_or(NotConvertible)?;
        self.rest = Bytes::new(rest);
        Ok(taken)
    }
}
