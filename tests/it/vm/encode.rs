//! The pure helpers.

use quire::script::JobEnd;

use super::fake_host::{end_of, script_error};

#[tokio::test]
async fn base64_goes_both_ways() {
    let body = "assert(base64('\\251\\255\\254') == '+//+')
        local decode = _G['base64-decode']
        assert(decode('+//+') == '\\251\\255\\254' and decode('-__-') == '\\251\\255\\254')
        assert(decode('aGk') == 'hi' and decode('aG\\nk=\\n') == 'hi' and decode('') == '' and base64('') == '')
        return 1";
    assert_eq!(end_of(body).await, JobEnd::Passed);
    assert!(
        script_error("_G['base64-decode']('!')")
            .await
            .message
            .starts_with("base64-decode: this is not base64:")
    );
    assert_eq!(script_error("base64({})").await.message, "`base64`: expected a string, got a table");
}

#[tokio::test]
async fn json_goes_both_ways() {
    let body = "local encode, decode = j['json-encode'], j['json-decode']
        assert(encode(decode('{\"b\":[1,2.5,[],{}],\"a\":\"\\\\u00e9\"}')) == '{\"a\":\"é\",\"b\":[1,2.5,[],{}]}')
        assert(encode({}) == '{}' and encode(nil) == 'null' and decode('null') == nil)
        assert(decode('{\"a\":null}').a == nil and decode('7') == 7 and math.type(decode('7')) == 'integer')
        return 1";
    assert_eq!(end_of(body).await, JobEnd::Passed);
    for (body, message) in [
        ("j['json-decode']('{')", "json-decode: EOF while parsing an object at line 1 column 1"),
        ("j['json-decode']('[1,null]')", "json-decode: `[2]` is null, which a Lua list cannot hold"),
        ("j['json-encode']({x = print})", "json-encode: `x` is a function, which JSON cannot hold"),
        ("local t = {} t.t = t j['json-encode'](t)", "json-encode: `t` contains itself"),
        ("j['json-decode']()", "`json-decode`: expected a string, got nothing"),
    ] {
        assert_eq!(script_error(body).await.message, message);
    }
}

#[tokio::test]
async fn hashes_are_hex() {
    let body = "assert(hash('abc') == 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad')
        assert(hash('abc', 'sha256') == hash('abc') and #hash('abc', 'sha512') == 128) return 1";
    assert_eq!(end_of(body).await, JobEnd::Passed);
    assert_eq!(
        script_error("hash('a', 'sha1')").await.message,
        "`hash`: expected `:sha256` or `:sha512`, got `sha1`"
    );
    assert_eq!(
        script_error("hash('a', 3)").await.message,
        "`hash`: expected `:sha256` or `:sha512`, got the number 3"
    );
}
