//! What a container may be asked to be: the options of `(container …)`, of a job with `:image`, and of a service.

use super::host::Command;
use crate::model::{Diagnostic, Quoted};
use crate::schema::pipeline::SERVICE;
use crate::schema::{Fields, Node, Status, Value};

/// When an image is pulled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Pull {
    /// When it is not here.
    #[default]
    Missing,
    /// Each time, so that a tag is what it is now.
    Always,
    /// Not at all.
    Never,
}

/// The options of a container. Nothing is granted by being asked for here: policy decides.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ContainerOptions {
    /// Declared secrets that it gets as files.
    pub(crate) secrets: Vec<String>,
    /// The user in it: `1000`, `1000:1000` or a name of the image's.
    pub(crate) user: Option<String>,
    /// Its network; none by default.
    pub(crate) network: Option<String>,
    /// Memory, as written: `512MiB`, `512m`, or bytes.
    pub(crate) memory: Option<String>,
    /// Processors, as written: `1.5`, `500m`.
    pub(crate) cpus: Option<String>,
    /// Processes.
    pub(crate) pids: Option<u32>,
    /// Folders of the host, as `SOURCE:TARGET` or `SOURCE:TARGET:ro`.
    pub(crate) mounts: Vec<String>,
    /// When its image is pulled.
    pub(crate) pull: Pull,
    /// Capabilities that it is to keep.
    pub(crate) caps: Vec<String>,
    /// Whether its file system is to be writable.
    pub(crate) rootfs_writable: bool,
    /// Whether it is to have the variables that the operator passes to steps on the host.
    pub(crate) env_inheritance: bool,
    /// What would open the host to it, each as it was asked for: `privileged`, `pid=host`.
    pub(crate) privileged: Vec<String>,
    /// What runs next to it.
    pub(crate) services: Vec<Service>,
}

/// A container that runs next to a job and ends with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// Its name, which is also its host name.
    pub(crate) name: String,
    pub(crate) image: String,
    /// What it runs instead of what the image says.
    pub(crate) command: Option<Command>,
    /// A command that exits with 0 when it is ready.
    pub(crate) health: Option<Command>,
    /// Variables.
    pub(crate) env: Vec<(String, Vec<u8>)>,
    /// Everything else.
    pub(crate) options: ContainerOptions,
}

/// The most services of a job.
const MAX_SERVICES: usize = 16;

impl ContainerOptions {
    /// Reads the options of a container among those of a job, a step or a service.
    pub(crate) fn read(fields: &Fields<'_>) -> Self {
        let is_service = std::ptr::eq(fields.options(), &raw const SERVICE);
        Self {
            secrets: fields.texts("secrets"),
            user: fields.text_or_number("user"),
            network: fields.text("network"),
            memory: fields.text_or_number("memory"),
            cpus: fields.text_or_number("cpus"),
            pids: fields.count("pids"),
            mounts: fields.texts("mounts"),
            pull: match fields.word("pull") {
                Some("always") => Pull::Always,
                Some("never") => Pull::Never,
                Some(_) | None => Pull::Missing,
            },
            caps: fields.texts("caps"),
            rootfs_writable: fields.flag("rootfs-writable").unwrap_or_default(),
            env_inheritance: fields.flag("env-inheritance").unwrap_or_default(),
            privileged: requests(fields),
            services: if is_service { Vec::new() } else { services(fields) },
        }
    }
}

/// What would open the host, in the words in which it was asked for.
fn requests(fields: &Fields<'_>) -> Vec<String> {
    let mut asked = Vec::new();
    for (key, value) in fields.pairs() {
        let Ok(name) = key.as_str() else { continue };
        if fields.options().find(name).is_some_and(|field| field.status == Status::Privileged) {
            request(name, value, &mut asked);
        }
    }
    asked
}

fn request(name: &str, value: &Node, asked: &mut Vec<String>) {
    match &value.value {
        Value::Bool(false) => {}
        Value::String(text) => asked.push(format!("{name}={text}")),
        Value::List(items) => items.iter().for_each(|item| request(name, item, asked)),
        Value::Bool(true)
        | Value::Number(_)
        | Value::Table(_)
        | Value::Bytes(_)
        | Value::Nil
        | Value::Other(_) => asked.push(name.to_owned()),
    }
}

fn services(fields: &Fields<'_>) -> Vec<Service> {
    let named = fields.entries("services");
    if named.len() > MAX_SERVICES {
        let message = format!("there are {} services, and a job has at most {MAX_SERVICES}", named.len());
        fields.refuse_option("services", message, "start some of them in a script of one service");
    }
    named.iter().filter_map(|(name, value)| service(fields, name, value)).collect()
}

