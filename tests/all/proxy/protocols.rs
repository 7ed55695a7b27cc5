//! Other clients and other upstreams than our own: curl over HTTP/2 and with
//! WebSockets, WebSockets within HTTP/2, and nginx, Caddy and HAProxy behind us.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Method, Request};
use http_body_util::Empty;
use hyper::ext::Protocol;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{Upstream, handshake_for};
use crate::harness::{PATIENCE, Server, skip};

fn aliases(pairs: &[(&str, String)]) -> String {
    let texts = pairs.iter().map(|(host, url)| format!("{host}={url}"));
    texts.collect::<Vec<_>>().join(",")
}

/// What curl prints for a URL at `app.example`, with its version of HTTP and the status first.
fn curl(server: &Server, path: &str, arguments: &[&str]) -> Option<String> {
    let port = server.https_address().port();
    let output = Command::new("curl")
        .args([
            "-sk",
            "--max-time",
            "20",
            "-w",
            "%{stderr}%{http_version} %{http_code}\n",
        ])
        .args([
            "--connect-to",
            &format!("app.example:{port}:127.0.0.1:{port}"),
        ])
        .args(arguments)
        .arg(format!("https://app.example:{port}{path}"))
        .output()
        .ok()?;
    let said = [output.stderr, output.stdout].concat();
    Some(String::from_utf8_lossy(&said).into_owned())
}

#[tokio::test]
async fn curl_speaks_both_versions_and_upgrades() {
    let Some(upstream) = Upstream::start() else {
        skip!("there is no node");
    };
    let server = Server::empty()
        .set("proxy.allow", format!("127.0.0.1:{}", upstream.port))
        .set("proxy.aliases", aliases(&[("app.example", upstream.url())]))
        .https()
        .start()
        .await;
    let Some(said) = curl(&server, "/x", &["--http2"]) else {
        skip!("there is no curl");
    };
    assert!(said.starts_with("2 200\n"), "{said}");
    assert!(said.contains("\"x-forwarded-proto\":\"https\""), "{said}");
    let said = curl(&server, "/x", &["--http2", "-d", "hello"]).unwrap();
    assert!(
        said.starts_with("2 200\n") && said.contains("\"length\":5"),
        "{said}"
    );
    let said = curl(&server, "/x", &["--http1.1"]).unwrap();
    assert!(said.starts_with("1.1 200\n"), "{said}");
    let websocket = [
        "--http1.1",
        "--max-time",
        "3",
        "-H",
        "Connection: Upgrade",
        "-H",
        "Upgrade: websocket",
        "-H",
        "Sec-WebSocket-Version: 13",
        "-H",
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
    ];
    let said = curl(&server, "/socket", &websocket).unwrap();
    assert!(said.starts_with("1.1 101\n"), "{said}");
}

