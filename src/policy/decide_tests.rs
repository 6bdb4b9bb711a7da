use std::path::PathBuf;

use super::*;
use crate::policy::ProfileSource;
use crate::policy::hint::tests::table_of;
use crate::policy::{Bundle, BundleMistake, CODES, ImageRef, MountRequest};

const BUNDLE: &str = "allowed_registries: [docker.io, \"localhost:5000\"]\nceilings: {cpu: 2, memory: 1g, pids: 100}\n\
                      overrides:\n  network: [bridge]\n  caps: [NET_RAW]\n  rootfs_writable: true\n  env_inheritance: true\n";

fn policy(profile: Profile, table: &str, bundle: Option<&str>) -> Policy {
    let operator = crate::config::read(format!("{{:policy {table}}}").as_bytes()).unwrap().policy;
    let read = |text: &str| BundleState::Good(Bundle::parse("policy.yaml", text.as_bytes()).unwrap());
    Policy {
        profile,
        source: ProfileSource::Config,
        bundle: bundle.map_or(BundleState::Absent, read),
        operator: PolicySettings { bundle: bundle.map(|_| PathBuf::from("policy.yaml")), ..operator },
        data_dir: "/var/quire".into(),
        engine_places: vec!["/opt/engine/e.sock".into()],
    }
}

fn request(change: impl FnOnce(&mut ContainerRequest)) -> ContainerRequest {
    let mut request = ContainerRequest::new("test", ImageRef::parse("alpine:3.20").unwrap());
    change(&mut request);
    request
}

fn mount(source: &str, target: &str, writable: bool) -> MountRequest {
    MountRequest { source: source.into(), target: target.into(), writable }
}

/// The worst verdict, and the code that came with it.
fn worst(policy: &Policy, request: &ContainerRequest) -> (Verdict, &'static str) {
    let decisions = decide(policy, request);
    let rank =
        |verdict| [Verdict::Allow, Verdict::Warn, Verdict::Deny].iter().position(|one| *one == verdict);
    let worst = decisions.iter().max_by_key(|decision| rank(decision.verdict)).unwrap();
    (worst.verdict, worst.code)
}

type Change = fn(&mut ContainerRequest);

/// A request, whether a table and a bundle open it, and its verdicts in secure, permissive and disabled.
#[test]
fn openings_follow_profile_table_and_bundle() {
    use Verdict::{Allow, Deny, Warn};
    let plain: [(&str, Change); 5] = [
        ("{:network [:bridge]}", |r| r.network = "bridge".into()),
        ("{:rootfs-writable true}", |r| r.rootfs_writable = true),
        ("{:env-inheritance true}", |r| r.env_inheritance = true),
        ("{:caps [:NET_RAW]}", |r| r.caps = vec!["cap_net_raw".into()]),
        ("{:mounts [\"/srv/cache\"]}", |r| r.mounts = vec![mount("/srv/cache/go/", "/cache", false)]),
    ];
    for (index, (table, change)) in plain.into_iter().enumerate() {
        let request = request(change);
        let in_bundle = if index < 4 { Allow } else { Deny };
        for (table, bundle, verdicts) in [
            ("{}", None, [Deny, Deny, Warn]),
            ("{}", Some(BUNDLE), [Deny, in_bundle, Warn]),
            (table, None, [Allow, Allow, Allow]),
            (table, Some(BUNDLE), [Allow, Allow, Allow]),
        ] {
            let policy = policy(Profile::Secure, table, bundle);
            for (profile, verdict) in Profile::ALL.into_iter().zip(verdicts) {
                let found = worst(&Policy { profile, ..policy.clone() }, &request);
                assert_eq!(found.0, verdict, "{profile} {table} {bundle:?}");
            }
        }
    }
}

#[test]
fn a_plain_container_is_allowed_everywhere() {
    for profile in Profile::ALL {
        for bundle in [None, Some(BUNDLE)] {
            let decisions = decide(&policy(profile, "{}", bundle), &request(|_| {}));
            assert_eq!(decisions.len(), 1);
            assert_eq!((decisions[0].verdict, decisions[0].subject.as_str()), (Verdict::Allow, "test"));
        }
    }
}

