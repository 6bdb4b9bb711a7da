use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use super::*;

/// How long the server may take to say something.
const PATIENCE: Duration = Duration::from_secs(40);

fn options(folder: &std::path::Path) -> ServeOptions {
    ServeOptions {
        data: DataDir::new(folder.join("data")),
        bind: Some(Bind::Nothing),
        additions: Additions::default(),
        shows_output: false,
        has_socket: true,
        supervisor: Supervisor::at(folder.join("notify").as_os_str()),
        binary: PathBuf::from("/bin/true"),
        environment: Vec::new(),
        profiles: StartProfiles::default(),
        routes: crate::http::PublicRoutes::default(),
        sources: SourceRules::default(),
    }
}

/// Serves until the task has ended that is started when the server is ready.
fn serve_with_task(task: impl Future<Output = ()> + Send + 'static) -> ServeError {
    let folder = tempfile::tempdir().unwrap();
    let supervisor = UnixDatagram::bind(folder.path().join("notify")).unwrap();
    supervisor.set_read_timeout(Some(PATIENCE)).unwrap();
    let (options, tasks) = (options(folder.path()), Tasks::default());
    let lock = options.data.server_lock();
    let serving = std::thread::spawn({
        let tasks = tasks.clone();
        move || serve_with(options, tasks)
    });
    let mut said = [0; 256];
    let length = supervisor.recv(&mut said).unwrap();
    assert!(said[..length].starts_with(b"READY=1"));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
    let entered = runtime.enter();
    tasks.spawn_lasting("the queue", task);
    let error = serving.join().unwrap().unwrap_err();
    drop(entered);
    assert!(LockFile::try_acquire(&lock).unwrap().is_some(), "the data folder is free for the next server");
    error
}

#[test]
fn a_server_ends_with_an_error_when_one_of_its_tasks_panics() {
    let error = serve_with_task(async { panic!("no such row") });
    assert_eq!(chain(&error), "the server cannot continue: the queue has failed: no such row");
}

#[test]
fn a_server_ends_with_an_error_when_a_task_ends_that_must_last() {
    let error = serve_with_task(async {});
    assert_eq!(chain(&error), "the server cannot continue: the queue has ended");
}
