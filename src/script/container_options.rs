//! What a container may be asked to be: the options of `(container …)`, of a job with `:image`, and of a service.

use super::host::Command;
use super::option_value::OptionValue;
use crate::model::{Quoted, suggest};

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
    pub secrets: Vec<String>,
    /// The user in it: `1000`, `1000:1000` or a name of the image's.
    pub user: Option<String>,
    /// Its network; none by default.
    pub network: Option<String>,
    /// Memory, as written: `512MiB`, `512m`, or bytes.
    pub memory: Option<String>,
    /// Processors, as written: `1.5`, `500m`.
    pub cpus: Option<String>,
    /// Processes.
    pub pids: Option<u32>,
    /// Folders of the host, as `SOURCE:TARGET` or `SOURCE:TARGET:ro`.
    pub mounts: Vec<String>,
    /// When its image is pulled.
    pub pull: Pull,
    /// Capabilities that it is to keep.
    pub caps: Vec<String>,
    /// Whether its file system is to be writable.
    pub rootfs_writable: bool,
    /// What would open the host to it, each as it was asked for: `privileged`, `pid=host`.
    pub privileged: Vec<String>,
    /// What runs beside it.
    pub services: Vec<Service>,
}

/// A container that runs beside a job and ends with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// Its name, which is also its host name.
    pub name: String,
    /// Its image.
    pub image: String,
    /// What it runs instead of what the image says.
    pub command: Option<Command>,
    /// A command that exits with 0 when it is ready.
    pub health: Option<Command>,
    /// Variables.
    pub env: Vec<(String, Vec<u8>)>,
    /// Everything else.
    pub options: ContainerOptions,
}

/// The names of the options that make a container what it is.
pub const CONTAINER_OPTIONS: [&str; 10] =
    ["secrets", "user", "network", "memory", "cpus", "pids", "mounts", "pull", "services", "caps"];

/// Options that say more about a container than a name may: they are requests that policy refuses or grants.
const REQUESTS: [&str; 9] =
    ["rootfs-writable", "privileged", "devices", "pid", "ipc", "uts", "userns", "security-opt", "extra-args"];

/// The options of a service beside those of a container.
const SERVICE_OPTIONS: [&str; 4] = ["image", "cmd", "health", "env"];

/// The most services of a job.
const MAX_SERVICES: usize = 16;

impl ContainerOptions {
    /// Whether an option of this name is read by [`ContainerOptions::set`].
    pub fn knows(name: &str) -> bool {
        CONTAINER_OPTIONS.contains(&name) || REQUESTS.contains(&name)
    }

    /// Takes one option that is known.
    ///
    /// # Errors
    /// Says what the option wants.
    pub fn set(&mut self, name: &str, value: &OptionValue) -> Result<(), String> {
        match name {
            "secrets" => self.secrets = texts(name, value)?,
            "user" => self.user = Some(number_or_text(name, value)?),
            "network" => self.network = Some(word(name, value)?),
            "memory" => self.memory = Some(number_or_text(name, value)?),
            "cpus" => self.cpus = Some(number_or_text(name, value)?),
            "pids" => self.pids = Some(count(name, value)?),
            "mounts" => self.mounts = texts(name, value)?,
            "pull" => self.pull = pull(value)?,
            "caps" => self.caps = texts(name, value)?,
            "services" => self.services = services(value)?,
            "rootfs-writable" => self.rootfs_writable = flag(name, value)?,
            other => self.request(other, value),
        }
        Ok(())
    }

    /// Keeps what would open the host, in the words in which it was asked for.
    fn request(&mut self, name: &str, value: &OptionValue) {
        match value {
            OptionValue::Flag(false) => {}
            OptionValue::Flag(true) => self.privileged.push(name.to_owned()),
            OptionValue::Text(text) => self.privileged.push(format!("{name}={text}")),
            OptionValue::List(items) => items.iter().for_each(|item| self.request(name, item)),
            OptionValue::Number(_)
            | OptionValue::Table(_)
            | OptionValue::Planned(_)
            | OptionValue::Other(_) => self.privileged.push(name.to_owned()),
        }
    }
}

