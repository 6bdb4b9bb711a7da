//! `sleep`: a job waits, and others run meanwhile.

use std::time::Duration;

use mlua::{Lua, Table, Value};

use super::{Answer, kind};

/// The longest time that one call waits.
const MAX_SLEEP: Duration = Duration::from_secs(3600);

pub(super) fn install(lua: &Lua, table: &Table) -> mlua::Result<()> {
    let sleep = lua.create_async_function(async move |_, (_job, seconds): (String, Value)| {
        let whole = seconds.as_integer().and_then(|whole| u64::try_from(whole).ok()).map(Duration::from_secs);
        let part = || Duration::try_from_secs_f64(seconds.as_number()?).ok();
        let given = whole.or_else(part);
        let Some(time) = given.filter(|time| *time <= MAX_SLEEP) else {
            let most = MAX_SLEEP.as_secs();
            let problem = format!("`sleep` takes seconds, from 0 to {most}, not {}", kind(&seconds));
            return Ok(Answer::Refused(problem));
        };
        tokio::time::sleep(time).await;
        Ok(Answer::Given(true))
    })?;
    table.raw_set("sleep", sleep)
}