fn service(fields: &Fields<'_>, key: &Node, value: &Node) -> Option<Service> {
    let name = fields.value("services", host_name(key))?;
    let of = format!("the service `{name}`");
    if let Value::String(image) = &value.value {
        let options = ContainerOptions::default();
        let image = match image.as_str() {
            "" => Err(value.error("the string must not be empty")),
            image => Ok(image.to_owned()),
        };
        let image = fields.value("services", image)?;
        return Some(Service { name, image, command: None, health: None, env: Vec::new(), options });
    }
    let service = fields.inner(value, of.clone(), &SERVICE)?;
    if service.get("image").is_none() {
        service.refuse(format!("{of} has no `:image`"), SERVICE.example);
    }
    let options = ContainerOptions::read(&service);
    Some(Service {
        name,
        image: service.text("image")?,
        command: service.read("cmd", Command::read),
        health: service.read("health", Command::read),
        env: service.variables("env"),
        options,
    })
}

fn host_name(key: &Node) -> Result<String, Diagnostic> {
    let name = key.as_str()?;
    let is_host_name = !name.is_empty()
        && name.len() <= 63
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
        && !name.starts_with('-')
        && !name.ends_with('-');
    let wrong = || key.error(format!("{} is not a host name, which a service needs", Quoted::new(name)));
    if is_host_name {
        Ok(name.to_owned())
    } else {
        Err(wrong().help("use 1 to 63 lower-case letters, digits and `-`"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::Mistakes;
    use crate::schema::pipeline::CONTAINER;
    use crate::script::lua_node;

    fn read(code: &str) -> Result<ContainerOptions, String> {
        let node = lua_node::read(&mlua::Lua::new().load(code).eval().unwrap());
        let mistakes = Mistakes::default();
        let options =
            Fields::open(&node, &CONTAINER, &mistakes).map(|fields| ContainerOptions::read(&fields));
        match mistakes.into_text() {
            None => Ok(options.unwrap()),
            Some(wrong) => Err(wrong),
        }
    }

    #[test]
    fn options_are_read() {
        let options = read(
            "return {secrets = {'a'}, user = 1000, network = 'bridge', memory = '512m', cpus = 1.5, pids = 64,
                     mounts = {'/srv/c:/c:ro'}, pull = 'always', caps = {'CHOWN'}, ['rootfs-writable'] = true,
                     services = {db = {image = 'pg:17', cmd = {'x', 'y'}, health = 'true', env = {A = 1}},
                                 cache = 'redis'}}",
        )
        .unwrap();
        assert_eq!(options.user.as_deref(), Some("1000"));
        assert_eq!((options.memory.as_deref(), options.cpus.as_deref()), (Some("512m"), Some("1.5")));
        assert_eq!((options.pull, options.pids), (Pull::Always, Some(64)));
        let [cache, db] = options.services.as_slice() else { panic!("{options:?}") };
        assert_eq!((cache.name.as_str(), cache.image.as_str()), ("cache", "redis"));
        assert_eq!(db.command, Some(Command::Argv(vec![b"x".to_vec(), b"y".to_vec()])));
        assert_eq!(db.env, [("A".to_owned(), b"1".to_vec())]);
    }

    #[test]
    fn what_would_open_the_host_is_kept_as_a_request() {
        let options = read(
            "return {privileged = true, pid = 'host', devices = {'/dev/kvm', '/dev/fuse'}, ipc = false,
                     ['extra-args'] = {'--privileged'}}",
        )
        .unwrap();
        assert_eq!(
            options.privileged,
            ["devices=/dev/kvm", "devices=/dev/fuse", "extra-args=--privileged", "pid=host", "privileged"]
        );
    }

    #[test]
    fn mistakes_are_named() {
        for (code, problem) in [
            ("return {memory = true}", "`:memory` of `container`: expected a string or a number, got `true`"),
            (
                "return {pids = 1.5}",
                "`:pids` of `container`: expected a whole number from 1 to 4194304, got the number 1.5",
            ),
            ("return {pull = 'alwyas'}", "got `alwyas`; did you mean `:always`?"),
            ("return {secrets = 'token'}", "`:secrets` of `container`: expected a list, got a string"),
            ("return {mounts = {''}}", "`:mounts` of `container`: the string must not be empty"),
            ("return {services = {['my_db'] = 'x'}}", "`my_db` is not a host name, which a service needs"),
            ("return {services = {db = {cmd = 'x'}}}", "the service `db` has no `:image`"),
            (
                "return {services = {db = {image = 'x', imge = 'y'}}}",
                "unknown option `:imge` of the service `db`; did you mean `:image`?",
            ),
            ("return {services = {db = {image = 'x', services = {}}}}", "no services of its own"),
            (
                "return {services = {db = {image = 'x', env = {A = {}}}}}",
                "`:env` of the service `db`: `A`: expected a string or a number, got a table",
            ),
            ("return {network = 7}", "`:network` of `container`: expected a string, got the number 7"),
        ] {
            let found = read(code).unwrap_err();
            assert!(found.contains(problem), "{code}: {found}");
        }
    }
}
