use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// How the other players reach a player, as it told us with `ProvideConnectionInfo` (spec 3.7). Unknown keys are dropped;
/// keys keep this order.
#[derive(Debug, Clone, Serialize, Deserialize)]
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
        #[serde(default)]
        transport: super::RelayTransport,
        /// Relay allocation.
        allocation_id: String,
        /// Opaque token.
        token: String,
        /// Number of the client at the relay.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        client_id: Option<u16>,
    },
    /// Through WebRTC.
    #[serde(rename = "webrtc")]
    WebRtc {
        /// Session description; shown as `null` when there is none.
        #[serde(default)]
        sdp: Option<String>,
        /// ICE candidates.
        ice_candidates: Vec<String>,
    },
    /// Anything else, kept as the sender's own text.
    Custom {
        /// The value.
        data: Box<RawValue>,
    },
}
