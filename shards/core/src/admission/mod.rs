//! Admission: the one truth on counts. Connections per IP and in all, attempts per IP and window, rooms per game and app,
//! authentications per app (D22, D23, D25, D27, D40).
//!
//! A shard **asks**, admission answers with a **verdict**. What a verdict grants comes as a [`Ticket`] or a [`Permit`],
//! values that cannot be copied; whoever holds one gives it back with a [`Notice`] when the connection or the room ends.

mod app;
mod ask;
mod attempts;
mod authentications;
mod bans;
mod bucket;
mod client_address;
mod crowding;
mod handshakes;
mod limits;
mod loans;
mod rules;
mod totals;

pub use app::{AppIndex, FOUND_APPS_MAX, FoundApp};
pub use ask::{Ask, Notice, Permit, Refusal, Seat, Ticket, Token, Verdict};
pub use attempts::WINDOWS_MAX;
pub use bans::{BANS_MAX, TooManyBans};
pub use bucket::{Bucket, Rate};
pub use client_address::normalise;
pub use limits::{AppLimits, Limits, ROOMS_MAX};
pub use loans::{ADDRESSES_MAX, Loan, Rates};
pub use rules::Admission;
pub use totals::{Refusals, Totals};
