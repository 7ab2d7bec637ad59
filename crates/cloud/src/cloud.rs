//! All of it together: a stack of the template, running.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use babelwire_auth::Verifier;
use babelwire_gateway::aws_lambda_events::apigw::{
    ApiGatewayCustomAuthorizerRequestTypeRequest, ApiGatewayProxyResponse,
    ApiGatewayWebsocketProxyRequest,
};
use babelwire_gateway::{Connections, Gateway, GatewayBuilder, Guard};
use http::{HeaderName, HeaderValue, StatusCode, header};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tower_http::services::ServeDir;
use tower_http::set_header::SetResponseHeaderLayer;

use crate::http_api::HttpApi;
use crate::peers::Peer;
use crate::runtime::{self, Function, InvokeError};
use crate::sqs::{self, Mapping, Sequencers};
use crate::template::{ACCOUNT, FunctionOf, REGION, Template};

/// The stage of the WebSocket API, as the template has it.
const STAGE: &str = "live";
/// Batches of one queue that are with a function at once, where the template does not say. Lambda
/// begins with five pollers for each queue ("Using Lambda with Amazon SQS": scaling).
const BATCHES: u64 = 5;
/// The most instances of one function.
const INSTANCES: usize = 20;

/// How a stack is run.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where the page and `/api` are served; port 0 takes any.
    pub listen: SocketAddr,
    /// Where moto's server is.
    pub peer: String,
    /// Where Translate, or a fake of it, is.
    pub translate: String,
    /// The folder of the functions' programs: `babelwire-websocket` and the others.
    pub functions: PathBuf,
    /// The template.
    pub template: PathBuf,
    /// The stack's name: small letters, digits, `-`. Several can share a moto.
    pub stack: String,
    /// The page's files.
    pub ui: Option<PathBuf>,
    /// Put in place of every function's timeout that is longer.
    pub function_timeout: Option<Duration>,
    /// More environment for every function.
    pub environment: Vec<(String, String)>,
    /// Whether queues and schedules feed the functions. Without, only the APIs call them, and
    /// whoever has the [`Cloud`].
    pub sources: bool,
    /// Who may sign in. Nobody has to without.
    pub auth: Option<Auth>,
}

/// Whose tokens are valid.
#[derive(Debug, Clone)]
pub struct Auth {
    /// The issuer's key set, a file.
    pub jwks: PathBuf,
    /// The `iss` of its tokens, if it is to be checked.
    pub issuer: Option<String>,
    /// Their `aud`, if it is to be checked.
    pub audience: Option<String>,
    /// What `config.json` says under `signIn`.
    pub sign_in: Option<Value>,
}

/// Why a stack does not run, in words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct CloudError(pub String);

fn failed(what: &str) -> impl Fn(&dyn std::fmt::Display) -> CloudError + '_ {
    move |error| CloudError(format!("{what}: {error}"))
}

/// A running stack. Dropped, it stops.
pub struct Cloud {
    address: SocketAddr,
    socket_address: SocketAddr,
    template: Template,
    functions: BTreeMap<String, Function>,
    connections: Connections,
    peer: Peer,
    _tasks: JoinSet<()>,
}