#[test]
fn registries_are_those_of_the_reference_and_not_of_its_tag() {
    let listed = |images: &[&str], bundle: &str, verdict: Verdict| {
        for image in images {
            let request = request(|r| r.image = ImageRef::parse(image).unwrap());
            let found = worst(&policy(Profile::Secure, "{}", Some(bundle)), &request);
            assert_eq!(found.0, verdict, "{image} {bundle}");
        }
    };
    listed(&["alpine:3.20", "alpine", "o/x", "docker.io/x", "localhost:5000/x"], BUNDLE, Verdict::Allow);
    listed(
        &["ghcr.io/x", "localhost/x", "localhost:5001/x", "docker.io:443/x", "docker.io.evil.io/x"],
        BUNDLE,
        Verdict::Deny,
    );
    listed(&["alpine:3.20"], "allowed_registries: [ghcr.io]", Verdict::Deny);
    listed(&["GHCR.io/x"], "allowed_registries: [ghcr.IO]", Verdict::Allow);
    listed(&["anything.example.org/x"], "", Verdict::Allow);
    let request = request(|r| r.image = ImageRef::parse("ghcr.io/x").unwrap());
    let decisions = decide(&policy(Profile::Secure, "{}", Some(BUNDLE)), &request);
    assert_eq!(decisions[0].code, "image.registry.not.allowed");
    assert_eq!(worst(&policy(Profile::Disabled, "{}", Some(BUNDLE)), &request).0, Verdict::Warn);
}

#[test]
fn ceilings_are_met_and_one_above_is_denied() {
    let ask = |milli, memory, pids| {
        request(|r| {
            (r.cpus, r.memory, r.pids) = (Cpus::from_milli(milli), Some(memory), Some(pids));
        })
    };
    let secure = policy(Profile::Secure, "{}", Some(BUNDLE));
    assert_eq!(worst(&secure, &ask(2000, 1 << 30, 100)).0, Verdict::Allow);
    for over in [ask(2001, 1, 1), ask(1, (1 << 30) + 1, 1), ask(1, 1, 101)] {
        assert_eq!(worst(&secure, &over), (Verdict::Deny, "policy.ceiling.exceeded"));
        assert_eq!(worst(&policy(Profile::Disabled, "{}", Some(BUNDLE)), &over).0, Verdict::Warn);
        assert_eq!(worst(&policy(Profile::Secure, "{}", None), &over).0, Verdict::Allow);
    }
    for none in [ask(1, 0, 1), ask(1, 1, 0)] {
        assert_eq!(worst(&policy(Profile::Disabled, "{}", None), &none), (Verdict::Deny, "request.invalid"));
    }
}

#[test]
fn the_engine_gets_the_request_or_the_ceiling_or_the_default() {
    let limits_of = |bundle, change: Change| limits(&policy(Profile::Secure, "{}", bundle), &request(change));
    assert_eq!(limits_of(None, |_| {}), Limits { cpus: None, memory: None, pids: 512 });
    let ceilings = Limits { cpus: Cpus::from_milli(2000), memory: Some(1 << 30), pids: 100 };
    assert_eq!(limits_of(Some(BUNDLE), |_| {}), ceilings);
    let asked: Change = |r| (r.cpus, r.memory, r.pids) = (Cpus::from_milli(500), Some(5), Some(6));
    assert_eq!(
        limits_of(Some(BUNDLE), asked),
        Limits { cpus: Cpus::from_milli(500), memory: Some(5), pids: 6 }
    );
}

