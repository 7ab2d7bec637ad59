//! A chain of processes that translates one record after another.

use std::io;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;

use tokio::io::{
    AsyncBufReadExt, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader,
    DuplexStream, duplex,
};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::memo::Memo;
use crate::mode::Stage;
use crate::tagger::{Vetting, keeps_traces};

/// A mode's stages, each with its memory if it has one.
pub(crate) type Stages = [(Stage, Option<Arc<Memo>>)];

/// The largest address space of one process of a pipeline, in bytes. Stages need a tenth of it; one
/// that met something it cannot parse has been seen to take all memory there is.
#[cfg(target_os = "linux")]
const MAX_PROCESS_BYTES: u64 = 1024 * 1024 * 1024;

/// How many bytes may wait between two parts of a pipeline within this process.
pub(crate) const BUFFER_BYTES: usize = 64 * 1024;

/// The largest record that a stage with a memory may get or give, in bytes: a hundred times what
/// the largest segment becomes.
const MAX_RECORD_BYTES: u64 = 16 * 1024 * 1024;

/// Running processes. What is written to `stdin` comes out of `stdout` translated, record by
/// record, in order; a record ends with a NUL. Dropping it ends the processes.
pub(crate) struct Pipeline {
    pub(crate) stdin: Box<dyn AsyncWrite + Send + Unpin>,
    pub(crate) stdout: Box<dyn AsyncRead + Send + Unpin>,
    pub(crate) exits: Exits,
    /// What passes records on within this process, and what waits for the processes and kills
    /// them when dropped.
    _tasks: JoinSet<()>,
}

/// A program of the pipeline that has ended.
#[derive(Debug)]
pub(crate) struct Exit {
    pub(crate) program: String,
    pub(crate) status: Option<ExitStatus>,
}

/// What the next stage reads from.
enum Flow {
    /// Nothing was started yet.
    Start,
    /// A process.
    Process(ChildStdout),
    /// Something within this process, whose output has no place to go yet.
    LookedAfter(LookedAfter),
}

/// What records pass through within this process.
enum LookedAfter {
    Remembering(Box<Remembering>),
    Vetting(Box<Vetting>),
}

impl LookedAfter {
    /// Carries records on until either side ends. The end of this task ends its neighbours.
    async fn run(self, sink: impl AsyncWrite + Send + Unpin) {
        let end = match self {
            Self::Remembering(stage) => stage.carry(sink).await,
            Self::Vetting(stage) => stage.carry(sink).await,
        };
        if let Err(error) = end {
            tracing::debug!(%error, "a stage of a pipeline ended");
        }
    }
}

impl Pipeline {
    /// Starts the processes of all stages.
    pub(crate) fn spawn(stages: &Stages) -> io::Result<Self> {
        let mut tasks = JoinSet::new();
        let (exited, exits) = mpsc::unbounded_channel();
        let mut stdin: Option<Box<dyn AsyncWrite + Send + Unpin>> = None;
        let mut flow = Flow::Start;
        for (stage, memo) in stages {
            if memo.is_some() || keeps_traces(stage) {
                let source: Box<dyn AsyncRead + Send + Unpin> = match flow {
                    Flow::Start => {
                        let (here, there) = duplex(BUFFER_BYTES);
                        stdin = Some(Box::new(here));
                        Box::new(there)
                    }
                    Flow::Process(stdout) => Box::new(stdout),
                    Flow::LookedAfter(before) => {
                        let (sink, source) = duplex(BUFFER_BYTES);
                        tasks.spawn(before.run(sink));
                        Box::new(source)
                    }
                };
                if let Some(memo) = memo {
                    let mut child = start(stage, Stdio::piped(), Stdio::null())?;
                    let (to, from) = ends(&mut child)?;
                    tasks.spawn(watch(stage.program.clone(), child, exited.clone()));
                    flow = Flow::LookedAfter(LookedAfter::Remembering(Box::new(Remembering {
                        source: BufReader::with_capacity(BUFFER_BYTES, source),
                        memo: memo.clone(),
                        to: to.ok_or_else(unpiped)?,
                        from: BufReader::with_capacity(BUFFER_BYTES, from),
                    })));
                    continue;
                }
                let (vetting, child) = Vetting::start(stage, source)?;
                tasks.spawn(watch(stage.program.clone(), child, exited.clone()));
                flow = Flow::LookedAfter(LookedAfter::Vetting(Box::new(vetting)));
            }
            let from_process = matches!(flow, Flow::Process(_));
            let (input, before) = match flow {
                Flow::Process(stdout) => (Stdio::from(stdout.into_owned_fd()?), None),
                Flow::Start => (Stdio::piped(), None),
                Flow::LookedAfter(before) => (Stdio::piped(), Some(before)),
            };
            let mut child = start(stage, input, Stdio::null())?;
            let (to, from) = ends(&mut child)?;
            tasks.spawn(watch(stage.program.clone(), child, exited.clone()));
            match (before, to) {
                (Some(before), Some(to)) => {
                    tasks.spawn(before.run(to));
                }
                (None, Some(to)) => stdin = Some(Box::new(to)),
                (None, None) if from_process => {}
                (_, None) => return Err(unpiped()),
            }
            flow = Flow::Process(from);
        }
        let stdout: Box<dyn AsyncRead + Send + Unpin> = match flow {
            Flow::Start => return Err(unpiped()),
            Flow::Process(stdout) => Box::new(stdout),
            Flow::LookedAfter(last) => {
                let (sink, source): (DuplexStream, DuplexStream) = duplex(BUFFER_BYTES);
                tasks.spawn(last.run(sink));
                Box::new(source)
            }
        };
        Ok(Self {
            stdin: stdin.ok_or_else(unpiped)?,
            stdout,
            exits: Exits(exits),
            _tasks: tasks,
        })
    }
}

