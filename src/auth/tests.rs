//! The life of tokens: made, used, changed, ended, also across a restart.

mod bounds;

use chrono::TimeDelta;

use super::*;

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_700_000_000, 0).unwrap()
}

struct House {
    dir: tempfile::TempDir,
    tokens: Tokens,
    root: NewToken,
}

async fn house() -> House {
    let dir = tempfile::tempdir().unwrap();
    let tokens = Tokens::open(Store::open(dir.path()).unwrap()).unwrap();
    let root = tokens.ensure_root(None, now()).await.unwrap();
    House {
        dir,
        tokens,
        root: root.unwrap(),
    }
}

impl House {
    async fn restart(self, root_secret: Option<&str>) -> (House, Option<NewToken>) {
        drop(self.tokens);
        let tokens = Tokens::open(Store::open(self.dir.path()).unwrap()).unwrap();
        let made = tokens.ensure_root(root_secret, now()).await.unwrap();
        let house = House {
            dir: self.dir,
            tokens,
            root: self.root,
        };
        (house, made)
    }

    fn may(&self, secret: &str, needed: &str) -> bool {
        let info = self.tokens.authenticate(secret, now());
        info.is_some_and(|info| info.permissions.allow(needed))
    }

    async fn make(&self, alias: &str, names: &[&str]) -> NewToken {
        let request = request(alias, names);
        self.tokens
            .create(request, &Grant::root(), now())
            .await
            .unwrap()
    }
}

fn permissions(names: &[&str]) -> Permissions {
    Permissions::new(names.iter().map(|name| name.to_string()).collect()).unwrap()
}

fn request(alias: &str, names: &[&str]) -> TokenRequest {
    TokenRequest {
        alias: alias.to_owned(),
        grant: permissions(names).into(),
        expires_at: None,
        user: None,
    }
}

#[tokio::test]
async fn the_first_start_makes_a_root_token_and_later_ones_do_not() {
    let house = house().await;
    assert!(house.may(&house.root.secret, "*"));
    assert!(!house.may("", "*"));
    assert!(!house.may("fp_", "*"));
    let (house, made) = house.restart(None).await;
    assert_eq!(made, None);
    assert!(house.may(&house.root.secret, "*"));
}

#[tokio::test]
async fn a_configured_root_token_takes_the_place_of_the_old_one() {
    let house = house().await;
    let (house, made) = house.restart(Some("configured-by-the-operator")).await;
    assert_eq!(made, None);
    assert!(house.may("configured-by-the-operator", "*"));
    assert!(!house.may(&house.root.secret, "*"));
    assert_eq!(house.tokens.list().len(), 1);
    let (house, made) = house.restart(None).await;
    assert_eq!(made, None);
    assert!(house.may("configured-by-the-operator", "*"));
}

#[tokio::test]
async fn a_configured_root_token_that_was_rotated_stays_dead_whatever_the_configuration_says() {
    let old = "configured-by-the-operator";
    let (house, _) = house().await.restart(Some(old)).await;
    assert!(house.may(old, "*"));
    let (root, now) = (Grant::root(), now());
    let zero = TimeDelta::zero();
    let new = house.tokens.rotate("root", zero, &root, now).await.unwrap();
    let (house, _) = house.restart(Some(old)).await;
    assert!(!house.may(old, "*") && house.may(&new.secret, "*"));
    // Another one is another decision of the operator's.
    let (house, _) = house.restart(Some("configured-after-that")).await;
    assert!(house.may("configured-after-that", "*") && !house.may(&new.secret, "*"));
}

