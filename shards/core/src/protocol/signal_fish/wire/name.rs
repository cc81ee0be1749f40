//! Names of games and players, codes of rooms.

use std::fmt;

/// Alphabet and lengths of player names (`protocol.player_name_validation`, `protocol.max_player_name_length`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameRules {
    /// Longest name, in Unicode scalar values (D7).
    pub length_max: usize,
    /// Whether letters and digits of every script are allowed, or only those of ASCII.
    pub allow_unicode_alphanumeric: bool,
    /// Whether U+0020 is allowed inside a name.
    pub allow_spaces: bool,
    /// Whether a name may begin or end with whitespace.
    pub allow_leading_trailing_whitespace: bool,
    /// Symbols that are allowed besides letters and digits.
    pub allowed_symbols: Vec<char>,
    /// More characters that are allowed.
    pub additional_allowed_characters: Option<String>,
}

impl Default for NameRules {
    fn default() -> Self {
        Self {
            length_max: 32,
            allow_unicode_alphanumeric: true,
            allow_spaces: true,
            allow_leading_trailing_whitespace: false,
            allowed_symbols: vec!['-', '_'],
            additional_allowed_characters: None,
        }
    }
}

/// Why a name or code was refused: the reason text that the client gets (protocol 3.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameError(String);

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for NameError {}

fn error<T>(reason: impl Into<String>) -> Result<T, NameError> {
    Err(NameError(reason.into()))
}

/// A game name: case-sensitive, of Unicode letters and digits, `-`, `_` and space.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct GameName(Box<str>);

impl GameName {
    /// Checks a game name of at most `length_max` Unicode scalar values.
    ///
    /// # Errors
    /// The reason text of protocol 3.2, step 2.
    pub fn parse(text: &str, length_max: usize) -> Result<Self, NameError> {
        if text.is_empty() {
            return error("Game name cannot be empty");
        }
        if text.chars().nth(length_max).is_some() {
            return error(format!("Game name too long (max {length_max} characters)"));
        }
        if !text
            .chars()
            .all(|c| c.is_alphanumeric() || matches!(c, '-' | '_' | ' '))
        {
            return error("Game name contains invalid characters");
        }
        Ok(Self(text.into()))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The name of a player or spectator.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PlayerName(Box<str>);

impl PlayerName {
    /// Checks a player's or spectator's name.
    ///
    /// # Errors
    /// The reason text of protocol 3.2, step 3.
    pub fn parse(text: &str, rules: &NameRules) -> Result<Self, NameError> {
        if text.is_empty() {
            return error("Player name cannot be empty");
        }
        if text.chars().nth(rules.length_max).is_some() {
            return error(format!("Player name too long (max {} characters)", rules.length_max));
        }
        if text.trim().is_empty() {
            return error("Player name cannot be blank");
        }
        if !rules.allow_leading_trailing_whitespace && text.trim().len() != text.len() {
            return error("Player name cannot have leading or trailing whitespace");
        }
        if !rules.allow_spaces && text.contains(' ') {
            return error("Player name cannot contain spaces");
        }
        if text.chars().any(|c| c.is_whitespace() && c != ' ') {
            return error("Player name cannot contain whitespace characters");
        }
        if !text.chars().all(|c| rules.allows(c)) {
            return error("Player name contains invalid characters");
        }
        Ok(Self(text.into()))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether two names clash in a room: they are compared lower-cased.
    #[must_use]
    pub fn clashes_with(&self, other: &Self) -> bool {
        self.0
            .chars()
            .flat_map(char::to_lowercase)
            .eq(other.0.chars().flat_map(char::to_lowercase))
    }
}

impl NameRules {
    fn allows(&self, c: char) -> bool {
        let alphanumeric = if self.allow_unicode_alphanumeric {
            c.is_alphanumeric()
        } else {
            c.is_ascii_alphanumeric()
        };
        alphanumeric
            || c == ' '
            || self.allowed_symbols.contains(&c)
            || self
                .additional_allowed_characters
                .as_ref()
                .is_some_and(|more| more.contains(c))
    }
}

/// A room code: ASCII letters and digits of the configured length, upper-cased (D7).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RoomCode(Box<str>);

impl RoomCode {
    /// Checks a code that a client gave and upper-cases it.
    ///
    /// # Errors
    /// The reason text of protocol 3.2, step 6.
    pub fn parse(text: &str, length: usize) -> Result<Self, NameError> {
        if text.is_empty() {
            return error("Room code cannot be empty");
        }
        if text.chars().count() != length {
            return error(format!("Room code must be exactly {length} characters"));
        }
        if !text.bytes().all(|b| b.is_ascii_alphanumeric()) {
            return error("Room code must be alphanumeric");
        }
        Ok(Self(text.to_ascii_uppercase().into()))
    }

    /// The code.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