/// The programs that have ended.
pub(crate) struct Exits(mpsc::UnboundedReceiver<Exit>);

impl Exits {
    /// Waits until one of the programs has ended, which none does while its input is open. Safe to
    /// cancel.
    pub(crate) async fn next(&mut self) -> Exit {
        let mut first = match self.0.recv().await {
            Some(exit) => exit,
            None => std::future::pending().await,
        };
        // Neighbours of a program that dies end as well, of a broken pipe or of an end of input.
        while first.is_a_neighbours()
            && let Ok(exit) = self.0.try_recv()
        {
            first = exit;
        }
        first
    }
}

impl Exit {
    fn is_a_neighbours(&self) -> bool {
        self.status
            .is_some_and(|status| status.success() || signal(status) == Some(SIGPIPE))
    }

    /// Ended by a signal that a program does not bring upon itself.
    pub(crate) fn is_from_outside(&self) -> bool {
        matches!(self.status.and_then(signal), Some(SIGKILL | SIGTERM))
    }
}

// POSIX gives these numbers to `kill -9`, `-13` and `-15`.
const SIGKILL: i32 = 9;
const SIGPIPE: i32 = 13;
const SIGTERM: i32 = 15;

#[cfg(unix)]
fn signal(status: ExitStatus) -> Option<i32> {
    std::os::unix::process::ExitStatusExt::signal(&status)
}

#[cfg(not(unix))]
fn signal(_status: ExitStatus) -> Option<i32> {
    None
}

/// Waits for a process. Dropping the future kills it.
pub(crate) async fn watch(program: String, mut child: Child, exited: mpsc::UnboundedSender<Exit>) {
    let status = child.wait().await.ok();
    let _ = exited.send(Exit { program, status });
}

pub(crate) fn unpiped() -> io::Error {
    io::Error::other("a stage has no input or output")
}

pub(crate) fn start(stage: &Stage, input: Stdio, errors: Stdio) -> io::Result<Child> {
    let child = Command::new(&stage.program)
        .args(&stage.arguments)
        // The stages read their input in the locale's encoding; this one needs no installing.
        .env("LC_ALL", "C.UTF-8")
        .stdin(input)
        .stdout(Stdio::piped())
        .stderr(errors)
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| {
            io::Error::new(
                error.kind(),
                format!("{} cannot start: {error}", stage.program),
            )
        })?;
    limit(&child);
    Ok(child)
}

fn ends(child: &mut Child) -> io::Result<(Option<ChildStdin>, ChildStdout)> {
    Ok((child.stdin.take(), child.stdout.take().ok_or_else(unpiped)?))
}

/// Best effort: without the limit all works, until something goes wrong.
#[cfg(target_os = "linux")]
fn limit(child: &Child) {
    use rustix::process::{Pid, Resource, Rlimit, prlimit};
    let id = child.id().and_then(|id| i32::try_from(id).ok());
    if let Some(id) = id.and_then(Pid::from_raw) {
        let limit = Rlimit {
            current: Some(MAX_PROCESS_BYTES),
            maximum: Some(MAX_PROCESS_BYTES),
        };
        if let Err(error) = prlimit(Some(id), Resource::As, limit) {
            tracing::debug!(%error, "a process's memory cannot be limited");
        }
    }
}

