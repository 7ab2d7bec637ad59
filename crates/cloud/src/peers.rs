//! The peer that stands for DynamoDB, S3 and SQS, and making there what the template names.
//!
//! It is moto's server: `moto_server` speaks AWS's protocols and checks no signature. What is asked
//! of it here is so little that the SDK would be most of the program.

use bytes::Bytes;
use http::Method;
use serde_json::{Value, json};

use crate::template::{REGION, Template, TemplateError};

/// Why the peer did not do something.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct PeerError(pub String);

impl PeerError {
    pub(crate) fn new(error: impl std::fmt::Display) -> Self {
        Self(error.to_string())
    }
}

impl From<TemplateError> for PeerError {
    fn from(error: TemplateError) -> Self {
        Self::new(error)
    }
}

/// A moto server.
#[derive(Debug, Clone)]
pub struct Peer {
    url: String,
    client: reqwest::Client,
}

impl Peer {
    /// The one at this URL.
    pub fn new(url: &str) -> Self {
        Self {
            url: url.trim_end_matches('/').to_owned(),
            client: reqwest::Client::new(),
        }
    }

    /// Where it is, without a slash at its end.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// A call of SQS.
    pub async fn sqs(&self, action: &str, input: &Value) -> Result<Value, PeerError> {
        let target = format!("AmazonSQS.{action}");
        self.json("sqs", "application/x-amz-json-1.0", &target, input)
            .await
    }

    /// A call of DynamoDB.
    pub async fn dynamodb(&self, action: &str, input: &Value) -> Result<Value, PeerError> {
        let target = format!("DynamoDB_20120810.{action}");
        self.json("dynamodb", "application/x-amz-json-1.0", &target, input)
            .await
    }

    async fn json(
        &self,
        service: &str,
        kind: &str,
        target: &str,
        input: &Value,
    ) -> Result<Value, PeerError> {
        let answer = self
            .client
            .post(format!("{}/", self.url))
            .header("content-type", kind)
            .header("x-amz-target", target)
            .header("authorization", credential(service))
            .body(input.to_string())
            .send()
            .await
            .map_err(|error| PeerError(format!("{target}: {error}")))?;
        let status = answer.status();
        let text = answer
            .text()
            .await
            .map_err(|error| PeerError(format!("{target}: {error}")))?;
        if !status.is_success() {
            return Err(PeerError(format!("{target}: {status}: {text}")));
        }
        if text.trim().is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_str(&text).map_err(|error| PeerError(format!("{target}: {error}")))
    }

    /// A request to S3.
    pub async fn s3(&self, method: Method, path: &str, body: String) -> Result<Bytes, PeerError> {
        let failed = |error: reqwest::Error| PeerError(format!("{method} {path}: {error}"));
        let answer = self
            .client
            .request(method.clone(), format!("{}{path}", self.url))
            .header("authorization", credential("s3"))
            .body(body)
            .send()
            .await
            .map_err(failed)?;
        let status = answer.status();
        let bytes = answer.bytes().await.map_err(failed)?;
        if status.is_success() {
            Ok(bytes)
        } else {
            let text = String::from_utf8_lossy(&bytes);
            Err(PeerError(format!("{method} {path}: {status}: {text}")))
        }
    }

    /// Makes every table, queue and bucket of a template. `visibility_s` is put in place of the
    /// queues' own visibility timeout, where functions have a shortened limit.
    pub async fn make(
        &self,
        template: &Template,
        visibility_s: Option<u64>,
    ) -> Result<(), PeerError> {
        for table in template.tables()? {
            self.dynamodb("CreateTable", &table.create).await?;
            if let Some(time_to_live) = table.time_to_live {
                let input = json!({
                    "TableName": table.create["TableName"],
                    "TimeToLiveSpecification": time_to_live,
                });
                self.dynamodb("UpdateTimeToLive", &input).await?;
            }
        }
        for mut queue in template.queues()? {
            if let Some(seconds) = visibility_s {
                queue
                    .attributes
                    .insert("VisibilityTimeout".to_owned(), seconds.to_string());
            }
            let input = json!({"QueueName": queue.name, "Attributes": queue.attributes});
            self.sqs("CreateQueue", &input).await?;
        }
        for bucket in template.buckets()? {
            let path = format!("/{}", bucket.name);
            self.s3(Method::PUT, &path, String::new()).await?;
            if let Some(cors) = bucket.cors {
                self.s3(Method::PUT, &format!("{path}?cors"), cors).await?;
            }
            if let Some(notifications) = bucket.notifications {
                let path = format!("{path}?notification");
                self.s3(Method::PUT, &path, notifications).await?;
            }
        }
        Ok(())
    }
}

/// From the scope of a signature's credential moto tells the service. The signature is none.
fn credential(service: &str) -> String {
    format!(
        "AWS4-HMAC-SHA256 Credential=local/20260101/{REGION}/{service}/aws4_request, \
         SignedHeaders=host, Signature=0"
    )
}
