//! The apps that a running server has known. An app keeps its index for as long as the process lives, because rooms, counts
//! and sessions name it by that.

use crate::config::AppEntry;
use signal_fish_core::admission::AppLimits;
use signal_fish_core::protocol::signal_fish::App;

/// Every app that was ever configured in the life of a server, by index. Only operators make it grow.
#[derive(Debug, Clone, Default)]
pub(crate) struct Apps {
    /// What sessions are told.
    pub(crate) apps: Vec<App>,
    /// What admission is told.
    pub(crate) limits: Vec<AppLimits>,
}

impl Apps {
    /// From now on these may connect, under these limits; nobody else may.
    pub(crate) fn set(&mut self, entries: &[AppEntry]) {
        for app in &mut self.apps {
            app.authorized = false;
        }
        for entry in entries {
            match self.apps.iter().position(|app| app.app_id == entry.app_id) {
                Some(index) => {
                    self.apps[index] = entry.for_signal_fish();
                    self.limits[index] = entry.for_admission();
                }
                None => {
                    self.apps.push(entry.for_signal_fish());
                    self.limits.push(entry.for_admission());
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::from_value;
    use serde_json::{Value, json};

    fn entries(apps: Value) -> Vec<AppEntry> {
        let value = json!({"security": {"authorized_apps": apps, "require_websocket_auth": true}});
        from_value(value)
            .expect("a good configuration")
            .config
            .security
            .authorized_apps
    }

    fn known(apps: &Apps) -> Vec<(&str, bool, Option<u32>)> {
        let both = apps.apps.iter().zip(&apps.limits);
        both.map(|(app, limits)| (app.app_id.as_str(), app.authorized, limits.rooms_max))
            .collect()
    }

    #[test]
    fn an_app_keeps_its_index() {
        let mut apps = Apps::default();
        apps.set(&entries(
            json!([{"app_id": "a", "max_rooms": 1}, {"app_id": "b", "max_rooms": 2}]),
        ));
        assert_eq!(known(&apps), [("a", true, Some(1)), ("b", true, Some(2))]);
        apps.set(&entries(json!([{"app_id": "c"}, {"app_id": "b", "max_rooms": 5}])));
        assert_eq!(
            known(&apps),
            [("a", false, Some(1)), ("b", true, Some(5)), ("c", true, None)]
        );
        apps.set(&entries(json!([{"app_id": "a", "max_rooms": 7}])));
        assert_eq!(
            known(&apps),
            [("a", true, Some(7)), ("b", false, Some(5)), ("c", false, None)]
        );
    }
}
