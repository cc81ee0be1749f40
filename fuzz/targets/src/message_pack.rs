//! MessagePack of clients: it becomes short strict JSON, or nothing.

use crate::strict::assert_strict;
use signal_fish_core::protocol::signal_fish::wire::json_strict;
use signal_fish_core::protocol::signal_fish::wire::message_pack::{EXPANSION_MAX, check_depth, to_json};

/// A binary message.
pub fn message_pack(data: &[u8]) {
    const BEFORE: &[u8] = b"before";
    let _ = check_depth(data);
    let mut out = BEFORE.to_vec();
    let converted = to_json(data, &mut out);
    let appended = out.strip_prefix(BEFORE).expect("what was there stays");
    if converted.is_err() {
        assert!(appended.is_empty(), "an error leaves nothing behind");
        return;
    }
    let text = std::str::from_utf8(appended).expect("JSON is text");
    assert!(
        text.len() <= EXPANSION_MAX * data.len(),
        "{} of {}",
        text.len(),
        data.len()
    );
    assert!(json_strict::check(text).is_ok(), "{text}");
    assert_strict(text);
    // Whatever follows the first value changes nothing.
    let mut again = Vec::new();
    let more = [data, b"\xc1"].concat();
    assert!(to_json(&more, &mut again).is_ok() && again == appended);
}
