//! What the server cannot do at the moment, for `GET /healthz`.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// The troubles of a server. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Health(Arc<Mutex<BTreeMap<String, usize>>>);

/// One trouble: it is over when this is dropped.
#[derive(Debug)]
pub struct Trouble {
    health: Health,
    text: String,
}

impl Health {
    /// Reports a trouble.
    pub(crate) fn report(&self, text: impl Into<String>) -> Trouble {
        let text = text.into();
        *self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(text.clone()).or_default() += 1;
        Trouble { health: self.clone(), text }
    }

    /// The troubles that are not over.
    pub(crate) fn troubles(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).keys().cloned().collect()
    }
}

impl Drop for Trouble {
    fn drop(&mut self) {
        let mut troubles = self.health.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = troubles.get_mut(&self.text) {
            *count -= 1;
            if *count == 0 {
                troubles.remove(&self.text);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trouble_is_over_when_the_last_report_of_it_is() {
        let health = Health::default();
        let (one, two) = (health.report("the disk is full"), health.report("the disk is full"));
        drop(one);
        assert_eq!(health.troubles(), ["the disk is full"]);
        drop(two);
        assert!(health.troubles().is_empty());
    }
}
