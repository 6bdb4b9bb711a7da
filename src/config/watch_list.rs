//! A list of watches in TOML, `Repo.toml`: a table for each repository, with `path`, `target_branch` and `ssh_key_path`.
//!
//! Who writes the list has the repositories, or chose them: addresses of private networks are allowed. The file is
//! `phantom_ci`'s: what runs is what changes, an empty value is an absent one, and `[my.repo]` is one name.

use std::fs::File;
use std::io::{self, Read};
use std::ops::Range;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::read::ConfigError;
use super::watch::{DEFAULT_EVERY, MAX_WATCHES, SshKey, WatchDecl, WatchRuns, address};
use crate::model::{BranchName, Diagnostic, RemoteUrl, RepoName, Span, TextPlaces, UrlScheme};
use crate::schema::settings::LISTED_WATCH;
use crate::schema::{Fields, Mistakes, Node, TomlKey, TomlNodes, Value};

/// The branch that is watched when a table names none.
pub(crate) const DEFAULT_BRANCH: &str = "master";

/// The largest list, in bytes.
const MAX_LIST: u64 = 1 << 20;

const PATH: &str = "path";
const BRANCH: &str = "target_branch";
const KEY: &str = "ssh_key_path";

/// What the TOML parser says of a key, or of a table, that is there twice.
const DUPLICATE: &str = "duplicate key";

/// What a table looks like.
const EXAMPLE: &str = "write a table for each repository: `[name]`, and below it `path = \"/srv/name.git\"`";

/// What to do about a name that cannot be one.
const NAME_HELP: &str = "a watch is called `[name]` or `[\"group/name\"]`";

/// How the runs of listed watches are executed: one after the other, in a folder that stays.
const RUNS: WatchRuns = WatchRuns { keeps_workspace: true, interruptible: false };

/// The deepest header: `[a.b.c]`.
const MAX_PARTS: usize = 8;

/// A watch of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ListedWatch {
    pub(crate) watch: WatchDecl,
    /// Where its name stands.
    pub(crate) place: Span,
}

/// Reads the text of a list; `None` when the file does not exist.
///
/// # Errors
/// When it is there and cannot be read, is too large, or is not UTF-8.
pub(crate) fn read_list_file(path: &Path) -> Result<Option<String>, ConfigError> {
    let wrong = |source| ConfigError::Read { path: path.to_owned(), source };
    let mut bytes = Vec::new();
    match File::open(path).and_then(|file| file.take(MAX_LIST + 1).read_to_end(&mut bytes)) {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(wrong(source)),
    }
    let of_file = |message: String| {
        Err(ConfigError::Wrong(vec![Diagnostic::error(path.display().to_string(), message).help(EXAMPLE)]))
    };
    if bytes.len() as u64 > MAX_LIST {
        return of_file(format!("it has more than {} MiB", MAX_LIST >> 20));
    }
    match String::from_utf8(bytes) {
        Ok(text) => Ok(Some(text)),
        Err(_) => of_file("it is not UTF-8".to_owned()),
    }
}

/// The watches of a list, in the order in which they stand there. `file` is its name for people.
///
/// # Errors
/// Gives all mistakes with their places.
pub(crate) fn read_watch_list(file: &str, text: &str) -> Result<Vec<ListedWatch>, Vec<Diagnostic>> {
    let places = TextPlaces::new(file, text);
    let (document, broken) = DeTable::parse_recoverable(text);
    let mut tables: Vec<(&TomlKey<'_>, &Spanned<DeValue<'_>>)> = document.get_ref().iter().collect();
    tables.sort_by_key(|(key, _)| key.span().start);
    let mut reading = Reading {
        places: &places,
        nodes: TomlNodes::new(file, &places),
        watches: Vec::new(),
        wrong: Vec::new(),
        is_broken: broken.iter().any(|error| error.message() != DUPLICATE),
    };
    reading.syntax(&broken);
    for (key, value) in tables {
        reading.table(&[key], value);
    }
    reading.watches.sort_by_key(|listed| listed.place);
    if reading.watches.len() > MAX_WATCHES {
        reading
            .wrong
            .push(Diagnostic::error(file, format!("these are more than {MAX_WATCHES} repositories")));
    }
    if reading.wrong.is_empty() { Ok(reading.watches) } else { Err(shown(reading.wrong)) }
}

/// The mistakes in the order of their places. A line with an address may hold a password, and is not shown.
fn shown(mut wrong: Vec<Diagnostic>) -> Vec<Diagnostic> {
    wrong.sort_by_key(|mistake| mistake.span);
    for mistake in &mut wrong {
        mistake.source_line = mistake.source_line.take().filter(|line| !line.contains(['@', '?']));
    }
    wrong
}

struct Reading<'a> {
    places: &'a TextPlaces<'a>,
    nodes: TomlNodes<'a>,
    watches: Vec<ListedWatch>,
    wrong: Vec<Diagnostic>,
    /// Whether some of the text is not TOML: what is missing may stand there.
    is_broken: bool,
}

