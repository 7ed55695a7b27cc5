//! What the caps admit, and what of it survives a restart.

use super::*;

fn caps() -> Caps {
    Caps {
        calls_per_minute: 3,
        calls_per_minute_per_client: 2,
        routes_per_hour: 2,
        routes_per_day: 3,
        tokens_per_day: 1_000,
        cost_per_day_micros: 500,
    }
}

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap()
}

fn ip(last: u8) -> Option<IpAddr> {
    Some(IpAddr::from([192, 0, 2, last]))
}

fn amount(tokens: u64, cost_micros: u64) -> Amount {
    Amount {
        tokens,
        cost_micros,
    }
}

fn open(dir: &std::path::Path) -> Budget {
    Budget::open(Store::open(dir).unwrap(), caps()).unwrap()
}

#[tokio::test]
async fn calls_are_capped_for_a_client_and_for_all_and_windows_end() {
    let dir = tempfile::tempdir().unwrap();
    let budget = open(dir.path());
    let call = async |client, now| budget.reserve(client, amount(1, 0), now).await.unwrap();
    for _ in 0..2 {
        let reservation = call(ip(1), at(0)).await.unwrap();
        budget.book(reservation, 1, 1, at(0));
    }
    let over = call(ip(1), at(10)).await.unwrap_err();
    assert_eq!(
        (over.cap, over.retry_after_seconds),
        (Cap::CallsOfClient, 50)
    );
    call(ip(2), at(10)).await.unwrap();
    assert_eq!(call(ip(3), at(10)).await.unwrap_err().cap, Cap::Calls);
    call(ip(1), at(60)).await.unwrap();
}

#[tokio::test]
async fn tokens_on_their_way_count_and_restarts_forget_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let budget = open(dir.path());
    let first = budget
        .reserve(ip(1), amount(1_000, 0), at(0))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(budget.check(ip(2), at(1)).unwrap_err().cap, Cap::Tokens);
    budget.book(first, 400, 100, at(1));
    budget.check(ip(2), at(1)).unwrap();
    let second = budget
        .reserve(ip(2), amount(10, 0), at(2))
        .await
        .unwrap()
        .unwrap();
    budget.book(second, 400, 400, at(2));
    assert_eq!(budget.check(ip(3), at(3)).unwrap_err().cap, Cap::Cost);
    budget.save().await.unwrap();
    drop(budget);
    let budget = open(dir.path());
    assert_eq!(budget.check(ip(3), at(3)).unwrap_err().cap, Cap::Cost);
    assert_eq!(budget.now(at(3)).0.tokens, 800);
    budget.check(ip(3), at(DAY)).unwrap();
}

#[tokio::test]
async fn new_routes_are_capped_by_hour_and_day() {
    let dir = tempfile::tempdir().unwrap();
    let budget = open(dir.path());
    for _ in 0..2 {
        budget.made_routes(1, at(0));
    }
    assert_eq!(
        budget.check(ip(1), at(1)).unwrap_err().cap,
        Cap::RoutesPerHour
    );
    budget.check(ip(1), at(HOUR)).unwrap();
    budget.made_routes(1, at(HOUR));
    assert_eq!(
        budget.check(ip(1), at(HOUR)).unwrap_err().cap,
        Cap::RoutesPerDay
    );
}

#[tokio::test]
async fn money_on_its_way_counts() {
    let dir = tempfile::tempdir().unwrap();
    let budget = open(dir.path());
    let dear = budget.reserve(ip(1), amount(1, 500), at(0)).await.unwrap();
    let other = budget.reserve(ip(2), amount(1, 1), at(0)).await.unwrap();
    assert_eq!(other.unwrap_err().cap, Cap::Cost);
    budget.book(dear.unwrap(), 1, 20, at(1));
    budget.check(ip(2), at(1)).unwrap();
}

#[tokio::test]
async fn routes_that_are_being_made_count() {
    let dir = tempfile::tempdir().unwrap();
    let budget = Arc::new(open(dir.path()));
    let first = budget.room(at(0)).unwrap();
    let second = budget.room(at(0)).unwrap();
    let over = budget.room(at(0)).err().map(|over| over.cap);
    assert_eq!(over, Some(Cap::RoutesPerHour));
    // One came to nothing, one was made.
    drop(first);
    budget.made_routes(1, at(1));
    drop(second);
    let _third = budget.room(at(1)).unwrap();
    assert!(budget.room(at(1)).is_err());
}
