//! Stopping: one signal that every task can wait for, and the drain that waits
//! for the tasks.
//!
//! The first SIGTERM or SIGINT asks to stop, the second ends the process at
//! once. This module must not know what the tasks do; the order in which parts
//! stop is `app`'s.

use std::{future::Future, io, time::Duration};

use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    task::JoinHandle,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// The signal and the tasks that follow it. Clones share both.
#[derive(Debug, Clone, Default)]
pub struct Shutdown {
    requested: CancellationToken,
    tasks: TaskTracker,
}

/// How a drain ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Drained {
    Everything,
    /// So many tasks were still running at the deadline.
    Left(usize),
}

impl Shutdown {
    pub fn new() -> Shutdown {
        Shutdown::default()
    }

    /// Asks every task to stop. Asking again changes nothing.
    pub fn request(&self) {
        self.requested.cancel();
    }

    pub fn is_requested(&self) -> bool {
        self.requested.is_cancelled()
    }

    /// Waits until somebody asks to stop.
    pub async fn requested(&self) {
        self.requested.cancelled().await;
    }

    /// Runs `task` so that [`Shutdown::drain`] waits for it. The task itself
    /// must end soon after [`Shutdown::requested`].
    pub fn spawn<T: Send + 'static>(
        &self,
        task: impl Future<Output = T> + Send + 'static,
    ) -> JoinHandle<T> {
        self.tasks.spawn(task)
    }

    /// Asks to stop and waits for all tasks, at most for `at_most`.
    pub async fn drain(&self, at_most: Duration) -> Drained {
        self.request();
        self.tasks.close();
        match tokio::time::timeout(at_most, self.tasks.wait()).await {
            Ok(()) => Drained::Everything,
            Err(_) => Drained::Left(self.tasks.len()),
        }
    }

    /// Starts to listen for SIGTERM and SIGINT. The listening task ends with the runtime.
    pub fn listen_for_signals(&self) -> io::Result<()> {
        let mut signals = Signals::new()?;
        let shutdown = self.clone();
        // Not one of `tasks`: it must still be there for the second signal.
        tokio::spawn(async move {
            let first = signals.next().await;
            tracing::info!(
                signal = first.name,
                "stopping; a second signal ends the process at once"
            );
            shutdown.request();
            let second = signals.next().await;
            tracing::warn!(signal = second.name, "ending at once");
            std::process::exit(second.exit_code);
        });
        Ok(())
    }
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

/// A signal that arrived, and the exit code that tells of it: 128 + its number.
struct Arrived {
    name: &'static str,
    exit_code: i32,
}

impl Signals {
    fn new() -> io::Result<Signals> {
        Ok(Signals {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) -> Arrived {
        tokio::select! {
            _ = self.terminate.recv() => Arrived { name: "SIGTERM", exit_code: 128 + 15 },
            _ = self.interrupt.recv() => Arrived { name: "SIGINT", exit_code: 128 + 2 },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        io::{BufRead, BufReader, Write},
        process::{Child, Command, Stdio},
    };

    #[tokio::test]
    async fn a_drain_waits_for_the_tasks() {
        let shutdown = Shutdown::new();
        let waiting = shutdown.clone();
        let task = shutdown.spawn(async move {
            waiting.requested().await;
            tokio::task::yield_now().await;
            7
        });
        assert!(!shutdown.is_requested());
        assert_eq!(
            shutdown.drain(Duration::from_secs(60)).await,
            Drained::Everything
        );
        assert!(shutdown.is_requested());
        assert!(task.is_finished());
        assert_eq!(task.await.unwrap(), 7);
    }

    #[tokio::test]
    async fn a_drain_ends_at_its_deadline() {
        let shutdown = Shutdown::new();
        let stubborn = shutdown.spawn(std::future::pending::<()>());
        shutdown.spawn(async {});
        assert_eq!(
            shutdown.drain(Duration::from_millis(10)).await,
            Drained::Left(1)
        );
        stubborn.abort();
    }

    #[tokio::test]
    async fn a_drain_without_tasks_ends() {
        let shutdown = Shutdown::new();
        assert_eq!(
            shutdown.drain(Duration::from_secs(60)).await,
            Drained::Everything
        );
    }

    const CHILD: &str = "SHUTDOWN_TEST_CHILD";
    const TEST_NAME: &str = "shutdown::tests::the_first_signal_drains_and_the_second_exits";

    #[test]
    fn the_first_signal_drains_and_the_second_exits() {
        if let Ok(mode) = std::env::var(CHILD) {
            child(&mode);
        }
        for (signal, code) in [("TERM", 143), ("INT", 130)] {
            let (mut process, mut lines) = start("stubborn");
            kill(&process, signal);
            wait_for(&mut lines, "stopping");
            kill(&process, signal);
            assert_eq!(process.wait().unwrap().code(), Some(code));
        }
        let (mut process, mut lines) = start("obedient");
        kill(&process, "TERM");
        wait_for(&mut lines, "stopping");
        assert_eq!(process.wait().unwrap().code(), Some(0));
    }

    fn child(mode: &str) -> ! {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let shutdown = Shutdown::new();
            shutdown.listen_for_signals().unwrap();
            if mode == "stubborn" {
                shutdown.spawn(std::future::pending::<()>());
            }
            say("\nready\n");
            shutdown.requested().await;
            say("stopping\n");
            shutdown.drain(Duration::from_secs(600)).await;
        });
        std::process::exit(0);
    }

    fn say(line: &str) {
        std::io::stdout().lock().write_all(line.as_bytes()).unwrap();
    }

    type Lines = std::io::Lines<BufReader<std::process::ChildStdout>>;

    fn start(mode: &str) -> (Child, Lines) {
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", TEST_NAME, "--nocapture", "--test-threads=1"])
            .env(CHILD, mode)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        wait_for(&mut lines, "ready");
        (process, lines)
    }

    fn wait_for(lines: &mut Lines, expected: &str) {
        while lines.next().unwrap().unwrap() != expected {}
    }

    fn kill(process: &Child, signal: &str) {
        let sent = Command::new("kill")
            .args([&format!("-{signal}"), &process.id().to_string()])
            .status();
        assert!(sent.unwrap().success());
    }
}