/// The mistake of an option that neither the caller nor a container knows.
pub(super) fn unknown(name: &str, of: &str, also: &[&str]) -> String {
    let known = also.iter().copied().chain(CONTAINER_OPTIONS);
    match suggest(name, known.clone()) {
        Some(near) => format!("unknown option `{name}` of {of}; did you mean `{near}`?"),
        None => {
            format!("unknown option `{name}` of {of}; it has `{}`", known.collect::<Vec<_>>().join("` `"))
        }
    }
}

fn wants(name: &str, what: &str, got: &OptionValue) -> String {
    format!("`:{name}` wants {what}, got {}", got.kind())
}

fn texts(name: &str, value: &OptionValue) -> Result<Vec<String>, String> {
    let OptionValue::List(items) = value else { return Err(wants(name, "a list of strings", value)) };
    items.iter().map(|item| word(name, item)).collect()
}

fn word(name: &str, value: &OptionValue) -> Result<String, String> {
    match value {
        OptionValue::Text(text) if text.contains('\0') => Err(format!("`:{name}` must not have a NUL byte")),
        OptionValue::Text(text) if text.is_empty() => Err(format!("`:{name}` must not be empty")),
        OptionValue::Text(text) => Ok(text.clone()),
        OptionValue::Number(_)
        | OptionValue::Flag(_)
        | OptionValue::List(_)
        | OptionValue::Table(_)
        | OptionValue::Planned(_)
        | OptionValue::Other(_) => Err(wants(name, "a string", value)),
    }
}

fn number_or_text(name: &str, value: &OptionValue) -> Result<String, String> {
    match value {
        OptionValue::Number(number) => Ok(number.to_string()),
        OptionValue::Text(_)
        | OptionValue::Flag(_)
        | OptionValue::List(_)
        | OptionValue::Table(_)
        | OptionValue::Planned(_)
        | OptionValue::Other(_) => word(name, value),
    }
}

fn flag(name: &str, value: &OptionValue) -> Result<bool, String> {
    match value {
        OptionValue::Flag(flag) => Ok(*flag),
        OptionValue::Text(_)
        | OptionValue::Number(_)
        | OptionValue::List(_)
        | OptionValue::Table(_)
        | OptionValue::Planned(_)
        | OptionValue::Other(_) => Err(wants(name, "true or false", value)),
    }
}

fn count(name: &str, value: &OptionValue) -> Result<u32, String> {
    let wrong = || wants(name, "a whole number from 1 on", value);
    let OptionValue::Number(number) = value else { return Err(wrong()) };
    if number.fract() != 0.0 || *number < 1.0 || *number > f64::from(i32::MAX) {
        return Err(wrong());
    }
    number.to_string().parse().map_err(|_| wrong())
}

fn pull(value: &OptionValue) -> Result<Pull, String> {
    match word("pull", value)?.as_str() {
        "missing" => Ok(Pull::Missing),
        "always" => Ok(Pull::Always),
        "never" => Ok(Pull::Never),
        _ => Err(wants("pull", "`:missing`, `:always` or `:never`", value)),
    }
}

fn services(value: &OptionValue) -> Result<Vec<Service>, String> {
    let OptionValue::Table(named) = value else {
        return Err(wants("services", "a table such as {:db {:image \"postgres:17\"}}", value));
    };
    if named.len() > MAX_SERVICES {
        return Err(format!("a job has at most {MAX_SERVICES} services"));
    }
    named.iter().map(|(name, value)| service(name, value)).collect()
}

