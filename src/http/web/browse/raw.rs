//! Files, archives and patches as they are. Whatever a browser could run is sent as text or as a download, without a script's
//! rights.

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use tokio::time::timeout;

use super::place::{Place, hidden, set_tag};
use crate::app::{ExpensivePass, Problem, browse};
use crate::forge::browse::{
    ArchiveFormat, GitOutput, PatchFormat, RawBlob, archive as git_archive, patch as git_patch, raw_blob,
    stream_blob,
};
use crate::http::etag::is_known;
use crate::http::problem::Refused;
use crate::http::stream::{BodyParts, streamed};
use crate::http::web::ask::Ask;
use crate::http::web::no_page;
use crate::model::{percent_decoded_bytes, percent_encoded, percent_encoded_path};

/// The most that is read from git before the client has taken it, in bytes.
const PART: usize = 256 << 10;

/// How long a client may take for such a part before others have its place, and at most.
const SOON: Duration = Duration::from_millis(100);
const SLOWEST: Duration = Duration::from_secs(30);

/// How many bytes of a file decide whether it is text, as in git.
const LOOKED_AT: usize = 8_000;

/// Pictures that a page of a repository may show: how their files begin. SVG is a document, and no picture here.
const PICTURES: [(&[u8], &str); 4] = [
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
    (b"RIFF", "image/webp"),
];

const TEXT: &str = "text/plain; charset=utf-8";

/// `GET /{repo}/raw/{rev}/{path}`
pub(super) async fn file(ask: &Ask) -> Result<Response, Refused> {
    let place = Place::of(ask).await?;
    let (commit, path) = (place.commit(), place.path.clone());
    let read = place.repo.read(&ask.app, move |git, _| raw_blob(git, commit, &path));
    let (id, blob) = read.await?;
    let tag = format!("\"{id}\"");
    if place.repo.is_public && is_known(&ask.parts.headers, &tag) {
        let mut answer = StatusCode::NOT_MODIFIED.into_response();
        set_tag(&mut answer, &tag);
        return Ok(hidden(place.keep_for_good(answer)));
    }
    let name = place.path.split().map(|(_, name)| name.to_vec()).unwrap_or_default();
    let mut answer = match blob {
        RawBlob::Whole(bytes) => {
            let (media_type, is_text) = type_of(&bytes);
            document(media_type, (!is_text).then_some(name.as_slice()), Body::from(bytes))
        }
        RawBlob::Large { size } => {
            let (pass, git_dir) = (ask.app.browsing.enter().await?, place.repo.git_dir.clone());
            let output = ask.app.block(move || Ok(stream_blob(&git_dir, id)?)).await?;
            let body = stream(pass, output).await?;
            let mut answer = document("application/octet-stream", Some(&name), body);
            answer.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(size));
            answer
        }
    };
    if place.repo.is_public {
        set_tag(&mut answer, &tag);
    }
    Ok(hidden(place.keep_for_good(answer)))
}

/// `GET /{repo}/archive/{rev}.tar.gz`, or `.zip`.
pub(super) async fn archive(ask: &Ask) -> Result<Response, Refused> {
    let repo = browse(&ask.app, &ask.caller, &ask.address.repo).await?;
    let address = percent_decoded_bytes(&ask.address.rest);
    let formats = [ArchiveFormat::TarGz, ArchiveFormat::Zip];
    let is_meant = |format: &ArchiveFormat| address.ends_with(format!(".{}", format.extension()).as_bytes());
    let format = formats.into_iter().find(is_meant).ok_or_else(no_page)?;
    let name = address.get(..address.len() - format.extension().len() - 1).unwrap_or_default().to_vec();
    let place = Place::named(ask, repo, name).await?;
    let folder = archive_name(&place);
    let pass = ask.app.browsing.enter().await?;
    let (git_dir, commit, prefix) = (place.repo.git_dir.clone(), place.commit(), folder.clone());
    let output = ask.app.block(move || Ok(git_archive(&git_dir, commit, format, &prefix)?)).await?;
    let file = format!("{folder}.{}", format.extension());
    let answer = document(format.media_type(), Some(file.as_bytes()), stream(pass, output).await?);
    Ok(hidden(place.keep_for_good(answer)))
}

