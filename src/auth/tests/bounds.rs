//! Where tokens count, who hands them out, and what guessing leads to.

use super::*;

#[tokio::test]
async fn nobody_reaches_further_than_he_does() {
    let house = house().await;
    let bounded = |deployments: &[&str]| Grant {
        permissions: permissions(&["auth", "exec"]),
        bounds: Bounds {
            deployments: deployments.iter().map(|id| id.to_string()).collect(),
            ..Bounds::default()
        },
    };
    let request = |alias: &str, grant| TokenRequest {
        alias: alias.to_owned(),
        grant,
        expires_at: None,
        user: None,
    };
    let keeper = bounded(&["1"]);
    for beyond in [&[][..], &["2"], &["1", "2"]] {
        let made = house
            .tokens
            .create(request("x", bounded(beyond)), &keeper, now())
            .await;
        assert_eq!(made.map(drop), Err(AuthError::BeyondOwn), "{beyond:?}");
    }
    let made = house
        .tokens
        .create(request("x", bounded(&["1"])), &keeper, now())
        .await;
    let wider = TokenUpdate {
        deployments: Some(Vec::new()),
        ..TokenUpdate::default()
    };
    let refused = house
        .tokens
        .update(&made.unwrap().info.id, wider, &keeper, now())
        .await;
    assert_eq!(refused, Err(AuthError::BeyondOwn));
}

#[tokio::test]
async fn an_address_that_guesses_is_kept_waiting_even_with_a_good_token() {
    let house = house().await;
    let tokens = house.tokens.failures_per_minute(2);
    let client = Some("192.0.2.1".parse().unwrap());
    let present = |secret: &str| {
        vec![Presented {
            token: secret.to_owned(),
            from_url: true,
        }]
    };
    let (good, bad) = (present(&house.root.secret), present("guess"));
    assert!(tokens.identify(&good, client, now()).is_ok());
    assert_eq!(tokens.identify(&[], client, now()), Err(Denied::Missing));
    for _ in 0..2 {
        assert_eq!(tokens.identify(&bad, client, now()), Err(Denied::Unknown));
    }
    let waiting = tokens.identify(&good, client, now());
    assert_eq!(
        waiting,
        Err(Denied::Guessing {
            retry_after_seconds: 60
        })
    );
    let another = Some("192.0.2.2".parse().unwrap());
    assert!(tokens.identify(&good, another, now()).is_ok());
    let later = now() + TimeDelta::minutes(1);
    assert!(tokens.identify(&good, client, later).is_ok());
}

#[tokio::test]
async fn a_token_counts_only_from_its_addresses() {
    let house = house().await;
    let grant = Grant {
        permissions: permissions(&["exec"]),
        bounds: Bounds {
            addresses: vec!["10.0.0.0/8".to_owned()],
            ..Bounds::default()
        },
    };
    let request = TokenRequest {
        alias: "inside".to_owned(),
        grant,
        expires_at: None,
        user: None,
    };
    let made = house
        .tokens
        .create(request, &Grant::root(), now())
        .await
        .unwrap();
    let presented = [Presented {
        token: made.secret,
        from_url: false,
    }];
    let from = |address: &str| {
        let client = Some(address.parse().unwrap());
        house.tokens.identify(&presented, client, now()).map(drop)
    };
    assert_eq!(from("10.9.8.7"), Ok(()));
    assert_eq!(from("192.0.2.1"), Err(Denied::Unknown));
}
