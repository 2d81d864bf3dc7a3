//! `quoit-nats`: rings of quoit to and from NATS JetStream.

mod config;

use std::future::Future;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::Pin;
use std::process::ExitCode;
use std::time::Duration;

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use futures_util::future::select_all;
use quoit_nats::{Error, Inbound, Link, Outbound, Report, serve};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use crate::config::{File, In, Out, Server};

/// Carries rings of quoit to and from NATS JetStream, each message once and in order
#[derive(Parser)]
#[command(version, propagate_version = true)]
struct Cli {
    #[command(flatten)]
    server: Server,

    /// Answer HTTP requests at this address with metrics in OpenMetrics text
    #[arg(long, global = true, value_name = "ADDRESS:PORT")]
    metrics: Option<SocketAddr>,

    /// Print only errors
    #[arg(long, short, global = true)]
    quiet: bool,

    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// From a ring to a stream, as the ring's consumer
    Out(Out),
    /// From a stream to a ring, as the ring's producer
    In(In),
    /// Several rings, which a file in TOML names
    Run {
        /// The file: [server], and [[out]] and [[in]] with the options of these commands
        file: PathBuf,
    },
}

/// One ring.
enum Bridge {
    Out(Outbound),
    In(Inbound),
}

impl Bridge {
    fn ring(&self) -> String {
        let ring = match self {
            Self::Out(out) => &out.ring,
            Self::In(inbound) => &inbound.ring,
        };
        ring.name.to_string_lossy().into_owned()
    }

    fn report(&self, tell: Option<fn(&str)>) -> Report {
        let direction = match self {
            Self::Out(_) => "out",
            Self::In(_) => "in",
        };
        Report::new(&self.ring(), direction, tell)
    }

    /// With a connection of its own, so that no ring waits for another one.
    async fn run(self, server: &Server, report: Report) -> Result<(), Error> {
        let options = server.options(&self.ring()).await?;
        let link = Link::connect(options, server.address(), &report).await?;
        match self {
            Self::Out(out) => out.run(&link, &report).await,
            Self::In(inbound) => inbound.run(&link, &report).await,
        }
    }
}

/// What runs until an error.
type Task = Pin<Box<dyn Future<Output = Result<(), Error>> + Send>>;

/// On standard error, which perhaps no process reads: the rings do not depend on that.
fn tell(text: &str) {
    let _ = writeln!(std::io::stderr(), "quoit-nats: {text}");
}

fn main() -> ExitCode {
    let matches = Cli::command().get_matches();
    let given = Server::given(&matches);
    let cli = match Cli::from_arg_matches(&matches) {
        Ok(cli) => cli,
        Err(error) => error.exit(),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    let ended = match runtime {
        Ok(runtime) => {
            let ended = runtime.block_on(run(cli, given));
            runtime.shutdown_timeout(Duration::from_secs(1));
            ended
        }
        Err(source) => Err(Error::Io {
            doing: "start the runtime".to_owned(),
            source,
        }),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tell(&format!("error: {error}"));
            ExitCode::FAILURE
        }
    }
}

/// With a server option that the command line gives, if there is any.
async fn run(cli: Cli, given: Option<&str>) -> Result<(), Error> {
    let (server, bridges) = match cli.command {
        Command::Out(out) => (cli.server, vec![Bridge::Out(out.outbound())]),
        Command::In(inbound) => (cli.server, vec![Bridge::In(inbound.inbound())]),
        Command::Run { file } => {
            let read = File::read(&file)?;
            let server = match (read.server, given) {
                (None, _) => cli.server,
                (Some(server), None) => server,
                (Some(_), Some(option)) => {
                    return Err(Error::Config(format!(
                        "{} has a [server], and the command line gives --{}; choose one of them",
                        file.display(),
                        option.replace('_', "-")
                    )));
                }
            };
            let out = read.out.iter().map(|out| Bridge::Out(out.outbound()));
            let inbound = read
                .r#in
                .iter()
                .map(|inbound| Bridge::In(inbound.inbound()));
            (server, out.chain(inbound).collect())
        }
    };
    let tell = (!cli.quiet).then_some(tell as fn(&str));
    let reports: Vec<_> = bridges.iter().map(|bridge| bridge.report(tell)).collect();
    let mut tasks: Vec<Task> = Vec::new();
    if let Some(address) = cli.metrics {
        let listener = TcpListener::bind(address).await;
        let listener = listener.map_err(|source| Error::Io {
            doing: format!("listen at {address}"),
            source,
        })?;
        let reports = reports.clone();
        tasks.push(Box::pin(
            async move { match serve(listener, reports).await {} },
        ));
    }
    for (bridge, report) in bridges.into_iter().zip(reports) {
        let server = server.clone();
        let task = tokio::spawn(async move { bridge.run(&server, report).await });
        tasks.push(Box::pin(async move {
            match task.await {
                Ok(ended) => ended,
                Err(panic) => Err(Error::Closed(format!("a task has ended: {panic}"))),
            }
        }));
    }
    let (mut interrupt, mut terminate) = (
        listen(SignalKind::interrupt())?,
        listen(SignalKind::terminate())?,
    );
    // The first task that ends ends all: a supervisor sees the error, and starts the process
    // again.
    tokio::select! {
        (ended, _, _) = select_all(tasks) => ended,
        _ = interrupt.recv() => Ok(()),
        _ = terminate.recv() => Ok(()),
    }
}

fn listen(kind: SignalKind) -> Result<tokio::signal::unix::Signal, Error> {
    signal(kind).map_err(|source| Error::Io {
        doing: "listen for signals".to_owned(),
        source,
    })
}
