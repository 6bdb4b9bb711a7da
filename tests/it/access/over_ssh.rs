//! What a key opens over ssh, and what nobody gets.

use std::fs;

use super::sshd::{Asks, Place};

const RULES: &str = r#"{:http {:visibility :private}
 :access [{:user "kim" :repos ["site"] :may :write} {:user "ada" :repos ["*"] :may :admin}]}"#;

const COMMIT: &str = "git init -q work && cd work && mkdir .quire && \
    printf '%s' '(local ci (require :quire.ci)) (ci:job :t [:quire/push] (fn [] (sh \"true\")))' >.quire/ci.fnl && \
    git add -A && git commit -qm first";

/// Kim may write `site`, ada everything, eve nothing.
fn place() -> Place {
    let place = Place::new(RULES, &Asks::ForKeys);
    place.shell("quire repo new site && quire repo new group/app");
    place.shell("for who in kim ada eve; do quire user add $who && quire key add $who ssh/$who.pub; done");
    place
}

/// Commands of Kim over ssh that end with these exit codes, and say this.
fn expect_refusals(place: &Place, commands: &[(&str, i32, &str)]) {
    for (command, exit, said) in commands {
        let ended = place.attempt("kim", &format!("$SSH {command}"));
        let is_right = ended.exit == *exit && ended.output.contains(said);
        assert!(is_right, "{command}: {}\n{}", ended.exit, ended.output);
    }
}

#[test]
fn a_key_opens_what_the_rules_say_and_its_user_is_the_pusher() {
    if !Place::is_possible() {
        return;
    }
    let place = place();
    let pushed = place.by("kim", &format!("{COMMIT} && git push -o ci.wait $HOST/site HEAD:main 2>&1"));
    assert!(pushed.contains("success: run 1 passed, 1 job"), "{pushed}");
    assert!(place.shell("quire show site#1 --json").contains("\"pusher\": \"kim\""));
    place.by("kim", "git clone -q $HOST/site.git one && git clone -q $HOST/$T/data/repos/site.git two");
    for command in ["git clone $HOST/group/app x", "cd work && git push $HOST/group/app HEAD:main"] {
        let refused = place.attempt("kim", command);
        assert_eq!(refused.exit, 128, "{command}");
        assert!(refused.output.contains("error: repository `group/app` not found"), "{}", refused.output);
    }
    // One that is missing and one that is private read the same.
    let answers = ["site", "none"].map(|repo| {
        let ended = place.attempt("eve", &format!("git clone $HOST/{repo} x"));
        (ended.exit, ended.output.replace(repo, "NAME"))
    });
    assert_eq!(answers[0], answers[1]);
    // In a shell whose working copy exists.
    place.by("ada", "cd work && git push -q $HOST/group/app HEAD:main 2>&1");
    let refused = place.attempt("ada", "git clone $HOST/new x");
    assert!(refused.output.contains("hint: quire repo new new makes it"), "{}", refused.output);
    // A key that is removed opens nothing from then on.
    place.shell("quire key rm 1");
    assert!(place.attempt("kim", "git clone $HOST/site y").output.contains("Permission denied"));
}

#[test]
fn commands_over_ssh_have_the_rights_of_their_user() {
    if !Place::is_possible() {
        return;
    }
    let place = place();
    place.by("kim", &format!("{COMMIT} && git push -q -o ci.wait $HOST/site HEAD:main 2>&1"));
    place.by("ada", "cd work && git push -q -o ci.wait $HOST/group/app HEAD:main 2>&1");
    assert_eq!(place.by("kim", "$SSH quire repo list"), "site\n");
    assert_eq!(place.by("ada", "$SSH quire repo list | sort"), "group/app\nsite\n");
    assert_eq!(place.by("kim", "$SSH quire rerun site#1"), "site#2\n");
    assert_eq!(place.by("kim", "$SSH quire wait site#2"), "quire: site#2 passed\n");
    expect_refusals(
        &place,
        &[
            ("quire show group/app#1", 4, "run group/app#1 does not exist"),
            ("quire repo rm site", 1, "`kim` has no right to admin this"),
            ("quire repo new other", 1, "`kim` has no right to admin this"),
            ("quire audit", 1, "`kim` has no right"),
            ("quire user list", 1, "this command is for operators, and kim is none"),
            ("quire doctor --reindex", 2, "this command cannot be given over ssh"),
            ("quire serve", 2, "this command cannot be given over ssh"),
            ("quire exec --user ada quire repo list", 2, "this command cannot be given over ssh"),
            ("quire --data / runs", 2, "leave out --data and --server"),
            ("quire runs --server http://127.0.0.1:1", 2, "leave out --data and --server"),
        ],
    );
    assert_eq!(place.by("ada", "$SSH quire repo new other"), "other\n");
    place.by("ada", "$SSH quire user add leo && $SSH quire key add leo - <ssh/host.pub");
    let ended = place.attempt("ada", "$SSH quire key add leo /etc/passwd");
    assert!(ended.output.contains("a file of the server's machine is not read over ssh"), "{}", ended.output);
    let audit = place.by("ada", "$SSH quire audit --json");
    for (action, actor) in [("repo.create", "user:ada"), ("run.rerun", "user:kim"), ("key.add", "user:ada")] {
        let entries: Vec<serde_json::Value> = serde_json::from_str(&audit).unwrap();
        assert!(entries.iter().any(|e| e["action"] == action && e["actor"] == actor), "{action}: {audit}");
    }
}

