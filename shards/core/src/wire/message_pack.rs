//! MessagePack game data (spec 2.9, D38).
