// Read the log: `node replay.js first`, `… 2026-11-23T18:00:00Z`, `… 4711`, with the subscriber's address in CG_AMQP_URI.
// Prints the offset of each message, a tab and the message as JSON, up to now and then on as they come. Who stops notes
// the last offset, and goes on with the one after it.
import amqplib from 'amqplib';

const log = process.env.CG_LOG ?? 'commonground.public.log';

// Where to begin: "first", an offset, or a time, which AMQP counts in seconds.
function place(text) {
  if (text === 'first') return text;
  if (/^\d+$/.test(text)) return Number(text);
  return { '!': 'timestamp', value: Math.floor(Date.parse(text) / 1000) };
}

try {
  const connection = await amqplib.connect(process.env.CG_AMQP_URI);
  const channel = await connection.createChannel();
  await channel.prefetch(200);
  const begin = place(process.argv[2] ?? 'first');
  await channel.consume(
    log,
    (message) => {
      if (message === null) process.exit(1); // the broker ended it
      console.log(`${message.properties.headers['x-stream-offset']}\t${message.content}`); // here: what this system is for
      channel.ack(message); // a stream wants to be acknowledged too: by that it sends on
    },
    { arguments: { 'x-stream-offset': begin } },
  );
} catch (fault) {
  console.error(fault.message);
  process.exit(1);
}
