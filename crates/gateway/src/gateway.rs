use std::{collections::HashMap, error::Error as StdError, sync::Arc};

use aws_lambda_events::apigw::{
    ApiGatewayCustomAuthorizerRequestTypeRequest, ApiGatewayCustomAuthorizerResponse,
    ApiGatewayProxyResponse, ApiGatewayWebsocketProxyRequest,
};
use axum::{
    Router,
    extract::{Request, State},
    middleware::{self, Next},
    response::Response,
    routing,
};
use http::header;

use crate::{
    Connections, Guard, Limits,
    authorizer::{Authorizer, IdentitySource},
    handler::Handler,
    handshake::{self, has_token},
    id::RequestIds,
    management, response,
    selection::Selection,
};

/// A WebSocket API: its stage, its routes, its limits.
///
/// Made with [`Gateway::builder`]; [`Gateway::router`] is what a server serves.
#[derive(Clone, Debug)]
pub struct Gateway {
    shared: Arc<Shared>,
    guard: Guard,
}

/// What every connection of a gateway needs.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) stage: String,
    pub(crate) api_id: String,
    pub(crate) limits: Limits,
    pub(crate) selection: Selection,
    pub(crate) authorizer: Option<Authorizer>,
    pub(crate) routes: HashMap<String, Route>,
    pub(crate) connections: Connections,
    pub(crate) request_ids: RequestIds,
}

#[derive(Debug)]
pub(crate) struct Route {
    pub(crate) handler: Handler<ApiGatewayWebsocketProxyRequest, ApiGatewayProxyResponse>,
    /// Whether the handler's answer goes back to the client.
    pub(crate) response: bool,
}

impl Gateway {
    /// Begins a gateway with stage `live`, no route, the real limits, and a [`Guard`] that lets
    /// only this machine's own names pass.
    pub fn builder() -> GatewayBuilder {
        GatewayBuilder {
            stage: "live".to_owned(),
            api_id: "local".to_owned(),
            limits: Limits::default(),
            selection: Ok(Selection::default()),
            authorizer: None,
            identity_sources: Vec::new(),
            routes: Vec::new(),
            guard: Guard::new(),
            connections: Connections::new(),
        }
    }

    /// The paths of this gateway, behind its guard and without a fallback, to be merged with
    /// other routers:
    ///
    /// - `/{stage}`: the handshake; a request that is none gets 426;
    /// - `/{stage}/@connections/{id}`, also `%40connections`: POST, GET and DELETE. Requests to
    ///   it need no signature: AWS's SDKs sign theirs, and the signature is **not verified**.
    ///   Who can reach the server with an allowed Host can post;
    /// - whatever else is below `/{stage}/`: 403 `{"message":"Forbidden"}`.
    ///
    /// Serve it with [connect info](axum::Router::into_make_service_with_connect_info) of
    /// [`SocketAddr`](std::net::SocketAddr), from which handlers learn `sourceIp`, and with
    /// `TCP_NODELAY`, so that small messages do not wait for each other.
    pub fn router(&self) -> Router {
        let stage = format!("/{}", self.shared.stage);
        let mut router = Router::new()
            .route(&stage, routing::get(handshake::handshake))
            .route(&format!("{stage}/"), routing::get(handshake::handshake))
            .route(
                &format!("{stage}/{{*path}}"),
                routing::any(|| async { response::forbidden() }),
            );
        for connections in ["@connections", "%40connections"] {
            router = router.route(
                &format!("{stage}/{connections}/{{id}}"),
                routing::post(management::post)
                    .get(management::get)
                    .delete(management::delete),
            );
        }
        router
            .with_state(self.shared.clone())
            .layer(self.guard.clone())
    }

    /// [`Gateway::router`] as API Gateway would be alone: every other path gets 403
    /// `{"message":"Forbidden"}`.
    pub fn standalone_router(&self) -> Router {
        let fallback = Router::new()
            .fallback(|| async { response::forbidden() })
            .layer(self.guard.clone());
        self.router().fallback_service(fallback)
    }

    /// Gives a router that has other paths as well API Gateway's answer to a WebSocket handshake
    /// on a path that is not the stage's: 403 `{"message":"Forbidden"}`.
    pub fn refuse_stray_handshakes(&self, router: Router) -> Router {
        let stage = Arc::<str>::from(format!("/{}", self.shared.stage));
        router.layer(middleware::from_fn_with_state(
            stage,
            refuse_stray_handshake,
        ))
    }

    /// The handle to the open connections.
    pub fn connections(&self) -> &Connections {
        &self.shared.connections
    }
}

