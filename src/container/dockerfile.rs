//! Reads a Dockerfile, and writes it again in a form that has one meaning only.
//!
//! What is understood is a part of the Dockerfile reference: enough to build an image, without what reaches out of it. An engine
//! never sees the file itself: it gets what is written here, so that it cannot read it otherwise.

use std::collections::BTreeMap;

/// The name of the empty image.
const SCRATCH: &str = "scratch";

/// Instructions that are passed on as they are.
const PLAIN: [&str; 11] = [
    "CMD",
    "ENTRYPOINT",
    "ENV",
    "EXPOSE",
    "LABEL",
    "MAINTAINER",
    "SHELL",
    "STOPSIGNAL",
    "USER",
    "VOLUME",
    "WORKDIR",
];

/// A Dockerfile that was understood.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Recipe {
    /// The images that it takes something from, each once, in their order.
    pub(super) images: Vec<String>,
    /// Its instructions, one a line; `None` stands for the image of that place.
    lines: Vec<Vec<Piece>>,
}

#[derive(Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Image(usize),
}

impl Recipe {
    /// The file for the engine; `names` are what it knows the images by.
    pub(super) fn render(&self, names: &[String]) -> String {
        let piece = |piece: &Piece| match piece {
            Piece::Text(text) => text.clone(),
            Piece::Image(place) => names.get(*place).cloned().unwrap_or_default(),
        };
        self.lines.iter().map(|line| line.iter().map(piece).collect::<String>() + "\n").collect()
    }

    fn image(&mut self, name: &str) -> Piece {
        let known = self.images.iter().position(|image| image == name);
        Piece::Image(known.unwrap_or_else(|| {
            self.images.push(name.to_owned());
            self.images.len() - 1
        }))
    }
}

/// Reads a Dockerfile.
///
/// # Errors
/// Says what it has that is not understood, with its line.
pub(super) fn read(text: &str) -> Result<Recipe, String> {
    let mut reader = Reader::default();
    for (number, line) in instructions(text)? {
        reader.instruction(&line).map_err(|problem| format!("line {number}: {problem}"))?;
    }
    if reader.stages.is_empty() { Err("it has no FROM".to_owned()) } else { Ok(reader.recipe) }
}

/// Instructions with the number of their first line: comments gone, continued lines joined.
fn instructions(text: &str) -> Result<Vec<(usize, String)>, String> {
    let (mut found, mut open) = (Vec::new(), None::<(usize, String)>);
    for (number, line) in (1..).zip(text.lines()) {
        if line.chars().any(|c| c.is_control() && c != '\t') {
            return Err(format!("line {number}: contains a control character"));
        }
        if let Some(comment) = line.trim_start().strip_prefix('#') {
            let is_directive = found.is_empty() && open.is_none() && comment.contains('=');
            if is_directive {
                return Err(format!(
                    "line {number}: directives and comments with `=` before the first instruction are not supported"
                ));
            }
            continue;
        }
        if line.trim().is_empty() {
            continue;
        }
        let (begun, continues) = match line.trim_end().strip_suffix('\\') {
            Some(begun) => (begun, true),
            None => (line, false),
        };
        let (first, mut joined) = open.take().unwrap_or((number, String::new()));
        joined.push_str(begun);
        if continues {
            open = Some((first, joined));
        } else {
            found.push((first, joined.trim().to_owned()));
        }
    }
    match open {
        Some((number, _)) => Err(format!("line {number}: it does not end")),
        None => Ok(found),
    }
}

#[derive(Default)]
struct Reader {
    args: BTreeMap<String, String>,
    stages: Vec<Option<String>>,
    recipe: Recipe,
}

