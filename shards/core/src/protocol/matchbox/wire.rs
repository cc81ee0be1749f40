//! Every message of matchbox as bytes. Nothing is built of a signal's data: it is checked, and passed on as it came.

use crate::json::{self, Invalid, Scanner};
use crate::room::MemberId;
use serde::Deserialize;
use serde_json::value::RawValue;

/// A message of a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientMessage<'a> {
    /// A signal to another peer. `data` is the JSON text of the value, as it came.
    Signal {
        /// To whom.
        receiver: MemberId,
        /// What.
        data: &'a str,
    },
    /// A sign of life.
    KeepAlive,
}

/// A message as the general parser reads it.
#[derive(Deserialize)]
enum Parsed<'a> {
    Signal {
        receiver: MemberId,
        #[serde(borrow)]
        data: &'a RawValue,
    },
    KeepAlive,
}

impl<'a> ClientMessage<'a> {
    /// Reads the text of a message.
    ///
    /// # Errors
    /// It is none, or it nests deeper than [`DEPTH_MAX`](json::DEPTH_MAX), or it is JSON that strict parsers refuse (D2).
    pub fn parse(text: &'a str) -> Result<Self, Invalid> {
        if let Some((receiver, data)) = usual_signal(text) {
            return Ok(Self::Signal { receiver, data });
        }
        json::check(text)?;
        match serde_json::from_str(text) {
            Ok(Parsed::Signal { receiver, data }) => Ok(Self::Signal {
                receiver,
                data: data.get(),
            }),
            Ok(Parsed::KeepAlive) => Ok(Self::KeepAlive),
            Err(_) => Err(Invalid),
        }
    }
}

