//! Exports and imports.

use std::{
    fs,
    io::Cursor,
    sync::{Arc, Mutex},
};

use chrono::TimeDelta;

use super::*;

/// A writer for an export that the test can look at afterwards.
#[derive(Clone, Default)]
struct Buffer(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

async fn exported(store: &Store) -> Vec<u8> {
    let buffer = Buffer::default();
    store.export(buffer.clone(), now()).await.unwrap();

    buffer.0.lock().unwrap().clone()
}

#[tokio::test]
async fn an_import_brings_back_what_was_exported() {
    let (_dir, store) = filled().await;
    let bytes = exported(&store).await;
    let summary = verify_export(&bytes[..]).unwrap();
    assert_eq!(summary.records, 50);
    assert_eq!(summary.created, now());
    let (_other_dir, other) = open();
    other.put("kept", record(b"1")).await.unwrap();
    other.put("k/7", record(b"replaced")).await.unwrap();
    assert_eq!(other.import(Cursor::new(bytes)).await, Ok(summary));
    let mut expected = everything(&store);
    expected.push(("kept".to_owned(), record(b"1")));
    assert_eq!(everything(&other), expected);
}

#[tokio::test]
async fn a_damaged_export_changes_nothing() {
    let (_dir, store) = filled().await;
    let bytes = exported(&store).await;
    let (_other_dir, other) = open();
    other.put("k/7", record(b"old")).await.unwrap();
    let mut damaged: Vec<Vec<u8>> = Vec::new();
    for at in (0..bytes.len())
        .step_by(1009)
        .chain(0..40)
        .chain(bytes.len() - 45..bytes.len())
    {
        let mut flipped = bytes.clone();
        flipped[at] ^= 1;
        damaged.push(flipped);
        damaged.push(bytes[..at].to_vec());
    }
    damaged.push([&bytes[..], b"\n"].concat());
    for file in damaged {
        let refused = other.import(Cursor::new(file)).await.unwrap_err();
        assert!(matches!(refused, StoreError::BadExport { .. }), "{refused}");
    }
    assert_eq!(everything(&other), [("k/7".to_owned(), record(b"old"))]);
}

#[tokio::test]
async fn only_the_newest_exports_are_kept() {
    let (dir, store) = open();
    for minute in 0..5 {
        store
            .keep_export(now() + TimeDelta::minutes(minute))
            .await
            .unwrap();
    }
    let mut names: Vec<String> = fs::read_dir(dir.path().join("exports"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    let minutes: Vec<&str> = names.iter().map(|name| &name[11..13]).collect();
    assert_eq!(minutes, ["15", "16", "17"], "{names:?}");
}
