//! What waits to be sent on one connection, and the pool its memory comes from.

/// Outbound bytes of one connection, in order. Holds no memory while it is empty.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    bytes: Vec<u8>,
    sent: usize,
}

impl Outbox {
    pub(crate) fn from_unsent(bytes: Vec<u8>) -> Self {
        Self { bytes, sent: 0 }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.sent == self.bytes.len()
    }

    pub(crate) fn len(&self) -> usize {
        self.bytes.len() - self.sent
    }

    pub(crate) fn unsent(&self) -> &[u8] {
        &self.bytes[self.sent..]
    }

    /// Where frames are appended; memory comes from `pool`.
    pub(crate) fn tail(&mut self, pool: &mut Pool) -> &mut Vec<u8> {
        if self.bytes.capacity() == 0 {
            self.bytes = pool.take();
        } else if self.sent > 0 && self.sent >= self.bytes.len() / 2 {
            // A connection that is always behind would otherwise grow by what it has already sent. What moves is less
            // than what was sent since the last move, so this costs no more than the sending copies anyway.
            self.bytes.drain(..self.sent);
            self.sent = 0;
        }
        &mut self.bytes
    }

    /// `n` bytes of [`Self::unsent`] were sent.
    pub(crate) fn advance(&mut self, n: usize, pool: &mut Pool) {
        self.sent += n;
        if self.is_empty() {
            pool.give_back(std::mem::take(self).bytes);
        }
    }

    pub(crate) fn clear(&mut self, pool: &mut Pool) {
        pool.give_back(std::mem::take(self).bytes);
    }

    pub(crate) fn into_unsent(mut self) -> Vec<u8> {
        self.bytes.drain(..self.sent);
        self.bytes
    }
}

/// Buffers of a shard that are not in use.
#[derive(Debug, Default)]
pub(crate) struct Pool {
    free: Vec<Vec<u8>>,
}

impl Pool {
    /// Buffers that are kept; more go back to the allocator.
    const BUFFERS_MAX: usize = 256;
    /// Larger buffers are not kept.
    const BUFFER_BYTES_MAX: usize = 16 * 1024;
    const BUFFER_BYTES_MIN: usize = 512;

    fn take(&mut self) -> Vec<u8> {
        self.free
            .pop()
            .unwrap_or_else(|| Vec::with_capacity(Self::BUFFER_BYTES_MIN))
    }

    fn give_back(&mut self, mut buffer: Vec<u8>) {
        if (1..=Self::BUFFER_BYTES_MAX).contains(&buffer.capacity()) && self.free.len() < Self::BUFFERS_MAX {
            buffer.clear();
            self.free.push(buffer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_emptied_outbox_holds_no_memory() {
        let mut pool = Pool::default();
        let mut outbox = Outbox::default();
        outbox.tail(&mut pool).extend_from_slice(b"abc");
        outbox.advance(2, &mut pool);
        assert_eq!(outbox.unsent(), b"c");
        outbox.advance(1, &mut pool);
        assert_eq!(outbox.bytes.capacity(), 0);
        assert_eq!(pool.free.len(), 1);
    }

    #[test]
    fn a_connection_that_is_always_behind_does_not_grow() {
        let mut pool = Pool::default();
        let mut outbox = Outbox::default();
        outbox.tail(&mut pool).extend_from_slice(&[0; 100]);
        for _ in 0..10_000 {
            outbox.tail(&mut pool).extend_from_slice(&[0; 100]);
            outbox.advance(100, &mut pool);
        }
        assert_eq!(outbox.len(), 100);
        assert!(outbox.bytes.capacity() < 4096, "{}", outbox.bytes.capacity());
    }

    #[test]
    fn the_pool_keeps_neither_many_nor_large_buffers() {
        let mut pool = Pool::default();
        pool.give_back(Vec::with_capacity(Pool::BUFFER_BYTES_MAX + 1));
        assert!(pool.free.is_empty());
        for _ in 0..2 * Pool::BUFFERS_MAX {
            pool.give_back(Vec::with_capacity(512));
        }
        assert_eq!(pool.free.len(), Pool::BUFFERS_MAX);
    }
}
