//! The store as its users see it: writes, listings, watching.

use chrono::{DateTime, Utc};
use proptest::prelude::*;
use serde::{Deserialize, Serialize};

use super::*;

mod disk;
mod exports;
mod repairs;

const KIND: Kind = Kind {
    number: 9,
    version: 1,
};

fn record(payload: &[u8]) -> Record {
    Record {
        kind: KIND,
        payload: payload.to_vec(),
    }
}

fn open() -> (tempfile::TempDir, Store) {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    (dir, store)
}

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp_millis(1_700_000_000_123).unwrap()
}

fn everything(store: &Store) -> Vec<(String, Record)> {
    let page = store.range("", None, usize::MAX).unwrap();
    page.entries
        .into_iter()
        .map(|entry| (entry.key, entry.record.unwrap()))
        .collect()
}

#[tokio::test]
async fn values_of_every_size_survive_a_restart() {
    let (dir, store) = open();
    let sizes = [0, 1, 2048, 2049, 100_000, RECORD_BYTES_MAX];
    for (fill, bytes) in (0..).zip(sizes) {
        store
            .put(&format!("s/{bytes}"), record(&vec![fill; bytes]))
            .await
            .unwrap();
    }
    drop(store);
    let store = Store::open(dir.path()).unwrap();
    assert_eq!(*store.repair(), Repair::None);
    for (fill, bytes) in (0..).zip(sizes) {
        let found = store.get(&format!("s/{bytes}")).unwrap().unwrap();
        assert_eq!(found, record(&vec![fill; bytes]));
    }
    assert!(store.disk_bytes().unwrap() > RECORD_BYTES_MAX as u64);
}

#[tokio::test]
async fn a_second_store_on_the_folder_is_refused() {
    let (dir, store) = open();
    let refused = Store::open(dir.path()).unwrap_err();
    assert!(
        matches!(refused, StoreError::Locked { pid: Some(pid), .. } if pid == std::process::id())
    );
    drop(store);
    Store::open(dir.path()).unwrap();
}

#[tokio::test]
async fn keys_and_values_out_of_range_are_refused() {
    let (_dir, store) = open();
    for key in [
        "",
        "\0chunk",
        "/a",
        "A",
        "é",
        &"k".repeat(KEY_BYTES_MAX + 1),
    ] {
        let refused = store.put(key, record(b"")).await;
        assert!(matches!(refused, Err(StoreError::BadKey { .. })), "{key:?}");
    }
    store
        .put(&"k".repeat(KEY_BYTES_MAX), record(b""))
        .await
        .unwrap();
    let large = record(&vec![0; RECORD_BYTES_MAX + 1]);
    let refused = store.put("k", large.clone()).await;
    assert!(matches!(refused, Err(StoreError::TooLarge { .. })));
    let refused = store.compare_and_swap("k", None, Some(large)).await;
    assert!(matches!(refused, Err(StoreError::TooLarge { .. })));
}

