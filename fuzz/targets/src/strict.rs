//! What a strict parser makes of JSON.

use serde_json::Value;
use serde_json::value::RawValue;
use signal_fish_core::protocol::signal_fish::wire::json_strict::KEPT_PREFIX;

/// Holds that a strict parser reads `json`.
pub(crate) fn assert_strict(json: &str) {
    assert!(serde_json::from_str::<&RawValue>(json).is_ok(), "no JSON: {json}");
    let read = serde_json::from_str::<Value>(json);
    assert!(read.is_ok(), "{read:?}: {json}");
}

/// Whether an object in `json` has a key that a parser keeps for itself.
pub(crate) fn has_kept_key(json: &Value) -> bool {
    match json {
        Value::Array(values) => values.iter().any(has_kept_key),
        Value::Object(members) => members
            .iter()
            .any(|(key, value)| key.starts_with(KEPT_PREFIX) || has_kept_key(value)),
        _ => false,
    }
}

/// How deep arrays and objects nest in `json`, and whether all its numbers fit a double, looked at as text.
pub(crate) fn depth_and_finite(json: &str) -> (usize, bool) {
    let (mut depth, mut deepest, mut finite) = (0_usize, 0, true);
    let mut rest = json;
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '"' => string_length(rest),
            '0'..='9' | '-' => {
                let is_part = |c: char| c.is_ascii_digit() || "+-.eE".contains(c);
                let length = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
                finite &= rest[..length].parse::<f64>().is_ok_and(f64::is_finite);
                length
            }
            _ => first.len_utf8(),
        };
        match first {
            '[' | '{' => depth += 1,
            ']' | '}' => depth -= 1,
            _ => {}
        }
        deepest = deepest.max(depth);
        rest = &rest[length..];
    }
    (deepest, finite)
}

/// The length of the string that valid JSON begins with, quotes included.
fn string_length(json: &str) -> usize {
    let mut escaped = false;
    let end = json.bytes().skip(1).position(|byte| {
        let ends = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        ends
    });
    end.map_or(json.len(), |end| end + 2)
}
