//! `base64`, `base64-decode`, `json-encode`, `json-decode`, `hash`: pure, so that they work everywhere.
//!
//! `base64` is the standard alphabet with padding; decoding takes the URL-safe one, missing padding and white
//! space too. JSON's rules are [`crate::script::walk`]'s.

use std::sync::Arc;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig, general_purpose::STANDARD};
use mlua::{Lua, Table, Value};
use ring::digest::{SHA256, SHA512, digest};

use super::{Answer, Shared, argument, kind, text};
use crate::model::{Quoted, hex};
use crate::script::walk::WalkError;

const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

pub(super) fn install(lua: &Lua, table: &Table, shared: &Arc<Shared>) -> mlua::Result<()> {
    let encode =
        |_: &Lua, value: Value| Ok(Answer::from(given("base64", &value).map(|bytes| STANDARD.encode(bytes))));
    table.raw_set("base64", lua.create_function(encode)?)?;
    let decode = |lua: &Lua, value: Value| match decode_base64(&value) {
        Ok(bytes) => Ok(Answer::Given(lua.create_string(bytes)?)),
        Err(problem) => Ok(Answer::Refused(problem)),
    };
    table.raw_set("base64-decode", lua.create_function(decode)?)?;
    let hash = |_: &Lua, (value, kind): (Value, Value)| Ok(Answer::from(hash(&value, &kind)));
    table.raw_set("hash", lua.create_function(hash)?)?;
    let walker = shared.walker.clone();
    let to_json = lua.create_function(move |_, value: Value| {
        let json = walker.json(&value).map(|json| json.to_string());
        Ok(Answer::from(json.map_err(|error| format!("json-encode: {error}"))))
    })?;
    table.raw_set("json-encode", to_json)?;
    let walker = shared.walker.clone();
    let from_json = lua.create_function(move |lua, value: Value| {
        let document = given("json-decode", &value).and_then(|bytes| {
            serde_json::from_slice::<serde_json::Value>(&bytes)
                .map_err(|error| format!("json-decode: {error}"))
        });
        match document.map(|document| walker.lua(lua, &document)) {
            Ok(Ok(value)) => Ok(Answer::Given(value)),
            // No memory is the run's end, not a mistake of the text.
            Ok(Err(WalkError::Vm(error))) => Err(error),
            Ok(Err(problem)) => Ok(Answer::Refused(format!("json-decode: {problem}"))),
            Err(problem) => Ok(Answer::Refused(problem)),
        }
    })?;
    table.raw_set("json-decode", from_json)
}

fn given(of: &str, value: &Value) -> Result<Vec<u8>, String> {
    argument(value).ok_or_else(|| format!("`{of}`: expected a string, got {}", kind(value)))
}

fn decode_base64(value: &Value) -> Result<Vec<u8>, String> {
    let text = given("base64-decode", value)?;
    let plain: Vec<u8> = text
        .iter()
        .filter(|byte| !byte.is_ascii_whitespace())
        .map(|byte| match byte {
            b'-' => b'+',
            b'_' => b'/',
            other => *other,
        })
        .collect();
    LENIENT.decode(plain).map_err(|error| format!("base64-decode: this is not base64: {error}"))
}

fn hash(value: &Value, algorithm: &Value) -> Result<String, String> {
    let bytes = given("hash", value)?;
    let name = if algorithm.is_nil() { Some("sha256".to_owned()) } else { text(algorithm) };
    match name.as_deref() {
        Some("sha256") => Ok(hex(digest(&SHA256, &bytes).as_ref())),
        Some("sha512") => Ok(hex(digest(&SHA512, &bytes).as_ref())),
        Some(other) => Err(format!("`hash`: expected `:sha256` or `:sha512`, got {}", Quoted::new(other))),
        None => Err(format!("`hash`: expected `:sha256` or `:sha512`, got {}", kind(algorithm))),
    }
}
