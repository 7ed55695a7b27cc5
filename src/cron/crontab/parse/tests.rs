//! Crontabs, honest and forged.

use super::*;
use crate::cron::crontab::render::render;

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000, 0).unwrap()
}

fn read(text: &str, known: &[Arc<Entry>]) -> Result<Parsed, CronError> {
    let terms = Terms {
        timezone: chrono_tz::Tz::UTC,
        timeout_seconds: 60,
        shell: false,
    };
    let known = known
        .iter()
        .map(|entry| (entry.record.id.as_str(), entry))
        .collect();
    let taken = "00000000-0000-4000-8000-00000000000a";
    parse("alice", text, &known, |id| id == taken, &terms, now())
}

fn entries(parsed: &Parsed) -> Vec<Arc<Entry>> {
    let entries = parsed.lines.iter().filter_map(|line| match line {
        Line::Entry(entry) => Some(entry.clone()),
        Line::Text(_) => None,
    });
    entries.collect()
}

#[test]
fn a_crontab_comes_back_as_it_was() {
    let text =
        "# mine\nMAILTO=\"\"\n\n0 4 * * 0\tcurl -fsS /x\nCRON_TZ=Europe/Berlin\n@daily curl /y\n";
    let parsed = read(text, &[]).unwrap();
    assert_eq!(render(&parsed.lines), text);
    let both = entries(&parsed);
    assert_eq!(both[0].record.timezone, "UTC");
    assert_eq!(
        (
            both[1].record.timezone.as_str(),
            both[1].record.schedule.as_str()
        ),
        ("Europe/Berlin", "@daily")
    );
    // Once more: the same lines are the same entries.
    let again = entries(&read(text, &both).unwrap());
    assert_eq!(again[0].record.id, both[0].record.id);
    assert_ne!(again[0].record.id, again[1].record.id);
}

#[test]
fn metadata_belong_to_the_next_line() {
    let text = "# hoody-cron: {\"id\":\"00000000-0000-4000-8000-000000000001\",\"name\":\"n\",\"retries\":2}\n\
                # hoody-cron-disabled: 0 4 * * * curl /x\n";
    let parsed = read(text, &[]).unwrap();
    let entry = &entries(&parsed)[0];
    assert_eq!(entry.record.id, "00000000-0000-4000-8000-000000000001");
    assert_eq!(
        (entry.record.name.as_deref(), entry.record.enabled),
        (Some("n"), false)
    );
    assert_eq!(entry.record.policy.retries, 2);
    let rendered = render(&parsed.lines);
    let again = read(&rendered, std::slice::from_ref(entry)).unwrap();
    assert_eq!(render(&again.lines), rendered);
}

#[test]
fn forged_names_are_not_taken() {
    for id in [
        "00000000-0000-4000-8000-00000000000a",
        "../../etc",
        "script:1:a.ts",
        "",
    ] {
        let text = format!("# hoody-cron: {{\"id\":\"{id}\"}}\n* * * * * curl /x\n");
        assert_ne!(entries(&read(&text, &[]).unwrap())[0].record.id, id);
    }
    let twice =
        "# hoody-cron: {\"id\":\"00000000-0000-4000-8000-000000000001\"}\n* * * * * curl /x\n"
            .repeat(2);
    let both = entries(&read(&twice, &[]).unwrap());
    assert_ne!(both[0].record.id, both[1].record.id);
}

#[test]
fn what_is_wrong_says_its_line() {
    let cases = [
        ("0 4 * * 0", "line 1: command is required"),
        ("\n0 4 * * 0 bash x", "line 2: `bash`"),
        ("# a\n61 * * * * curl /x", "line 2: minute"),
        ("0 0 4 * * 0 curl /x", "line 1: `0` is not `curl`"),
        ("@reboot curl /x", "line 1: @reboot"),
        ("* * * * *\u{b}curl /x", "line 1"),
        ("# a\u{1}b", "line 1: U+0001"),
        ("CRON_TZ=Mars\n", "line 1: `Mars`"),
        ("# hoody-cron: {}\n", "line 1: no entry follows"),
        ("# hoody-cron: {}\n# x\n", "line 2: no entry follows"),
        ("# hoody-cron: {\n* * * * * curl /x", "line 1: the metadata"),
        (
            "# hoody-cron: {\"user\":\"root\"}\n* * * * * curl /x",
            "line 1: the metadata",
        ),
        (
            "# hoody-cron: {\"retries\":99}\n* * * * * curl /x",
            "line 2: retries",
        ),
        (
            "# hoody-cron: {\"name\":\"a\\nb\"}\n* * * * * curl /x",
            "line 2: name must be one line",
        ),
        (
            "# hoody-cron: {\"expires_at\":\"soon\"}\n* * * * * curl /x",
            "line 2: expires_at",
        ),
    ];
    for (text, expected) in cases {
        let error = read(text, &[]).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{text:?}: {error}");
    }
}

#[test]
fn expired_entries_are_left_out_and_counted() {
    let text = "# hoody-cron: {\"expires_at\":\"2020-01-01T00:00:00Z\"}\n* * * * * curl /x\n* * * * * curl /y\n";
    let parsed = read(text, &[]).unwrap();
    assert_eq!((parsed.removed_expired, entries(&parsed).len()), (1, 1));
}

#[test]
fn too_much_is_refused() {
    let lines = "* * * * * curl /x\n".repeat(CRONTAB_LINES_MAX);
    assert_eq!(
        entries(&read(&lines, &[]).unwrap()).len(),
        CRONTAB_LINES_MAX
    );
    let one_more = format!("{lines}\n");
    assert!(matches!(
        read(&one_more, &[]),
        Err(CronError::CrontabTooLarge { unit: "lines", .. })
    ));
    let long = "#".repeat(CRONTAB_BYTES_MAX + 1);
    assert!(matches!(
        read(&long, &[]),
        Err(CronError::CrontabTooLarge { unit: "bytes", .. })
    ));
}
