//! What there is to say of one operation. Knows no particular one.

use serde_json::{Map, Value, json};

use super::schemas::Schemas;
use super::words::Problem;

/// One method of one path.
#[derive(Debug)]
pub(super) struct Operation {
    /// In lower case.
    pub(super) method: &'static str,
    /// With `{name}` where something stands in it.
    pub(super) path: &'static str,
    pub(super) id: &'static str,
    pub(super) access: Access,
    tag: &'static str,
    summary: &'static str,
    about: Option<&'static str>,
    parameters: Vec<Value>,
    body: Option<Value>,
    answers: Vec<Answer>,
    problems: Vec<(u16, &'static str)>,
}

/// Who may ask.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Access {
    /// Whoever reaches the host.
    Open,
    /// A webhook, which its hook proves.
    Signed,
    /// A token with this scope.
    Scope(&'static str),
}

pub(super) const SEND: Access = Access::Scope("send");
pub(super) const READ: Access = Access::Scope("read");
pub(super) const DEPLOY: Access = Access::Scope("deploy");
pub(super) const OPERATE: Access = Access::Scope("operate");

#[derive(Debug)]
struct Answer {
    /// A number, or `2XX`.
    status: &'static str,
    about: &'static str,
    content: Value,
    headers: Option<Value>,
    links: Map<String, Value>,
}

/// Answered by every operation, before it is known what it is or when it could not be written.
const ALWAYS: [(u16, &str); 5] = [
    (403, "http.host"),
    (403, "http.origin"),
    (503, "http.connections"),
    (503, "http.requests"),
    (500, "host.internal"),
];
const WITH_TOKEN: [(u16, &str); 7] = [
    (400, "access.credentials"),
    (401, "http.unauthorized"),
    (401, "access.expired"),
    (403, "access.scope"),
    (403, "access.type"),
    (403, "access.function"),
    (429, "access.rate"),
];

impl Operation {
    pub(super) fn new(
        (method, path): (&'static str, &'static str),
        id: &'static str,
        tag: &'static str,
        access: Access,
        summary: &'static str,
    ) -> Self {
        let mut problems = ALWAYS.to_vec();
        if let Access::Scope(_) = access {
            problems.extend(WITH_TOKEN);
        }
        Self {
            method,
            path,
            id,
            access,
            tag,
            summary,
            about: None,
            parameters: Vec::new(),
            body: None,
            answers: Vec::new(),
            problems,
        }
    }

    pub(super) fn about(self, about: &'static str) -> Self {
        Self { about: Some(about), ..self }
    }

    /// As [`parameter`](super::parameter) makes them.
    pub(super) fn with(mut self, parameters: impl IntoIterator<Item = Value>) -> Self {
        self.parameters.extend(parameters);
        self
    }

    /// `content` is by media type.
    pub(super) fn takes(self, about: &str, content: &Value) -> Self {
        let body = json!({ "description": about, "required": true, "content": content });
        Self { body: Some(body), ..self }
    }

    /// `content` is by media type, or null for none.
    pub(super) fn answers(
        mut self,
        status: &'static str,
        about: &'static str,
        content: Value,
    ) -> Self {
        let links = Map::new();
        self.answers.push(Answer { status, about, content, headers: None, links });
        self
    }

    /// Of the answer before.
    pub(super) fn headers(mut self, headers: Value) -> Self {
        if let Some(answer) = self.answers.last_mut() {
            answer.headers = Some(headers);
        }
        self
    }

    /// From each answer so far to another operation; the names must be valid in a component.
    pub(super) fn leads_to(mut self, operation: &str, parameters: &Value) -> Self {
        let link = json!({ "operationId": operation, "parameters": parameters });
        self.link(operation, &link);
        self
    }

    /// The same with a body.
    pub(super) fn leads_to_with(
        mut self,
        operation: &str,
        parameters: &Value,
        body: &Value,
    ) -> Self {
        let link = json!({
            "operationId": operation, "parameters": parameters, "requestBody": body,
        });
        self.link(operation, &link);
        self
    }

    fn link(&mut self, name: &str, link: &Value) {
        for answer in &mut self.answers {
            answer.links.insert(name.to_owned(), link.clone());
        }
    }

    pub(super) fn refuses(mut self, problems: &[&[(u16, &'static str)]]) -> Self {
        self.problems.extend(problems.iter().copied().flatten());
        self
    }

    /// The operation object of OpenAPI 3.1.
    pub(super) fn to_json(&self, schemas: &mut Schemas) -> Value {
        let mut operation = json!({
            "operationId": self.id,
            "tags": [self.tag],
            "summary": self.summary,
            "responses": self.responses(schemas),
            "security": self.security(),
        });
        if let Some(about) = self.about {
            operation["description"] = about.into();
        }
        if !self.parameters.is_empty() {
            operation["parameters"] = self.parameters.clone().into();
        }
        if let Some(body) = &self.body {
            operation["requestBody"] = body.clone();
        }
        operation
    }

    /// A host without a token asks for none, so that nothing is the other choice.
    fn security(&self) -> Value {
        match self.access {
            Access::Open | Access::Signed => json!([]),
            Access::Scope(scope) => json!([{ "bearer": [scope] }, { "basic": [scope] }, {}]),
        }
    }

    fn responses(&self, schemas: &mut Schemas) -> Value {
        let mut responses = Map::new();
        for answer in &self.answers {
            responses.insert(answer.status.to_owned(), answer.to_json());
        }
        let mut statuses: Vec<u16> = self.problems.iter().map(|(status, _)| *status).collect();
        statuses.sort_unstable();
        statuses.dedup();
        for status in statuses {
            responses.insert(status.to_string(), self.refusal(status, schemas));
        }
        responses.into()
    }

    fn refusal(&self, status: u16, schemas: &mut Schemas) -> Value {
        let of_status = self.problems.iter().filter(|(other, _)| *other == status);
        let mut codes: Vec<&str> = of_status.map(|(_, code)| *code).collect();
        codes.sort_unstable();
        codes.dedup();
        let problem = schemas.answer::<Problem>();
        let narrowed = json!({ "properties": {
            "status": { "const": status }, "code": { "enum": codes },
        } });
        let mut response = json!({
            "description": format!("`{}`", codes.join("`, `")),
            "content": { "application/problem+json": {
                "schema": { "allOf": [problem, narrowed] },
            } },
        });
        match status {
            401 => response["headers"] = header("WWW-Authenticate", &json!({ "type": "string" })),
            429 | 503 => {
                let seconds = json!({ "type": "integer", "minimum": 1 });
                response["headers"] = header("Retry-After", &seconds);
            }
            _ => {}
        }
        response
    }
}

impl Answer {
    fn to_json(&self) -> Value {
        let mut response = json!({ "description": self.about });
        if !self.content.is_null() {
            response["content"] = self.content.clone();
        }
        if let Some(headers) = &self.headers {
            response["headers"] = headers.clone();
        }
        if !self.links.is_empty() {
            response["links"] = self.links.clone().into();
        }
        response
    }
}

/// One header of an answer.
pub(super) fn header(name: &str, schema: &Value) -> Value {
    json!({ name: { "schema": schema } })
}

/// Content of one media type with this schema.
pub(super) fn content(media_type: &str, schema: impl Into<Value>) -> Value {
    json!({ media_type: { "schema": schema.into() } })
}

pub(super) fn json_of(schema: impl Into<Value>) -> Value {
    content("application/json", schema)
}
