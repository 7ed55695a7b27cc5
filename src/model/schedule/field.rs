//! One field of an expression: names, lists, ranges, steps, as a bit set.

/// What a field may hold.
#[derive(Debug, Clone, Copy)]
pub struct Kind {
    min: u32,
    /// 7 for the day of the week, where it is Sunday again.
    max: u32,
    names: &'static [&'static str],
}

const MONTHS: [&str; 12] = [
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
];
const WEEKDAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

/// In the order of an expression.
pub const KINDS: [Kind; 5] = [
    kind(0, 59, &[]),
    kind(0, 23, &[]),
    kind(1, 31, &[]),
    kind(1, 12, &MONTHS),
    kind(0, 7, &WEEKDAYS),
];

const fn kind(min: u32, max: u32, names: &'static [&'static str]) -> Kind {
    Kind { min, max, names }
}

/// The values that a field names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field {
    bits: u64,
    /// It starts with `*`; Vixie cron treats such a field as unrestricted.
    pub star: bool,
}

/// Where in the field, in bytes, and what is wrong there.
type Wrong = (usize, String);

impl Field {
    pub fn parse(kind: Kind, text: &str) -> Result<Field, Wrong> {
        let mut bits = 0;
        let mut at = 0;
        for item in text.split(',') {
            bits |= kind.item(item).map_err(|(inner, why)| (at + inner, why))?;
            at += item.len() + 1;
        }
        if kind.max == 7 && bits & (1 << 7) != 0 {
            bits = (bits | 1) & 0x7f;
        }
        Ok(Field {
            bits,
            star: text.starts_with('*'),
        })
    }

    /// The values in order.
    pub fn values(self) -> impl Iterator<Item = u32> {
        (0..64).filter(move |value| self.bits & (1 << value) != 0)
    }
}

impl Kind {
    /// `*`, a value or a range, and a step behind the first and the last.
    fn item(self, item: &str) -> Result<u64, Wrong> {
        if item.is_empty() {
            return Err((0, "a value is missing".to_owned()));
        }
        let (range, step) = match item.split_once('/') {
            Some((range, step)) => (range, Some((range.len() + 1, step))),
            None => (item, None),
        };
        let (first, last) = match range.split_once('-') {
            _ if range == "*" => (self.min, if self.max == 7 { 6 } else { self.max }),
            Some((first, last)) if !first.is_empty() => {
                let start = self.value(first, 0)?;
                let end = self.value(last, first.len() + 1)?;
                if start > end {
                    let why = format!("the range {range} ends before it starts");
                    return Err((0, why));
                }
                (start, end)
            }
            _ => {
                let value = self.value(range, 0)?;
                if let Some((at, _)) = step {
                    let why = "a step needs `*` or a range before it".to_owned();
                    return Err((at - 1, why));
                }
                (value, value)
            }
        };
        let step = step.map(|(at, text)| self.step(text, at)).transpose()?;
        let values = (first..=last).step_by(step.unwrap_or(1));
        Ok(values.fold(0, |bits, value| bits | 1 << value))
    }

    fn step(self, text: &str, at: usize) -> Result<usize, Wrong> {
        let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        match text.parse::<usize>() {
            Ok(step) if is_number && step > 0 => Ok(step),
            _ => Err((at, "a step is a number of at least 1".to_owned())),
        }
    }

    fn value(self, text: &str, at: usize) -> Result<u32, Wrong> {
        if text.is_empty() {
            return Err((at, "a value is missing".to_owned()));
        }
        let lower = text.to_ascii_lowercase();
        if let Some(index) = self.names.iter().position(|name| *name == lower) {
            // Weekdays count from 0 and months from 1, as their fields do.
            return Ok(index as u32 + self.min);
        }
        if let Some(sign) = text.find(['?', 'L', 'W', '#', 'H']) {
            let sign_text = &text[sign..=sign];
            let why = format!("`{sign_text}` belongs to Quartz or Jenkins, not to cron");
            return Err((at + sign, why));
        }
        let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        match text.parse::<u32>() {
            Ok(value) if is_number && (self.min..=self.max).contains(&value) => Ok(value),
            _ => {
                let names = match self.names {
                    [first, .., last] => format!(" or {first} to {last}"),
                    _ => String::new(),
                };
                let (min, max) = (self.min, self.max);
                Err((at, format!("`{text}` is not {min} to {max}{names}")))
            }
        }
    }
}
