//! Spawns the tasks of the gateway, so that a simulator can end them as a crash would.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use tokio::task::JoinHandle;
use tokio_util::task::TaskTracker;

/// A simulated process. Each task asks it before each poll whether the process still runs.
/// Cheap to clone.
#[derive(Clone, Default)]
pub struct Process(Option<Arc<dyn Fn() -> bool + Send + Sync>>);

impl Process {
    /// Returns a process that runs as long as `is_running` returns `true`.
    pub fn simulated(is_running: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(is_running)))
    }

    /// Spawns a task of this process.
    pub fn spawn<F>(&self, task: F) -> JoinHandle<F::Output>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        match &self.0 {
            None => tokio::spawn(task),
            Some(is_running) => tokio::spawn(SimulatedTask::new(is_running, task)),
        }
    }
}

impl fmt::Debug for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Process").finish_non_exhaustive()
    }
}

/// Spawns tasks that a drain waits for. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Tasks {
    process: Process,
    tracker: TaskTracker,
}

impl Tasks {
    /// Returns a handle for tasks of `process`, which `tracker` counts.
    #[must_use]
    pub const fn new(process: Process, tracker: TaskTracker) -> Self {
        Self { process, tracker }
    }

    /// Spawns a task.
    pub fn spawn<F>(&self, task: F) -> JoinHandle<F::Output>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        self.process.spawn(self.tracker.track_future(task))
    }
}

/// A task of a simulated process. After the end of the process it does nothing.
struct SimulatedTask<F> {
    is_running: Arc<dyn Fn() -> bool + Send + Sync>,
    task: Option<Pin<Box<F>>>,
}

impl<F> SimulatedTask<F> {
    fn new(is_running: &Arc<dyn Fn() -> bool + Send + Sync>, task: F) -> Self {
        Self { is_running: Arc::clone(is_running), task: Some(Box::pin(task)) }
    }
}

impl<F: Future> Future for SimulatedTask<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        if !(self.is_running)() {
            self.task = None;
        }
        match &mut self.task {
            Some(task) => task.as_mut().poll(context),
            None => Poll::Pending,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[tokio::test]
    async fn a_task_of_an_ended_process_is_dropped_and_does_nothing_more() {
        let polls = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&polls);
        let process = Process::simulated(move || counted.fetch_add(1, Ordering::Relaxed) < 2);
        let held = Arc::new(());
        let holds = Arc::clone(&held);
        let task = process.spawn(async move {
            loop {
                assert!(Arc::strong_count(&holds) > 1);
                tokio::task::yield_now().await;
            }
        });
        while polls.load(Ordering::Relaxed) < 3 {
            tokio::task::yield_now().await;
        }
        assert_eq!(Arc::strong_count(&held), 1);
        assert!(!task.is_finished());
    }

    #[tokio::test]
    async fn a_tracker_waits_for_the_tasks() {
        let tracker = TaskTracker::new();
        let task = Tasks::new(Process::default(), tracker.clone()).spawn(async { 7 });
        tracker.close();
        tracker.wait().await;
        assert_eq!(task.await.unwrap(), 7);
    }
}