#[test]
fn a_deploy_key_opens_its_repository_for_git_and_nothing_else() {
    if !Place::is_possible() {
        return;
    }
    let place = Place::new(RULES, &Asks::ForKeys);
    place.shell("quire repo new site && quire repo new other && quire user add bot");
    assert!(place.shell("quire key add bot ssh/kim.pub --repo site --read").contains("may read site only"));
    place.shell("quire key add bot ssh/ada.pub --repo site");
    place.by("ada", &format!("{COMMIT} && git push -q $HOST/site HEAD:main 2>&1"));
    place.by("kim", "git clone -q $HOST/site read");
    let refused = place.attempt("kim", "cd read && git push $HOST/site HEAD:refs/heads/x");
    assert!(
        refused.exit == 128 && refused.output.contains("may read `site`, not push to it"),
        "{}",
        refused.output
    );
    for who in ["kim", "ada"] {
        assert!(place.attempt(who, "git clone $HOST/other x").output.contains("`other` not found"));
        assert!(place.attempt(who, "$SSH quire repo list").output.contains("which is for git only"));
    }
}

#[test]
fn everything_else_is_refused_with_one_line() {
    if !Place::is_possible() {
        return;
    }
    let place = place();
    place.by("kim", &format!("{COMMIT} && git push -q -o ci.skip $HOST/site HEAD:main 2>&1"));
    for command in [
        "",
        "id",
        "sh -c id",
        "'quire; id'",
        "'quire runs; touch owned'",
        "'quire runs && touch owned'",
        "'quire runs | tee owned'",
        "'quire show `touch owned`'",
        "'quire show $(touch owned)'",
        "'git-upload-pack site; touch owned'",
        "'git-upload-pack --upload-pack=id site'",
        "'git-upload-pack --strict site'",
        "'git-upload-pack ../../../etc'",
        "'git-upload-pack /etc'",
        "'git-upload-pack \"site\"' x",
        "'git-receive-pack -x'",
        "'git -c core.pager=id log'",
        "'git-shell -c id'",
        "'git-lfs-authenticate site download'",
        "'scp -t /tmp'",
        "'/bin/sh'",
        "'QUIRE_DATA=/x quire runs'",
        "\"$(printf 'quire\\nid')\"",
        "\"$(printf 'quire \\033]0;x\\007')\"",
        "\"quire show $(head -c 30000 /dev/zero | tr '\\0' x)\"",
        "\"$(head -c 60000 /dev/zero | tr '\\0' \"'\")\"",
    ] {
        let ended = place.attempt("kim", &format!("$SSH {command}"));
        let errors = ended.output.lines().filter(|line| line.starts_with("error: ")).count();
        assert!(ended.exit != 0 && errors == 1, "{command}: {}\n{}", ended.exit, ended.output);
    }
    // No terminal, no forwarding, no subsystem, no variables.
    let tty = place.attempt("kim", "$SSH -tt quire runs </dev/null");
    assert!(tty.output.contains("PTY allocation request failed"), "{}", tty.output);
    let tunnel = place.attempt("kim", "timeout 5 $SSH -N -o ExitOnForwardFailure=yes -R 0:127.0.0.1:1");
    assert!(tunnel.exit != 0 && tunnel.exit != 124, "{}", tunnel.output);
    assert_ne!(place.attempt("kim", "sftp -b - -i ssh/kim -P 1 x </dev/null").exit, 0);
    let protocol =
        "GIT_PROTOCOL='version=2:x;id' $SSH -o SendEnv=GIT_PROTOCOL \"git-upload-pack 'site'\" </dev/null";
    assert!(place.attempt("kim", protocol).output.contains("refs/heads/main"));
    assert!(!place.world.path().join("owned").exists());
    let home = fs::read_dir("/root").into_iter().flatten().flatten();
    assert!(home.map(|entry| entry.file_name()).all(|name| name != "owned"));
    // A megabyte does not reach quire: the system starts no program with it.
    let large = place.attempt("kim", "head -c 1000000 /dev/zero | tr '\\0' x >big; $SSH -T \"$(cat big)\"");
    assert_ne!(large.exit, 0);
}

