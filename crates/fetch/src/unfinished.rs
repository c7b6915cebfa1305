//! How many fetches have been called and not ended, and waiting until they are few.

use tokio::sync::watch;

/// Clones count together.
#[derive(Clone)]
pub(crate) struct Unfinished {
    count: watch::Sender<usize>,
    few: usize,
}

/// One fetch, until it is dropped.
pub(crate) struct Counted(Unfinished);

impl Unfinished {
    /// None yet; up to `few` are few.
    pub(crate) fn new(few: usize) -> Self {
        Self { count: watch::Sender::new(0), few }
    }

    pub(crate) fn count(&self) -> Counted {
        self.count.send_if_modified(|count| {
            *count += 1;
            false
        });
        Counted(self.clone())
    }

    /// Waits until they are few.
    pub(crate) async fn few(&self) {
        // It cannot end before this: its sender is here.
        let _ = self.count.subscribe().wait_for(|count| *count <= self.few).await;
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let Unfinished { count, few } = &self.0;
        // Only who waits for few of them is to be woken.
        count.send_if_modified(|count| {
            *count -= 1;
            *count == *few
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt as _;

    #[test]
    fn who_waits_is_woken_when_they_become_few() {
        let unfinished = Unfinished::new(1);
        let (first, second, third) = (unfinished.count(), unfinished.count(), unfinished.count());
        let mut waiting = Box::pin(unfinished.few());
        assert!(waiting.as_mut().now_or_never().is_none());
        drop(first);
        assert!(waiting.as_mut().now_or_never().is_none());
        drop(second);
        assert!(waiting.now_or_never().is_some());
        drop(third);
        assert!(unfinished.few().now_or_never().is_some());
    }
}
