//! `Authenticate`: the app, the SDK gate, the form of game data (protocol 2.3 to 2.5, D3, D4).

use super::dialect::{JSON, MESSAGE_PACK};
use super::failure::Failure;
use super::pending::{Introduction, Pending, Wanted, Wish};
use super::settings::Settings;
use super::state::SignalFish;
use super::tell::{self, tell};
use super::wire::{Authenticate, ErrorCode, GameDataFormat, PlayerNameRules, ProtocolInfo, RateLimits, ServerMessage};
use crate::admission::{AppIndex, Ask, FoundApp};
use crate::effects::Cx;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Longest platform or version that is kept, in bytes.
const INTRODUCTION_BYTES_MAX: usize = 128;
/// Longest id that a directory is asked for, in bytes.
const APP_ID_BYTES_MAX: usize = 256;

impl SignalFish {
    /// # Errors
    /// Why the message is invalid.
    pub(super) fn authenticate(&mut self, cx: &mut Cx<'_>, message: &Authenticate<'_>) -> Result<(), Failure> {
        let Some(session) = self.sessions.get(cx.slot) else {
            return Ok(());
        };
        if session.introduction.is_some() {
            self.welcome(cx);
            return Ok(());
        }
        let too_long =
            |text: &Option<Cow<'_, str>>| text.as_ref().is_some_and(|text| text.len() > INTRODUCTION_BYTES_MAX);
        if too_long(&message.platform) || too_long(&message.sdk_version) {
            return Err(Failure::invalid("Invalid client message"));
        }
        let introduction = Introduction {
            platform: message.platform.as_deref().map(Into::into),
            sdk_version: message.sdk_version.as_deref().map(Into::into),
            format: message.game_data_format,
            app: None,
        };
        if !self.settings.require_auth {
            self.introduce(cx, None, introduction);
        } else if let Some(&app) = self.apps.get(&*message.app_id) {
            let Some(ip) = self.sessions.get(cx.slot).map(|session| session.ip) else {
                return Ok(());
            };
            self.ask_leave(cx, Wish::Authenticate(app, introduction), Ask::Authenticate { app, ip });
        } else if self.settings.directory && message.app_id.len() <= APP_ID_BYTES_MAX {
            let Some(ip) = self.sessions.get(cx.slot).map(|session| session.ip) else {
                return Ok(());
            };
            let app_id = (*message.app_id).into();
            self.wait(cx.slot, Pending::App(introduction));
            cx.ask(Ask::FindApp { app_id, ip });
        } else {
            self.fail(cx, Wanted::App, Failure::unknown_app());
        }
        Ok(())
    }

    /// A directory has the app, and admission has counted the attempt.
    pub(super) fn found(&mut self, cx: &mut Cx<'_>, app: Arc<FoundApp>, mut introduction: Introduction) {
        let index = app.index;
        introduction.app = Some(app);
        self.introduce(cx, Some(index), introduction);
    }

    /// The app is accepted. Platform and version are checked next; a client that fails there may try again.
    pub(super) fn introduce(&mut self, cx: &mut Cx<'_>, app: Option<AppIndex>, introduction: Introduction) {
        if let Err(text) = check_sdk(&self.settings, &introduction) {
            let failure = Failure::new(text, ErrorCode::SdkVersionUnsupported);
            return self.authentication_failed(cx, failure);
        }
        let asked = introduction.format.unwrap_or(GameDataFormat::Json);
        let offered = formats(&self.settings);
        if !offered.contains(&asked) {
            let offered: Vec<_> = offered.iter().copied().map(format_name).collect();
            let text = format!(
                "Requested game data format {} is not supported. Server supports: {}. Falling back to JSON.",
                format_name(asked),
                offered.join(", ")
            );
            tell::error(cx, text, ErrorCode::UnsupportedGameDataFormat);
        }
        let dialect = match asked {
            GameDataFormat::MessagePack if offered.contains(&asked) => MESSAGE_PACK,
            _ => JSON,
        };
        let Some(session) = self.sessions.get_mut(cx.slot) else {
            return;
        };
        session.authenticate_until = None;
        session.app = app;
        session.dialect = dialect;
        session.introduction = Some(Box::new(introduction));
        // With authentication off a client may authenticate while it is in a room.
        if let Some(room) = session.membership.room()
            && let Some(room) = self.rooms.get_mut(room)
        {
            room.set_dialect(session.player_id, dialect);
        }
        self.counters.authentications += 1;
        self.welcome(cx);
    }

