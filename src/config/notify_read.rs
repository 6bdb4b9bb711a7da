//! Reads `:notify`, of `config.fnl` and of a repository's own `.quire/config.fnl`.

use secrecy::SecretString;

use super::notify::{MailDecl, NotifyEvent, NotifyRule, NotifySettings, TargetAddress, TargetDecl};
use super::read::{Reader, duration, key_text};
use super::settings::{SecretDecl, SecretSource};
use crate::model::{Diagnostic, JobId, RefName, RepoName, suggest};
use crate::schema::{Node, Value};
use crate::script::data;

/// The file of a repository with rules of its own.
pub const REPO_CONFIG: &str = ".quire/config.fnl";

/// Its largest size, in bytes.
pub const MAX_REPO_CONFIG: u64 = 16 << 10;

/// The most targets, and the most rules.
const MAX_ENTRIES: usize = 100;

/// The most recipients of one mail.
const MAX_RECIPIENTS: usize = 50;

const KEYS: [&str; 4] = ["targets", "rules", "allow", "stuck-after"];
const KINDS: [&str; 5] = ["slack", "discord", "teams", "webhook", "smtp"];
const TARGET_KEYS: [&str; 11] =
    ["slack", "discord", "teams", "webhook", "smtp", "repos", "hmac", "from", "to", "user", "password"];
const RULE_KEYS: [&str; 5] = ["to", "on", "repos", "refs", "jobs"];
const REPO_RULE_KEYS: [&str; 4] = ["to", "on", "refs", "jobs"];
const TARGET_HELP: &str =
    "a target is such as {:slack {:secret \"slack_webhook\"}}; docs/notifications.md shows each kind";

/// Reads the rules of a repository's own configuration. A mistake takes away the rule that it is in and no other.
pub fn read_repo_rules(text: &[u8], repo: &RepoName, targets: &[&str]) -> (Vec<NotifyRule>, Vec<Diagnostic>) {
    let root = match data::read(REPO_CONFIG, text) {
        Ok(root) => root,
        Err(wrong) => return (Vec::new(), wrong),
    };
    let mut reader = Reader { wrong: root.unknown_keys(&["notify"]) };
    let mut rules = Vec::new();
    if let Some(pairs) = reader.take(root.as_table())
        && let Some((_, list)) = pairs.iter().find(|(key, _)| key_text(key) == "notify")
    {
        let items = reader.take(list.as_list()).unwrap_or_default();
        reader.few(list, items.len());
        for item in items.iter().take(MAX_ENTRIES) {
            let before = reader.wrong.len();
            let rule = reader.rule(item, targets, &REPO_RULE_KEYS);
            if let (Some(rule), true) = (rule, reader.wrong.len() == before) {
                rules.push(NotifyRule { repos: vec![repo.clone()], ..rule });
            }
        }
    }
    (rules, reader.wrong)
}

impl Reader {
    /// Reads `:notify` of `config.fnl`.
    pub(super) fn notify(&mut self, table: &Node, secrets: &[SecretDecl]) -> NotifySettings {
        let mut settings = NotifySettings::default();
        let Some(pairs) = self.take(table.as_table()) else { return settings };
        for (key, value) in pairs {
            match key_text(key) {
                "targets" => settings.targets = self.targets(value, secrets),
                "rules" => {}
                "allow" => settings.allow = self.list(value, host_and_port),
                "stuck-after" => {
                    if let Some(time) = self.take(duration(value)) {
                        settings.stuck_after = time;
                    }
                }
                _ => self.wrong.push(key.unknown_key(&KEYS)),
            }
        }
        if let Some(list) = table.get("rules") {
            // The names as they are written: a target with a mistake in it is there all the same.
            let names: Vec<&str> = match table.get("targets").map(Node::as_table) {
                Some(Ok(pairs)) => pairs.iter().map(|(key, _)| key_text(key)).collect(),
                Some(Err(_)) | None => Vec::new(),
            };
            let items = self.take(list.as_list()).unwrap_or_default();
            self.few(list, items.len());
            settings.rules = items.iter().filter_map(|item| self.rule(item, &names, &RULE_KEYS)).collect();
            self.twice(items, &RULE_KEYS);
        }
        settings
    }

    fn few(&mut self, node: &Node, count: usize) {
        if count > MAX_ENTRIES {
            self.wrong
                .push(node.error(format!("{count} are more than the {MAX_ENTRIES} that are allowed here")));
        }
    }

    fn targets(&mut self, table: &Node, secrets: &[SecretDecl]) -> Vec<TargetDecl> {
        let Some(pairs) = self.take(table.as_table()) else { return Vec::new() };
        self.few(table, pairs.len());
        pairs.iter().filter_map(|(key, value)| self.target(key, value, secrets)).collect()
    }

