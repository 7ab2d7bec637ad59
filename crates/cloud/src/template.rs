//! What `deploy/template.yaml` says, as far as it can be had on one machine.
//!
//! Tables, queues, buckets and their notifications, the functions with their environment and their
//! sources of events, the routes and CORS all come from the template, so that what runs here is
//! what is deployed. What has no peer here (roles, alarms, CloudFront, Cognito) is passed over.
//!
//! Source: AWS `CloudFormation` user guide, "Intrinsic function reference" and "Pseudo parameters
//! reference"; SAM developer guide, "Globals", `AWS::Serverless::Function`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use saphyr::{LoadableYamlNode as _, Scalar, Yaml};
use serde_json::{Map, Value, json};

use crate::http_api::Cors;

/// The account that local peers know.
pub const ACCOUNT: &str = "123456789012";
/// The region that everything is said to be in.
pub const REGION: &str = "us-east-1";

/// Why the template cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the template: {0}")]
pub struct TemplateError(pub String);

fn fault<T>(words: impl Into<String>) -> Result<T, TemplateError> {
    Err(TemplateError(words.into()))
}

/// A template and what is known when its stack is made.
#[derive(Debug, Clone)]
pub struct Template {
    document: Value,
    parameters: BTreeMap<String, Value>,
    /// Where SQS is reached: queue URLs begin with it.
    peer: String,
    /// What a reference to something that is not made here stands for.
    known: BTreeMap<String, String>,
    stack: String,
}

/// A table to be made: the input of `CreateTable`, and of `UpdateTimeToLive` if there is any.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    /// The input of `CreateTable`.
    pub create: Value,
    /// `TimeToLiveSpecification`.
    pub time_to_live: Option<Value>,
}

/// A queue to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Queue {
    /// Its name.
    pub name: String,
    /// Its attributes, as `CreateQueue` wants them.
    pub attributes: BTreeMap<String, String>,
}

/// A bucket to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bucket {
    /// Its name.
    pub name: String,
    /// `CORSConfiguration` in XML.
    pub cors: Option<String>,
    /// `NotificationConfiguration` in XML.
    pub notifications: Option<String>,
}

/// A function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FunctionOf {
    /// Its name in the template.
    pub logical_id: String,
    /// Its environment.
    pub environment: BTreeMap<String, String>,
    /// In seconds.
    pub timeout_s: u64,
    /// In MiB.
    pub memory_mib: u32,
    /// Its queues.
    pub queues: Vec<EventQueue>,
    /// What schedules give it, as text of JSON.
    pub schedules: Vec<Schedule>,
}

/// A queue that feeds a function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventQueue {
    /// Its ARN.
    pub arn: String,
    /// Messages of one event.
    pub batch_size: u64,
    /// Whether the function reports the items that failed.
    pub reports_failures: bool,
    /// `MaximumConcurrency`.
    pub concurrency: Option<u64>,
}

/// Something that happens again and again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    /// How often, in seconds.
    pub every_s: u64,
    /// The event.
    pub input: String,
}

/// A route of the WebSocket API.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Route {
    /// Its key.
    pub key: String,
    /// Whether what the function answers goes back.
    pub responds: bool,
}

/// A route of the HTTP API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpRoute {
    /// `GET`, or `ANY`.
    pub method: String,
    /// Its path, whose last part may be `{proxy+}`, which is any rest.
    pub path: String,
    /// Whether it takes a token.
    pub jwt: bool,
}

impl Template {
    /// Reads a template for a stack of this name (small letters, digits and `-`), whose queue URLs
    /// begin with `peer`.
    pub fn parse(text: &str, stack: &str, peer: &str) -> Result<Self, TemplateError> {
        let documents =
            Yaml::load_from_str(text).map_err(|error| TemplateError(error.to_string()))?;
        let Some(document) = documents.first() else {
            return fault("it is empty");
        };
        let document = plain(document)?;
        let mut template = Self {
            document,
            parameters: BTreeMap::new(),
            peer: peer.trim_end_matches('/').to_owned(),
            known: BTreeMap::new(),
            stack: stack.to_owned(),
        };
        let defaults: Vec<_> = entries(&template.document["Parameters"])
            .filter_map(|(name, parameter)| {
                Some((name.clone(), text_of(parameter.get("Default")?)))
            })
            .collect();
        for (name, value) in defaults {
            template = template.with_parameter(&name, &value);
        }
        Ok(template)
    }

