//! TLS, and users by each of the client's own means.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use async_nats::jetstream::stream;
use data_encoding::BASE64URL_NOPAD;
use nkeys::KeyPair;
use quoit_nats::async_nats::{self, ConnectOptions};
use serde_json::{Value, json};

use crate::messages::{payload, take};
use crate::server::Server;
use crate::world::{Bridge, Name, eventually, far_ring, near_ring};

/// A certificate for 127.0.0.1, that signs itself.
fn certificate(server: &Path) {
    let made = Command::new("openssl")
        .current_dir(server)
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
        ])
        .args(["-nodes", "-days", "2", "-subj", "/CN=quoit"])
        .args(["-addext", "subjectAltName=IP:127.0.0.1"])
        .args(["-addext", "basicConstraints=critical,CA:FALSE"])
        .args(["-keyout", "key.pem", "-out", "cert.pem"])
        .output()
        .expect("openssl starts");
    assert!(
        made.status.success(),
        "{}",
        String::from_utf8_lossy(&made.stderr)
    );
}

/// The stream, which this client may create.
fn stream(server: &Server, options: ConnectOptions) {
    let config = stream::Config {
        name: "S".to_owned(),
        subjects: vec!["S.>".to_owned()],
        ..stream::Config::default()
    };
    server.block_on_with(options, async |jetstream| {
        jetstream.create_stream(config).await.expect("a stream");
    });
}

/// A message crosses with these options, and none can connect with the others.
fn crosses(server: &Server, words: &[&str], wrong: &[&str]) {
    let (near, far) = (Name::new("near"), Name::new("far"));
    let (mut producer, mut consumer) = (near_ring(&near, 4096), far_ring(&far, 4096));
    for said in [
        Bridge::out(server, &near, "S", wrong).fails(),
        Bridge::inward(server, &far, "S", wrong).fails(),
    ] {
        assert!(said.contains("no connection to the NATS server"), "{said}");
    }
    let out = Bridge::out(server, &near, "S", words);
    let inward = Bridge::inward(server, &far, "S", words);
    producer.try_push(&payload(1, 64)).expect("room");
    assert_eq!(take(&mut consumer, 1), [1]);
    out.stop();
    inward.stop();
}

pub(crate) fn tls_and_a_user() -> String {
    let directory = tempfile::tempdir().expect("a directory");
    certificate(directory.path());
    let file = |name: &str| directory.path().join(name);
    let text = |name: &str| file(name).display().to_string();
    let server = Server::with_config(&format!(
        "tls {{ cert_file: \"{}\", key_file: \"{}\" }}\n\
         authorization {{ user: bridge, password: secret }}",
        text("cert.pem"),
        text("key.pem")
    ));
    let options = ConnectOptions::new()
        .user_and_password("bridge".to_owned(), "secret".to_owned())
        .add_root_certificates(file("cert.pem"));
    stream(&server, options);
    let ring = Name::new("near");
    let mut producer = near_ring(&ring, 4096);
    producer.try_push(&payload(1, 64)).expect("room");
    let ca = text("cert.pem");
    let said = Bridge::out(&server, &ring, "S", &["--user", "bridge", "--tls-ca", &ca]).fails();
    assert!(said.contains("credentials"), "no password: {said}");
    let path = file("rings.toml");
    let text = format!(
        "[server]\nserver = \"{}\"\nuser = \"bridge\"\npassword = \"secret\"\ntls-ca = \"{ca}\"\ntls = \
         true\n[[out]]\nring = \"{}\"\nstream = \"S\"\nsubject = \"S.a\"\n",
        server.url(),
        ring.0
    );
    fs::write(&path, text).expect("a file");
    let bridge = Bridge::start(&server, &["run", path.to_str().expect("a path")]);
    eventually("the message is there", || ring.unread() == 0);
    bridge.stop();
    String::new()
}

/// The server asks the client for a certificate.
pub(crate) fn a_client_certificate() -> String {
    let directory = tempfile::tempdir().expect("a directory");
    certificate(directory.path());
    let [cert, key] = ["cert.pem", "key.pem"].map(|name| directory.path().join(name));
    let [cert_text, key_text] = [&cert, &key].map(|path| path.display().to_string());
    let server = Server::with_config(&format!(
        "tls {{ cert_file: \"{cert_text}\", key_file: \"{key_text}\", ca_file: \"{cert_text}\", \
         verify: true }}"
    ));
    let options = ConnectOptions::new()
        .add_root_certificates(cert.clone())
        .add_client_certificate(cert, key);
    stream(&server, options);
    let trust = ["--tls", "--tls-ca", &cert_text];
    let own = ["--tls-cert", &cert_text, "--tls-key", &key_text];
    crosses(&server, &[&trust[..], &own[..]].concat(), &trust);
    String::new()
}

