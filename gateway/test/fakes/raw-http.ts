/** Bytes to a port, as no HTTP client would send them, and whatever comes back. */
import { connect, type Socket } from 'node:net';

export interface RawConnection {
  readonly socket: Socket;
  /** What has come so far. */
  readonly text: string;
  /** Resolves when the other side is done, however it ends. */
  readonly closed: Promise<string>;
  write(bytes: string | Buffer): void;
}

export function openRaw(url: string): RawConnection {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  let text = '';
  socket.setEncoding('latin1').on('data', (piece: string) => {
    text += piece;
  });
  // A reset is one of the ways in which a server may say no.
  socket.on('error', () => socket.destroy());
  const closed = new Promise<string>((resolve) => {
    socket.once('close', () => resolve(text));
  });
  return {
    socket,
    get text() {
      return text;
    },
    closed,
    write: (bytes) => void socket.write(bytes),
  };
}

/** Sends `bytes` and answers everything that came until the other side closed. */
export function sendRaw(url: string, bytes: string | Buffer): Promise<string> {
  const connection = openRaw(url);
  connection.write(bytes);
  return connection.closed;
}

/** The status of a raw answer; null when none came. */
export function statusOf(answer: string): number | null {
  const match = /^HTTP\/1\.1 (\d{3})/.exec(answer);
  return match === null ? null : Number(match[1]);
}
