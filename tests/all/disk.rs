//! A disk that is full: what is there goes on answering, what would be lost is
//! refused, and nothing has to be started again when there is room.

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::Command;

use serde_json::json;

use crate::api::{get, post, write};
use crate::harness::Server;

/// A small file system of its own, unmounted when dropped.
pub struct SmallDisk(pub PathBuf);

impl SmallDisk {
    pub fn mount(at: PathBuf, megabytes: u32) -> Result<Self, String> {
        fs::create_dir_all(&at).expect("a folder to mount at");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={megabytes}m"), "tmpfs"])
            .arg(&at)
            .output();
        match mounted {
            Ok(output) if output.status.success() => Ok(Self(at)),
            Ok(output) => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
            Err(error) => Err(error.to_string()),
        }
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).output();
    }
}

/// Loud, and no failure even where nothing may be skipped: there is nothing to
/// install that would let a container mount.
pub fn told(why: &str) {
    let _ = writeln!(
        std::io::stdout(),
        "SKIPPED disk: no small disk to fill, mounting a tmpfs needs root: {why}"
    );
}

#[tokio::test]
async fn a_full_data_folder_refuses_writes_and_goes_on_reading() {
    let setup = Server::with_script(
        "n.ts",
        "return metadata.query.add ? await kv.increment('n') : await kv.get('n')",
    )
    .script("good.ts", "return 'good'");
    let disk = match SmallDisk::mount(setup.data(), 48) {
        Ok(disk) => disk,
        Err(why) => return told(&why),
    };
    let server = setup.start().await;
    server.get("/n?add=1").await.expect_text(200, "1");
    write(&server, "later.ts", "return 'old'").await;
    let filler = disk.0.join("filler");
    // Up to the last byte: the store keeps a reserve, which this takes too.
    let _ = fs::write(&filler, vec![0; 64 << 20]);
    let body = json!({ "path": "later.ts", "content": "return 'new'" });
    let refused = post(&server, "scripts/write", body.clone()).await;
    refused.expect_error(503, "ERROR_503");
    server.get("/n?add=1").await.expect(500);
    for _ in 0..3 {
        server.get("/n").await.expect_text(200, "1");
        server.get("/good").await.expect_text(200, "good");
        server.get("/later").await.expect_text(200, "old");
    }
    let read = get(&server, "scripts/read?path=later.ts").await.expect(200);
    assert_eq!(
        read.json()["content"],
        "return 'old'",
        "the file is as before too"
    );
    fs::remove_file(filler).expect("it was written");
    post(&server, "scripts/write", body).await.expect(200);
    server.get("/later").await.expect_text(200, "new");
    server.get("/n?add=1").await.expect_text(200, "2");
    drop(server);
}

#[tokio::test]
async fn a_full_scripts_folder_refuses_writes_and_goes_on_reading() {
    let setup = Server::empty();
    let disk = match SmallDisk::mount(setup.scripts(), 1) {
        Ok(disk) => disk,
        Err(why) => return told(&why),
    };
    let server = setup.script("good.ts", "return 'good'").start().await;
    server.get("/good").await.expect_text(200, "good");
    let filler = disk.0.join("1/filler.txt");
    let _ = fs::write(&filler, vec![0; 2 << 20]);
    let content = format!("return {:?}.length", "x".repeat(10_000));
    let body = json!({ "path": "good.ts", "content": content });
    let refused = post(&server, "scripts/write", body.clone()).await;
    let refused = refused.expect_error(503, "ERROR_503").json();
    assert_eq!(refused["error"], "The disk is full", "{refused}");
    server.get("/good").await.expect_text(200, "good");
    let read = get(&server, "scripts/read?path=good.ts").await.expect(200);
    assert_eq!(read.json()["content"], "return 'good'");
    fs::remove_file(filler).expect("it was written");
    post(&server, "scripts/write", body).await.expect(200);
    server.get("/good").await.expect_text(200, "10000");
    drop(server);
}