/// What gives access to the host: denied, and in `disabled` allowed with a warning, or denied there too.
#[test]
fn no_table_opens_the_host() {
    let open = "{:mounts [\"/srv\" \"/var\" \"/run\" \"/opt\" \"/home\"] :writable-mounts [\"/srv\" \"/var\" \"/run\"]}";
    let with_mount = |source: &str| request(|r| r.mounts = vec![mount(source, "/mnt", false)]);
    let with_name = |name: &str| request(|r| r.privileged = vec![name.into()]);
    let mut only_disabled =
        vec![request(|r| r.network = "host".into()), request(|r| r.caps = vec!["ALL".into()])];
    only_disabled.extend(
        ["/proc", "/proc/1", "/sys/fs/cgroup", "/dev", "/dev/sda", "/etc", "/etc/shadow"].map(with_mount),
    );
    only_disabled.extend(OPENABLE.map(with_name));
    only_disabled.push(with_name("network=host"));
    let mut never: Vec<ContainerRequest> = [
        "/",
        "//",
        "/.",
        "/var",
        "/var/quire",
        "/var/quire/",
        "/var/quire/secrets",
        "/run",
        "/run/docker.sock",
        "/var/run/docker.sock",
        "/var/run",
        "/run/podman/podman.sock",
        "/run/user/1000",
        "/run/user/7/podman/podman.sock",
        "/run/user",
        "/run/containerd",
        "/var/lib/docker/volumes",
        "/var/lib",
        "/home/x/docker.sock",
        "/opt",
        "/opt/engine/e.sock",
        "/opt/engine",
    ]
    .map(with_mount)
    .into();
    never.extend(["privileged", "", "something new", "Privileged", "PID=HOST"].map(with_name));
    let strict = [Profile::Secure, Profile::Permissive].map(|profile| policy(profile, open, Some(BUNDLE)));
    let lax = policy(Profile::Disabled, open, None);
    for (requests, disabled) in [(only_disabled, Verdict::Warn), (never, Verdict::Deny)] {
        for request in requests {
            for policy in &strict {
                assert_eq!(
                    worst(policy, &request),
                    (Verdict::Deny, DENIED),
                    "{} {request:?}",
                    policy.profile
                );
            }
            assert_eq!(worst(&lax, &request).0, disabled, "{request:?}");
        }
    }
    let others = request(|r| r.mounts = vec![mount("/var/quire-cache", "/m", false)]);
    let named = policy(Profile::Secure, "{:mounts [\"/var/quire-cache\"]}", None);
    assert_eq!(worst(&named, &others).0, Verdict::Allow);
}

#[test]
fn what_has_no_meaning_is_denied_in_every_profile() {
    let with_mount = |source: &str, target: &str| request(|r| r.mounts = vec![mount(source, target, false)]);
    let mut all = vec![
        with_mount("srv", "/m"),
        with_mount("", "/m"),
        with_mount("/srv/../etc", "/m"),
        with_mount("/srv:/etc", "/m"),
        with_mount("/srv,readonly=false", "/m"),
        with_mount("/srv\n", "/m"),
        with_mount("/srv", "m"),
        with_mount("/srv", "/"),
        with_mount("/srv", "/m/../proc"),
        with_mount("/srv", "/proc/sys"),
        with_mount("/srv", "/run/secrets"),
        with_mount("/srv", "/work/"),
        with_mount("/srv", "/m:rw"),
    ];
    all.extend(
        ["--x", "container:abc", "ns:/proc/1/ns/net", "", "a b"]
            .map(|name| request(|r| r.network = name.into())),
    );
    all.extend(["-u", "0;id", "1:2:3", ""].map(|name| request(|r| r.user = Some(name.into()))));
    all.extend(["", "--privileged", "NET RAW"].map(|name| request(|r| r.caps = vec![name.into()])));
    let policies = Profile::ALL.map(|profile| policy(profile, "{:mounts [\"/srv\"]}", None));
    for request in all {
        for policy in &policies {
            let found = worst(policy, &request);
            assert_eq!(found, (Verdict::Deny, REQUEST_INVALID), "{} {request:?}", policy.profile);
        }
    }
    assert_eq!(worst(&policies[0], &with_mount("/srv/./x//y/", "/m/")).0, Verdict::Allow);
}

#[test]
fn reading_is_not_writing_and_a_neighbour_is_not_inside() {
    let verdict = |table: &str, source: &str, writable| {
        let request = request(|r| r.mounts = vec![mount(source, "/m", writable)]);
        worst(&policy(Profile::Secure, table, None), &request).0
    };
    let (read, write) = ("{:mounts [\"/srv/a\"]}", "{:writable-mounts [\"/srv/a\"]}");
    assert_eq!(verdict(read, "/srv/a", false), Verdict::Allow);
    assert_eq!(verdict(read, "/srv/a", true), Verdict::Deny);
    assert_eq!(verdict(write, "/srv/a/", true), Verdict::Allow);
    let both = "{:mounts [\"/srv\"] :writable-mounts [\"/srv/a\"]}";
    assert_eq!(verdict(both, "/srv/b/c", false), Verdict::Allow);
    for writable in [true, false] {
        assert_eq!(verdict(both, "/srv/a/b", writable), Verdict::Deny, "what can be exchanged for a link");
    }
    assert_eq!(verdict(write, "/srv/a", false), Verdict::Allow);
    for outside in ["/srv/ab", "/srv", "/srv/b"] {
        assert_eq!(verdict(read, outside, false), Verdict::Deny, "{outside}");
    }
}