    /// Sets a parameter of the stack.
    #[must_use]
    pub fn with_parameter(mut self, name: &str, value: &str) -> Self {
        let kind = self.document["Parameters"][name]["Type"].as_str();
        let value = match kind {
            Some("CommaDelimitedList") => json!(value.split(',').collect::<Vec<_>>()),
            // Numbers are texts to CloudFormation too.
            _ => value.into(),
        };
        self.parameters.insert(name.to_owned(), value);
        self
    }

    /// Says what a reference to something that is not made here stands for: `Name`, or `Name.Att`.
    #[must_use]
    pub fn with_known(mut self, reference: &str, value: &str) -> Self {
        self.known.insert(reference.to_owned(), value.to_owned());
        self
    }

    /// The tables.
    pub fn tables(&self) -> Result<Vec<Table>, TemplateError> {
        self.each("AWS::DynamoDB::Table", |id, properties| {
            let mut create = Map::new();
            create.insert("TableName".to_owned(), self.name(id)?.into());
            for name in [
                "AttributeDefinitions",
                "KeySchema",
                "GlobalSecondaryIndexes",
                "BillingMode",
            ] {
                if let Some(value) = properties.get(name) {
                    create.insert(name.to_owned(), value.clone());
                }
            }
            Ok(Table {
                create: create.into(),
                time_to_live: properties.get("TimeToLiveSpecification").cloned(),
            })
        })
    }

    /// The queues, those that others refer to as their dead-letter queue first.
    pub fn queues(&self) -> Result<Vec<Queue>, TemplateError> {
        let mut queues = self.each("AWS::SQS::Queue", |id, properties| {
            let mut attributes = BTreeMap::new();
            for name in [
                "VisibilityTimeout",
                "MessageRetentionPeriod",
                "ReceiveMessageWaitTimeSeconds",
                "DelaySeconds",
                "RedrivePolicy",
            ] {
                if let Some(value) = properties.get(name) {
                    attributes.insert(name.to_owned(), text_of(value));
                }
            }
            Ok(Queue {
                name: self.name(id)?,
                attributes,
            })
        })?;
        queues.sort_by_key(|queue| queue.attributes.contains_key("RedrivePolicy"));
        Ok(queues)
    }

    /// The buckets that something is kept in, with CORS and notifications.
    pub fn buckets(&self) -> Result<Vec<Bucket>, TemplateError> {
        self.each("AWS::S3::Bucket", |id, properties| {
            Ok(Bucket {
                name: self.name(id)?,
                cors: properties.get("CorsConfiguration").map(cors_xml),
                notifications: properties
                    .get("NotificationConfiguration")
                    .map(notification_xml),
            })
        })
    }

    /// The functions.
    pub fn functions(&self) -> Result<Vec<FunctionOf>, TemplateError> {
        let globals = self.resolve(&self.document["Globals"]["Function"])?;
        let mappings = self.each("AWS::Lambda::EventSourceMapping", |_, properties| {
            let reports = texts(&properties["FunctionResponseTypes"]);
            let queue = EventQueue {
                arn: text_of(&properties["EventSourceArn"]),
                batch_size: number_of(&properties["BatchSize"]).unwrap_or(10),
                reports_failures: reports.iter().any(|kind| kind == "ReportBatchItemFailures"),
                concurrency: number_of(&properties["ScalingConfig"]["MaximumConcurrency"]),
            };
            Ok((text_of(&properties["FunctionName"]), queue))
        })?;
        let rules = self.each("AWS::Events::Rule", |_, properties| {
            let every_s = rate(&text_of(&properties["ScheduleExpression"]))?;
            let targets = properties["Targets"].as_array();
            Ok(targets
                .into_iter()
                .flatten()
                .map(|target| {
                    let input = text_of(&target["Input"]);
                    (text_of(&target["Arn"]), Schedule { every_s, input })
                })
                .collect::<Vec<_>>())
        })?;
        self.each("AWS::Serverless::Function", |id, properties| {
            let setting = |name: &str| properties.get(name).or_else(|| globals.get(name));
            let number = |name, default| setting(name).and_then(number_of).unwrap_or(default);
            let mut environment = BTreeMap::new();
            for source in [&globals, properties] {
                for (name, value) in entries(&source["Environment"]["Variables"]) {
                    environment.insert(name.clone(), text_of(value));
                }
            }
            let (name, arn) = (self.name(id)?, self.attribute(&format!("{id}.Arn"))?);
            let its = |target: &str| target == name || target == arn;
            Ok(FunctionOf {
                logical_id: id.to_owned(),
                environment,
                // Lambda's own defaults.
                timeout_s: number("Timeout", 3),
                memory_mib: u32::try_from(number("MemorySize", 128)).unwrap_or(u32::MAX),
                queues: mappings
                    .iter()
                    .filter(|(function, _)| its(function))
                    .map(|(_, queue)| queue.clone())
                    .collect(),
                schedules: rules
                    .iter()
                    .flatten()
                    .filter(|(target, _)| its(target))
                    .map(|(_, schedule)| schedule.clone())
                    .collect(),
            })
        })
    }