/// An extended CONNECT on a connection of its own; the status and the tunnel.
async fn connect(
    server: &Server,
    host: &str,
    path: &str,
) -> (u16, Option<hyper::upgrade::Upgraded>) {
    let stream = handshake_for(server.https_address(), "app.example", &[b"h2"])
        .await
        .unwrap();
    let (mut sender, connection) = hyper::client::conn::http2::handshake::<_, _, Empty<Bytes>>(
        TokioExecutor::new(),
        TokioIo::new(stream),
    )
    .await
    .unwrap();
    tokio::spawn(connection);
    // The server says first that it knows of extended CONNECT (RFC 8441, section 3).
    let deadline = Instant::now() + PATIENCE;
    loop {
        let mut request = Request::new(Empty::new());
        *request.method_mut() = Method::CONNECT;
        *request.uri_mut() = format!("https://{host}{path}").parse().unwrap();
        request
            .extensions_mut()
            .insert(Protocol::from_static("websocket"));
        request
            .headers_mut()
            .insert("sec-websocket-version", "13".parse().unwrap());
        match sender.send_request(request).await {
            Ok(mut response) => {
                let status = response.status().as_u16();
                let upgraded = hyper::upgrade::on(&mut response);
                return (
                    status,
                    if status == 200 {
                        upgraded.await.ok()
                    } else {
                        None
                    },
                );
            }
            Err(error) => assert!(Instant::now() < deadline, "{error:?}"),
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn websockets_within_http2_reach_upstreams_of_http1() {
    let Some(upstream) = Upstream::start() else {
        skip!("there is no node");
    };
    let url = upstream.url();
    let server = Server::with_script("socket.ts", "return 'a script'")
        .set("proxy.allow", format!("127.0.0.1:{}", upstream.port))
        .set(
            "proxy.aliases",
            aliases(&[
                ("app.example", url),
                ("scripts.example", "scripts:1".to_owned()),
            ]),
        )
        .https()
        .start()
        .await;
    let (status, tunnel) = connect(&server, "app.example", "/socket").await;
    assert_eq!(status, 200);
    let mut tunnel = TokioIo::new(tunnel.expect("a tunnel"));
    for part in [&b"\0\xffping"[..], &[7; 100_000]] {
        tunnel.write_all(part).await.unwrap();
        let mut back = vec![0; part.len()];
        tunnel.read_exact(&mut back).await.unwrap();
        assert_eq!(back, part);
    }
    // The upstream sees the end.
    tunnel.shutdown().await.unwrap();
    let mut rest = Vec::new();
    tunnel.read_to_end(&mut rest).await.unwrap();
    assert!(rest.is_empty(), "{rest:?}");
    // One that refuses, one that answers as if it were a page, and scripts.
    assert_eq!(connect(&server, "app.example", "/refuses").await.0, 403);
    assert_eq!(connect(&server, "scripts.example", "/socket").await.0, 501);
    assert_eq!(connect(&server, "other.example", "/socket").await.0, 501);
}

#[tokio::test]
async fn websockets_and_requests_outlive_reloads() {
    const SOCKETS: usize = 40;
    const RELOADS: usize = 15;
    let Some(upstream) = Upstream::start() else {
        skip!("there is no node");
    };
    let server = Server::empty()
        .set("proxy.allow", format!("127.0.0.1:{}", upstream.port))
        .set("proxy.aliases", aliases(&[("app.example", upstream.url())]))
        .https()
        .start()
        .await;
    let https = server.https_address();
    let mut sockets = Vec::new();
    for _ in 0..SOCKETS {
        let mut socket = handshake_for(https, "app.example", &[b"http/1.1"])
            .await
            .unwrap();
        let ask = b"GET /s HTTP/1.1\r\nhost: app.example\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n";
        socket.write_all(ask).await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(socket.read_u8().await.unwrap());
        }
        assert!(head.starts_with(b"HTTP/1.1 101"));
        sockets.push(socket);
    }
    // Requests go on all the while on connections of their own.
    let stop = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let asking = tokio::spawn({
        let stop = stop.clone();
        async move {
            let mut count = 0;
            let mut stream = handshake_for(https, "app.example", &[b"http/1.1"])
                .await
                .unwrap();
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                stream
                    .write_all(b"GET /r HTTP/1.1\r\nhost: app.example\r\n\r\n")
                    .await
                    .unwrap();
                let mut answer = Vec::new();
                while !answer.ends_with(b"\"length\":0}") {
                    answer.push(stream.read_u8().await.unwrap());
                }
                assert!(answer.starts_with(b"HTTP/1.1 200"));
                count += 1;
            }
            count
        }
    });
    for reload in 0..RELOADS {
        let pair = super::certificate(&["app.example"]);
        super::install(&server, "app.example", &pair)
            .await
            .expect(200);
        let shown = super::shown(&handshake_for(https, "app.example", &[]).await.unwrap());
        let pem = rustls::pki_types::pem::PemObject::from_pem_slice(pair.0.as_bytes());
        let leaf: rustls::pki_types::CertificateDer<'_> = pem.unwrap();
        assert_eq!(shown, leaf.to_vec());
        for socket in &mut sockets {
            let sent = [reload as u8; 32];
            socket.write_all(&sent).await.unwrap();
            let mut back = [255; 32];
            socket.read_exact(&mut back).await.unwrap();
            assert_eq!(back, sent);
        }
    }
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    assert!(asking.await.expect("no request failed") > 0);
}

/// A server of somebody else's; dropping it ends it.
struct Other(Child);

impl Other {
    async fn start(command: &mut Command, port: u16) -> Option<Self> {
        let child = command
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        let other = Self(child);
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect(("127.0.0.1", port)).await.is_err() {
            assert!(Instant::now() < deadline, "{command:?} does not listen");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Some(other)
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

fn saved(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

fn nginx(folder: &Path, port: u16) -> Command {
    let at = folder.display();
    let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
    let temporary = temporary
        .map(|name| format!("{name}_temp_path {at}/{name};"))
        .concat();
    let config = format!(
        "daemon off; master_process off; pid {at}/nginx.pid; error_log {at}/nginx.log; events {{}}\n\
         http {{ access_log off; {temporary}\n\
         server {{ listen 127.0.0.1:{port}; location / {{ return 200 \"nginx $request_method $uri $http_x_forwarded_for\"; }} }} }}"
    );
    let mut command = Command::new("nginx");
    command.args(["-e", "stderr", "-c", &saved(folder, "nginx.conf", &config)]);
    command
}

fn caddy(folder: &Path, port: u16) -> Command {
    let answer = "respond \"caddy {method} {path} {header.X-Forwarded-For}\"";
    let config = format!(
        "{{\n  admin off\n  auto_https off\n  servers {{\n    protocols h1 h2c\n  }}\n}}\nhttp://:{port} {{\n  bind 127.0.0.1\n  {answer}\n}}\n"
    );
    let mut command = Command::new("caddy");
    command.args(["run", "--adapter", "caddyfile", "--config"]);
    command
        .arg(saved(folder, "Caddyfile", &config))
        .env("HOME", folder);
    command
}

fn haproxy(folder: &Path, port: u16) -> Command {
    let format = "haproxy %[method] %[path] %[req.hdr(x-forwarded-for)]";
    let config = format!(
        "defaults\n  mode http\n  option http-buffer-request\n  timeout client 30s\n  timeout connect 5s\n  timeout server 30s\n\
         frontend f\n  bind 127.0.0.1:{port}\n  http-request return status 200 content-type text/plain lf-string \"{format}\"\n"
    );
    let mut command = Command::new("haproxy");
    command.args(["-db", "-q", "-f", &saved(folder, "haproxy.cfg", &config)]);
    command
}

#[tokio::test]
async fn nginx_caddy_and_haproxy_are_upstreams() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let kinds: [(&str, fn(&Path, u16) -> Command, &[&str]); 3] = [
        ("nginx", nginx, &["http"]),
        ("caddy", caddy, &["http", "h2c"]),
        ("haproxy", haproxy, &["http", "h2c"]),
    ];
    for (name, command, schemes) in kinds {
        let port = free_port();
        let Some(_running) = Other::start(&mut command(folder, port), port).await else {
            skip!("there is no {name}");
        };
        for scheme in schemes {
            let server = Server::empty()
                .set("proxy.allow", format!("127.0.0.1:{port}"))
                .set(
                    "proxy.aliases",
                    aliases(&[("app.example", format!("{scheme}://127.0.0.1:{port}"))]),
                )
                .https()
                .start()
                .await;
            let expected = |method: &str, path: &str| format!("{name} {method} {path} 127.0.0.1");
            // Again and again, so that kept connections are used too.
            for round in 0..5 {
                let path = format!("/{round}");
                let sent = server.get(&path).header("host", "app.example");
                sent.await.expect_text(200, &expected("GET", &path));
                let sent = server
                    .post(&path, "x".repeat(1_000))
                    .header("host", "app.example");
                sent.await.expect_text(200, &expected("POST", &path));
            }
            let head = server
                .request(Method::HEAD, "/h")
                .header("host", "app.example");
            head.await.expect_text(200, "");
            let said = curl(&server, "/c", &["--http2"]).expect("curl is there");
            assert_eq!(
                said,
                format!("2 200\n{}", expected("GET", "/c")),
                "{name} {scheme}"
            );
        }
    }
}

#[tokio::test]
async fn a_kept_connection_that_the_upstream_has_closed_is_not_used_again() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        // One answer a connection, which says nothing of the end that follows.
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(stream.read_u8().await.unwrap());
            }
            let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
            stream.write_all(answer).await.unwrap();
        }
    });
    let server = Server::empty()
        .set("proxy.allow", address)
        .set("proxy.aliases", format!("app.example=http://{address}"))
        .start()
        .await;
    for _ in 0..20 {
        server
            .get("/")
            .header("host", "app.example")
            .await
            .expect_text(200, "ok");
        // The end must have come, as with any upstream that closes what is idle.
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn aliases_of_the_configuration_change_without_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("footpath.toml");
    let configured = |text: &str| std::fs::write(&file, text).unwrap();
    configured("[proxy]\naliases = [\"first.example=scripts:1\"]\n");
    let server = Server::with_script("a.ts", "return 'a'")
        .file("2/a.ts", "return 'two'")
        .argument("--config")
        .argument(file.to_str().unwrap())
        .start()
        .await;
    let at = |host: &'static str| server.get("/a").header("host", host);
    at("second.example").await.expect_text(200, "a");
    configured("[proxy]\naliases = [\"second.example=scripts:2\"]\n");
    let deadline = Instant::now() + PATIENCE;
    while at("second.example").await.text() != "two" {
        assert!(Instant::now() < deadline, "the alias never holds");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let list = server
        .get("/api/v1/proxy/aliases")
        .as_root()
        .await
        .expect(200);
    assert!(!list.text().contains("first.example"), "{list:?}");
    // What cannot be read changes nothing; SIGHUP reads at once.
    configured("[proxy]\naliases = [\"second.example=nowhere\"]\n");
    server.signal("HUP");
    server.logs("the configuration stays as it was").await;
    at("second.example").await.expect_text(200, "two");
}
