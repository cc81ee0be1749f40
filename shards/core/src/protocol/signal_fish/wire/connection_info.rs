//! How players reach each other.

use super::json_strict;
use crate::json::Invalid;
use serde::{Deserialize, Deserializer, Serialize, de};
use serde_json::value::RawValue;
use std::borrow::Cow;

/// Longest JSON text of a connection info that a client may provide, in bytes (D37). Shown to others it is at most 32
/// bytes longer, for the keys that are always present.
pub const CONNECTION_INFO_BYTES_MAX: usize = 4096;

/// Most memory that a [`ConnectionInfo`] takes, in bytes: its text as a list of empty ICE candidates.
pub const CONNECTION_INFO_MEMORY_MAX: usize = 10 * CONNECTION_INFO_BYTES_MAX;

/// How the other players reach a player, as it told us with `ProvideConnectionInfo` (protocol 3.7). Unknown keys are dropped;
/// keys are written in this order, after `type`.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ConnectionInfo {
    /// Reachable directly.
    Direct {
        /// Host name or address.
        host: String,
        /// Port.
        port: u16,
    },
    /// Through Unity's relay.
    UnityRelay {
        /// Relay allocation.
        allocation_id: String,
        /// Opaque connection data.
        connection_data: String,
        /// Opaque key.
        key: String,
    },
    /// Through another relay.
    Relay {
        /// Host name or address.
        host: String,
        /// Port.
        port: u16,
        /// Transport of the relay; always shown.
        transport: RelayTransport,
        /// Relay allocation.
        allocation_id: String,
        /// Opaque token.
        token: String,
        /// Number of the client at the relay.
        #[serde(skip_serializing_if = "Option::is_none")]
        client_id: Option<u16>,
    },
    /// Through WebRTC.
    #[serde(rename = "webrtc")]
    WebRtc {
        /// Session description; shown as `null` when there is none.
        sdp: Option<String>,
        /// ICE candidates.
        ice_candidates: Vec<String>,
    },
    /// Anything else, kept as the sender's own text, which an ordinary parser can read.
    Custom {
        /// The value.
        data: Box<RawValue>,
    },
}

/// Transport of a relay.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RelayTransport {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// WebSocket.
    Websocket,
    /// Whatever works.
    #[default]
    Auto,
}

impl ConnectionInfo {
    /// Reads what a client provides: an object, `type` anywhere in it.
    ///
    /// # Errors
    /// [`Invalid`] for text over [`CONNECTION_INFO_BYTES_MAX`], of an unknown type, or with keys that are missing, twice
    /// there or of the wrong type; also for text that a strict parser could not read (D2): nobody could read a snapshot
    /// that carries it, so nobody could join any more.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        if text.len() > CONNECTION_INFO_BYTES_MAX {
            return Err(Invalid);
        }
        json_strict::check(text)?;
        let mut info = read(text).map_err(|_| Invalid)?;
        if let Self::WebRtc { ice_candidates, .. } = &mut info {
            ice_candidates.shrink_to_fit();
        }
        Ok(info)
    }
}

impl ConnectionInfo {
    /// Bytes of memory that it takes on the heap, itself included.
    #[must_use]
    pub fn memory(&self) -> usize {
        let texts = match self {
            Self::Direct { host, .. } => host.capacity(),
            Self::UnityRelay {
                allocation_id,
                connection_data,
                key,
            } => allocation_id.capacity() + connection_data.capacity() + key.capacity(),
            Self::Relay {
                host,
                allocation_id,
                token,
                ..
            } => host.capacity() + allocation_id.capacity() + token.capacity(),
            Self::WebRtc { sdp, ice_candidates } => {
                let each = |text: &String| text.capacity();
                let list = ice_candidates.capacity() * size_of::<String>();
                sdp.as_ref().map_or(0, each) + list + ice_candidates.iter().map(each).sum::<usize>()
            }
            Self::Custom { data } => data.get().len(),
        };
        size_of::<Self>() + texts
    }
}

/// Serde's own internally tagged enums put every value through a buffer that a raw value does not survive. So the text is
/// read twice: once for the type, once for its keys.
fn read(text: &str) -> Result<ConnectionInfo, serde_json::Error> {
    #[derive(Deserialize)]
    struct Tag<'a> {
        #[serde(rename = "type", borrow)]
        kind: Cow<'a, str>,
    }

    if !text.trim_ascii_start().starts_with('{') {
        return Err(de::Error::custom("connection info is not an object"));
    }
    let Tag { kind } = serde_json::from_str(text)?;
    Ok(match &*kind {
        "direct" => serde_json::from_str::<Direct>(text)?.into(),
        "unity_relay" => serde_json::from_str::<UnityRelay>(text)?.into(),
        "relay" => serde_json::from_str::<Relay>(text)?.into(),
        "webrtc" => serde_json::from_str::<WebRtc>(text)?.into(),
        "custom" => serde_json::from_str::<Custom>(text)?.into(),
        _ => return Err(de::Error::custom("unknown type of connection info")),
    })
}

/// Works with `serde_json` alone, as raw values do.
impl<'de> Deserialize<'de> for ConnectionInfo {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Box::<RawValue>::deserialize(deserializer)?;
        read(text.get()).map_err(de::Error::custom)
    }
}

/// The keys of one variant, so that each can be read without the tag.
macro_rules! keys {
    ($name:ident { $($(#[$attribute:meta])* $key:ident: $type:ty,)* }) => {
        #[derive(Deserialize)]
        struct $name {
            $($(#[$attribute])* $key: $type,)*
        }

        impl From<$name> for ConnectionInfo {
            fn from($name { $($key),* }: $name) -> Self {
                Self::$name { $($key),* }
            }
        }
    };
}

keys!(Direct {
    host: String,
    port: u16,
});
keys!(UnityRelay {
    allocation_id: String,
    connection_data: String,
    key: String,
});
keys!(Relay {
    host: String,
    port: u16,
    #[serde(default, deserialize_with = "null_is_default")]
    transport: RelayTransport,
    allocation_id: String,
    token: String,
    client_id: Option<u16>,
});
keys!(WebRtc {
    sdp: Option<String>,
    ice_candidates: Vec<String>,
});
keys!(Custom { data: Box<RawValue>, });

/// A JSON null equals an absent key (protocol 3).
fn null_is_default<'de, D: Deserializer<'de>>(deserializer: D) -> Result<RelayTransport, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_takes_more_memory_than_announced() {
        let frame = r#"{"type":"webrtc","ice_candidates":[]}"#.len() + 2;
        let candidates = |text: &str| {
            let list = format!(r#""{text}","#).repeat((CONNECTION_INFO_BYTES_MAX - frame) / (text.len() + 3));
            format!(r#"{{"type":"webrtc","ice_candidates":[{}""]}}"#, list)
        };
        let mut most = 0;
        for text in ["", "x", "candidate:1 1 UDP 1 127.0.0.1 1 typ host"] {
            let info = ConnectionInfo::parse(&candidates(text)).expect("it is short enough");
            most = most.max(info.memory());
        }
        assert!(most <= CONNECTION_INFO_MEMORY_MAX, "{most}");
        assert!(most > CONNECTION_INFO_MEMORY_MAX / 2, "{most}");
    }
}