    /// The routes of the WebSocket API.
    pub fn routes(&self) -> Result<Vec<Route>, TemplateError> {
        let responding: BTreeSet<String> = self
            .raw("AWS::ApiGatewayV2::RouteResponse")
            .filter_map(|(_, resource)| {
                let route = &resource["Properties"]["RouteId"]["Ref"];
                Some(route.as_str()?.to_owned())
            })
            .collect();
        let routes = self.each("AWS::ApiGatewayV2::Route", |id, properties| {
            let key = route_key(id, properties)?;
            let selected = properties.get("RouteResponseSelectionExpression").is_some();
            Ok((!key.contains(' ')).then(|| Route {
                key: key.to_owned(),
                // It takes both: the route's expression and a response.
                responds: selected && responding.contains(id),
            }))
        })?;
        Ok(routes.into_iter().flatten().collect())
    }

    /// The routes of the HTTP API: those whose key has a method and a path.
    pub fn http_routes(&self) -> Result<Vec<HttpRoute>, TemplateError> {
        let routes = self.each("AWS::ApiGatewayV2::Route", |id, properties| {
            let key = route_key(id, properties)?;
            Ok(key.split_once(' ').map(|(method, path)| HttpRoute {
                method: method.to_owned(),
                path: path.to_owned(),
                jwt: properties["AuthorizationType"] == "JWT",
            }))
        })?;
        Ok(routes.into_iter().flatten().collect())
    }

    /// CORS of the HTTP API.
    pub fn cors(&self) -> Result<Option<Cors>, TemplateError> {
        let apis = self.each("AWS::ApiGatewayV2::Api", |_, properties| {
            Ok(properties.get("CorsConfiguration").map(|cors| Cors {
                origins: texts(&cors["AllowOrigins"]),
                methods: texts(&cors["AllowMethods"]),
                headers: texts(&cors["AllowHeaders"]),
                expose: texts(&cors["ExposeHeaders"]),
                max_age: number_of(&cors["MaxAge"]),
            }))
        })?;
        Ok(apis.into_iter().flatten().next())
    }

    /// The content security policy of the page, if there is one.
    pub fn content_security_policy(&self) -> Result<Option<String>, TemplateError> {
        let policies = self.each("AWS::CloudFront::ResponseHeadersPolicy", |_, properties| {
            let headers = &properties["ResponseHeadersPolicyConfig"]["SecurityHeadersConfig"];
            let policy = &headers["ContentSecurityPolicy"]["ContentSecurityPolicy"];
            Ok(policy.as_str().map(str::to_owned))
        })?;
        Ok(policies.into_iter().flatten().next())
    }

    /// The name of something that is made here, by its name in the template.
    pub fn name(&self, logical_id: &str) -> Result<String, TemplateError> {
        let properties = &self.document["Resources"][logical_id]["Properties"];
        for given in ["BucketName", "TableName", "QueueName"] {
            if let Some(name) = properties.get(given) {
                return Ok(text_of(&self.resolve(name)?));
            }
        }
        // Buckets want small letters; the others take them.
        Ok(format!(
            "{}-{}",
            self.stack,
            logical_id.to_ascii_lowercase()
        ))
    }

    fn raw<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = (&'a String, &'a Value)> {
        entries(&self.document["Resources"]).filter(move |(_, resource)| resource["Type"] == kind)
    }