impl Reader {
    fn instruction(&mut self, line: &str) -> Result<(), String> {
        let (word, rest) = line.split_once([' ', '\t']).unwrap_or((line, ""));
        let (name, rest) = (word.to_ascii_uppercase(), rest.trim());
        if line.contains("<<") {
            return Err("here-documents are not supported".to_owned());
        }
        if name != "FROM" && name != "ARG" && self.stages.is_empty() {
            return Err(format!("`{name}` comes before the first FROM"));
        }
        let pieces = match name.as_str() {
            "FROM" => self.from(rest)?,
            "ARG" => self.arg(rest)?,
            "COPY" => self.copy(rest)?,
            "RUN" if rest.starts_with("--") => return Err("flags of RUN are not supported".to_owned()),
            "ADD" => {
                return Err("ADD is not supported, because it can access the network; use COPY".to_owned());
            }
            "RUN" => vec![Piece::Text(format!("RUN {rest}"))],
            known if PLAIN.contains(&known) => vec![Piece::Text(format!("{known} {rest}"))],
            _ => return Err(format!("`{word}` is not a supported instruction")),
        };
        self.recipe.lines.push(pieces);
        Ok(())
    }

    fn from(&mut self, rest: &str) -> Result<Vec<Piece>, String> {
        let mut words: Vec<&str> = rest.split_whitespace().collect();
        let mut line = "FROM ".to_owned();
        if let Some(platform) = words.first().and_then(|word| word.strip_prefix("--platform=")) {
            if !platform.chars().all(|c| c.is_ascii_alphanumeric() || "/._-".contains(c)) {
                return Err("the platform is not plain".to_owned());
            }
            line.push_str(&format!("--platform={platform} "));
            words.remove(0);
        }
        let (image, name) = match words.as_slice() {
            [image] => (*image, None),
            [image, word, name] if word.eq_ignore_ascii_case("as") => (*image, Some(stage_name(name)?)),
            _ => return Err("write it as FROM image, or FROM image AS name".to_owned()),
        };
        let image = self.substitute(image)?;
        let is_stage = self.stages.iter().flatten().any(|stage| *stage == image);
        let image = if is_stage || image == SCRATCH { Piece::Text(image) } else { self.recipe.image(&image) };
        let mut pieces = vec![Piece::Text(line), image];
        if let Some(name) = &name {
            pieces.push(Piece::Text(format!(" AS {name}")));
        }
        self.stages.push(name);
        Ok(pieces)
    }

    /// Those before the first FROM have plain values, which FROM may use; later ones are a stage's own.
    fn arg(&mut self, rest: &str) -> Result<Vec<Piece>, String> {
        if self.stages.is_empty() {
            let is_plain =
                |text: &str| text.chars().all(|c| c.is_ascii_alphanumeric() || "._/:@-".contains(c));
            let (name, value) = rest.split_once('=').ok_or("an ARG before FROM needs a value")?;
            if !is_name(name) || !is_plain(value) {
                return Err("an ARG before FROM is one name with a plain value: ARG BASE=alpine".to_owned());
            }
            self.args.insert(name.to_owned(), value.to_owned());
        }
        Ok(vec![Piece::Text(format!("ARG {rest}"))])
    }

    fn copy(&mut self, rest: &str) -> Result<Vec<Piece>, String> {
        let mut pieces = vec![Piece::Text("COPY ".to_owned())];
        let mut rest = rest;
        while rest.starts_with("--") {
            let (flag, after) =
                rest.split_once([' ', '\t']).ok_or("COPY needs a source and a destination")?;
            rest = after.trim_start();
            if let Some(from) = flag.strip_prefix("--from=") {
                let from = self.substitute(from)?;
                let is_stage = self.stages.iter().flatten().any(|stage| *stage == from)
                    || from.parse().is_ok_and(|place: usize| place < self.stages.len());
                pieces.push(Piece::Text("--from=".to_owned()));
                pieces.push(if is_stage { Piece::Text(from) } else { self.recipe.image(&from) });
                pieces.push(Piece::Text(" ".to_owned()));
            } else if flag.starts_with("--chown=") || flag.starts_with("--chmod=") {
                pieces.push(Piece::Text(format!("{flag} ")));
            } else {
                return Err(format!("`{flag}` of COPY is not supported"));
            }
        }
        pieces.push(Piece::Text(rest.to_owned()));
        Ok(pieces)
    }