    fn target(&mut self, key: &Node, value: &Node, secrets: &[SecretDecl]) -> Option<TargetDecl> {
        let name = self.take(target_name(key));
        let pairs = self.take(value.as_table().map_err(|wrong| wrong.help(TARGET_HELP)))?;
        self.wrong.extend(value.unknown_keys(&TARGET_KEYS));
        let kinds: Vec<&(Node, Node)> =
            pairs.iter().filter(|(key, _)| KINDS.contains(&key_text(key))).collect();
        let [(kind, place)] = kinds.as_slice() else {
            let problem = match kinds.as_slice() {
                [] => value.error("this target says nowhere to send to"),
                [_, (second, _), ..] | [(second, _)] => second.error("a target is of one kind"),
            };
            self.wrong.push(problem.help(TARGET_HELP));
            return None;
        };
        self.only_with(kind, value);
        let repos = value.get("repos").map(|list| self.list(list, RepoName::parse)).unwrap_or_default();
        let address = match key_text(kind) {
            "slack" => TargetAddress::Slack(self.url(place, secrets)?),
            "discord" => TargetAddress::Discord(self.url(place, secrets)?),
            "teams" => TargetAddress::Teams(self.url(place, secrets)?),
            "smtp" => TargetAddress::Mail(self.mail(value, place, secrets)?),
            _ => {
                let url = self.url(place, secrets);
                let hmac = value.get("hmac").map(|name| self.take(named(name, secrets)));
                // A key that is wrong must not become no key.
                let hmac = match hmac {
                    Some(key) => Some(key?),
                    None => None,
                };
                TargetAddress::Webhook { url: url?, hmac }
            }
        };
        Some(TargetDecl { name: name?, address, repos })
    }

    /// Refuses keys that belong to another kind of target.
    fn only_with(&mut self, kind: &Node, target: &Node) {
        let of_kind: &[&str] = match key_text(kind) {
            "webhook" => &["hmac"],
            "smtp" => &["from", "to", "user", "password"],
            _ => &[],
        };
        let Ok(pairs) = target.as_table() else { return };
        for (key, _) in pairs {
            let name = key_text(key);
            let is_other = TARGET_KEYS.contains(&name) && !KINDS.contains(&name) && name != "repos";
            if is_other && !of_kind.contains(&name) {
                self.wrong.push(
                    key.error(format!("`:{name}` does not belong to a target of `:{}`", key_text(kind))),
                );
            }
        }
    }

    /// An address of the web: itself, or the secret that holds it.
    fn url(&mut self, node: &Node, secrets: &[SecretDecl]) -> Option<SecretSource> {
        let help = "write it as \"https://…\", or as {:secret \"name\"}";
        match &node.value {
            Value::String(text) => {
                let has_scheme = text.starts_with("https://") || text.starts_with("http://");
                if !has_scheme || !text.chars().all(|c| c.is_ascii_graphic()) || text.contains('@') {
                    // The text is not repeated: it may be half a secret.
                    self.wrong.push(node.error("this is not an address of the web").help(help));
                    return None;
                }
                Some(SecretSource::Literal(SecretString::from(text.clone())))
            }
            Value::Table(_) => {
                self.wrong.extend(node.unknown_keys(&["secret"]));
                let Some(name) = node.get("secret") else {
                    self.wrong.push(node.error("this address names no secret").help(help));
                    return None;
                };
                self.take(named(name, secrets))
            }
            Value::List(_) | Value::Number(_) | Value::Bool(_) | Value::Nil => {
                self.wrong.push(node.expected("a string or a table").help(help));
                None
            }
        }
    }

    fn mail(&mut self, target: &Node, place: &Node, secrets: &[SecretDecl]) -> Option<MailDecl> {
        let server = self.take(smtp_server(place));
        let missing = |reader: &mut Reader, key: &str| {
            reader
                .wrong
                .push(target.error(format!("this target has no `:{key}`")).help("mail needs :from and :to"));
        };
        let from = match target.get("from") {
            Some(node) => self.take(mailbox(node)),
            None => {
                missing(self, "from");
                None
            }
        };
        let to = match target.get("to") {
            Some(list) => {
                let to: Vec<String> = self
                    .take(list.as_list())
                    .unwrap_or_default()
                    .iter()
                    .filter_map(|node| self.take(mailbox(node)))
                    .collect();
                if to.len() > MAX_RECIPIENTS {
                    self.wrong.push(list.error(format!("a mail goes to at most {MAX_RECIPIENTS} people")));
                }
                Some(to).filter(|to| !to.is_empty())
            }
            None => None,
        };
        if to.is_none() {
            missing(self, "to");
        }
        let login = match (target.get("user"), target.get("password")) {
            (None, None) => Some(None),
            (Some(user), Some(password)) => {
                let user = self.take(user.as_str().map(str::to_owned));
                let password = self.take(named(password, secrets));
                user.zip(password).map(Some)
            }
            (Some(node), None) | (None, Some(node)) => {
                self.wrong.push(node.error("`:user` and `:password` go together"));
                None
            }
        };
        let (is_tls, host, port) = server?;
        Some(MailDecl { is_tls, host, port, from: from?, to: to?, login: login? })
    }

