//! A queue with two bounds, items and weight, between two threads.
//!
//! `try_push` refuses at either bound; `push` waits. One item heavier than the bound passes when the queue is empty.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// What [`Queue::pop_within`] found.
#[derive(Debug, PartialEq, Eq)]
pub enum Popped<T> {
    Item(T),
    /// Nothing came in time.
    Nothing,
    /// Nothing will come any more.
    Closed,
}

/// Not taken: full (or, for [`Queue::push`], closed).
#[derive(Debug, PartialEq, Eq)]
pub struct Refused;

pub struct Queue<T> {
    inner: Mutex<Inner<T>>,
    changed: Condvar,
    max_items: usize,
    max_weight: usize,
}

struct Inner<T> {
    items: VecDeque<(T, usize)>,
    weight: usize,
    closed: bool,
}

impl<T> Queue<T> {
    pub fn new(max_items: usize, max_weight: usize) -> Self {
        let inner = Inner { items: VecDeque::new(), weight: 0, closed: false };
        Queue { inner: Mutex::new(inner), changed: Condvar::new(), max_items, max_weight }
    }

    /// Whether `try_push` would take an item of this weight now.
    pub fn has_room(&self, weight: usize) -> bool {
        let inner = self.lock();
        !inner.closed && !self.is_full(&inner, weight)
    }

    pub fn try_push(&self, item: T, weight: usize) -> Result<(), Refused> {
        let mut inner = self.lock();
        if inner.closed || self.is_full(&inner, weight) {
            return Err(Refused);
        }
        self.add(&mut inner, item, weight);
        Ok(())
    }

    pub fn push(&self, item: T, weight: usize) -> Result<(), Refused> {
        let mut inner = self.lock();
        while !inner.closed && self.is_full(&inner, weight) {
            inner = self.changed.wait(inner).unwrap_or_else(PoisonError::into_inner);
        }
        if inner.closed {
            return Err(Refused);
        }
        self.add(&mut inner, item, weight);
        Ok(())
    }

    /// Waits for an item, then takes what is there, `most` at most; `None` when the queue is closed and empty.
    pub fn pop_some(&self, most: usize) -> Option<Vec<T>> {
        let mut inner = self.lock();
        loop {
            let some = self.remove_some(&mut inner, most);
            if !some.is_empty() {
                return Some(some);
            }
            if inner.closed {
                return None;
            }
            inner = self.changed.wait(inner).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// What is there, `most` at most; never waits.
    pub fn pop_ready(&self, most: usize) -> Vec<T> {
        self.remove_some(&mut self.lock(), most)
    }

    pub fn pop_within(&self, wait: Duration) -> Popped<T> {
        let mut inner = self.lock();
        if let Some(item) = self.remove(&mut inner) {
            return Popped::Item(item);
        }
        let until = Instant::now() + wait;
        loop {
            if inner.closed {
                return Popped::Closed;
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Popped::Nothing;
            }
            (inner, _) = self.changed.wait_timeout(inner, left).unwrap_or_else(PoisonError::into_inner);
            if let Some(item) = self.remove(&mut inner) {
                return Popped::Item(item);
            }
        }
    }

    /// Takes nothing more; what is in it can still be popped.
    pub fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    pub fn len(&self) -> usize {
        self.lock().items.len()
    }

    fn is_full(&self, inner: &Inner<T>, weight: usize) -> bool {
        !inner.items.is_empty() && (inner.items.len() >= self.max_items || inner.weight + weight > self.max_weight)
    }

    fn add(&self, inner: &mut Inner<T>, item: T, weight: usize) {
        let was_empty = inner.items.is_empty();
        inner.items.push_back((item, weight));
        inner.weight += weight;
        // One waits at most on each side, and never both: the popper on an empty queue, the pusher on a full one.
        if was_empty {
            self.changed.notify_all();
        }
    }

    fn remove(&self, inner: &mut Inner<T>) -> Option<T> {
        let (item, weight) = inner.items.pop_front()?;
        inner.weight -= weight;
        self.changed.notify_all();
        Some(item)
    }

    fn remove_some(&self, inner: &mut Inner<T>, most: usize) -> Vec<T> {
        let taken = inner.items.len().min(most);
        let some: Vec<(T, usize)> = inner.items.drain(..taken).collect();
        inner.weight -= some.iter().map(|(_, weight)| weight).sum::<usize>();
        if taken > 0 {
            self.changed.notify_all();
        }
        some.into_iter().map(|(item, _)| item).collect()
    }

    /// A poisoned lock holds a queue that is whole: no step above leaves it half changed.
    fn lock(&self) -> MutexGuard<'_, Inner<T>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[test]
    fn both_bounds_hold_and_one_heavy_item_passes_alone() {
        let queue = Queue::new(2, 10);
        assert_eq!(queue.try_push("heavy", 99), Ok(()));
        assert_eq!(queue.try_push("light", 1), Err(Refused));
        assert_eq!(queue.pop_some(5), Some(vec!["heavy"]));
        assert_eq!(queue.try_push("a", 1), Ok(()));
        assert_eq!(queue.try_push("b", 9), Ok(()));
        assert_eq!(queue.try_push("c", 0), Err(Refused));
        assert_eq!(queue.len(), 2);
    }

    #[test]
    fn a_closed_queue_gives_what_it_holds_and_then_ends() {
        let queue = Queue::new(9, 9);
        assert_eq!(queue.pop_within(Duration::ZERO), Popped::<u8>::Nothing);
        queue.push(1, 1).expect("it is open");
        queue.close();
        assert_eq!(queue.push(2, 1), Err(Refused));
        assert_eq!(queue.pop_within(Duration::ZERO), Popped::Item(1));
        assert_eq!(queue.pop_within(Duration::from_secs(9)), Popped::Closed);
        assert_eq!(queue.pop_some(5), None);
    }

    #[test]
    fn a_waiting_pusher_goes_on_when_there_is_room() {
        let queue = Arc::new(Queue::new(1, 9));
        let pushing = Arc::clone(&queue);
        let pusher = std::thread::spawn(move || (0..1_000).all(|n| pushing.push(n, 1).is_ok()));
        assert!((0..1_000).all(|n| queue.pop_some(5) == Some(vec![n])));
        assert!(pusher.join().expect("it does not panic"));
    }
}
