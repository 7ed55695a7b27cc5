//! Starts the real binary on port 0 and talks to it over real sockets, so that a
//! test reads as a sentence:
//!
//! ```ignore
//! let server = Server::with_script("hello.ts", "return { hello: 'world' }").start().await;
//! server.get("/hello").await.expect_json(200, json!({ "hello": "world" }));
//! ```
//!
//! It must not know what any test is about. What the server logs is printed when
//! a test fails. All servers share one cache of compiled components, as it holds
//! nothing but machine code named by what it was made from.

#![allow(dead_code, reason = "a harness offers more than one run of tests uses")]

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Method;
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

#[path = "harness/credulous.rs"]
mod credulous;
#[path = "harness/exchange.rs"]
mod exchange;
#[path = "harness/process.rs"]
mod process;
#[path = "harness/skips.rs"]
mod skips;

pub use credulous::Credulous;
pub use exchange::{Reply, Sending};
pub use process::{Refusal, footpath, run};
pub(crate) use skips::skip;
pub use skips::{peer, peer_python, skipped, withheld};

use exchange::HttpClient;
use process::Process;

/// The root token of every server here.
pub const ROOT_TOKEN: &str = "root-token-of-the-tests";

/// Waiting longer than this for anything is a failure. Generous: the machine may
/// be busy, and the first start of all compiles the engine.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Where compiled components are kept between tests and between runs.
pub const COMPONENT_CACHE: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/footpath/components");

/// A server that is yet to start: its files, its settings.
pub struct Setup {
    home: TempDir,
    variables: Vec<(String, String)>,
    arguments: Vec<String>,
}

impl Setup {
    /// Adds a script of deployment `1`.
    pub fn script(self, path: &str, source: &str) -> Self {
        self.file(&format!("1/{path}"), source)
    }

    /// Adds scripts by the names of their routes, as tables of cases have them.
    pub fn routes(self, cases: &[(&str, impl AsRef<str>)]) -> Self {
        cases.iter().fold(self, |setup, (name, source)| {
            setup.script(&format!("{name}.ts"), source.as_ref())
        })
    }

    /// Adds a file of the scripts folder, deployment included in its path.
    pub fn file(self, path: &str, content: impl AsRef<[u8]>) -> Self {
        write(&self.scripts().join(path), content.as_ref());
        self
    }

    /// Sets a key of the configuration, such as `limits.wall_clock_ms`.
    pub fn set(self, key: &str, value: impl ToString) -> Self {
        let name = format!("FOOTPATH_{}", key.replace('.', "_").to_uppercase());
        self.variable(&name, value)
    }

    pub fn variable(mut self, name: &str, value: impl ToString) -> Self {
        self.variables.push((name.to_owned(), value.to_string()));
        self
    }

    /// Development mode: answers carry stacks.
    pub fn dev(self) -> Self {
        self.argument("--dev")
    }

    pub fn argument(mut self, argument: &str) -> Self {
        self.arguments.push(argument.to_owned());
        self
    }

    /// The scripts folder.
    pub fn scripts(&self) -> PathBuf {
        self.home.path().join("scripts")
    }

    /// The data folder.
    pub fn data(&self) -> PathBuf {
        self.home.path().join("data")
    }

    /// With an HTTPS listener too.
    pub fn https(self) -> Self {
        self.argument("--https").argument("127.0.0.1:0")
    }

    pub async fn start(self) -> Server {
        let process = self.spawn().expect("the server starts");
        Server {
            setup: self,
            process,
            client: exchange::client(),
        }
    }

    /// Starts a server that must refuse to serve, and gives what it said.
    pub async fn refuses_to_start(self) -> Refusal {
        match self.spawn() {
            Ok(_) => panic!("the server started although it must not"),
            Err(refusal) => refusal,
        }
    }

    fn spawn(&self) -> Result<Process, Refusal> {
        let mut command = footpath();
        command.arg("serve").arg(self.scripts());
        let is_given = |flag: &str| self.arguments.iter().any(|argument| argument == flag);
        if !is_given("--http") {
            command.args(["--http", "127.0.0.1:0"]);
        }
        if !is_given("--data") {
            command.arg("--data").arg(self.data());
        }
        command.args(&self.arguments);
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        Process::spawn(command)
    }
}

/// A running server. Dropping it kills the process.
pub struct Server {
    setup: Setup,
    process: Process,
    client: HttpClient,
}

impl Server {
    /// A server with nothing to serve.
    pub fn empty() -> Setup {
        let home = TempDir::new().expect("a temporary folder");
        fs::create_dir_all(home.path().join("scripts/1")).expect("a scripts folder");
        let variables = vec![
            ("FOOTPATH_TOKEN".to_owned(), ROOT_TOKEN.to_owned()),
            (
                "FOOTPATH_SERVER_CACHE".to_owned(),
                COMPONENT_CACHE.to_owned(),
            ),
        ];
        Setup {
            home,
            variables,
            arguments: Vec::new(),
        }
    }

    /// A server with one script in deployment `1`.
    pub fn with_script(path: &str, source: &str) -> Setup {
        Self::empty().script(path, source)
    }

    /// A server with several scripts in deployment `1`.
    pub fn with_scripts(scripts: &[(&str, &str)]) -> Setup {
        scripts.iter().fold(Self::empty(), |setup, (path, source)| {
            setup.script(path, source)
        })
    }