#[cfg(not(target_os = "linux"))]
fn limit(_child: &Child) {}

/// A stage that is asked only what its memory does not know.
struct Remembering {
    source: BufReader<Box<dyn AsyncRead + Send + Unpin>>,
    memo: Arc<Memo>,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
}

impl Remembering {
    async fn carry(
        mut self: Box<Self>,
        mut sink: impl AsyncWrite + Send + Unpin,
    ) -> io::Result<()> {
        let mut record = Vec::new();
        let mut reply = Vec::new();
        let mut answers = Vec::new();
        while read_record(&mut self.source, &mut record).await? {
            let planned = std::str::from_utf8(&record)
                .ok()
                .and_then(|record| self.memo.plan(record));
            if planned.is_none() && !ends_whole(&record) {
                // Cut off by a death upstream. Some stages never end over such a record.
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let mut complete = None;
            if let Some(plan) = &planned {
                if !plan.question.is_empty() {
                    self.ask(plan.question.as_bytes(), &mut reply).await?;
                }
                complete = std::str::from_utf8(&reply)
                    .ok()
                    .and_then(|answer| self.memo.complete(plan, answer));
            }
            if let Some(answer) = complete {
                answers.extend_from_slice(answer.as_bytes());
            } else {
                self.ask(&record, &mut reply).await?;
                answers.extend_from_slice(&reply);
            }
            answers.push(0);
            let has_more = self.source.buffer().contains(&0);
            pass_on(&mut answers, has_more, &mut sink).await?;
        }
        Ok(())
    }

    async fn ask(&mut self, question: &[u8], reply: &mut Vec<u8>) -> io::Result<()> {
        let to = &mut self.to;
        let question = [question, &[0]].concat();
        let write = async {
            to.write_all(&question).await?;
            to.flush().await
        };
        // Side by side: a long answer may begin before the question's end fits into the pipe.
        let ((), is_whole) = tokio::try_join!(write, read_record(&mut self.from, reply))?;
        if is_whole {
            Ok(())
        } else {
            Err(io::ErrorKind::UnexpectedEof.into())
        }
    }
}

/// Writes what is ready, unless there is more to come at once: each write wakes the next stage,
/// which costs as much as its work on a short record.
pub(crate) async fn pass_on(
    ready: &mut Vec<u8>,
    has_more: bool,
    sink: &mut (impl AsyncWrite + Unpin),
) -> io::Result<()> {
    if has_more && ready.len() < BUFFER_BYTES {
        return Ok(());
    }
    sink.write_all(ready).await?;
    ready.clear();
    sink.flush().await
}

/// Reads a record without its NUL. False at the end.
pub(crate) async fn read_record(
    source: &mut (impl AsyncBufReadExt + Unpin),
    record: &mut Vec<u8>,
) -> io::Result<bool> {
    record.clear();
    source.take(MAX_RECORD_BYTES).read_until(0, record).await?;
    Ok(record.pop_if(|last| *last == 0).is_some())
}

/// What ends every record, so that one that was cut off can be told: a superblank with the number
/// of the request.
pub(crate) fn seal(number: u64) -> String {
    format!("[={number}]")
}

pub(crate) fn ends_whole(record: &[u8]) -> bool {
    record.ends_with(b"]")
        && record
            .iter()
            .rposition(|&byte| byte == b'[')
            .is_some_and(|at| record[at + 1] == b'=')
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::catalog::Catalog;

    /// The stages of a mode, if the engine is here; it has to be unless somebody says that it is
    /// not.
    fn stages(source: &str, target: &str) -> Option<Vec<Stage>> {
        let catalog = Catalog::read(Path::new("/usr/share/apertium/modes"));
        let stages = catalog
            .modes
            .get(&(source.to_owned(), target.to_owned()))
            .cloned();
        assert!(
            stages.is_some() || std::env::var_os("BABELWIRE_WITHOUT_APERTIUM").is_some(),
            "Apertium's pair {source}-{target} is not installed; install it, or set \
             BABELWIRE_WITHOUT_APERTIUM to go without these tests"
        );
        stages
    }

    async fn answers(stages: &Stages, records: &[String]) -> Vec<String> {
        let pipeline = Pipeline::spawn(stages).unwrap();
        let Pipeline {
            mut stdin,
            stdout,
            exits: _exits,
            _tasks,
        } = pipeline;
        let write = async {
            for record in records {
                stdin.write_all(record.as_bytes()).await.unwrap();
                stdin.write_all(&[0]).await.unwrap();
            }
            stdin.flush().await.unwrap();
        };
        let read = async {
            let mut stdout = BufReader::new(stdout);
            let mut answers = Vec::new();
            let mut answer = Vec::new();
            while answers.len() < records.len() {
                assert!(read_record(&mut stdout, &mut answer).await.unwrap());
                answers.push(String::from_utf8(answer.clone()).unwrap());
            }
            answers
        };
        tokio::join!(write, read).1
    }

    #[tokio::test]
    async fn what_is_remembered_is_what_the_engine_would_say() {
        let text = std::fs::read_to_string("/usr/share/common-licenses/GPL-3").unwrap();
        let records: Vec<String> = text
            .split("\n\n")
            .map(str::trim)
            .filter(|paragraph| !paragraph.is_empty())
            .enumerate()
            .map(|(number, paragraph)| {
                crate::stream::encode(paragraph).stream + &seal(number as u64)
            })
            .collect();
        for (source, target) in [("en", "es"), ("es", "en"), ("fr", "es"), ("es", "pt")] {
            let Some(stages) = stages(source, target) else {
                return;
            };
            let forgetful: Vec<_> = stages.iter().map(|stage| (stage.clone(), None)).collect();
            let remembering: Vec<_> = stages
                .iter()
                .map(|stage| (stage.clone(), Memo::for_stage(stage).map(Arc::new)))
                .collect();
            let memos = remembering.iter().filter(|(_, memo)| memo.is_some());
            assert!(
                memos.count() >= 1,
                "{source}-{target} has nothing to remember"
            );
            let expected = answers(&forgetful, &records).await;
            // The second time, the memory is full.
            for _ in 0..2 {
                let given = answers(&remembering, &records).await;
                for (expected, given) in expected.iter().zip(&given) {
                    assert_eq!(given, expected, "{source}-{target}");
                }
            }
            assert!(
                expected
                    .iter()
                    .enumerate()
                    .all(|(number, answer)| { answer.trim_end().ends_with(&seal(number as u64)) })
            );
        }
    }

    #[tokio::test]
    async fn what_came_before_changes_no_answer() {
        let Some(stages) = stages("en", "es") else {
            return;
        };
        let stages: Vec<_> = stages.into_iter().map(|stage| (stage, None)).collect();
        let record = |number: u64, text: &str| crate::stream::encode(text).stream + &seal(number);
        // The tagger's model does not have the readings of the second text's word together.
        let (on_behalf, included) = ("Not on behalf of any other.", "It is included.");
        let texts = [
            on_behalf, included, on_behalf, included, included, on_behalf,
        ];
        let records: Vec<_> = (0..).zip(texts).map(|(n, text)| record(n, text)).collect();
        let answers = answers(&stages, &records).await;
        let answer = |n: usize| answers[n].replace(&seal(n as u64), "");
        assert_eq!(answer(2), answer(0));
        assert_eq!(answer(5), answer(0));
        assert_eq!(answer(3), answer(1));
        assert_eq!(answer(4), answer(1));
    }

    #[tokio::test]
    async fn a_program_that_ends_is_named() {
        let stage = |arguments: &[&str]| Stage {
            program: "sh".to_owned(),
            arguments: arguments.iter().map(|&word| word.to_owned()).collect(),
        };
        let stages = [
            (stage(&["-c", "cat"]), None),
            (stage(&["-c", "exit 7"]), None),
            (stage(&["-c", "cat"]), None),
        ];
        let mut pipeline = Pipeline::spawn(&stages).unwrap();
        let exit = pipeline.exits.next().await;
        assert_eq!(exit.status.and_then(|status| status.code()), Some(7));
        assert!(!exit.is_from_outside());
    }

    #[tokio::test]
    async fn a_program_that_is_not_there_is_named() {
        let stages = [(
            Stage {
                program: "no-such-program".to_owned(),
                arguments: Vec::new(),
            },
            None,
        )];
        let Err(error) = Pipeline::spawn(&stages) else {
            panic!("it started");
        };
        assert!(error.to_string().contains("no-such-program cannot start"));
    }
}
