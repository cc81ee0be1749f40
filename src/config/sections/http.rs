//! `http.*`: what the server shows to browsers beside the WebSocket.

use crate::config::key::Kind::Bool;
use crate::config::key::key;
use crate::config::section::section;

section! {
    /// `http.*`.
    pub struct Http {
        /// Whether the server has its pages: `/`, `/playground` and `/dashboard`.
        pub pages: bool = key("http.pages", Bool, true)
            .weigh("Off answers these paths with 404. The pages can do nothing that another client could not do without them.");
    }
}
