//! Scripts that make a shell ask `__complete`.

/// The shells that have one.
pub(crate) const SHELLS: [&str; 4] = ["bash", "fish", "powershell", "zsh"];

/// The script for a shell; nothing when there is none. It knows no job: what it completes is found each time.
pub(crate) fn script(shell: &str, program: &str) -> Option<String> {
    let text = match shell {
        "bash" => include_str!("bash.sh"),
        "zsh" => include_str!("zsh.zsh"),
        "fish" => include_str!("fish.fish"),
        "powershell" => include_str!("powershell.ps1"),
        _ => return None,
    };
    Some(text.replace("@program@", program))
}
