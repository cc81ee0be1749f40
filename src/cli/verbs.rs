//! What the command line asks of a running server.

use argh::FromArgs;
use form_urlencoded::Serializer;

/// What to ask of a running server. Needs `security.admin_token`.
#[derive(FromArgs, Debug)]
#[argh(subcommand)]
pub(super) enum Verb {
    /// How it is.
    Status(Status),
    /// Its rooms.
    Rooms(Rooms),
    /// One room.
    Room(Room),
    /// Close a room.
    Close(Close),
    /// Remove a player.
    Kick(Kick),
    /// Who is banned.
    Bans(Bans),
    /// Ban an address.
    Ban(Ban),
    /// Lift a ban.
    Unban(Unban),
}

/// show how the running server is
#[derive(FromArgs, Debug)]
#[argh(subcommand, name = "status")]
pub(super) struct Status {}

/// list rooms
#[derive(FromArgs, Debug)]
#[argh(subcommand, name = "rooms")]
pub(super) struct Rooms {
    /// only of this game
    #[argh(option)]
    game: Option<String>,
    /// only with this code
    #[argh(option)]
    code: Option<String>,
    /// only of this app
    #[argh(option)]
    app: Option<String>,
    /// how many at most, 100 unless given
    #[argh(option)]
    limit: Option<String>,
    /// go on where the page before ended
    #[argh(option)]
    after: Option<String>,
}

/// show a room and who is in it
#[derive(FromArgs, Debug)]
#[argh(subcommand, name = "room")]
pub(super) struct Room {
    /// id of the room
    #[argh(positional)]
    room: String,
}

/// close a room
#[derive(FromArgs, Debug)]
#[argh(subcommand, name = "close")]
pub(super) struct Close {
    /// id of the room
    #[argh(positional)]
    room: String,
}

/// remove a player or a spectator from a room
#[derive(FromArgs, Debug)]
#[argh(subcommand, name = "kick")]
pub(super) struct Kick {
    /// id of the room
    #[argh(positional)]
    room: String,
    /// id of the player
    #[argh(positional)]
    player: String,
    /// what the player is told
    #[argh(option)]
    reason: Option<String>,
}

/// list the addresses that are banned
#[derive(FromArgs, Debug)]
#[argh(subcommand, name = "bans")]
pub(super) struct Bans {}

/// disconnect an address and keep it out for a time
#[derive(FromArgs, Debug)]
#[argh(subcommand, name = "ban")]
pub(super) struct Ban {
    /// IPv4 or IPv6 address; with IPv6 its /64
    #[argh(positional)]
    address: String,
    /// for how long, 3600 unless given
    #[argh(option)]
    seconds: Option<String>,
}

/// lift a ban
#[derive(FromArgs, Debug)]
#[argh(subcommand, name = "unban")]
pub(super) struct Unban {
    /// address that is banned
    #[argh(positional)]
    address: String,
}

impl Verb {
    /// Method and target of the request.
    pub(super) fn request(&self) -> (&'static str, String) {
        match self {
            Self::Status(_) => ("GET", "/admin/status".to_owned()),
            Self::Rooms(Rooms {
                game,
                code,
                app,
                limit,
                after,
            }) => {
                let query = [
                    ("game", game),
                    ("code", code),
                    ("app", app),
                    ("limit", limit),
                    ("after", after),
                ];
                ("GET", target(&["rooms"], &query))
            }
            Self::Room(Room { room }) => ("GET", target(&["rooms", room], &[])),
            Self::Close(Close { room }) => ("DELETE", target(&["rooms", room], &[])),
            Self::Kick(Kick { room, player, reason }) => (
                "DELETE",
                target(&["rooms", room, "players", player], &[("reason", reason)]),
            ),
            Self::Bans(_) => ("GET", "/admin/bans".to_owned()),
            Self::Ban(Ban { address, seconds }) => ("PUT", target(&["bans", address], &[("seconds", seconds)])),
            Self::Unban(Unban { address }) => ("DELETE", target(&["bans", address], &[])),
        }
    }
}

fn target(segments: &[&str], query: &[(&str, &Option<String>)]) -> String {
    let mut target = "/admin".to_owned();
    for segment in segments {
        target.push('/');
        // Ids and addresses consist of these; whatever else was given is no id and must not become another path.
        target.extend(segment.chars().map(|c| {
            if c.is_ascii_alphanumeric() || "-:.".contains(c) {
                c
            } else {
                '_'
            }
        }));
    }
    let given = query
        .iter()
        .filter_map(|(name, value)| Some((*name, value.as_deref()?)));
    let query = Serializer::new(String::new()).extend_pairs(given).finish();
    if !query.is_empty() {
        target.push('?');
        target.push_str(&query);
    }
    target
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_cannot_become_another_path() {
        let reason = Some("a & b\r\n?c".to_owned());
        assert_eq!(
            target(
                &["rooms", "a/../b?c#d e", "players", "::1"],
                &[("reason", &reason), ("x", &None)]
            ),
            "/admin/rooms/a_.._b_c_d_e/players/::1?reason=a+%26+b%0D%0A%3Fc"
        );
    }
}