#[test]
fn every_user_is_free_also_root() {
    for user in ["1000", "app", "1000:1000", "root", "0", "000", "1000:0", "0:0"] {
        for bundle in [None, Some(BUNDLE)] {
            let request = request(|r| r.user = Some(user.into()));
            assert_eq!(worst(&policy(Profile::Secure, "{}", bundle), &request).0, Verdict::Allow, "{user}");
        }
    }
}

#[test]
fn all_denials_are_given_at_once_and_their_codes_are_known() {
    let everything = request(|r| {
        r.image = ImageRef::parse("ghcr.io/x").unwrap();
        r.network = "mesh".into();
        (r.cpus, r.memory, r.pids) = (Cpus::from_milli(9000), Some(9 << 30), Some(900));
        r.mounts = vec![mount("/srv", "/a", false), mount("/etc", "/b", true)];
        (r.rootfs_writable, r.env_inheritance) = (true, true);
        r.caps = vec!["CHOWN".into(), "KILL".into()];
        r.privileged = vec!["privileged".into(), "pid=host".into()];
    });
    let decisions = decide(&policy(Profile::Secure, "{}", Some(BUNDLE)), &everything);
    assert_eq!(decisions.len(), 13);
    assert!(decisions.iter().all(|decision| decision.verdict == Verdict::Deny), "{decisions:#?}");
    assert!(decisions.iter().all(|decision| CODES.contains(&decision.code)));
    assert!(!is_allowed(&decisions) && is_allowed(&[]));
}

/// Every denial with a hint, for every profile and request of a list: the hint's line is read as the operator would write
/// it, and the same point is then no denial.
#[test]
fn the_line_of_every_hint_allows_what_was_denied() {
    let changes: [Change; 16] = [
        |r| r.image = ImageRef::parse("ghcr.io/x").unwrap(),
        |r| r.image = ImageRef::parse("[::1]:5000/x").unwrap(),
        |r| r.network = "mesh".into(),
        |r| r.network = "host".into(),
        |r| r.cpus = Cpus::from_milli(2500),
        |r| r.memory = Some(3 << 20 << 10),
        |r| r.memory = Some((1 << 30) + 1),
        |r| r.pids = Some(101),
        |r| r.mounts = vec![mount("/srv/spool é", "/a", false)],
        |r| r.mounts = vec![mount("/srv/a", "/a", true)],
        |r| r.mounts = vec![mount("/etc/ssl", "/a", false)],
        |r| r.rootfs_writable = true,
        |r| r.env_inheritance = true,
        |r| r.caps = vec!["cap_chown".into()],
        |r| r.caps = vec!["ALL".into()],
        |r| r.privileged = vec!["devices".into()],
    ];
    let table = "{:bundle \"policy.yaml\" :network [\"net\"] :caps [\"KILL\"] :mounts [\"/opt/x\"]}";
    let mut seen = 0;
    for profile in [Profile::Secure, Profile::Permissive] {
        let before = policy(profile, table, Some(BUNDLE));
        for change in changes {
            let request = request(change);
            for denial in decide(&before, &request).iter().filter(|one| one.verdict == Verdict::Deny) {
                let hint = denial.hint.as_deref().unwrap_or_else(|| panic!("{denial:?}"));
                let after = follow(&before, hint);
                let again = decide(&after, &request);
                assert!(is_allowed(&again), "{hint}\n{again:#?}");
                seen += 1;
            }
        }
    }
    assert!(seen >= 30, "{seen} denials");
}

