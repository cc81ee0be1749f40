//! How a section of the configuration is written: each key once, with its type, its range, its default and its
//! documentation.
//!
//! ```text
//! section! {
//!     /// What the section is about.
//!     pub struct Server {
//!         /// What the key sets. This is the documentation of the field and of the key.
//!         pub ping_timeout: Duration = key("server.ping_timeout", Integer(1, DAY_SECS), 30).weigh("Low costs pings.");
//!     }
//! }
//! ```
//!
//! makes the struct `Server` with the field `ping_timeout`, and `Server::keys()` with the key. serde fills the field from
//! the last part of the path; where the field has another name or is not of the JSON type, a `#[serde(...)]` behind the
//! documentation says so. Two blocks may follow the struct: `sections` for structs inside this one, and `no_field` for keys
//! whose function does not exist.

use serde::{Deserialize, Deserializer};
use signal_fish_core::protocol::relay;
use signal_fish_core::protocol::signal_fish::Settings;
use signal_fish_core::shard::Options;
use std::sync::LazyLock;
use std::time::Duration;

macro_rules! section {
    (
        $(#[doc = $about:literal])+
        pub struct $section:ident {
            $(
                $(#[doc = $doc:literal])+
                $(#[serde($($serde:tt)+)])?
                pub $field:ident: $type:ty = $key:expr;
            )*
        }
        $( sections { $( pub $inner:ident: $inner_type:ident; )* } )?
        $( no_field { $( $(#[doc = $bare_doc:literal])+ $bare_key:expr; )* } )?
    ) => {
        $(#[doc = $about])+
        #[derive(Debug, Clone, serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        pub struct $section {
            $(
                $(#[doc = $doc])+
                $(#[serde($($serde)+)])?
                pub $field: $type,
            )*
            $($(
                #[doc = concat!("See [`", stringify!($inner_type), "`].")]
                pub $inner: $inner_type,
            )*)?
        }

        impl $section {
            /// The keys of this section, in the order of the manual.
            pub(crate) fn keys() -> Vec<$crate::config::key::Key> {
                let keys = [
                    vec![ $( $key.doc(concat!($($doc),+).trim_ascii()) ),* ],
                    $($( <$inner_type>::keys(), )*)?
                    $( vec![ $( $bare_key.doc(concat!($($bare_doc),+).trim_ascii()) ),* ], )?
                ];
                keys.into_iter().flatten().collect()
            }
        }
    };
}

pub(super) use section;

/// The defaults of Signal Fish. A key whose value goes to the protocol takes its default from here.
pub(super) static SIGNAL_FISH: LazyLock<Settings> = LazyLock::new(Settings::default);

/// The defaults of the room relay. A key whose value goes to the protocol takes its default from here.
pub(super) static RELAY: LazyLock<relay::Settings> = LazyLock::new(relay::Settings::default);

/// The defaults of a shard. A key whose value goes to the shards takes its default from here.
pub(super) static SHARD: LazyLock<Options> = LazyLock::new(Options::default);

/// Ten million: more connections or rooms than one machine holds.
pub(super) const MANY: u64 = 10_000_000;
/// Seconds of a day.
pub(super) const DAY_SECS: u64 = 86_400;
/// Seconds of a year of 365 days.
pub(super) const YEAR_SECS: u64 = 365 * DAY_SECS;
/// Bytes of a mebibyte.
pub(super) const MIB: u64 = 1024 * 1024;
/// The largest number that fits into 32 bits.
pub(super) const U32_MAX: u64 = u32::MAX as u64;

/// Reads a duration that is given in seconds.
pub(super) fn seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    u64::deserialize(deserializer).map(Duration::from_secs)
}

/// Reads a duration that is given in milliseconds.
pub(super) fn milliseconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    u64::deserialize(deserializer).map(Duration::from_millis)
}
