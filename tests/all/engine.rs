//! The sandbox and the linker of handlers together, without a server.

use std::sync::Arc;
use std::time::Duration;

use footpath::compile::capability::Capabilities;
use footpath::compile::engine::{BUILT_IN, Engine};
use footpath::compile::link::{Linker, Provenance};
use footpath::sandbox::call::Call;
use footpath::sandbox::limits::CallLimits;
use footpath::sandbox::services::*;
use footpath::sandbox::snapshot::LoadSpec;
use footpath::sandbox::{EngineModules, Sandbox, SandboxConfig};
use http_body_util::{BodyExt, Empty};

struct NoServices;

impl Services for NoServices {
    fn acme_order<'a>(
        &'a self,
        _: &'a CallContext,
        _: acme::OrderRequest,
    ) -> Later<'a, Result<acme::OrderedCertificate, acme::OrderError>> {
        unimplemented!()
    }
    fn acme_status<'a>(
        &'a self,
        _: &'a str,
    ) -> Later<'a, Result<Option<String>, acme::OrderError>> {
        Box::pin(async { Ok(None) })
    }
    fn log(&self, _: &CallContext, level: LogLevel, message: &str) {
        eprintln!("{level:?} {message}");
    }
    fn environment(&self) -> Vec<(String, String)> {
        Vec::new()
    }
    fn kv_get<'a>(&'a self, _: &'a str) -> Later<'a, Result<Option<Vec<u8>>, KvError>> {
        Box::pin(async { Ok(None) })
    }
    fn kv_set<'a>(&'a self, _: &'a str, _: Vec<u8>) -> Later<'a, Result<(), KvError>> {
        Box::pin(async { Ok(()) })
    }
    fn kv_delete<'a>(&'a self, _: &'a str) -> Later<'a, Result<bool, KvError>> {
        Box::pin(async { Ok(false) })
    }
    fn kv_list<'a>(
        &'a self,
        _: &'a str,
        _: Option<&'a str>,
        _: u32,
    ) -> Later<'a, Result<KvPage, KvError>> {
        Box::pin(async {
            Ok(KvPage {
                keys: Vec::new(),
                cursor: None,
            })
        })
    }
    fn kv_increment<'a>(&'a self, _: &'a str, by: i64) -> Later<'a, Result<i64, KvError>> {
        Box::pin(async move { Ok(by) })
    }
    fn kv_compare_and_set<'a>(
        &'a self,
        _: &'a str,
        _: Option<Vec<u8>>,
        _: Option<Vec<u8>>,
    ) -> Later<'a, Result<bool, KvError>> {
        Box::pin(async { Ok(true) })
    }
    fn shared_load(&self) -> Vec<(String, String)> {
        Vec::new()
    }
    fn shared_store(&self, _: Vec<(String, Option<String>)>) -> Result<(), u64> {
        Ok(())
    }
    fn send(
        &self,
        _: &CallContext,
        _: http::Request<wasmtime_wasi_http::WasiBody>,
    ) -> Later<'static, OutboundResult> {
        Box::pin(async {
            Err(OutboundError {
                code: "REFUSED",
                message: "no way out of a test".into(),
            })
        })
    }
}

fn limits() -> CallLimits {
    CallLimits {
        timeout: Duration::from_secs(5),
        fuel: 1_000_000_000,
        memory_bytes: 64 << 20,
        request_body_bytes: 1 << 20,
        response_body_bytes: 1 << 20,
        outbound_calls: 50,
        outbound_calls_at_once: 6,
        log_bytes: 1 << 18,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_answers() {
    let engine = Arc::new(Engine::new(BUILT_IN).unwrap());
    let modules = EngineModules {
        shared: &engine.shared,
        base_image: &engine.base_image,
        version: &engine.version,
    };
    let config = SandboxConfig {
        cache_bytes_max: u64::MAX,
        instances_max: 16,
        memory_bytes_max: 256 << 20,
        cache_dir: None,
    };
    let sandbox = Sandbox::new(&config, &modules).unwrap();
    let linker = Linker::new(engine.clone());
    let spec = LoadSpec {
        entry: "1/hello.ts".into(),
        shape: "node",
        pattern: "/hello".into(),
        globals: vec![],
        portable: false,
        deferred: false,
        raw_body: false,
        strict: false,
        isolate: None,
        modules: vec![(
            "1/hello.ts".into(),
            "export default (req, res) => ({ hello: 'world', url: req.url, random: Math.random() })".into(),
        )],
    };
    let t = std::time::Instant::now();
    let snapshot = sandbox.snapshot(&spec, 64 << 20).unwrap();
    eprintln!(
        "snapshot {:?} {} {}",
        t.elapsed(),
        snapshot.shape,
        snapshot.memory.len()
    );
    let provenance = Provenance {
        script: "1/hello.ts".into(),
        source_hash: "0".into(),
        engine: engine.version.clone(),
        producer: "test".into(),
    };
    for _ in 0..2 {
        let t = std::time::Instant::now();
        let component = linker
            .shared(&snapshot.memory, &Capabilities::new(), &provenance)
            .unwrap();
        eprintln!("link {:?} {} bytes", t.elapsed(), component.len());
        std::fs::write("/tmp/x/hello.wasm", &component).unwrap();
    }
    let component = linker
        .shared(&snapshot.memory, &Capabilities::new(), &provenance)
        .unwrap();
    let t = std::time::Instant::now();
    let handler = sandbox.handler("test", &component).unwrap();
    eprintln!("load {:?}", t.elapsed());
    for _ in 0..5 {
        let request = http::Request::builder()
            .uri("http://localhost/hello?a=1")
            .body(Empty::<bytes::Bytes>::new())
            .unwrap();
        let context = CallContext {
            execution_id: "id".into(),
            client_ip: None,
            parameters: vec![],
            path: "/hello".into(),
            depth: 0,
            dry_run: None,
            making: Making::default(),
            token: None,
            cron_run: None,
        };
        let t = std::time::Instant::now();
        let limits = limits();
        let call = Call {
            handler: &handler,
            worker: None,
            https: false,
            context,
            services: Arc::new(NoServices),
            limits: &limits,
        };
        let answer = sandbox.call(call, request).await;
        let answer = answer.unwrap_or_else(|report| panic!("{report:?}"));
        eprintln!("call {:?}", t.elapsed());
        if let footpath::sandbox::call::Reported::Now(report) = &answer.report {
            eprintln!("{report:?}");
        }
        let body = answer
            .response
            .into_body()
            .collect()
            .await
            .unwrap()
            .to_bytes();
        eprintln!("{}", String::from_utf8_lossy(&body));
    }
}
