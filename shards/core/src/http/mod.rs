//! The HTTP/1.1 side of a connection: heads, answers, keep-alive, one table of paths (D29, D39).
//!
//! **Nothing here waits.** The caller pushes bytes into a [`Conversation`], asks what they are, and sends the answers.
//! Deadlines and tickets are the caller's, too: it names them with a [`Refusal`] and a [`Standing`].
//!
//! Imports run one way: `head`, `origins` and `proxy_protocol` stand alone; `asset`, `client_address`, `desk`,
//! `token_binding` and `upgrade` read heads; `answer` writes what `asset` chose; `routes` decides what a request gets;
//! `conversation` reads bytes and asks `routes`.

mod answer;
mod asset;
mod client_address;
mod conversation;
mod desk;
mod head;
mod origins;
mod proxy_protocol;
mod routes;
mod token_binding;
mod upgrade;

pub use asset::Asset;
pub use client_address::{ClientIpHeader, TrustedProxies};
pub use conversation::{After, Conversation, Next, Read, Refusal, refusal_text};
pub use desk::{Access, Body, DeskAnswer, Inquiry};
pub use head::{HEAD_BYTES_MAX, HEADERS_MAX};
pub use origins::Origins;
pub use routes::{Routes, Site, Sites, Standing, Target};
pub use token_binding::{Binding, BindingVersion, TokenBinding, certificate_fingerprint};
pub use upgrade::{Asks, Upgrade, add_subprotocol, query_parameter};
