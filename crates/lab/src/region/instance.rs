//! A tiny instance: answers every HTTP request with 200, or with 503 once it is told to be ill.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// A client that says nothing for this long is dropped.
const PATIENCE: Duration = Duration::from_secs(10);
/// The longest request head that is read.
const MAX_HEAD: usize = 8 * 1024;

/// A running instance; stops when dropped.
#[derive(Debug)]
pub struct Instance {
    address: SocketAddr,
    well: Arc<AtomicBool>,
    server: JoinHandle<()>,
}

impl Instance {
    /// Starts serving on a free port of `address`; the instance is well.
    ///
    /// # Errors
    /// The operating system's, when the address cannot be used.
    pub async fn start(address: Ipv4Addr) -> io::Result<Self> {
        let listener = TcpListener::bind((address, 0)).await?;
        let address = listener.local_addr()?;
        let well = Arc::new(AtomicBool::new(true));
        let server = tokio::spawn(serve(listener, Arc::clone(&well)));
        Ok(Self { address, well, server })
    }

    /// What to check.
    pub fn url(&self) -> String {
        format!("http://{}/healthz", self.address)
    }

    /// Makes it answer 200 or 503 from the next request on.
    pub fn set_well(&self, well: bool) {
        self.well.store(well, Ordering::Release);
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn serve(listener: TcpListener, well: Arc<AtomicBool>) {
    while let Ok((client, _)) = listener.accept().await {
        let well = Arc::clone(&well);
        tokio::spawn(async move {
            // A client that goes away is its own business.
            let _ = tokio::time::timeout(PATIENCE, answer(client, &well)).await;
        });
    }
}

/// Reads one request head and answers it.
async fn answer(mut client: TcpStream, well: &AtomicBool) -> io::Result<()> {
    let mut head = Vec::new();
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        if head.len() > MAX_HEAD || client.read_buf(&mut head).await? == 0 {
            return Ok(());
        }
    }
    let answer: &[u8] = if well.load(Ordering::Acquire) {
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nok\n"
    } else {
        b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 4\r\nConnection: close\r\n\r\nill\n"
    };
    client.write_all(answer).await?;
    client.shutdown().await
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn ask(instance: &Instance) -> String {
        let mut client = TcpStream::connect(instance.address).await.expect("connect");
        client.write_all(b"GET /healthz HTTP/1.1\r\n\r\n").await.expect("write");
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.expect("read");
        answer
    }

    #[tokio::test]
    async fn an_instance_says_how_it_is() {
        let instance = Instance::start(Ipv4Addr::LOCALHOST).await.expect("start");
        assert!(ask(&instance).await.starts_with("HTTP/1.1 200 "));
        instance.set_well(false);
        assert!(ask(&instance).await.starts_with("HTTP/1.1 503 "));
        instance.set_well(true);
        assert!(ask(&instance).await.starts_with("HTTP/1.1 200 "));
    }
}