impl Cloud {
    /// Makes a stack and runs it.
    ///
    /// # Errors
    /// In words: what cannot be used, and why.
    pub async fn start(options: Options) -> Result<Self, CloudError> {
        let listener = listen(options.listen).await?;
        let address = address_of(&listener)?;
        // A port of its own, as the WebSocket API has a host of its own.
        let socket_listener = listen(SocketAddr::new(options.listen.ip(), 0)).await?;
        let socket_address = address_of(&socket_listener)?;
        let origin = format!("http://{address}");

        let text = tokio::fs::read_to_string(&options.template)
            .await
            .map_err(|error| failed(&options.template.display().to_string())(&error))?;
        let peer = Peer::new(&options.peer);
        let template = Template::parse(&text, &options.stack, peer.url())
            .map_err(|error| CloudError(error.to_string()))?
            // The page is at this origin, and not at CloudFront's.
            .with_parameter("MoreOrigins", &origin)
            .with_parameter(
                "SignIn",
                if options.auth.is_some() {
                    "cognito"
                } else {
                    "none"
                },
            );
        let shortened = options.function_timeout;
        peer.make(&template, shortened.map(visibility))
            .await
            .map_err(|error| failed("cannot make tables, queues and buckets")(&error))?;

        let overrides = overrides(&options, &origin, socket_address);
        let mut functions = BTreeMap::new();
        let in_words = |error: crate::template::TemplateError| CloudError(error.to_string());
        let all = template.functions().map_err(in_words)?;
        for of in &all {
            let function = function(of, &options, &overrides)?;
            functions.insert(of.logical_id.clone(), function);
        }
        let named = |id: &str| {
            let function = functions.get(id).cloned();
            function.ok_or_else(|| CloudError(format!("the template has no {id}")))
        };

        let mut tasks = JoinSet::new();
        if options.sources {
            let sequencers = Arc::new(Sequencers::default());
            for of in &all {
                feed(&mut tasks, of, &named(&of.logical_id)?, &peer, &sequencers);
            }
        }

        let gateway = gateway(&template, &functions, &origin, options.auth.is_some())?;
        let connections = gateway.connections().clone();
        let socket_service = gateway
            .standalone_router()
            .into_make_service_with_connect_info::<SocketAddr>();
        tasks.spawn(async move {
            if let Err(error) = axum::serve(socket_listener, socket_service).await {
                tracing::error!(%error, "the WebSocket API ended");
            }
        });

        let verifier = verifier(options.auth.as_ref()).await?;
        let routes = template.http_routes().map_err(in_words)?;
        let cors = template.cors().map_err(in_words)?;
        let api = HttpApi::new(named("RestFunction")?, routes)
            .with_verifier(verifier)
            .router("/api", cors.as_ref());
        let policy = template.content_security_policy().map_err(in_words)?;
        let policy = policy.map(|policy| local_policy(&policy, socket_address, &peer));
        let site = site(&options, socket_address, policy.as_deref());
        let service = site
            .merge(api)
            .into_make_service_with_connect_info::<SocketAddr>();
        tasks.spawn(async move {
            if let Err(error) = axum::serve(listener, service).await {
                tracing::error!(%error, "the page's server ended");
            }
        });

        Ok(Self {
            address,
            socket_address,
            template,
            functions,
            connections,
            peer,
            _tasks: tasks,
        })
    }

    /// The origin of the page and of `/api`.
    pub fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The WebSocket API's URL.
    pub fn socket_url(&self) -> String {
        format!("ws://{}/{STAGE}", self.socket_address)
    }

    /// A function by its name in the template, such as `TranslatorFunction`.
    pub fn function(&self, logical_id: &str) -> Option<&Function> {
        self.functions.get(logical_id)
    }

    /// The functions by their names in the template.
    pub fn functions(&self) -> &BTreeMap<String, Function> {
        &self.functions
    }

    /// The open connections.
    pub fn connections(&self) -> &Connections {
        &self.connections
    }

    /// What was made, and what it is called.
    pub fn template(&self) -> &Template {
        &self.template
    }

    /// The URL of a queue by its name in the template, such as `WorkQueue`.
    pub fn queue_url(&self, logical_id: &str) -> String {
        let name = self.template.name(logical_id).unwrap_or_default();
        format!("{}/{ACCOUNT}/{name}", self.peer.url())
    }

    /// Where tables, queues and buckets are.
    pub fn peer(&self) -> &Peer {
        &self.peer
    }
}

/// Has a function's queues and schedules call it.
fn feed(
    tasks: &mut JoinSet<()>,
    of: &FunctionOf,
    function: &Function,
    peer: &Peer,
    sequencers: &Arc<Sequencers>,
) {
    for queue in &of.queues {
        let name = queue.arn.rsplit(':').next().unwrap_or_default();
        let concurrency = queue.concurrency.unwrap_or(BATCHES);
        let mapping = Mapping {
            queue_url: format!("{}/{ACCOUNT}/{name}", peer.url()),
            queue_arn: queue.arn.clone(),
            batch_size: queue.batch_size,
            reports_failures: queue.reports_failures,
            concurrency: usize::try_from(concurrency).unwrap_or(INSTANCES),
        };
        let sequencers = Arc::clone(sequencers);
        tasks.spawn(sqs::poll(
            peer.clone(),
            mapping,
            function.clone(),
            sequencers,
        ));
    }
    for schedule in of.schedules.clone() {
        let function = function.clone();
        tasks.spawn(async move {
            loop {
                tokio::time::sleep(Duration::from_secs(schedule.every_s)).await;
                let _logged = function.invoke(schedule.input.clone()).await;
            }
        });
    }
}

/// As long as a function may run, as AWS demands, in full seconds.
fn visibility(timeout: Duration) -> u64 {
    timeout
        .as_millis()
        .div_ceil(1000)
        .try_into()
        .unwrap_or(u64::MAX)
}

async fn listen(address: SocketAddr) -> Result<TcpListener, CloudError> {
    TcpListener::bind(address)
        .await
        .map_err(|error| failed(&format!("cannot listen on {address}"))(&error))
}

fn address_of(listener: &TcpListener) -> Result<SocketAddr, CloudError> {
    listener
        .local_addr()
        .map_err(|error| failed("the listening address is unknown")(&error))
}

