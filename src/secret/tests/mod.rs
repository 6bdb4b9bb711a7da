//! Redaction against a slow oracle, and against the real encoders.

mod dumps;
mod oracle;
mod properties;
mod scenes;
mod speed;

use crate::model::SecretName;
use crate::secret::Redactor;

fn redactor(values: &[&[u8]]) -> Redactor {
    Redactor::new(
        values.iter().enumerate().map(|(place, value)| (name(place), value.to_vec().into())).collect(),
    )
}

fn name(place: usize) -> SecretName {
    SecretName::parse(&format!("s{place}")).unwrap()
}
