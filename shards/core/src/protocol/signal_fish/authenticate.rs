//! `Authenticate`: the app, the SDK gate, the form of game data (spec 2.3 to 2.5, D3, D4).

use super::session::Introduction;
use super::{Effects, Engine, Failure, Pending, Settings, Slot, give_back};
use crate::Now;
use crate::admission::{AppIndex, Ask, Verdict};
use crate::protocol::signal_fish::wire::{
    Authenticate, ErrorCode, GameDataFormat, PlayerNameRules, ProtocolInfo, RateLimits, ServerMessage,
};
use std::borrow::Cow;

/// Longest platform or version that is kept, in bytes.
const INTRODUCTION_BYTES_MAX: usize = 128;

impl Engine {
    pub(super) fn authenticate<E: Effects>(&mut self, now: Now, slot: Slot, message: &Authenticate<'_>, fx: &mut E) {
        let Some(session) = self.sessions.get(slot) else { return };
        if let Some(introduction) = session.client.introduced.clone() {
            return self.welcome(slot, &introduction, fx);
        }
        let told = [&message.platform, &message.sdk_version];
        if told
            .iter()
            .any(|text| text.as_ref().is_some_and(|text| text.len() > INTRODUCTION_BYTES_MAX))
        {
            return self.invalid(now, slot, "Invalid client message", fx);
        }
        let introduction = Introduction {
            platform: message.platform.as_deref().map(Into::into),
            sdk_version: message.sdk_version.as_deref().map(Into::into),
            format: message.game_data_format,
        };
        if !self.settings.require_auth {
            return self.introduce(slot, None, introduction, fx);
        }
        match self.apps.get(&*message.app_id) {
            Some(app) => {
                let app = *app;
                self.ask(
                    slot,
                    Pending::Authenticate(app, introduction),
                    Ask::Authenticate { app },
                    fx,
                );
            }
            None => {
                let failure = Failure::new("InvalidAppId", ErrorCode::InvalidAppId);
                self.authentication_failed(slot, failure, fx);
                self.close(now, slot, "authentication failed", fx);
            }
        }
    }

    pub(super) fn authenticate_decided<E: Effects>(
        &mut self,
        now: Now,
        slot: Slot,
        app: AppIndex,
        introduction: Introduction,
        verdict: Verdict,
        fx: &mut E,
    ) {
        let failure = match verdict {
            Verdict::Admitted => return self.introduce(slot, Some(app), introduction, fx),
            Verdict::Refused(refusal) => Failure::refused(refusal, ""),
            other => {
                give_back(other, fx);
                Failure::internal()
            }
        };
        self.authentication_failed(slot, failure, fx);
        self.close(now, slot, "authentication failed", fx);
    }

    /// The app is accepted; platform and version come next, and who fails there may try again.
    fn introduce<E: Effects>(&mut self, slot: Slot, app: Option<AppIndex>, introduction: Introduction, fx: &mut E) {
        if let Err(text) = check_sdk(&self.settings, &introduction) {
            let failure = Failure::new(text, ErrorCode::SdkVersionUnsupported);
            return self.authentication_failed(slot, failure, fx);
        }
        let asked = introduction.format.unwrap_or(GameDataFormat::Json);
        let offered = formats(&self.settings);
        let format = if offered.contains(&asked) {
            asked
        } else {
            GameDataFormat::Json
        };
        if format != asked {
            let offered: Vec<_> = offered.iter().map(|format| format!("{format:?}")).collect();
            let text = format!(
                "Requested game data format {asked:?} is not supported. Server supports: {}. Falling back to JSON.",
                offered.join(", ")
            );
            self.outbound
                .error(slot, text, ErrorCode::UnsupportedGameDataFormat, fx);
        }
        let Some(session) = self.sessions.get_mut(slot) else {
            return;
        };
        session.client.authenticated = true;
        session.client.app = app;
        session.client.format = format;
        session.client.introduced = Some(Box::new(introduction.clone()));
        // With authentication off a member may say this when it is in a room already.
        if let Some(room) = session.membership.room()
            && let Some(room) = self.rooms.get_mut(room)
        {
            room.set_message_pack(session.client.player_id, format == GameDataFormat::MessagePack);
        }
        self.outbound.counters.authentications += 1;
        self.welcome(slot, &introduction, fx);
    }

    /// `Authenticated`, then `ProtocolInfo`.
    fn welcome<E: Effects>(&mut self, slot: Slot, introduction: &Introduction, fx: &mut E) {
        let Some(session) = self.sessions.get(slot) else { return };
        let app = session
            .client
            .app
            .and_then(|app| self.settings.apps.get(app.0 as usize));
        let (app_name, rate_limits) = match app {
            Some(app) => (app.app_name.as_str(), rate_limits(app.rate_limit_per_minute)),
            None => ("default", OPEN_RATE_LIMITS),
        };
        let authenticated = ServerMessage::Authenticated {
            app_name: Cow::Borrowed(app_name),
            rate_limits,
        };
        self.outbound.tell(slot, &authenticated, fx);
        let info = protocol_info(&self.settings, introduction);
        self.outbound
            .tell(slot, &ServerMessage::ProtocolInfo(Box::new(info)), fx);
    }

    fn authentication_failed<E: Effects>(&mut self, slot: Slot, failure: Failure, fx: &mut E) {
        self.outbound.counters.authentications_failed += 1;
        let failed = ServerMessage::AuthenticationError {
            error: failure.reason,
            error_code: failure.code,
        };
        self.outbound.tell(slot, &failed, fx);
    }
}

/// Shown when authentication is off (D3).
const OPEN_RATE_LIMITS: RateLimits = RateLimits {
    per_minute: 1_000,
    per_hour: 10_000,
    per_day: 100_000,
};

/// The advisory limits of an app (spec 9).
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

/// The SDK gate (spec 2.4); off by default (D4).
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
    let version = |versions: &std::collections::BTreeMap<String, semver::Version>| {
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