#[tokio::test]
async fn a_rotated_or_revoked_token_is_refused_from_the_next_request_on_and_after_a_restart() {
    let house = house().await;
    let root = Grant::root();
    let old = house.make("ci", &["exec:write"]).await;
    assert!(house.may(&old.secret, "exec:write"));
    let new = house
        .tokens
        .rotate(&old.info.id, TimeDelta::zero(), &root, now())
        .await
        .unwrap();
    assert_eq!(new.info.id, old.info.id);
    assert!(!house.may(&old.secret, "exec:write"));
    assert!(house.may(&new.secret, "exec:write"));
    let (house, _) = house.restart(None).await;
    assert!(!house.may(&old.secret, "exec:write"));
    assert!(house.may(&new.secret, "exec:write"));
    house.tokens.revoke(&new.info.id, &root).await.unwrap();
    assert!(!house.may(&new.secret, "exec:write"));
    let (house, _) = house.restart(None).await;
    assert!(!house.may(&new.secret, "exec:write"));
    let gone = house.tokens.revoke(&new.info.id, &root).await;
    assert!(matches!(gone, Err(AuthError::NotFound { .. })));
}

#[tokio::test]
async fn disabling_and_expiring_end_a_token() {
    let house = house().await;
    let token = house.make("ci", &["cron"]).await;
    let update = |enabled, expires_at| TokenUpdate {
        enabled,
        expires_at,
        ..TokenUpdate::default()
    };
    let root = Grant::root();
    let id = &token.info.id;
    house
        .tokens
        .update(id, update(Some(false), None), &root, now())
        .await
        .unwrap();
    assert!(!house.may(&token.secret, "cron"));
    let end = now() + TimeDelta::hours(1);
    house
        .tokens
        .update(id, update(Some(true), Some(Some(end))), &root, now())
        .await
        .unwrap();
    assert!(house.may(&token.secret, "cron"));
    assert_eq!(house.tokens.authenticate(&token.secret, end), None);
    // Renaming works after the end; a new end must be in the future.
    let rename = TokenUpdate {
        alias: Some("old ci".to_owned()),
        ..TokenUpdate::default()
    };
    let info = house.tokens.update(id, rename, &root, end).await.unwrap();
    assert_eq!(
        (info.alias.as_str(), info.expires_at),
        ("old ci", Some(end))
    );
    let refused = house
        .tokens
        .update(id, update(None, Some(Some(end))), &root, end)
        .await;
    assert_eq!(refused, Err(AuthError::AlreadyExpired));
    house
        .tokens
        .update(id, update(None, Some(None)), &root, end)
        .await
        .unwrap();
    assert!(house.tokens.authenticate(&token.secret, end).is_some());
}

#[tokio::test]
async fn nobody_gets_more_than_he_has() {
    let house = house().await;
    let keeper = Grant::from(permissions(&["auth", "exec:read"]));
    let beyond = Err(AuthError::BeyondOwn);
    for names in [&["*"][..], &["exec"], &["exec:read", "cron"]] {
        let refused = house
            .tokens
            .create(request("x", names), &keeper, now())
            .await;
        assert_eq!(refused.map(drop), beyond, "{names:?}");
    }
    let made = house
        .tokens
        .create(request("x", &["exec:read"]), &keeper, now())
        .await
        .unwrap();
    let root = &house.root.info.id;
    assert_eq!(
        house
            .tokens
            .rotate(root, TimeDelta::zero(), &keeper, now())
            .await
            .map(drop),
        beyond
    );
    assert_eq!(house.tokens.revoke(root, &keeper).await, beyond);
    let more = TokenUpdate {
        permissions: Some(permissions(&["exec"])),
        ..TokenUpdate::default()
    };
    assert_eq!(
        house
            .tokens
            .update(&made.info.id, more, &keeper, now())
            .await
            .map(drop),
        beyond
    );
    let update = TokenUpdate {
        enabled: Some(false),
        ..TokenUpdate::default()
    };
    assert_eq!(
        house
            .tokens
            .update(root, update, &keeper, now())
            .await
            .map(drop),
        beyond
    );
    assert!(house.may(&house.root.secret, "*"));
}

