//! API Gateway's WebSocket contract as an axum router that calls handlers with proxy events.
//!
//! A handler of an API Gateway WebSocket API is a function from an
//! [`ApiGatewayWebsocketProxyRequest`] to an [`ApiGatewayProxyResponse`]. This crate runs such
//! handlers in one process, on one's own machine, and gives their clients what API Gateway would
//! give them: the same handshake, error frames, close codes, limits and `@connections` paths.
//! A handler that runs here can be moved to Lambda unchanged.
//!
//! ```
//! use aws_lambda_events::{
//!     apigw::{ApiGatewayProxyResponse, ApiGatewayWebsocketProxyRequest},
//!     encodings::Body,
//! };
//! use babelwire_gateway::{Connections, Error, Gateway};
//! use futures::{SinkExt as _, StreamExt as _};
//!
//! /// Answers the sender, as a Lambda function with a route response does.
//! async fn shout(
//!     event: ApiGatewayWebsocketProxyRequest,
//! ) -> Result<ApiGatewayProxyResponse, Error> {
//!     let mut response = ApiGatewayProxyResponse::default();
//!     response.status_code = 200;
//!     response.body = event.body.map(|body| Body::Text(body.to_uppercase()));
//!     Ok(response)
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let gateway = Gateway::builder().stage("live").route_with_response("shout", shout).build()?;
//!
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
//! let address = listener.local_addr()?;
//! let service = gateway
//!     .standalone_router()
//!     .into_make_service_with_connect_info::<std::net::SocketAddr>();
//! tokio::spawn(async move { axum::serve(listener, service).await });
//!
//! let tcp = tokio::net::TcpStream::connect(address).await?;
//! let (mut client, _) =
//!     tokio_tungstenite::client_async(format!("ws://{address}/live"), tcp).await?;
//! client.send(r#"{"action":"shout"}"#.into()).await?;
//! assert_eq!(client.next().await.unwrap()?.into_text()?, r#"{"ACTION":"SHOUT"}"#);
//!
//! // Anyone in the process can write to a client, and so can AWS's SDKs from outside.
//! let connections: &Connections = gateway.connections();
//! connections.post_to_connection(&connections.ids()[0], "hello").await?;
//! assert_eq!(client.next().await.unwrap()?.into_text()?, "hello");
//! # Ok(())
//! # }
//! ```
//!
//! # What is as in API Gateway
//!
//! - An [authorizer](GatewayBuilder::authorizer) is asked before `$connect`; what it says of the
//!   client comes with every event of the connection.
//! - `$connect` runs before the handshake ends; `$disconnect` runs for every connection that
//!   `$connect` let in, with `disconnectStatusCode` and `disconnectReason`.
//! - A message goes to the route whose key is the text of `$request.body.action`, else to
//!   `$default`, else the client gets a `Forbidden` frame.
//! - Handlers run side by side, also those of one connection.
//! - A binary frame is closed with 1003, a frame or message above the [`Limits`] with 1009,
//!   text that is not UTF-8 with 1007, a connection without traffic or past its time with 1001.
//!   No protocol pings are sent; those of clients are answered.
//! - AWS's SDKs work against `http://HOST/STAGE` as their endpoint, exceptions included.
//!
//! # What is not
//!
//! - Signatures, IAM authorization, API keys, usage plans and mapping templates: the `Authorization`
//!   header is not looked at. Instead a [`Guard`] keeps web pages of other origins out.
//! - A handler past [`Limits::integration_timeout`] is dropped; Lambda would let it run on until
//!   its own time limit.
//! - Throttling by rate.
//!
//! # Memory
//!
//! An idle connection holds its task and a read buffer of [`Limits::read_buffer`]. Messages to
//! clients are shared, not copied, and wait in a queue that is bounded in messages and bytes: a
//! client that does not read costs its own queue, and delays nobody.
//! `cargo run --release -p babelwire-gateway --example idle` measures it.
//!
//! [`ApiGatewayWebsocketProxyRequest`]: aws_lambda_events::apigw::ApiGatewayWebsocketProxyRequest
//! [`ApiGatewayProxyResponse`]: aws_lambda_events::apigw::ApiGatewayProxyResponse
#![deny(missing_docs)]

mod authorizer;
mod connections;
mod event;
mod gateway;
mod guard;
mod handler;
mod handshake;
mod id;
mod limits;
mod management;
mod response;
mod selection;
mod socket;
mod stream;

pub use connections::{ConnectionInfo, Connections, Error};
pub use gateway::{BuildError, Gateway, GatewayBuilder};
pub use guard::{Guard, GuardError, Guarded, Refusal};
pub use limits::Limits;

/// The crate of the event types, in the version that handlers here are called with.
pub use aws_lambda_events;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