    fn each<T>(
        &self,
        kind: &str,
        make: impl Fn(&str, &Value) -> Result<T, TemplateError>,
    ) -> Result<Vec<T>, TemplateError> {
        let mut all = Vec::new();
        for (id, resource) in self.raw(kind) {
            if let Some(condition) = resource.get("Condition").and_then(Value::as_str)
                && !self.condition(condition)?
            {
                continue;
            }
            let properties = self
                .resolve(&resource["Properties"])
                .map_err(|TemplateError(words)| TemplateError(format!("{id}: {words}")))?;
            all.push(make(id, &properties)?);
        }
        Ok(all)
    }

    /// A value with every intrinsic function worked out.
    fn resolve(&self, value: &Value) -> Result<Value, TemplateError> {
        match value {
            Value::Array(items) => {
                let mut all = Vec::with_capacity(items.len());
                for item in items {
                    let item = self.resolve(item)?;
                    if !is_no_value(&item) {
                        all.push(item);
                    }
                }
                Ok(Value::Array(all))
            }
            Value::Object(fields) => {
                if let Some((name, argument)) = fields.iter().next()
                    && fields.len() == 1
                    && (name == "Ref" || name == "Condition" || name.starts_with("Fn::"))
                {
                    return self.function(name, argument);
                }
                let mut all = Map::new();
                for (name, field) in fields {
                    let field = self.resolve(field)?;
                    if !is_no_value(&field) {
                        all.insert(name.clone(), field);
                    }
                }
                Ok(Value::Object(all))
            }
            other => Ok(other.clone()),
        }
    }

    fn function(&self, name: &str, argument: &Value) -> Result<Value, TemplateError> {
        let list = |argument: &Value| argument.as_array().cloned().unwrap_or_default();
        match name {
            "Ref" => self.reference(&text_of(argument)),
            "Fn::GetAtt" => {
                let path = match argument {
                    Value::String(path) => path.clone(),
                    other => texts(other).join("."),
                };
                Ok(self.attribute(&path)?.into())
            }
            "Fn::Sub" => match argument {
                Value::String(text) => Ok(self.substitute(text, &Map::new())?.into()),
                other => {
                    let variables = self.resolve(&other[1])?;
                    let none = Map::new();
                    let variables = variables.as_object().unwrap_or(&none);
                    Ok(self.substitute(&text_of(&other[0]), variables)?.into())
                }
            },
            "Fn::Join" => {
                let items = self.resolve(&argument[1])?;
                Ok(texts(&items).join(&text_of(&argument[0])).into())
            }
            "Fn::Select" => {
                let items = self.resolve(&argument[1])?;
                let index = text_of(&argument[0]).parse::<usize>().unwrap_or(usize::MAX);
                items
                    .get(index)
                    .cloned()
                    .map_or_else(|| fault("Fn::Select beyond its list"), Ok)
            }
            "Fn::Split" => {
                let text = text_of(&self.resolve(&argument[1])?);
                let parts: Vec<_> = text.split(&text_of(&argument[0])).collect();
                Ok(json!(parts))
            }
            "Fn::If" => {
                let branch = if self.condition(&text_of(&argument[0]))? {
                    1
                } else {
                    2
                };
                self.resolve(&argument[branch])
            }
            "Condition" => Ok(self.condition(&text_of(argument))?.into()),
            "Fn::Equals" => Ok((self.resolve(&argument[0])? == self.resolve(&argument[1])?).into()),
            "Fn::Not" => Ok((!self.holds(&argument[0])?).into()),
            "Fn::And" | "Fn::Or" => {
                let mut all = Vec::new();
                for item in list(argument) {
                    all.push(self.holds(&item)?);
                }
                let holds = if name == "Fn::And" {
                    all.iter().all(|holds| *holds)
                } else {
                    all.iter().any(|holds| *holds)
                };
                Ok(holds.into())
            }
            "Fn::FindInMap" => {
                let keys = texts(&self.resolve(argument)?);
                let [map, top, second] = keys.as_slice() else {
                    return fault("Fn::FindInMap takes three keys");
                };
                Ok(self.document["Mappings"][map][top][second].clone())
            }
            // Regions have several; there is one machine.
            "Fn::GetAZs" => Ok(json!([format!("{REGION}a")])),
            "Fn::ToJsonString" => Ok(self.resolve(argument)?.to_string().into()),
            other => fault(format!("{other} is not known here")),
        }
    }

    fn condition(&self, name: &str) -> Result<bool, TemplateError> {
        match self.document["Conditions"].get(name) {
            Some(condition) => self.holds(condition),
            None => fault(format!("there is no condition {name}")),
        }
    }

