//! Decides what follows from looking for an image's signature. Looking is `verify`'s.

use super::bundle::SignatureMode;
use super::decision::{
    Decision, PolicyPoint, SIGNATURE_PERMISSIVE, SIGNATURE_REQUIRED, SIGNATURE_VERIFIED, Verdict,
};
use super::hint::signature_line;
use super::image::ImageRef;
use super::policy::Policy;

/// What looking for a signature has shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Proof {
    /// A signature was verified.
    Signed {
        /// With what: a key's file, or the signer's identity.
        by: String,
    },
    /// None was found that holds.
    Unsigned {
        /// Why not, for people.
        reason: String,
    },
    /// Nobody could look.
    NoVerifier {
        /// Why not, for people.
        reason: String,
    },
}

/// Decides about the signature of an image. Nothing when the bundle requires none. A missing verifier does not count as a pass.
pub(crate) fn decide_signature(
    policy: &Policy,
    subject: &str,
    image: &ImageRef,
    proof: &Proof,
) -> Option<Decision> {
    let (refused, code) = match policy.signature_mode() {
        SignatureMode::Disabled => return None,
        SignatureMode::Required => (Verdict::Deny, SIGNATURE_REQUIRED),
        SignatureMode::Permissive => (Verdict::Warn, SIGNATURE_PERMISSIVE),
    };
    let (subject, point) = (subject.to_owned(), PolicyPoint::Image);
    let hint =
        (refused == Verdict::Deny).then(|| signature_line(SignatureMode::Permissive, &policy.bundle_name()));
    Some(match proof {
        Proof::Signed { by } => {
            let reason = format!("the image `{image}` is signed: {by}");
            Decision { subject, point, verdict: Verdict::Allow, code: SIGNATURE_VERIFIED, reason, hint: None }
        }
        Proof::Unsigned { reason } => {
            let reason = format!("the image `{image}` has no valid signature: {reason}");
            Decision { subject, point, verdict: refused, code, reason, hint }
        }
        Proof::NoVerifier { reason } => {
            let reason = format!("the signature of the image `{image}` cannot be verified: {reason}");
            Decision { subject, point, verdict: refused, code, reason, hint }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::PolicySettings;
    use crate::policy::{Bundle, BundleState, Profile, ProfileSource};

    fn policy(profile: Profile, text: &str) -> Policy {
        Policy {
            profile,
            source: ProfileSource::Default,
            bundle: BundleState::Good(Bundle::parse("policy.yaml", text.as_bytes()).unwrap()),
            operator: PolicySettings { bundle: Some("policy.yaml".into()), ..PolicySettings::default() },
            data_dir: "/var/quire".into(),
            engine_places: Vec::new(),
        }
    }

    #[test]
    fn only_a_verified_signature_passes_where_one_is_required() {
        let image = ImageRef::parse("alpine").unwrap();
        let proofs = [
            Proof::Signed { by: "cosign.pub".into() },
            Proof::Unsigned { reason: "no".into() },
            Proof::NoVerifier { reason: "cosign is not installed".into() },
        ];
        let table = [
            ("required", [Some(Verdict::Allow), Some(Verdict::Deny), Some(Verdict::Deny)]),
            ("permissive", [Some(Verdict::Allow), Some(Verdict::Warn), Some(Verdict::Warn)]),
            ("disabled", [None, None, None]),
        ];
        for profile in Profile::ALL {
            for (mode, verdicts) in table {
                let policy = policy(profile, &format!("verify_signatures: {mode}"));
                for (proof, verdict) in proofs.iter().zip(verdicts) {
                    let decision = decide_signature(&policy, "job", &image, proof);
                    assert_eq!(
                        decision.map(|decision| decision.verdict),
                        verdict,
                        "{profile} {mode} {proof:?}"
                    );
                }
            }
            for silent in [policy(profile, ""), Policy { bundle: BundleState::Absent, ..policy(profile, "") }]
            {
                assert_eq!(decide_signature(&silent, "job", &image, &proofs[1]), None, "out of the box");
            }
        }
    }

    #[test]
    fn the_line_of_a_denial_allows_it() {
        let required = policy(Profile::Secure, "verify_signatures: required");
        let image = ImageRef::parse("alpine").unwrap();
        let proof = Proof::Unsigned { reason: "no signature".into() };
        let denied = decide_signature(&required, "job", &image, &proof).unwrap();
        assert_eq!(denied.code, SIGNATURE_REQUIRED);
        assert_eq!(denied.hint.as_deref(), Some("write `verify_signatures: permissive` in policy.yaml"));
        let line = denied.hint.unwrap();
        let again = policy(Profile::Secure, line.split('`').nth(1).unwrap());
        assert_eq!(decide_signature(&again, "job", &image, &proof).unwrap().verdict, Verdict::Warn);
    }
}
