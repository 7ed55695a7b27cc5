//! A real OpenAI-compatible server that nobody here wrote (`@copilotkit/aimock`),
//! with answers by what the prompt says, and a journal of all it was asked.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{Server, Setup, peer};

/// The server; dropping it ends it.
pub struct Provider {
    child: Child,
    address: String,
    _fixtures: TempDir,
}

/// An answer to a prompt that contains a text.
pub fn says(prompt: &str, code: &str) -> Value {
    json!({ "match": { "userMessage": prompt }, "response": { "content": code } })
}

impl Provider {
    /// None when it is not installed.
    pub fn start(fixtures: &[Value]) -> Option<Self> {
        Self::start_with(fixtures, None)
    }

    /// One that answers only who shows this key.
    pub fn guarded(fixtures: &[Value], key: &str) -> Option<Self> {
        Self::start_with(fixtures, Some(key))
    }

    fn start_with(fixtures: &[Value], key: Option<&str>) -> Option<Self> {
        let program = peer("llmock")?;
        let folder = TempDir::new().expect("a temporary folder");
        let document = json!({ "fixtures": fixtures }).to_string();
        std::fs::write(folder.path().join("fixtures.json"), document).expect("a written file");
        let mut child = Command::new(program)
            .args([
                "-p",
                "0",
                "--journal-max",
                "0",
                "--chunk-size",
                "1000",
                "-f",
            ])
            .arg(folder.path())
            .envs(key.map(|key| ("AIMOCK_API_KEYS", key)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .expect("the provider starts");
        let stdout = child.stdout.take().expect("a piped standard output");
        let mut lines = BufReader::new(stdout).lines().map_while(Result::ok);
        let line = lines.find_map(|line| {
            let (_, address) = line.split_once("listening on http://")?;
            Some(address.trim().to_owned())
        });
        let address = line.expect("the provider says where it listens");
        // It must not block on a full pipe.
        std::thread::spawn(move || lines.for_each(drop));
        Some(Self {
            child,
            address,
            _fixtures: folder,
        })
    }

    pub fn base_url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// A server that asks this provider.
    pub fn configured(&self, setup: Setup) -> Setup {
        setup
            .set("ai.base_url", self.base_url())
            .set("ai.api_key", "sk-of-the-tests")
    }

    /// Every request to a model so far.
    pub async fn journal(&self, server: &Server) -> Vec<Value> {
        let reply = server.get("/__aimock/journal").instead_to(&self.address);
        let journal = reply.await.expect(200).json();
        journal.as_array().expect("a list").clone()
    }

    pub async fn calls(&self, server: &Server) -> usize {
        self.journal(server).await.len()
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
