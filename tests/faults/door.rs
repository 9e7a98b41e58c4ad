//! A door in front of a server: shut, connections are refused; open, bytes pass.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU32, Ordering};

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinSet;

/// See the module. The port is kept while the door is shut.
pub struct Door {
    address: SocketAddr,
    target: SocketAddr,
    /// Bound but not listening: the kernel refuses connections, and nobody else gets the port.
    shut: Option<TcpSocket>,
    open: Option<JoinSet<()>>,
}

impl Door {
    pub fn shut(target: SocketAddr) -> Door {
        let (socket, address) = anywhere();
        Door { address, target, shut: Some(socket), open: None }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn open(&mut self) {
        let Some(socket) = self.shut.take() else { return };
        let listener = socket.listen(64).unwrap();
        let mut guard = JoinSet::new();
        guard.spawn(pass(listener, self.target));
        self.open = Some(guard);
    }

    /// Leads elsewhere from here on.
    pub async fn lead_to(&mut self, target: SocketAddr) {
        self.close().await;
        self.target = target;
        self.open();
    }

    /// Cuts every connection that is open.
    pub async fn close(&mut self) {
        if let Some(mut guard) = self.open.take() {
            guard.shutdown().await;
            self.shut = Some(bound(self.address));
        }
    }
}

fn bound(address: SocketAddr) -> TcpSocket {
    bind(address).unwrap()
}

fn bind(address: SocketAddr) -> std::io::Result<TcpSocket> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(socket)
}

/// A port below the range from which the kernel picks ports for outgoing connections: between shut
/// and open nobody is given it.
fn anywhere() -> (TcpSocket, SocketAddr) {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let first = std::process::id().wrapping_mul(37);
    let ports = std::iter::from_fn(|| Some(NEXT.fetch_add(1, Ordering::Relaxed)));
    let ports = ports.map(|next| 20_000 + first.wrapping_add(next) % 12_000);
    let mut addresses =
        ports.map(|port| SocketAddr::new(Ipv4Addr::LOCALHOST.into(), u16::try_from(port).unwrap()));
    addresses.find_map(|address| Some((bind(address).ok()?, address))).unwrap()
}

async fn pass(listener: TcpListener, target: SocketAddr) {
    let mut connections = JoinSet::new();
    while let Ok((mut near, _)) = listener.accept().await {
        connections.spawn(async move {
            if let Ok(mut far) = TcpStream::connect(target).await {
                let _ = copy_bidirectional(&mut near, &mut far).await;
            }
        });
        while connections.try_join_next().is_some() {}
    }
}
