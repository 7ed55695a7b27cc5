//! A disk that fills up or fails.

use std::{fs, process::Command};

use super::*;

/// A small file system of its own, unmounted when dropped.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn mount(megabytes: u32) -> Option<SmallDisk> {
        let dir = tempfile::tempdir().unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={megabytes}m"), "tmpfs"])
            .arg(dir.path())
            .output();
        match mounted {
            Ok(output) if output.status.success() => Some(SmallDisk(dir)),
            other => {
                eprintln!("SKIPPED: no small disk to fill, mounting a tmpfs needs root: {other:?}");
                None
            }
        }
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0.path()).output();
    }
}

#[tokio::test]
async fn a_full_disk_stops_writes_not_reads_until_there_is_room_again() {
    let Some(disk) = SmallDisk::mount(40) else {
        return;
    };
    let data = disk.0.path().join("data");
    let store = Store::open(&data).unwrap();
    store.put("a", record(&[1; 10_000])).await.unwrap();
    let filler = disk.0.path().join("filler");
    fs::write(&filler, vec![0; 25 << 20]).unwrap();
    let refused = store.put("a", record(b"2")).await.unwrap_err();
    assert!(
        matches!(&refused, StoreError::Unavailable { reason } if reason.contains("bytes left")),
        "{refused}"
    );
    assert_eq!(store.get("a").unwrap().unwrap(), record(&[1; 10_000]));
    fs::remove_file(filler).unwrap();
    store.put("a", record(b"3")).await.unwrap();
    assert_eq!(store.get("a").unwrap().unwrap(), record(b"3"));
    drop(store);
}

#[tokio::test]
async fn a_disk_that_fails_under_sled_stops_writes_not_reads() {
    let Some(disk) = SmallDisk::mount(8) else {
        return;
    };
    let data = disk.0.path().join("data");
    let store = Store::open_with(&data, 0).unwrap();
    let mut acknowledged = 0;
    let failure = loop {
        match store
            .put(&format!("k/{acknowledged}"), record(&[7; 50_000]))
            .await
        {
            Ok(()) => acknowledged += 1,
            Err(error) => break error,
        }
        assert!(acknowledged < 1000, "the disk never filled up");
    };
    assert!(
        matches!(failure, StoreError::Unavailable { .. }),
        "{failure}"
    );
    assert!(acknowledged > 10);
    // sled splits full pages while it looks for a key, and can no longer do so;
    // what it does answer must be right.
    let reads: Vec<_> = (0..acknowledged)
        .map(|index| store.get(&format!("k/{index}")))
        .collect();
    let good = reads.iter().filter(|read| read.is_ok()).count();
    assert!(
        good * 2 > acknowledged,
        "only {good} of {acknowledged} reads go on"
    );
    for read in reads.into_iter().filter_map(Result::ok) {
        assert_eq!(read.unwrap(), record(&[7; 50_000]));
    }
    let refused = store.put("k/0", record(b"")).await.unwrap_err();
    assert!(matches!(refused, StoreError::Unavailable { .. }));
    drop(store);
}
