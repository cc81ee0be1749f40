//! What nodes publish on the channel of a room (protocol 16.7):
//! `{"senderId":"client:…","data":<the message>,"originServerId":"srv:<unix ms>:<random>"}`.
//!
//! `data` is the sender's text, byte for byte. No JSON tree is built in either direction.

use super::wire::{self, Voice};
use crate::json::{Invalid, Scanner};
use crate::room::MemberId;
use std::borrow::Cow;

/// What ids of clients begin with.
const CLIENT: &str = "client:";
/// Bytes that an envelope may have beyond its message: names, ids, white space.
pub const OVERHEAD_BYTES_MAX: usize = 1024;

/// An envelope that was read.
#[derive(Debug, PartialEq, Eq)]
pub struct Envelope<'a> {
    /// The sender, if its id is of the form of ours. Other publishers may have other ids.
    pub sender: Option<MemberId>,
    /// The message. It is valid.
    pub data: &'a str,
    /// A client says it, and not a node.
    pub is_of_client: bool,
    /// The node that published it.
    pub origin: Cow<'a, str>,
}

/// Appends the envelope of a message.
pub fn write(sender: MemberId, data: &[u8], origin: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(br#"{"senderId":"client:"#);
    out.extend_from_slice(sender.encode(&mut [0; 36]).as_bytes());
    out.extend_from_slice(br#"","data":"#);
    out.extend_from_slice(data);
    out.extend_from_slice(br#","originServerId":""#);
    out.extend_from_slice(origin.as_bytes());
    out.extend_from_slice(br#""}"#);
}

/// How long [`write()`] makes it.
#[must_use]
pub fn length(data: &[u8], origin: &str) -> usize {
    const AROUND: usize = r#"{"senderId":"client:","data":,"originServerId":""}"#.len() + 36;
    AROUND + data.len() + origin.len()
}

/// Reads an envelope. Whoever can publish is not a client, but what it publishes reaches clients: `data` has to be what a
/// client may send (R8), or what a node says when a client is gone.
///
/// # Errors
/// It is none, a name is repeated or missing, or its message is not valid.
pub fn read(text: &str) -> Result<Envelope<'_>, Invalid> {
    scan(text).ok_or(Invalid)
}

fn scan(text: &str) -> Option<Envelope<'_>> {
    /// The object around the values.
    const OUTER: usize = 1;
    let (mut sender, mut data, mut origin) = (None, None, None);
    let mut scanner = Scanner::new(text);
    scanner.tokens(&[b"{"])?;
    scanner.space();
    loop {
        let key = wire::string(text, &mut scanner)?;
        scanner.tokens(&[b":"])?;
        scanner.space();
        match &*key {
            "senderId" => set(&mut sender, wire::string(text, &mut scanner)?)?,
            "originServerId" => set(&mut origin, wire::string(text, &mut scanner)?)?,
            "data" => {
                let start = scanner.at();
                scanner.value_inside(0)?;
                set(&mut data, text.get(start..scanner.at())?)?;
            }
            _ => scanner.value_inside(OUTER)?,
        }
        scanner.space();
        if scanner.tokens(&[b"}"]).is_some() {
            break;
        }
        scanner.tokens(&[b","])?;
        scanner.space();
    }
    scanner.end()?;
    let data = data?;
    let voice = wire::voice(data)?;
    Some(Envelope {
        sender: sender?.strip_prefix(CLIENT).and_then(MemberId::parse),
        data,
        is_of_client: voice == Voice::Client,
        origin: origin?,
    })
}

/// Keeps a value that may be there once.
fn set<T>(place: &mut Option<T>, value: T) -> Option<()> {
    place.replace(value).is_none().then_some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ORIGIN: &str = "srv:1700000000000:00ff00ff";

    fn id() -> MemberId {
        MemberId::from_random([7; 16])
    }

    fn written(data: &str) -> String {
        let mut out = Vec::new();
        write(id(), data.as_bytes(), ORIGIN, &mut out);
        assert_eq!(out.len(), length(data.as_bytes(), ORIGIN));
        assert!(out.len() <= data.len() + OVERHEAD_BYTES_MAX);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn what_is_written_reads_back() {
        for (data, is_of_client) in [
            (r#"{"type":"offer","sdp":"\u0041 ä𝄞","n":1e5, "x" : [ ] }"#, true),
            (
                r#"{"type":"peer-disconnected","clientId":"client:00000000-0000-4000-8000-000000000000"}"#,
                false,
            ),
        ] {
            let text = written(data);
            let envelope = read(&text).unwrap();
            assert_eq!(envelope.sender, Some(id()));
            assert_eq!(envelope.data, data, "byte for byte");
            assert_eq!(envelope.is_of_client, is_of_client);
            assert_eq!(envelope.origin, ORIGIN);
        }
        let spaced = written("\n {\"type\":\"x\"}\t");
        assert_eq!(
            read(&spaced).unwrap().data,
            r#"{"type":"x"}"#,
            "white space around it is lost"
        );
    }

    #[test]
    fn other_publishers_are_understood() {
        let text = r#" { "extra" : [1] , "originServerId":"srv:1:a", "data" : {"type":"x"} , "senderId" : "bot" } "#;
        let envelope = read(text).unwrap();
        assert_eq!((envelope.sender, envelope.data), (None, r#"{"type":"x"}"#));
        let text = r#"{"senderId":"client:\u0037","data":{"type":"x"},"originServerId":"s\u0072v"}"#;
        assert_eq!(read(text).unwrap().origin, "srv");
    }

    #[test]
    fn junk_is_refused() {
        let valid = written(r#"{"type":"x"}"#);
        assert!(read(&valid).is_ok());
        for end in 0..valid.len() {
            assert_eq!(read(&valid[..end]), Err(Invalid), "cut at {end}");
        }
        let with = |data: &str| format!(r#"{{"senderId":"a","data":{data},"originServerId":"b"}}"#);
        for text in [
            String::new(),
            "[]".into(),
            "{}".into(),
            r#"{"data":{"type":"x"},"originServerId":"b"}"#.into(),
            r#"{"senderId":"a","originServerId":"b"}"#.into(),
            r#"{"senderId":"a","data":{"type":"x"}}"#.into(),
            r#"{"senderId":1,"data":{"type":"x"},"originServerId":"b"}"#.into(),
            r#"{"senderId":"a","data":{"type":"x"},"data":{"type":"x"},"originServerId":"b"}"#.into(),
            r#"{"senderId":"a","senderId":"a","data":{"type":"x"},"originServerId":"b"}"#.into(),
            r#"{"senderId":"a","data":{"type":"x"},"originServerId":"b","d\u0061ta":{"type":"y"}}"#.into(),
            with("1"),
            with("[]"),
            with("null"),
            with(r#""{\"type\":\"x\"}""#),
            with(r#"{"no":"type"}"#),
            with(r#"{"type":"x","type":"y"}"#),
            with(r#"{"type":""}"#),
            with(r#"{"type":"control","action":"schema-error"}"#),
            with(r#"{"type":"x","a":"\ud800"}"#),
            with(r#"{"type":"x","a":1e999}"#),
            with(&format!(r#"{{"type":"x","a":{}{}}}"#, "[".repeat(120), "]".repeat(120))),
        ] {
            assert_eq!(read(&text), Err(Invalid), "{text}");
        }
        let deepest = with(&format!(r#"{{"type":"x","a":{}{}}}"#, "[".repeat(119), "]".repeat(119)));
        assert!(
            read(&deepest).is_ok(),
            "the envelope does not count towards the depth of its message"
        );
    }

    proptest! {
        #[test]
        fn no_text_makes_it_fail(text in r#"[{}\[\]":,a-z\\ ]{0,40}|\{"(senderId|data|originServerId)":.{0,30}"#) {
            let _ = read(&text);
        }
    }
}
