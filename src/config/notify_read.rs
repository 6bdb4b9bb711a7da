//! Reads `:notify`, of `config.fnl` and of a repository's own `.quire/config.fnl`.

use secrecy::SecretString;

use super::notify::{MailDecl, NotifyEvent, NotifyRule, NotifySettings, TargetAddress, TargetDecl};
use super::notify_twice::refuse_repeated;
use super::settings::{SecretDecl, SecretSource};
use crate::model::{Diagnostic, JobId, Quoted, RefName, RepoName, suggest};
use crate::schema::settings::{self, NOTIFY, REPO_RULE, RULE, SECRET_ADDRESS, TARGET};
use crate::schema::{Fields, Mistakes, Node, Options, Value};
use crate::script::data;

/// The file of a repository with rules of its own.
pub const REPO_CONFIG: &str = ".quire/config.fnl";

/// Its largest size, in bytes.
pub const MAX_REPO_CONFIG: u64 = 16 << 10;

/// The most targets, and the most rules.
const MAX_ENTRIES: usize = 100;

/// The most recipients of one mail.
const MAX_RECIPIENTS: usize = 50;

/// The kinds of targets, and the options that each has in addition to its address.
const KINDS: [(&str, &[&str]); 5] = [
    ("slack", &[]),
    ("discord", &[]),
    ("teams", &[]),
    ("webhook", &["hmac"]),
    ("smtp", &["from", "to", "user", "password"]),
];

/// Reads the rules of a repository's own configuration. A mistake takes away the rule that it is in and no other.
pub fn read_repo_rules(text: &[u8], repo: &RepoName, targets: &[&str]) -> (Vec<NotifyRule>, Vec<Diagnostic>) {
    let root = match data::read(REPO_CONFIG, text) {
        Ok(root) => root,
        Err(wrong) => return (Vec::new(), wrong),
    };
    let mistakes = Mistakes::default();
    let mut rules = Vec::new();
    if let Some(config) = Fields::open(&root, &settings::REPO_CONFIG, &mistakes) {
        for item in few(&config, "notify", Node::as_list) {
            let before = mistakes.count();
            let rule = rule(&config, item, targets, &REPO_RULE);
            if let (Some(rule), true) = (rule, mistakes.count() == before) {
                rules.push(NotifyRule { repos: vec![repo.clone()], ..rule });
            }
        }
    }
    (rules, mistakes.into_sorted())
}

/// Reads `:notify` of `config.fnl`.
pub(super) fn read(config: &Fields<'_>, secrets: &[SecretDecl]) -> NotifySettings {
    let mut settings = NotifySettings::default();
    let Some(notify) = config.table("notify", &NOTIFY) else { return settings };
    let targets = few(&notify, "targets", Node::as_table);
    settings.targets =
        targets.iter().filter_map(|(key, value)| target(&notify, key, value, secrets)).collect();
    settings.allow = notify.list("allow", |node| node.parse(host_and_port));
    settings.stuck_after = notify.duration("stuck-after").unwrap_or(settings.stuck_after);
    // The names as they are written: a target with a mistake in it is there all the same.
    let names: Vec<&str> = targets.iter().filter_map(|(key, _)| key.as_str().ok()).collect();
    let rules = few(&notify, "rules", Node::as_list);
    settings.rules = rules.iter().filter_map(|node| rule(&notify, node, &names, &RULE)).collect();
    refuse_repeated(&notify, rules);
    settings
}

/// What is in a list or a table that has a limit.
fn few<'a, T>(
    fields: &Fields<'a>,
    name: &str,
    read: impl FnOnce(&'a Node) -> Result<&'a [T], Diagnostic>,
) -> &'a [T] {
    let entries = fields.read(name, read).unwrap_or_default();
    if entries.len() > MAX_ENTRIES {
        let message = format!("{} are more than the {MAX_ENTRIES} that are allowed here", entries.len());
        fields.refuse_option(name, message, "join those that say nearly the same");
    }
    entries.get(..MAX_ENTRIES).unwrap_or(entries)
}

