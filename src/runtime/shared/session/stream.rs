//! The bytes below a connection: a socket or TCP, bounded, and TLS that looks at the certificate.

use std::io;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use rustls::ClientConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls_platform_verifier::Verifier;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio_postgres::config::Host;
use tokio_postgres::tls::{ChannelBinding, NoTls, TlsConnect, TlsStream};
use tokio_postgres::{Client, Config, Error};
use tokio_rustls::TlsConnector;

use super::Failure;
use crate::config::shared_store::Address;

/// Bytes that one connection may bring: more than any exchange does.
const MOST: u64 = 64 * 1024 * 1024;

type Running = Pin<Box<dyn Future<Output = Result<(), Error>> + Send>>;

/// Connects as the address says. The future is the connection; it ends with the client.
pub(super) async fn connect(
    address: &Address,
    config: &Config,
    ca_bundle: Option<&Path>,
) -> Result<(Client, Running), Failure> {
    let other = |error: io::Error| Failure::Other(error.to_string());
    let name = match &address.host {
        Host::Unix(directory) => {
            let path = directory.join(format!(".s.PGSQL.{}", address.port));
            let stream = Bounded::new(UnixStream::connect(path).await.map_err(other)?);
            let (client, connection) = config.connect_raw(stream, NoTls).await?;
            return Ok((client, Box::pin(connection)));
        }
        Host::Tcp(name) => name,
    };
    let stream = TcpStream::connect((name.as_str(), address.port));
    let stream = Bounded::new(stream.await.map_err(other)?);
    if !address.tls {
        let (client, connection) = config.connect_raw(stream, NoTls).await?;
        return Ok((client, Box::pin(connection)));
    }
    let tls = Verified::new(name, ca_bundle).map_err(Failure::Other)?;
    let (client, connection) = config.connect_raw(stream, tls).await?;
    Ok((client, Box::pin(connection)))
}

/// TLS to a server whose certificate is sound and bears its name.
struct Verified {
    connector: TlsConnector,
    name: ServerName<'static>,
}

impl Verified {
    fn new(name: &str, ca_bundle: Option<&Path>) -> Result<Self, String> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let extra: Vec<CertificateDer<'static>> = match ca_bundle {
            Some(path) => CertificateDer::pem_file_iter(path)
                .and_then(Iterator::collect)
                .map_err(|error| format!("{}: {error}", path.display()))?,
            None => Vec::new(),
        };
        let verifier = Verifier::new_with_extra_roots(extra, provider.clone())
            .map_err(|error| error.to_string())?;
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_no_client_auth();
        Ok(Self {
            connector: Arc::new(config).into(),
            name: ServerName::try_from(name.to_owned()).map_err(|error| error.to_string())?,
        })
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> TlsConnect<S> for Verified {
    type Stream = Encrypted<S>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Encrypted<S>>> + Send>>;

    fn connect(self, stream: S) -> Self::Future {
        Box::pin(async move { Ok(Encrypted(self.connector.connect(self.name, stream).await?)) })
    }
}

struct Encrypted<S>(tokio_rustls::client::TlsStream<S>);

impl<S: AsyncRead + AsyncWrite + Unpin> TlsStream for Encrypted<S> {
    fn channel_binding(&self) -> ChannelBinding {
        ChannelBinding::none()
    }
}

/// A stream that ends with an error when it brings too much.
struct Bounded<S> {
    stream: S,
    left: u64,
}

impl<S> Bounded<S> {
    fn new(stream: S) -> Self {
        Self { stream, left: MOST }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Bounded<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(context, buffer);
        let read = (buffer.filled().len() - before) as u64;
        match self.left.checked_sub(read) {
            Some(left) => self.left = left,
            None => return Poll::Ready(Err(io::Error::other("the server sends too much"))),
        }
        polled
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Encrypted<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, buffer)
    }
}

macro_rules! written_through {
    ($stream:ident, $inner:tt, $($bound:tt)+) => {
        impl<S: $($bound)+> AsyncWrite for $stream<S> {
            fn poll_write(
                mut self: Pin<&mut Self>,
                context: &mut Context<'_>,
                bytes: &[u8],
            ) -> Poll<io::Result<usize>> {
                Pin::new(&mut self.$inner).poll_write(context, bytes)
            }

            fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
                Pin::new(&mut self.$inner).poll_flush(context)
            }

            fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
                Pin::new(&mut self.$inner).poll_shutdown(context)
            }
        }
    };
}

written_through!(Bounded, stream, AsyncWrite + Unpin);
written_through!(Encrypted, 0, AsyncRead + AsyncWrite + Unpin);
