//! What a pipeline wrote about a container, as a request that policy can decide about.

use std::path::{Path, PathBuf};

use crate::model::parse_size;
use crate::policy::{ContainerRequest, Cpus, ImageRef, MountRequest};
use crate::script::ContainerOptions;

/// Reads what a job or service asks for. Blocking: the folders of its mounts are looked at.
///
/// # Errors
/// Says what makes no sense.
pub(crate) fn request(
    subject: &str,
    image: ImageRef,
    options: &ContainerOptions,
) -> Result<ContainerRequest, String> {
    let mut request = ContainerRequest::new(subject, image);
    if let Some(network) = &options.network {
        request.network.clone_from(network);
    }
    request.cpus = options.cpus.as_deref().map(Cpus::parse).transpose().map_err(|error| error.to_string())?;
    let memory = options.memory.as_deref().map(parse_size).transpose();
    request.memory = memory.map_err(|error| error.to_string())?;
    request.pids = options.pids;
    request.mounts = options.mounts.iter().map(|text| mount(text)).collect::<Result<_, _>>()?;
    request.user.clone_from(&options.user);
    request.rootfs_writable = options.rootfs_writable;
    request.env_inheritance = options.env_inheritance;
    request.caps.clone_from(&options.caps);
    request.privileged.clone_from(&options.privileged);
    // As tables of a script have no order: the same request is shown the same way.
    request.privileged.sort();
    Ok(request)
}

/// Reads `SOURCE:TARGET` or `SOURCE:TARGET:ro`.
fn mount(text: &str) -> Result<MountRequest, String> {
    let wrong = |what: &str| {
        Err(format!("the mount `{text}` {what}; write it as \"/folder:/place\" or with \":ro\""))
    };
    let parts: Vec<&str> = text.split(':').collect();
    let (source, target, writable) = match parts.as_slice() {
        [source, target] | [source, target, "rw"] => (*source, *target, true),
        [source, target, "ro"] => (*source, *target, false),
        _ => return wrong("is not understood"),
    };
    if !source.starts_with('/') {
        return wrong("does not name a host folder (the workspace is already at /work)");
    }
    if !is_inside(target) {
        return wrong("has a mount point that is not allowed");
    }
    // Where it leads decides, not how it is written; what is not there leads where it says.
    let source = Path::new(source).canonicalize().unwrap_or_else(|_| PathBuf::from(source));
    Ok(MountRequest { source, target: PathBuf::from(target), writable })
}

/// Whether something may be mounted there: an absolute path without detours that hides nothing of quire's.
fn is_inside(target: &str) -> bool {
    let path = Path::new(target);
    let is_plain = path.components().skip(1).all(|part| matches!(part, std::path::Component::Normal(_)));
    let is_ours = ["/work", "/run", "/tmp", "/proc", "/sys", "/dev", "/etc"]
        .iter()
        .any(|taken| path.starts_with(taken));
    path.is_absolute() && path.components().count() > 1 && is_plain && !is_ours
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(mounts: &[&str]) -> Result<ContainerRequest, String> {
        let options = ContainerOptions {
            mounts: mounts.iter().map(|mount| (*mount).to_owned()).collect(),
            cpus: Some("500m".to_owned()),
            memory: Some("64m".to_owned()),
            ..ContainerOptions::default()
        };
        request("job", ImageRef::parse("x").unwrap(), &options)
    }

    #[test]
    fn mounts_lead_where_their_links_lead() {
        let folder = tempfile::tempdir().unwrap();
        let link = folder.path().join("link");
        std::os::unix::fs::symlink("/etc", &link).unwrap();
        let request = asked(&[&format!("{}:/c:ro", link.display())]).unwrap();
        assert_eq!(request.mounts[0].source, Path::new("/etc"));
        assert!(!request.mounts[0].writable);
        assert_eq!((request.memory, request.cpus.unwrap().milli()), (Some(64 << 20), 500));
    }

    #[test]
    fn mounts_that_make_no_sense_are_refused() {
        for text in [
            "/etc",
            "/etc:/c:xx",
            "etc:/c",
            "/etc:c",
            "/etc:/",
            "/etc:/a/../b",
            "/etc:/work/x",
            "/etc:/dev",
            "",
        ] {
            let problem = asked(&[text]).unwrap_err();
            assert!(problem.contains(&format!("the mount `{text}`")), "{problem}");
        }
        assert_eq!(asked(&["/no/such/folder:/c"]).unwrap().mounts[0].source, Path::new("/no/such/folder"));
    }
}
