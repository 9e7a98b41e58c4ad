//! A proxy in front of a broker that can hold one chosen request, as a slow network does.
//!
//! Brokers tell clients where brokers are: in answers, the broker's address is replaced by the
//! proxy's, which has as many bytes. What comes behind a held request on its connection waits too.
//! A client that has gone does not take the request along: released, it still reaches the broker.
//! The same where its connection was cut, so that it asks once more on another one: then the
//! request comes twice.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Requests of a transaction, by their key in Kafka's protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Request {
    Produce = 0,
    InitProducerId = 22,
    AddPartitionsToTxn = 24,
    EndTxn = 26,
}

/// What becomes of the request to be held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stage {
    /// Nothing is to be held.
    Idle,
    /// The next request of this kind is to be held, after so many others.
    Wanted(Request, u32),
    Held,
    /// Held, and the client has lost its connection.
    Cut,
    Released,
    /// The broker's answer, from the correlation id on.
    Answered(Vec<u8>),
    /// The broker closed the connection instead.
    Unanswered,
}

pub struct Proxy {
    address: SocketAddr,
    stage: Arc<watch::Sender<Stage>>,
    _tasks: JoinSet<()>,
}

/// Addresses as they are in answers: host and port.
#[derive(Clone)]
struct Addresses {
    broker: Vec<u8>,
    proxy: Vec<u8>,
}

impl Proxy {
    pub async fn start(broker: &str) -> Proxy {
        let broker: SocketAddr = broker.parse().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let bytes = |address: SocketAddr| {
            let host = address.ip().to_string().into_bytes();
            [host, u32::from(address.port()).to_be_bytes().to_vec()].concat()
        };
        let addresses = Addresses { broker: bytes(broker), proxy: bytes(address) };
        assert_eq!(addresses.broker.len(), addresses.proxy.len());
        let stage = Arc::new(watch::Sender::new(Stage::Idle));
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, broker, addresses, Arc::clone(&stage)));
        Proxy { address, stage, _tasks: tasks }
    }

    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// Holds a request of this kind, after so many others of it.
    pub fn hold(&self, request: Request, after: u32) {
        self.stage.send_replace(Stage::Wanted(request, after));
    }

    /// Closes the connection on which the held request came.
    pub fn cut(&self) {
        assert_eq!(*self.stage.borrow(), Stage::Held);
        self.stage.send_replace(Stage::Cut);
    }

    pub fn release(&self) {
        assert!(matches!(*self.stage.borrow(), Stage::Held | Stage::Cut));
        self.stage.send_replace(Stage::Released);
    }

    pub fn stage(&self) -> Stage {
        self.stage.borrow().clone()
    }
}

async fn accept(
    listener: TcpListener,
    broker: SocketAddr,
    addresses: Addresses,
    stage: Arc<watch::Sender<Stage>>,
) {
    let mut connections = JoinSet::new();
    while let Ok((near, _)) = listener.accept().await {
        let Ok(far) = TcpStream::connect(broker).await else { continue };
        let ((from_near, to_near), (from_far, to_far)) = (near.into_split(), far.into_split());
        let late = Arc::new(Mutex::new(None));
        let client = Arc::new(tokio::sync::Mutex::new(to_near));
        let connection = Connection { client, stage: Arc::clone(&stage), late };
        connections.spawn(forward(from_near, to_far, connection.clone()));
        connections.spawn(answer(from_far, addresses.clone(), connection));
        while connections.try_join_next().is_some() {}
    }
}

/// What both directions of a connection share.
#[derive(Clone)]
struct Connection {
    client: Arc<tokio::sync::Mutex<OwnedWriteHalf>>,
    stage: Arc<watch::Sender<Stage>>,
    /// The correlation id of the request that was held on it.
    late: Arc<Mutex<Option<[u8; 4]>>>,
}

async fn forward(mut near: OwnedReadHalf, mut far: OwnedWriteHalf, connection: Connection) {
    let Connection { client, stage, late } = connection;
    while let Some(frame) = frame(&mut near).await {
        if is_wanted(&frame, &stage) {
            *late.lock().unwrap() = frame[8..12].try_into().ok();
            let mut stages = stage.subscribe();
            if stages.wait_for(|stage| *stage != Stage::Held).await.is_err() {
                return;
            }
            if *stage.borrow() == Stage::Cut {
                // It has gone if that fails.
                let _ = client.lock().await.shutdown().await;
            }
            if stages.wait_for(|stage| *stage == Stage::Released).await.is_err() {
                return;
            }
        }
        if far.write_all(&frame).await.is_err() {
            return;
        }
    }
    // A client that has gone may have left a request behind whose answer is still wanted.
    if late.lock().unwrap().is_some() {
        let done = |stage: &Stage| matches!(stage, Stage::Answered(_) | Stage::Unanswered);
        let _ = stage.subscribe().wait_for(done).await;
    }
}

/// Whether this request is the one to be held; then it is.
fn is_wanted(frame: &[u8], stage: &watch::Sender<Stage>) -> bool {
    let key = u16::from_be_bytes([frame[4], frame[5]]);
    stage.send_if_modified(|stage| {
        let Stage::Wanted(request, after) = stage else { return false };
        if *request as u16 != key {
            return false;
        }
        if *after > 0 {
            *after -= 1;
            return false;
        }
        *stage = Stage::Held;
        true
    })
}

async fn answer(mut far: OwnedReadHalf, addresses: Addresses, connection: Connection) {
    let Connection { client, stage, late } = connection;
    let is_late = |id: &[u8]| late.lock().unwrap().is_some_and(|late| late == id);
    while let Some(mut frame) = frame(&mut far).await {
        if is_late(&frame[4..8]) {
            stage.send_replace(Stage::Answered(frame[4..].to_vec()));
        }
        let length = addresses.broker.len();
        for at in 8..frame.len().saturating_sub(length - 1) {
            if frame[at..at + length] == addresses.broker {
                frame[at..at + length].copy_from_slice(&addresses.proxy);
            }
        }
        // Nobody may be there any more to read it.
        let _ = client.lock().await.write_all(&frame).await;
    }
    let waits = late.lock().unwrap().is_some();
    stage.send_if_modified(|stage| {
        let unanswered = waits && *stage == Stage::Released;
        if unanswered {
            *stage = Stage::Unanswered;
        }
        unanswered
    });
}

/// A length and as many bytes; none at the end of the connection.
async fn frame(from: &mut OwnedReadHalf) -> Option<Vec<u8>> {
    let length = from.read_u32().await.ok()?;
    let mut frame = length.to_be_bytes().to_vec();
    frame.resize(4 + usize::try_from(length).unwrap(), 0);
    from.read_exact(&mut frame[4..]).await.ok()?;
    Some(frame)
}
