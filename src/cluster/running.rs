//! The thread is started.

use super::delivery::Delivery;
use super::figures::Figures;
use super::id::new_id;
use super::node::Options;
use super::thread::{RedisThread, Surroundings};
use crate::control::Message;
use rand::rngs::StdRng;
use signal_fish_core::entry::{Routing, draw_hashing};
use signal_fish_runtime::{ClusterSender, Mailbox, ToControl, cluster_channel};
use std::io;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Instant;

/// The thread that talks to Redis.
#[derive(Debug)]
pub(crate) struct Redis {
    pub(crate) sender: ClusterSender,
    pub(crate) figures: Arc<Mutex<Figures>>,
    pub(crate) thread: JoinHandle<()>,
}

impl Redis {
    /// Starts it.
    pub(crate) fn start(
        options: Options,
        control: &ToControl<Message>,
        mailboxes: &Arc<[Mailbox]>,
        routing: &Routing,
        start: Instant,
        random: &mut StdRng,
    ) -> io::Result<Self> {
        let (sender, inbox) = cluster_channel()?;
        let figures = Arc::new(Mutex::new(Figures::default()));
        let surroundings = Surroundings {
            id: new_id(random),
            routing: routing.clone(),
            hashing: draw_hashing(random),
            inbox,
            delivery: Delivery::new(Arc::clone(mailboxes)),
            control: control.clone(),
            figures: Arc::clone(&figures),
            start,
        };
        let redis = RedisThread::new(options, surroundings);
        let thread = std::thread::Builder::new()
            .name("redis".to_owned())
            .spawn(move || redis.run())?;
        Ok(Self {
            sender,
            figures,
            thread,
        })
    }
}
