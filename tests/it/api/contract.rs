//! The OpenAPI document of a running server, and whether an answer agrees with it.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};

use boon::{Compiler, Draft, SchemaIndex, Schemas};
use serde_json::{Value, json};

use super::client::Answer;

/// Where schemas in the document are found by the validator.
const PLACE: &str = "http://quire/openapi.json";

/// The media type of problems, and their shape.
const PROBLEM: (&str, &str) = ("application/problem+json", "#/components/schemas/Problem");

/// What the document says, ready to be compared with answers.
pub(crate) struct Contract {
    document: Value,
    compiled: RefCell<Compiled>,
    succeeded: RefCell<BTreeSet<String>>,
}

struct Compiled {
    compiler: Compiler,
    schemas: Schemas,
    known: HashMap<String, SchemaIndex>,
}

impl Contract {
    /// The contract of a document. Shapes have no members that it does not name, although clients must not count on that.
    pub(crate) fn new(mut document: Value) -> Self {
        for shape in document["components"]["schemas"].as_object_mut().unwrap().values_mut() {
            if shape.get("properties").is_some() {
                shape["additionalProperties"] = json!(false);
            }
        }
        let mut compiler = Compiler::new();
        compiler.set_default_draft(Draft::V2020_12);
        compiler.enable_format_assertions();
        compiler.add_resource(PLACE, document.clone()).unwrap();
        let compiled = Compiled { compiler, schemas: Schemas::new(), known: HashMap::new() };
        Self { document, compiled: RefCell::new(compiled), succeeded: RefCell::default() }
    }

    /// The routes: methods, and paths with the names of parameters.
    pub(crate) fn routes(&self) -> impl Iterator<Item = (String, &String)> {
        let paths = self.document["paths"].as_object().unwrap().iter();
        paths.flat_map(|(path, methods)| {
            methods.as_object().unwrap().keys().map(move |method| (method.to_uppercase(), path))
        })
    }

    /// The routes of which a good answer was seen: `GET /api/v1/runs`.
    pub(crate) fn succeeded(&self) -> BTreeSet<String> {
        self.succeeded.borrow().clone()
    }

    /// What is wrong with an answer: its status or type is not documented, or its body has not the documented shape.
    pub(crate) fn check(&self, method: &str, target: &str, answer: &Answer) -> Result<(), String> {
        if method == "HEAD" {
            return if answer.body.is_empty() { Ok(()) } else { Err("HEAD has a body".to_owned()) };
        }
        let route = self.routes().find(|(known, path)| known == method && is_path(path, target));
        let (kind, is_problem) = (answer.kind(), answer.status >= 400);
        let Some((_, path)) = route else {
            return match is_problem && kind == PROBLEM.0 {
                true => self.validate(PROBLEM.1, answer),
                false => Err(format!("{} for what is no route, as `{kind}`", answer.status)),
            };
        };
        let route = &self.document["paths"][path][method.to_lowercase()];
        let exact = answer.status.to_string();
        let (key, found) = [exact.clone(), format!("{}XX", &exact[..1])]
            .into_iter()
            .find_map(|key| route["responses"].get(&key).map(|found| (key, found)))
            .ok_or_else(|| format!("status {exact} is not documented"))?;
        if answer.status < 300 {
            self.succeeded.borrow_mut().insert(format!("{method} {path}"));
        }
        let documented: Vec<&String> =
            found["content"].as_object().into_iter().flatten().map(|kind| kind.0).collect();
        if documented.is_empty() {
            return if answer.body.is_empty() { Ok(()) } else { Err(format!("{exact} has a body")) };
        }
        if !documented.iter().any(|documented| *documented == kind) {
            return Err(format!("`{kind}` is not documented for {exact}: {documented:?}"));
        }
        if !kind.ends_with("json") || kind.contains("ndjson") {
            return Ok(());
        }
        let part = |text: &str| text.replace('~', "~0").replace('/', "~1");
        let method = method.to_lowercase();
        let (path, kind) = (part(path), part(kind));
        self.validate(&format!("#/paths/{path}/{method}/responses/{key}/content/{kind}/schema"), answer)
    }

    /// Checks JSON against a shape of the document, by its name.
    pub(crate) fn check_shape(&self, name: &str, value: &Value) -> Result<(), String> {
        self.validate_value(&format!("#/components/schemas/{name}"), value)
    }

    fn validate(&self, place: &str, answer: &Answer) -> Result<(), String> {
        let value = serde_json::from_slice(&answer.body).map_err(|error| format!("no JSON: {error}"))?;
        self.validate_value(place, &value)?;
        match answer.status {
            400.. if value["status"] != answer.status => Err("the problem has another status".to_owned()),
            _ => Ok(()),
        }
    }

    fn validate_value(&self, place: &str, value: &Value) -> Result<(), String> {
        let Compiled { compiler, schemas, known } = &mut *self.compiled.borrow_mut();
        let schema = match known.get(place) {
            Some(schema) => *schema,
            None => {
                compiler.compile(&format!("{PLACE}{place}"), schemas).map_err(|error| format!("{error:#}"))?
            }
        };
        known.insert(place.to_owned(), schema);
        schemas.validate(value, schema).map_err(|error| format!("{error:#}\n{value}"))
    }
}

/// Whether a target is one of a path with names of parameters.
fn is_path(path: &str, target: &str) -> bool {
    let target = target.split('?').next().unwrap_or_default();
    let (path, target): (Vec<&str>, Vec<&str>) = (path.split('/').collect(), target.split('/').collect());
    let fits = |(name, part): (&&str, &&str)| name == part || (name.starts_with('{') && !part.is_empty());
    path.len() == target.len() && path.iter().zip(&target).all(fits)
}