async fn refuse_stray_handshake(
    State(stage): State<Arc<str>>,
    request: Request,
    next: Next,
) -> Response {
    let path = request.uri().path();
    let path = path.strip_suffix('/').unwrap_or(path);
    if path != &*stage && has_token(request.headers(), &header::UPGRADE, "websocket") {
        return response::forbidden();
    }
    next.run(request).await
}

/// Puts a [`Gateway`] together.
#[derive(Debug)]
#[must_use = "a builder does nothing until it is built"]
pub struct GatewayBuilder {
    stage: String,
    api_id: String,
    limits: Limits,
    selection: Result<Selection, String>,
    authorizer: Option<
        Handler<ApiGatewayCustomAuthorizerRequestTypeRequest, ApiGatewayCustomAuthorizerResponse>,
    >,
    identity_sources: Vec<String>,
    routes: Vec<(String, Route)>,
    guard: Guard,
    connections: Connections,
}

impl GatewayBuilder {
    /// The stage, which is the first and only segment of the path: letters, digits, `-` and `_`,
    /// at most 128 (AWS, *API Gateway stage names*). Default: `live`.
    pub fn stage(mut self, stage: impl Into<String>) -> Self {
        self.stage = stage.into();
        self
    }

    /// The `apiId` that events carry. Default: `local`.
    pub fn api_id(mut self, api_id: impl Into<String>) -> Self {
        self.api_id = api_id.into();
        self
    }

    /// The limits. Default: those of the real service.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Who may talk to the gateway. Default: [`Guard::new`].
    pub fn guard(mut self, guard: Guard) -> Self {
        self.guard = guard;
        self
    }

    /// How a message tells its route: `$request.body.` and the path to a value in its JSON.
    /// Default: `$request.body.action`.
    pub fn route_selection_expression(mut self, expression: &str) -> Self {
        self.selection = Selection::parse(expression).ok_or_else(|| expression.to_owned());
        self
    }

    /// Sets the authorizer: a function that is asked about every handshake before `$connect`, as
    /// API Gateway asks a Lambda authorizer of type `REQUEST` (AWS, *Control access to WebSocket
    /// APIs with AWS Lambda REQUEST authorizers*).
    ///
    /// Its event has `type` `REQUEST`, the headers, the query and a `methodArn` that ends with
    /// `/{stage}/$connect`; the account is `000000000000` in the region `local`. What is peculiar
    /// to a WebSocket (`connectionId`, `routeKey`, `domainName`, …) is in
    /// `request_context.other`, under its own name.
    ///
    /// Its answer has a `principalId` and a policy, which is evaluated for `execute-api:Invoke` on
    /// the `methodArn`: with `*` and `?`, and a `Deny` that matches wins. Statements with a
    /// `Condition` are not evaluated: they count as a wrong answer. The `context` has texts,
    /// numbers and booleans, which become texts (AWS, *Output from an API Gateway Lambda
    /// authorizer*). Every event of the connection has it, with `principalId` and
    /// `integrationLatency` in milliseconds, in `requestContext.authorizer`.
    ///
    /// | the authorizer | the client gets |
    /// |---|---|
    /// | allows | what `$connect` says |
    /// | denies, or allows something else | 403 `{"Message":"User is not authorized to access this resource"}`, followed by ` with an explicit deny` if it was one |
    /// | fails with the error `Unauthorized` | 401 `{"message":"Unauthorized"}` |
    /// | fails otherwise, is late ([`Limits::integration_timeout`]), has no `principalId`, has another `context`, or answers more than 8 KB (AWS quota *AWS Lambda authorizer result size*) | 500 |
    ///
    /// Nothing is remembered: API Gateway has no cache for authorizers of WebSocket APIs either.
    pub fn authorizer<F, Fut, E>(mut self, handler: F) -> Self
    where
        F: Fn(ApiGatewayCustomAuthorizerRequestTypeRequest) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<ApiGatewayCustomAuthorizerResponse, E>> + Send + 'static,
        E: Into<Box<dyn StdError + Send + Sync>>,
    {
        self.authorizer = Some(Handler::new(handler));
        self
    }

    /// What a handshake must have for the authorizer to be asked at all; one that lacks any of it
    /// gets 401 `{"message":"Unauthorized"}`. Each is `route.request.header.NAME` or
    /// `route.request.querystring.NAME`. Default: none, so the authorizer is always asked.
    pub fn identity_sources<I>(mut self, sources: I) -> Self
    where
        I: IntoIterator,
        I::Item: Into<String>,
    {
        self.identity_sources = sources.into_iter().map(Into::into).collect();
        self
    }