/// What one request, and the other requests, are denied: the same lines stand with each of them, and allow all.
#[test]
fn the_hints_of_several_denials_are_one_table_that_allows_them_all() {
    let table = "{:bundle \"policy.yaml\" :network [\"net\"]}";
    let before = policy(Profile::Secure, table, Some(BUNDLE));
    let much = request(|r| {
        r.network = "mesh".into();
        r.caps = vec!["cap_chown".into(), "KILL".into()];
        r.mounts = vec![mount("/srv/a", "/a", true), mount("/srv/b", "/b", false)];
        r.rootfs_writable = true;
        r.cpus = Cpus::from_milli(2500);
        r.memory = Some(3 << 30);
        r.pids = Some(101);
    });
    let other = request(|r| {
        r.image = ImageRef::parse("ghcr.io/x").unwrap();
        r.caps = vec!["KILL".into(), "NET_RAW".into()];
        r.pids = Some(900);
    });
    let others = [much.clone(), other.clone()];
    let hints = |request| {
        let decisions = decide_among(&before, &others, request);
        let denied = decisions.into_iter().filter(|one| one.verdict == Verdict::Deny);
        denied.filter_map(|one| one.hint).collect::<std::collections::BTreeSet<_>>()
    };
    let (of_one, of_other) = (hints(&much), hints(&other));
    assert_eq!((of_one.len(), of_other.len()), (2, 3), "{of_one:#?} {of_other:#?}");
    assert!(of_one.is_subset(&of_other), "{of_one:#?} {of_other:#?}");
    let mut after = of_other.iter().fold(before.clone(), |policy, hint| follow(&policy, hint));
    let lines =
        of_other.iter().filter_map(|hint| hint.strip_prefix("write `")?.strip_suffix("` in policy.yaml"));
    let bundle = Bundle::parse("policy.yaml", lines.collect::<Vec<_>>().join("\n").as_bytes()).unwrap();
    after.bundle = BundleState::Good(bundle);
    for request in others {
        let again = decide(&after, &request);
        assert!(is_allowed(&again), "{of_other:#?}\n{again:#?}");
    }
    // What gives access to the host is not part of the line for all else.
    let host = request(|r| r.privileged = vec!["devices".into()]);
    assert!(!format!("{of_one:?}").contains("disabled"));
    let decisions = decide_among(&before, &[much.clone(), host.clone()], &host);
    let line = decisions.iter().find_map(|one| one.hint.clone()).unwrap();
    let after = follow(&before, &line);
    assert!(line.contains(":profile :disabled") && is_allowed(&decide(&after, &host)), "{line}");
}

/// The policy after the operator has written what a hint says.
fn follow(before: &Policy, hint: &str) -> Policy {
    if hint.starts_with("in config.fnl") {
        let read = crate::config::read(table_of(hint).as_bytes())
            .unwrap_or_else(|wrong| panic!("{hint}: {wrong:?}"));
        let profile = read.policy.profile.unwrap_or(before.profile);
        assert_eq!(read.policy.bundle, before.operator.bundle, "nothing that was there is lost");
        assert!(read.policy.network.starts_with(&before.operator.network));
        return Policy { profile, operator: read.policy, ..before.clone() };
    }
    let line = hint.strip_prefix("write `").and_then(|rest| rest.strip_suffix("` in policy.yaml")).unwrap();
    let key = line.split(':').next().unwrap();
    let kept: Vec<&str> = BUNDLE.lines().filter(|old| !old.starts_with(key)).collect();
    let text = format!("{}\n{line}\n", kept.join("\n"));
    let bundle =
        Bundle::parse("policy.yaml", text.as_bytes()).unwrap_or_else(|wrong| panic!("{text}: {wrong:?}"));
    Policy { bundle: BundleState::Good(bundle), ..before.clone() }
}

#[test]
fn the_hint_names_the_place_where_the_profile_was_chosen() {
    let request = request(|r| r.network = "host".into());
    for (source, expected) in [
        (ProfileSource::Default, "in config.fnl: {:policy {:profile :disabled}}"),
        (ProfileSource::Flag, "start quire with --profile disabled"),
        (ProfileSource::Environment, "start quire with QUIRE_PROFILE=disabled"),
        (
            ProfileSource::Request,
            "ask for the profile `disabled`, and in config.fnl: {:policy {:requests [:disabled]}}",
        ),
    ] {
        let policy = Policy { source, ..policy(Profile::Secure, "{}", None) };
        let denied = decide(&policy, &request).pop().unwrap();
        assert_eq!(denied.hint.as_deref(), Some(expected));
    }
}

#[test]
fn a_bundle_that_cannot_be_used_denies_everything_with_its_mistakes() {
    let mistake = |text: &str| BundleMistake { text: text.into(), hint: Some("mend it".into()) };
    for profile in Profile::ALL {
        let broken =
            BundleState::Broken(vec![mistake("policy.yaml:1:1: no"), mistake("policy.yaml:2:1: no")]);
        let policy = Policy { bundle: broken, ..policy(profile, "{}", None) };
        let decisions = decide(&policy, &request(|_| {}));
        let shown: Vec<_> =
            decisions.iter().map(|one| (one.verdict, one.code, one.reason.as_str())).collect();
        let denied = |reason| (Verdict::Deny, BUNDLE_INVALID, reason);
        assert_eq!(shown, [denied("policy.yaml:1:1: no"), denied("policy.yaml:2:1: no")]);
        assert_eq!(decisions[0].hint.as_deref(), Some("mend it"));
    }
}