/// A user by an nkey: a challenge that the seed signs.
pub(crate) fn an_nkey() -> String {
    let directory = tempfile::tempdir().expect("a directory");
    let (user, other) = (KeyPair::new_user(), KeyPair::new_user());
    let server = Server::with_config(&format!(
        "authorization {{ users: [ {{ nkey: {} }} ] }}",
        user.public_key()
    ));
    let seed = user.seed().expect("a seed");
    stream(&server, ConnectOptions::with_nkey(seed.clone()));
    let file = |name: &str, seed: &str| {
        let path = directory.path().join(name);
        fs::write(&path, format!("{seed}\n")).expect("a file");
        path.display().to_string()
    };
    let (own, wrong) = (
        file("own", &seed),
        file("other", &other.seed().expect("a seed")),
    );
    crosses(&server, &["--nkey", &own], &["--nkey", &wrong]);
    String::new()
}

/// A token of NATS: claims that this key signs for this subject.
fn token(issuer: &KeyPair, subject: &KeyPair, nats: Value) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let claims = json!({
        "jti": subject.public_key(),
        "iat": now.expect("a time after 1970").as_secs(),
        "iss": issuer.public_key(),
        "sub": subject.public_key(),
        "name": "quoit",
        "nats": nats,
    });
    let header = json!({ "typ": "JWT", "alg": "ed25519-nkey" });
    let [header, claims] =
        [header, claims].map(|part| BASE64URL_NOPAD.encode(part.to_string().as_bytes()));
    let signed = format!("{header}.{claims}");
    let signature = issuer.sign(signed.as_bytes()).expect("a signature");
    format!("{signed}.{}", BASE64URL_NOPAD.encode(&signature))
}

/// The text of a file with credentials.
fn credentials(account: &KeyPair, user: &KeyPair) -> String {
    let nats = json!({ "type": "user", "version": 2, "subs": -1, "data": -1, "payload": -1 });
    format!(
        "-----BEGIN NATS USER JWT-----\n{}\n------END NATS USER JWT------\n\n\
         -----BEGIN USER NKEY SEED-----\n{}\n------END USER NKEY SEED------\n",
        token(account, user, nats),
        user.seed().expect("a seed")
    )
}

/// A user of an account, which an operator has signed.
pub(crate) fn a_file_with_credentials() -> String {
    let directory = tempfile::tempdir().expect("a directory");
    let (operator, account, other) = (
        KeyPair::new_operator(),
        KeyPair::new_account(),
        KeyPair::new_account(),
    );
    let operator_token = token(
        &operator,
        &operator,
        json!({ "type": "operator", "version": 2 }),
    );
    let account_of = |subject: &KeyPair, storage: i32| {
        let limits = json!({
            "subs": -1, "data": -1, "payload": -1, "imports": -1, "exports": -1, "conn": -1,
            "leaf": -1, "wildcards": true, "mem_storage": storage, "disk_storage": storage,
            "streams": storage, "consumer": storage,
        });
        let nats = json!({ "type": "account", "version": 2, "limits": limits });
        token(&operator, subject, nats)
    };
    let account_token = account_of(&account, -1);
    // JetStream needs one, which has no streams.
    let system = KeyPair::new_account();
    let system_token = account_of(&system, 0);
    let server = Server::with_config(&format!(
        "operator: \"{operator_token}\"\nsystem_account: {system}\nresolver: MEMORY\n\
         resolver_preload {{ {account}: \"{account_token}\", {system}: \"{system_token}\" }}",
        account = account.public_key(),
        system = system.public_key()
    ));
    let user = KeyPair::new_user();
    let text = credentials(&account, &user);
    let options = ConnectOptions::with_credentials(&text).expect("credentials");
    stream(&server, options);
    let file = |name: &str, text: &str| {
        let path = directory.path().join(name);
        fs::write(&path, text).expect("a file");
        path.display().to_string()
    };
    let own = file("own.creds", &text);
    // Signed by an account that the operator does not know.
    let wrong = file("other.creds", &credentials(&other, &KeyPair::new_user()));
    crosses(&server, &["--creds", &own], &["--creds", &wrong]);
    let missing = Name::new("near");
    drop(near_ring(&missing, 4096));
    let said = Bridge::out(&server, &missing, "S", &["--creds", "nowhere.creds"]).fails();
    assert!(said.contains("cannot read nowhere.creds"), "{said}");
    String::new()
}
