//! The text format of Prometheus, version 0.0.4: escaping and order.

use std::fmt::{Display, Write};

use super::histogram::Spread;

/// Upper bounds of a histogram's buckets: 2^6 µs (64 µs) to 2^26 µs (67 s).
const BOUND_EXPONENTS: std::ops::RangeInclusive<u32> = 6..=26;

/// A document that grows family by family.
#[derive(Debug, Default)]
pub struct Exposition {
    text: String,
    family: &'static str,
}

impl Exposition {
    /// Begins a family of samples. `kind` is `counter`, `gauge`, `histogram` or
    /// `summary`.
    pub fn family(&mut self, name: &'static str, kind: &str, help: &str) {
        self.family = name;
        self.push(format_args!("# HELP {name} {help}\n# TYPE {name} {kind}\n"));
    }

    /// Adds a sample of the family.
    pub fn sample(&mut self, labels: &[(&str, &str)], value: impl Display) {
        self.named_sample("", labels, value);
    }

    /// A family of one sample.
    pub fn single(&mut self, name: &'static str, kind: &str, help: &str, value: impl Display) {
        self.family(name, kind, help);
        self.sample(&[], value);
    }

    /// A family of one sample, if its value is known.
    pub fn known(
        &mut self,
        name: &'static str,
        kind: &str,
        help: &str,
        value: Option<impl Display>,
    ) {
        if let Some(value) = value {
            self.single(name, kind, help, value);
        }
    }

    /// Adds the samples of a histogram, in seconds.
    pub fn histogram(&mut self, spread: &Spread) {
        for exponent in BOUND_EXPONENTS {
            let bound = ((1u64 << exponent) as f64 / 1e6).to_string();
            let count = spread.at_most_2_to(exponent);
            self.named_sample("_bucket", &[("le", &bound)], count);
        }
        self.named_sample("_bucket", &[("le", "+Inf")], spread.count);
        self.sum_and_count(&[], spread);
    }

    /// Adds the samples of a summary, in seconds.
    pub fn summary(&mut self, label: (&str, &str), spread: &Spread) {
        for (name, part) in [("0.5", 0.5), ("0.95", 0.95), ("0.99", 0.99)] {
            if let Some(quantile) = spread.quantile(part) {
                let labels = [label, ("quantile", name)];
                self.sample(&labels, quantile.as_secs_f64());
            }
        }
        self.sum_and_count(&[label], spread);
    }

    pub fn into_text(self) -> String {
        self.text
    }

    fn sum_and_count(&mut self, labels: &[(&str, &str)], spread: &Spread) {
        self.named_sample("_sum", labels, spread.sum.as_secs_f64());
        self.named_sample("_count", labels, spread.count);
    }

    fn named_sample(&mut self, suffix: &str, labels: &[(&str, &str)], value: impl Display) {
        let family = self.family;
        self.push(format_args!("{family}{suffix}"));
        for (at, (name, value)) in labels.iter().enumerate() {
            let opening = if at == 0 { '{' } else { ',' };
            self.push(format_args!("{opening}{name}=\"{}\"", escaped(value)));
        }
        let closing = if labels.is_empty() { "" } else { "}" };
        self.push(format_args!("{closing} {value}\n"));
    }

    fn push(&mut self, text: std::fmt::Arguments<'_>) {
        self.text
            .write_fmt(text)
            .expect("writing to a String does not fail");
    }
}

fn escaped(value: &str) -> String {
    value
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::histogram::Histogram;
    use super::*;

    #[test]
    fn samples_stand_under_their_family() {
        let mut text = Exposition::default();
        text.single("a_total", "counter", "All of them.", 7);
        text.family("b", "gauge", "Some.");
        text.sample(&[("x", "1"), ("y", "q\"\\\n")], 0.5);
        text.known("c", "gauge", "None.", None::<u64>);
        let expected = "# HELP a_total All of them.\n# TYPE a_total counter\na_total 7\n\
                        # HELP b Some.\n# TYPE b gauge\nb{x=\"1\",y=\"q\\\"\\\\\\n\"} 0.5\n";
        assert_eq!(text.into_text(), expected);
    }

    #[test]
    fn histograms_and_summaries_have_all_their_samples() {
        let histogram = Histogram::default();
        for micros in [10, 100, 100_000_000] {
            histogram.record(Duration::from_micros(micros));
        }
        let spread = histogram.spread();
        let mut text = Exposition::default();
        text.family("h", "histogram", "");
        text.histogram(&spread);
        text.family("s", "summary", "");
        text.summary(("script", "x"), &spread);
        let text = text.into_text();
        for line in [
            "h_bucket{le=\"0.000064\"} 1\n",
            "h_bucket{le=\"0.000128\"} 2\n",
            "h_bucket{le=\"67.108864\"} 2\n",
            "h_bucket{le=\"+Inf\"} 3\n",
            "h_sum 100.00011\n",
            "h_count 3\n",
            "s{script=\"x\",quantile=\"0.5\"} 0.0001\n",
            "s_sum{script=\"x\"} 100.00011\n",
            "s_count{script=\"x\"} 3\n",
        ] {
            assert!(text.contains(line), "{line}{text}");
        }
    }
}
