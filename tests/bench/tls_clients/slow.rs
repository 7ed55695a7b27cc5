//! Slow clients, who hold connections and send a byte now and then, and good ones
//! beside them: what the good ones have to wait, alone and amid the others.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use super::{connect, percentiles, request};

const GOOD: usize = 8;
/// A good client asks as often.
const PAUSE: Duration = Duration::from_millis(5);
/// A slow one sends a byte as often.
const DRIP: Duration = Duration::from_secs(1);

pub async fn slow(address: &str, count: usize, seconds: usize) {
    let span = Duration::from_secs(seconds as u64);
    let alone = good(address, span).await;
    let (begun, stop) = (Arc::<AtomicUsize>::default(), Arc::<AtomicBool>::default());
    let mut clients = Vec::new();
    for index in 0..count {
        let client = drip(address.to_owned(), index, begun.clone(), stop.clone());
        clients.push(tokio::spawn(client));
    }
    while begun.load(Relaxed) < count {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let amid = good(address, span).await;
    stop.store(true, Relaxed);
    for client in clients {
        client.await.expect("it does not panic");
    }
    println!("alone {}; amid {}", percentiles(alone), percentiles(amid));
}

/// What each request of the good clients took.
async fn good(address: &str, span: Duration) -> Vec<Duration> {
    let mut clients = Vec::new();
    for _ in 0..GOOD {
        let mut stream = connect(address, "bench.example").await;
        clients.push(tokio::spawn(async move {
            let (end, mut times) = (Instant::now() + span, Vec::new());
            let mut next = tokio::time::interval(PAUSE);
            while Instant::now() < end {
                next.tick().await;
                let started = Instant::now();
                request(&mut stream).await;
                times.push(started.elapsed());
            }
            times
        }));
    }
    let mut times = Vec::new();
    for client in clients {
        times.extend(client.await.expect("no request fails"));
    }
    times
}

/// By turns a head and a body that never end. Whoever is cut off comes again.
async fn drip(address: String, index: usize, begun: Arc<AtomicUsize>, stop: Arc<AtomicBool>) {
    let start = match index % 2 {
        0 => "GET / HTTP/1.1\r\nHost: bench.example\r\nA: ",
        _ => "POST /slow HTTP/1.1\r\nHost: bench.example\r\nContent-Length: 1000000\r\n\r\n",
    };
    let mut is_first = true;
    while !stop.load(Relaxed) {
        let mut stream = connect(&address, "bench.example").await;
        let sent = stream.write_all(start.as_bytes()).await;
        begun.fetch_add(usize::from(is_first), Relaxed);
        is_first = false;
        if sent.is_ok() {
            until_cut_off(&mut stream, &stop).await;
        }
    }
}

async fn until_cut_off(stream: &mut TlsStream<TcpStream>, stop: &AtomicBool) {
    let mut piece = [0; 1024];
    while !stop.load(Relaxed) {
        if stream.write_all(b"a").await.is_err() {
            return;
        }
        // An answer may come early; the end of the connection says that it is over.
        let read = tokio::time::timeout(DRIP, stream.read(&mut piece)).await;
        if matches!(read, Ok(Ok(0) | Err(_))) {
            return;
        }
        tokio::time::sleep(DRIP).await;
    }
}