    fn rule(&mut self, node: &Node, targets: &[&str], keys: &[&str]) -> Option<NotifyRule> {
        self.take(node.as_table())?;
        self.wrong.extend(node.unknown_keys(keys));
        let to = match node.get("to") {
            Some(to) => self.take(known_target(to, targets)),
            None => {
                self.wrong.push(node.error("this rule has no `:to`").help("it is the name of a target"));
                None
            }
        };
        let on = match node.get("on") {
            Some(list) => self.list(list, event),
            None => NotifyEvent::DEFAULT.to_vec(),
        };
        let repos = node.get("repos").filter(|_| keys.contains(&"repos"));
        let repos = repos.map(|list| self.list(list, RepoName::parse)).unwrap_or_default();
        let refs = node.get("refs");
        let refs = refs.map(|list| self.list(list, full_ref)).unwrap_or_default();
        let jobs = node.get("jobs").map(|list| self.list(list, JobId::parse)).unwrap_or_default();
        Some(NotifyRule { to: to?, on, repos, refs, jobs })
    }
}

fn target_name(key: &Node) -> Result<String, Diagnostic> {
    let text = key.as_str()?;
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if !text.is_empty() && text.len() <= 64 && text.chars().all(fits) {
        Ok(text.to_owned())
    } else {
        let shown: String = text.chars().take(80).collect();
        Err(key
            .error(format!("`{shown}` is not a target's name"))
            .help("1 to 64 letters, digits, `_` and `-` are"))
    }
}

/// The target that a rule names.
fn known_target(node: &Node, targets: &[&str]) -> Result<String, Diagnostic> {
    let name = node.as_str()?;
    if targets.contains(&name) {
        return Ok(name.to_owned());
    }
    let shown: String = name.chars().take(80).collect();
    let problem = node.error(format!("there is no target `{shown}` here"));
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
    // A name that is none may be the secret itself, put into the wrong place.
    let problem = node.error("there is no secret of this name");
    Err(match suggest(name, secrets.iter().map(|secret| secret.name.as_str())) {
        Some(near) => problem.help(format!("did you mean `{near}`?")),
        None => problem.help("the name of a secret stands here; declare it in :secrets"),
    })
}

fn event(word: &str) -> Result<NotifyEvent, String> {
    NotifyEvent::parse(word).ok_or_else(|| {
        let words: Vec<&str> = NotifyEvent::ALL.into_iter().map(NotifyEvent::as_str).collect();
        let shown: String = word.chars().take(80).collect();
        format!("`{shown}` is no event: {} are", words.join(", "))
    })
}

/// A ref by its full name: a short one would never match.
fn full_ref(text: &str) -> Result<RefName, String> {
    if !text.starts_with("refs/") {
        let shown: String = text.chars().take(80).collect();
        return Err(format!("`{shown}` is not the full name of a ref, such as refs/heads/main"));
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

/// An address of mail, as far as that can be told without the mail itself.
fn mailbox(node: &Node) -> Result<String, Diagnostic> {
    let text = node.as_str()?;
    let parts = text.split_once('@');
    let fits = |c: char| c.is_ascii_graphic() && !matches!(c, '<' | '>' | ',' | ';' | '"' | '(' | ')');
    let is_one =
        parts.is_some_and(|(user, host)| !user.is_empty() && !host.is_empty() && !host.contains('@'));
    if is_one && text.chars().all(fits) && text.len() <= 254 {
        Ok(text.to_owned())
    } else {
        let shown: String = text.chars().take(80).collect();
        Err(node.error(format!("`{shown}` is not an address of mail")).help("write it as \"ci@example.org\""))
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
                "config.fnl:1:46: this target says nowhere to send to",
                "config.fnl:1:75: `:hmac` does not belong to a target of `:slack`",
                "config.fnl:1:69: there is no secret of this name",
                "config.fnl:2:11: this is not the address of a mail server",
                "config.fnl:2:36: `x` is not an address of mail",
                "config.fnl:2:4: this target has no `:to`",
                "config.fnl:2:46: `:user` and `:password` go together",
                "config.fnl:2:74: a target is of one kind",
                "config.fnl:3:1: `f/g` is not a target's name",
                "config.fnl:3:35: there is no secret of this name",
                "config.fnl:3:54: there is no key `:slakc` here",
                "config.fnl:3:53: this target says nowhere to send to",
                "config.fnl:4:74: an address with a port is expected here, such as \"127.0.0.1:8080\" or \"chat.lan:443\"",
                "config.fnl:4:87: there is no key `:rule` here",
                "config.fnl:4:14: there is no target `aa` here",
                "config.fnl:4:23: `faild` is no event: failed, fixed, passed, cancelled, stuck, watch are",
                "config.fnl:4:32: this rule has no `:to`",
                "config.fnl:4:37: an empty list grants nothing",
                "config.fnl:4:56: `main` is not the full name of a ref, such as refs/heads/main",
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
                "there is no key `:secrets` here",
                "there is no target `ops` here",
                "there is no key `:repos` here"
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
