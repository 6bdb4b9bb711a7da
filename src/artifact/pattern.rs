//! Patterns of paths: `*` and `?` within a name, `**` for any folders. As in a shell, they do not match names that begin
//! with a dot, unless the pattern has the dot.

/// A pattern, by its parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pattern(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    /// `**`
    Folders,
    Name(String),
}

impl Pattern {
    /// Reads a pattern without `.`, `..` and empty parts.
    pub(super) fn new(text: &str) -> Self {
        let mut parts: Vec<Part> = Vec::new();
        for part in text.split('/') {
            let part = if part == "**" { Part::Folders } else { Part::Name(part.to_owned()) };
            // Several in a row are one.
            if part != Part::Folders || parts.last() != Some(&Part::Folders) {
                parts.push(part);
            }
        }
        if parts.last() == Some(&Part::Folders) {
            parts.push(Part::Name("*".to_owned()));
        }
        Self(parts)
    }

    /// Whether a text has what is special in a pattern.
    pub(super) fn is_one(text: &str) -> bool {
        text.contains(['*', '?'])
    }

    /// The folder that everything is in that the pattern matches.
    pub(super) fn base(text: &str) -> &str {
        let special = text.find(['*', '?']).unwrap_or(text.len());
        let fixed = text.get(..special).unwrap_or_default();
        fixed.rfind('/').and_then(|end| fixed.get(..end)).unwrap_or_default()
    }

    /// Whether a path matches. The cost is at most that of each part with each name, whatever the pattern.
    pub(super) fn matches(&self, path: &str) -> bool {
        // Which beginnings of the pattern match what was read of the path.
        let mut states = vec![false; self.0.len() + 1];
        self.reach(0, &mut states);
        for name in path.split('/') {
            let mut next = vec![false; self.0.len() + 1];
            for (state, part) in self.0.iter().enumerate().filter(|(state, _)| is_set(&states, *state)) {
                let (to, is_match) = match part {
                    Part::Folders => (state, !name.starts_with('.')),
                    Part::Name(pattern) => (state + 1, name_matches(pattern, name)),
                };
                if is_match {
                    self.reach(to, &mut next);
                }
            }
            states = next;
        }
        is_set(&states, self.0.len())
    }

    /// Marks a state, and the one behind `**`, which may stand for nothing.
    fn reach(&self, state: usize, states: &mut [bool]) {
        let skips = self.0.get(state) == Some(&Part::Folders);
        for slot in states.iter_mut().skip(state).take(1 + usize::from(skips)) {
            *slot = true;
        }
    }
}

fn is_set(states: &[bool], at: usize) -> bool {
    states.get(at).copied().unwrap_or(false)
}

/// Whether a name matches a part of a pattern. Goes back to the last `*` only, so that no pattern is slow.
fn name_matches(pattern: &str, name: &str) -> bool {
    if name.starts_with('.') && !pattern.starts_with('.') {
        return false;
    }
    let (pattern, name): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
    let (mut at, mut read) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while let Some(c) = name.get(read) {
        match pattern.get(at) {
            Some('*') => {
                star = Some((at, read));
                at += 1;
            }
            Some(p) if *p == '?' || p == c => (at, read) = (at + 1, read + 1),
            _ => match star {
                Some((place, from)) => {
                    star = Some((place, from + 1));
                    (at, read) = (place + 1, from + 1);
                }
                None => return false,
            },
        }
    }
    pattern.iter().skip(at).all(|p| *p == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_in_a_shell() {
        for (pattern, yes, no) in [
            ("*.xml", &["a.xml", "é.xml"][..], &["a/b.xml", ".a.xml", "a.xm", "xml"][..]),
            ("**/*.xml", &["a.xml", "a/b/c.xml"], &["a/.git/c.xml", "a/b.txt", ".a/b.xml"]),
            ("a/**", &["a/b", "a/b/c"], &["a", "b/a", "a/.x"]),
            ("a/**/b", &["a/b", "a/x/b", "a/x/y/b"], &["a/bb", "b"]),
            ("a/*/c?", &["a/b/cd"], &["a/cd", "a/b/c", "a/b/x/cd"]),
            (".git/*", &[".git/config"], &["git/config"]),
            ("**/**", &["a", "a/b"], &[".a"]),
            ("*a*b*", &["ab", "xaxbx"], &["ba"]),
        ] {
            let matcher = Pattern::new(pattern);
            for path in yes {
                assert!(matcher.matches(path), "{pattern} {path}");
            }
            for path in no {
                assert!(!matcher.matches(path), "{pattern} {path}");
            }
        }
        assert_eq!(Pattern::base("target/reports/*.xml"), "target/reports");
        assert_eq!((Pattern::base("*.xml"), Pattern::base("a*/b"), Pattern::base("**/a")), ("", "", ""));
    }

    #[test]
    fn no_pattern_is_slow() {
        let pattern = Pattern::new(&format!("{}b", "*a".repeat(400)));
        let deep = Pattern::new(&format!("{}b", "**/a/".repeat(150)));
        let begin = std::time::Instant::now();
        assert!(!pattern.matches(&"a".repeat(250)));
        assert!(!deep.matches(&["a"; 200].join("/")));
        assert!(begin.elapsed().as_secs() < 20, "{:?}", begin.elapsed());
    }
}