    /// Adds a route without a route response: what the handler answers is not sent.
    ///
    /// The key is `$connect`, `$disconnect`, `$default`, or what a message is to select.
    ///
    /// Handlers run as API Gateway runs them: every message has its own, side by side and in no
    /// promised order, also those of one connection. [`Limits::handlers_in_flight`] bounds them;
    /// past it the connection is not read. A handler that fails, panics or is late costs the
    /// client an error frame and nothing else.
    ///
    /// `$connect` decides on the handshake with its status code: 2xx accepts, anything else is
    /// the HTTP answer. Its header `Sec-WebSocket-Protocol` chooses the subprotocol.
    pub fn route<F, Fut, E>(self, key: impl Into<String>, handler: F) -> Self
    where
        F: Fn(ApiGatewayWebsocketProxyRequest) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<ApiGatewayProxyResponse, E>> + Send + 'static,
        E: Into<Box<dyn StdError + Send + Sync>>,
    {
        self.add(
            key.into(),
            Route {
                handler: Handler::new(handler),
                response: false,
            },
        )
    }

    /// Adds a route with a route response: the body that the handler answers, if there is one,
    /// is sent to the client as a text frame.
    pub fn route_with_response<F, Fut, E>(self, key: impl Into<String>, handler: F) -> Self
    where
        F: Fn(ApiGatewayWebsocketProxyRequest) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<ApiGatewayProxyResponse, E>> + Send + 'static,
        E: Into<Box<dyn StdError + Send + Sync>>,
    {
        self.add(
            key.into(),
            Route {
                handler: Handler::new(handler),
                response: true,
            },
        )
    }

    fn add(mut self, key: String, route: Route) -> Self {
        self.routes.push((key, route));
        self
    }

    /// The handle to the connections that the gateway will have, for its handlers to hold.
    pub fn connections(&self) -> Connections {
        self.connections.clone()
    }

    /// Builds the gateway.
    ///
    /// # Errors
    /// [`BuildError`] says what does not fit.
    pub fn build(self) -> Result<Gateway, BuildError> {
        let is_stage = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if self.stage.is_empty() || self.stage.len() > 128 || !self.stage.chars().all(is_stage) {
            return Err(BuildError::Stage(self.stage));
        }
        if let Some(name) = self.limits.unusable() {
            return Err(BuildError::Limit(name));
        }
        let selection = self
            .selection
            .map_err(BuildError::RouteSelectionExpression)?;
        let mut routes = HashMap::with_capacity(self.routes.len());
        for (key, route) in self.routes {
            let known = matches!(key.as_str(), "$connect" | "$disconnect" | "$default");
            if key.is_empty() || (key.starts_with('$') && !known) {
                return Err(BuildError::RouteKey(key));
            }
            if routes.contains_key(&key) {
                return Err(BuildError::DuplicateRoute(key));
            }
            routes.insert(key, route);
        }
        let identity_sources = self
            .identity_sources
            .into_iter()
            .map(|source| IdentitySource::parse(&source).ok_or(BuildError::IdentitySource(source)))
            .collect::<Result<Vec<_>, _>>()?;
        let request_ids = RequestIds::new().map_err(BuildError::Random)?;
        self.connections.set_limits(self.limits.clone());
        Ok(Gateway {
            shared: Arc::new(Shared {
                stage: self.stage,
                api_id: self.api_id,
                limits: self.limits,
                selection,
                authorizer: self
                    .authorizer
                    .map(|handler| Authorizer::new(handler, identity_sources)),
                routes,
                connections: self.connections,
                request_ids,
            }),
            guard: self.guard,
        })
    }
}

/// Why a gateway cannot be built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// Not a stage name.
    #[error("{0:?} is not a stage name: use letters, digits, - and _, 1 to 128 of them")]
    Stage(String),
    /// Not a route key.
    #[error("{0:?} is not a route key: of those with $ there are $connect, $disconnect, $default")]
    RouteKey(String),
    /// Two routes with one key.
    #[error("there are two routes with the key {0:?}: remove one")]
    DuplicateRoute(String),
    /// Not an expression that this gateway can evaluate.
    #[error("{0:?} is not a route selection expression: write $request.body.NAME")]
    RouteSelectionExpression(String),
    /// Not a place in a handshake.
    #[error(
        "{0:?} is not an identity source: write route.request.header.NAME or \
         route.request.querystring.NAME"
    )]
    IdentitySource(String),
    /// A limit that lets nothing through, or is too large to be counted.
    #[error("the limit {0} must be above zero, and below 512 MiB if it is a count")]
    Limit(&'static str),
    /// The system gives no random bytes.
    #[error("the system gives no random bytes: {0}")]
    Random(getrandom::Error),
}
