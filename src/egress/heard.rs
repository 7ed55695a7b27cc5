//! A TCP connection whose other end may have answered and gone while we were still
//! sending. A write that fails for that reason says nothing yet: the answer may lie
//! unread in the kernel, so the reader is let go first, and says what there is to say.
//! It must not know what is read or written.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use hyper_util::client::legacy::connect::{Connected, Connection};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

#[derive(Debug)]
pub struct Heard {
    tcp: TcpStream,
    is_read_to_end: bool,
    /// Waits for the reader, after a write that the other end had no use for.
    writer: Option<Waker>,
}

impl Heard {
    pub fn new(tcp: TcpStream) -> Self {
        Self {
            tcp,
            is_read_to_end: false,
            writer: None,
        }
    }

    fn written<T>(
        &mut self,
        context: &Context<'_>,
        written: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        match written {
            Poll::Ready(Err(error)) if is_gone(&error) && !self.is_read_to_end => {
                self.writer = Some(context.waker().clone());
                Poll::Pending
            }
            written => written,
        }
    }
}

fn is_gone(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset};
    matches!(
        error.kind(),
        BrokenPipe | ConnectionAborted | ConnectionReset
    )
}

impl AsyncRead for Heard {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = out.filled().len();
        let read = ready!(Pin::new(&mut self.tcp).poll_read(context, out));
        if read.is_err() || (out.filled().len() == before && out.remaining() > 0) {
            self.is_read_to_end = true;
            if let Some(writer) = self.writer.take() {
                writer.wake();
            }
        }
        Poll::Ready(read)
    }
}

impl AsyncWrite for Heard {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.tcp).poll_write(context, bytes);
        self.written(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.tcp).poll_write_vectored(context, parts);
        self.written(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.tcp.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_shutdown(context)
    }
}

impl Connection for Heard {
    fn connected(&self) -> Connected {
        self.tcp.connected()
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    /// A connection whose other end has said something and gone, without having read.
    async fn answered_and_gone(answer: &[u8]) -> Heard {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut tcp = TcpStream::connect(listener.local_addr().unwrap())
            .await
            .unwrap();
        let (mut other, _) = listener.accept().await.unwrap();
        tcp.write_all(b"unread").await.unwrap();
        other.readable().await.unwrap();
        other.write_all(answer).await.unwrap();
        drop(other);
        // Something must arrive before writing fails.
        tcp.readable().await.unwrap();
        Heard::new(tcp)
    }

    #[tokio::test]
    async fn an_answer_is_read_although_writing_fails() {
        let heard = answered_and_gone(b"no").await;
        let (mut reader, mut writer) = tokio::io::split(heard);
        let writing = tokio::spawn(async move {
            while writer.write_all(&[0; 1024]).await.is_ok() {
                tokio::task::yield_now().await;
            }
        });
        for _ in 0..1000 {
            tokio::task::yield_now().await;
        }
        assert!(!writing.is_finished(), "the writer is told first");
        let mut answer = Vec::new();
        // That it was reset may follow.
        let _ = reader.read_to_end(&mut answer).await;
        assert_eq!(answer, b"no");
        // Now the writer is told too.
        writing.await.unwrap();
    }
}