#[tokio::test]
async fn of_many_compare_and_swaps_one_wins() {
    let (_dir, store) = open();
    let swaps = (0..50u8).map(|writer| store.compare_and_swap("k", None, Some(record(&[writer]))));
    let results = futures_util::future::try_join_all(swaps).await.unwrap();
    let winner = store.get("k").unwrap().unwrap();
    for (writer, result) in (0..).zip(results) {
        match result {
            Swap::Done => assert_eq!(winner, record(&[writer])),
            Swap::Conflict(found) => assert_eq!(found.as_ref(), Some(&winner)),
        }
    }
    assert_eq!(
        store.compare_and_swap("k", Some(winner), None).await,
        Ok(Swap::Done)
    );
    assert_eq!(store.delete("k").await, Ok(false));
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Thing {
    name: String,
}

impl Stored for Thing {
    const KIND: Kind = Kind {
        number: 40,
        version: 2,
    };
}

#[tokio::test]
async fn json_is_read_only_as_what_it_is() {
    let (_dir, store) = open();
    let thing = Thing {
        name: "x".to_owned(),
    };
    store.put_json("t/1", &thing).await.unwrap();
    assert_eq!(store.get_json("t/1"), Ok(Some(thing)));
    assert_eq!(store.get_json::<Thing>("t/2"), Ok(None));
    let cases: [(u16, u16, &[u8], fn(&StoreError) -> bool); 4] = [
        (41, 2, b"{}", |error| {
            matches!(error, StoreError::WrongKind { .. })
        }),
        (40, 3, b"{}", |error| {
            matches!(error, StoreError::WrongKind { .. })
        }),
        (40, 2, b"{}", |error| {
            matches!(error, StoreError::WrongShape { .. })
        }),
        (40, 1, b"[", |error| {
            matches!(error, StoreError::WrongShape { .. })
        }),
    ];
    for (number, version, payload, expected) in cases {
        let kind = Kind { number, version };
        let payload = payload.to_vec();
        store.put("t/1", Record { kind, payload }).await.unwrap();
        let error = store.get_json::<Thing>("t/1").unwrap_err();
        assert!(expected(&error), "{error}");
    }
}

#[tokio::test]
async fn a_watcher_sees_its_prefix_in_order_and_only_after_the_write() {
    let (_dir, store) = open();
    let mut watch = store.watch("a/");
    let put = |key: &str| Operation::Put {
        key: key.to_owned(),
        record: record(b"1"),
    };
    store
        .batch(vec![put("a/1"), put("b/1"), put("a/2")])
        .await
        .unwrap();
    store.delete("a/1").await.unwrap();
    store.delete("a/none").await.unwrap();
    store.put("a/3", record(b"")).await.unwrap();
    let mut seen = Vec::new();
    for _ in 0..4 {
        seen.push(watch.next().await.unwrap());
    }
    let put = |key: &str| Event::Put { key: key.into() };
    assert_eq!(
        seen,
        [
            put("a/1"),
            put("a/2"),
            Event::Delete { key: "a/1".into() },
            put("a/3")
        ]
    );
    drop(store);
    assert_eq!(watch.next().await, None);
}

#[tokio::test]
async fn a_slow_watcher_is_told_that_it_missed_something() {
    let (_dir, store) = open();
    let mut watch = store.watch("a");
    let operations = (0..=watch::EVENTS_MAX)
        .map(|index| Operation::Put {
            key: format!("a{index}"),
            record: record(b""),
        })
        .collect();
    store.batch(operations).await.unwrap();
    assert_eq!(watch.next().await, Some(Event::Missed));
    assert!(matches!(watch.next().await, Some(Event::Put { .. })));
}

#[tokio::test]
async fn a_damaged_record_does_not_hide_its_neighbours() {
    let (_dir, store) = open();
    for key in ["a", "b", "c"] {
        store.put(key, record(key.as_bytes())).await.unwrap();
    }
    store.shared.db.insert("b", b"nonsense".to_vec()).unwrap();
    let page = store.range("", None, 10).unwrap();
    let good: Vec<bool> = page
        .entries
        .iter()
        .map(|entry| entry.record.is_ok())
        .collect();
    assert_eq!(good, [true, false, true]);
    let refused = store.keep_export(now()).await.unwrap_err();
    assert!(matches!(refused, StoreError::Corrupt { key, .. } if key == "b"));
    store.put("b", record(b"new")).await.unwrap();
    store.keep_export(now()).await.unwrap();
}

async fn filled() -> (tempfile::TempDir, Store) {
    let (dir, store) = open();
    for index in 0..50u8 {
        let payload = vec![index; usize::from(index) * 97];
        store
            .put(&format!("k/{index}"), record(&payload))
            .await
            .unwrap();
    }
    (dir, store)
}

#[tokio::test]
async fn a_job_may_hold_the_last_clone_of_the_store() {
    let (dir, store) = open();
    let writing = store.clone();
    let held = store.clone();
    let job = tokio::spawn(async move {
        let keep = move |_| {
            drop(held);
            (Change::Put(record(b"1")), ())
        };
        writing.update("k", keep).await
    });
    drop(store);
    job.await.unwrap().unwrap();
    let store = Store::open(dir.path()).unwrap();
    assert_eq!(store.get("k").unwrap().unwrap(), record(b"1"));
}

#[tokio::test]
async fn a_panicking_decision_writes_nothing_and_harms_nobody() {
    let (_dir, store) = open();
    store.put("k", record(b"1")).await.unwrap();
    let panicked = store.update::<()>("k", |_| panic!("for the test")).await;
    assert!(matches!(panicked, Err(StoreError::Unavailable { .. })));
    assert_eq!(store.get("k").unwrap().unwrap(), record(b"1"));
    store.put("k", record(b"2")).await.unwrap();
}

#[tokio::test]
async fn a_panic_of_the_database_stops_writes_not_reads() {
    let (_dir, store) = open();
    store.put("k", record(b"1")).await.unwrap();
    let writer = &store.shared.writer;
    let panicked = writer.submit::<()>(|_| panic!("for the test")).await;
    assert!(matches!(panicked, Err(StoreError::Unavailable { .. })));
    let refused = store.put("k", record(b"2")).await;
    assert!(matches!(refused, Err(StoreError::Unavailable { .. })));
    assert_eq!(store.get("k").unwrap().unwrap(), record(b"1"));
}

#[derive(Debug, Clone)]
enum Step {
    Put(u8, Vec<u8>),
    Delete(u8),
    Reopen,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let payload = prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..50),
        (any::<u8>(), 2000usize..12_000).prop_map(|(fill, bytes)| vec![fill; bytes]),
    ];
    let step = prop_oneof![
        8 => (any::<u8>(), payload).prop_map(|(key, payload)| Step::Put(key % 40, payload)),
        4 => any::<u8>().prop_map(|key| Step::Delete(key % 40)),
        1 => Just(Step::Reopen),
    ];
    proptest::collection::vec(step, 1..60)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20))]
    #[test]
    fn the_store_behaves_like_an_ordered_map(steps in steps()) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let dir = tempfile::tempdir().unwrap();
        let mut store = Store::open(dir.path()).unwrap();
        let mut model = std::collections::BTreeMap::new();
        for step in steps {
            match step {
                Step::Put(key, payload) => {
                    let key = format!("k/{key}");
                    runtime.block_on(store.put(&key, record(&payload))).unwrap();
                    model.insert(key, record(&payload));
                }
                Step::Delete(key) => {
                    let key = format!("k/{key}");
                    let was_there = runtime.block_on(store.delete(&key)).unwrap();
                    prop_assert_eq!(was_there, model.remove(&key).is_some());
                }
                Step::Reopen => {
                    drop(store);
                    store = Store::open(dir.path()).unwrap();
                }
            }
        }
        let expected: Vec<(String, Record)> = model.into_iter().collect();
        prop_assert_eq!(everything(&store), expected);
    }
}