fn target(notify: &Fields<'_>, key: &Node, value: &Node, secrets: &[SecretDecl]) -> Option<TargetDecl> {
    let name = notify.value("targets", target_name(key));
    let target = notify.inner(value, TARGET.of, &TARGET)?;
    let kinds: Vec<&(&str, &[&str])> = KINDS.iter().filter(|(kind, _)| target.get(kind).is_some()).collect();
    let [(kind, with)] = kinds.as_slice() else {
        let second = target.pairs().iter().map(|(key, _)| key).filter(|key| is_kind(key)).nth(1);
        match second.and_then(|key| key.as_str().ok()) {
            Some(second) => target.refuse_option(second, "a target is of one kind", TARGET.example),
            None => target.refuse("this target has no address", TARGET.example),
        }
        return None;
    };
    for (key, _) in target.pairs() {
        let Ok(option) = key.as_str() else { continue };
        let is_other = !is_kind(key) && option != "repos" && TARGET.find(option).is_some();
        if is_other && !with.contains(&option) {
            let message = format!("`:{option}` does not belong to a target of `:{kind}`");
            target.mistakes().note(key.error(message));
        }
    }
    let repos = target.scope("repos", RepoName::parse);
    let url = || self::url(&target, kind, secrets);
    let address = match *kind {
        "slack" => TargetAddress::Slack(url()?),
        "discord" => TargetAddress::Discord(url()?),
        "teams" => TargetAddress::Teams(url()?),
        "smtp" => TargetAddress::Mail(mail(&target, secrets)?),
        _ => {
            let hmac = target.read("hmac", |node| named(node, secrets));
            // A key that is wrong must not become no key.
            let is_wrong = hmac.is_none() && target.get("hmac").is_some();
            let url = url();
            if is_wrong {
                return None;
            }
            TargetAddress::Webhook { url: url?, hmac }
        }
    };
    Some(TargetDecl { name: name?, address, repos })
}

fn is_kind(key: &Node) -> bool {
    key.as_str().is_ok_and(|name| KINDS.iter().any(|(kind, _)| *kind == name))
}

/// An address of the web: itself, or the secret that holds it.
fn url(target: &Fields<'_>, kind: &str, secrets: &[SecretDecl]) -> Option<SecretSource> {
    let node = target.get(kind)?;
    let help = "write it as \"https://…\", or as {:secret \"name\"}";
    if let Value::String(text) = &node.value {
        let has_scheme = text.starts_with("https://") || text.starts_with("http://");
        if !has_scheme || !text.chars().all(|c| c.is_ascii_graphic()) || text.contains('@') {
            // The text is not repeated: it may be half a secret.
            return target.value(kind, Err(node.error("this is not an address of the web").help(help)));
        }
        return Some(SecretSource::Literal(SecretString::from(text.clone())));
    }
    if node.as_table().is_err() {
        return target.value(kind, Err(node.expected("a string or a table").help(help)));
    }
    let address = target.inner(node, SECRET_ADDRESS.of, &SECRET_ADDRESS)?;
    if address.get("secret").is_none() {
        address.refuse("this address names no secret", help);
    }
    address.read("secret", |name| named(name, secrets))
}

fn mail(target: &Fields<'_>, secrets: &[SecretDecl]) -> Option<MailDecl> {
    let server = target.read("smtp", smtp_server);
    let from = target.read("from", mailbox);
    let to = target.list("to", mailbox);
    if to.len() > MAX_RECIPIENTS {
        let message = format!("a mail goes to at most {MAX_RECIPIENTS} people");
        target.refuse_option("to", message, "write to a mailing list");
    }
    let is_missing =
        |node: Option<&Node>| node.is_none_or(|node| node.as_list().is_ok_and(<[Node]>::is_empty));
    for (name, is_missing) in [("from", target.get("from").is_none()), ("to", is_missing(target.get("to")))] {
        if is_missing {
            target.refuse(format!("this target has no `:{name}`"), "mail needs :from and :to");
        }
    }
    let login = match (target.get("user"), target.get("password")) {
        (None, None) => Some(None),
        (Some(_), Some(_)) => {
            let user = target.text("user");
            user.zip(target.read("password", |node| named(node, secrets))).map(Some)
        }
        (Some(node), None) | (None, Some(node)) => {
            target.mistakes().note(node.error("`:user` and `:password` go together"));
            None
        }
    };
    let (is_tls, host, port) = server?;
    Some(MailDecl { is_tls, host, port, from: from?, to, login: login? })
}