/// The address of the archive of a revision.
pub(super) fn archive_href(place: &Place) -> String {
    format!("/{}/archive/{}.tar.gz", place.name(), percent_encoded_path(&place.revision.name))
}

/// The name of the folder in an archive: letters, digits and a few signs.
fn archive_name(place: &Place) -> String {
    let text = format!("{}-{}", place.name(), String::from_utf8_lossy(&place.revision.name));
    let safe = |c: char| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '-' };
    let name: String = text.chars().map(safe).take(200).collect();
    // The name of a repository begins with a letter or a digit.
    name.replace("..", "-")
}

/// A commit as a patch.
pub(super) async fn patch(ask: &Ask, place: &Place, format: PatchFormat) -> Result<Response, Refused> {
    let pass = ask.app.browsing.enter().await?;
    let (git_dir, commit) = (place.repo.git_dir.clone(), place.commit());
    let output = ask.app.block(move || Ok(git_patch(&git_dir, commit, format)?)).await?;
    Ok(hidden(place.keep_for_good(document(TEXT, None, stream(pass, output).await?))))
}

/// What a file is sent as, and whether it is text.
fn type_of(bytes: &[u8]) -> (&'static str, bool) {
    let picture = PICTURES.iter().find(|(beginning, _)| bytes.starts_with(beginning));
    match picture {
        Some((_, media_type)) => (media_type, false),
        None if bytes.iter().take(LOOKED_AT).any(|byte| *byte == 0) => ("application/octet-stream", false),
        None => (TEXT, true),
    }
}

/// An answer that no browser runs; with a name it is a download.
fn document(media_type: &'static str, name: Option<&[u8]>, body: Body) -> Response {
    let head = [
        (header::CONTENT_TYPE, media_type),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; sandbox; frame-ancestors 'none'"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    let mut answer = (head, body).into_response();
    if let Some(name) = name {
        let name = percent_encoded(&String::from_utf8_lossy(name));
        let disposition = format!("attachment; filename*=UTF-8''{name}");
        // What is percent-encoded is a header.
        answer
            .headers_mut()
            .extend(HeaderValue::from_str(&disposition).map(|value| (header::CONTENT_DISPOSITION, value)));
    }
    answer
}

/// What git writes, as a body. Git waits while its client does, and ends when that is gone or too slow; then the answer breaks off.
async fn stream(mut pass: ExpensivePass, output: GitOutput) -> Result<Body, Problem> {
    let (output, first) = read_part(output).await?;
    Ok(streamed(|parts| async move {
        if let Err(problem) = send_all(&parts, &mut pass, (output, first)).await {
            // The place is free for others: this waits for the client.
            drop(pass);
            parts.fail(&problem).await;
        }
    }))
}

async fn send_all(
    parts: &BodyParts,
    pass: &mut ExpensivePass,
    (mut output, mut part): (GitOutput, Vec<u8>),
) -> Result<(), Problem> {
    while !part.is_empty() {
        let mut sending = Box::pin(parts.send(Bytes::from(part)));
        let sent = match timeout(SOON, &mut sending).await {
            Ok(sent) => sent,
            Err(_) => {
                pass.pause();
                let sent = timeout(SLOWEST, sending).await.map_err(|elapsed| Problem::failed(&elapsed))?;
                pass.resume().await?;
                sent
            }
        };
        if !sent {
            return Ok(());
        }
        (output, part) = read_part(output).await?;
    }
    Ok(())
}

/// The next part of what git writes.
async fn read_part(mut output: GitOutput) -> Result<(GitOutput, Vec<u8>), Problem> {
    let read = tokio::task::spawn_blocking(move || output.read(PART).map(|part| (output, part))).await;
    read.map_err(|error| Problem::failed(&error))?.map_err(|error| Problem::failed(&error))
}
