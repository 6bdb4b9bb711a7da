//! What is around every page: the title, the way here, the tabs of a repository, who is signed in.

use super::assets;
use crate::app::Caller;
use crate::model::{RepoName, Scope};

/// A link.
#[derive(Debug, Clone)]
pub(super) struct Link {
    pub(super) text: String,
    pub(super) href: String,
    pub(super) is_current: bool,
}

impl Link {
    /// A link to another page.
    pub(super) fn new(text: impl Into<String>, href: impl Into<String>) -> Self {
        Self { text: text.into(), href: href.into(), is_current: false }
    }
}

/// The picture in the tab of a browser.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Icon {
    Plain,
    Passed,
    Failed,
    Running,
}

impl Icon {
    pub(super) const ALL: [Self; 4] = [Self::Plain, Self::Passed, Self::Failed, Self::Running];

    /// The word in its address.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::Running => "running",
        }
    }

    /// Its address.
    pub(super) fn path(self) -> String {
        format!("/-/icon-{}.svg", self.word())
    }
}

/// What is around a page. Templates take it as `frame`.
#[derive(Debug, Clone)]
pub(super) struct Frame {
    /// The title of the page, which is text.
    pub(super) title: String,
    /// The links that lead here from the front page.
    pub(super) crumbs: Vec<Link>,
    /// The pages beside this one.
    pub(super) tabs: Vec<Link>,
    pub(super) tabs_label: &'static str,
    pub(super) feeds: Vec<Link>,
    /// Who is signed in.
    pub(super) actor: Option<String>,
    pub(super) is_admin: bool,
    pub(super) icon: Icon,
    /// Which page this is, for scripts.
    pub(super) kind: Option<&'static str>,
    pub(super) has_script: bool,
    /// After how many seconds a browser without scripts loads the page again.
    pub(super) refresh: Option<u32>,
    /// Whether search engines leave the page out.
    pub(super) is_hidden: bool,
}

/// The pages of a repository: the word in the address, and the text.
const TABS: [(&str, &str); 6] =
    [("", "Code"), ("log", "Log"), ("refs", "Refs"), ("runs", "Runs"), ("ci", "CI"), ("search", "Search")];

impl Frame {
    /// The frame of a page that belongs to no repository.
    pub(super) fn new(caller: &Caller, title: impl Into<String>) -> Self {
        Self {
            actor: (!caller.is_nobody()).then(|| caller.actor().to_owned()),
            is_admin: caller.require(Scope::Admin).is_ok(),
            has_script: true,
            ..Self::bare(title)
        }
    }

    /// A frame without a script and without anything about who asks.
    pub(super) fn bare(title: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            crumbs: Vec::new(),
            tabs: Vec::new(),
            tabs_label: "",
            feeds: Vec::new(),
            actor: None,
            is_admin: false,
            icon: Icon::Plain,
            kind: None,
            has_script: false,
            refresh: None,
            is_hidden: false,
        }
    }

    /// The frame of a page of a repository; `page` is the word of its tab in the address, empty for the code.
    pub(super) fn of_repo(
        caller: &Caller,
        repo: &RepoName,
        page: &str,
        title: impl std::fmt::Display,
    ) -> Self {
        let tab = |(word, text): (&str, &str)| {
            let href = if word.is_empty() { format!("/{repo}") } else { format!("/{repo}/{word}") };
            Link { is_current: word == page, ..Link::new(text, href) }
        };
        let tabs = if repo.is_of_jobs() { Vec::new() } else { TABS.map(tab).to_vec() };
        Self {
            crumbs: vec![Link::new(repo.as_str(), format!("/{repo}"))],
            tabs,
            tabs_label: "Repository",
            ..Self::new(caller, format!("{title} · {repo}"))
        }
    }

    /// Adds a link to the way here.
    pub(super) fn below(mut self, text: impl Into<String>, href: impl Into<String>) -> Self {
        self.crumbs.push(Link::new(text, href));
        self
    }

    pub(super) fn style(&self) -> &'static str {
        assets::style_path()
    }

    pub(super) fn script(&self) -> &'static str {
        assets::script_path()
    }

    pub(super) fn version(&self) -> &'static str {
        env!("CARGO_PKG_VERSION")
    }
}
