//! How WebSocket connections ended.

/// Ends of WebSocket connections, by close code. A connection that its client closes counts as 1000, whatever code the
/// client gave; one that ends without a close frame counts as 1006.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Closes([u64; Self::CODES.len()]);

impl Closes {
    /// The codes that are told apart.
    pub const CODES: [u16; 9] = [1000, 1001, 1002, 1003, 1006, 1007, 1008, 1009, 1013];

    /// A connection ended. Codes that are not told apart count as 1008.
    pub(crate) fn count(&mut self, code: u16) {
        let at = Self::CODES.iter().position(|known| *known == code).unwrap_or(6);
        if let Some(count) = self.0.get_mut(at) {
            *count += 1;
        }
    }

    /// How often with this code; 0 for one that is not told apart.
    #[must_use]
    pub fn of(&self, code: u16) -> u64 {
        let at = Self::CODES.iter().position(|known| *known == code);
        at.and_then(|at| self.0.get(at)).copied().unwrap_or(0)
    }
}
