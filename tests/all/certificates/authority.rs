//! A certificate authority that is not ours: Pebble, of the authors of Let's
//! Encrypt's, with a name server that answers every name with this machine.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{PATIENCE, Setup};

const PEBBLE: &str = "/usr/bin/pebble";
const NAME_SERVER: &str = "/usr/bin/pebble-challtestsrv";

/// A running authority. Dropping it kills its processes.
pub struct Authority {
    home: TempDir,
    pub directory: String,
    /// Where the server under test must listen.
    pub http: u16,
    pub https: u16,
    /// Where DNS records are set.
    pub dns_management: u16,
    /// Its own API.
    pub api: u16,
    dns: u16,
    variables: Vec<(String, String)>,
    children: Vec<Child>,
}

/// Whether it is installed: the Debian packages pebble and pebble-challtestsrv.
pub fn is_installed() -> bool {
    Path::new(PEBBLE).exists() && Path::new(NAME_SERVER).exists()
}

/// Ports that were free a moment ago: both sides must know the other's before
/// they start.
pub fn free_ports<const N: usize>() -> [u16; N] {
    let listeners = [(); N].map(|()| TcpListener::bind("127.0.0.1:0").expect("a free port"));
    listeners.map(|listener| listener.local_addr().expect("it is bound").port())
}

impl Authority {
    /// Starts with variables such as `PEBBLE_WFE_NONCEREJECT`.
    pub fn start(variables: &[(&str, &str)]) -> Self {
        Self::start_with(variables, json!({}))
    }

    /// Starts with further keys of its configuration.
    pub fn start_with(variables: &[(&str, &str)], more: Value) -> Self {
        let home = TempDir::new().expect("a temporary folder");
        let [http, https, api, dns, dns_management] = free_ports();
        let certificate = rcgen::generate_simple_self_signed(["localhost".to_owned()])
            .expect("a certificate for the authority's own API");
        let file = |name: &str, text: String| {
            let path = home.path().join(name);
            std::fs::write(&path, text).expect("the temporary folder takes files");
            path
        };
        let cert = file("api.pem", certificate.cert.pem());
        let key = file("api-key.pem", certificate.signing_key.serialize_pem());
        let mut config = json!({ "pebble": {
            "listenAddress": format!("127.0.0.1:{api}"),
            "certificate": cert,
            "privateKey": key,
            "httpPort": http,
            "tlsPort": https,
            "externalAccountBindingRequired": false,
        }});
        for (key, value) in more.as_object().into_iter().flatten() {
            config["pebble"][key] = value.clone();
        }
        file("pebble.json", config.to_string());
        let names = Command::new(NAME_SERVER)
            .args(["-defaultIPv4", "127.0.0.1", "-defaultIPv6", ""])
            .args(["-http01", "", "-https01", "", "-tlsalpn01", ""])
            .args(["-dns01", &format!("127.0.0.1:{dns}")])
            .args(["-management", &format!("127.0.0.1:{dns_management}")])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the name server can be run");
        let own = |(name, value): &(&str, &str)| (name.to_string(), value.to_string());
        let mut authority = Self {
            home,
            directory: format!("https://localhost:{api}/dir"),
            http,
            https,
            dns_management,
            api,
            dns,
            variables: variables.iter().map(own).collect(),
            children: vec![names],
        };
        wait_for(dns_management);
        authority.start_pebble();
        authority
    }

    fn start_pebble(&mut self) {
        let path = self.home.path().join("pebble.log");
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(path);
        let log = log.expect("a log");
        let mut command = Command::new(PEBBLE);
        command
            .arg("-config")
            .arg(self.home.path().join("pebble.json"))
            .args(["-strict", "-dnsserver", &format!("127.0.0.1:{}", self.dns)])
            .env("PEBBLE_VA_NOSLEEP", "1")
            .env("PEBBLE_WFE_NONCEREJECT", "0")
            .envs(self.variables.iter().cloned())
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a second handle"))
            .stderr(log);
        self.children
            .push(command.spawn().expect("pebble can be run"));
        wait_for(self.api);
    }

    /// Forgets everything, accounts too, as it does at each start.
    pub fn restart(&mut self) {
        if let Some(mut pebble) = self.children.pop() {
            let _ = pebble.kill();
            let _ = pebble.wait();
        }
        self.start_pebble();
    }

    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// The certificate that the authority's own API shows.
    pub fn root(&self) -> PathBuf {
        self.home.path().join("api.pem")
    }

    /// What it wrote so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.home.path().join("pebble.log")).unwrap_or_default()
    }

    /// Stops answering.
    pub fn stop(&mut self) {
        for child in &mut self.children {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// A server that asks this authority and that it can validate.
    pub fn asked_by(&self, setup: Setup) -> Setup {
        setup
            .argument("--http")
            .argument(&format!("127.0.0.1:{}", self.http))
            .argument("--https")
            .argument(&format!("127.0.0.1:{}", self.https))
            .set("acme.directory", &self.directory)
            .set("acme.ca", self.root().display())
            .set("acme.check_ms", 1000)
    }
}

impl Drop for Authority {
    fn drop(&mut self) {
        self.stop();
        if std::thread::panicking() {
            eprintln!("--- the authority ---\n{}---", self.log());
        }
    }
}

pub fn wait_for(port: u16) {
    let deadline = Instant::now() + PATIENCE;
    while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(Instant::now() < deadline, "nobody listens at {port}");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

/// What `openssl` sees in a handshake: the serial of the certificate.
pub fn serial_shown(port: u16, name: &str) -> String {
    let handshake = Command::new("openssl")
        .args([
            "s_client",
            "-connect",
            &format!("127.0.0.1:{port}"),
            "-servername",
            name,
        ])
        .stdin(Stdio::null())
        .output()
        .expect("openssl can be run");
    let mut reader = Command::new("openssl")
        .args(["x509", "-noout", "-serial"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("openssl can be run");
    let mut input = reader.stdin.take().expect("a piped input");
    std::io::Write::write_all(&mut input, &handshake.stdout).expect("openssl reads");
    drop(input);
    let read = reader.wait_with_output().expect("openssl ends");
    let text = String::from_utf8_lossy(&read.stdout).into_owned();
    let serial = text.trim().strip_prefix("serial=").map(str::to_owned);
    serial.unwrap_or_else(|| {
        panic!(
            "no certificate: {}",
            String::from_utf8_lossy(&handshake.stderr)
        )
    })
}
