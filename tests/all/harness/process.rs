//! The program as a process: one that listens, and one that runs to its end.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::PATIENCE;

/// The program under test.
pub const FOOTPATH: &str = env!("CARGO_BIN_EXE_footpath");

/// A process that ended instead of listening.
#[derive(Debug)]
pub struct Refusal {
    pub status: ExitStatus,
    pub stderr: String,
}

/// A server process that listens, and what it says.
pub struct Process {
    pub child: Child,
    pub address: SocketAddr,
    pub https_address: Option<SocketAddr>,
    log: Arc<Mutex<String>>,
    reader: Option<JoinHandle<()>>,
}

impl Process {
    /// Starts it and waits for the line that says where it listens.
    pub fn spawn(mut command: Command) -> Result<Self, Refusal> {
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let has_https = command.get_args().any(|argument| argument == "--https");
        let mut child = command.spawn().expect("the binary can be run");
        let log = Arc::new(Mutex::new(String::new()));
        let stderr = child.stderr.take().expect("a piped standard error");
        let reader = std::thread::spawn({
            let log = log.clone();
            move || collect(stderr, &log)
        });
        let stdout = child.stdout.take().expect("a piped standard output");
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        let unknown = SocketAddr::from(([0, 0, 0, 0], 0));
        let mut process = Self {
            child,
            address: unknown,
            https_address: None,
            log,
            reader: Some(reader),
        };
        match lines.recv_timeout(PATIENCE) {
            Ok(line) => {
                let address = line
                    .strip_prefix("listening on http://")
                    .expect("the first line of a server");
                process.address = address.parse().expect("an address");
                if has_https {
                    let line = lines.recv_timeout(PATIENCE).expect("a second line");
                    let address = line
                        .strip_prefix("listening on https://")
                        .expect("the second line of a server");
                    process.https_address = Some(address.parse().expect("an address"));
                }
                Ok(process)
            }
            Err(mpsc::RecvTimeoutError::Disconnected) => {
                let status = process.wait();
                Err(Refusal {
                    status,
                    stderr: process.log(),
                })
            }
            Err(mpsc::RecvTimeoutError::Timeout) => panic!("the server neither listens nor ends"),
        }
    }

    pub fn log(&self) -> String {
        self.log.lock().expect("the reader does not panic").clone()
    }

    pub fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill")
            .args(["-s", name, &pid])
            .status()
            .expect("kill is there");
        assert!(sent.success(), "SIG{name} was not sent");
    }

    pub fn wait(&mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().expect("a child of ours") {
                self.end_reading();
                return status;
            }
            assert!(Instant::now() < deadline, "the server does not end");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.end_reading();
    }

    fn end_reading(&mut self) {
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
        let log = self.log();
        if std::thread::panicking() {
            eprintln!("--- standard error of the server ---\n{log}---");
        } else {
            // Whatever a test does to it, the server itself never panics.
            assert!(!log.contains("panicked at"), "the server panicked:\n{log}");
        }
    }
}

fn collect(mut from: impl Read, log: &Mutex<String>) {
    let mut buffer = [0; 16 << 10];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        let text = String::from_utf8_lossy(&buffer[..count]);
        log.lock()
            .expect("nobody panics with the log")
            .push_str(&text);
    }
}

/// The program without the settings of whoever runs the tests.
pub fn footpath() -> Command {
    let mut command = Command::new(FOOTPATH);
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy().into_owned();
        if name.starts_with("FOOTPATH_") || name.starts_with("OPENAI_") {
            command.env_remove(name);
        }
    }
    command
}

/// Runs a verb to its end, with text on its standard input.
pub fn run(arguments: &[&str], folder: &Path, input: &str) -> Output {
    let mut command = footpath();
    command
        .args(arguments)
        .current_dir(folder)
        .env("XDG_CACHE_HOME", env!("CARGO_TARGET_TMPDIR"));
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().expect("the binary can be run");
    let mut stdin: ChildStdin = child.stdin.take().expect("a piped standard input");
    // A verb that reads nothing may be gone already.
    let _ = stdin.write_all(input.as_bytes());
    drop(stdin);
    child.wait_with_output().expect("the verb ends")
}
