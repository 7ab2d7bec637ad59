//! The route selection expression: which handler a message is for.

use std::{borrow::Cow, collections::HashMap};

use serde::Deserialize as _;
use serde_json::value::RawValue;

/// `$request.body.` and the names that lead to the value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Selection(Vec<String>);

impl Selection {
    pub(crate) fn parse(expression: &str) -> Option<Self> {
        let names = expression.strip_prefix("$request.body.")?;
        let names: Vec<_> = names.split('.').map(str::to_owned).collect();
        names
            .iter()
            .all(|name| !name.is_empty())
            .then_some(Self(names))
    }

    /// The route key a message asks for: the selected value if it is a JSON scalar, as text.
    ///
    /// Numbers keep the spelling of the message (`1.0` stays `1.0`). An object or a list selects
    /// nothing, nor does a key that begins with `$`: those are the gateway's own, and no client
    /// can reach `$connect` by naming it.
    pub(crate) fn route_key<'a>(&self, body: &'a str) -> Option<Cow<'a, str>> {
        let mut value: &RawValue = serde_json::from_str(body).ok()?;
        for name in &self.0 {
            let mut members: HashMap<Cow<'a, str>, &'a RawValue> =
                serde_json::from_str(value.get()).ok()?;
            value = members.remove(name.as_str())?;
        }
        let text = value.get();
        let key = match text.as_bytes().first()? {
            b'{' | b'[' => return None,
            b'"' => {
                let mut text = serde_json::Deserializer::from_str(text);
                Cow::<'a, str>::Owned(String::deserialize(&mut text).ok()?)
            }
            _ => Cow::Borrowed(text),
        };
        (!key.starts_with('$')).then_some(key)
    }
}

impl Default for Selection {
    fn default() -> Self {
        Self(vec!["action".to_owned()])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn action(body: &str) -> Option<String> {
        Selection::default().route_key(body).map(Cow::into_owned)
    }

    #[test]
    fn every_scalar_is_a_route_key_in_its_own_spelling() {
        for (body, key) in [
            (r#"{"action":"echo"}"#, "echo"),
            (
                r#" { "data" : [1,{"action":2}], "action" : "echo" } "#,
                "echo",
            ),
            (r#"{"action":7}"#, "7"),
            (r#"{"action":1.0}"#, "1.0"),
            (r#"{"action":true}"#, "true"),
            (r#"{"action":null}"#, "null"),
            (r#"{"action":""}"#, ""),
            (r#"{"action":"\u00e9cho \"x\""}"#, "écho \"x\""),
            (r#"{"\u0061ction":"echo"}"#, "echo"),
            (r#"{"action":"first","action":"last"}"#, "last"),
        ] {
            assert_eq!(action(body).as_deref(), Some(key), "{body}");
        }
    }

    #[test]
    fn what_is_no_scalar_of_a_json_object_selects_nothing() {
        for body in [
            "",
            "hello",
            "7",
            "null",
            r#""action""#,
            "[]",
            "{}",
            r#"["action","echo"]"#,
            r#"{"Action":"echo"}"#,
            r#"{"action":{}}"#,
            r#"{"action":["echo"]}"#,
            r#"{"action":"echo"} {}"#,
            r#"{"action":"echo""#,
            r#"{"action":"\ud800"}"#,
        ] {
            assert_eq!(action(body), None, "{body}");
        }
    }

    #[test]
    fn a_client_cannot_name_the_gateways_own_routes() {
        for key in ["$connect", "$disconnect", "$default"] {
            assert_eq!(action(&format!(r#"{{"action":"{key}"}}"#)), None);
        }
    }

    #[test]
    fn a_body_nested_a_hundred_thousand_deep_is_survived() {
        let body = format!(
            r#"{{"data":{}{},"action":"echo"}}"#,
            "[".repeat(60_000),
            "]".repeat(60_000)
        );
        assert_eq!(action(&body).as_deref(), Some("echo"));
    }

    #[test]
    fn the_expression_can_lead_deeper() {
        let selection = Selection::parse("$request.body.meta.kind").unwrap();
        assert_eq!(
            selection.route_key(r#"{"meta":{"kind":"a"}}"#).as_deref(),
            Some("a")
        );
        assert_eq!(selection.route_key(r#"{"meta":"a"}"#), None);
        for wrong in [
            "",
            "action",
            "$request.body.",
            "$request.body.a..b",
            "$request.header.a",
        ] {
            assert_eq!(Selection::parse(wrong), None, "{wrong}");
        }
    }
}
