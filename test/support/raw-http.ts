import { once } from 'node:events';
import net from 'node:net';

/** What the service says to these bytes until it hangs up; for requests no client would send. */
export async function sendBytes(url: string, bytes: string): Promise<string> {
  const socket = await connectTo(url);
  let heard = '';
  socket.setEncoding('utf8').on('data', (text: string) => (heard += text));
  const closed = once(socket, 'close');
  socket.write(bytes);
  await closed;
  return heard;
}

/** An open connection; whoever is not let in sees it close. */
export async function connectTo(url: string): Promise<net.Socket> {
  const { port, hostname } = new URL(url);
  const socket = net.connect(Number(port), hostname);
  // Being cut off is what these tests are about.
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  return socket;
}
