//! `init`: a job folder to begin with.

use std::fs;
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Component, Path};

use crate::cli::exit::{Code, Ended, Failure, print};
use crate::view::plain;

/// Makes `scripts/PATH` for bash, or for PowerShell.
pub(super) fn make(kind: &str, path: &str) -> Ended {
    let (interpreter, end, variables, function, script) = match kind {
        "bash" => (
            "bash",
            "sh",
            "EXAMPLE=value\n",
            "greet() { echo \"hello $1\"; }\n",
            "greet \"$name ($EXAMPLE)\"\n",
        ),
        "ps" => (
            "pwsh",
            "ps1",
            "$Example = 'value'\n",
            "function Greet($Name) { \"hello $Name\" }\n",
            "Greet \"$name ($Example)\"\n",
        ),
        other => {
            let wrong = format!("`{}` is neither bash nor ps", plain(other));
            return Err(Failure::new(Code::Usage, wrong).hint("flwd init bash PATH"));
        }
    };
    let is_below = |part: Component<'_>| matches!(part, Component::Normal(_));
    if path.is_empty() || !Path::new(path).components().all(is_below) {
        let wrong = format!("`{}` is not a path below scripts/", plain(path));
        return Err(Failure::new(Code::Usage, wrong).hint("flwd init bash ops/backup"));
    }
    let folder = Path::new("scripts").join(path);
    let config = format!(
        "interpreter: {interpreter}\nargspec:\n  args:\n    - {{name: name, default: you, description: Who is greeted}}\n"
    );
    let files = [
        ("config.d/config.yaml".to_owned(), config.as_str()),
        (format!("config.d/vars/example.{end}"), variables),
        (format!("config.d/libs/common.{end}"), function),
        ("000_main".to_owned(), script),
    ];
    for (name, text) in files {
        let file = folder.join(name);
        write_new(&file, text).map_err(|error| {
            Failure::new(Code::Broken, format!("could not make {}: {error}", file.display()))
        })?;
        print(&format!("{}\n", file.display()));
    }
    Ok(Code::Done)
}

/// Writes a file that is not there yet.
fn write_new(file: &Path, text: &str) -> io::Result<()> {
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut options = fs::OpenOptions::new();
    let mut new = options.write(true).create_new(true).mode(0o755).open(file)?;
    io::Write::write_all(&mut new, text.as_bytes())
}
