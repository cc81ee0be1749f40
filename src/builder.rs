//! A server is put together.

use crate::config::{self, Faults};
use crate::embedding::{AppDirectory, Embedded, Handler, Observer, OwnRoutes, TARGET};
use crate::handle::ServerHandle;
use crate::server::{Server, StartError};
use crate::{Config, site};
use serde_json::Value;
use signal_fish_core::http::Routes;
use signal_fish_core::protocol::Protocol;
use std::net::TcpListener;

/// A configuration that is not checked yet.
#[derive(Debug, Clone)]
pub enum Given {
    /// As it might stand in a file, over the defaults.
    Json(Value),
    /// Typed. Each value is taken as it is; what must hold between keys is checked.
    Typed(Box<Config>),
}

impl From<Value> for Given {
    fn from(value: Value) -> Self {
        Self::Json(value)
    }
}

impl From<Config> for Given {
    fn from(config: Config) -> Self {
        Self::Typed(Box::new(config))
    }
}

impl From<&Config> for Given {
    fn from(config: &Config) -> Self {
        config.clone().into()
    }
}

impl Given {
    /// The configuration, if it holds together.
    ///
    /// # Errors
    /// Every fault there is.
    fn check(self) -> Result<Config, Faults> {
        match self {
            Self::Json(value) => config::from_value(value).map(|loaded| loaded.config),
            Self::Typed(config) => {
                let faults = config::faults_between_keys(&config);
                if faults.is_empty() { Ok(*config) } else { Err(faults) }
            }
        }
    }
}

impl Server {
    /// Starts a server with nothing but a configuration.
    ///
    /// # Errors
    /// As [`Builder::start`].
    pub fn start(config: &Config) -> Result<ServerHandle, StartError> {
        Self::builder(config).start()
    }

    /// A server to be started, from JSON as it might stand in a file, or from a [`Config`].
    pub fn builder(config: impl Into<Given>) -> Builder {
        Builder {
            config: config.into(),
            routes: None,
            embedded: Embedded::default(),
        }
    }
}

/// What a server is made of. Made by [`Server::builder`].
#[derive(Debug)]
#[must_use = "a builder starts nothing by itself"]
pub struct Builder {
    config: Given,
    routes: Option<Routes<Protocol>>,
    embedded: Embedded,
}

impl Builder {
    /// Serves this listener as the main one, instead of `bind` and `port`. It must listen already; all shards accept from
    /// it. Systemd hands over such a socket, for example.
    pub fn listener(mut self, listener: TcpListener) -> Self {
        self.embedded.listener = Some(listener);
        self
    }

    /// Tells this observer what happens to rooms and players. It runs on a thread of its own.
    pub fn observer(mut self, observer: impl Observer + 'static) -> Self {
        self.embedded.observer = Some(Box::new(observer));
        self
    }

    /// Asks this directory for apps that `security.authorized_apps` does not list. It is asked only where
    /// `security.require_websocket_auth` is on.
    pub fn directory(mut self, directory: impl AppDirectory + 'static) -> Self {
        self.embedded.directory = Some(Box::new(directory));
        self
    }

    /// Answers GET and HEAD at this path of the main listener with `handler`. All handlers run on one thread of their own,
    /// one after the other. A path that ends with `/*` stands for everything below it.
    pub fn route(mut self, path: &'static str, handler: impl Handler + 'static) -> Self {
        self.embedded.routes.add(path, Box::new(handler));
        self
    }

    /// Replaces the table of paths of the main listener, before routes are added to it.
    pub fn table(mut self, routes: Routes<Protocol>) -> Self {
        self.routes = Some(routes);
        self
    }

    /// Checks the configuration, starts one shard per core as configured, and returns when all of them serve.
    ///
    /// # Errors
    /// A [`StartError`]; nothing of the server is left running then.
    pub fn start(self) -> Result<ServerHandle, StartError> {
        let config = self.config.check().map_err(StartError::Config)?;
        let table = self.routes.unwrap_or_else(|| site::routes(&config));
        let table = self.embedded.routes.add_to(table)?;
        Server::start_embedded(&config, table, self.embedded)
    }
}

impl OwnRoutes {
    /// The table with these routes.
    ///
    /// # Errors
    /// When a path cannot be one, or is taken.
    fn add_to(&self, mut table: Routes<Protocol>) -> Result<Routes<Protocol>, StartError> {
        for path in self.paths() {
            let fail = |problem| StartError::Route { path, problem };
            if !path.starts_with('/') || path.len() > 256 || !path.bytes().all(|byte| byte.is_ascii_graphic()) {
                return Err(fail(
                    "a path begins with `/` and has at most 256 visible ASCII characters",
                ));
            }
            if path.contains(['?', '#']) || path.trim_end_matches("/*").contains('*') {
                return Err(fail("a path has no `?` and no `#`, and `*` only as its last segment"));
            }
            let probe = path
                .strip_suffix('*')
                .map_or(path.to_owned(), |above| format!("{above}x"));
            if table.find(&probe).is_some() {
                return Err(fail("the path is taken"));
            }
            table.add(path, TARGET);
        }
        Ok(table)
    }
}
