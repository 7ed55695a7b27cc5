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
use std::future::IntoFuture;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::process::{Child, ChildStdin, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc;
use std::sync::{Arc, LazyLock, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The root token of every server here.
pub const ROOT_TOKEN: &str = "root-token-of-the-tests";

/// Waiting longer than this for anything is a failure. Generous: the machine may
/// be busy, and the first start of all compiles the engine.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Where compiled components are kept between tests and between runs.
pub const COMPONENT_CACHE: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/components");

/// The program under test.
pub const FOOTPATH: &str = env!("CARGO_BIN_EXE_footpath");

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

    pub async fn start(self) -> Server {
        let process = self.spawn().expect("the server starts");
        Server {
            setup: self,
            process,
            client: client(),
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
        if !self.arguments.iter().any(|argument| argument == "--http") {
            command.args(["--http", "127.0.0.1:0"]);
        }
        command.arg("--data").arg(self.data()).args(&self.arguments);
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        Process::spawn(command)
    }
}

/// A process that ended instead of listening.
#[derive(Debug)]
pub struct Refusal {
    pub status: ExitStatus,
    pub stderr: String,
}

/// A running server. Dropping it kills the process.
pub struct Server {
    setup: Setup,
    process: Process,
    client: HttpClient,
}

type HttpClient = Client<HttpConnector, Full<Bytes>>;

fn client() -> HttpClient {
    Client::builder(TokioExecutor::new()).build_http()
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

    /// What the server wrote to standard error so far.
    pub fn log(&self) -> String {
        self.process.log()
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
        Sending {
            server: self,
            uri,
            method,
            headers: HeaderMap::new(),
            body: Bytes::new(),
        }
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
        parse_reply(&answer)
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
        self.client = client();
    }

    /// Starts a second process on the same scripts and data, which must refuse.
    pub fn second_process(&self) -> Refusal {
        match self.setup.spawn() {
            Ok(_) => panic!("a second process serves the same data folder"),
            Err(refusal) => refusal,
        }
    }
}

/// A request on its way; await it for the answer.
pub struct Sending<'a> {
    server: &'a Server,
    uri: String,
    method: Method,
    headers: HeaderMap,
    body: Bytes,
}

impl<'a> Sending<'a> {
    pub fn header(mut self, name: &str, value: &str) -> Self {
        let name: HeaderName = name.parse().expect("a header name");
        self.headers
            .append(name, HeaderValue::from_str(value).expect("a header value"));
        self
    }

    /// With this bearer token.
    pub fn token(self, token: &str) -> Self {
        self.header("authorization", &format!("Bearer {token}"))
    }

    /// With the root token.
    pub fn as_root(self) -> Self {
        self.token(ROOT_TOKEN)
    }

    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    pub fn json(self, body: &Value) -> Self {
        self.header("content-type", "application/json")
            .body(body.to_string())
    }

    /// Sends the request; for callers that expect it may fail.
    pub async fn send(self) -> Result<Reply, String> {
        let mut request = Request::new(Full::new(self.body));
        *request.method_mut() = self.method;
        *request.uri_mut() = self.uri.parse().expect("a request target");
        *request.headers_mut() = self.headers;
        let exchange = async {
            let response = self
                .server
                .client
                .request(request)
                .await
                .map_err(|error| format!("{error:?}"))?;
            let (head, body) = response.into_parts();
            let body = body
                .collect()
                .await
                .map_err(|error| format!("{error:?}"))?
                .to_bytes();
            Ok(Reply {
                status: head.status,
                headers: head.headers,
                body,
            })
        };
        tokio::time::timeout(PATIENCE, exchange)
            .await
            .map_err(|_| "no answer in time".to_owned())?
    }
}

impl<'a> IntoFuture for Sending<'a> {
    type Output = Reply;
    type IntoFuture = Pin<Box<dyn Future<Output = Reply> + Send + 'a>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let what = format!("{} {}", self.method, self.uri);
            self.send()
                .await
                .unwrap_or_else(|error| panic!("{what}: {error}"))
        })
    }
}

