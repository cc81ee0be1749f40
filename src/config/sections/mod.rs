//! The sections of the configuration, one file each. A key is added here and nowhere else.

pub(super) mod http;
pub(super) mod logging;
pub(super) mod matchbox;
pub(super) mod protocol;
pub(super) mod rate_limit;
pub(super) mod relay;
pub(super) mod relay_types;
pub(super) mod security;
pub(super) mod server;
pub(super) mod shards;
pub(super) mod websocket;
