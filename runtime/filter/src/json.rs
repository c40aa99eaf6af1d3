//! Filters as JSON: a text is an expression of CloudEvents SQL, an object with one member is a
//! dialect, an array is all of its filters. Knows nothing of events.

use serde_json::{Map, Value, json};

use crate::cel;
use crate::error::{Invalid, InvalidFilter};
use crate::filter::{Filter, Node, Pair};
use crate::sql;
use crate::view;

/// The most dialects and attributes of a filter together.
pub const NODES_MAX: usize = 256;
/// How deep filters may be in each other.
pub const DEPTH_MAX: usize = 32;
/// The most names and texts of a filter together, in bytes.
pub const BYTES_MAX: usize = 64 << 10;

impl Filter {
    /// Reads a filter. The empty array passes everything, as a subscription without filters does.
    ///
    /// Errors name the faulty member. A filter has at most [`NODES_MAX`] dialects and attributes,
    /// [`DEPTH_MAX`] levels and [`BYTES_MAX`] bytes.
    pub fn from_json(value: &Value) -> Result<Self, InvalidFilter> {
        let root = match value {
            Value::Array(items) if items.is_empty() => Node::All(Vec::new()),
            _ => Reader::default().node(value)?,
        };
        Ok(Self { root })
    }

    /// Reads the filter that is the only member of an object, without the object.
    pub(crate) fn from_member(dialect: &str, value: &Value) -> Result<Self, InvalidFilter> {
        Ok(Self { root: Reader::default().dialect(dialect, value)? })
    }

    /// The filter in its plainest form: [`Filter::from_json`] makes the same of it.
    pub fn to_json(&self) -> Value {
        match &self.root {
            Node::All(nodes) if nodes.is_empty() => Value::Array(Vec::new()),
            root => write(root),
        }
    }
}

fn write(node: &Node) -> Value {
    let list = |nodes: &[Node]| nodes.iter().map(write).collect::<Value>();
    match node {
        Node::Exact(pairs) => json!({ "exact": write_pairs(pairs) }),
        Node::Prefix(pairs) => json!({ "prefix": write_pairs(pairs) }),
        Node::Suffix(pairs) => json!({ "suffix": write_pairs(pairs) }),
        Node::All(nodes) => json!({ "all": list(nodes) }),
        Node::Any(nodes) => json!({ "any": list(nodes) }),
        Node::Not(node) => json!({ "not": write(node) }),
        Node::Sql(expression) => json!({ "sql": expression.as_str() }),
        Node::Cel(expression) => json!({ "cel": expression.as_str() }),
    }
}

fn write_pairs(pairs: &[Pair]) -> Value {
    let pair = |pair: &Pair| (String::from(&*pair.name), Value::from(&*pair.text));
    Value::Object(pairs.iter().map(pair).collect())
}

#[derive(Default)]
struct Reader {
    /// The members and indexes that lead to where the reader is.
    path: String,
    depth: usize,
    nodes: usize,
    bytes: usize,
}

impl Reader {
    fn node(&mut self, value: &Value) -> Result<Node, InvalidFilter> {
        self.depth += 1;
        self.nodes += 1;
        if self.depth > DEPTH_MAX {
            return Err(self.too_much(DEPTH_MAX, "levels"));
        }
        self.check_size()?;
        let node = match value {
            Value::String(text) => self.sql(text),
            Value::Array(items) => Ok(Node::All(self.nodes_of(items)?)),
            Value::Object(members) => self.object(members),
            _ => Err(self.shape("a filter is a string, an object or an array")),
        }?;
        self.depth -= 1;
        Ok(node)
    }

    fn object(&mut self, members: &Map<String, Value>) -> Result<Node, InvalidFilter> {
        let mut members = members.iter();
        match (members.next(), members.next()) {
            (Some((name, value)), None) => self.member(name, |r| r.dialect(name, value)),
            _ => Err(self.shape("a filter has exactly one member, its dialect")),
        }
    }

    fn dialect(&mut self, name: &str, value: &Value) -> Result<Node, InvalidFilter> {
        match name {
            "exact" => Ok(Node::Exact(self.pairs(value)?)),
            "prefix" => Ok(Node::Prefix(self.pairs(value)?)),
            "suffix" => Ok(Node::Suffix(self.pairs(value)?)),
            "all" => Ok(Node::All(self.list(value)?)),
            "any" => Ok(Node::Any(self.list(value)?)),
            "not" => Ok(Node::Not(Box::new(self.node(value)?))),
            "sql" => self.text(value).and_then(|text| self.sql(text)),
            "cel" => self.text(value).and_then(|text| self.cel(text)),
            _ => Err(self.invalid(Invalid::Dialect(name.chars().take(64).collect()))),
        }
    }

