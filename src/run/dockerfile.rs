//! Which images a Dockerfile begins with, so that policy can decide about them. Nothing else in it is read.
//!
//! The grammar is that of the Dockerfile reference: instructions in any case, `\` at the end of a line, `ARG` before the
//! first `FROM` with its default.

use std::collections::BTreeMap;

/// The image that is none.
const SCRATCH: &str = "scratch";

/// The images that a Dockerfile names: those of `FROM`, of `--from=` and of the mounts of `RUN`; without its own stages.
pub(super) fn base_images(text: &str) -> Vec<String> {
    let (mut args, mut stages, mut images) = (BTreeMap::new(), Vec::new(), Vec::new());
    for line in logical_lines(text) {
        let mut words = line.split_whitespace();
        let instruction = words.next().unwrap_or_default().to_ascii_uppercase();
        let words: Vec<&str> = words.collect();
        match instruction.as_str() {
            "ARG" if stages.is_empty() && images.is_empty() => {
                if let Some((name, value)) = words.first().and_then(|word| word.split_once('=')) {
                    args.insert(name.to_owned(), value.trim_matches(['"', '\'']).to_owned());
                }
            }
            "FROM" => {
                let mut rest = words.iter().filter(|word| !word.starts_with("--"));
                let image = substitute(rest.next().copied().unwrap_or_default(), &args);
                if image != SCRATCH && !stages.contains(&image) {
                    images.push(image);
                }
                if rest.next().is_some_and(|word| word.eq_ignore_ascii_case("as"))
                    && let Some(name) = rest.next()
                {
                    stages.push((*name).to_owned());
                }
            }
            _ => {
                let named = words.iter().filter_map(|word| from_of(word)).map(|name| substitute(name, &args));
                let is_stage = |name: &String| stages.contains(name) || name.parse::<u32>().is_ok();
                images.extend(named.filter(|name| !is_stage(name) && name != SCRATCH));
            }
        }
    }
    images.dedup();
    images
}

/// The image or stage that an argument takes something from: `--from=x`, `--mount=type=bind,from=x`.
fn from_of(word: &str) -> Option<&str> {
    if let Some(name) = word.strip_prefix("--from=") {
        return Some(name);
    }
    let mount = word.strip_prefix("--mount=")?;
    mount.split(',').find_map(|field| field.strip_prefix("from="))
}

/// Lines without comments, those that end with `\` joined with the next.
fn logical_lines(text: &str) -> Vec<String> {
    let (mut lines, mut open) = (Vec::new(), String::new());
    for line in text.lines().filter(|line| !line.trim_start().starts_with('#')) {
        match line.trim_end().strip_suffix('\\') {
            Some(begun) => {
                open.push_str(begun);
                open.push(' ');
            }
            None => {
                open.push_str(line);
                lines.push(std::mem::take(&mut open));
            }
        }
    }
    lines.push(open);
    lines
}

/// Puts in the defaults of arguments: `$NAME`, `${NAME}`. What is not known stays, and is then no image.
fn substitute(text: &str, args: &BTreeMap<String, String>) -> String {
    let mut out = text.to_owned();
    for (name, value) in args.iter().rev() {
        out = out.replace(&format!("${{{name}}}"), value).replace(&format!("${name}"), value);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_image_that_is_named_is_found() {
        let text = "# syntax\nARG VERSION=3.20\narg HOST=\"ghcr.io\"\nFROM --platform=linux/amd64 alpine:${VERSION} AS build\n\
                    RUN --mount=type=bind,from=docker.io/tools:1,target=/t \\\n  make\n\
                    from $HOST/base\nCOPY --from=build /a /b\nCOPY --from=0 /a /b\nCOPY --from=quay.io/x/y /a /b\n\
                    FROM build\nFROM scratch\nRUN echo FROM nowhere\n";
        assert_eq!(base_images(text), ["alpine:3.20", "docker.io/tools:1", "ghcr.io/base", "quay.io/x/y"]);
        assert_eq!(base_images("FROM $UNKNOWN"), ["$UNKNOWN"]);
        assert_eq!(base_images("FR\\\nOM x"), Vec::<String>::new());
        assert_eq!(base_images(""), Vec::<String>::new());
    }
}
