//! Deep and odd trees: in a workspace and in a commit. Whatever is there, the server and the
//! commands answer, the next push runs, and nothing outside is written or removed.

mod commits;
mod ground;
mod run_folder;
mod workspace;
