//! What a client received, kept until a `wait` writes it.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A queue of events: filled from any thread, emptied by `wait`.
pub struct Events<E>(Arc<Shared<E>>);

struct Shared<E> {
    queue: Mutex<VecDeque<E>>,
    filled: Condvar,
}

impl<E> Events<E> {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Shared {
            queue: Mutex::new(VecDeque::new()),
            filled: Condvar::new(),
        }))
    }

    /// Keeps `event` until a `wait` asks for it.
    pub fn push(&self, event: E) {
        self.queue().push_back(event);
        self.0.filled.notify_all();
    }

    /// Blocks until there is an event, or for `remaining`.
    pub fn wait(&self, remaining: Duration) {
        let _unused = self
            .0
            .filled
            .wait_timeout_while(self.queue(), remaining, |queue| queue.is_empty());
    }

    pub(crate) fn pop(&self) -> Option<E> {
        self.queue().pop_front()
    }

    // Nothing panics while it holds the lock, so a poisoned queue is still whole.
    fn queue(&self) -> MutexGuard<'_, VecDeque<E>> {
        self.0.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<E> Clone for Events<E> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}
