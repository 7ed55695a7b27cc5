//! A command for the shell, where the configuration allows that: a clean
//! environment, a working folder, a process group of its own that ends with it
//! and with the server, and limits. It must not be reached otherwise; `command` sees to that.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};

use super::call::{Attempted, CronHeaders};
use super::output::Capture;
use super::run::{Outcome, RunResult};

/// The only variable besides those that name the run.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// What a program may take, set by the shell before it starts: address space in
/// KiB, the size of a file in blocks of 512 bytes, open files, no core.
const LIMITS: &str = "ulimit -v 4194304; ulimit -f 2097152; ulimit -n 256; ulimit -c 0; ";
/// Waits for a line on standard input, which comes when somebody sees to the program's
/// end. Without it the server was killed meanwhile, and nobody would.
const GATE: &str = "read -r _ || exit 1; exec </dev/null; ";
/// After its end, this long is waited for output that a child of it still holds open.
const OUTPUT_PATIENCE: Duration = Duration::from_millis(500);

/// Runs lines of commands in one folder.
#[derive(Debug, Clone)]
pub struct Shell {
    pub dir: PathBuf,
}

/// Waits until nobody holds its standard input open any more, which the kernel sees
/// to even when the server is killed, and ends the process group that it was told.
const GUARD: &str = r#"read -r _; kill -KILL "-$1""#;

/// Ends the whole process group when it goes away.
struct Group {
    pid: u32,
    /// Ends the group if this server is killed; it is not needed once that is done here.
    _guard: Child,
}

impl Group {
    fn of(pid: u32) -> std::io::Result<Group> {
        let mut guard = Command::new("/bin/sh");
        guard
            .args(["-c", GUARD, "guard", &pid.to_string()])
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .kill_on_drop(true);
        Ok(Group {
            pid,
            _guard: guard.spawn()?,
        })
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // `kill` is asked since the group's number is the child's own.
        let _ = std::process::Command::new("/bin/kill")
            .args(["-KILL", "--", &format!("-{}", self.pid)])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
    }
}

impl Shell {
    /// Runs a line, once. Dropping the future ends what it started.
    pub async fn run(&self, line: &str, headers: &CronHeaders, timeout: Duration) -> Attempted {
        let mut capture = Capture::default();
        let work = self.supervise(line, headers, &mut capture);
        let ended = tokio::time::timeout(timeout, work).await;
        let (outcome, exit_code, error) = match ended {
            Ok(Ok(Some(0))) => (Outcome::Ok, Some(0), None),
            Ok(Ok(Some(code))) => (
                Outcome::Error,
                Some(code),
                Some(format!("it ended with exit code {code}")),
            ),
            Ok(Ok(None)) => (Outcome::Error, None, Some("a signal ended it".to_owned())),
            Ok(Err(error)) => (
                Outcome::Error,
                None,
                Some(format!("it cannot be run: {error}")),
            ),
            Err(_) => {
                let seconds = timeout.as_secs_f64();
                (
                    Outcome::Timeout,
                    None,
                    Some(format!("it took longer than {seconds} s")),
                )
            }
        };
        let result = RunResult {
            exit_code,
            error,
            output: Some(capture.output()),
            ..RunResult::default()
        };
        Attempted { outcome, result }
    }

    async fn supervise(
        &self,
        line: &str,
        headers: &CronHeaders,
        capture: &mut Capture,
    ) -> std::io::Result<Option<i32>> {
        let mut child = spawn(&self.dir, line, headers)?;
        let _group = child.id().map(Group::of).transpose()?;
        if let Some(mut gate) = child.stdin.take() {
            gate.write_all(b"\n").await?;
        }
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let (sender, mut chunks) = tokio::sync::mpsc::channel::<Vec<u8>>(16);
        let mut readers = tokio::task::JoinSet::new();
        if let Some(stdout) = stdout {
            readers.spawn(forward(stdout, sender.clone()));
        }
        if let Some(stderr) = stderr {
            readers.spawn(forward(stderr, sender.clone()));
        }
        drop(sender);
        let status = loop {
            tokio::select! {
                Some(chunk) = chunks.recv() => capture.add(&chunk),
                status = child.wait() => break status?,
            }
        };
        let rest = async {
            while let Some(chunk) = chunks.recv().await {
                capture.add(&chunk);
            }
        };
        let _ = tokio::time::timeout(OUTPUT_PATIENCE, rest).await;
        Ok(status.code())
    }
}

/// Starts a shell that runs the line as soon as its standard input says so.
fn spawn(dir: &Path, line: &str, headers: &CronHeaders) -> std::io::Result<Child> {
    std::fs::create_dir_all(dir)?;
    // The program is in this folder, where a relative `HOME` would mean another.
    let dir = &std::path::absolute(dir)?;
    let mut command = Command::new("/bin/sh");
    command
        .arg("-c")
        .arg(format!("{GATE}{LIMITS}{line}"))
        .current_dir(dir)
        .env_clear()
        .env("PATH", PATH)
        .env("HOME", dir)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true);
    for (name, value) in headers {
        // X-Cron-Run becomes CRON_RUN.
        let name = name.as_str().trim_start_matches("x-").replace('-', "_");
        command.env(
            name.to_uppercase(),
            String::from_utf8_lossy(value.as_bytes()).as_ref(),
        );
    }
    command.spawn()
}

async fn forward(mut from: impl AsyncRead + Unpin, to: tokio::sync::mpsc::Sender<Vec<u8>>) {
    let mut buffer = vec![0; 8 << 10];
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        if to.send(buffer[..count].to_vec()).await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn without_somebody_who_sees_to_its_end_a_program_does_not_begin() {
        let dir = tempfile::tempdir().unwrap();
        let mut child = spawn(dir.path(), "echo > ran", &CronHeaders::default()).unwrap();
        drop(child.stdin.take());
        assert_eq!(child.wait().await.unwrap().code(), Some(1));
        assert!(!dir.path().join("ran").exists());
    }
}