#[test]
fn one_account_has_everything_until_there_are_keys_and_sshd_can_say_which() {
    if !Place::is_possible() {
        return;
    }
    let place = Place::new("{}", &Asks::ForCommands);
    place.shell("cat ssh/kim.pub ssh/ada.pub >ssh/authorized");
    assert!(place.by("kim", "$SSH quire repo new site").contains("repos/site.git"));
    place.by("kim", &format!("{COMMIT} && git push -q -o ci.wait $HOST/site HEAD:main 2>&1"));
    assert_eq!(place.by("kim", "$SSH quire runs --json | grep -c passed"), "2\n");
    assert!(place.attempt("kim", "$SSH id").output.contains("is not a command here"));
    place.shell("quire user add kim && quire key add kim ssh/kim.pub");
    let unknown = place.attempt("kim", "$SSH quire runs");
    assert!(unknown.exit == 2 && unknown.output.contains("ExposeAuthInfo"), "{}", unknown.output);
}

/// What is open when the key is removed: a push that waits for its run, and a command.
#[test]
fn a_key_that_is_removed_ends_what_is_open_for_it() {
    if !Place::is_possible() {
        return;
    }
    let place = place();
    let folder = place.world.path().display().to_string();
    let gate = format!("while [ ! -e {folder}/gate ] && [ -d {folder}/data ]; do sleep 0.05; done");
    place.by("kim", &COMMIT.replace("true", &gate));
    let spawn = |who: &str, command: &str| place.shell_of(who).args(["-c", command]).spawn().unwrap();
    let mut push = spawn("kim", "cd work && exec git push -q -o ci.wait $HOST/site HEAD:main 2>/dev/null");
    assert!(
        place
            .world
            .eventually(|_| place.attempt("ada", "$SSH quire runs --json").output.contains("\"running\""))
    );
    let mut wait = spawn("kim", "exec $SSH quire wait site#1 2>/dev/null");
    let mut other = spawn("ada", "exec $SSH quire wait site#1 >/dev/null");
    let commands = || {
        let all = fs::read_dir("/proc").unwrap().filter_map(Result::ok);
        let lines = all.filter_map(|process| fs::read(process.path().join("cmdline")).ok());
        let lines = lines.map(|line| String::from_utf8_lossy(&line).replace('\0', " "));
        lines.filter(|line| line.contains(&format!("exec --data {folder}/data --key"))).count()
    };
    assert!(place.world.eventually(|_| commands() == 2));
    place.shell("quire key rm 1");
    assert!(place.world.eventually(|_| wait.try_wait().unwrap().is_some()));
    assert!(place.world.eventually(|_| push.try_wait().unwrap().is_some()));
    assert!(other.try_wait().unwrap().is_none());
    place.shell("touch gate");
    assert!(place.world.eventually(|_| other.try_wait().unwrap().is_some_and(|ended| ended.success())));
}

#[test]
fn arguments_that_a_job_declares_are_options_over_ssh_too() {
    if !Place::is_possible() {
        return;
    }
    let place = place();
    let pipeline = "(local ci (require :quire.ci)) (ci:job :deploy [(ci.manual {:env {:enum [:staging :prod] :required true} \
        :token {:secret true}})] (fn [{: sh : args}] (sh (.. \"echo to \" args.env \" \" (# (or args.token \"\"))))))";
    place.by(
        "kim",
        &format!(
            "git init -q work && cd work && mkdir .quire && printf '%s' '{pipeline}' >.quire/ci.fnl && git add -A && \
             git commit -qm first && git push -q $HOST/site HEAD:main 2>&1"
        ),
    );
    let followed = place.by("kim", "$SSH quire run site:deploy --env prod --follow");
    assert!(followed.contains("to prod 0"), "{followed}");
    // A secret comes over standard input.
    let secret =
        place.by("kim", "echo abcdefgh | $SSH quire run site:deploy --env=staging --token - --follow");
    assert!(secret.contains("to staging 8"), "{secret}");
    let plan = place.by("kim", "$SSH quire plan site:deploy --env prod");
    assert!(plan.contains("deploy") && plan.contains("--env"), "{plan}");
    let runs = place.by("kim", "$SSH quire runs site --json");
    let count = || place.by("kim", "$SSH quire runs site --json").matches("\"number\"").count();
    expect_refusals(
        &place,
        &[
            ("quire run site:deploy", 2, "env: a value is required"),
            ("quire run site:deploy --env nowhere", 2, "env: value \"nowhere\" not in enum"),
            ("quire run site:deploy --env prod --enw x", 2, "unknown flag: --enw; did you mean `--env`?"),
            (
                "quire run site:deploy --env prod --token @/etc/passwd",
                2,
                "is not read from the server's machine",
            ),
            ("quire run site:deploy --env prod --token env:PATH", 2, "is not read from the server's machine"),
            (
                "quire run site:deploy --env prod --server http://127.0.0.1:1",
                2,
                "leave out --data and --server",
            ),
            ("quire run group/app:deploy --env prod", 4, "repository `group/app` not found"),
        ],
    );
    let eve = place.attempt("eve", "$SSH quire run site:deploy --env prod");
    assert!(eve.exit != 0 && eve.output.contains("site"), "{}", eve.output);
    assert_eq!(count(), runs.matches("\"number\"").count());
}
