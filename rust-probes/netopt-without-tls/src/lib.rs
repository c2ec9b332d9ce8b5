//! What [mqttc 0.1.4](https://docs.rs/crate/mqttc/0.1.4/source/src/client.rs) imports from
//! [netopt 0.1.3](https://crates.io/crates/netopt), over TCP alone.
//!
//! netopt turns TLS on by default, through openssl 0.7.14, which does not compile against OpenSSL 1.1 and later. mqttc asks
//! for netopt with default features, so the only way to build mqttc unchanged is another netopt. This one has the three
//! names that mqttc imports and the methods that mqttc calls on them, with the buffering that mqttc gets from netopt (std's
//! `BufReader` and `BufWriter` at their default sizes), because mqttc's behaviour at a timeout and at large packets
//! depends on it. It repairs nothing else.

use std::io::{self, BufReader, BufWriter, Read, Write};
use std::net::{Shutdown, TcpStream, ToSocketAddrs};
use std::time::Duration;

use mqtt3::{MqttRead, MqttWrite};

/// How to open a connection. Without TLS there is nothing to choose.
#[derive(Clone, Copy, Debug, Default)]
pub struct NetworkOptions(());

impl NetworkOptions {
    /// Plain TCP.
    pub fn new() -> Self {
        Self::default()
    }

    /// Opens a TCP connection.
    pub fn connect(&self, addr: impl ToSocketAddrs) -> io::Result<NetworkStream> {
        TcpStream::connect(addr).map(NetworkStream)
    }
}

/// An open TCP connection.
#[derive(Debug)]
pub struct NetworkStream(TcpStream);

impl NetworkStream {
    /// As [`TcpStream::set_read_timeout`].
    pub fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.0.set_read_timeout(timeout)
    }

    /// As [`TcpStream::set_write_timeout`].
    pub fn set_write_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.0.set_write_timeout(timeout)
    }
}

/// The two buffered directions of a [`NetworkStream`]; what is written leaves at `flush`, or when the buffer is full.
#[derive(Debug)]
pub struct Connection {
    reader: BufReader<TcpStream>,
    writer: BufWriter<TcpStream>,
}

impl Connection {
    /// Buffers both directions of `stream`.
    pub fn new(stream: &NetworkStream) -> io::Result<Self> {
        Ok(Self {
            reader: BufReader::new(stream.0.try_clone()?),
            writer: BufWriter::new(stream.0.try_clone()?),
        })
    }

    /// How long a read may block.
    pub fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.reader.get_ref().set_read_timeout(timeout)
    }

    /// Closes both directions.
    pub fn terminate(&self) -> io::Result<()> {
        self.reader.get_ref().shutdown(Shutdown::Both)
    }
}

impl Read for Connection {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.reader.read(buffer)
    }
}

impl Write for Connection {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.writer.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

impl MqttRead for Connection {}
impl MqttWrite for Connection {}