    pub fn address(&self) -> SocketAddr {
        self.process.address
    }

    /// Of the HTTPS listener, for a server that was set up with [`Setup::https`].
    pub fn https_address(&self) -> SocketAddr {
        self.process.https_address.expect("an HTTPS listener")
    }

    pub fn pid(&self) -> u32 {
        self.process.child.id()
    }

    /// The scripts folder.
    pub fn scripts(&self) -> PathBuf {
        self.setup.scripts()
    }

    /// The data folder.
    pub fn data(&self) -> PathBuf {
        self.setup.data()
    }

    /// Saves a script of deployment `1`, as an editor would.
    pub fn save(&self, path: &str, source: &str) {
        write(&self.scripts().join("1").join(path), source.as_bytes());
    }

    /// Deletes a file of deployment `1`.
    pub fn remove(&self, path: &str) {
        fs::remove_file(self.scripts().join("1").join(path)).expect("the file was there");
    }

    /// What the server has logged so far: standard error, the access log, and
    /// the execution log with its texts as they were before JSON.
    pub fn log(&self) -> String {
        let file = |name: &str| {
            fs::read_to_string(self.setup.data().join("logs").join(name)).unwrap_or_default()
        };
        let mut log = self.process.log() + &file("access/access.log");
        for line in file("executions/executions.log").lines() {
            let line: Value = serde_json::from_str(line).unwrap_or_default();
            let text = |field: &str| line[field].as_str().unwrap_or_default();
            let fields = ["execution_id", "script", "level", "message", "stack"].map(text);
            log += &(fields.join(" ") + "\n");
        }
        log
    }

    /// Memory that the process holds now, in bytes.
    pub fn resident_bytes(&self) -> u64 {
        let status =
            fs::read_to_string(format!("/proc/{}/status", self.pid())).expect("the process runs");
        let line = status
            .lines()
            .find(|line| line.starts_with("VmRSS:"))
            .expect("a VmRSS line");
        let kibibytes: u64 = line
            .split_whitespace()
            .nth(1)
            .and_then(|text| text.parse().ok())
            .expect("a number");
        kibibytes * 1024
    }

    pub fn get(&self, target: &str) -> Sending<'_> {
        self.request(Method::GET, target)
    }

    pub fn post(&self, target: &str, body: impl Into<Bytes>) -> Sending<'_> {
        self.request(Method::POST, target).body(body)
    }

    /// A request to the server; it is sent when it is awaited.
    pub fn request(&self, method: Method, target: &str) -> Sending<'_> {
        let uri = format!("http://{}{target}", self.address());
        Sending::new(&self.client, method, uri)
    }

    /// Sends bytes as they are and reads until the server closes the connection.
    pub async fn raw(&self, bytes: impl AsRef<[u8]>) -> Reply {
        let exchange = async {
            let mut stream = TcpStream::connect(self.address())
                .await
                .expect("a connection");
            // The server may answer and close before it has read everything.
            let _ = stream.write_all(bytes.as_ref()).await;
            let mut answer = Vec::new();
            let _ = stream.read_to_end(&mut answer).await;
            answer
        };
        let answer = tokio::time::timeout(PATIENCE, exchange)
            .await
            .expect("an answer in time");
        exchange::parse_reply(&answer)
    }

    /// Sends GET requests until an answer is as it should be.
    pub async fn until(&self, target: &str, wanted: impl Fn(&Reply) -> bool) -> Reply {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let reply = self.get(target).await;
            if wanted(&reply) {
                return reply;
            }
            assert!(
                Instant::now() < deadline,
                "{target} still answers {reply:?}"
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Waits until the log holds a text.
    pub async fn logs(&self, text: &str) {
        let deadline = Instant::now() + PATIENCE;
        while !self.log().contains(text) {
            assert!(Instant::now() < deadline, "the log never says {text:?}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Sends a signal, such as `TERM`.
    pub fn signal(&self, name: &str) {
        self.process.signal(name);
    }

    /// Waits for the process to end by itself.
    pub fn wait(&mut self) -> ExitStatus {
        self.process.wait()
    }

    /// SIGTERM, and the end of the process.
    pub fn stop(&mut self) -> ExitStatus {
        self.signal("TERM");
        self.wait()
    }

    /// SIGKILL, as a power cut would.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Starts the program again on the same files and data.
    pub async fn restart(&mut self) {
        self.process.kill();
        self.process = self.setup.spawn().expect("the server starts again");
        self.client = exchange::client();
    }

    /// As [`Server::restart`], with another setting.
    pub async fn restart_with(&mut self, key: &str, value: impl ToString) {
        let name = format!("FOOTPATH_{}", key.replace('.', "_").to_uppercase());
        let variables = &mut self.setup.variables;
        variables.retain(|(known, _)| *known != name);
        variables.push((name, value.to_string()));
        self.restart().await;
    }

    /// Starts a second process on the same scripts and data, which must refuse.
    pub fn second_process(&self) -> Refusal {
        match self.setup.spawn() {
            Ok(_) => panic!("a second process serves the same data folder"),
            Err(refusal) => refusal,
        }
    }
}

fn write(path: &Path, content: &[u8]) {
    let folder = path.parent().expect("a file lies in a folder");
    fs::create_dir_all(folder).expect("a folder for it");
    fs::write(path, content).expect("a written file");
}