    fn list(&mut self, value: &Value) -> Result<Vec<Node>, InvalidFilter> {
        match value {
            Value::Array(items) => self.nodes_of(items),
            _ => Err(self.shape("here must be an array of filters")),
        }
    }

    fn nodes_of(&mut self, items: &[Value]) -> Result<Vec<Node>, InvalidFilter> {
        if items.is_empty() {
            return Err(self.shape("the array must have at least one filter"));
        }
        let mut nodes = Vec::with_capacity(items.len().min(NODES_MAX));
        for (index, item) in items.iter().enumerate() {
            nodes.push(self.index(index, |reader| reader.node(item))?);
        }
        Ok(nodes)
    }

    fn pairs(&mut self, value: &Value) -> Result<Vec<Pair>, InvalidFilter> {
        let members = match value {
            Value::Object(members) if !members.is_empty() => members,
            _ => return Err(self.shape("here must be an object of attributes, not empty")),
        };
        members.iter().map(|(name, text)| self.member(name, |r| r.pair(name, text))).collect()
    }

    fn pair(&mut self, name: &str, text: &Value) -> Result<Pair, InvalidFilter> {
        if !view::is_attribute_name(name) {
            return Err(self.invalid(Invalid::Attribute(name.chars().take(64).collect())));
        }
        let text = match text {
            Value::String(text) if !text.is_empty() => text,
            _ => return Err(self.shape("the value must be a string, not empty")),
        };
        self.nodes += 1;
        self.bytes += name.len() + text.len();
        self.check_size()?;
        Ok(Pair { name: name.into(), text: text.as_str().into() })
    }