#[tokio::test]
async fn the_last_root_token_cannot_go() {
    let house = house().await;
    let root = Grant::root();
    let id = house.root.info.id.clone();
    let weaken = [
        TokenUpdate {
            enabled: Some(false),
            ..TokenUpdate::default()
        },
        TokenUpdate {
            permissions: Some(permissions(&["exec"])),
            ..TokenUpdate::default()
        },
        TokenUpdate {
            expires_at: Some(Some(now() + TimeDelta::days(1))),
            ..TokenUpdate::default()
        },
    ];
    assert_eq!(
        house.tokens.revoke(&id, &root).await,
        Err(AuthError::LastRoot)
    );
    for update in weaken.clone() {
        let refused = house.tokens.update(&id, update, &root, now()).await;
        assert_eq!(refused, Err(AuthError::LastRoot));
    }
    house.make("second root", &["*"]).await;
    for update in weaken {
        house
            .tokens
            .update(&id, update, &root, now())
            .await
            .unwrap();
    }
    house.tokens.revoke(&id, &root).await.unwrap();
}

#[tokio::test]
async fn aliases_are_unique_and_of_sane_length() {
    let house = house().await;
    let root = Grant::root();
    let token = house.make("ci", &["exec"]).await;
    let taken = house
        .tokens
        .create(request("ci", &["exec"]), &root, now())
        .await;
    assert!(matches!(taken, Err(AuthError::AliasInUse { .. })));
    for alias in ["", "a\nb", &"x".repeat(ALIAS_CHARS_MAX + 1)] {
        let refused = house
            .tokens
            .create(request(alias, &["exec"]), &root, now())
            .await;
        assert_eq!(refused, Err(AuthError::BadAlias), "{alias:?}");
    }
    let same = TokenUpdate {
        alias: Some("ci".to_owned()),
        ..TokenUpdate::default()
    };
    house
        .tokens
        .update(&token.info.id, same, &root, now())
        .await
        .unwrap();
}

#[tokio::test]
async fn the_time_of_use_is_kept_across_changes_and_restarts() {
    let house = house().await;
    let token = house.make("ci", &["exec"]).await;
    let later = now() + TimeDelta::minutes(5);
    house.tokens.authenticate(&token.secret, later).unwrap();
    let last_used = |house: &House| house.tokens.get(&token.info.id).unwrap().last_used_at;
    assert_eq!(last_used(&house), Some(later));
    house.tokens.save_last_used().await.unwrap();
    let (house, _) = house.restart(None).await;
    assert_eq!(last_used(&house), Some(later));
    house
        .tokens
        .rotate(&token.info.id, TimeDelta::zero(), &Grant::root(), now())
        .await
        .unwrap();
    assert_eq!(last_used(&house), Some(later));
}

#[tokio::test]
async fn secrets_are_in_no_debug_output() {
    let house = house().await;
    let shown = format!("{:?} {:?}", house.tokens, house.root);
    assert!(!shown.contains(&house.root.secret));
    assert!(!shown.contains(&house.root.secret[3..]));
}

#[tokio::test]
async fn an_old_secret_goes_on_for_the_overlap_and_no_longer() {
    let house = house().await;
    let (root, hour) = (Grant::root(), TimeDelta::hours(1));
    let first = house.make("ci", &["exec"]).await;
    let id = &first.info.id;
    let second = house.tokens.rotate(id, hour, &root, now()).await.unwrap();
    assert_eq!(second.info.previous_expires_at, Some(now() + hour));
    let (house, _) = house.restart(None).await;
    let valid = |secret: &str, at| house.tokens.authenticate(secret, at).is_some();
    let last = now() + hour - TimeDelta::seconds(1);
    assert!(valid(&first.secret, last) && valid(&second.secret, last));
    assert!(!valid(&first.secret, now() + hour) && valid(&second.secret, now() + hour));
    // Only one secret goes on, and none after a rotation without overlap.
    let third = house.tokens.rotate(id, hour, &root, now()).await.unwrap();
    assert!(!valid(&first.secret, now()) && valid(&second.secret, now()));
    house
        .tokens
        .rotate(id, TimeDelta::zero(), &root, now())
        .await
        .unwrap();
    assert!(!valid(&second.secret, now()) && !valid(&third.secret, now()));
    for overlap in [TimeDelta::seconds(-1), OVERLAP_MAX + TimeDelta::seconds(1)] {
        let refused = house.tokens.rotate(id, overlap, &root, now()).await;
        assert_eq!(refused, Err(AuthError::BadOverlap));
    }
}