/// `{"Signal":{"receiver":"<id>","data":<value>}}`, as the usual clients write it, in one pass. `None` says only that it
/// is written otherwise.
fn usual_signal(text: &str) -> Option<(MemberId, &str)> {
    /// Objects around the value.
    const OUTER: usize = 2;
    let mut scanner = Scanner::new(text);
    scanner.tokens(&[b"{", br#""Signal""#, b":", b"{", br#""receiver""#, b":"])?;
    scanner.space();
    let quoted = scanner.at();
    scanner.string()?;
    let receiver = MemberId::parse(text.get(quoted + 1..scanner.at() - 1)?)?;
    scanner.tokens(&[b",", br#""data""#, b":"])?;
    scanner.space();
    let start = scanner.at();
    scanner.value_inside(OUTER)?;
    let end = scanner.at();
    scanner.tokens(&[b"}", b"}"])?;
    scanner.end()?;
    Some((receiver, text.get(start..end)?))
}

/// The id of the client itself.
pub fn write_id_assigned(id: MemberId, out: &mut Vec<u8>) {
    write_id(br#"{"IdAssigned":""#, id, out);
}

/// A peer to which the client makes an offer.
pub fn write_new_peer(id: MemberId, out: &mut Vec<u8>) {
    write_id(br#"{"NewPeer":""#, id, out);
}

/// A peer is gone.
pub fn write_peer_left(id: MemberId, out: &mut Vec<u8>) {
    write_id(br#"{"PeerLeft":""#, id, out);
}

/// A signal. `data` is JSON text.
pub fn write_signal(sender: MemberId, data: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(br#"{"Signal":{"sender":""#);
    out.extend_from_slice(sender.encode(&mut [0; 36]).as_bytes());
    out.extend_from_slice(br#"","data":"#);
    out.extend_from_slice(data.as_bytes());
    out.extend_from_slice(b"}}");
}

fn write_id(head: &[u8], id: MemberId, out: &mut Vec<u8>) {
    out.extend_from_slice(head);
    out.extend_from_slice(id.encode(&mut [0; 36]).as_bytes());
    out.extend_from_slice(br#""}"#);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::DEPTH_MAX;
    use proptest::prelude::*;

    const ID: &str = "67e55044-10b1-426f-9247-bb680e5fe0c8";

    fn id() -> MemberId {
        MemberId::parse(ID).unwrap()
    }

    fn signal(data: &str) -> ClientMessage<'_> {
        ClientMessage::Signal { receiver: id(), data }
    }

    #[test]
    fn a_signal_is_read_however_it_is_written() {
        for text in [
            format!(r#"{{"Signal":{{"receiver":"{ID}","data":[1, 2]}}}}"#),
            format!(" {{ \"Signal\" : {{ \"receiver\" : \"{ID}\" ,\n\"data\" : [1, 2] }} }} "),
            format!(r#"{{"Signal":{{"data":[1, 2],"receiver":"{ID}"}}}}"#),
            format!(r#"{{"Signal":{{"receiver":"{ID}","data":[1, 2],"more":{{}}}}}}"#),
            format!(r#"{{"Signal":["{ID}",[1, 2]]}}"#),
            format!(r#"{{"Sign\u0061l":{{"receiver":"{ID}","data":[1, 2]}}}}"#),
            format!(r#"{{"Signal":{{"receiver":"{}","data":[1, 2]}}}}"#, ID.to_uppercase()),
            format!(r#"{{"Signal":{{"receiver":"{}","data":[1, 2]}}}}"#, ID.replace('-', "")),
            format!(r#"{{"Signal":{{"receiver":"{{{ID}}}","data":[1, 2]}}}}"#),
            format!(r#"{{"Signal":{{"receiver":"\u0036{}","data":[1, 2]}}}}"#, &ID[1..]),
        ] {
            assert_eq!(ClientMessage::parse(&text), Ok(signal("[1, 2]")), "{text}");
        }
    }

    #[test]
    fn a_sign_of_life_has_two_forms() {
        for text in [r#""KeepAlive""#, r#"{"KeepAlive":null}"#, " \"KeepAlive\" "] {
            assert_eq!(ClientMessage::parse(text), Ok(ClientMessage::KeepAlive), "{text}");
        }
    }

    #[test]
    fn everything_else_is_no_message() {
        for text in [
            String::new(),
            "null".to_owned(),
            "{}".to_owned(),
            r#""Signal""#.to_owned(),
            r#"{"KeepAlive":1}"#.to_owned(),
            r#"{"Signal":null}"#.to_owned(),
            format!(r#"{{"Signal":{{"receiver":"{ID}"}}}}"#),
            r#"{"Signal":{"data":1}}"#.to_owned(),
            r#"{"Signal":{"receiver":"67e55044","data":1}}"#.to_owned(),
            r#"{"Signal":{"receiver":7,"data":1}}"#.to_owned(),
            format!(r#"{{"Signal":{{"receiver":"{ID}","data":1,"data":2}}}}"#),
            format!(r#"{{"Signal":{{"receiver":"{ID}","receiver":"{ID}","data":1}}}}"#),
            format!(r#"{{"Signal":["{ID}"]}}"#),
            format!(r#"{{"Signal":["{ID}",1,2]}}"#),
            format!(r#"{{"Signal":{{"receiver":"{ID}","data":1}},"more":1}}"#),
            format!(r#"{{"Signal":{{"receiver":"{ID}","data":1}}}} x"#),
            format!(r#"{{"Signal":{{"receiver":"{ID}","data":"\ud800"}}}}"#),
            format!(r#"{{"Signal":{{"receiver":"{ID}","data":1e999}}}}"#),
            format!(r#"{{"IdAssigned":"{ID}"}}"#),
        ] {
            assert_eq!(ClientMessage::parse(&text), Err(Invalid), "{text}");
        }
    }

    #[test]
    fn nesting_counts_from_the_outermost_bracket_in_every_form() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        for (open, close) in [
            (format!(r#"{{"Signal":{{"receiver":"{ID}","data":"#), "}}"),
            (format!(r#"{{"Signal":{{"receiver":"{ID}","more":0,"data":"#), "}}"),
            (format!(r#"{{"Signal":["{ID}","#), "]}"),
        ] {
            let deepest = nested(DEPTH_MAX - 2);
            assert_eq!(
                ClientMessage::parse(&format!("{open}{deepest}{close}")),
                Ok(signal(&deepest))
            );
            for deeper in [DEPTH_MAX - 1, 100_000] {
                let text = format!("{open}{}{close}", nested(deeper));
                assert_eq!(ClientMessage::parse(&text), Err(Invalid), "{deeper}");
            }
        }
    }

    #[test]
    fn messages_are_compact_and_their_keys_in_order() {
        let written = |write: &dyn Fn(&mut Vec<u8>)| {
            let mut out = Vec::new();
            write(&mut out);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(
            written(&|out| write_id_assigned(id(), out)),
            format!(r#"{{"IdAssigned":"{ID}"}}"#)
        );
        assert_eq!(
            written(&|out| write_new_peer(id(), out)),
            format!(r#"{{"NewPeer":"{ID}"}}"#)
        );
        assert_eq!(
            written(&|out| write_peer_left(id(), out)),
            format!(r#"{{"PeerLeft":"{ID}"}}"#)
        );
        assert_eq!(
            written(&|out| write_signal(id(), r#"{"b":1.0, "a":2}"#, out)),
            format!(r#"{{"Signal":{{"sender":"{ID}","data":{{"b":1.0, "a":2}}}}}}"#)
        );
    }

    proptest! {
        /// The fast way takes nothing that the general one does not take, and with the same meaning.
        #[test]
        fn both_ways_of_reading_agree(data in r#"[\[\]{}",:0-9a\\u ]{0,24}"#, spaced in any::<bool>()) {
            let space = if spaced { " " } else { "" };
            let text = format!(r#"{{"Signal"{space}:{{"receiver":"{ID}",{space}"data":{data}}}}}"#);
            if let Some((_, fast)) = usual_signal(&text) {
                prop_assert!(json::check(&text).is_ok());
                match serde_json::from_str(&text) {
                    Ok(Parsed::Signal { data, .. }) => prop_assert_eq!(data.get(), fast),
                    _ => prop_assert!(false, "the general parser refuses {}", text),
                }
            }
        }
    }
}
