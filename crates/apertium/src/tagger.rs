//! A tagger that forgets: what it answers depends on the record alone, not on those before it.
//!
//! `apertium-tagger` has a fault: when it meets a word with a set of readings that its model does
//! not have, it looks for a similar set, and leaves that behind in place of the readings that it
//! gives to unknown words (in Apertium 3.8.3 `find_similar_ambiguity_class` assigns through a
//! reference to them). From then on the same text may come out otherwise: so a segment's
//! translation would depend on which segments its pipeline happened to have seen, and a job that
//! was interrupted would end with other words than one that was not.
//!
//! With `-d` it says on its standard error when that happens. Whatever tagger has said anything is
//! replaced by a fresh one, which stands ready, before the next record.

use std::io;
use std::process::Stdio;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::process::{ChildStderr, ChildStdin, ChildStdout};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::mode::Stage;
use crate::pipeline::{BUFFER_BYTES, Exit, ends_whole, read_record, start, unpiped, watch};

/// Whether the stage is a tagger with that fault: one with a hidden Markov model.
pub(crate) fn keeps_traces(stage: &Stage) -> bool {
    let has = |option: &str| stage.arguments.iter().any(|argument| argument == option);
    let name = stage.program.rsplit('/').next();
    name == Some("apertium-tagger") && has("-g") && !(has("-x") || has("-u") || has("-w"))
}

/// A stage of a pipeline that is a tagger, always as good as new.
pub(crate) struct Tagging {
    source: BufReader<Box<dyn AsyncRead + Send + Unpin>>,
    stage: Stage,
    exited: mpsc::UnboundedSender<Exit>,
    at_work: Tagger,
    ready: Tagger,
}

/// One process.
struct Tagger {
    to: ChildStdin,
    from: BufReader<ChildStdout>,
    complaints: ChildStderr,
    /// Kills it when dropped, of which nobody is told.
    _watch: JoinSet<()>,
}

impl Tagger {
    fn start(stage: &Stage, exited: &mpsc::UnboundedSender<Exit>) -> io::Result<Self> {
        let mut child = start(stage, Stdio::piped(), Stdio::piped())?;
        let to = child.stdin.take().ok_or_else(unpiped)?;
        let from = child.stdout.take().ok_or_else(unpiped)?;
        let complaints = child.stderr.take().ok_or_else(unpiped)?;
        let mut tasks = JoinSet::new();
        tasks.spawn(watch(stage.program.clone(), child, exited.clone()));
        Ok(Self {
            to,
            from: BufReader::with_capacity(BUFFER_BYTES, from),
            complaints,
            _watch: tasks,
        })
    }

    /// Whether it has complained, and so may have changed. To be asked after an answer: what it
    /// complains of in a record, it writes before the record's answer.
    fn has_complaints(&self) -> bool {
        #[cfg(target_os = "linux")]
        return rustix::io::ioctl_fionread(&self.complaints).is_ok_and(|waiting| waiting > 0);
        #[cfg(not(target_os = "linux"))]
        true
    }

    /// Gives it a record, and puts its answer into `reply`. True if it may have changed.
    async fn ask(&mut self, record: &[u8], reply: &mut Vec<u8>) -> io::Result<bool> {
        let (to, from, complaints) = (&mut self.to, &mut self.from, &mut self.complaints);
        let write = async {
            to.write_all(record).await?;
            to.write_all(&[0]).await?;
            to.flush().await
        };
        let mut is_changed = false;
        let exchange = async {
            let ((), is_whole) = tokio::try_join!(write, read_record(from, reply))?;
            Ok::<_, io::Error>(is_whole)
        };
        // A record may give reason for more complaints than a pipe holds.
        let drain = async {
            let mut bytes = [0; 4096];
            while complaints.read(&mut bytes).await? > 0 {
                is_changed = true;
            }
            std::future::pending::<io::Result<bool>>().await
        };
        let is_whole = tokio::select! {
            is_whole = exchange => is_whole?,
            failed = drain => failed?,
        };
        if !is_whole {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(is_changed || self.has_complaints())
    }
}

impl Tagging {
    /// Starts the tagger of `stage`, which gets what comes from `source`.
    pub(crate) fn start(
        stage: &Stage,
        source: Box<dyn AsyncRead + Send + Unpin>,
        exited: mpsc::UnboundedSender<Exit>,
    ) -> io::Result<Self> {
        let mut stage = stage.clone();
        stage.arguments.insert(0, "-d".to_owned());
        Ok(Self {
            source: BufReader::with_capacity(BUFFER_BYTES, source),
            at_work: Tagger::start(&stage, &exited)?,
            ready: Tagger::start(&stage, &exited)?,
            stage,
            exited,
        })
    }

    /// Carries records on until either side ends.
    pub(crate) async fn carry(
        mut self: Box<Self>,
        mut sink: impl AsyncWrite + Send + Unpin,
    ) -> io::Result<()> {
        let mut record = Vec::new();
        let mut reply = Vec::new();
        while read_record(&mut self.source, &mut record).await? {
            if !ends_whole(&record) {
                // Cut off by a death upstream.
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let is_changed = self.at_work.ask(&record, &mut reply).await?;
            reply.push(0);
            sink.write_all(&reply).await?;
            sink.flush().await?;
            if is_changed {
                let fresh = Tagger::start(&self.stage, &self.exited)?;
                self.at_work = std::mem::replace(&mut self.ready, fresh);
            }
        }
        Ok(())
    }
}
