//! A fake of Amazon Translate, for machines without an account.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use babelwire_aws::fake_translate::{Behaviour, Fake, router};
use clap::Parser;

/// A fake of Amazon Translate: it speaks the real one's protocol and puts accents on letters.
#[derive(Parser)]
struct Options {
    /// Where to listen; port 0 is any that is free.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// How long a call takes, in milliseconds.
    #[arg(long, default_value_t = 0)]
    delay: u64,
    /// Throttle every Nth call; none with 0.
    #[arg(long, default_value_t = 0)]
    throttle_every: u64,
}

#[tokio::main]
async fn main() -> ExitCode {
    let options = Options::parse();
    let behaviour = Behaviour {
        delay: Duration::from_millis(options.delay),
        throttle_every: options.throttle_every,
        ..Behaviour::default()
    };
    let fake = Arc::new(Fake {
        behaviour,
        ..Fake::default()
    });
    match serve(options.listen, fake).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!(
                "The fake of Translate cannot listen at {}: {error}",
                options.listen
            );
            ExitCode::FAILURE
        }
    }
}

async fn serve(listen: SocketAddr, fake: Arc<Fake>) -> std::io::Result<()> {
    let listener = tokio::net::TcpListener::bind(listen).await?;
    println!(
        "The fake of Translate listens at http://{}",
        listener.local_addr()?
    );
    axum::serve(listener, router(fake))
        .with_graceful_shutdown(async {
            // Without signals it is ended the hard way.
            if tokio::signal::ctrl_c().await.is_err() {
                std::future::pending::<()>().await;
            }
        })
        .await
}
