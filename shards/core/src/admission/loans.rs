//! What addresses may send and how often they may connect to the room relay (protocol, "Room relay"). The budget of an
//! address is lent to shards in blocks, so that a message costs no question.

use super::bucket::{Bucket, Rate};
use ahash::RandomState;
use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

/// Addresses that are remembered. One more is refused; each has connected within the last ten seconds, or is connected.
pub const ADDRESSES_MAX: usize = 262_144;
/// A block is this part of the limit.
const BLOCKS: u32 = 10;

/// Messages of one address that a shard may let through without a question. Whoever holds a loan gives it back.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a loan that is dropped instead of given back is missing in the budget of its address"]
pub struct Loan {
    ip: IpAddr,
    left: u32,
    /// Spent and not yet reported.
    spent: u32,
}

impl Loan {
    /// Whose messages.
    #[must_use]
    pub fn ip(&self) -> IpAddr {
        self.ip
    }

    /// Messages that are left.
    #[must_use]
    pub fn left(&self) -> u32 {
        self.left
    }

    /// Spends a message, if one is left.
    pub fn spend(&mut self) -> bool {
        let some = self.left > 0;
        if some {
            self.left -= 1;
            self.spent += 1;
        }
        some
    }

    /// Takes another loan of the same address in.
    pub fn join(&mut self, other: Self) {
        debug_assert_eq!(self.ip, other.ip);
        self.left += other.left;
        self.spent += other.spent;
    }

    /// What was spent since the last report, to be reported with an ask.
    pub fn take_spent(&mut self) -> u32 {
        std::mem::take(&mut self.spent)
    }
}

/// The addresses that use the relay.
#[derive(Debug)]
pub(super) struct Loans {
    rates: Rates,
    by_address: HashMap<IpAddr, Budget, RandomState>,
}

/// What an address may do at the relay.
#[derive(Debug, Clone, Copy)]
pub struct Rates {
    /// `relay.connections_per_10s`.
    pub connections: Rate,
    /// `relay.ip_messages_per_10s`.
    pub messages: Rate,
}

impl Rates {
    /// No limits.
    #[must_use]
    pub fn unlimited() -> Self {
        Self {
            connections: Rate::per_10s(0),
            messages: Rate::per_10s(0),
        }
    }
}

impl Default for Rates {
    /// The documented defaults.
    fn default() -> Self {
        Self {
            connections: Rate::per_10s(5),
            messages: Rate::per_10s(500),
        }
    }
}

#[derive(Debug, Default)]
struct Budget {
    connections: Bucket,
    messages: Bucket,
    /// Messages that are lent and not reported as spent.
    lent: u32,
}

impl Loans {
    pub(super) fn new(rates: Rates, hashing: RandomState) -> Self {
        Self {
            rates,
            by_address: HashMap::with_hasher(hashing),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.by_address.len()
    }

    /// Counts one connection of an address; with `lend` its first block comes along. `None`: there were too many.
    pub(super) fn enter(&mut self, now: Duration, ip: IpAddr, lend: bool) -> Option<Loan> {
        let rates = self.rates;
        let budget = self.budget(ip)?;
        if !budget.connections.take(&rates.connections, now) {
            return None;
        }
        let left = if lend { budget.lend(&rates.messages, now) } else { 0 };
        Some(Loan { ip, left, spent: 0 })
    }

    /// Lends a block; so much of what the shard had was spent.
    ///
    /// # Errors
    /// After how long there is something to lend.
    pub(super) fn lend(&mut self, now: Duration, ip: IpAddr, spent: u32) -> Result<Loan, Duration> {
        let rate = self.rates.messages;
        let budget = self.budget(ip).ok_or(rate.period)?;
        // What was spent may have been spent just now, so it counts once more.
        budget.messages.cap(budget.lent, &rate, now);
        budget.lent = budget.lent.saturating_sub(spent);
        let left = budget.lend(&rate, now);
        if rate.is_limit() && left == 0 {
            return Err(budget
                .messages
                .token_at(&rate)
                .saturating_sub(now)
                .max(Duration::from_millis(1)));
        }
        Ok(Loan { ip, left, spent: 0 })
    }

    /// A loan comes back.
    pub(super) fn give_back(&mut self, now: Duration, Loan { ip, left, spent }: Loan) {
        let rate = self.rates.messages;
        if let Some(budget) = self.by_address.get_mut(&ip) {
            budget.messages.cap(budget.lent, &rate, now);
            budget.lent = budget.lent.saturating_sub(left.saturating_add(spent));
            budget.messages.put_back(left, &rate);
        }
    }

    /// Forgets the addresses of which there is nothing to remember.
    pub(super) fn sweep(&mut self, now: Duration) {
        self.by_address.retain(|_, budget| !budget.is_like_new(now));
        if self.by_address.capacity() > 4 * self.by_address.len() {
            self.by_address.shrink_to_fit();
        }
    }

    /// Not swept here: a flood of addresses must not cost a walk over all of them each.
    fn budget(&mut self, ip: IpAddr) -> Option<&mut Budget> {
        if self.by_address.len() >= ADDRESSES_MAX && !self.by_address.contains_key(&ip) {
            return None;
        }
        Some(self.by_address.entry(ip).or_default())
    }
}

impl Budget {
    /// Takes a block, or what is left of one. What is lent counts towards the limit, so that all shards together never
    /// let more through than the bucket of one would.
    fn lend(&mut self, rate: &Rate, now: Duration) -> u32 {
        let block = (rate.tokens / BLOCKS).max(1);
        self.messages.cap(self.lent, rate, now);
        let taken = self.messages.take_up_to(block, rate, now);
        self.lent += taken;
        taken
    }

