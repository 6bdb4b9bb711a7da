use super::*;

const GOOD: &str = "apiVersion: flwd.addon/v1
kind: AddOn
metadata:
  name: Build tools
  id: build.tools
  version: 1.2.3-rc.1+7
  summary: Builds things
  maintainers: [{name: A, email: a@example.org, url: https://example.org}]
  license: MIT
requires:
  flwd: {version: '>=1'}
  permissions: [net]
  containers: [{image: alpine, platform: linux/amd64, verify_signatures: true}]
jobs:
  - id: build
    summary: Builds
    command: make all
    requirements: {tools: [{name: make, version: 4.3}]}
  - id: test:unit
    name: Tests
    extends: [build]
    command: [make, test]
  - id: plan-only
";

fn problem(text: &str) -> SourceError {
    AddonManifest::parse(text.as_bytes()).unwrap_err()
}

#[test]
fn a_manifest_is_read_with_the_commands_of_its_jobs() {
    let manifest = AddonManifest::parse(GOOD.as_bytes()).unwrap();
    assert_eq!((manifest.id.as_str(), manifest.version.as_str()), ("build.tools", "1.2.3-rc.1+7"));
    let commands: Vec<_> = manifest.jobs.iter().map(|job| job.command.join(" ")).collect();
    assert_eq!(commands, ["sh -c make all", "make test", ""]);
    let build = manifest.find("BUILD").unwrap();
    assert_eq!((build.name.as_str(), build.tools[0].version.as_deref()), ("build", Some("4.3")));
    assert_eq!(manifest.find("test:unit").unwrap().extends, ["build"]);
    assert!(manifest.find("none").is_none());
    let empty = GOOD.replace("requires:\n  flwd: {version: '>=1'}\n  permissions: [net]\n  containers: [{image: alpine, platform: linux/amd64, verify_signatures: true}]\n", "requires:\n");
    assert!(AddonManifest::parse(empty.as_bytes()).is_ok());
}

#[test]
fn all_mistakes_are_reported_at_once() {
    let text = "apiVersion: v2\nkind: Addon\nextra: 1\nmetadata: {name: ab, id: -x-, version: '1', summary: [], odd: 1}\n\
                jobs:\n  - {id: B, command: 7}\n  - {name: nameless}\n  - {id: abc, requirements: {tools: [{version: 1}]}}\n  - {id: abc}\n";
    let error = problem(text);
    assert_eq!(
        (error.status, error.title, error.code),
        (400, "addon manifest invalid", Some("E_ADDON_MANIFEST"))
    );
    for part in [
        "1:13: expected `flwd.addon/v1`, got `v2`",
        "2:7: expected `AddOn`, got `Addon`",
        "3:1: unknown option `extra` of a manifest",
        "`name` is at least 3 characters, got `ab`",
        "`id` is up to 64 small letters",
        "`version` is a version such as `1.2.3`, got `1`",
        "4:54: expected a string, got a list",
        "unknown option `odd` of `metadata`",
        "`requires` is missing",
        "got `B`",
        "expected a string or a list of strings",
        "`id` of a job of an add-on is missing",
        "`name` of a tool is missing",
        "the job `abc` is here already",
    ] {
        assert!(error.detail.contains(part), "{part}: {}", error.detail);
    }
    assert!(error.detail.matches("; ").count() >= 12, "{}", error.detail);
}

#[test]
fn what_is_not_a_manifest_is_refused() {
    let many = "a: 1\n".repeat(30_000);
    let keys: String = (0..25_000).map(|key| format!("k{key}: 1\n")).collect();
    // On one line, which each mistake shows.
    let items = format!("jobs: [{}]", "1,".repeat(100_000));
    let tags = format!("a: [{}]", "!!b c,".repeat(30_000));
    let nested = format!("a: {}", "[".repeat(50_000));
    for (text, title) in [
        ("", "addon manifest invalid"),
        ("[]", "addon manifest invalid"),
        ("text", "addon manifest invalid"),
        ("jobs: {}", "addon manifest invalid"),
        ("jobs: []", "addon manifest invalid"),
        ("metadata: 7", "addon manifest invalid"),
        ("a: &x [*x]", "addon manifest parse failed"),
        ("a: &x [y]\nb: *x\n", "addon manifest parse failed"),
        ("a: 1\na: 2\n", "addon manifest parse failed"),
        ("--- a\n--- b\n", "addon manifest parse failed"),
        ("a: !!binary x", "addon manifest parse failed"),
        (&many, "addon manifest parse failed"),
        (&keys, "addon manifest invalid"),
        (&items, "addon manifest invalid"),
        (&tags, "addon manifest parse failed"),
        (&nested, "addon manifest parse failed"),
        (&"#".repeat(MAX_MANIFEST + 1), "addon manifest parse failed"),
    ] {
        let error = problem(text);
        let start: String = text.chars().take(40).collect();
        assert_eq!((error.title, error.code), (title, Some(E_MANIFEST)), "{start}: {}", error.detail);
        assert!(error.detail.len() < 20_000, "{start}");
    }
    assert_eq!(AddonManifest::parse(b"a: \xff").unwrap_err().title, "addon manifest parse failed");
}

#[test]
fn ids_and_versions_follow_their_patterns() {
    for (text, is_valid) in [
        ("abc", true),
        ("a.b-c_9", true),
        ("ab", false),
        ("-ab", false),
        ("ab-", false),
        ("Abc", false),
        ("a b", false),
        ("", false),
    ] {
        assert_eq!(is_addon_id(text), is_valid, "{text}");
    }
    assert!(is_addon_id(&"a".repeat(64)) && !is_addon_id(&"a".repeat(65)));
    for (text, is_valid) in
        [("build", true), ("a:b", true), ("ab-", true), ("9ab", false), ("ab", false), ("a/b", false)]
    {
        assert_eq!(is_job_id(text), is_valid, "{text}");
    }
    for (text, is_valid) in [
        ("1.2.3", true),
        ("1.2.3-rc.1", true),
        ("1.2.3+b-1", true),
        ("1.2", false),
        ("1.2.3.4", false),
        ("1.2.x", false),
        ("1.2.3-", false),
        ("1.2.3+", false),
        ("v1.2.3", false),
    ] {
        assert_eq!(is_version(text), is_valid, "{text}");
    }
}
