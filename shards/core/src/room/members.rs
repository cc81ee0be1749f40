//! The members of a room, and delivery to them: a message is encoded once per dialect and appended once per recipient.

use super::MemberId;
use crate::effects::Effects;
use crate::slot::Slot;

/// A wire form of a protocol. What the number means is the protocol's business.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dialect(pub u8);

/// A member: who it is, where it is, what it speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Member {
    /// Id.
    pub id: MemberId,
    /// Its connection.
    pub slot: Slot,
    /// Its dialect.
    pub dialect: Dialect,
}

/// The members of one room.
#[derive(Debug, Default)]
pub struct Members(Vec<Member>);

impl Members {
    /// Somebody enters.
    pub fn add(&mut self, member: Member) {
        self.0.push(member);
    }

    /// Somebody leaves.
    pub fn remove(&mut self, id: MemberId) {
        self.0.retain(|member| member.id != id);
    }

    /// The member with this id.
    #[must_use]
    pub fn get(&self, id: MemberId) -> Option<&Member> {
        self.0.iter().find(|member| member.id == id)
    }

    /// The member with this id, to be changed.
    pub fn get_mut(&mut self, id: MemberId) -> Option<&mut Member> {
        self.0.iter_mut().find(|member| member.id == id)
    }

    /// Every member.
    #[must_use]
    pub fn all(&self) -> &[Member] {
        &self.0
    }

    /// Whether a member other than `except` speaks `dialect`.
    #[must_use]
    pub fn speak(&self, dialect: Dialect, except: Option<MemberId>) -> bool {
        self.others(except).any(|member| member.dialect == dialect)
    }

    /// Appends the effects' frame to the outbox of every member but `except`. Returns how many there are.
    pub fn deliver(&self, except: Option<MemberId>, fx: &mut Effects) -> u64 {
        self.others(except).fold(0, |told, member| {
            fx.append(member.slot);
            told + 1
        })
    }

    /// As [`Self::deliver`], to members that speak `dialect`.
    pub fn deliver_in(&self, dialect: Dialect, except: Option<MemberId>, fx: &mut Effects) -> u64 {
        let others = self.others(except);
        others
            .filter(|member| member.dialect == dialect)
            .fold(0, |told, member| {
                fx.append(member.slot);
                told + 1
            })
    }

    fn others(&self, except: Option<MemberId>) -> impl Iterator<Item = &Member> {
        self.0.iter().filter(move |member| Some(member.id) != except)
    }
}
