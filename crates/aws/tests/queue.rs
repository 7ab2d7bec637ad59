//! Work through SQS, on moto.

#![allow(
    clippy::unwrap_used,
    reason = "clippy.toml allows it in test functions, and this is what they call"
)]

use aws_config::SdkConfig;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::MessageSystemAttributeName;
use babelwire_aws::config::Queues;
use babelwire_aws::queue::{SqsQueue, from_body};
use babelwire_service::ports::{Owner, Queue as _, Remains, Work};

mod peers;

use peers::{Peer, own_name};

struct World {
    client: Client,
    queues: Queues,
}

impl World {
    async fn new() -> Self {
        let sdk: SdkConfig = Peer::moto().config();
        let client = Client::new(&sdk);
        let queue = async |name: &str| {
            let made = client
                .create_queue()
                .queue_name(own_name(name))
                .send()
                .await;
            made.unwrap().queue_url
        };
        let queues = Queues {
            work: queue("work").await,
            news: queue("news").await,
        };
        Self { client, queues }
    }

    fn queue(&self) -> SqsQueue {
        SqsQueue::new(self.client.clone(), self.queues.clone())
    }

    /// What waits in a queue, in the order it was sent.
    async fn waiting(&self, url: Option<&String>) -> Vec<Work> {
        let mut waiting = Vec::new();
        loop {
            let received = self
                .client
                .receive_message()
                .queue_url(url.unwrap())
                .max_number_of_messages(10)
                .message_system_attribute_names(MessageSystemAttributeName::SentTimestamp)
                .send()
                .await
                .unwrap();
            let messages = received.messages.unwrap_or_default();
            if messages.is_empty() {
                return waiting;
            }
            for message in messages {
                waiting.push(from_body(message.body().unwrap()).unwrap());
            }
        }
    }
}

fn translate(id: &str) -> Work {
    Work::Translate { id: id.to_owned() }
}

fn broadcast(text: String) -> Work {
    Work::Broadcast {
        owner: Owner::new("ada"),
        shard: None,
        text: text.into(),
        fleeting: false,
    }
}

#[tokio::test]
async fn work_goes_to_whoever_does_it() {
    let world = World::new().await;
    let queue = world.queue();
    let sweep = Work::Sweep(Remains {
        id: "b".to_owned(),
        object_key: "b/ü.txt".to_owned(),
    });
    let catch_up = Work::CatchUp {
        id: "a".to_owned(),
        connection: "c=".to_owned(),
        from: 3,
    };
    let show = Work::Show {
        id: "a".to_owned(),
        connection: "c=".to_owned(),
        range: 3..5,
    };
    // With characters that no message of SQS may have.
    let news = broadcast("{\"type\":\"pong\",\"data\":\"\u{ffff} \0 😀\"}".to_owned());
    for work in [&translate("a"), &sweep, &catch_up, &show, &news] {
        queue.push(work.clone()).await.unwrap();
    }
    assert_eq!(
        world.waiting(world.queues.work.as_ref()).await,
        [translate("a"), sweep]
    );
    assert_eq!(
        world.waiting(world.queues.news.as_ref()).await,
        [catch_up, show, news]
    );
    queue.stop("a");
    assert!(!queue.is_catching_up("a", "c=", 3));
    assert!(!queue.is_showing("a", "c=", 3..5));
}

#[tokio::test]
async fn the_largest_frame_fits_even_where_json_makes_it_longer() {
    let world = World::new().await;
    // A frame of 128 KiB, of which every byte is two in JSON.
    let news = broadcast("\"".repeat(128 * 1024 - 200));
    world.queue().push(news.clone()).await.unwrap();
    assert_eq!(world.waiting(world.queues.news.as_ref()).await, [news]);
}

#[tokio::test]
async fn a_function_without_a_queue_says_which_variable_it_lacks() {
    let world = World::new().await;
    let queues = Queues {
        work: None,
        ..world.queues.clone()
    };
    let queue = SqsQueue::new(world.client.clone(), queues);
    let error = queue.push(translate("a")).await.unwrap_err();
    assert!(
        error.0.starts_with("BABELWIRE_QUEUE_WORK is not set"),
        "{error}"
    );
    queue.push(broadcast("{}".to_owned())).await.unwrap();
}

#[tokio::test]
async fn a_queue_that_is_gone_is_named_by_sqs() {
    let world = World::new().await;
    let work = world.queues.work.clone().unwrap();
    world
        .client
        .delete_queue()
        .queue_url(work)
        .send()
        .await
        .unwrap();
    let error = world.queue().push(translate("a")).await.unwrap_err();
    assert!(error.0.starts_with("SQS: "), "{error}");
    assert!(error.0.contains("QueueDoesNotExist"), "{error}");
}