fn rule(notify: &Fields<'_>, node: &Node, targets: &[&str], options: &'static Options) -> Option<NotifyRule> {
    let rule = notify.inner(node, options.of, options)?;
    if rule.get("to").is_none() {
        rule.refuse("this rule has no `:to`", "it is the name of a target");
    }
    let to = rule.read("to", |node| known_target(node, targets));
    let on = rule.scope("on", event);
    let has_repos = options.find("repos").is_some();
    let repos = if has_repos { rule.scope("repos", RepoName::parse) } else { Vec::new() };
    let (refs, jobs) = (rule.scope("refs", full_ref), rule.scope("jobs", JobId::parse));
    let on = if rule.get("on").is_some() { on } else { NotifyEvent::DEFAULT.to_vec() };
    Some(NotifyRule { to: to?, on, repos, refs, jobs })
}

fn target_name(key: &Node) -> Result<String, Diagnostic> {
    let text = key.as_str()?;
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if !text.is_empty() && text.len() <= 64 && text.chars().all(fits) {
        Ok(text.to_owned())
    } else {
        let shown = Quoted::new(text);
        Err(key
            .error(format!("{shown} is not a target's name"))
            .help("use 1 to 64 letters, digits, `_` or `-`"))
    }
}

/// The target that a rule names.
fn known_target(node: &Node, targets: &[&str]) -> Result<String, Diagnostic> {
    let name = node.as_str()?;
    if targets.contains(&name) {
        return Ok(name.to_owned());
    }
    let shown = Quoted::new(name);
    let problem = node.error(format!("unknown target {shown}"));
    Err(match suggest(name, targets.iter().copied()) {
        Some(near) => problem.help(format!("did you mean `:{near}`?")),
        None if targets.is_empty() => problem.help("no target is declared"),
        None => problem.help(format!("targets are :{}", targets.join(" :"))),
    })
}

/// The source of the secret that is named.
fn named(node: &Node, secrets: &[SecretDecl]) -> Result<SecretSource, Diagnostic> {
    let name = node.as_str()?;
    if let Some(secret) = secrets.iter().find(|secret| secret.name.as_str() == name) {
        return Ok(secret.source.clone());
    }
    // An invalid name may be the secret itself, put into the wrong place.
    let problem = node.error("unknown secret");
    Err(match suggest(name, secrets.iter().map(|secret| secret.name.as_str())) {
        Some(near) => problem.help(format!("did you mean `{near}`?")),
        None => problem.help("this is the name of a secret; declare it in `:secrets`"),
    })
}

fn event(word: &str) -> Result<NotifyEvent, String> {
    NotifyEvent::parse(word).ok_or_else(|| {
        let words: Vec<&str> = NotifyEvent::ALL.into_iter().map(NotifyEvent::as_str).collect();
        let shown = Quoted::new(word);
        format!("{shown} is not an event; events are {}", words.join(", "))
    })
}

/// A ref by its full name: a short one would never match.
fn full_ref(text: &str) -> Result<RefName, String> {
    if !text.starts_with("refs/") {
        let shown = Quoted::new(text);
        return Err(format!("{shown} is not the full name of a ref, such as refs/heads/main"));
    }
    RefName::parse(text.as_bytes()).map_err(|error| error.to_string())
}

/// `host:port`, as it stands in `:allow`.
fn host_and_port(text: &str) -> Result<String, String> {
    let parts = text.rsplit_once(':').filter(|(host, port)| {
        let is_host = !host.is_empty() && !host.contains(['/', '@', ' ']);
        is_host && port.parse::<u16>().is_ok_and(|port| port > 0)
    });
    let is_bare_v6 = parts.is_some_and(|(host, _)| host.contains(':') && !host.starts_with('['));
    if parts.is_none() || is_bare_v6 {
        return Err(
            "an address with a port is expected here, such as \"127.0.0.1:8080\" or \"chat.lan:443\""
                .to_owned(),
        );
    }
    Ok(text.to_ascii_lowercase())
}

