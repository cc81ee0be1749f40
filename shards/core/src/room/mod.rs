//! What every room has, whatever its protocol: a name, an id, members that speak dialects, and what is kept for those who
//! come back.

mod id;
mod key;
mod members;
mod open;
mod overview;
mod replay;
mod replays;
mod table;

pub use id::{MemberId, RoomId};
pub use key::RoomKey;
pub use members::{Dialect, Member, Members};
pub use open::OpenRooms;
pub use overview::{MemberDetail, RoomDetail, RoomOverview, RoomPage, RoomQuery};
pub use replay::Replay;
pub use replays::Replays;
pub use table::{Entry, RoomHandle, Rooms};
