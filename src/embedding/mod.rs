//! What a program that embeds the server brings along: a listener, an observer, a directory of apps, routes of its own.

mod observer;
mod route;

pub use crate::directory::{App, AppDirectory, AppQuestion};
pub use observer::{Observer, Seen};
pub use route::{Handler, HttpRequest, HttpResponse};

pub(crate) use observer::ObserverThread;
pub(crate) use route::{OwnRoutes, RouteThread, TARGET};

use std::fmt;
use std::net::TcpListener;

/// What an embedding program brings along.
#[derive(Default)]
pub(crate) struct Embedded {
    pub(crate) listener: Option<TcpListener>,
    pub(crate) observer: Option<Box<dyn Observer>>,
    pub(crate) directory: Option<Box<dyn AppDirectory>>,
    pub(crate) routes: OwnRoutes,
}

impl fmt::Debug for Embedded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Embedded")
            .field("listener", &self.listener)
            .field("observer", &self.observer.is_some())
            .field("directory", &self.directory.is_some())
            .field("routes", &self.routes)
            .finish()
    }
}