    /// `Authenticated`, then `ProtocolInfo`.
    fn welcome(&self, cx: &mut Cx<'_>) {
        let Some(session) = self.sessions.get(cx.slot) else {
            return;
        };
        let Some(introduction) = &session.introduction else {
            return;
        };
        let (app_name, rate_limits) = match self.app_of(session) {
            Some(app) => (app.name, rate_limits(app.rate_limit_per_minute)),
            None => ("default", OPEN_RATE_LIMITS),
        };
        let authenticated = ServerMessage::Authenticated {
            app_name: Cow::Borrowed(app_name),
            rate_limits,
        };
        tell(cx, &authenticated);
        let info = protocol_info(&self.settings, introduction);
        tell(cx, &ServerMessage::ProtocolInfo(Box::new(info)));
    }

    pub(super) fn authentication_failed(&mut self, cx: &mut Cx<'_>, failure: Failure) {
        self.counters.authentications_failed += 1;
        let failed = ServerMessage::AuthenticationError {
            error: failure.reason,
            error_code: failure.code,
        };
        tell(cx, &failed);
    }
}

/// Shown when authentication is off (D3).
const OPEN_RATE_LIMITS: RateLimits = RateLimits {
    per_minute: 1_000,
    per_hour: 10_000,
    per_day: 100_000,
};

/// The advisory limits of an app (protocol 9).
fn rate_limits(per_minute: Option<u32>) -> RateLimits {
    let per_minute = per_minute.unwrap_or(1_000);
    RateLimits {
        per_minute,
        per_hour: per_minute.saturating_mul(60),
        per_day: per_minute.saturating_mul(1_440),
    }
}

fn formats(settings: &Settings) -> &'static [GameDataFormat] {
    if settings.enable_message_pack_game_data {
        &[GameDataFormat::Json, GameDataFormat::MessagePack]
    } else {
        &[GameDataFormat::Json]
    }
}

/// How texts for people name a form of game data.
fn format_name(format: GameDataFormat) -> &'static str {
    match format {
        GameDataFormat::Json => "Json",
        GameDataFormat::MessagePack => "MessagePack",
        GameDataFormat::Rkyv => "Rkyv",
    }
}

/// The SDK gate (protocol 2.4); off by default (D4).
fn check_sdk(settings: &Settings, introduction: &Introduction) -> Result<(), String> {
    let gate = &settings.sdk_compatibility;
    if !gate.enforce {
        return Ok(());
    }
    let Some(platform) = introduction.platform.as_deref() else {
        return Err("SDK platform is required for compatibility validation".to_owned());
    };
    let Some(minimum) = gate.minimum_versions.get(&platform.to_ascii_lowercase()) else {
        return Err(format!("SDK platform `{platform}` is not recognized"));
    };
    let Some(version) = introduction.sdk_version.as_deref() else {
        return Err(format!("SDK version is required for platform `{platform}`"));
    };
    match semver::Version::parse(version) {
        Err(error) => Err(format!(
            "SDK version `{version}` for platform `{platform}` is invalid: {error}"
        )),
        Ok(parsed) if parsed < *minimum => Err(format!(
            "SDK version `{version}` for platform `{platform}` is below the minimum supported version `{minimum}`"
        )),
        Ok(_) => Ok(()),
    }
}

fn protocol_info<'a>(settings: &'a Settings, introduction: &'a Introduction) -> ProtocolInfo<'a> {
    let gate = &settings.sdk_compatibility;
    let platform = introduction.platform.as_deref().map(str::to_ascii_lowercase);
    let platform = platform.as_deref().unwrap_or_default();
    let version = |versions: &BTreeMap<String, semver::Version>| {
        versions.get(platform).map(|version| Cow::Owned(version.to_string()))
    };
    let mut capabilities: Vec<Cow<'a, str>> = Vec::new();
    for key in ["_default", platform] {
        for capability in gate.capabilities.get(key).into_iter().flatten() {
            if !capabilities.iter().any(|known| known == capability) {
                capabilities.push(Cow::Borrowed(capability));
            }
        }
    }
    let names = &settings.player_names;
    ProtocolInfo {
        platform: introduction.platform.as_deref().map(Cow::Borrowed),
        sdk_version: introduction.sdk_version.as_deref().map(Cow::Borrowed),
        minimum_version: version(&gate.minimum_versions),
        recommended_version: version(&gate.recommended_versions),
        capabilities,
        notes: gate.notes.get(platform).map(|notes| Cow::Borrowed(notes.as_str())),
        game_data_formats: formats(settings).to_vec(),
        player_name_rules: PlayerNameRules {
            max_length: names.length_max,
            min_length: 1,
            allow_unicode_alphanumeric: names.allow_unicode_alphanumeric,
            allow_spaces: names.allow_spaces,
            allow_leading_trailing_whitespace: names.allow_leading_trailing_whitespace,
            allowed_symbols: names.allowed_symbols.clone(),
            additional_allowed_characters: names.additional_allowed_characters.clone(),
        },
    }
}