impl Reading<'_> {
    fn refuse(&mut self, at: &Range<usize>, message: impl Into<String>, help: &str) {
        self.wrong.push(self.places.error(at, message, help));
    }

    /// What is not TOML. Of a table that is defined twice only the name is reported: its keys are defined twice as well, then.
    fn syntax(&mut self, broken: &[toml::de::Error]) {
        let text = self.places.text();
        let mut repeated: Option<usize> = None;
        for error in broken {
            let at = error.span().unwrap_or(0..0);
            let before = text.get(..at.start).unwrap_or_default();
            if error.message() != DUPLICATE {
                let message = error.message().lines().collect::<Vec<_>>().join(", ");
                self.refuse(&at, message, EXAMPLE);
            } else if before.trim_end_matches(['"', '\'']).ends_with('[') {
                repeated = Some(at.end);
                self.refuse(
                    &at,
                    "there are two tables with this name",
                    "give each repository a name of its own",
                );
            } else if repeated.is_none_or(|end| text.get(end..at.start).is_none_or(|t| t.contains("\n["))) {
                self.refuse(&at, "this key is there twice", "remove one of the two");
            }
        }
    }

    /// Reads a table. To TOML, `[my.repo]` is a table `repo` within one that is called `my`: without keys of its own, a
    /// table is only a part of such names.
    fn table(&mut self, keys: &[&TomlKey<'_>], value: &Spanned<DeValue<'_>>) {
        let Some(key) = keys.last() else { return };
        let at = key.span();
        let Some(table) = value.get_ref().as_table() else {
            return self.refuse(&at, "this is not a table", EXAMPLE);
        };
        let mut inner: Vec<_> =
            table.iter().filter(|(_, value)| value.get_ref().as_table().is_some()).collect();
        inner.sort_by_key(|(key, _)| key.span().start);
        for (key, value) in inner.iter().filter(|_| keys.len() < MAX_PARTS) {
            self.table(&[keys, &[*key]].concat(), value);
        }
        if inner.len() == table.len() && !inner.is_empty() {
            return;
        }
        let before = self.wrong.len();
        let name: Vec<&str> = keys.iter().map(|key| key.get_ref().as_ref()).collect();
        let name = match RepoName::parse(&name.join(".")) {
            Ok(name) => Some(name),
            Err(error) => {
                self.refuse(&at, error.to_string(), NAME_HELP);
                None
            }
        };
        let given = self.keys(key, table);
        let (Some(name), Some(Given { url, branch, ssh_key })) = (name, given) else { return };
        if let Some(first) = self.watches.iter().find(|other| is_same(&other.watch.name, &name)) {
            let help = format!("the first one is in line {}", first.place.line);
            return self.refuse(&at, format!("`{name}` is there twice"), &help);
        }
        if self.wrong.len() == before {
            // The real one has an unused key in its own example.
            let ssh_key = ssh_key.filter(|_| url.scheme() == UrlScheme::Ssh);
            let (every, allow_private) = (DEFAULT_EVERY, true);
            let watch = WatchDecl {
                name,
                url,
                branch,
                every,
                allow_private,
                token: None,
                ssh_key,
                credential_helper: None,
                first_run: false,
                runs: RUNS,
            };
            self.watches.push(ListedWatch { watch, place: self.places.span(&at) });
        }
    }

    /// What a table says, when all of it is right.
    fn keys(&mut self, key: &TomlKey<'_>, table: &DeTable<'_>) -> Option<Given> {
        let (tables, pairs): (Vec<_>, Vec<_>) =
            self.nodes.pairs(table).into_iter().partition(|(_, value)| value.as_table().is_ok());
        let is_blank = |value: &Node| value.as_str().is_ok_and(|text| text.trim().is_empty());
        let pairs = pairs.into_iter().filter(|(_, value)| !is_blank(value)).collect();
        let node = self.nodes.key(key).with(Value::Table(pairs));
        let mistakes = Mistakes::default();
        let fields = Fields::open(&node, &LISTED_WATCH, &mistakes)?;
        // What is missing may be what is not right.
        if fields.get(PATH).is_none() && tables.is_empty() && mistakes.count() == 0 && !self.is_broken {
            let help = "say where the repository is: `path = \"/srv/name.git\"`, or an address";
            fields.refuse(format!("this table has no `{PATH}`"), help);
        }
        let url = fields.read(PATH, address);
        let branch = match fields.get(BRANCH) {
            Some(_) => fields.read(BRANCH, |node| {
                let help = format!("name one branch; without `{BRANCH}` it is {DEFAULT_BRANCH}");
                node.parse(BranchName::parse).map_err(|wrong| wrong.help(help))
            }),
            None => BranchName::parse(DEFAULT_BRANCH).ok(),
        };
        let ssh_key = fields.parse(KEY, |text| SshKey::parse(text.trim()));
        self.wrong.extend(mistakes.into_sorted());
        Some(Given { url: url?, branch: branch?, ssh_key })
    }
}

