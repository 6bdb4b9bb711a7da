//! What a request says: in its path, its query and its body. Whatever is unknown or has the wrong shape is a problem that
//! names it.

use std::marker::PhantomData;

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeOwned, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::problem::{Refused, rejected};
use crate::app::{Code, Problem};
use crate::model::{Quoted, RepoName, Timestamp, suggest};

/// The query of a request. Unknown parameters are a problem when `T` denies unknown fields.
pub(super) struct Query<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refused> {
        let query = axum::extract::Query::<T>::from_request_parts(parts, state).await;
        let problem = |rejection: QueryRejection| {
            let text = rejection.body_text();
            let text = text.strip_prefix("Failed to deserialize query string: ").unwrap_or(&text).to_owned();
            Refused(Problem::new(Code::RequestInvalid, format!("in the query: {text}")))
        };
        query.map(|query| Self(query.0)).map_err(problem)
    }
}

/// The parameters in the path of a request, decoded.
pub(super) struct Path<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Path<T> {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refused> {
        let path = axum::extract::Path::<T>::from_request_parts(parts, state).await;
        let problem = |rejection: PathRejection| {
            Refused(Problem::new(Code::RequestInvalid, format!("in the path: {}", rejection.body_text())))
        };
        path.map(|path| Self(path.0)).map_err(problem)
    }
}

/// The JSON body of a request.
pub(super) struct Body<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = Refused;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refused> {
        let body: Result<Json<Object<T>>, JsonRejection> = Json::from_request(request, state).await;
        body.map(|body| Self(body.0.0)).map_err(|rejection| Refused(rejected(&rejection)))
    }
}

/// A JSON object. A shape alone could also be read from an array of its fields.
struct Object<T>(T);

impl<'de, T: DeserializeOwned> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(value: D) -> Result<Self, D::Error> {
        value.deserialize_map(ObjectVisitor(PhantomData)).map(Self)
    }
}

struct ObjectVisitor<T>(PhantomData<T>);

impl<'de, T: DeserializeOwned> Visitor<'de> for ObjectVisitor<T> {
    type Value = T;

    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map))
    }
}

/// The JSON body of a request that may have none: then it is the default.
pub(super) struct OptionalBody<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned + Default> FromRequest<S> for OptionalBody<T> {
    type Rejection = Refused;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refused> {
        let headers = request.headers().clone();
        let bytes = Bytes::from_request(request, state)
            .await
            .map_err(|rejection| Refused(Problem::new(Code::RequestTooLarge, rejection.body_text())))?;
        if bytes.is_empty() && !headers.contains_key(header::CONTENT_TYPE) {
            return Ok(Self(T::default()));
        }
        let again = with_body(&headers, bytes);
        Body::from_request(again, state).await.map(|body: Body<T>| Self(body.0))
    }
}

/// A request with this body, as far as reading the body needs it.
fn with_body(headers: &HeaderMap, bytes: Bytes) -> Request {
    let mut request = Request::new(axum::body::Body::from(bytes));
    *request.headers_mut() = headers.clone();
    request
}

/// The name of a repository in a path or a field.
pub(super) fn repo_name(text: &str) -> Result<RepoName, Problem> {
    RepoName::parse(text).map_err(|error| Problem::caused_by(Code::RequestInvalid, &error))
}

/// A time in a query.
pub(super) fn time(name: &str, text: &str) -> Result<Timestamp, Problem> {
    Timestamp::parse(text).ok_or_else(|| {
        let text = format!("in the query: {name}: {} is not a time", Quoted::new(text));
        Problem::new(Code::RequestInvalid, text)
            .hint("times are RFC 3339, for example 2026-11-30T12:00:00.000Z; + is %2B in a query")
    })
}

/// A word of a query that is one of a few.
pub(super) fn word<T: Copy>(
    (name, text): (&str, &str),
    all: &[T],
    as_str: impl Fn(T) -> &'static str,
) -> Result<T, Problem> {
    let found = all.iter().copied().find(|value| as_str(*value) == text);
    found.ok_or_else(|| {
        let words: Vec<&str> = all.iter().copied().map(as_str).collect();
        let hint = match suggest(text, words.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("it is one of {}", words.join(", ")),
        };
        let text = format!("in the query: {name}: {} is unknown", Quoted::new(text));
        Problem::new(Code::RequestInvalid, text).hint(hint)
    })
}
