//! Depth of nesting of a JSON text, which raw values do not count (D2).

use super::{DEPTH_MAX, Invalid};

/// Checks that `json`, already known to be grammatical, nests objects and arrays at most [`DEPTH_MAX`] deep.
///
/// # Errors
/// [`Invalid`] if it nests deeper.
pub fn check(json: &str) -> Result<(), Invalid> {
    // Every level takes two bytes, so short texts need no scan.
    if json.len() < 2 * (DEPTH_MAX + 1) {
        return Ok(());
    }
    let mut depth = 0;
    let mut in_string = false;
    let mut bytes = json.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => in_string = !in_string,
            b'\\' if in_string => {
                bytes.next();
            }
            b'[' | b'{' if !in_string => {
                depth += 1;
                if depth > DEPTH_MAX {
                    return Err(Invalid);
                }
            }
            b']' | b'}' if !in_string => depth -= 1,
            _ => {}
        }
    }
    Ok(())
}
