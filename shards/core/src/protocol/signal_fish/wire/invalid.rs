//! What makes a message invalid, and the bound that every relayed value must keep.

/// Deepest nesting of objects and arrays that a relayed value may have; deeper ones could break the parsers of other
/// players (D2).
pub const DEPTH_MAX: usize = 120;

/// The text is no valid client message; the answer is always the same (protocol 2.8).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Invalid;
