//! A schedule in words: `0 2 * * *` is "At 02:00 every day".

use super::Schedule;

const WEEKDAYS: [&str; 7] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
const WEEKDAYS_WHOLE: [&str; 7] = [
    "Sunday",
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
];
const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
/// More times of a day than this are not listed one by one.
const TIMES_MAX: usize = 6;

/// The schedule for people. The wording may change.
pub fn describe(schedule: &Schedule) -> String {
    let (time, is_daily) = time(&schedule.times.minutes(), &schedule.times.hours());
    let days = days(schedule);
    match (days.is_empty(), is_daily) {
        (true, true) => format!("{time} every day"),
        (true, false) => time,
        (false, _) => format!("{time} {days}"),
    }
}

/// When in a day, and whether that is at times of day.
fn time(minute_list: &[u32], hour_list: &[u32]) -> (String, bool) {
    let every_hour = hour_list.len() == 24;
    if minute_list.len() * hour_list.len() <= TIMES_MAX {
        let times: Vec<String> = hour_list
            .iter()
            .flat_map(|hour| {
                minute_list
                    .iter()
                    .map(move |minute| format!("{hour:02}:{minute:02}"))
            })
            .collect();
        return (format!("At {}", and(&times)), true);
    }
    let minute = match (minute_list.len(), step(minute_list, 60)) {
        (60, _) => "Every minute".to_owned(),
        (_, Some(step)) => format!("Every {step} minutes"),
        (1, _) if every_hour && minute_list[0] == 0 => return ("Every hour".to_owned(), false),
        (1, _) => format!("At minute {}", minute_list[0]),
        _ => format!(
            "At minutes {}",
            ranges(minute_list, |value| value.to_string())
        ),
    };
    if every_hour {
        let suffix = if minute.starts_with("At") {
            " of every hour"
        } else {
            ""
        };
        return (format!("{minute}{suffix}"), false);
    }
    let hour = match step(hour_list, 24) {
        Some(step) => format!("of every {step} hours"),
        None => format!(
            "in the hours {}",
            ranges(hour_list, |value| format!("{value:02}"))
        ),
    };
    (format!("{minute} {hour}"), false)
}

fn days(schedule: &Schedule) -> String {
    let times = &schedule.times;
    let (days, weekdays, months) = (times.days(), times.weekdays(), times.months());
    // Either of two of which one is every day is every day.
    let is_any = times.is_either_day() && (days.len() == 31 || weekdays.len() == 7);
    let day = (days.len() < 31 && !is_any).then(|| {
        let noun = if days.len() == 1 { "day" } else { "days" };
        format!(
            "on {noun} {} of the month",
            ranges(&days, |value| value.to_string())
        )
    });
    let weekday = (weekdays.len() < 7 && !is_any).then(|| match weekdays[..] {
        [one] => format!("on {}", WEEKDAYS_WHOLE[one as usize]),
        _ => format!(
            "on {}",
            ranges(&weekdays, |value| WEEKDAYS[value as usize].to_owned())
        ),
    });
    let word = match times.is_either_day() {
        true => " or ",
        false => " if it is also ",
    };
    let mut texts: Vec<String> = match (day, weekday) {
        (Some(day), Some(weekday)) => vec![format!("{day}{word}{weekday}")],
        (day, weekday) => day.into_iter().chain(weekday).collect(),
    };
    if months.len() < 12 {
        let name = |value: u32| MONTHS[value as usize - 1].to_owned();
        texts.push(format!("in {}", ranges(&months, name)));
    }
    texts.join(" ")
}

/// The step of values that start at 0 and divide the whole evenly.
fn step(values: &[u32], whole: u32) -> Option<u32> {
    let step = values.get(1)?.checked_sub(*values.first()?)?;
    let even = values.iter().copied().eq((0..whole).step_by(step as usize));
    (even && step > 1 && whole.is_multiple_of(step)).then_some(step)
}

/// `1, 3 to 5 and 9`, with a dash for three or more in a row.
fn ranges(values: &[u32], name: impl Fn(u32) -> String) -> String {
    let mut texts = Vec::new();
    let mut at = 0;
    while at < values.len() {
        let mut end = at;
        while values.get(end + 1) == Some(&(values[end] + 1)) {
            end += 1;
        }
        if end - at >= 2 {
            texts.push(format!("{}–{}", name(values[at]), name(values[end])));
        } else {
            texts.extend(values[at..=end].iter().map(|value| name(*value)));
        }
        at = end + 1;
    }
    and(&texts)
}

fn and(texts: &[String]) -> String {
    match texts {
        [] => String::new(),
        [one] => one.clone(),
        [firsts @ .., last] => format!("{} and {last}", firsts.join(", ")),
    }
}
