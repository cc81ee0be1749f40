//! One room of Signal Fish: members, seats, lobby, authority and replay, without anything that is sent.
//!
//! The methods change a room and say what changed; the protocol tells the members.

mod authority;
mod key;
mod lobby;
mod member;
mod seats;
mod state;
mod token;
mod traffic;
mod view;

pub use authority::AuthorityDenied;
pub use key::key;
pub use lobby::{NotInLobby, Readied};
pub use member::{HeldSeat, Player, Spectator};
pub use seats::{Departure, NoSeat};
pub use state::{Plan, Room};
pub use token::Token;
pub use traffic::Traffic;
