//! What models cost: one line a model, `name input output`, prices for a million
//! tokens. A model without a price costs nothing here; caps on tokens still hold.

use crate::model::generation::TokenUsage;

/// A price line that says nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "ai.prices has {0:?}; write a model's name, then the prices of a million tokens in and out, such as \"openai/gpt-4o-mini 0.15 0.60\""
)]
pub struct PriceError(String);

#[derive(Debug, Clone, Default)]
pub struct Prices(Vec<(String, f64, f64)>);

impl Prices {
    pub fn parse(lines: &[String]) -> Result<Self, PriceError> {
        let parsed = lines.iter().map(|line| {
            let parts: Vec<&str> = line.split_whitespace().collect();
            let price = |text: &str| {
                let price: f64 = text.parse().ok()?;
                (price.is_finite() && price >= 0.0).then_some(price)
            };
            match parts.as_slice() {
                [name, input, output] => price(input)
                    .zip(price(output))
                    .map(|(input, output)| ((*name).to_owned(), input, output)),
                _ => None,
            }
            .ok_or_else(|| PriceError(line.clone()))
        });
        Ok(Self(parsed.collect::<Result<_, _>>()?))
    }

    /// In millionths of the prices' currency, rounded up. The longest name that
    /// the model's starts with counts: providers add dates to names.
    pub fn cost_micros(&self, model: &str, usage: TokenUsage) -> u64 {
        let fitting = self.0.iter().filter(|(name, ..)| model.starts_with(name));
        let Some((_, input, output)) = fitting.max_by_key(|(name, ..)| name.len()) else {
            return 0;
        };
        let cost = usage.prompt_tokens as f64 * input + usage.completion_tokens as f64 * output;
        cost.ceil() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_name_that_fits_prices_a_model() {
        let lines = [
            "gpt-4o 2.5 10".to_owned(),
            "gpt-4o-mini 0.15 0.6".to_owned(),
        ];
        let prices = Prices::parse(&lines).unwrap();
        let usage = TokenUsage {
            prompt_tokens: 1_000_000,
            completion_tokens: 500_000,
        };
        assert_eq!(prices.cost_micros("gpt-4o-mini-2024", usage), 450_000);
        assert_eq!(prices.cost_micros("gpt-4o", usage), 7_500_000);
        assert_eq!(prices.cost_micros("other", usage), 0);
        for bad in [
            "",
            "gpt",
            "gpt 1",
            "gpt x 1",
            "gpt -1 1",
            "gpt 1 inf",
            "a 1 2 3",
        ] {
            assert!(Prices::parse(&[bad.to_owned()]).is_err(), "{bad}");
        }
    }
}
