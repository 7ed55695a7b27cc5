//! Opening a damaged store.

use std::{
    fs,
    path::{Path, PathBuf},
};

use chrono::TimeDelta;

use super::*;

fn database_files(dir: &Path, prefix: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir.join("sled")).unwrap();
    entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.file_name()
                .unwrap()
                .to_string_lossy()
                .starts_with(prefix)
        })
        .collect()
}

/// A second opening is what writes the snapshot.
async fn filled_with_snapshot() -> (tempfile::TempDir, Vec<(String, Record)>) {
    let (dir, store) = filled().await;
    let expected = everything(&store);
    drop(store);
    drop(Store::open(dir.path()).unwrap());
    assert!(!database_files(dir.path(), "snap.").is_empty());
    (dir, expected)
}

#[tokio::test]
async fn a_damaged_snapshot_is_moved_aside_and_nothing_is_lost() {
    let damages: [fn(&Path); 3] = [
        |path| fs::write(path, b"").unwrap(),
        |path| fs::write(path, vec![0xaa; 200]).unwrap(),
        |path| {
            let bytes = fs::read(path).unwrap();
            fs::write(path, &bytes[..bytes.len() / 2]).unwrap();
        },
    ];
    for damage in damages {
        let (dir, expected) = filled_with_snapshot().await;
        database_files(dir.path(), "snap.")
            .iter()
            .for_each(|path| damage(path));
        let store = Store::open(dir.path()).unwrap();
        let Repair::Snapshot { moved_to } = store.repair() else {
            panic!("expected a repair, got {:?}", store.repair());
        };
        assert_eq!(fs::read_dir(moved_to).unwrap().count(), 1);
        assert_eq!(everything(&store), expected);
    }
}

#[tokio::test]
async fn a_snapshot_that_was_never_finished_is_removed() {
    let (dir, expected) = filled_with_snapshot().await;
    fs::write(
        dir.path().join("sled/snap.FFFFFFFFFFFFFFF0.generating"),
        b"half",
    )
    .unwrap();
    let store = Store::open(dir.path()).unwrap();
    assert_eq!(*store.repair(), Repair::None);
    assert_eq!(everything(&store), expected);
}

/// Makes sled refuse the folder, with and without its snapshot.
fn destroy_log(dir: &Path) {
    for snapshot in database_files(dir, "snap.") {
        fs::write(snapshot, b"").unwrap();
    }
    let log = dir.join("sled/db");
    let mut bytes = fs::read(&log).unwrap();
    bytes
        .iter_mut()
        .skip(40)
        .step_by(3)
        .for_each(|byte| *byte ^= 0x5a);
    fs::write(log, bytes).unwrap();
    fs::write(dir.join("sled/conf"), b"segment_size: nonsense\nxxxx").unwrap();
}

#[tokio::test]
async fn a_destroyed_database_is_restored_from_the_newest_good_export() {
    let (dir, store) = filled().await;
    for minute in 0..3 {
        store.put("minute", record(&[minute])).await.unwrap();
        store
            .keep_export(now() + TimeDelta::minutes(minute.into()))
            .await
            .unwrap();
    }
    drop(store);
    let mut exports: Vec<PathBuf> = fs::read_dir(dir.path().join("exports"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    exports.sort();
    let newest = fs::read(&exports[2]).unwrap();
    fs::write(&exports[2], &newest[..newest.len() - 1]).unwrap();
    destroy_log(dir.path());
    let store = Store::open(dir.path()).unwrap();
    let Repair::Restored { moved_to, export } = store.repair() else {
        panic!("expected a restore, got {:?}", store.repair());
    };
    assert_eq!(*export, exports[1]);
    assert!(moved_to.join("sled/db").exists());
    assert_eq!(store.get("minute").unwrap().unwrap(), record(&[1]));
    assert_eq!(everything(&store).len(), 51);
    store.put("after", record(b"")).await.unwrap();
}

#[tokio::test]
async fn a_destroyed_database_without_an_export_is_an_error_and_stays() {
    let (dir, store) = filled().await;
    drop(store);
    destroy_log(dir.path());
    let before = fs::read(dir.path().join("sled/db")).unwrap();
    for _ in 0..2 {
        let refused = Store::open(dir.path()).unwrap_err();
        assert!(matches!(refused, StoreError::Damaged { .. }), "{refused}");
        assert_eq!(fs::read(dir.path().join("sled/db")).unwrap(), before);
    }
}