fn service(name: &str, value: &OptionValue) -> Result<Service, String> {
    let of = format!("the service `{name}`");
    let is_host_name = !name.is_empty()
        && name.len() <= 63
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
        && !name.starts_with('-')
        && !name.ends_with('-');
    if !is_host_name {
        return Err(format!("{of}: its name is a host name: small letters, digits and `-`"));
    }
    let (mut image, mut command, mut health, mut env) = (None, None, None, Vec::new());
    let mut options = ContainerOptions::default();
    match value {
        OptionValue::Text(text) => image = Some(text.clone()),
        OptionValue::Table(named) => {
            for (key, value) in named {
                let read = match key.as_str() {
                    "image" => word("image", value).map(|text| image = Some(text)),
                    "cmd" => self::command("cmd", value).map(|found| command = Some(found)),
                    "health" => self::command("health", value).map(|found| health = Some(found)),
                    "env" => variables(value).map(|found| env = found),
                    "services" => Err("a service has no services of its own".to_owned()),
                    known if ContainerOptions::knows(known) => options.set(known, value),
                    other => Err(unknown(other, &of, &SERVICE_OPTIONS)),
                };
                read.map_err(|problem| format!("{of}: {problem}"))?;
            }
        }
        OptionValue::Number(_)
        | OptionValue::Flag(_)
        | OptionValue::List(_)
        | OptionValue::Planned(_)
        | OptionValue::Other(_) => {
            return Err(format!("{of} is an image or a table with :image, got {}", value.kind()));
        }
    }
    let image = image.ok_or_else(|| format!("{of} has no `:image`"))?;
    Ok(Service { name: name.to_owned(), image, command, health, env, options })
}

fn command(name: &str, value: &OptionValue) -> Result<Command, String> {
    match value {
        OptionValue::Text(text) => Ok(Command::Shell(text.clone().into_bytes())),
        OptionValue::List(items) if !items.is_empty() => {
            Ok(Command::Argv(texts(name, value)?.into_iter().map(String::into_bytes).collect()))
        }
        OptionValue::Number(_)
        | OptionValue::Flag(_)
        | OptionValue::List(_)
        | OptionValue::Table(_)
        | OptionValue::Planned(_)
        | OptionValue::Other(_) => Err(wants(name, "a string or a list of arguments", value)),
    }
}

fn variables(value: &OptionValue) -> Result<Vec<(String, Vec<u8>)>, String> {
    let OptionValue::Table(named) = value else { return Err(wants("env", "a table of strings", value)) };
    let mut variables = Vec::new();
    for (name, value) in named {
        if name.is_empty() || name.contains(['=', '\0']) {
            return Err(format!("`:env`: {} cannot be the name of a variable", Quoted::new(name)));
        }
        variables.push((name.clone(), number_or_text("env", value)?.into_bytes()));
    }
    Ok(variables)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(code: &str) -> Result<ContainerOptions, String> {
        let lua = mlua::Lua::new();
        let value: mlua::Value = lua.load(code).eval().unwrap();
        let OptionValue::Table(named) = OptionValue::read(&value) else { panic!("no table: {code}") };
        let mut options = ContainerOptions::default();
        for (name, value) in &named {
            assert!(ContainerOptions::knows(name), "{name}");
            options.set(name, value)?;
        }
        Ok(options)
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
            ("return {memory = true}", "`:memory` wants a string, got the boolean true"),
            ("return {pids = 1.5}", "`:pids` wants a whole number from 1 on, got the number 1.5"),
            ("return {pull = 'sometimes'}", "`:pull` wants `:missing`, `:always` or `:never`"),
            ("return {secrets = 'token'}", "`:secrets` wants a list of strings, got the string \"token\""),
            ("return {mounts = {''}}", "`:mounts` must not be empty"),
            ("return {services = {['my_db'] = 'x'}}", "its name is a host name"),
            ("return {services = {db = {cmd = 'x'}}}", "the service `db` has no `:image`"),
            ("return {services = {db = {image = 'x', imge = 'y'}}}", "did you mean `image`?"),
            ("return {services = {db = {image = 'x', services = {}}}}", "no services of its own"),
            ("return {network = 7}", "`:network` wants a string, got the number 7"),
        ] {
            let found = read(code).unwrap_err();
            assert!(found.contains(problem), "{code}: {found}");
        }
    }
}