/// What is another on one machine than the template says.
fn overrides(
    options: &Options,
    origin: &str,
    socket_address: SocketAddr,
) -> BTreeMap<String, String> {
    let mut all: BTreeMap<String, String> = [
        ("AWS_REGION", REGION),
        ("AWS_DEFAULT_REGION", REGION),
        ("AWS_ACCESS_KEY_ID", "local"),
        ("AWS_SECRET_ACCESS_KEY", "local"),
        ("AWS_ENDPOINT_URL", options.peer.as_str()),
        ("AWS_ENDPOINT_URL_TRANSLATE", options.translate.as_str()),
        ("AWS_EC2_METADATA_DISABLED", "true"),
        ("BABELWIRE_S3_PATH_STYLE", "true"),
        ("BABELWIRE_PUBLIC_URL", origin),
        (
            "BABELWIRE_CONNECTIONS_URL",
            &format!("http://{socket_address}/{STAGE}"),
        ),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .collect();
    if let Some(auth) = &options.auth {
        all.insert(
            "BABELWIRE_AUTH_JWKS_URL".to_owned(),
            format!("{origin}{JWKS_PATH}"),
        );
        // Empty is not set.
        let text = |value: &Option<String>| value.clone().unwrap_or_default();
        all.insert("BABELWIRE_AUTH_ISSUER".to_owned(), text(&auth.issuer));
        all.insert("BABELWIRE_AUTH_AUDIENCE".to_owned(), text(&auth.audience));
    }
    all
}

fn function(
    of: &FunctionOf,
    options: &Options,
    overrides: &BTreeMap<String, String>,
) -> Result<Function, CloudError> {
    let mut environment = of.environment.clone();
    for (name, value) in overrides {
        // Of its own variables a function has those that the template gives it, and no other:
        // what the template forgets is to be missing here too.
        let given = !name.starts_with("BABELWIRE_")
            || name == "BABELWIRE_S3_PATH_STYLE"
            || environment.contains_key(name);
        if given {
            environment.insert(name.clone(), value.clone());
        }
    }
    environment.extend(options.environment.iter().cloned());
    let role = of.logical_id.to_ascii_lowercase();
    let role = role.strip_suffix("function").unwrap_or(&role);
    let program = options
        .functions
        .join(format!("babelwire-{role}{}", std::env::consts::EXE_SUFFIX));
    if !program.is_file() {
        return Err(CloudError(format!(
            "there is no {}: build the functions first (cargo build -p babelwire-aws --bins)",
            program.display()
        )));
    }
    let timeout = Duration::from_secs(of.timeout_s);
    let shortened = options.function_timeout.unwrap_or(timeout);
    let options = runtime::Options {
        environment: environment.into_iter().collect(),
        memory_mib: of.memory_mib,
        timeout: timeout.min(shortened),
        concurrency: INSTANCES,
        ..runtime::Options::new(role, program)
    };
    Ok(Function::new(options))
}

/// The WebSocket API: every route of the template has the function answer.
fn gateway(
    template: &Template,
    functions: &BTreeMap<String, Function>,
    origin: &str,
    signs_in: bool,
) -> Result<Gateway, CloudError> {
    let function = functions
        .get("WebsocketFunction")
        .ok_or_else(|| CloudError("the template has no WebsocketFunction".to_owned()))?;
    let guard = Guard::new()
        .allow_origin(origin)
        .map_err(|error| failed("the page's origin")(&error))?;
    let mut builder: GatewayBuilder = Gateway::builder().stage(STAGE).guard(guard);
    if signs_in {
        let authorizer = functions
            .get("AuthorizerFunction")
            .ok_or_else(|| CloudError("the template has no AuthorizerFunction".to_owned()))?
            .clone();
        builder = builder
            .identity_sources(["route.request.header.Sec-WebSocket-Protocol"])
            .authorizer(move |event: ApiGatewayCustomAuthorizerRequestTypeRequest| {
                let authorizer = authorizer.clone();
                async move { invoke(&authorizer, &event).await }
            });
    }
    let routes = template
        .routes()
        .map_err(|error| CloudError(error.to_string()))?;
    for route in routes {
        let function = function.clone();
        let handler = move |event: ApiGatewayWebsocketProxyRequest| {
            let function = function.clone();
            async move { invoke::<ApiGatewayProxyResponse>(&function, &event).await }
        };
        builder = if route.responds {
            builder.route_with_response(route.key, handler)
        } else {
            builder.route(route.key, handler)
        };
    }
    builder
        .build()
        .map_err(|error| failed("the WebSocket API")(&error))
}

/// Asks a function about an event. The error is what the function said, and no more: API Gateway
/// looks at the words.
async fn invoke<T: DeserializeOwned>(
    function: &Function,
    event: &impl Serialize,
) -> Result<T, String> {
    let payload = serde_json::to_vec(event).map_err(|error| error.to_string())?;
    match function.invoke(payload).await {
        Ok(answer) => serde_json::from_slice(&answer.payload).map_err(|error| error.to_string()),
        Err(InvokeError::Function { message, .. }) => Err(message),
        Err(error) => Err(error.to_string()),
    }
}

// ── The page's origin ───────────────────────────────────────────────────────────────────────────

const JWKS_PATH: &str = "/.well-known/jwks.json";

async fn verifier(auth: Option<&Auth>) -> Result<Option<Arc<Verifier>>, CloudError> {
    let Some(auth) = auth else {
        return Ok(None);
    };
    let unusable = auth.jwks.display().to_string();
    let text = tokio::fs::read_to_string(&auth.jwks)
        .await
        .map_err(|error| failed(&unusable)(&error))?;
    let mut verifier = Verifier::from_jwks(&text).map_err(|error| failed(&unusable)(&error))?;
    if let Some(issuer) = &auth.issuer {
        verifier = verifier.with_issuer(issuer);
    }
    if let Some(audience) = &auth.audience {
        verifier = verifier.with_audience(audience);
    }
    Ok(Some(Arc::new(verifier)))
}

/// The template's policy, with this machine's hosts in place of AWS's.
fn local_policy(policy: &str, socket_address: SocketAddr, peer: &Peer) -> String {
    policy
        .split(' ')
        .map(|word| {
            let end = if word.ends_with(';') { ";" } else { "" };
            if word.starts_with("wss://") {
                format!("ws://{socket_address}{end}")
            } else if word.starts_with("https://") && word.contains(".s3.") {
                format!("{}{end}", peer.url())
            } else {
                word.to_owned()
            }
        })
        .collect::<Vec<_>>()
        .join(" ")
}

#[derive(Clone)]
struct Site {
    config: Arc<Value>,
    jwks: Option<Arc<Path>>,
}

/// The page's files and its `config.json`, as CloudFront serves them out of a bucket.
fn site(options: &Options, socket_address: SocketAddr, policy: Option<&str>) -> Router {
    let mut config = json!({
        "websocketUrl": format!("ws://{socket_address}/{STAGE}"),
        "apiUrl": "api",
    });
    let auth = options.auth.as_ref();
    if let Some(sign_in) = auth.and_then(|auth| auth.sign_in.clone()) {
        config["signIn"] = sign_in;
    }
    let state = Site {
        config: Arc::new(config),
        jwks: auth.map(|auth| Arc::from(auth.jwks.as_path())),
    };
    let mut router = Router::new()
        .route("/config.json", get(config_json))
        .route(JWKS_PATH, get(jwks_json))
        .with_state(state);
    if let Some(ui) = &options.ui {
        router = router.fallback_service(ServeDir::new(ui));
    }
    if let Some(policy) = policy.and_then(|policy| HeaderValue::from_str(policy).ok()) {
        let name: HeaderName = header::CONTENT_SECURITY_POLICY;
        router = router.layer(SetResponseHeaderLayer::overriding(name, policy));
    }
    router.layer(SetResponseHeaderLayer::if_not_present(
        header::CACHE_CONTROL,
        HeaderValue::from_static("no-cache"),
    ))
}

async fn config_json(State(site): State<Site>) -> Response {
    axum::Json(&*site.config).into_response()
}

/// The issuer's keys, read each time: an issuer changes them.
async fn jwks_json(State(site): State<Site>) -> Response {
    let Some(path) = site.jwks else {
        return StatusCode::NOT_FOUND.into_response();
    };
    match tokio::fs::read_to_string(&path).await {
        Ok(text) => ([(header::CONTENT_TYPE, "application/json")], text).into_response(),
        Err(error) => {
            tracing::warn!(path = %path.display(), %error, "cannot read the issuer's keys");
            StatusCode::NOT_FOUND.into_response()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_may_reach_this_machine_where_it_may_reach_aws() {
        let policy = "default-src 'none'; connect-src 'self' wss://x.execute-api.us-east-1.amazonaws.com \
                      https://b.s3.us-east-1.amazonaws.com; base-uri 'none'";
        let address = SocketAddr::from(([127, 0, 0, 1], 7));
        assert_eq!(
            local_policy(policy, address, &Peer::new("http://127.0.0.1:5000/")),
            "default-src 'none'; connect-src 'self' ws://127.0.0.1:7 http://127.0.0.1:5000; \
             base-uri 'none'"
        );
    }

    #[test]
    fn messages_stay_away_for_as_long_as_a_function_may_run() {
        assert_eq!(visibility(Duration::from_millis(2500)), 3);
        assert_eq!(visibility(Duration::from_secs(4)), 4);
    }
}
