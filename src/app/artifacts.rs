//! The artifacts of a run: listed, and opened.

use std::fs::File;

use super::problem::{Code, Problem};
use super::runs::expect_readable;
use super::state::AppState;
use crate::artifact::ArtifactStore;
use crate::journal::ArtifactRecord;
use crate::model::Quoted;
use crate::store::RunRow;
use crate::sys::clock;
use crate::view::ArtifactShape;

/// The artifacts that a run has now, in the order in which they were kept.
///
/// # Errors
/// When the record of the run cannot be read.
pub(crate) async fn list_artifacts(app: &AppState, row: RunRow) -> Result<Vec<ArtifactShape>, Problem> {
    let view = app.view(row).await;
    expect_readable(&view)?;
    Ok(ArtifactShape::all_of(&view.record, clock::now()))
}

/// An artifact and its file.
///
/// # Errors
/// When the run has none of this name, or the file was removed.
pub(crate) async fn open_artifact(
    app: &AppState,
    row: RunRow,
    path: &str,
) -> Result<(ArtifactShape, File), Problem> {
    let name = format!("{}#{}", row.repo, row.number);
    let run_dir = app.data.run(&row.repo, row.number);
    let view = app.view(row).await;
    expect_readable(&view)?;
    let found = view.record.artifacts.iter().find(|(_, artifact)| *artifact.path == *path);
    let Some((job, artifact)) = found else {
        let text = format!("{name} has no artifact {}", Quoted::new(path));
        return Err(
            Problem::new(Code::ArtifactNotFound, text).hint(format!("quire artifacts '{name}' lists them"))
        );
    };
    let shown = Quoted::new(path);
    let gone = move |why: &str| Problem::new(Code::ArtifactGone, format!("the artifact {shown} {why}"));
    if artifact.has_expired(clock::now()) {
        return Err(gone("has expired"));
    }
    let shape = ArtifactShape::of(job, artifact);
    let ArtifactRecord { sha256, size_bytes, .. } = artifact.clone();
    let opened = app.block(move || {
        let file = ArtifactStore::of(&run_dir).open(&sha256).map_err(|_| gone("was removed"))?;
        let length = file.metadata().map_err(|error| Problem::failed(&error))?.len();
        if length == size_bytes { Ok(file) } else { Err(gone("is not as it was kept")) }
    });
    Ok((shape, opened.await?))
}