    fn text<'v>(&self, value: &'v Value) -> Result<&'v str, InvalidFilter> {
        value.as_str().ok_or_else(|| self.shape("an expression is a string"))
    }

    fn sql(&mut self, text: &str) -> Result<Node, InvalidFilter> {
        self.bytes += text.len();
        self.check_size()?;
        let expression =
            sql::Expression::parse(text).map_err(|error| self.invalid(Invalid::Sql(error)))?;
        match expression.ty() {
            Some(sql::Type::String) => Err(self.invalid(Invalid::NotBoolean("string"))),
            Some(sql::Type::Integer) => Err(self.invalid(Invalid::NotBoolean("number"))),
            Some(sql::Type::Boolean) | None => Ok(Node::Sql(Box::new(expression))),
        }
    }

    fn cel(&mut self, text: &str) -> Result<Node, InvalidFilter> {
        self.bytes += text.len();
        self.check_size()?;
        let expression =
            cel::Expression::compile(text).map_err(|error| self.invalid(Invalid::Cel(error)))?;
        if !expression.may_be_boolean() {
            return Err(self.invalid(Invalid::NotBoolean("value of another type")));
        }
        Ok(Node::Cel(Box::new(expression)))
    }

    fn check_size(&self) -> Result<(), InvalidFilter> {
        if self.nodes > NODES_MAX {
            return Err(self.too_much(NODES_MAX, "dialects and attributes"));
        }
        if self.bytes > BYTES_MAX {
            return Err(self.too_much(BYTES_MAX, "bytes"));
        }
        Ok(())
    }

    fn member<T>(&mut self, name: &str, inside: impl FnOnce(&mut Self) -> T) -> T {
        let len = self.path.len();
        if len > 0 {
            self.path.push('.');
        }
        self.path.extend(name.chars().take(64));
        let result = inside(self);
        self.path.truncate(len);
        result
    }

    fn index<T>(&mut self, index: usize, inside: impl FnOnce(&mut Self) -> T) -> T {
        let len = self.path.len();
        self.path.push_str(&format!("[{index}]"));
        let result = inside(self);
        self.path.truncate(len);
        result
    }

    fn invalid(&self, reason: Invalid) -> InvalidFilter {
        InvalidFilter { path: self.path.clone(), reason }
    }

    fn shape(&self, rule: &'static str) -> InvalidFilter {
        self.invalid(Invalid::Shape(rule))
    }

    fn too_much(&self, limit: usize, of: &'static str) -> InvalidFilter {
        self.invalid(Invalid::TooMuch { limit, of })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(value: Value, code: &str, path: &str) {
        let error = Filter::from_json(&value).unwrap_err();
        assert_eq!((error.code(), error.path.as_str()), (code, path), "{error}");
    }

    #[test]
    fn a_faulty_member_is_named() {
        check(json!(null), "filter.syntax", "");
        check(json!({}), "filter.syntax", "");
        check(json!({ "exact": { "type": "a" }, "prefix": { "type": "a" } }), "filter.syntax", "");
        check(json!({ "exact": {} }), "filter.syntax", "exact");
        check(json!({ "exact": { "type": "" } }), "filter.syntax", "exact.type");
        check(json!({ "prefix": { "type": 1 } }), "filter.syntax", "prefix.type");
        check(json!({ "suffix": { "Type": "a" } }), "filter.syntax", "suffix.Type");
        check(json!({ "exact": { "": "a" } }), "filter.syntax", "exact.");
        check(json!({ "exact": { "data": "a" } }), "filter.syntax", "exact.data");
        check(json!({ "all": [] }), "filter.syntax", "all");
        check(json!({ "any": { "exact": { "type": "a" } } }), "filter.syntax", "any");
        check(json!([["true"], []]), "filter.syntax", "[1]");
        check(json!({ "all": ["true", { "sql": "a =" }] }), "filter.syntax", "all[1].sql");
        check(json!({ "not": { "any": [{ "js": "1" }] } }), "filter.unsupported", "not.any[0].js");
        check(json!({ "sql": 1 }), "filter.syntax", "sql");
        check(json!("NOW() = 1"), "filter.unknown", "");
        check(json!({ "cel": "now() == 1" }), "filter.unknown", "cel");
        check(json!({ "cel": "1 +" }), "filter.syntax", "cel");
        check(json!({ "cel": "data.a.map(x, x) == []" }), "filter.unsupported", "cel");
        check(json!({ "cel": "size(type)" }), "filter.not_boolean", "cel");
        check(json!("LENGTH(type)"), "filter.not_boolean", "");
        check(json!("subject"), "filter.not_boolean", "");
    }

    #[test]
    fn an_expression_tells_the_place_in_it() {
        let error = Filter::from_json(&json!([{ "sql": "type = 'a' AND" }])).unwrap_err();
        assert_eq!((error.position(), error.sql_kind()), (Some(14), Some(sql::ErrorKind::Parse)));
        assert!(error.to_string().ends_with("at `[0].sql`"), "{error}");
    }

    #[test]
    fn what_is_read_is_written_again() {
        let forms = [
            (json!([]), json!([])),
            (json!("true"), json!({ "sql": "true" })),
            (json!(["a", { "cel": "b" }]), json!({ "all": [{ "sql": "a" }, { "cel": "b" }] })),
            (
                json!({ "any": [{ "exact": { "id": "1", "type": "t" } }, { "not": "a" }] }),
                json!({ "any": [{ "exact": { "id": "1", "type": "t" } }, { "not": { "sql": "a" } }] }),
            ),
            (json!({ "prefix": { "a": "b" } }), json!({ "prefix": { "a": "b" } })),
            (json!({ "suffix": { "a": "b" } }), json!({ "suffix": { "a": "b" } })),
        ];
        for (given, plain) in forms {
            let filter = Filter::from_json(&given).unwrap();
            assert_eq!(filter.to_json(), plain);
            assert_eq!(Filter::from_json(&plain).unwrap(), filter);
        }
    }

    #[test]
    fn filters_have_limits() {
        let exact = json!({ "exact": { "type": "a" } });
        let mut deep = exact.clone();
        for _ in 1..DEPTH_MAX {
            deep = json!({ "not": deep });
        }
        assert!(Filter::from_json(&deep).is_ok());
        let path = ["not"; DEPTH_MAX].join(".");
        check(json!({ "not": deep }), "filter.too_complex", &path);
        let many = |count: usize| json!({ "all": vec![exact.clone(); count] });
        assert!(Filter::from_json(&many(127)).is_ok());
        check(many(128), "filter.too_complex", "all[127].exact.type");
        let long = "a".repeat(BYTES_MAX);
        check(json!({ "exact": { "id": long } }), "filter.too_complex", "exact.id");
        check(json!(" ".repeat(4097)), "filter.too_complex", "");
        check(json!({ "cel": " ".repeat(4097) }), "filter.too_complex", "cel");
    }
}
