//! Requests to the HTTP interface of a server elsewhere.

use std::io::{BufRead, Read};
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::app::{self, Problem, ProblemFrame};
use crate::cli::exit::{Code, Failure, print_error};
use crate::cli::place::variable;
use crate::config::DataDir;
use crate::sys::web_client::{WebAnswer, WebRequest, WebServer};

/// The variable with the token. It is in no argument: others can see those.
const TOKEN: &str = "QUIRE_TOKEN";

/// The longest silence that is accepted. An answer that waits for a run has a comment or an end earlier.
const PATIENCE: Duration = Duration::from_secs(120);

/// The largest answer that is kept in memory, in bytes.
const MAX_ANSWER: u64 = 64 << 20;

/// How many redirections are followed: a repository that was renamed has another address.
const MAX_REDIRECTS: usize = 3;

/// The path below which all routes are.
const BASE: &str = "/api/v1";

/// A server elsewhere, and who asks.
#[derive(Clone)]
pub(super) struct Remote {
    server: WebServer,
    address: String,
    token: Option<String>,
    /// The header that says for whom the account of the server asks over the Unix socket.
    asker: Option<(&'static str, String)>,
}

impl Remote {
    pub(super) fn new(address: &str) -> Result<Self, Failure> {
        let server = WebServer::parse(address).map_err(|problem| {
            Failure::new(Code::Usage, format!("--server {address}: {problem}"))
                .hint("write --server https://git.example.org")
        })?;
        let token = variable(TOKEN).map(|token| token.trim().to_owned());
        if token.as_deref().is_some_and(|token| !token.bytes().all(|byte| byte.is_ascii_graphic())) {
            return Err(Failure::new(Code::Usage, format!("{TOKEN} is not a token")));
        }
        if token.is_some() && server.is_readable_by_others() {
            print_error(&format!("warning: {TOKEN} is sent without encryption; use https://\n"));
        }
        Ok(Self { server, address: address.to_owned(), token, asker: None })
    }

    /// The server of a data folder, asked for somebody who has come over ssh.
    pub(super) fn here(data: &DataDir, asker: (&'static str, String)) -> Self {
        let server = WebServer::of_socket(&data.socket());
        Self { server, address: "the server".to_owned(), token: None, asker: Some(asker) }
    }

    /// Sends a request; the answer is one of success.
    pub(super) fn send(
        &self,
        method: &str,
        path: &str,
        body: Option<&Value>,
        accept: &str,
    ) -> Result<WebAnswer, Failure> {
        let mut target = path.strip_prefix(BASE).map_or_else(|| format!("{BASE}{path}"), |_| path.to_owned());
        for _ in 0..=MAX_REDIRECTS {
            let mut headers = vec![("Accept", accept.to_owned())];
            headers.extend(self.token.iter().map(|token| ("Authorization", format!("Bearer {token}"))));
            headers.extend(self.asker.clone());
            let body = body.map(|body| body.to_string().into_bytes());
            let request = WebRequest { method, target: &target, headers, body, patience: PATIENCE };
            let answer = self.server.send(&request).map_err(|error| {
                let hint = match self.asker {
                    Some(_) => "is it running? whoever operates it sees that with  quire doctor",
                    None => "is a server running there, and does it answer over TCP? quire serve --bind ADDRESS:PORT",
                };
                Failure::new(Code::Broken, format!("could not ask {}: {error}", self.address)).hint(hint)
            })?;
            match (answer.status, answer.header("location")) {
                (200..=299, _) => return Ok(answer),
                (301 | 302 | 307 | 308, Some(place)) if place.starts_with("/api/") => {
                    place.clone_into(&mut target);
                }
                _ => return Err(self.refused(answer)),
            }
        }
        Err(Failure::new(Code::Broken, format!("{} redirects without end", self.address)))
    }

    /// The JSON of an answer.
    pub(super) fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        self.json(self.send("GET", path, None, "application/json")?)
    }

    /// The JSON of the answer to a POST.
    pub(super) fn post<T: DeserializeOwned>(&self, path: &str, body: &Value) -> Result<T, Failure> {
        self.json(self.send("POST", path, Some(body), "application/json")?)
    }

    pub(super) fn json<T: DeserializeOwned>(&self, answer: WebAnswer) -> Result<T, Failure> {
        let mut bytes = Vec::new();
        let read = answer.body.take(MAX_ANSWER).read_to_end(&mut bytes);
        read.map_err(|error| self.broken(&error))?;
        serde_json::from_slice(&bytes).map_err(|error| self.broken(&error))
    }

    /// All pages of a list, at most `limit` items.
    pub(super) fn list<T: DeserializeOwned>(&self, path: &str, limit: usize) -> Result<Vec<T>, Failure> {
        let (mut items, mut next) = (Vec::new(), Some(path.to_owned()));
        while let Some(path) = next.filter(|_| items.len() < limit) {
            let answer = self.send("GET", &path, None, "application/json")?;
            next = answer
                .header("link")
                .and_then(|link| link.strip_prefix('<')?.split_once('>'))
                .map(|(p, _)| p.to_owned());
            items.extend(self.json::<Vec<T>>(answer)?);
        }
        items.truncate(limit);
        Ok(items)
    }

    /// Gives each line of an answer to `take`, until there is none or nobody reads any more.
    pub(super) fn lines(
        &self,
        path: &str,
        accept: &str,
        mut take: impl FnMut(&str) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let mut answer = self.send("GET", path, None, accept)?;
        let mut line = Vec::new();
        loop {
            line.clear();
            let read = answer.body.by_ref().take(MAX_ANSWER).read_until(b'\n', &mut line);
            if read.map_err(|error| self.broken(&error))? == 0 {
                return Ok(());
            }
            take(String::from_utf8_lossy(&line).trim_end_matches('\n'))?;
        }
    }

    pub(super) fn broken(&self, error: &dyn std::error::Error) -> Failure {
        Failure::new(Code::Broken, format!("the answer of {} could not be read: {error}", self.address))
    }

    /// Why a request was not done.
    fn refused(&self, answer: WebAnswer) -> Failure {
        let status = answer.status;
        let problem: Problem = match self.json::<ProblemFrame>(answer) {
            Ok(frame) => frame.into_problem(),
            Err(_) => {
                return Failure::new(Code::Broken, format!("{} answered with status {status}", self.address))
                    .hint("is it the address of a quire server?");
            }
        };
        let failure = Failure::new(problem.code.exit(), &problem.text);
        match (problem.code, self.token.is_some()) {
            (app::Code::CredentialsMissing, false) => failure.hint(format!(
                "set {TOKEN}; on the server, quire token new NAME --scope SCOPE makes a token"
            )),
            _ => Failure::from(problem),
        }
    }
}