/// An answer, read to its end.
#[derive(Clone)]
pub struct Reply {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Reply {
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status.as_u16(), status, "{self:?}");
        self
    }

    #[track_caller]
    pub fn expect_json(self, status: u16, body: Value) -> Self {
        let reply = self.expect(status);
        assert_eq!(reply.json(), body);
        reply
    }

    #[track_caller]
    pub fn expect_text(self, status: u16, body: &str) -> Self {
        let reply = self.expect(status);
        assert_eq!(reply.text(), body);
        reply
    }

    /// An error of the server's own with this code.
    #[track_caller]
    pub fn expect_error(self, status: u16, code: &str) -> Self {
        let reply = self.expect(status);
        assert_eq!(reply.json()["code"], code, "{reply:?}");
        reply
    }

    #[track_caller]
    pub fn expect_header(self, name: &str, value: &str) -> Self {
        assert_eq!(self.header(name), Some(value), "header {name} of {self:?}");
        self
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("not JSON ({error}): {self:?}"))
    }
}

impl std::fmt::Debug for Reply {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let body = &self.body[..self.body.len().min(2_000)];
        write!(
            formatter,
            "{} {:?}\n{}",
            self.status,
            self.headers,
            String::from_utf8_lossy(body)
        )
    }
}

/// The head of an answer, and whatever follows it as the body.
fn parse_reply(bytes: &[u8]) -> Reply {
    let shown = String::from_utf8_lossy(bytes);
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n");
    let end = end.unwrap_or_else(|| panic!("not an HTTP answer: {shown:?}"));
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let mut lines = head.split("\r\n");
    let status = lines
        .next()
        .and_then(|line| line.split(' ').nth(1)?.parse().ok());
    let mut headers = HeaderMap::new();
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        let name: HeaderName = name.parse().expect("a header name");
        headers.append(
            name,
            HeaderValue::from_str(value.trim()).expect("a header value"),
        );
    }
    let body = Bytes::copy_from_slice(&bytes[end + 4..]);
    Reply {
        status: status.unwrap_or_else(|| panic!("no status: {shown:?}")),
        headers,
        body,
    }
}

/// A server process that listens, and what it says.
struct Process {
    child: Child,
    address: SocketAddr,
    log: Arc<Mutex<String>>,
    reader: Option<JoinHandle<()>>,
}

impl Process {
    /// Starts it and waits for the line that says where it listens.
    fn spawn(mut command: Command) -> Result<Self, Refusal> {
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
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
            log,
            reader: Some(reader),
        };
        match lines.recv_timeout(PATIENCE) {
            Ok(line) => {
                let address = line
                    .strip_prefix("listening on http://")
                    .expect("the first line of a server");
                process.address = address.parse().expect("an address");
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

    fn log(&self) -> String {
        self.log.lock().expect("the reader does not panic").clone()
    }

    fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill")
            .args(["-s", name, &pid])
            .status()
            .expect("kill is there");
        assert!(sent.success(), "SIG{name} was not sent");
    }

    fn wait(&mut self) -> ExitStatus {
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

    fn kill(&mut self) {
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
        .env("FOOTPATH_SERVER_CACHE", COMPONENT_CACHE);
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

/// A tool that `make peers` installs.
pub fn peer(name: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join(".peers/bin")
        .join(name);
    path.exists().then_some(path)
}

fn write(path: &Path, content: &[u8]) {
    let folder = path.parent().expect("a file lies in a folder");
    fs::create_dir_all(folder).expect("a folder for it");
    fs::write(path, content).expect("a written file");
}

static SKIPS_FORBIDDEN: LazyLock<bool> = LazyLock::new(|| {
    std::env::var("FOOTPATH_NO_SKIP").is_ok_and(|value| !value.is_empty() && value != "0")
});

/// Says loudly why a test does not run here; fails it where nothing may be skipped.
pub fn skipped(test: &str, reason: &str) {
    assert!(
        !*SKIPS_FORBIDDEN,
        "{test} was to be skipped, and FOOTPATH_NO_SKIP forbids that: {reason}"
    );
    // Past the capture of the test runner, which swallows what tests print.
    let _ = writeln!(std::io::stdout(), "SKIPPED {test}: {reason}");
}

/// Leaves a test that cannot run here.
#[allow(unused_macros, reason = "not every set of peers lacks one")]
macro_rules! skip {
    ($($reason:tt)+) => {{
        let test = std::thread::current().name().unwrap_or(module_path!()).to_owned();
        crate::harness::skipped(&test, &format!($($reason)+));
        return;
    }};
}
