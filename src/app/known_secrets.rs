//! The values of all declared secrets, for what the server itself keeps of commits: their subjects.

use std::sync::{Arc, Mutex, PoisonError};

use crate::config::Settings;
use crate::secret::{Redactor, SecretGrant, SecretValues};

/// Finds the values of the secrets of the current settings; made when settings are used for the first time.
#[derive(Debug, Clone, Default)]
pub(crate) struct KnownSecrets(Arc<Mutex<Option<Known>>>);

#[derive(Debug)]
struct Known {
    of: Arc<Settings>,
    redactor: Redactor,
}

impl KnownSecrets {
    /// What finds the secrets of these settings. Blocking.
    pub(super) fn redactor(&self, settings: &Arc<Settings>) -> Redactor {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = known.as_ref().filter(|known| Arc::ptr_eq(&known.of, settings)) {
            return known.redactor.clone();
        }
        let grants: Vec<SecretGrant> = settings.secrets.iter().map(SecretGrant::to_operator).collect();
        let redactor = Redactor::new(SecretValues::load(&grants).known());
        *known = Some(Known { of: Arc::clone(settings), redactor: redactor.clone() });
        redactor
    }
}