    fn is_like_new(&self, now: Duration) -> bool {
        self.lent == 0 && self.connections.is_full(now) && self.messages.is_full(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    const HOUR: Duration = Duration::from_secs(3600);
    const IP: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    fn loans(messages: u32) -> Loans {
        let rates = Rates {
            connections: Rate::per_10s(5),
            messages: Rate::per_10s(messages),
        };
        Loans::new(rates, RandomState::with_seeds(1, 2, 3, 4))
    }

    /// Messages that shards let through, one after the other in turn, that ask whenever they have nothing left.
    fn sent(loans: &mut Loans, shards: &mut [Loan], now: Duration) -> u32 {
        let mut sent = 0;
        loop {
            let before = sent;
            for loan in &mut *shards {
                if !loan.spend() {
                    match loans.lend(now, IP, loan.take_spent()) {
                        Ok(more) => loan.join(more),
                        Err(_) => continue,
                    }
                    assert!(loan.spend());
                }
                sent += 1;
            }
            if before == sent {
                return sent;
            }
        }
    }

    #[test]
    fn all_shards_together_never_pass_the_limit() {
        for messages in [1, 7, 10, 500] {
            let mut loans = loans(messages);
            let mut shards: Vec<Loan> = (0..4).filter_map(|_| loans.enter(HOUR, IP, true)).collect();
            assert_eq!(shards.len(), 4);
            // They are idle while the bucket fills again: what they hold counts.
            let later = HOUR + Duration::from_secs(100);
            assert_eq!(sent(&mut loans, &mut shards, later), messages);
            let half = later + Duration::from_secs(5);
            let more = sent(&mut loans, &mut shards, half);
            assert!(more <= messages.div_ceil(2), "{more} of {messages}");
            for loan in shards {
                loans.give_back(half, loan);
            }
            loans.sweep(half + HOUR);
            assert_eq!(loans.len(), 0);
        }
    }

    #[test]
    fn what_comes_back_unspent_is_lent_again() {
        let mut loans = loans(10);
        let held: Vec<Loan> = (0..10).filter_map(|_| loans.lend(HOUR, IP, 0).ok()).collect();
        assert_eq!(held.len(), 10);
        let wait = loans.lend(HOUR, IP, 0).unwrap_err();
        assert!(wait > Duration::ZERO && wait <= Duration::from_secs(10), "{wait:?}");
        for loan in held {
            loans.give_back(HOUR, loan);
        }
        assert_eq!(loans.lend(HOUR, IP, 0).map(|loan| loan.left()), Ok(1));
    }

    #[test]
    fn connections_have_a_bucket_of_their_own() {
        let mut loans = loans(0);
        let entered = (0..9).filter_map(|_| loans.enter(HOUR, IP, false)).count();
        assert_eq!(entered, 5);
        assert!(loans.enter(HOUR + Duration::from_secs(2), IP, false).is_some());
        assert!(loans.enter(HOUR + Duration::from_secs(2), IP, false).is_none());
    }

    #[test]
    fn memory_is_bounded() {
        let mut loans = loans(10);
        for number in 0..300_000 {
            let _ = loans.enter(HOUR, Ipv4Addr::from(number).into(), false);
        }
        assert_eq!(loans.len(), ADDRESSES_MAX);
        assert!(loans.enter(HOUR, Ipv4Addr::from(400_000).into(), false).is_none());
        let later = HOUR + Duration::from_secs(10);
        loans.sweep(later);
        assert!(loans.enter(later, Ipv4Addr::from(400_000).into(), false).is_some());
        assert_eq!(loans.len(), 1);
    }
}