    fn holds(&self, condition: &Value) -> Result<bool, TemplateError> {
        match self.resolve(condition)? {
            Value::Bool(holds) => Ok(holds),
            Value::String(text) => Ok(text == "true"),
            other => fault(format!("{other} is no condition")),
        }
    }

    fn reference(&self, name: &str) -> Result<Value, TemplateError> {
        if let Some(value) = self.known.get(name) {
            return Ok(value.clone().into());
        }
        if let Some(value) = self.parameters.get(name) {
            return Ok(value.clone());
        }
        Ok(match name {
            "AWS::Region" => REGION.into(),
            "AWS::AccountId" => ACCOUNT.into(),
            "AWS::StackName" => self.stack.clone().into(),
            "AWS::Partition" => "aws".into(),
            "AWS::URLSuffix" => "amazonaws.com".into(),
            "AWS::NoValue" => no_value(),
            _ => {
                let resource = &self.document["Resources"][name];
                let own = self.name(name)?;
                match resource["Type"].as_str() {
                    Some("AWS::SQS::Queue") => format!("{}/{ACCOUNT}/{own}", self.peer).into(),
                    Some(_) => own.into(),
                    None => return fault(format!("there is no {name} to refer to")),
                }
            }
        })
    }

    fn attribute(&self, path: &str) -> Result<String, TemplateError> {
        if let Some(value) = self.known.get(path) {
            return Ok(value.clone());
        }
        let (id, attribute) = path.split_once('.').unwrap_or((path, "Arn"));
        let name = self.name(id)?;
        let Some(kind) = self.document["Resources"][id]["Type"].as_str() else {
            return fault(format!("there is no {id} to refer to"));
        };
        Ok(match (kind, attribute) {
            ("AWS::SQS::Queue", "Arn") => format!("arn:aws:sqs:{REGION}:{ACCOUNT}:{name}"),
            ("AWS::SQS::Queue", "QueueName") => name,
            ("AWS::S3::Bucket", "Arn") => format!("arn:aws:s3:::{name}"),
            ("AWS::DynamoDB::Table", "Arn") => {
                format!("arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{name}")
            }
            ("AWS::Serverless::Function", "Arn") => {
                format!("arn:aws:lambda:{REGION}:{ACCOUNT}:function:{name}")
            }
            _ => format!("{name}.{}", attribute.to_ascii_lowercase()),
        })
    }

    /// `${Name}` and `${Name.Attribute}`; `${!literal}` stays `${literal}`.
    fn substitute(
        &self,
        text: &str,
        variables: &Map<String, Value>,
    ) -> Result<String, TemplateError> {
        let mut out = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${") {
            out.push_str(before);
            let Some((name, after)) = after.split_once('}') else {
                out.push_str("${");
                rest = after;
                continue;
            };
            if let Some(literal) = name.strip_prefix('!') {
                out.push_str("${");
                out.push_str(literal);
                out.push('}');
            } else if let Some(value) = variables.get(name) {
                out.push_str(&text_of(value));
            } else if name.contains('.') {
                out.push_str(&self.attribute(name)?);
            } else {
                out.push_str(&text_of(&self.reference(name)?));
            }
            rest = after;
        }
        out.push_str(rest);
        Ok(out)
    }
}

const NO_VALUE: &str = "AWS::NoValue";

fn no_value() -> Value {
    json!({ NO_VALUE: null })
}

fn is_no_value(value: &Value) -> bool {
    value
        .as_object()
        .is_some_and(|fields| fields.contains_key(NO_VALUE))
}

fn entries(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

fn text_of(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

/// A list of texts; one text is a list of one.
fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::Array(items) => items.iter().map(text_of).collect(),
        Value::Null => Vec::new(),
        other => vec![text_of(other)],
    }
}

/// A number, which may have come as a text.
fn number_of(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}

fn route_key<'a>(id: &str, properties: &'a Value) -> Result<&'a str, TemplateError> {
    let key = properties["RouteKey"].as_str();
    key.map_or_else(|| fault(format!("the route {id} has no RouteKey")), Ok)
}

