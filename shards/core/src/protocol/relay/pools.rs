//! Messages that are lent to this shard, by address. The clients of an address share what is lent.

use crate::admission::{Loan, Notice, normalise};
use crate::effects::Effects;
use ahash::RandomState;
use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

/// How often what nobody used is given back.
const SWEEP_INTERVAL: Duration = Duration::from_secs(10);

/// The pools of a shard.
#[derive(Debug)]
pub(super) struct Pools {
    by_address: HashMap<IpAddr, Pool, RandomState>,
    next_sweep: Option<Duration>,
}

/// What is lent to one address.
#[derive(Debug, Default)]
pub(super) struct Pool {
    loan: Option<Loan>,
    clients: u32,
    /// Until then there is nothing to lend.
    refused_until: Duration,
    used: bool,
}

impl Pools {
    pub(super) fn new(hashing: RandomState) -> Self {
        Self {
            by_address: HashMap::with_hasher(hashing),
            next_sweep: None,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.by_address.len()
    }

    /// Whether this address has nothing that is lent.
    pub(super) fn is_dry(&self, ip: IpAddr) -> bool {
        self.by_address.get(&normalise(ip)).is_none_or(|pool| pool.left() == 0)
    }

    /// The pool of an address with a client.
    pub(super) fn get_mut(&mut self, ip: IpAddr) -> Option<&mut Pool> {
        self.by_address.get_mut(&normalise(ip))
    }

    /// A client of an address is here.
    pub(super) fn enter(&mut self, ip: IpAddr) {
        self.by_address.entry(normalise(ip)).or_default().clients += 1;
    }

    /// A client of an address is gone. With the last one goes what is lent.
    pub(super) fn leave(&mut self, ip: IpAddr, fx: &mut Effects) {
        let ip = normalise(ip);
        let Some(pool) = self.by_address.get_mut(&ip) else {
            return;
        };
        pool.clients = pool.clients.saturating_sub(1);
        if pool.clients == 0
            && let Some(Pool { loan: Some(loan), .. }) = self.by_address.remove(&ip)
        {
            fx.notify(Notice::LoanEnded(loan));
        }
    }

    /// Puts a loan into the pool of its address. Without a client there it goes back.
    pub(super) fn put(&mut self, now: Duration, loan: Loan, fx: &mut Effects) {
        let Some(pool) = self.by_address.get_mut(&normalise(loan.ip())) else {
            return fx.notify(Notice::LoanEnded(loan));
        };
        pool.used = true;
        match &mut pool.loan {
            Some(here) => here.join(loan),
            none => *none = Some(loan),
        }
        self.next_sweep.get_or_insert(now.saturating_add(SWEEP_INTERVAL));
    }

    /// When [`Self::sweep`] has something to do; [`Duration::MAX`] if never.
    pub(super) fn next_due(&self) -> Duration {
        self.next_sweep.unwrap_or(Duration::MAX)
    }

    /// Gives back what was not used since the last time: others of the same address may need it elsewhere.
    pub(super) fn sweep(&mut self, now: Duration, fx: &mut Effects) {
        if self.next_due() > now {
            return;
        }
        let mut lent = false;
        for pool in self.by_address.values_mut() {
            if std::mem::take(&mut pool.used) {
                lent |= pool.loan.is_some();
            } else if let Some(loan) = pool.loan.take() {
                fx.notify(Notice::LoanEnded(loan));
            }
        }
        self.next_sweep = lent.then(|| now.saturating_add(SWEEP_INTERVAL));
    }

    /// Forgets everybody. What is lent goes back.
    pub(super) fn drain(&mut self, fx: &mut Effects) {
        for (_, pool) in self.by_address.drain() {
            if let Some(loan) = pool.loan {
                fx.notify(Notice::LoanEnded(loan));
            }
        }
        self.next_sweep = None;
    }
}

impl Pool {
    fn left(&self) -> u32 {
        self.loan.as_ref().map_or(0, Loan::left)
    }

    /// Spends a message, if one is left.
    pub(super) fn spend(&mut self) -> bool {
        self.used = true;
        self.loan.as_mut().is_some_and(Loan::spend)
    }

    /// What was spent and not reported yet.
    pub(super) fn take_spent(&mut self) -> u32 {
        self.loan.as_mut().map_or(0, Loan::take_spent)
    }

    /// There is nothing to lend until then.
    pub(super) fn refuse(&mut self, until: Duration) {
        self.refused_until = until;
    }

    /// Whether it is known that there is nothing to lend.
    pub(super) fn is_refused(&self, now: Duration) -> bool {
        self.refused_until > now
    }
}