/// What a table says.
struct Given {
    url: RemoteUrl,
    branch: BranchName,
    ssh_key: Option<SshKey>,
}

/// Whether two names cannot be distinguished on every disk.
pub(crate) fn is_same(one: &RepoName, other: &RepoName) -> bool {
    one.as_str().eq_ignore_ascii_case(other.as_str())
}

/// The name of a watch of another branch of a repository whose name is taken by a watch of its own.
pub(crate) fn name_with_branch(name: &RepoName, branch: &BranchName) -> Option<RepoName> {
    RepoName::parse(&format!("{name}-{}", branch.as_str().replace('/', "-"))).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Vec<String> {
        let shown = |listed: &ListedWatch| {
            let (watch, line) = (&listed.watch, listed.place.line);
            let key = watch.ssh_key.as_ref().map_or("-", SshKey::as_str);
            format!("{line} {} {} {} {key}", watch.name, watch.url, watch.branch)
        };
        read_watch_list("Repo.toml", text).unwrap().iter().map(shown).collect()
    }

    #[test]
    fn a_list_is_read_and_its_branch_is_master_by_default() {
        let text = "# mine\n[site]\npath = \"/srv/site\"\n\n[\"g/tool\"]\npath = 'git@host:tool.git'\ntarget_branch = \"main\"\n";
        assert_eq!(shown(text), ["2 site /srv/site master -", "5 g/tool git@host:tool.git main -"]);
        let watches = read_watch_list("Repo.toml", text).unwrap();
        assert!(watches.iter().all(|listed| listed.watch.allow_private && !listed.watch.first_run));
        assert!(watches.iter().all(|listed| listed.watch.runs == RUNS));
        assert!(read_watch_list("Repo.toml", "").unwrap().is_empty());
    }

    #[test]
    fn a_list_that_phantom_ci_wrote_is_read() {
        let table = |name: &str, path: &str, branch: &str, key: &str| {
            format!("[{name}]\npath = \"{path}\"\ntarget_branch = \"{branch}\"\nssh_key_path = \"{key}\"\n\n")
        };
        let text = [
            "\n## Example repo configuration\n##[sys-compare]\n\n".to_owned(),
            table("repo", "git@github.com:your/repo", "main", ""),
            table("tool.git", "git@host:me/tool.git", "main", " "),
            table("a.b.c", "ssh://git@host/a.b.c", "", " /home/ada/my key "),
            table("my", "git@host:my", "dev", "~/.ssh/id"),
            table("my.repo", "git@host:my.repo", "main", ""),
            table("unused-key", "https://github.com/x/ELKTool", "master", "/home/ada/.ssh/id"),
        ];
        assert_eq!(
            shown(&text.concat()),
            [
                "5 repo git@github.com:your/repo main -",
                "10 tool git@host:me/tool.git main -",
                "15 a.b.c ssh://git@host/a.b.c master /home/ada/my key",
                "20 my git@host:my dev ~/.ssh/id",
                "25 my.repo git@host:my.repo main -",
                "30 unused-key https://github.com/x/ELKTool master -",
            ]
        );
    }

    #[test]
    fn all_mistakes_of_a_list_are_found_at_once() {
        let text = "top = 1\n[a]\npth = \"/a\"\n[b]\npath = \"rel\"\ntarget_branch = \"--x\"\n[my.repo]\npath = \"/x\"\n\
                    ssh_key_path = \"id_rsa\"\n[-x]\npath = \"/x\"\n[c]\npath = 7\n[A1]\npath = \"/a\"\n[a1]\npath = \"/a\"\n\
                    [d]\npath = \"https://u:hunter22@h/x\"\n[e]\npath = \"/b\"\n[e]\npath = \"/b\"\n";
        let wrong = read_watch_list("Repo.toml", text).unwrap_err();
        let shown: Vec<String> =
            wrong.iter().map(|wrong| format!("{}: {}", wrong.place(), wrong.message)).collect();
        assert_eq!(
            shown,
            [
                "Repo.toml:1:1: this is not a table",
                "Repo.toml:3:1: unknown option `pth` of a table",
                "Repo.toml:5:8: the path of a local repository must be absolute",
                "Repo.toml:6:17: `--x` is not the name of a branch: it must not begin with `-`",
                "Repo.toml:9:16: the path of a key must be absolute, or begin with `~/`, and have no control characters",
                "Repo.toml:10:2: `-x`: a part of a name must not begin with '-'",
                "Repo.toml:13:8: expected a string, got the number 7",
                "Repo.toml:16:2: `a1` is there twice",
                "Repo.toml:19:8: an http address must not contain a user or password",
                "Repo.toml:22:2: there are two tables with this name",
            ]
        );
        assert!(!crate::model::render_all(&wrong).contains("hunter22"));
        let broken = read_watch_list("Repo.toml", "[a]\npath = \n[b\npath = \"/x\"\n").unwrap_err();
        assert!(broken.iter().all(|wrong| wrong.span.is_some()), "{broken:?}");
    }
}