/// `smtp://host:port` or `smtps://host:port`, without anything else.
fn smtp_server(node: &Node) -> Result<(bool, String, u16), Diagnostic> {
    let text = node.as_str()?;
    let wrong = || {
        let help = "write it as \"smtp://mail.example.org:587\" or \"smtps://mail.example.org\"; :user and :password are keys";
        node.error("this is not the address of a mail server").help(help)
    };
    let (is_tls, rest) = match (text.strip_prefix("smtps://"), text.strip_prefix("smtp://")) {
        (Some(rest), _) => (true, rest),
        (None, Some(rest)) => (false, rest),
        (None, None) => return Err(wrong()),
    };
    let rest = rest.trim_end_matches('/');
    let has_port = rest.rsplit_once(':').filter(|(host, _)| !host.contains(':') || host.ends_with(']'));
    let (host, port) = match has_port {
        Some((host, port)) => (host, port.parse().map_err(|_| wrong())?),
        None => (rest, if is_tls { 465 } else { 587 }),
    };
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '[' | ']' | ':');
    if host.is_empty() || port == 0 || !host.chars().all(fits) {
        return Err(wrong());
    }
    Ok((is_tls, host.to_ascii_lowercase(), port))
}

/// An address of mail, as far as that can be checked without sending mail.
fn mailbox(node: &Node) -> Result<String, Diagnostic> {
    let text = node.as_str()?;
    let parts = text.split_once('@');
    let fits = |c: char| c.is_ascii_graphic() && !matches!(c, '<' | '>' | ',' | ';' | '"' | '(' | ')');
    let is_one =
        parts.is_some_and(|(user, host)| !user.is_empty() && !host.is_empty() && !host.contains('@'));
    if is_one && text.chars().all(fits) && text.len() <= 254 {
        Ok(text.to_owned())
    } else {
        let shown = Quoted::new(text);
        Err(node.error(format!("{shown} is not an address of mail")).help("write it as \"ci@example.org\""))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::read;

    fn problems(text: &str) -> Vec<String> {
        let wrong = read(text.as_bytes()).unwrap_err();
        wrong.iter().map(|wrong| format!("{}: {}", wrong.place(), wrong.message)).collect()
    }

    #[test]
    fn targets_and_rules_are_read_in_any_order() {
        let text = r#"{:notify {:rules [{:to :team} {:to :ops :on [:stuck] :repos ["a/b"] :refs ["refs/heads/main"] :jobs [:deploy]}]
           :allow ["127.0.0.1:8080" "Chat.lan:443" "[::1]:25"] :stuck-after "30m"
           :targets {:team {:slack {:secret "hook"} :repos ["site"]} :ops {:webhook "https://x/y" :hmac "key"}
                     :d {:discord "https://x/z"} :t {:teams "https://x/z"}
                     :m {:smtp "smtp://[::1]:25" :from "a@b" :to ["c@d"] :user "u" :password "key"}}}
           :secrets {:hook {:file "/h"} :key "k"}}"#;
        let notify = read(text.as_bytes()).unwrap().notify;
        assert_eq!(notify.rules[0].on, NotifyEvent::DEFAULT);
        assert_eq!(notify.rules[1].on, [NotifyEvent::Stuck]);
        assert_eq!(notify.allow, ["127.0.0.1:8080", "chat.lan:443", "[::1]:25"]);
        assert_eq!(notify.targets_of(&RepoName::parse("site").unwrap()), ["team"]);
        let TargetAddress::Mail(mail) = &notify.targets[4].address else { panic!() };
        assert_eq!((mail.host.as_str(), mail.port, mail.is_tls), ("[::1]", 25, false));
    }

    #[test]
    fn every_mistake_has_its_place() {
        let text = "{:notify {:targets {:a {:slack \"ftp://x\"} :b {} :c {:slack {:secret \"no\"} :hmac \"x\"}\n\
            :d {:smtp \"mail.example.org\" :from \"x\" :user \"u\"} :e {:slack \"https://x\" :teams \"https://x\"}\n\
            \"f/g\" {:webhook \"https://x\" :hmac \"https://key\"} :h {:slakc \"https://x\"}}\n\
            :rules [{:to :aa :on [:faild]} {:on []} {:to :a :refs [\"main\"]}] :allow [\"127.0.0.1\"] :rule []}}";
        assert_eq!(
            problems(text),
            [
                "config.fnl:1:32: this is not an address of the web",
                "config.fnl:1:46: this target has no address",
                "config.fnl:1:69: unknown secret",
                "config.fnl:1:75: `:hmac` does not belong to a target of `:slack`",
                "config.fnl:2:4: this target has no `:to`",
                "config.fnl:2:11: this is not the address of a mail server",
                "config.fnl:2:36: `x` is not an address of mail",
                "config.fnl:2:46: `:user` and `:password` go together",
                "config.fnl:2:74: a target is of one kind",
                "config.fnl:3:1: `f/g` is not a target's name",
                "config.fnl:3:35: unknown secret",
                "config.fnl:3:53: this target has no address",
                "config.fnl:3:54: unknown option `:slakc` of a target",
                "config.fnl:4:14: unknown target `aa`",
                "config.fnl:4:23: `faild` is not an event; events are failed, fixed, passed, cancelled, stuck, watch",
                "config.fnl:4:32: this rule has no `:to`",
                "config.fnl:4:37: an empty list grants nothing",
                "config.fnl:4:56: `main` is not the full name of a ref, such as refs/heads/main",
                "config.fnl:4:74: an address with a port is expected here, such as \"127.0.0.1:8080\" or \"chat.lan:443\"",
                "config.fnl:4:87: unknown option `:rule` of `:notify`",
            ]
        );
    }

    #[test]
    fn a_repository_names_only_targets_that_are_open_to_it() {
        let repo = RepoName::parse("site").unwrap();
        let text = b"{:notify [{:to :team :on [:passed]} {:to :ops} {:to :team :repos [\"x\"]}] :secrets {}}";
        let (rules, wrong) = read_repo_rules(text, &repo, &["team"]);
        assert_eq!(rules.len(), 1);
        assert_eq!((rules[0].to.as_str(), &*rules[0].repos), ("team", &[repo.clone()][..]));
        let wrong: Vec<&str> = wrong.iter().map(|wrong| wrong.message.as_str()).collect();
        assert_eq!(
            wrong,
            [
                "unknown target `ops`",
                "unknown option `:repos` of a rule",
                "unknown option `:secrets` of `.quire/config.fnl`"
            ]
        );
        assert_eq!(read_repo_rules(b"{:notify", &repo, &[]).1.len(), 1);
        assert_eq!(read_repo_rules(b"[1]", &repo, &[]).1.len(), 1);
    }

    #[test]
    fn a_hostile_file_of_a_repository_is_one_of_mistakes() {
        let repo = RepoName::parse("site").unwrap();
        let limit = usize::try_from(MAX_REPO_CONFIG).unwrap();
        for part in [
            "[",
            "(",
            "{:a ",
            "`",
            "#",
            "\"",
            "(macro f [] (f)) ",
            "{:notify [{:to :team}",
            "\u{0}",
            ":a ",
            "\\",
        ] {
            let text = part.repeat(limit / part.len());
            let (rules, wrong) = read_repo_rules(text.as_bytes(), &repo, &["team"]);
            assert!(rules.is_empty() && !wrong.is_empty(), "{part}");
        }
        let many = format!("{{:notify [{}]}}", "{:to :team} ".repeat(1000));
        let (rules, wrong) = read_repo_rules(many.as_bytes(), &repo, &["team"]);
        assert_eq!((rules.len(), wrong.len()), (MAX_ENTRIES, 1));
    }

    #[test]
    fn addresses_are_not_shown_with_a_mistake() {
        let text = "{:notify {:targets {:a {:slack \"https://hooks.example/T0/B0\" :repso []}}}}";
        let wrong = read(text.as_bytes()).unwrap_err();
        let shown = crate::model::render_all(&wrong);
        assert!(!shown.contains("T0") && shown.contains(":repso"), "{shown}");
        let wrong = read(format!("{text})").as_bytes()).unwrap_err();
        assert!(!crate::model::render_all(&wrong).contains("T0"));
    }
}
