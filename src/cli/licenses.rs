//! `quire --licenses`: the notices of what is in the binary.

use super::exit::{Code, Ended, print};

/// The notices, with a list of the parts first.
const NOTICES: [&str; 8] = [
    include_str!("../../THIRD-PARTY.md"),
    include_str!("../../docs/licenses/fennel.txt"),
    include_str!("../../docs/licenses/lua.txt"),
    include_str!("../../docs/licenses/libgit2.txt"),
    include_str!("../../docs/licenses/ring.txt"),
    include_str!("../../docs/licenses/sqlite.txt"),
    include_str!("../../docs/licenses/sublime-packages.txt"),
    include_str!("../../docs/licenses/zlib.txt"),
];

pub(super) fn show() -> Ended {
    print(&NOTICES.join("\n"));
    Ok(Code::Done)
}
