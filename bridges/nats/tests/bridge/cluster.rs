//! Three servers, of which one dies.

use std::thread;

use async_nats::jetstream::{Context, stream};
use quoit_nats::async_nats;

use crate::is_long;
use crate::messages::{payload, take};
use crate::server::{HANG, Server, free_port};
use crate::world::{Bridge, Name, eventually, far_ring, near_ring};

fn start() -> Vec<Server> {
    let ports = [free_port(), free_port(), free_port()];
    let routes = ports
        .map(|port| format!("\"nats-route://127.0.0.1:{port}\""))
        .join(", ");
    let server = |(number, port): (usize, &u16)| {
        Server::with_config(&format!(
            "server_name: n{number}\ncluster {{ name: quoit, listen: \"127.0.0.1:{port}\", routes: \
             [{routes}] }}"
        ))
    };
    ports.iter().enumerate().map(server).collect()
}

/// The name of the server that leads the stream.
async fn leader(jetstream: &Context) -> Option<String> {
    let stream = jetstream.get_stream("S").await.ok()?;
    let cluster = stream.cached_info().cluster.clone()?;
    cluster.leader
}

/// A stream with three replicas: its leader is killed while messages cross.
pub(crate) fn a_cluster() -> String {
    let mut servers = start();
    eventually("a stream", || {
        servers[0].block_on(async |jetstream| {
            let created = jetstream.create_stream(stream::Config {
                name: "S".to_owned(),
                subjects: vec!["S.>".to_owned()],
                num_replicas: 3,
                ..stream::Config::default()
            });
            created.await.is_ok()
        })
    });
    let (near, far) = (Name::new("near"), Name::new("far"));
    let (mut producer, mut consumer) = (near_ring(&near, 1 << 16), far_ring(&far, 1 << 16));
    let urls: Vec<_> = servers.iter().map(Server::url).collect();
    let urls = urls.join(",");
    let _out = Bridge::out(&servers[0], &near, "S", &["--server", &urls]);
    let _in = Bridge::inward(&servers[0], &far, "S", &["--server", &urls]);
    let (kills, each) = if is_long() { (20, 2000) } else { (1, 1000) };
    let messages = each * (kills as u64 + 1);
    thread::scope(|scope| {
        scope.spawn(move || {
            for number in 0..messages {
                producer
                    .push_timeout(&payload(number, 64), HANG)
                    .expect("room");
            }
        });
        let mut expected = (0..messages).step_by(each as usize);
        for kill in 0..=kills {
            let first = expected.next().expect("a round");
            assert_eq!(
                take(&mut consumer, each as usize / 2),
                (first..first + each / 2).collect::<Vec<_>>()
            );
            let mut victim = None;
            if kill < kills {
                eventually("a leader", || {
                    let name =
                        servers[kill % 3].block_on(async |jetstream| leader(&jetstream).await);
                    victim = name.and_then(|name| name.strip_prefix('n')?.parse::<usize>().ok());
                    victim.is_some()
                });
            }
            if let Some(victim) = victim {
                servers[victim].kill();
            }
            let first = first + each / 2;
            assert_eq!(
                take(&mut consumer, each as usize / 2),
                (first..first + each / 2).collect::<Vec<_>>()
            );
            if let Some(victim) = victim {
                servers[victim].run();
            }
        }
    });
    eventually("all is released", || near.unread() == 0);
    assert!(consumer.is_empty());
    format!("\n    {messages} messages over three replicas, whose leader was killed {kills} times")
}