    /// Puts in the values of arguments: `$NAME`, `${NAME}`.
    fn substitute(&self, text: &str) -> Result<String, String> {
        let mut out = text.to_owned();
        for (name, value) in self.args.iter().rev() {
            out = out.replace(&format!("${{{name}}}"), value).replace(&format!("${name}"), value);
        }
        if out.contains(['$', '"', '\'', '\\']) {
            return Err(format!("`{text}` is not plain"));
        }
        Ok(out)
    }
}

fn is_name(text: &str) -> bool {
    !text.is_empty()
        && !text.starts_with(|c: char| c.is_ascii_digit())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// The name of a stage: small letters, so that no engine takes two for one.
fn stage_name(text: &str) -> Result<String, String> {
    let fits = text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "_.-".contains(c));
    if fits && text != SCRATCH {
        Ok(text.to_owned())
    } else {
        Err(format!("`{text}` is not a valid stage name"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_understood_is_written_again() {
        let text = "# a comment\nARG VERSION=3.20\narg HOST=ghcr.io\nFROM --platform=linux/amd64 alpine:${VERSION} AS build\n\
                    RUN make \\\n  # between\n  all\nfrom $HOST/base\nCOPY --from=build --chown=1:1 /a /b\nCOPY --from=0 /a /b\n\
                    COPY --from=quay.io/x/y /a /b\nFROM build\nRUN echo FROM nowhere\nFROM scratch\n";
        let recipe = read(text).unwrap();
        assert_eq!(recipe.images, ["alpine:3.20", "ghcr.io/base", "quay.io/x/y"]);
        assert_eq!(
            recipe.render(&["one".into(), "two".into(), "three".into()]),
            "ARG VERSION=3.20\nARG HOST=ghcr.io\nFROM --platform=linux/amd64 one AS build\nRUN make   all\nFROM two\n\
             COPY --from=build --chown=1:1 /a /b\nCOPY --from=0 /a /b\nCOPY --from=three /a /b\nFROM build\nRUN echo FROM nowhere\n\
             FROM scratch\n"
        );
    }

    #[test]
    fn what_engines_read_otherwise_or_what_reaches_out_is_refused() {
        for (text, problem) in [
            ("FROM a\nRUN --mount=type=bind,from=a,source=/l,target=/t true", "line 2: flags of RUN"),
            ("FROM a\nADD http://127.0.0.1/x /x", "line 2: ADD is not supported"),
            ("# escape=`\nFROM a\nRUN true", "line 1: directives"),
            ("# syntax=evil/frontend\nFROM a", "line 1: directives"),
            ("ARG X=evil\nFROM scratch\nARG X=ok\nFROM $Y", "line 4: `$Y` is not plain"),
            ("ARG A=x Y=evil\nFROM $Y", "line 1: an ARG before FROM is one name"),
            ("ARG X=\"a b\"\nFROM $X", "line 1: an ARG before FROM is one name"),
            ("ARG X\nFROM $X", "line 1: an ARG before FROM needs a value"),
            ("FROM a\nRUN <<EOF\nFROM evil\nEOF", "line 2: here-documents"),
            ("FROM a\nCOPY --link x /x", "line 2: `--link` of COPY"),
            ("FROM a\nCOPY --from=$X x /x", "line 2: `$X` is not plain"),
            ("FROM a AS B", "line 1: `B` is not a valid stage name"),
            ("FROM a\nONBUILD RUN true", "line 2: `ONBUILD` is not a supported instruction"),
            ("FROM 'a'", "line 1: `'a'` is not plain"),
            ("FROM a\nRUN x \\", "line 2: it does not end"),
            ("FROM a\nRUN \u{1b}", "line 2: contains a control character"),
            ("RUN x\nFROM a", "line 1: `RUN` comes before"),
            ("", "it has no FROM"),
        ] {
            let found = read(text).unwrap_err();
            assert!(found.starts_with(problem), "{text:?}: {found}");
        }
        // Joined as engines join: this is a FROM.
        assert_eq!(read("FROM a\nFR\\\nOM evil").unwrap().images, ["a", "evil"]);
        // An ARG after a FROM is not one for FROM.
        assert_eq!(read("ARG X=one\nFROM scratch\nARG X=two\nFROM $X").unwrap().images, ["one"]);
    }
}
