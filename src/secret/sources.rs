//! Which secrets a run may have, and where their values are on the machine that executes it.

use std::collections::BTreeMap;

use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use super::grant::{GrantSource, GrantValue, SecretGrant, SecretValues, source};
use crate::config::{Asker, MissingGrant, SecretDecl};

/// A declared secret, as an order names it: without a value, and without the place of one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecretRequest {
    pub(crate) name: String,
    /// The grants that the run lacks.
    pub(crate) missing: Vec<MissingGrant>,
    /// The jobs that may have it; all when empty.
    pub(crate) jobs: Vec<String>,
}

/// Gives a run the values of its secrets.
pub trait Secrets {
    /// The declared secrets, with the values of those that the run may have. One that cannot be had is an error only for a
    /// job that asks for it. Blocking.
    fn values(&self, requests: &[SecretRequest]) -> SecretValues;
}

/// Where values are on this machine: literals and files of `config.fnl`, by the names of secrets, and arguments that are secrets.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecretSources {
    declared: BTreeMap<String, GrantSource>,
    arguments: BTreeMap<String, GrantValue>,
}

impl SecretRequest {
    /// A declared secret for a run.
    pub fn new(secret: &SecretDecl, asker: Asker<'_>) -> Self {
        Self {
            name: secret.name.to_string(),
            missing: secret.missing(asker),
            jobs: secret.jobs.iter().map(ToString::to_string).collect(),
        }
    }
}

impl SecretSources {
    /// The sources of what is requested and granted; no others.
    pub(crate) fn new(declared: &[SecretDecl], requests: &[SecretRequest]) -> Self {
        let is_granted =
            |name: &str| requests.iter().any(|request| request.name == name && request.missing.is_empty());
        let granted = declared.iter().filter(|secret| is_granted(secret.name.as_str()));
        let declared = granted.map(|secret| (secret.name.to_string(), source(secret))).collect();
        Self { declared, arguments: BTreeMap::new() }
    }
}

impl SecretSources {
    /// These values, by the names of secrets.
    pub(crate) fn of_literals(values: BTreeMap<String, SecretString>) -> Self {
        let literal = |(name, value)| (name, GrantSource::Literal(GrantValue(value)));
        Self { declared: values.into_iter().map(literal).collect(), arguments: BTreeMap::new() }
    }

    /// The same, and these arguments of a run.
    #[must_use]
    pub(crate) fn with_arguments(self, values: BTreeMap<String, SecretString>) -> Self {
        Self {
            arguments: values.into_iter().map(|(name, value)| (name, GrantValue(value))).collect(),
            ..self
        }
    }
}

impl Secrets for SecretSources {
    fn values(&self, requests: &[SecretRequest]) -> SecretValues {
        let grants: Vec<SecretGrant> = requests
            .iter()
            .map(|SecretRequest { name, missing, jobs }| SecretGrant {
                name: name.clone(),
                source: missing.is_empty().then(|| self.declared.get(name).cloned()).flatten(),
                missing: missing.clone(),
                jobs: jobs.clone(),
            })
            .collect();
        SecretValues::load(&grants).with_arguments(&self.arguments)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::grant::{GrantValue, SecretError};

    #[test]
    fn requests_hold_no_value_and_sources_only_those_that_are_granted() {
        let request = |name: &str, missing: Vec<MissingGrant>| SecretRequest {
            name: name.to_owned(),
            missing,
            jobs: Vec::new(),
        };
        let lacks = vec![("refs".to_owned(), "refs/heads/x".to_owned())];
        let requests = [request("a", Vec::new()), request("b", lacks), request("c", Vec::new())];
        let sent = serde_json::to_string(&requests).unwrap();
        assert!(!sent.contains("hunter22"), "{sent}");
        let value = || GrantSource::Literal(GrantValue("hunter22".to_owned().into()));
        let declared = [("a".to_owned(), value()), ("b".to_owned(), value())].into();
        let sources = SecretSources { declared, arguments: BTreeMap::new() };
        let sources = sources.with_arguments([("a".to_owned(), "of-the-run".to_owned().into())].into());
        let sources: SecretSources = serde_json::from_str(&serde_json::to_string(&sources).unwrap()).unwrap();
        let requests: Vec<SecretRequest> = serde_json::from_str(&sent).unwrap();
        let values = sources.values(&requests);
        assert_eq!(values.get("a", "job"), Some(Ok(b"hunter22".to_vec())));
        assert!(matches!(values.get("b", "job"), Some(Err(SecretError::NotGranted { .. }))));
        assert!(matches!(values.get("c", "job"), Some(Err(SecretError::Absent { .. }))));
        assert_eq!((values.get("d", "job"), values.names().count()), (None, 3));
        // An argument is apart from a secret of the same name, and known to the redactor.
        assert_eq!((values.argument("a"), values.argument("b")), (Some(b"of-the-run".to_vec()), None));
        assert_eq!(values.known().len(), 2);
    }
}
