//! Rows in a real store.

use super::*;
use crate::cron::output::Output;
use crate::cron::run::{RunResult, Trigger};

fn at(second: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000 + second, 0).unwrap()
}

fn row(entry: &str, user: &str, second: i64, outcome: Outcome) -> Run {
    Run {
        id: uuid::Uuid::new_v4().to_string(),
        entry_id: entry.to_owned(),
        user: user.to_owned(),
        trigger: Trigger::Schedule,
        outcome,
        scheduled_at: at(second),
        started_at: None,
        ended_at: None,
        late: false,
        attempt: 0,
        command: "curl /x".to_owned(),
        schedule: "@daily".to_owned(),
        asked_by: None,
        result: RunResult {
            output: Some(Output {
                first: "x".repeat(5000),
                ..Output::default()
            }),
            ..RunResult::default()
        },
    }
}

/// Ten rows of two entries of each of two users, a second apart.
async fn history(dir: &std::path::Path) -> History {
    let kept = Kept {
        runs_max: 3,
        age_max: TimeDelta::seconds(100),
    };
    let history = History::new(Store::open(dir).unwrap(), kept);
    for second in 0..10 {
        for (entry, user) in [("a", "u"), ("b", "u"), ("c", "u.v"), ("d", "u.v")] {
            let run = row(entry, user, second, Outcome::Running);
            history
                .store
                .batch(history.claim(&run).unwrap())
                .await
                .unwrap();
        }
    }
    history
}

fn seconds(listed: &Listed) -> Vec<i64> {
    let runs = listed.runs.iter();
    runs.map(|run| run.scheduled_at.timestamp() - 1_800_000_000)
        .collect()
}

#[tokio::test]
async fn rows_are_listed_newest_first_between_two_times() {
    let dir = tempfile::tempdir().unwrap();
    let history = history(dir.path()).await;
    let filter = Filter {
        since: Some(at(3)),
        until: Some(at(7)),
        limit: 100,
        ..Filter::default()
    };
    assert_eq!(
        seconds(&history.of_entry("a", &filter).unwrap()),
        [6, 5, 4, 3]
    );
    assert_eq!(
        seconds(&history.of_user("u", &filter).unwrap()),
        [6, 6, 5, 5, 4, 4, 3, 3]
    );
    let none = Filter {
        outcomes: vec![Outcome::Ok],
        ..filter
    };
    assert!(history.of_user("u", &none).unwrap().runs.is_empty());
}

#[tokio::test]
async fn an_open_row_is_found_until_it_is_closed() {
    let dir = tempfile::tempdir().unwrap();
    let history = history(dir.path()).await;
    let mut open = history.open_runs().unwrap();
    assert_eq!(open.len(), 40);
    let mut run = open.pop().unwrap();
    run.close(Outcome::Ok, None, at(20));
    history.save(&run).await.unwrap();
    assert_eq!(history.open_runs().unwrap().len(), 39);
    let filter = Filter {
        outcomes: vec![Outcome::Ok],
        limit: 5,
        ..Filter::default()
    };
    assert_eq!(
        history.of_entry(&run.entry_id, &filter).unwrap().runs,
        [run]
    );
}

#[tokio::test]
async fn rows_are_kept_by_number_and_by_age() {
    let dir = tempfile::tempdir().unwrap();
    let history = history(dir.path()).await;
    let all = Filter {
        limit: 200,
        ..Filter::default()
    };
    assert_eq!(history.prune_entry("a", "u").await.unwrap(), 7);
    assert_eq!(seconds(&history.of_entry("a", &all).unwrap()), [9, 8, 7]);
    assert_eq!(history.of_user("u", &all).unwrap().runs.len(), 13);
    assert_eq!(history.users().unwrap(), ["u.v", "u"]);
    // A hundred seconds on, those before the fifth are too old.
    assert_eq!(history.prune_old(at(105)).await.unwrap(), 15);
    assert_eq!(
        seconds(&history.of_entry("c", &all).unwrap()),
        [9, 8, 7, 6, 5]
    );
    assert_eq!(seconds(&history.of_entry("a", &all).unwrap()), [9, 8, 7]);
    assert_eq!(history.prune_old(at(1000)).await.unwrap(), 18);
    assert!(history.users().unwrap().is_empty());
}