/// `rate(5 minutes)` in seconds.
fn rate(expression: &str) -> Result<u64, TemplateError> {
    let parsed = || {
        let inner = expression.strip_prefix("rate(")?.strip_suffix(')')?;
        let (number, unit) = inner.split_once(' ')?;
        let number: u64 = number.parse().ok()?;
        let seconds = match unit.trim_end_matches('s') {
            "minute" => 60,
            "hour" => 3600,
            "day" => 86_400,
            _ => return None,
        };
        number.checked_mul(seconds)
    };
    parsed().map_or_else(
        || {
            fault(format!(
                "the schedule {expression:?} is not a rate such as rate(5 minutes)"
            ))
        },
        Ok,
    )
}

/// YAML as JSON, with the short forms of intrinsic functions written out.
fn plain(yaml: &Yaml<'_>) -> Result<Value, TemplateError> {
    match yaml {
        Yaml::Value(scalar) => Ok(match scalar {
            Scalar::Null => Value::Null,
            Scalar::Boolean(value) => (*value).into(),
            Scalar::Integer(value) => (*value).into(),
            Scalar::FloatingPoint(value) => json!(value.into_inner()),
            Scalar::String(text) => text.as_ref().into(),
        }),
        Yaml::Representation(text, ..) => Ok(text.as_ref().into()),
        Yaml::Sequence(items) => items.iter().map(plain).collect(),
        Yaml::Mapping(fields) => {
            let mut all = Map::new();
            for (name, value) in fields {
                all.insert(text_of(&plain(name)?), plain(value)?);
            }
            Ok(Value::Object(all))
        }
        Yaml::Tagged(tag, value) => {
            let value = plain(value)?;
            let name = match tag.suffix.as_str() {
                plain @ ("Ref" | "Condition") => plain.to_owned(),
                other => format!("Fn::{other}"),
            };
            Ok(json!({ name: value }))
        }
        Yaml::Alias(_) => fault("aliases are not known here"),
        Yaml::BadValue => fault("a value that is none"),
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

/// The rules of a bucket's CORS as one. Of several, moto applies the last to every request, where S3
/// takes the first that fits; so what any of them allows is allowed here.
fn cors_xml(cors: &Value) -> String {
    let mut xml = String::from("<CORSConfiguration><CORSRule>");
    for (name, tag) in [
        ("AllowedOrigins", "AllowedOrigin"),
        ("AllowedMethods", "AllowedMethod"),
        ("AllowedHeaders", "AllowedHeader"),
        ("ExposedHeaders", "ExposeHeader"),
    ] {
        let rules = cors["CorsRules"].as_array().into_iter().flatten();
        let mut all: Vec<String> = rules.flat_map(|rule| texts(&rule[name])).collect();
        if all.iter().any(|value| value == "*") {
            all = vec!["*".to_owned()];
        }
        for value in all {
            let _infallible = write!(xml, "<{tag}>{}</{tag}>", escape(&value));
        }
    }
    xml + "</CORSRule></CORSConfiguration>"
}

fn notification_xml(notification: &Value) -> String {
    let mut xml = String::from("<NotificationConfiguration>");
    for queue in notification["QueueConfigurations"]
        .as_array()
        .into_iter()
        .flatten()
    {
        let (arn, event) = (text_of(&queue["Queue"]), text_of(&queue["Event"]));
        let _infallible = write!(
            xml,
            "<QueueConfiguration><Queue>{}</Queue><Event>{}</Event>",
            escape(&arn),
            escape(&event)
        );
        let rules = queue["Filter"]["S3Key"]["Rules"].as_array();
        if let Some(rules) = rules {
            xml.push_str("<Filter><S3Key>");
            for rule in rules {
                let _infallible = write!(
                    xml,
                    "<FilterRule><Name>{}</Name><Value>{}</Value></FilterRule>",
                    escape(&text_of(&rule["Name"])),
                    escape(&text_of(&rule["Value"]))
                );
            }
            xml.push_str("</S3Key></Filter>");
        }
        xml.push_str("</QueueConfiguration>");
    }
    xml + "</NotificationConfiguration>"
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEMPLATE: &str = r#"
Parameters:
  Shards: { Type: Number, Default: 4 }
  Auth: { Type: String, Default: "" }
  Origins: { Type: CommaDelimitedList, Default: "https://a.example,https://b.example" }
Conditions:
  SignsIn: !Not [!Equals [!Ref Auth, ""]]
Globals:
  Function:
    Timeout: 29
    Environment:
      Variables:
        TABLE: !Ref MarksTable
        SHARDS: !Ref Shards
Resources:
  MarksTable:
    Type: AWS::DynamoDB::Table
    Properties:
      BillingMode: PAY_PER_REQUEST
      AttributeDefinitions: [{ AttributeName: number, AttributeType: "N" }]
      KeySchema: [{ AttributeName: number, KeyType: HASH }]
      TimeToLiveSpecification: { AttributeName: expires, Enabled: true }
  WorkQueue:
    Type: AWS::SQS::Queue
    Properties:
      VisibilityTimeout: 900
      RedrivePolicy: { deadLetterTargetArn: !GetAtt DeadQueue.Arn, maxReceiveCount: 5 }
  DeadQueue:
    Type: AWS::SQS::Queue
  SourcesBucket:
    Type: AWS::S3::Bucket
    Properties:
      BucketName: !Sub ${AWS::StackName}-sources-${AWS::AccountId}
      CorsConfiguration:
        CorsRules: [{ AllowedOrigins: ["*"], AllowedMethods: [PUT, GET], MaxAge: 600 }]
      NotificationConfiguration:
        QueueConfigurations:
          - { Event: "s3:ObjectCreated:*", Queue: !GetAtt WorkQueue.Arn }
  TranslatorWork:
    Type: AWS::Lambda::EventSourceMapping
    Properties:
      EventSourceArn: !GetAtt WorkQueue.Arn
      FunctionName: !Ref TranslatorFunction
      BatchSize: 1
      ScalingConfig: { MaximumConcurrency: !Ref Shards }
      FunctionResponseTypes: [ReportBatchItemFailures]
  Recover:
    Type: AWS::Events::Rule
    Properties:
      ScheduleExpression: rate(15 minutes)
      Targets: [{ Id: t, Arn: !GetAtt TranslatorFunction.Arn, Input: '{"task":"recover"}' }]
  SocketApi:
    Type: AWS::ApiGatewayV2::Api
    Properties: { ProtocolType: WEBSOCKET }
  HttpApi:
    Type: AWS::ApiGatewayV2::Api
    Properties:
      ProtocolType: HTTP
      CorsConfiguration: { AllowOrigins: !Ref Origins, AllowMethods: [GET], MaxAge: 3000 }
  RestRoute:
    Type: AWS::ApiGatewayV2::Route
    Properties:
      RouteKey: ANY /api/{proxy+}
      AuthorizationType: !If [SignsIn, JWT, NONE]
  TranslatorFunction:
    Type: AWS::Serverless::Function
    Properties:
      Timeout: 900
      Environment:
        Variables:
          QUEUE: !Ref WorkQueue
          URL: !Sub "https://${SocketApi}.execute-api.${AWS::Region}.${AWS::URLSuffix}/${!literal}"
          ISSUER: !If [SignsIn, !Ref Auth, !Ref AWS::NoValue]
  AuthorizerFunction:
    Type: AWS::Serverless::Function
    Condition: SignsIn
    Properties: {}
  PingRoute:
    Type: AWS::ApiGatewayV2::Route
    Properties: { RouteKey: ping, RouteResponseSelectionExpression: $default }
  PingAnswer:
    Type: AWS::ApiGatewayV2::RouteResponse
    Properties: { RouteId: !Ref PingRoute, RouteResponseKey: $default }
  LookRoute:
    Type: AWS::ApiGatewayV2::Route
    Properties: { RouteKey: look, RouteResponseSelectionExpression: $default }
"#;

    fn template() -> Template {
        Template::parse(TEMPLATE, "bw", "http://127.0.0.1:1").unwrap()
    }

    #[test]
    fn tables_and_queues_are_what_the_template_says() {
        let tables = template().tables().unwrap();
        assert_eq!(tables[0].create["TableName"], "bw-markstable");
        assert_eq!(
            tables[0].create["AttributeDefinitions"][0]["AttributeType"],
            "N"
        );
        assert!(tables[0].time_to_live.is_some());
        let queues = template().queues().unwrap();
        assert_eq!(queues[0].name, "bw-deadqueue", "the one referred to first");
        let redrive: Value = serde_json::from_str(&queues[1].attributes["RedrivePolicy"]).unwrap();
        assert_eq!(
            redrive["deadLetterTargetArn"],
            "arn:aws:sqs:us-east-1:123456789012:bw-deadqueue"
        );
        assert_eq!(queues[1].attributes["VisibilityTimeout"], "900");
    }

    #[test]
    fn a_bucket_has_its_cors_and_its_notifications() {
        let bucket = &template().buckets().unwrap()[0];
        assert_eq!(bucket.name, "bw-sources-123456789012");
        let cors = bucket.cors.as_deref().unwrap();
        assert!(
            cors.contains("<AllowedMethod>PUT</AllowedMethod><AllowedMethod>GET<"),
            "{cors}"
        );
        let notifications = bucket.notifications.as_deref().unwrap();
        assert!(notifications.contains(":bw-workqueue</Queue><Event>s3:ObjectCreated:*</Event>"));
    }

    #[test]
    fn a_function_has_its_own_environment_and_everybody_s() {
        let functions = template().functions().unwrap();
        assert_eq!(functions.len(), 1, "nobody signs in");
        let translator = &functions[0];
        assert_eq!(translator.timeout_s, 900);
        assert_eq!(translator.environment["TABLE"], "bw-markstable");
        assert_eq!(translator.environment["SHARDS"], "4");
        assert_eq!(
            translator.environment["QUEUE"],
            "http://127.0.0.1:1/123456789012/bw-workqueue"
        );
        assert!(!translator.environment.contains_key("ISSUER"));
        assert_eq!(
            translator.environment["URL"],
            "https://bw-socketapi.execute-api.us-east-1.amazonaws.com/${literal}"
        );
        let queue = &translator.queues[0];
        assert!(queue.reports_failures && queue.batch_size == 1);
        assert_eq!(queue.concurrency, Some(4));
        assert_eq!(translator.schedules[0].every_s, 900);

        let signing_in = template().with_parameter("Auth", "https://issuer");
        let functions = signing_in.functions().unwrap();
        assert_eq!(functions.len(), 2);
        let translator = functions.iter().find(|f| f.timeout_s == 900).unwrap();
        assert_eq!(translator.environment["ISSUER"], "https://issuer");
    }

    #[test]
    fn a_route_answers_only_with_both_an_expression_and_a_response() {
        let mut routes = template().routes().unwrap();
        routes.sort();
        let found: Vec<_> = routes
            .iter()
            .map(|r| (r.key.as_str(), r.responds))
            .collect();
        assert_eq!(found, [("look", false), ("ping", true)]);
    }

    #[test]
    fn the_http_api_has_its_routes_and_its_origins() {
        let route = &template().http_routes().unwrap()[0];
        assert_eq!(
            (route.method.as_str(), route.path.as_str()),
            ("ANY", "/api/{proxy+}")
        );
        assert!(!route.jwt);
        let signing_in = template().with_parameter("Auth", "https://issuer");
        assert!(signing_in.http_routes().unwrap()[0].jwt);
        let cors = template().cors().unwrap().unwrap();
        assert_eq!(cors.origins, ["https://a.example", "https://b.example"]);
    }

    #[test]
    fn the_template_that_is_deployed_can_be_read() {
        let text = include_str!("../../../deploy/template.yaml");
        let template = Template::parse(text, "babelwire", "http://127.0.0.1:1").unwrap();
        assert_eq!(template.tables().unwrap().len(), 6);
        assert_eq!(template.functions().unwrap().len(), 4, "nobody signs in");
        let keys: Vec<_> = template
            .routes()
            .unwrap()
            .into_iter()
            .map(|r| r.key)
            .collect();
        assert!(keys.contains(&"$connect".to_owned()) && keys.contains(&"look".to_owned()));
        let functions = template.functions().unwrap();
        let of = |id: &str| functions.iter().find(|f| f.logical_id == id).unwrap();
        assert_eq!(of("TranslatorFunction").queues.len(), 1);
        assert_eq!(of("TranslatorFunction").schedules.len(), 1);
        assert_eq!(of("NotifierFunction").queues.len(), 2);
        let signing_in = template.with_parameter("SignIn", "cognito");
        assert_eq!(signing_in.functions().unwrap().len(), 5);
        assert!(signing_in.content_security_policy().unwrap().is_some());
    }

    #[test]
    fn what_is_not_known_is_said() {
        let text =
            "Resources:\n  Q:\n    Type: AWS::SQS::Queue\n    Properties: { X: !Cidr [a] }\n";
        let error = Template::parse(text, "", "").unwrap().queues().unwrap_err();
        assert_eq!(
            error.to_string(),
            "the template: Q: Fn::Cidr is not known here"
        );
    }
}
